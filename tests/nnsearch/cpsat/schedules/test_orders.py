"""The worker that searches orders: it passes on what is better, takes over what others have, and knows when to end."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from clocks import Ticks
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh
from stopping import bounded

from benchmarks.instances.families import FAMILIES, Part, Scale
from nnsearch.cpsat.incumbent import Incumbent
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.schedules.orders import OrderSearch
from nnsearch.cpsat.schedules.search import ScheduleSearch
from nnsearch.model.prepared import PreparedModel
from nnsearch.plain_solver import plain_solver
from nnsearch.schedules.generation import Generated
from nnsearch.schedules.loading import compiled
from nnsearch.schedules.reading import Schedule


class Case:
    """A schedule of a family with a bad solution, and what an order search shows of it."""

    def __init__(self, family: str = "job-shops") -> None:
        self.model = FAMILIES[family].build(Scale.TINY, Part.TEST, 0, 0).model
        read = PreparedModel(self.model)
        assert read.objective is not None
        self.schedule, self.incumbent = Schedule.of(read), Incumbent(read.objective)
        solver = plain_solver()
        solver.parameters.num_workers = 1
        solver.parameters.stop_after_first_solution = True
        solver.solve(self.model)
        self.incumbent.note(solver.response_proto)
        self.passed_on: list[Generated] = []
        self.goes = True

    def complete(self, made: Generated) -> CpSatRun:
        """Note a schedule, and return a run that ends as the case says."""
        self.passed_on.append(made)
        model = cp_model.CpModel()
        model.add_bool_or([] if not self.goes else [True])
        parameters = plain_solver().parameters
        parameters.num_workers = 1
        return CpSatRun(model, parameters)

    def search(self, workers: int = 1) -> OrderSearch:
        return OrderSearch(self.schedule, self.incumbent, self.complete, lambda: workers, 1)

    def run(self) -> None:
        """Search until the search rests after it has found something, or ends by itself."""
        search = self.search()
        with bounded():
            search.start()
            while search.is_alive() and not (search.rests and self.passed_on):
                search.join(0.01)
            search.told.set()
            search.join()

    def optimum(self) -> cmh.CpSolverResponse:
        solver = plain_solver()
        solver.parameters.num_workers = 1
        assert solver.solve(self.model) == cp_model.OPTIMAL
        best: cmh.CpSolverResponse = solver.response_proto
        return best


@pytest.fixture(autouse=True)
def more_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer than usual to load moves and to make the first one."""
    compiled()
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders._LEAST_PATIENCE", 1.0)


def test_it_passes_on_ever_better_schedules_and_ends_when_nothing_comes() -> None:
    case = Case()
    before = case.incumbent.reached
    assert before is not None
    case.run()
    costs = [made.cost for made in case.passed_on]
    assert costs == sorted(set(costs), reverse=True)
    assert case.optimum().objective_value <= costs[-1] < before


