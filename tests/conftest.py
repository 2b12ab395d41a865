from __future__ import annotations

import gc
import itertools
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

_ROOT = Path(__file__).resolve().parents[1]
_SCHEMAS = itertools.count()

# Tests run side by side: threads that wait for each other in a loop would only take the processors from other tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Timings on shared machines are noisy, and the first call of a compiled function takes seconds.
settings.register_profile("nnsearch", deadline=None, max_examples=50)
settings.load_profile("nnsearch")


def pytest_collection_finish() -> None:
    """Leave what the tests have loaded out of every collection of garbage: it stays, and to look through takes .5 s."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def ctrl_c_reaches_python() -> None:
    """A plain solve by CP-SAT leaves Ctrl-C to the system, and a test that presses it would end the whole worker."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The address of a Ray cluster of two nodes, both on this machine, with a CPU each."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=node)
    made.add_node(**node)
    yield made.address
    made.shutdown()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a server: that of NNSEARCH_POSTGRES, or one that is there for these tests."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install '.[postgres]'")
    if given := os.environ.get("NNSEARCH_POSTGRES"):
        yield given
        return
    script = [str(_ROOT / "scripts" / "with_postgres"), "sh", "-c", "echo $NNSEARCH_POSTGRES; read line"]
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
def store_location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where there is no store yet."""
    return str(tmp_path / "plans.db") if request.param == "sqlite" else request.getfixturevalue("on_server")
