from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.rooms import ROOT

_SCHEMAS = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a server that is there for these tests."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'nnsearch[postgres]'")
    script = [str(ROOT / "scripts" / "with_postgres"), "sh", "-c", "echo $NNSEARCH_POSTGRES; read line"]
    pipe = subprocess.PIPE
    with subprocess.Popen(script, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        url = server.stdout.readline().strip()
        if not url:
            pytest.skip(f"no PostgreSQL: {server.stderr.read().strip()}")
        yield url
        server.communicate("\n")


@pytest.fixture
def on_server(postgres: str) -> str:
    """The URL of a place without tables."""
    import psycopg

    schema = f"place_{next(_SCHEMAS)}"
    with psycopg.connect(postgres) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{postgres}&options=-csearch_path%3D{schema}"


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where there is no store yet."""
    return str(tmp_path / "plans.db") if request.param == "sqlite" else request.getfixturevalue("on_server")