@pytest.mark.parametrize("nothing", [False, True])
def test_it_ends_when_the_model_says_more_than_the_schedule(nothing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """CP-SAT refuses what it is given, or there is a value in it that is in no domain."""
    case = Case()
    case.goes = False
    if nothing:
        monkeypatch.setattr(case, "complete", lambda made: case.passed_on.append(made))
    case.run()
    assert len(case.passed_on) == 1


def test_it_goes_on_from_what_somebody_else_has_found(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case()
    best = case.optimum()
    complete = case.complete

    def overtaken(made: Generated) -> CpSatRun:
        case.incumbent.note(best)
        return complete(made)

    monkeypatch.setattr(case, "complete", overtaken)
    case.run()
    assert len(case.passed_on) == 1, "nothing is better than the optimum"


def test_it_ends_when_told() -> None:
    case = Case()
    search = case.search()
    search.told.set()
    with bounded():
        search.run()
    assert case.passed_on == []


def turns(case: Case, monkeypatch: pytest.MonkeyPatch, during: Callable[[int], bool]) -> list[bool]:
    """Return of each turn of a search whether it began elsewhere.

    Args:
        case: with a schedule.
        monkeypatch: lets the search find nothing by itself.
        during: called in a turn with its number, from 1; true ends the search.
    """
    search = case.search()
    begun, wandered = list[bool](), list[int]()

    def nothing(*_: object) -> Iterator[Generated]:
        assert not search.rests, "it rests between two turns, not in one"
        begun.append(len(begun) in wandered)
        if during(len(begun)):
            search.told.set()
        return iter(())

    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.wander", lambda *_: wandered.append(len(begun)))
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.better_orders", nothing)
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders._LEAST_PATIENCE", 0.001)
    with bounded():
        search.run()
    return begun


def test_after_a_rest_it_begins_again_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert turns(Case(), monkeypatch, lambda number: number == 3) == [False, True, True]


def test_it_begins_with_what_somebody_else_has_found_as_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case()
    best = case.optimum()

    def during(number: int) -> bool:
        if number == 2:
            case.incumbent.note(best)
        return number == 4

    assert turns(case, monkeypatch, during) == [False, True, False, True]


def test_it_searches_in_vain_for_twice_as_long_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until somebody else has a better schedule. What counts as better is that schedule, whatever comes at random."""
    case = Case()
    search, best, clock = case.search(), case.optimum(), Ticks(0.01)
    worked, asked_for = list[float](), list[float]()

    def nothing(graph: object, random: object, over: Callable[[], bool], least: int) -> Iterator[Generated]:
        began = clock.perf_counter()
        asked_for.append(float(least))
        if len(worked) == 3:
            case.incumbent.note(best)
        while not over():
            pass
        worked.append(clock.perf_counter() - began)
        if len(worked) == 5:
            search.told.set()
        return iter(())

    reached = case.incumbent.reached
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.better_orders", nothing)
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.time", clock)
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders._POLL_SECONDS", 0.0001)
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders._LEAST_PATIENCE", 1.0)
    with bounded():
        search.run()
    assert worked == pytest.approx([1, 2, 4, 0, 1], abs=0.1)
    assert asked_for == [reached] * 4 + [best.objective_value]


@pytest.mark.parametrize(("workers", "moves", "rests"), [(1, True, True), (2, True, False), (2, False, True)])
def test_it_rests_where_it_is_alone_or_has_run_out_of_moves(
    workers: int, moves: bool, rests: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case()
    search, rested, turns = case.search(workers), list[bool](), itertools.count()

    def nothing(graph: object, random: object, over: Callable[[], bool], least: int) -> Iterator[Generated]:
        if next(turns) == 3:
            search.told.set()
        while moves and not over():
            pass
        return iter(())

    def noted(seconds: float) -> bool:
        rested.append(search.rests)
        return search.told.is_set()

    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.better_orders", nothing)
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders._LEAST_PATIENCE", 0.01)
    monkeypatch.setattr(search.told, "wait", noted)
    with bounded():
        search.run()
    assert search.failed is None
    assert next(turns) == 4
    assert rested.count(True) == len(rested)
    assert bool(rested) == rests


def test_there_is_none_where_tasks_share_resources() -> None:
    case = Case("rcpsp")
    case.run()
    assert case.passed_on == []


def begun(workers: int) -> ScheduleSearch:
    """Return the search of a job shop, with a first solution."""
    read = PreparedModel(FAMILIES["job-shops"].build(Scale.X1, Part.TEST, 0, 0).model)
    assert read.objective is not None
    search = ScheduleSearch(read, read.objective, Schedule.of(read), plain_solver().parameters, lambda: workers)
    search.begin_by_rules(lambda: False)
    return search


@pytest.mark.parametrize("workers", [1, 2])
def test_neighbourhoods_are_searched_with_any_number_of_workers(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.better_orders", lambda *_, **__: iter(()))
    search = begun(workers)
    before = search.reached
    assert before is not None
    with bounded():
        for _ in search.steps(lambda: search.reached != before):
            pass
    assert search.reached is not None
    assert search.reached < before


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_search_of_orders_reaches_who_asks_for_steps(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = begun(workers)

    def broken(*_: object, **__: object) -> None:
        raise MemoryError("no room for moves")

    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.better_orders", broken)
    with bounded(), pytest.raises(MemoryError, match="no room"):
        list(search.steps(lambda: False))


def test_as_many_neighbourhoods_are_searched_as_there_are_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.better_orders", lambda *_, **__: iter(()))
    search = begun(3)
    runs, at_work = list[CpSatRun](), list[int]()
    run = search._run

    def counted(model: cp_model.CpModel, seconds: float | None) -> CpSatRun:
        runs.append(run(model, seconds))
        at_work.append(sum(not one.done.is_set() for one in runs))
        return runs[-1]

    monkeypatch.setattr(search, "_run", counted)
    with bounded():
        for _ in search.steps(lambda: len(runs) >= 20):
            pass
    assert 1 < max(at_work) <= 3


class Ended:
    """A run that has shown that there is nothing better in its neighbourhood."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.done.set()

    def response(self) -> cmh.CpSolverResponse:
        answer = cmh.CpSolverResponse()
        answer.status = cp_model.INFEASIBLE
        return answer

    def stop(self) -> None:
        """Do nothing."""


def test_what_tabu_search_finds_between_two_neighbourhoods_keeps_them_going(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.better_orders", lambda *_: iter(()))
    monkeypatch.setattr("nnsearch.cpsat.schedules.search._FRUITLESS", 2)
    search = begun(1)
    monkeypatch.setattr(search, "_run", lambda *_: Ended())
    with bounded():
        steps = search.steps(lambda: False)
        for _ in range(5):
            next(steps)
            search.found = time.perf_counter()
        assert 1 <= len(list(steps)) <= 3
