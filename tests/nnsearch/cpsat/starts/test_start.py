from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
from ortools.sat.python import cp_model
from stand_ins import PATIENCE
from stopping import bounded

from benchmarks.instances.zoo import KINDS, Size, ZooModel, build
from nnsearch.cpsat.hinted import hinted
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.starts import start as start_module
from nnsearch.cpsat.starts.annealers import Annealers
from nnsearch.cpsat.starts.local_search import local_search
from nnsearch.cpsat.starts.replay import Order, Roles, Way
from nnsearch.cpsat.starts.start import Start, find_start, improved
from nnsearch.history.matching import Plan, match
from nnsearch.model.prepared import PreparedModel
from nnsearch.plain_solver import plain_solver


@functools.cache
def solved(kind: str) -> tuple[ZooModel, PreparedModel, list[int] | None]:
    model = build(kind, Size.SMALL)
    solver = plain_solver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = PATIENCE
    status = solver.solve(model.model)
    solution = list(solver.response_proto.solution) if status in (cp_model.OPTIMAL, cp_model.FEASIBLE) else None
    return model, PreparedModel(model.model), solution


def check(model: ZooModel, prepared: PreparedModel, start: Start) -> None:
    really = model.check(lambda variable: start.solution[variable.index])
    if prepared.objective is not None and really is not None and start.objective is not None:
        better = prepared.objective.better(start.objective, really)  # costs in the model may be larger than the real
        assert not better or start.objective == pytest.approx(really)


