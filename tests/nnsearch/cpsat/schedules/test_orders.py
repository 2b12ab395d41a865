"""The worker that searches orders: it shows what is better, takes over what others have, and ends when it is of no use."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh
from stopping import bounded

from benchmarks.instances.families import FAMILIES, Part, Scale
from nnsearch.cpsat.incumbent import Incumbent
from nnsearch.cpsat.schedules.orders import OrderSearch
from nnsearch.cpsat.schedules.search import ScheduleSearch
from nnsearch.model.prepared import PreparedModel
from nnsearch.plain_solver import plain_solver
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
        self.shown: list[Generated] = []
        self.accept = True

    def show(self, made: Generated, stop: Callable[[], bool]) -> bool:
        self.shown.append(made)
        return self.accept

    def search(self) -> OrderSearch:
        """Return one that ends by itself."""
        return OrderSearch(self.schedule, self.incumbent, self.show, 1, alone=True)

    def optimum(self) -> cmh.CpSolverResponse:
        solver = plain_solver()
        solver.parameters.num_workers = 1
        assert solver.solve(self.model) == cp_model.OPTIMAL
        return solver.response_proto


def test_it_shows_ever_better_schedules_and_ends_when_nothing_comes() -> None:
    case = Case()
    before = case.incumbent.reached
    assert before is not None
    with bounded():
        case.search().run()
    costs = [made.cost for made in case.shown]
    assert costs == sorted(set(costs), reverse=True)
    assert case.optimum().objective_value <= costs[-1] < before


def test_it_ends_when_the_model_says_more_than_the_schedule() -> None:
    case = Case()
    case.accept = False
    with bounded():
        OrderSearch(case.schedule, case.incumbent, case.show, 1, alone=False).run()
    assert len(case.shown) == 1


def test_it_goes_on_from_what_somebody_else_has_found() -> None:
    case = Case()
    best = case.optimum()

    def show(made: Generated, stop: Callable[[], bool]) -> bool:
        case.incumbent.note(best)
        return case.show(made, stop)

    with bounded():
        OrderSearch(case.schedule, case.incumbent, show, 1, alone=True).run()
    assert len(case.shown) == 1, "nothing is better than the optimum"


@pytest.mark.parametrize("alone", [False, True])
def test_it_ends_when_told(alone: bool) -> None:
    case = Case()
    search = OrderSearch(case.schedule, case.incumbent, case.show, 1, alone=alone)
    search.told.set()
    with bounded():
        search.run()
    assert case.shown == []


def test_there_is_none_where_tasks_share_resources() -> None:
    case = Case("rcpsp")
    with bounded():
        OrderSearch(case.schedule, case.incumbent, case.show, 1, alone=False).run()
    assert case.shown == []


@pytest.mark.parametrize("workers", [1, 2])
def test_neighbourhoods_are_searched_with_any_number_of_workers(workers: int) -> None:
    model = FAMILIES["job-shops"].build(Scale.X1, Part.TEST, 0, 0).model
    read = PreparedModel(model)
    assert read.objective is not None
    parameters = plain_solver().parameters
    search = ScheduleSearch(read, read.objective, Schedule.of(read), parameters, workers)
    search.begin_by_rules(lambda: False)
    before = search.reached
    steps = search.steps(lambda: False)
    with bounded():
        next(steps)
    steps.close()
    assert before is not None
    assert search.reached is not None
    assert search.reached < before
