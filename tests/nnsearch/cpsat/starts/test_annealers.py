"""Annealing of models: what comes is feasible and better, threads end, and other models are left alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh
from stand_ins import PATIENCE
from stopping import bounded

from benchmarks.instances.families import FAMILIES, Part, Scale
from nnsearch.annealing import annealing
from nnsearch.cpsat.hinted import hinted
from nnsearch.cpsat.incumbent import Incumbent
from nnsearch.cpsat.starts.annealers import Annealers
from nnsearch.cpsat.starts.annealing_worker import AnnealingWorker
from nnsearch.errors import CompilerError, NothingToReadError
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.stopping import ReadingStoppedError
from nnsearch.plain_solver import plain_solver

LINEAR = (
    *("rosters", "set-cover", "generalised-assignment", "facility-location", "independent-set", "knapsack"),
    *("bin-packing", "lot-sizing", "shift-rosters"),
)


def never() -> bool:
    return False


def drawn(family: str) -> cp_model.CpModel:
    return FAMILIES[family].build(Scale.TINY, Part.TRAINING, 0, 0).model


def solved(model: cp_model.CpModel) -> cp_model.CpSolver:
    solver = plain_solver()
    assert solver.solve(model) == cp_model.OPTIMAL
    return solver


def checked(model: cp_model.CpModel, values: list[int]) -> float:
    """Return the objective of values that CP-SAT accepts."""
    fixed = model.clone()
    for index, value in enumerate(values):
        fixed.add(fixed.get_int_var_from_proto_index(index) == value)
    return float(solved(fixed).objective_value)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("family", LINEAR)
def test_what_comes_is_a_solution_and_better_than_all_before(family: str, workers: int) -> None:
    model = drawn(family)
    prepared = PreparedModel(model)
    objective = prepared.objective
    assert objective is not None
    reached: float | None = None
    for solution in Annealers(prepared, 1).better([0] * len(prepared.names), None, 0.2, workers, never):
        told = checked(model, solution)
        assert told == objective.value_of(solution)
        assert reached is None or objective.better(told, reached)
        reached = told
    assert reached is not None
    assert not objective.better(reached, solved(model).objective_value)


def test_only_what_surpasses_an_objective_comes() -> None:
    model = drawn("knapsack")
    best = solved(model)
    found = Annealers(PreparedModel(model), 1).better([0] * 12, best.objective_value, 0.1, 1, never)
    assert list(found) == []


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_values_are_mended_in_longer_turns_until_one_has_led_to_a_solution(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = list[float]()

    def better(_: object, values: list[int], reached: object, seconds: float, *__: object) -> Iterator[list[int]]:
        assert (values, reached) == ([0], None)
        taken.append(seconds)
        if len(taken) == turns:
            yield from ([1], [2])

    monkeypatch.setattr(Annealers, "better", better)
    annealers = Annealers(PreparedModel(drawn("set-cover")), 1)
    assert list(annealers.mended([0], never)) == [[1], [2]]
    assert taken == [taken[0] * 2**turn for turn in range(turns)]
    assert len(list(annealers.mended([0], lambda: len(taken) > turns + 1))) == 0
    assert len(taken) == turns + 2, "it ends when it is told to"


def test_while_a_solution_is_being_checked_others_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one comes at the end."""
    model = drawn("set-cover")
    asked = list[float]()

    def better(*_: object) -> Iterator[np.ndarray]:
        for cost in range(5, 0, -1):
            yield np.array([cost])
            asked.append(cost)
            while not shown:
                time.sleep(0.001)
            time.sleep(0.02)  # longer than between two looks

    class Cost:
        def value_of(self, solution: list[int]) -> float:
            return float(solution[0])

        def better(self, one: float, other: float) -> bool:
            return one < other

    annealers = Annealers(PreparedModel(model), 1)
    monkeypatch.setattr(annealers, "_objective", Cost())
    monkeypatch.setattr(annealing.Annealing, "better", better)
    monkeypatch.setattr("nnsearch.cpsat.starts.annealers._REST", PATIENCE * 1e3)
    shown = list[list[int]]()
    with bounded():
        for solution in annealers.better([9], None, PATIENCE, 1, never):
            time.sleep(0.002)  # as a check takes
            shown.append(solution)
    assert shown == [[5], [1]]
    assert asked == [5, 4, 3, 2, 1]


def test_turns_go_on_from_a_solution_until_one_is_in_vain() -> None:
    model = drawn("set-cover")
    worst = [1] * len(model.proto.variables)
    prepared = PreparedModel(model)
    found = list(Annealers(prepared, 1).in_turns(worst, time.perf_counter() + PATIENCE, never))
    assert prepared.objective is not None
    assert prepared.objective.value_of(found[-1]) == solved(model).objective_value


