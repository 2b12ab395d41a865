"""A search of schedules by the order of their tasks: solutions of the whole model, from any order, ever better."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import numpy as np
import pytest
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh
from stand_ins import PATIENCE

from benchmarks.instances.families import FAMILIES, Part, Scale
from benchmarks.instances.zoo import KINDS, Size, build
from benchmarks.instances.zoo.zoo_model import ZooModel
from nnsearch.compiled.loading import compiled
from nnsearch.cpsat import CpSolver
from nnsearch.cpsat.racing.options import RaceOptions
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.schedules import search as module
from nnsearch.cpsat.schedules.search import ScheduleSearch
from nnsearch.cpsat.schedules.window import Span, around, spans, window_of
from nnsearch.errors import NothingToReadError
from nnsearch.model.objective import read_objective
from nnsearch.model.prepared import PreparedModel
from nnsearch.plain_solver import plain_solver
from nnsearch.problems.cp_model.problem import CpModelFile
from nnsearch.schedules.reading import NOBODY, Mode, Schedule

SHOPS = ("job-shops", "flexible-shops", "rcpsp")


def search_in(
    model: cp_model.CpModel, tell: Callable[[cp_model.CpSolverResponse], object] = lambda response: None
) -> ScheduleSearch:
    """Return the search of a model.

    Args:
        model: that is a schedule.
        tell: called with each better solution.
    """
    read = PreparedModel(model)
    assert read.objective is not None
    parameters = plain_solver().parameters
    return ScheduleSearch(
        read, read.objective, Schedule.of(read), parameters, lambda: 2, lambda found: bool(tell(found))
    )


def search_of(drawn: ZooModel) -> ScheduleSearch:
    """Return the search of a model, which checks what it is told."""
    objective = read_objective(drawn.model.proto)
    assert objective is not None
    told: list[float] = []

    def check(response: cp_model.CpSolverResponse) -> None:
        really = drawn.check(lambda variable: response.solution[variable.index])
        assert really is None or not objective.better(response.objective_value, really)
        assert not told or objective.better(response.objective_value, told[-1])
        told.append(response.objective_value)

    return search_in(drawn.model, check)


def value_in(solution: list[int], variable: cp_model.IntVar) -> int:
    value: int = solution[variable.index]
    return value


def optimum(model: cp_model.CpModel) -> float:
    solver = plain_solver()
    solver.parameters.num_workers = 2
    assert solver.solve(model) == cp_model.OPTIMAL
    return float(solver.objective_value)


@pytest.mark.parametrize("kind", KINDS)
def test_any_targets_lead_to_a_solution_of_whatever_is_a_schedule(kind: str) -> None:
    drawn = build(kind, Size.SMALL)
    rng = np.random.default_rng(1)
    try:
        search = search_of(drawn)
    except (NothingToReadError, AssertionError):
        return
    targets = rng.uniform(0, 50, len(drawn.model.proto.variables))
    targets[rng.random(len(targets)) < 0.2] = np.nan
    search.begin_by_targets(targets, lambda: False)
    search.begin_by_rules(lambda: False)
    assert kind not in ("job-shop", "flexible-job-shop", "rcpsp") or search.answer is not None
    for _ in itertools.islice(search.steps(lambda: False), 3):
        pass


@pytest.mark.parametrize("family", SHOPS)
def test_the_optimum_of_a_small_schedule_is_found_and_the_search_ends(family: str) -> None:
    drawn = FAMILIES[family].build(Scale.TINY, Part.TEST, 0, 0)
    search = search_of(drawn)
    search.begin_by_rules(lambda: False)
    assert not search.proved
    assert list(search.steps(lambda: False))
    assert search.reached == optimum(drawn.model)
    assert search.proved


def test_a_window_of_all_tasks_proves_nothing_where_better_solutions_were_not_asked_for() -> None:
    """A floating objective has no cut-off."""
    drawn = FAMILIES["job-shops"].build(Scale.TINY, Part.TEST, 0, 0)
    [last] = drawn.model.proto.objective.vars
    drawn.model.minimize(0.5 * drawn.model.get_int_var_from_proto_index(last))
    search = search_in(drawn.model)
    search.begin_by_rules(lambda: False)
    assert list(search.steps(lambda: False))
    assert not search.proved


@pytest.mark.parametrize("family", SHOPS)
def test_what_a_neighbourhood_has_is_better_and_keeps_the_order_outside(family: str) -> None:
    drawn = FAMILIES[family].build(Scale.TINY, Part.TEST, 0, 1)
    search = search_of(drawn)
    search.begin_by_targets(-np.arange(len(drawn.model.proto.variables), dtype=np.float64), lambda: False)
    best, objective = search.best, PreparedModel(drawn.model).objective
    assert best is not None
    assert objective is not None
    schedule = Schedule.of(PreparedModel(drawn.model))
    before = spans(schedule, best)
    found = 0
    for middle in range(0, max(span.end for span in before), 5):
        window = window_of(before, middle, len(before) // 2)
        solver = plain_solver()
        solver.parameters.num_workers = 1
        if solver.solve(around(drawn.model, objective, schedule, best, window)) != cp_model.OPTIMAL:
            continue
        found += 1
        solution = list(solver.response_proto.solution)
        drawn.check(partial(value_in, solution))
        assert objective.of(solution) < objective.of(best)
        after = spans(schedule, solution)
        kept = [task for task in range(len(before)) if task not in window.tasks]
        assert all(before[task].mode == after[task].mode for task in kept)
        assert all(before[task] == after[task] for task in kept if before[task].end <= window.begin)
        if family == "rcpsp":
            continue
        for one, other in itertools.permutations(kept, 2):
            same = {resource for resource, _ in before[one].mode.uses} & {r for r, _ in before[other].mode.uses}
            if same and before[one].end <= before[other].begin:
                assert after[one].end <= after[other].begin
    assert found


def test_a_model_that_says_more_than_its_schedule_has_a_start_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REPAIR_SECONDS", PATIENCE)
    drawn = FAMILIES["job-shops"].build(Scale.TINY, Part.TEST, 0, 2)
    search = search_of(drawn)
    search.begin_by_rules(lambda: False)
    assert search.best is not None
    model = drawn.model
    moved = model.get_int_var_from_proto_index(0)
    model.add(moved != search.best[0])
    again = search_of(drawn)
    again.begin_by_rules(lambda: False)
    assert again.best is not None
    assert again.best[0] != search.best[0]


def with_gaps() -> cp_model.CpModel:
    """Tasks that begin at every fifth time only."""
    model = cp_model.CpModel()
    times = cp_model.Domain.from_values(range(0, 40, 5))
    starts = [model.new_int_var_from_domain(times, "") for _ in range(4)]
    model.add_no_overlap([model.new_fixed_size_interval_var(start, 3, "") for start in starts])
    last = model.new_int_var(0, 50, "last")
    model.add_max_equality(last, [start + 3 for start in starts])
    model.minimize(last)
    return model


def with_a_deadline() -> cp_model.CpModel:
    """Two tasks, of which the one that all rules put last has no time to wait."""
    model = cp_model.CpModel()
    starts = [model.new_int_var(0, latest, "") for latest in (9, 0)]
    intervals = zip(starts, (3, 6), strict=True)
    model.add_no_overlap([model.new_fixed_size_interval_var(start, length, "") for start, length in intervals])
    model.minimize(4 * starts[0] + starts[1])
    return model


def with_a_machine_that_is_broken() -> cp_model.CpModel:
    """A task on one of two machines, of which the faster one is not to be had."""
    model = cp_model.CpModel()
    start, end = model.new_int_var(0, 50, "start"), model.new_int_var(0, 60, "end")
    never = model.get_bool_var_from_proto_index(model.new_int_var(0, 0, "never").index)
    modes = [never, model.new_bool_var("other")]
    model.add_exactly_one(modes)
    for literal, duration in zip(modes, (2, 9), strict=True):
        model.add_no_overlap([model.new_optional_interval_var(start, duration, end, literal, "")])
    model.minimize(end)
    return model


def with_times_far_away() -> cp_model.CpModel:
    """Tasks that add up to more than an int64, one after the other."""
    model = cp_model.CpModel()
    starts = [model.new_int_var(0, 9, "") for _ in range(20)]
    model.add_no_overlap([model.new_fixed_size_interval_var(start, 2**60, "") for start in starts])
    model.minimize(sum(starts))
    return model


def test_tasks_that_end_behind_all_numbers_are_no_solution() -> None:
    search = search_in(with_times_far_away())
    search.begin_by_rules(lambda: False)
    assert search.answer is None


def test_each_run_keeps_to_the_limit_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []

    class Run(CpSatRun):
        def __init__(self, model: cp_model.CpModel, parameters: cmh.SatParameters, **callbacks: Any) -> None:
            limits.append(parameters.max_memory_in_mb)
            super().__init__(model, parameters, **callbacks)

    monkeypatch.setattr(module, "CpSatRun", Run)
    read = PreparedModel(with_gaps())
    assert read.objective is not None
    parameters = plain_solver().parameters
    parameters.max_memory_in_mb = 12345
    search = ScheduleSearch(read, read.objective, Schedule.of(read), parameters, lambda: 1)
    search.begin_by_rules(lambda: False)
    list(search.steps(lambda: False))
    assert len(limits) > 1
    assert set(limits) == {12345}


@pytest.mark.parametrize("build", [with_gaps, with_a_deadline, with_a_machine_that_is_broken])
def test_a_schedule_outside_of_domains_is_no_solution(build: Callable[[], cp_model.CpModel]) -> None:
    model = build()
    told: list[list[int]] = []
    search = search_in(model, lambda response: told.append(list(response.solution)))
    search.begin_by_rules(lambda: False)
    assert told
    problem = CpModelFile("model", model)
    assert all(problem.is_solution(solution) for solution in told)


@pytest.mark.parametrize("base", [-(10**6), 10**6])
def test_neighbourhoods_are_where_the_tasks_are(base: int) -> None:
    """Times may be those of a calendar, or lie before its beginning."""
    model = cp_model.CpModel()
    starts = [model.new_int_var(base, base + 99, "") for _ in range(9)]
    model.add_no_overlap([model.new_fixed_size_interval_var(start, 10, "") for start in starts])
    model.minimize(sum(place * start for place, start in enumerate(starts, start=1)))
    search = search_in(model)
    search._tasks = 2.0
    search.begin_by_rules(lambda: False)
    middles = set()
    for _ in range(8):
        one = search._neighbourhood()
        one.run.stop()
        middles.add(one.window.tasks)
    assert len(middles) > 2


def test_a_window_of_all_tasks_has_all_of_them() -> None:
    random = Random(1)
    for _ in range(2000):
        begins = [random.randrange(10**9) for _ in range(3)]
        done = [Span(begin, begin + 1, Mode(None, 1, 0, NOBODY, 0, ())) for begin in begins]
        assert len(window_of(done, random.uniform(0, 10**9), 3).tasks) == 3


def test_who_is_told_ends_the_search_at_once() -> None:
    compiled()  # else it is loaded meanwhile
    drawn = FAMILIES["job-shops"].build(Scale.X1, Part.TEST, 0, 0)
    search = search_of(drawn)
    search.begin_by_rules(lambda: False)
    asked: list[int] = []

    def over() -> bool:
        asked.append(threading.active_count())
        return len(asked) == 3

    before = threading.active_count()
    list(search.steps(over))
    assert len(asked) == 3
    assert asked[-1] > before == threading.active_count(), "nobody is at work any more"


@pytest.mark.parametrize("family", SHOPS)
def test_a_race_begins_with_what_the_rules_found(family: str) -> None:
    drawn = FAMILIES[family].build(Scale.X1, Part.TEST, 0, 0)
    search = search_of(drawn)
    search.begin_by_rules(lambda: False)
    assert search.reached is not None
    solver = CpSolver("lp", on_error="raise", options=RaceOptions(lead_after=0.0, head_start=0.0))
    solver.parameters.num_workers = 2
    solver.parameters.max_time_in_seconds = 2.0
    assert solver.solve(drawn.model) == cp_model.FEASIBLE
    assert drawn.check(solver.value) == solver.objective_value
    assert solver.objective_value <= search.reached
    assert solver.race is not None
    assert solver.race.error is None


def test_rules_lead_where_the_scorer_has_nothing_to_read() -> None:
    rng = Random(1)
    model = cp_model.CpModel()
    starts = [model.new_int_var(0, 500, f"s{k}") for k in range(40)]
    intervals = [model.new_fixed_size_interval_var(start, rng.randint(1, 9), "") for start in starts]
    last = model.new_int_var(0, 600, "last")
    model.add_cumulative(intervals, [rng.randint(1, 5) for _ in starts], 7)
    model.add_max_equality(last, [start + 9 for start in starts])
    model.minimize(last)
    solver = CpSolver("lp", on_error="raise", options=RaceOptions(lead_after=0.0, head_start=0.0))
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = 1.0
    assert solver.solve(model) in (cp_model.OPTIMAL, cp_model.FEASIBLE)