def start_of(model: PreparedModel, plan: Plan, before: float | None = None) -> Start | None:
    return find_start(model, plan, time.perf_counter() + PATIENCE, before=before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_that_still_holds_leads_to_a_start_as_good_as_itself(kind: str) -> None:
    model, prepared, solution = solved(kind)
    if solution is None:
        return
    start = start_of(prepared, Plan(np.array(solution), np.ones(len(solution), dtype=bool)))
    assert start is not None
    check(model, prepared, start)
    objective = prepared.objective
    if objective is not None and start.objective is not None:
        # Of a remainder CP-SAT makes variables that no plan knows, and local search begins a little beside it.
        allowed = 0.001 * abs(start.objective) if any(kind == "int_mod" for _, kind, _ in prepared.others) else 0.0
        worse = objective.better(objective.value_of(solution), start.objective)
        assert not worse or abs(objective.value_of(solution) - start.objective) <= allowed


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_from_a_part_of_a_plan_is_a_solution(kind: str) -> None:
    model, prepared, solution = solved(kind)
    if solution is None:
        return
    rng = np.random.default_rng(1)
    known = rng.random(len(solution)) < 0.7
    wrong = np.where(rng.random(len(solution)) < 0.1, rng.integers(-5, 100, len(solution)), solution)
    start = find_start(prepared, Plan(wrong, known), time.perf_counter() + 1)
    if start is not None:
        check(model, prepared, start)


def shop(durations: list[list[int]]) -> tuple[cp_model.CpModel, cp_model.IntVar]:
    """Each job's task k is done by the machine (job + k) modulo their number."""
    model = cp_model.CpModel()
    machines = len(durations[0])
    end = model.new_int_var(0, sum(map(sum, durations)), "end")
    intervals: list[list[cp_model.IntervalVar]] = [[] for _ in range(machines)]
    for job, tasks in enumerate(durations):
        before: cp_model.LinearExprT = 0
        for k, duration in enumerate(tasks):
            start = model.new_int_var(0, 10_000, f"start[{job},{k}]")
            model.add(start >= before)
            before = start + duration
            intervals[(job + k) % machines].append(model.new_fixed_size_interval_var(start, duration, ""))
        model.add(end >= before)
    for same in intervals:
        model.add_no_overlap(same)
    model.minimize(end)
    return model, end


def planned(old: cp_model.CpModel, new: cp_model.CpModel) -> tuple[Plan, float]:
    solver = plain_solver()
    solver.parameters.num_workers = 1
    solver.parameters.max_deterministic_time = 1.0  # the same plan on every machine
    assert solver.solve(old) in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    names = [[variable.name for variable in model.proto.variables] for model in (old, new)]
    return Plan.of(np.array(list(solver.response_proto.solution)), match(*names)), solver.objective_value


def test_changed_durations_keep_the_order_of_the_tasks() -> None:
    rng = Random(1)
    old = [[rng.randint(20, 99) for _ in range(5)] for _ in range(10)]
    new = [[max(1, round(duration * rng.uniform(0.9, 1.1))) for duration in job] for job in old]
    plan, before = planned(shop(old)[0], shop(new)[0])
    start = start_of(PreparedModel(shop(new)[0]), plan, before)
    assert start is not None
    assert start.objective is not None
    assert start.objective <= 1.1 * before


def packing(sizes: list[int], bins: int) -> cp_model.CpModel:
    """Things into bins of ten, as few bins as can be."""
    model = cp_model.CpModel()
    places = [[model.new_bool_var(f"in[{thing},{b}]") for b in range(bins)] for thing in range(len(sizes))]
    used = [model.new_bool_var(f"used[{b}]") for b in range(bins)]
    for place in places:
        model.add_exactly_one(place)
    for b, inside in enumerate(zip(*places, strict=True)):
        model.add(sum(size * x for size, x in zip(sizes, inside, strict=True)) <= 10 * used[b])
    model.minimize(sum(used))
    return model


def packed(places: list[int], bins: int) -> Plan:
    values = np.array(
        [int(b == place) for place in places for b in range(bins)] + [int(b in places) for b in range(bins)]
    )
    return Plan(values, np.ones(len(values), dtype=bool))


def test_a_past_packing_that_does_not_go_is_mended() -> None:
    start = start_of(PreparedModel(packing([6, 5, 4], 6)), packed([0, 0, 1], 6), 2)
    assert start is not None
    assert start.objective == 2


def moved(durations: list[list[int]]) -> tuple[PreparedModel, Plan, float]:
    """Return a shop, and a plan that all comes too late, whose order of tasks is good."""
    model = shop(durations)[0]
    plan, before = planned(model, model)
    return PreparedModel(model), Plan(plan.values + 1000, plan.known), before


def test_no_other_way_is_tried_where_a_better_schedule_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    ways: list[object] = []

    def noted(model: PreparedModel, copy: cp_model.CpModel, order: Order, *more: Any, **how: Any) -> Any:
        ways.append(order.way)
        return found(model, copy, order, *more, **how)

    found = start_module._solutions
    monkeypatch.setattr(start_module, "_solutions", noted)
    model, plan, _ = moved([[3, 4, 5], [4, 2, 6], [7, 1, 2]])
    ends = time.perf_counter() + PATIENCE
    assert find_start(model, plan, ends, before=1, beaten=lambda _: True) is not None
    assert len(ways) == 1
    assert find_start(model, plan, ends, before=1, beaten=lambda _: False) is not None
    assert len(ways) == 4


@pytest.mark.parametrize("anneals", [True, False])
def test_where_local_search_finds_nothing_a_replay_or_annealing_does(
    anneals: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_module, "_mended", lambda *_: iter(()))
    if anneals:
        monkeypatch.setattr(start_module, "_replayed", lambda *_: iter(()))
    model, plan = PreparedModel(packing([6, 5, 4, 3], 7)), packed([1, 1, 1, 1], 7)
    ends = time.perf_counter() + PATIENCE
    start = find_start(model, plan, ends, annealers=lambda: Annealers(model, 1) if anneals else None)
    assert start is not None
    assert (start.order is None) == anneals
    solver = plain_solver()
    solver.parameters.fix_variables_to_their_hinted_value = True
    assert solver.solve(hinted(model.model, start.solution)) == cp_model.OPTIMAL
    assert solver.objective_value == start.objective


def test_local_search_goes_on_while_a_better_solution_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_by_one(*_: Any, **__: Any) -> Iterator[Start]:
        for objective in (7.0, 5.0, 4.0, 3.0):
            yield Start([], objective, None)

    monkeypatch.setattr(start_module, "_solutions", one_by_one)
    model, plan = PreparedModel(packing([6, 5, 4], 6)), packed([0, 0, 1], 6)
    for known, reached in ((8, 7), (4.5, 4), (2, 3)):
        ends = time.perf_counter() + PATIENCE
        start = find_start(model, plan, ends, beaten=lambda one: one.objective is None or one.objective > known)  # noqa: B023
        assert start is not None
        assert start.objective == reached
    any_start = find_start(model, plan, time.perf_counter() + PATIENCE, beaten=lambda _: True, any_will_do=True)
    assert any_start is not None
    assert any_start.objective == 7


def test_local_search_goes_on_from_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[cp_model.CpModel] = []

    class Noted(CpSatRun):
        def __init__(self, model: cp_model.CpModel, *arguments: Any, **more: Any) -> None:
            models.append(model)
            super().__init__(model, *arguments, **more)

    monkeypatch.setattr(start_module, "CpSatRun", Noted)
    prepared = PreparedModel(packing([6, 5, 4, 3], 6))
    start = Start(packed([0, 1, 2, 3], 6).values.tolist(), 4.0, None)
    better = list(improved(prepared, start, time.perf_counter() + PATIENCE))
    assert [one.objective for one in better][-1] == 2
    (model,) = models
    assert list(model.proto.solution_hint.vars) == list(range(len(prepared.names)))
    assert list(model.proto.solution_hint.values) == start.solution


def test_local_search_hears_a_stop_soon() -> None:
    """It hears one only between two batches; their length is counted in work that no machine changes."""
    model = cp_model.CpModel()
    rng = Random(1)
    x = [model.new_bool_var("") for _ in range(50)]
    for _ in range(5):
        model.add(cp_model.LinearExpr.weighted_sum(x, [rng.randint(1, 99) for _ in x]) <= 1000)
    model.maximize(cp_model.LinearExpr.weighted_sum(x, [rng.randint(1, 99) for _ in x]))
    first = plain_solver()
    first.parameters.copy_from(local_search(None, len(x)))
    first.parameters.stop_after_first_solution = True
    assert first.solve(model) == cp_model.FEASIBLE
    assert first.response_proto.deterministic_time < 0.05


@pytest.mark.parametrize("far", [False, True])
def test_a_batch_of_local_search_grows_with_the_model_up_to_what_a_stop_can_wait(far: bool) -> None:
    batches = [local_search(None, 10**power, far=far).feasibility_jump_batch_dtime for power in range(8)]
    assert batches == sorted(batches)
    assert len(set(batches)) > 2
    assert 0 < batches[0] < batches[-1] < 0.5


def test_without_an_objective_a_plan_is_replayed_first() -> None:
    """A square that leaves little open is nothing for local search, which would take all the time that there is."""
    order = 20
    square = (np.arange(order)[:, None] + np.arange(order)) % order
    model = cp_model.CpModel()
    x = [[model.new_int_var(0, order - 1, f"x{i},{j}") for j in range(order)] for i in range(order)]
    for i in range(order):
        model.add_all_different(x[i])
        model.add_all_different([row[i] for row in x])
    model.add(x[0][0] != 0)
    start = start_of(PreparedModel(model), Plan(square.ravel(), np.ones(order**2, dtype=bool)))
    assert start is not None
    assert start.order is not None
    filled = np.array(start.solution).reshape(order, order)
    assert filled[0, 0] != 0
    assert all(len(set(line)) == order for line in [*filled.tolist(), *filled.T.tolist()])


def test_what_local_search_does_not_find_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind(CpSatRun):
        def __init__(self, model: cp_model.CpModel, parameters: Any, **more: Any) -> None:
            if parameters.use_ls_only:
                model = cp_model.CpModel()
                model.add(model.new_int_var(0, 1, "") > 1)
            super().__init__(model, parameters, **more)

    monkeypatch.setattr(start_module, "CpSatRun", Blind)
    start = start_of(PreparedModel(packing([6, 5, 4], 6)), packed([0, 1, 0], 6))
    assert start is not None
    assert start.order is not None
    assert start.objective == 2


def test_a_replay_decides_and_does_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """What CP-SAT does to learn more of a model before it searches takes ten times as long."""
    runs: list[CpSatRun] = []

    class Noted(CpSatRun):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            runs.append(self)

    monkeypatch.setattr(start_module, "CpSatRun", Noted)
    model, plan, before = moved([[3, 4, 5], [4, 2, 6], [7, 1, 2]])
    assert start_of(model, plan, before) is not None
    assert runs
    for run in runs:
        assert run.response().num_branches <= len(model.names)


def test_whatever_the_hint_and_the_search_strategy_of_the_model() -> None:
    """CP-SAT follows a hint, even an empty one, before the order of its search."""
    for is_hinted in (False, True):
        model = cp_model.CpModel()
        x = [model.new_bool_var(f"x{i}") for i in range(9)]
        model.add_decision_strategy(x, cp_model.CHOOSE_FIRST, cp_model.SELECT_MIN_VALUE)
        if is_hinted:
            model.add_hint(x[0], 0)
        start = start_of(PreparedModel(model), Plan(np.ones(9, dtype=np.int64), np.ones(9, dtype=bool)))
        assert start is not None
        assert start.solution == [1] * 9


@pytest.mark.parametrize("value", [-7, 0, 4, 5, 12, 99])
def test_quantities_take_the_open_value_next_to_the_past_one(value: int) -> None:
    model = cp_model.CpModel()
    x = model.new_int_var_from_domain(cp_model.Domain.from_values([2, 3, 4, 8, 9]), "x")
    model.add(x != 4)
    start = start_of(PreparedModel(model), Plan(np.array([value]), np.array([True])))
    assert start is not None
    expected = min([2, 3, 8, 9], key=lambda one: abs(one - value))
    assert abs(start.solution[0] - value) == abs(expected - value)


def test_nothing_to_replay_and_models_without_solutions() -> None:
    model = cp_model.CpModel()
    x = model.new_int_var(0, 5, "x")
    assert start_of(PreparedModel(model), Plan(np.zeros(1, dtype=np.int64), np.zeros(1, dtype=bool))) is None
    plan = Plan(np.ones(1, dtype=np.int64), np.ones(1, dtype=bool))
    assert find_start(PreparedModel(model), plan, time.perf_counter() - 1) is None
    assert find_start(PreparedModel(model), plan, time.perf_counter() + PATIENCE, stop=lambda: True) is None
    model.add(x > 3)
    model.add(x < 2)
    assert start_of(PreparedModel(model), plan) is None
    empty = cp_model.CpModel()
    empty.new_int_var_from_domain(cp_model.Domain.from_values([]), "none")
    assert start_of(PreparedModel(empty), plan) is None


@pytest.mark.parametrize("asked", [1, 3])
def test_the_replay_of_a_large_plan_is_given_up_while_it_is_written(
    asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each variable that is no Boolean takes a distance, two rows and some microseconds."""
    model = cp_model.CpModel()
    x = [model.new_int_var(0, 9, f"x{i}") for i in range(2000)]
    model.new_fixed_size_interval_var(x[0], 1, "")
    model.minimize(x[0])
    plan = Plan(np.full(2000, 5), np.ones(2000, dtype=bool))
    prepared = PreparedModel(model)
    order = Order(Roles.of(prepared, plan), Way(leftmost=False, objective_at_best=False))
    begun = Start([5] * 2000, 5.0, order)
    monkeypatch.setattr(Roles, "ways", lambda *_: [order.way])
    monkeypatch.setattr(start_module, "CpSatRun", lambda *_, **__: pytest.fail("CP-SAT began"))
    runs: tuple[Callable[[Callable[[], bool]], object], ...] = (
        lambda stop: find_start(prepared, plan, time.perf_counter() + PATIENCE, stop=stop),
        lambda stop: next(improved(prepared, begun, time.perf_counter() + PATIENCE, stop=stop), None),
    )
    for run in runs:
        times = itertools.count(1)
        assert run(lambda: next(times) > asked) is None  # noqa: B023
        assert next(times) <= asked + 4, "asked again after the answer"


def test_domains_as_wide_as_they_can_be() -> None:
    model = cp_model.CpModel()
    wide = model.new_int_var(-(2**61), 2**61, "wide")
    near = model.new_int_var(0, 2**40, "near")
    model.add(near >= 5)
    model.add(wide >= near)
    plan = Plan(np.array([3, 2**39]), np.ones(2, dtype=bool))
    start = start_of(PreparedModel(model), plan)
    assert start is not None
    assert start.solution[1] == 2**39


@pytest.mark.parametrize("kind", ["job-shop", "rcpsp", "nurse-roster", "multi-knapsack", "blending", "lot-sizing"])
def test_improvements_are_solutions_each_better_than_the_one_before(kind: str) -> None:
    model, prepared, solution = solved(kind)
    assert solution is not None
    assert prepared.objective is not None
    rng = np.random.default_rng(3)
    shuffled = np.where(rng.random(len(solution)) < 0.5, rng.permutation(solution), solution)
    start = start_of(prepared, Plan(shuffled, np.ones(len(solution), dtype=bool)))
    assert start is not None
    before = start
    for better in improved(prepared, start, time.perf_counter() + 0.4):
        check(model, prepared, better)
        assert before.objective is not None
        assert better.objective is not None
        assert prepared.objective.better(better.objective, before.objective)
        before = better
    assert list(improved(prepared, start, time.perf_counter() + PATIENCE, stop=lambda: True)) == []


def test_improving_ends_where_nothing_comes_any_more() -> None:
    rng = Random(2)
    jobs = [[rng.randint(20, 99) for _ in range(15)] for _ in range(15)]  # too hard to prove
    plan, before = planned(shop(jobs)[0], shop(jobs)[0])
    model = PreparedModel(shop(jobs)[0])
    start = start_of(model, plan, before)
    assert start is not None
    with bounded():
        for _ in improved(model, start, time.perf_counter() + 1000 * PATIENCE):
            pass
