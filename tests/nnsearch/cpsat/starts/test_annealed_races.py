"""Races in which the model is annealed: from a past solution, and beside a scorer that leads, whatever goes wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ortools.sat.python import cp_model
from silent_runs import silence
from stand_ins import PATIENCE
from stopping import bounded

from benchmarks.instances.families import FAMILIES, Part, Scale
from nnsearch.cpsat import CpSolver
from nnsearch.cpsat.guess import Guess
from nnsearch.cpsat.racing.options import RaceOptions
from nnsearch.cpsat.racing.report import RaceReport
from nnsearch.cpsat.racing.sides import lead
from nnsearch.cpsat.starts.annealers import Annealers
from nnsearch.cpsat.starts.annealing_worker import AnnealingWorker
from nnsearch.errors import NothingToReadError, ScoreError
from nnsearch.limits import STOP
from nnsearch.model.prepared import PreparedModel
from nnsearch.plain_solver import plain_solver
from nnsearch.scorers.scorer import Advice


def cover(scale: Scale = Scale.TINY, number: int = 0) -> cp_model.CpModel:
    return FAMILIES["set-cover"].build(scale, Part.TRAINING, 0, number).model


def best_of(model: cp_model.CpModel) -> float:
    solver = plain_solver()
    assert solver.solve(model) == cp_model.OPTIMAL
    return float(solver.objective_value)


class Thinker:
    """Scorers that know objectives, and do what they are told in place of giving advice."""

    name, purpose = "thinker", "objective"

    def __init__(self, thought: Any) -> None:
        self._thought = thought

    def prepare(self, graph: Any, variables: Any = None) -> Thinker:
        return self

    def advise(self, alive: Any) -> Advice:
        self._thought()
        return Advice(np.zeros(alive.shape, dtype=np.float32))


def nothing_to_say() -> None:
    raise NothingToReadError("nothing")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_past_solution_is_annealed_to_the_optimum(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a limit, where CP-SAT proves the optimum in the end."""
    solver = CpSolver(None, history=tmp_path / "plans.db", family="covers", options=RaceOptions(head_start=0))
    solver.parameters.num_workers = workers
    solver.solve(cover())
    model = cover(number=1)
    silence(monkeypatch)
    turns = []

    def better(self: Annealers, *arguments: Any) -> Iterator[list[int]]:
        turns.append(arguments)
        return whole(self, *arguments)

    whole = Annealers.better
    monkeypatch.setattr(Annealers, "better", better)
    with bounded():
        assert solver.solve(model) == cp_model.OPTIMAL
    assert solver.objective_value == best_of(model)
    assert turns


def test_an_error_of_annealing_is_a_line_and_not_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    solver = CpSolver(None, history=tmp_path / "plans.db", family="covers", options=RaceOptions(head_start=0))
    solver.parameters.num_workers = 2
    solver.solve(cover())
    model = cover(number=1)
    silence(monkeypatch)

    def fail(*_: object) -> Iterator[list[int]]:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Annealers, "better", fail)
    with bounded():
        assert solver.solve(model) == cp_model.OPTIMAL
    assert solver.objective_value == best_of(model)
    assert any("can't start new thread" in line for line in caplog.messages)


def leading(thought: Any, **more: Any) -> CpSolver:
    how = RaceOptions(lead_after=0.0, lead_trial=PATIENCE, head_start=0.0)
    solver = CpSolver(Thinker(thought), options=how, **more)
    solver.parameters.num_workers = 2
    solver.parameters.max_time_in_seconds = PATIENCE
    return solver


def reaches_the_best(solver: CpSolver) -> RaceReport:
    """Return how a race ended in which the best of a cover has to be found."""
    solver.parameters.max_time_in_seconds = 4
    model = cover()
    with bounded():
        assert solver.solve(model) in (cp_model.FEASIBLE, cp_model.OPTIMAL)
    assert solver.objective_value == best_of(model)
    assert solver.race is not None
    return solver.race


@pytest.fixture
def without_the_short_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lead, "_FIRST_SHARE", 0.0)


