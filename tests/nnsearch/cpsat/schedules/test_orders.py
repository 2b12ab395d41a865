"""The worker that searches orders: it passes on what is better, takes over what others have, and knows when to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from clocks import HandClock
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh
from stopping import bounded

from benchmarks.instances.families import FAMILIES, Part, Scale
from nnsearch.compiled.loading import compiled
from nnsearch.cpsat.incumbent import Incumbent
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.schedules.orders import OrderSearch
from nnsearch.cpsat.schedules.search import ScheduleSearch
from nnsearch.errors import CompilerError
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.stopping import ReadingStoppedError
from nnsearch.plain_solver import plain_solver
from nnsearch.schedules.disjunctive import DisjunctiveGraph
from nnsearch.schedules.generation import Generated
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
        """Note a schedule, and return a run that makes a solution of it, or none, as the case says."""
        self.passed_on.append(made)
        model = self.model.clone()
        for task, begin in zip(self.schedule.tasks, made.begins, strict=True):
            model.add(model.get_int_var_from_proto_index(task.start) == begin - task.modes[0].start_shift)
        model.add_bool_or([self.goes])
        parameters = plain_solver().parameters
        parameters.num_workers = 1
        return CpSatRun(model, parameters, solution_callback=self.incumbent.listener())

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


@pytest.fixture(autouse=True, scope="module")
def loaded() -> None:
    """Load moves before a search waits for them."""
    compiled()


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


class Fruitless:
    """A tabu search that finds nothing, and tells of it."""

    def __init__(
        self, turn: Callable[[int, Callable[[], bool]], None] = lambda *_: None, is_out_of_moves: bool = False
    ) -> None:
        self.patiences: list[int] = []
        self.wandered: list[int] = []  # by the number of turns before
        self.is_out_of_moves = is_out_of_moves
        self._turn = turn

    def __call__(self, graph: DisjunctiveGraph, random: object) -> Fruitless:
        """Begin."""
        self.best = graph.length
        return self

    def wander(self) -> None:
        """Begin elsewhere."""
        self.wandered.append(len(self.patiences))

    def better(self, patience: int, stop: Callable[[], bool]) -> Iterator[Generated]:
        """Search."""
        self.patiences.append(patience)
        self._turn(len(self.patiences), stop)
        return iter(())


def turns(case: Case, monkeypatch: pytest.MonkeyPatch, during: Callable[[int], bool]) -> tuple[list[bool], list[int]]:
    """Return of each turn of a search whether it began elsewhere, and its patience.

    Args:
        case: with a schedule.
        monkeypatch: lets the search find nothing by itself.
        during: called in a turn with its number, from 1; true ends the search.
    """
    search = case.search(workers=2)

    def turn(number: int, stop: Callable[[], bool]) -> None:
        assert not search.rests, "it rests between two turns, not in one"
        if during(number):
            search.told.set()

    tabu = Fruitless(turn)
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.TabuSearch", tabu)
    with bounded():
        search.run()
    assert search.failed is None
    return [turn in tabu.wandered for turn in range(len(tabu.patiences))], tabu.patiences


def test_after_a_turn_in_vain_it_begins_again_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert turns(Case(), monkeypatch, lambda number: number == 3)[0] == [False, True, True]


def test_it_begins_with_what_somebody_else_has_found_as_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case()
    best = case.optimum()

    def during(number: int) -> bool:
        if number == 2:
            case.incumbent.note(best)
        return number == 4

    begun, patiences = turns(case, monkeypatch, during)
    assert begun == [False, True, False, True]
    assert patiences == [5000, 5500, 5000, 5500]


def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    _, patiences = turns(Case(), monkeypatch, lambda number: number == 80)
    assert patiences == sorted(patiences)
    assert patiences[-1] == 1_000_000


@pytest.mark.parametrize(("workers", "moves", "rests"), [(1, True, True), (2, True, False), (2, False, True)])
def test_it_rests_where_it_is_alone_or_has_run_out_of_moves(
    workers: int, moves: bool, rests: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it has searched in vain, by a clock that only its turns move on."""
    case, clock = Case(), HandClock()
    search, rested = case.search(workers), list[bool]()

    def turn(number: int, stop: Callable[[], bool]) -> None:
        clock.now += 1.0
        if number == 4:
            search.told.set()

    def noted(seconds: float) -> bool:
        clock.now += 0.25
        rested.append(search.rests)
        return search.told.is_set()

    tabu = Fruitless(turn, is_out_of_moves=not moves)
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.TabuSearch", tabu)
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.time", clock)
    monkeypatch.setattr(search.told, "wait", noted)
    with bounded():
        search.run()
    assert search.failed is None
    assert len(tabu.patiences) == 4
    assert rested == [True] * 12 * rests


def test_there_is_none_where_tasks_share_resources() -> None:
    case = Case("rcpsp")
    case.run()
    assert case.passed_on == []


def test_there_is_none_where_it_cannot_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(stop: Callable[[], bool]) -> None:
        raise CompilerError("no place")

    monkeypatch.setattr("nnsearch.schedules.disjunctive.compiled", refused)
    case = Case()
    search = case.search()
    with bounded():
        search.run()
    assert (case.passed_on, search.failed) == ([], None)


def test_its_worker_is_free_while_machine_code_is_made_but_not_while_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    search, rested, clock = Case().search(2), list[bool](), HandClock()
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.time", clock)

    def loaded(stop: Callable[[], bool]) -> None:
        for _ in range(3):
            assert not stop()
            rested.append(search.rests)
            clock.now += 0.15
        search.told.set()
        assert stop()
        raise ReadingStoppedError

    monkeypatch.setattr("nnsearch.schedules.disjunctive.compiled", loaded)
    with bounded():
        search.run()
    assert (rested, search.failed) == ([False, False, True], None)


def begun(workers: int) -> ScheduleSearch:
    """Return the search of a job shop, with a first solution."""
    read = PreparedModel(FAMILIES["job-shops"].build(Scale.X1, Part.TEST, 0, 0).model)
    assert read.objective is not None
    search = ScheduleSearch(read, read.objective, Schedule.of(read), plain_solver().parameters, lambda: workers)
    search.begin_by_rules(lambda: False)
    return search


@pytest.mark.parametrize("workers", [1, 2])
def test_neighbourhoods_are_searched_with_any_number_of_workers(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.TabuSearch", Fruitless(is_out_of_moves=True))
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

    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.TabuSearch", broken)
    with bounded(), pytest.raises(MemoryError, match="no room"):
        list(search.steps(lambda: False))


def test_as_many_neighbourhoods_are_searched_as_there_are_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.TabuSearch", Fruitless(is_out_of_moves=True))
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
    monkeypatch.setattr("nnsearch.cpsat.schedules.orders.TabuSearch", Fruitless(is_out_of_moves=True))
    monkeypatch.setattr("nnsearch.cpsat.schedules.search._FRUITLESS", 2)
    search = begun(1)
    monkeypatch.setattr(search, "_run", lambda *_: Ended())
    with bounded():
        steps = search.steps(lambda: False)
        for _ in range(5):
            next(steps)
            search.found = time.perf_counter()
        assert 1 <= len(list(steps)) <= 3
