"""``nnsearch history replay``, as a user types it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from ortools.sat.python import cp_model
from past_solves import load, record_load

from nnsearch.cli.main import main
from nnsearch.history.store import Store
from nnsearch.result import Status
from nnsearch.trial import history_replay
from nnsearch.trial.arms import TrialRun

QUICK = ("--seconds", "0.2", "--workers", "1")


@pytest.fixture
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        record_load(tmp_path / "plans.db", load(number))
    return "plans.db"


def test_a_row_for_each_instance_and_a_verdict(plans: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "replay", plans, *QUICK]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    _, header, *rows, empty, measured, verdict = out.splitlines()
    assert header.split()[:3] == ["number", "ended", "seed"]
    run = r" +>?\d+\.\d\d +\d+ +\d+\.\d\d \|"
    for row, number in zip(rows, (3, 2), strict=True):
        assert re.fullmatch(rf" +{number}  \d{{4}}-\d\d-\d\d \d\d:\d\d +1{run}{run} +\d+\.\d\d", row)
    assert empty == ""
    assert measured.startswith("of 2 instances: geometric mean of the ratios ")
    assert re.fullmatch(
        r"history (is worth it|gives nothing|costs more).* here.*, as far as 2 instances can tell", verdict
    )


def test_a_line_up_is_measured_and_kept(
    plans: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept is used only where it was clearly better in five instances or more."""
    tried: list[list[str]] = []

    def run_of(solver: cp_model.CpSolver, *_: object) -> TrialRun:
        tried.append(list(solver.parameters.subsolvers))
        return TrialRun(Status.OPTIMAL, 1.0 if tried[-1] else 2.0, [(0.1, 7.0)])

    monkeypatch.setattr(history_replay, "run_of", run_of)
    monkeypatch.setattr(history_replay, "scout", lambda *_: Counter({"no_lp": 9, "fixed": 4, "ls": 30}))
    for count, helps in ((3, False), (6, True)):
        for number in range(3, count):
            record_load(Path(plans), load(number))
        tried.clear()
        assert main(["history", "replay", plans, "--workers", "2", "--line-up"]) == 0
        out = capsys.readouterr().out
        assert out.startswith("line-up: no_lp\n")
        assert "the line-up is worth it here: a solve costs 0.51" in out
        assert f"kept: {'use' if helps else 'do not use'} it with 2 workers" in out
        assert sorted(tried) == [[]] * (count - 1) + [["no_lp"]] * (count - 1)
        with Store(plans) as store:
            kept = store.line_up("loads", 2)
        assert kept is not None
        assert (kept.subsolvers, kept.helps) == (("no_lp",), helps)
        assert kept.measured.startswith(f"of {count - 1} instances: geometric mean of the ratios 0.51")
    assert main(["history", "replay", plans, "--workers", "1", "--line-up"]) == 2
    assert "expected 2 or more for a line-up" in capsys.readouterr().err


def test_the_history_of_a_team(on_server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A PostgreSQL is replayed like a file, and stays as it is."""
    for number in range(3):
        record_load(on_server, load(number))
    assert main(["history", "list", on_server, "--family", "loads"]) == 0
    before = capsys.readouterr().out
    assert main(["history", "replay", on_server, *QUICK]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert len(re.findall(r"^ +[32] .*\|", out, re.MULTILINE)) == 2
    assert main(["history", "list", on_server, "--family", "loads"]) == 0
    assert capsys.readouterr().out == before
    assert main(["history", "replay", on_server, "--family", "none"]) == 2
    assert "pass-word" not in capsys.readouterr().err


def test_runs_that_prove_or_find_nothing(
    plans: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = iter([TrialRun(Status.UNKNOWN, 0.2, []), TrialRun(Status.FEASIBLE, 0.2, [(0.1, 7.0)])])
    monkeypatch.setattr(history_replay, "run_of", lambda *_: next(runs))
    assert main(["history", "replay", plans, *QUICK, "--last", "1"]) == 0
    (row,) = re.findall("^ +3 .*", capsys.readouterr().out, re.MULTILINE)
    assert [cell.split()[-3:] for cell in row.split("|")[:2]] == [[">0.20", "7", "0.10"], [">0.20", "none", "none"]]


def test_after_ctrl_c_there_is_what_was_measured(
    plans: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[TrialRun | BaseException] = [TrialRun(Status.OPTIMAL, 0.1, [(0.1, 7.0)])] * 2
    answers.append(KeyboardInterrupt())

    def run_of(*_: object) -> TrialRun:
        answer = answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(history_replay, "run_of", run_of)
    assert main(["history", "replay", plans, *QUICK]) == 130
    out, err = capsys.readouterr()
    assert err == "interrupted\n"
    assert out.splitlines()[-1] == "history gives nothing here, as far as 1 instance can tell"
    answers.append(KeyboardInterrupt())
    assert main(["history", "replay", plans, *QUICK]) == 130
    assert capsys.readouterr() == ("", "interrupted\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--family", "x"], "error: plans.db: expected a family of the history, got 'x'; there are 'loads'\n"),
        (["--seconds", "0"], "error: seconds: expected above 0, and a number, got 0.0\n"),
        (["--last", "0"], "error: last: expected 1 or more, got 0\n"),
    ],
)
def test_bad_input_is_one_line(plans: str, words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "replay", plans, *words]) == 2
    assert capsys.readouterr() == ("", line)


def test_a_model_without_objective(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = cp_model.CpModel()
    x = [model.new_int_var(0, 3, f"x{i}") for i in range(4)]
    model.add_all_different(x)
    for _ in range(2):
        record_load(tmp_path / "plans.db", model, family="")
    assert main(["history", "replay", str(tmp_path / "plans.db"), *QUICK]) == 0
    out = capsys.readouterr().out
    assert len(re.findall(r" - +\d+\.\d\d \|", out)) == 2
    assert "; 1 had been solved before just as they are" in out
