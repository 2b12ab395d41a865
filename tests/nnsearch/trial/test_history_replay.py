"""Replays: each instance knows its own past and no more, and what is said follows from what was measured."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ortools.sat.python import cp_model
from past_solves import load, past_solve, record_load, sketch_of, some_model

from nnsearch.cpsat import CpSolver
from nnsearch.errors import ConfigError, HistoryError, NNSearchError
from nnsearch.history.store import Store
from nnsearch.result import Status
from nnsearch.trial import history_replay
from nnsearch.trial.arms import TrialRun
from nnsearch.trial.history_replay import HistoryWorth, Replay, replay_history

OPTIMAL, FEASIBLE, UNKNOWN, INFEASIBLE = Status.OPTIMAL, Status.FEASIBLE, Status.UNKNOWN, Status.INFEASIBLE


def run(seconds: float, status: Status = OPTIMAL, *solutions: tuple[float, float]) -> TrialRun:
    return TrialRun(status, seconds, solutions)


def replay(ratio: float = 1.0, better: int = 0, number: int = 1, repeated: bool = False) -> Replay:
    return Replay(number, 0.0, repeated, True, 1, run(1), run(1), ratio, better)


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    """Four loads, between them one that has no solution and solves of another family."""
    path = tmp_path / "plans.db"
    for number in range(4):
        record_load(path, load(number))
        record_load(path, load(number), family="others")
        if number == 2:
            record_load(path, load(number, room=-1))
    return path


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def runs(monkeypatch: pytest.MonkeyPatch, with_history: TrialRun, without: TrialRun) -> None:
    """Let all runs be these."""

    def known(solver: cp_model.CpSolver, *_: object) -> TrialRun:
        return with_history if isinstance(solver, CpSolver) else without

    monkeypatch.setattr(history_replay, "run_of", known)


def one_replay(path: Path) -> Replay:
    with Store(path) as store:
        (only,) = replay_history(store, "loads", last=1, seconds=10.0, workers=1)
    return only


def test_each_instance_knows_the_solves_before_it_and_the_history_stays_as_it_is(
    plans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dump(plans)
    given: list[tuple[Path, list[float]]] = []
    told: list[tuple[int, int, str]] = []

    def spy(scorer: None, *, history: Path, family: str) -> CpSolver:
        with Store(history, make=False) as store:
            given.append((history, [one.created for one in store.solves(family)]))
            assert len(store.solves()) == len(store.solves(family))
        return CpSolver(scorer, history=history, family=family)

    monkeypatch.setattr(history_replay, "CpSolver", spy)
    with Store(plans, make=False) as store:
        replays = list(
            replay_history(store, "loads", seconds=20, workers=1, seeds=(3, 4), on_run=lambda *one: told.append(one))
        )
        solved = [(one.number, one.created) for one in store.solves("loads") if one.solutions]
    assert dump(plans) == before
    assert [(one.number, one.ended, one.seed) for one in replays] == [(*s, seed) for s in solved[:3] for seed in (3, 4)]
    created = [created for _, created in solved]
    assert [known for _, known in given] == [created[i:] for i in (1, 1, 2, 2, 3, 3)]
    assert not any(path.exists() for path, _ in given)
    assert [(done, total) for done, total, _ in told] == [(done, 12) for done in range(12)]
    latest, *_, oldest = [f"number {number}, " for number, _ in solved[:3]]
    assert [words for *_, words in told[:4]] == [f"{latest}{arm}" for arm in ("CP-SAT", "history", "history", "CP-SAT")]
    assert told[-1][2].startswith(oldest)
    for one in replays:
        assert one.tried.status == one.without.status == OPTIMAL
        assert one.tried.solutions[-1][1] == one.without.solutions[-1][1]
        assert (one.better, one.repeated, one.optimises) == (0, False, True)


def test_a_long_past_is_cut(plans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []

    def counted(scorer: None, *, history: Path, family: str) -> CpSolver:
        with Store(history) as store:
            counts.append(len(store.solves()))
        return CpSolver(scorer, history=history, family=family)

    monkeypatch.setattr(history_replay, "CpSolver", counted)
    monkeypatch.setattr(history_replay, "_EARLIER", 2)
    with Store(plans) as store:
        numbers = [one.number for one in replay_history(store, "loads", last=9, seconds=20, workers=1)]
    assert (len(numbers), counts) == (3, [2, 2, 1])


def test_the_family_is_that_of_the_last_solve(plans: Path) -> None:
    record_load(plans, load(3))  # as it was solved before
    with Store(plans) as store:
        (one,) = replay_history(store, last=1, seconds=20, workers=1)
        assert store.load(one.number).family == "loads"
    assert one.repeated


@pytest.mark.parametrize("maximise", [True, False])
def test_the_better_objective_and_the_cost(maximise: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plans.db"
    for number in (1, 2):
        record_load(path, load(number, maximise=maximise))
    with Store(path) as store:
        best = store.load(2).objective
    assert best is not None
    half = best / 2 if maximise else 2 * best  # half as good
    found, late = run(10, FEASIBLE, (1.0, half)), run(10, FEASIBLE, (2.0, half), (4.0, best))
    runs(monkeypatch, late, found)
    one = one_replay(path)
    assert one.better == 1
    assert one.ratio == pytest.approx((0.2 + 0.1 + 0.01) / (0.1 + 0.45 + 0.01))  # primal integrals, and their slack
    runs(monkeypatch, found, late)
    assert one_replay(path).better == -1
    runs(monkeypatch, run(10, UNKNOWN), found)
    assert one_replay(path).better == -1
    runs(monkeypatch, found, found)  # the past solution is the best one that is known
    assert (one_replay(path).better, one_replay(path).ratio) == (0, 1.0)
    runs(monkeypatch, run(1, OPTIMAL, (1.0, best)), late)
    assert one_replay(path).ratio == pytest.approx(1.05 / 10.05)
    runs(monkeypatch, run(1, INFEASIBLE), found)
    with pytest.raises(NNSearchError, match="history proved that there is no solution, CP-SAT found one"):
        one_replay(path)


def test_without_an_objective_seconds_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plans.db"
    for number in (1, 2):
        model = load(number)
        model.clear_objective()
        record_load(path, model)
    runs(monkeypatch, run(2, OPTIMAL, (2.0, 0.0)), run(10, UNKNOWN))
    one = one_replay(path)
    assert (one.better, one.optimises) == (1, False)
    assert one.ratio == pytest.approx(2.05 / 10.05)


@pytest.mark.parametrize(
    ("replays", "sign", "words"),
    [
        ([replay(0.5, 1), replay(0.5), replay(1.1, -1)], 1, "history is worth it here: a solve costs 0.65 of what it"),
        ([replay(0.1), replay(1.1), replay(1.1)], 0, "history gives nothing here"),  # one lucky run
        ([replay(0.9), replay(0.9)], 0, "history gives nothing here"),  # within the noise
        ([replay(1.0, 1), replay(1.0, 1), replay(1.0)], 1, "history is worth it here: last objectives are better"),
        ([replay(1.0, 1), replay(1.0, 1), replay(1.0, -1)], 0, "history gives nothing here"),
        ([replay(0.5, -1), replay(0.5, -1)], 0, "history gives nothing here"),  # sooner, but worse
        ([replay(2.0), replay(2.0)], -1, "history costs more than it gives here: a solve costs 2.00 of what it"),
        ([replay(1.0, -1)], -1, "history costs more than it gives here: last objectives are worse"),
    ],
)
def test_the_verdict(replays: list[Replay], sign: int, words: str) -> None:
    worth = HistoryWorth(replays)
    assert worth.sign == sign
    verdict = str(worth).splitlines()[-1]
    assert verdict.startswith(words)
    assert verdict.endswith("as far as 1 instance can tell" if len(replays) == 1 else "pairs of runs can tell")


def test_what_was_measured_is_told_first() -> None:
    three = HistoryWorth([replay(2.0 if number else 0.5, better=1 - number, number=number) for number in range(3)])
    assert str(three).splitlines()[0] == (
        "of 3 instances: geometric mean of the ratios 1.26; "
        "last objective better with history in 1, equal in 1, worse in 1"
    )
    many = HistoryWorth([replay(1.0, number=number % 5, repeated=number % 5 < 2) for number in range(10)])
    measured, verdict = str(many).splitlines()
    assert measured.startswith("of 5 instances and 10 pairs of runs: ")
    assert measured.endswith("; 2 had been solved before just as they are")
    assert verdict == "history gives nothing here"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seconds": 0.0}, "seconds: expected above 0"),
        ({"seconds": float("nan")}, "seconds: expected above 0"),
        ({"seeds": ()}, "seeds: expected one or more .* got none"),
        ({"seeds": (1, -1)}, "seeds: .* got 1 -1"),
        ({"seeds": (2**31,)}, "seeds: "),
        ({"last": 0}, "last: expected 1 or more"),
        ({"workers": 0}, "workers: expected 1 or more"),
    ],
)
def test_bad_options_are_refused_at_the_call(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with Store(tmp_path / "plans.db") as store, pytest.raises(ConfigError, match=words):
        replay_history(store, **options)


def _nothing(path: Path) -> None:
    Store(path).close()


def _one_solution(path: Path) -> None:
    record_load(path, load(1))
    record_load(path, load(2, room=-1))


@pytest.mark.parametrize(
    ("fill", "family", "words"),
    [
        (_nothing, None, "expected past solves, got none; solve with"),
        (_one_solution, None, "expected two or more solves with a solution in the family 'loads', got 1; solve more"),
        (_one_solution, "no\nsuch", r"expected a family of the history, got 'no\\nsuch'; there are 'loads'$"),
    ],
)
def test_too_little_to_replay(fill: Callable[[Path], None], family: str | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "plans.db"
    fill(path)
    with Store(path) as store, pytest.raises(HistoryError, match=words):
        replay_history(store, family)


def test_bytes_that_are_no_model(tmp_path: Path) -> None:
    with Store(tmp_path / "plans.db") as store:
        for number in range(2):
            store.record(past_solve(number), some_model(number), sketch_of(number))
        with pytest.raises(HistoryError, match=r"plans.db: expected a CpModelProto, got other bytes"):
            next(replay_history(store))
