from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from past_solves import past_solve, sketch_of, some_model

from nnsearch.cli.main import main
from nnsearch.history.store import Store

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def nnsearch(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``nnsearch history`` in a folder of its own; returns code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main(("history", *arguments))
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    path = tmp_path / "plans.db"
    with Store(path) as store:
        for number in range(3):
            solve = past_solve(number, "rosters" if number == 2 else "jobs\x1b[31m")
            store.record(replace(solve, found_by="core\nand"), some_model(number), sketch_of(number))
    return path


def test_families_and_solves_are_listed_on_one_line_each(nnsearch: Run, plans: Path) -> None:
    code, out, err = nnsearch("list", "plans.db")
    assert (code, err) == (0, "")
    assert [line.split()[-1] for line in out.splitlines()] == ["family", r"jobs\x1b[31m", "rosters"]
    code, out, err = nnsearch("list", "plans.db", "--family", "rosters")
    assert (code, err) == (0, "")
    assert re.search(r"^ +3  2001-09-\d\d \d\d:\d\d  FEASIBLE +2 +- +1.5 +20 +2  core and$", out, re.MULTILINE)


def test_a_solve_is_shown(nnsearch: Run, plans: Path) -> None:
    code, out, _ = nnsearch("show", "plans.db", "3")
    assert code == 0
    assert "objective: 2\n" in out
    assert "start[19]" not in out
    code, out, _ = nnsearch("show", "plans.db", "3", "--values")
    assert out.endswith(f"start[19] = {past_solve(2).solutions[0].values[-1]}\n")


@pytest.mark.parametrize("verb", ["list", "show", "export", "prune"])
def test_a_history_that_is_not_there_is_not_made(nnsearch: Run, tmp_path: Path, verb: str) -> None:
    words = {"list": [], "show": ["1"], "export": ["1", "--model", "x.pb"], "prune": ["--keep", "1"]}[verb]
    code, out, err = nnsearch(verb, "plans.db", *words)
    assert (code, out) == (2, "")
    assert err == "error: plans.db: expected a history, got nothing at this path; correct it\n"
    assert not (tmp_path / "plans.db").exists()


def test_pruning(nnsearch: Run, plans: Path) -> None:
    for words in ([], ["--keep", "-1"], ["--days", "-1"], ["--days", "nan"]):
        code, _, err = nnsearch("prune", "plans.db", *words)
        assert (code, err.count("\n"), err[:15]) == (2, 1, "error: expected")
    assert nnsearch("prune", "plans.db", "--keep", "1")[1] == "removed 1 solves\n"
    assert nnsearch("prune", "plans.db", "--days", "30", "--family", "rosters")[1] == "removed 1 solves\n"


def test_what_cannot_be_exported(nnsearch: Run, plans: Path) -> None:
    assert nnsearch("export", "plans.db", "1")[2].startswith("error: expected --model or --solution, got neither")
    assert nnsearch("export", "plans.db", "9", "--model", "x.pb")[2].startswith("error: plans.db: expected the number")
    assert nnsearch("export", "plans.db", "1", "--model", "no/such/x.pb")[2].count("\n") == 1
    assert nnsearch("export", "plans.db", "1", "--model", "x.txt")[2].startswith("error: plans.db: expected a CpModel")
