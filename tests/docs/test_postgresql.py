"""The page on PostgreSQL works on a server: its commands, with another URL."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nnsearch.cpsat
from nnsearch.problems import read_problem

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "postgresql.md").read_text(encoding="utf-8")
URL = "postgresql://planners:secret@db.example.org/plans"

pytestmark = pytest.mark.slow


def test_a_solve_moves_from_a_file_to_a_server(on_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model, _ = read_problem(ROOT / "docs" / "files" / "model.pbtxt").build()
    assert nnsearch.cpsat.CpSolver(history="plans.db", family="ward 3").solve(model)
    commands = [line.strip() for line in re.findall(r"^ *nnsearch history .*", PAGE, re.MULTILINE)]
    assert [command.split()[2] for command in commands] == ["list", "export", "add"]
    for command in [*commands[1:], commands[0]]:
        assert URL in PAGE
        here = command.replace(URL, f"'{on_server}'").replace("nnsearch", f"{sys.executable} -m nnsearch", 1)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(["bash", "-c", here], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "ward 3" in done.stdout