@pytest.mark.parametrize("family", ["automaton-rosters", "timetables", "time-window-routing", "quasigroups"])
def test_other_models_are_left_alone(family: str) -> None:
    prepared = PreparedModel(drawn(family))
    assert Annealers.at_hand(prepared, 0, never) is None
    with pytest.raises(NothingToReadError):
        Annealers(prepared, 0)


@pytest.mark.parametrize("error", [CompilerError("none here"), ReadingStoppedError()])
def test_without_machine_code_nobody_waits(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(annealing, "compiled", fail)
    assert Annealers.at_hand(PreparedModel(drawn("knapsack")), 0, never) is None


def test_all_threads_end_with_who_asked() -> None:
    prepared = PreparedModel(drawn("set-cover"))
    before = threading.active_count()
    found = Annealers(prepared, 1).better([1] * len(prepared.names), None, 1e9, 3, never)
    next(found)
    assert threading.active_count() == before + 3
    with bounded():
        found.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_an_error_of_a_thread_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    prepared = PreparedModel(drawn("set-cover"))
    annealers = Annealers(prepared, 1)
    monkeypatch.setattr(annealing.Annealing, "better", fail)
    with pytest.raises(RuntimeError, match="broken"):
        list(annealers.better([1] * len(prepared.names), None, 0.1, 2, never))


class Scripted:
    """Annealers of whom each turn finds what the script says."""

    turn = 0.1

    def __init__(self, *turns: list[list[int]] | Exception) -> None:
        self.asked: list[tuple[list[int], float | None, float]] = []
        self._turns = list(turns)
        self.done = threading.Event()

    def better(self, values: list[int], reached: float | None, seconds: float, *_: Any) -> Iterator[list[int]]:
        self.asked.append((values, reached, seconds))
        turn = self._turns.pop(0) if self._turns else []
        if not self._turns:
            self.done.set()
        if isinstance(turn, Exception):
            raise turn
        yield from turn


@pytest.fixture
def incumbent() -> Incumbent:
    model = drawn("knapsack")
    objective = PreparedModel(model).objective
    assert objective is not None
    return Incumbent(objective)


def worker_of(script: Scripted, incumbent: Incumbent, *, begins_with_best: bool = False) -> AnnealingWorker:
    model = drawn("knapsack")

    def check(solution: list[int], _: object) -> bool:
        solver = plain_solver()
        solver.parameters.fix_variables_to_their_hinted_value = True
        solver.solve(hinted(model, solution))
        return incumbent.note(solver.response_proto) is not None

    return AnnealingWorker(script, incumbent, [0] * 12, check, 0.0, begins_with_best=begins_with_best)  # type: ignore[arg-type]


def run(worker: AnnealingWorker, script: Scripted) -> None:
    worker.start()
    assert script.done.wait(PATIENCE)
    worker.told.set()
    worker.join(PATIENCE)
    assert not worker.is_alive()


def test_a_worker_goes_on_from_the_best_and_longer_in_vain(incumbent: Incumbent) -> None:
    one, nothing = [0] * 11 + [1], [0] * 12
    script = Scripted([nothing], [one], [], [], [])
    worker = worker_of(script, incumbent)
    run(worker, script)
    values, reached, seconds = zip(*script.asked[:5], strict=True)
    assert list(values) == [nothing, nothing, one, one, one]
    assert reached[:2] == (None, 0.0)
    assert seconds[4] == 2 * seconds[3] == 4 * seconds[2] > 4 * seconds[1] > 4 * seconds[0]
    assert worker.in_vain
    assert worker.failed is None
    assert incumbent.best == one


@pytest.mark.parametrize("begins_with_best", [False, True])
def test_a_worker_begins_with_a_guess_or_the_best(begins_with_best: bool, incumbent: Incumbent) -> None:
    known = cmh.CpSolverResponse()
    known.solution.extend([0] * 11 + [1])
    incumbent.adopt(known)
    script = Scripted([])
    run(worker_of(script, incumbent, begins_with_best=begins_with_best), script)
    assert script.asked[0][0] == ([0] * 11 + [1] if begins_with_best else [0] * 12)


def test_the_first_turn_is_as_long_as_the_model_needs(incumbent: Incumbent) -> None:
    script = Scripted([])
    script.turn = 0.7
    run(worker_of(script, incumbent), script)
    assert script.asked[0][2] == 0.7


def test_a_worker_keeps_its_error(incumbent: Incumbent) -> None:
    script = Scripted(RuntimeError("broken"))
    worker = worker_of(script, incumbent)
    run(worker, script)
    assert str(worker.failed) == "broken"