@pytest.mark.usefixtures("without_the_short_turn")
def test_a_scorer_with_nothing_to_say_leaves_the_lead_to_annealing(monkeypatch: pytest.MonkeyPatch) -> None:
    silence(monkeypatch)
    monkeypatch.setattr(lead, "_ADVICE_SECONDS", PATIENCE)  # it does not wait for as long
    assert reaches_the_best(leading(nothing_to_say)).winner == "learned"


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_short_turn_is_told_before_the_scorer_is_asked(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    told, asked = list[float](), list[int]()

    class Heard(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
        def on_solution_callback(self) -> None:
            told.append(self.objective_value)

    def think() -> None:
        asked.append(len(told))
        solver.stop_search()

    silence(monkeypatch)
    monkeypatch.setattr(lead, "_FIRST_SHARE", share)
    monkeypatch.setattr(lead, "_ADVICE_SECONDS", PATIENCE)
    solver = leading(think)
    with bounded():
        solver.solve(cover(), Heard())
    assert [count > 0 for count in asked] == [share > 0]


def test_a_scorer_is_not_asked_when_the_first_solution_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[None] = []
    silence(monkeypatch)
    solver = leading(lambda: asked.append(None))
    solver.parameters.stop_after_first_solution = True
    model = cover()
    with bounded():
        assert solver.solve(model) == cp_model.FEASIBLE
    assert not asked


@pytest.mark.usefixtures("without_the_short_turn")
def test_annealing_has_its_turns_though_the_scorer_had_all_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def think() -> None:
        stop = STOP.get()
        assert stop is not None
        while not stop():
            time.sleep(0.01)
        raise NothingToReadError("not in time")

    silence(monkeypatch)
    monkeypatch.setattr(lead, "_ADVICE_SECONDS", PATIENCE)
    monkeypatch.setattr(lead, "_ASKED_SHARE", 0.02)
    solver = CpSolver(Thinker(think), options=RaceOptions(lead_after=0.0, lead_trial=0.0, head_start=0.0))
    solver.parameters.num_workers = 2
    assert reaches_the_best(solver).contribution in ("start", "solution")


@pytest.mark.usefixtures("without_the_short_turn")
def test_what_was_told_while_a_scorer_thought_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []

    class Heard(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
        def on_solution_callback(self) -> None:
            told.append(self.objective_value)

    def think() -> None:
        while not told:
            time.sleep(0.01)
        raise ScoreError("broken")

    silence(monkeypatch)
    monkeypatch.setattr(lead, "_ADVICE_SECONDS", 0.0)
    solver = leading(think)
    solver.parameters.max_time_in_seconds = 4
    with bounded():
        assert solver.solve(cover(), Heard()) in (cp_model.FEASIBLE, cp_model.OPTIMAL)
    assert solver.objective_value <= told[0]
    assert solver.race is not None
    assert isinstance(solver.race.error, ScoreError)


@pytest.mark.usefixtures("without_the_short_turn")
def test_a_worker_that_has_failed_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: AnnealingWorker) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(AnnealingWorker, "_take_turn", fail)
    model = cover()
    solver = leading(nothing_to_say)
    with bounded():
        assert solver.solve(model) == cp_model.OPTIMAL
    assert solver.objective_value == best_of(model)


def test_a_guess_is_complete_within_the_domains() -> None:
    model = cp_model.CpModel()
    model.new_bool_var("guessed")
    model.new_int_var(-3, 900, "told")
    model.new_int_var(5, 9, "unknown")
    model.new_int_var(0, 2, "beyond")
    guess = Guess(np.array([0]), np.array([1]), np.array([np.nan, 7.6, np.nan, 40.0]))
    low, high = np.array([0, -3, 5, 0]), np.array([1, 900, 9, 2])
    assert guess.complete(low, high) == [1, 8, 5, 2]
    blind = Guess.blind(PreparedModel(model))
    assert blind.is_blind
    assert blind.variables.tolist() == [0, 2, 3]
    assert blind.complete(low, high) == [0, 0, 5, 0]
