"""Orders of tasks that take resources whole: moves keep every schedule feasible, and tabu search makes better ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from random import Random

import hypothesis.strategies as st
import pytest
from feasible_schedules import add_in_one_of_two_ways, check_schedule
from hypothesis import given, settings
from ortools.sat.python import cp_model

from benchmarks.instances.zoo.shops import JobShop, job_shop_model
from nnsearch.errors import NothingToReadError
from nnsearch.model.prepared import PreparedModel
from nnsearch.plain_solver import plain_solver
from nnsearch.schedules.disjunctive import DisjunctiveGraph, Move
from nnsearch.schedules.generation import Generator
from nnsearch.schedules.reading import Schedule
from nnsearch.schedules.rules import rules
from nnsearch.schedules.tabu import better_orders, wander


@st.composite
def shops(draw: st.DrawFn, shortest: int = 0) -> cp_model.CpModel:
    """Tasks on two machines, on both, or on one of two with another duration; some after others; a break; a last end.

    Args:
        draw: draws.
        shortest: least duration.
    """
    count, horizon = draw(st.integers(2, 8)), 200
    model = cp_model.CpModel()
    last = model.new_int_var(0, horizon, "last")
    machines: tuple[list[cp_model.IntervalVar], list[cp_model.IntervalVar]] = ([], [])
    if draw(st.booleans()):
        machines[0].append(model.new_fixed_size_interval_var(draw(st.integers(0, 9)), draw(st.integers(1, 4)), ""))
    ends: list[cp_model.LinearExprT] = []
    for task in range(count):
        duration = draw(st.integers(shortest, 5))
        start = model.new_int_var(draw(st.integers(0, 3)), horizon, f"start{task}")
        kind = draw(st.sampled_from(["first", "second", "both", "either"])) if task else "first"
        if kind == "either":
            ends.append(add_in_one_of_two_ways(model, task, start, duration, 2 * horizon, machines))
        else:
            interval = model.new_fixed_size_interval_var(start, duration, "")
            for place, name in enumerate(("first", "second")):
                if kind in (name, "both"):
                    machines[place].append(interval)
            ends.append(start + duration)
        for other in range(task):
            if draw(st.booleans()) and draw(st.booleans()):
                model.add(start >= ends[other] + draw(st.integers(0, 2)))
        model.add(last >= ends[-1])
    for intervals in machines:
        model.add_no_overlap(intervals)
    model.minimize(draw(st.integers(1, 3)) * last)
    return model


def graph_of(model: cp_model.CpModel) -> tuple[Schedule, DisjunctiveGraph]:
    """Return a schedule by the first priority rule, as a graph."""
    schedule = Schedule.of(PreparedModel(model))
    generator = Generator(schedule)
    made = generator.forward(generator.ordered(next(rules(schedule))))
    return schedule, DisjunctiveGraph(schedule, made.modes, made.begins)


def random_shop(random: Random, broken: bool = False) -> cp_model.CpModel:
    """Return the model of five jobs that visit four machines for short times."""
    jobs = {j: [(m, random.randint(1, 20)) for m in random.sample(range(4), 4)] for j in range(5)}
    return job_shop_model(JobShop(4, jobs, [(0, (20, 35))] if broken else ())).model


def some_move(graph: DisjunctiveGraph, random: Random) -> Move | None:
    """Return a stretch of any resource in another order, whether that goes or not."""
    rows: list[tuple[int, list[int]]] = []
    for resource, following in enumerate(graph._next):
        first = [task for task, before in graph._last[resource].items() if before == -1]
        row = first[:1]
        while row and following[row[-1]] != -1:
            row.append(following[row[-1]])
        if len(row) > 1:
            rows.append((resource, row))
    if not rows:
        return None
    resource, row = random.choice(rows)
    first_place, last_place = sorted(random.sample(range(len(row)), 2))
    tasks = row[first_place : last_place + 1]
    return Move(resource, tasks, random.choice([[*tasks[1:], tasks[0]], [tasks[-1], *tasks[:-1]]]), 0)


def move_somewhere(graph: DisjunctiveGraph, random: Random) -> bool:
    """Make some move; return false where there is none, or it does not go."""
    move = some_move(graph, random)
    return move is not None and graph.make(move)


@settings(max_examples=80)
@given(shops(), st.randoms(use_true_random=False))
def test_every_move_leads_to_a_feasible_schedule_or_changes_nothing(model: cp_model.CpModel, random: Random) -> None:
    try:
        schedule, graph = graph_of(model)
    except NothingToReadError:  # tasks that take no time, one after the other at one time
        return
    for _ in range(10):
        before = graph.generated()
        if not move_somewhere(graph, random):
            assert graph.generated().begins == before.begins
        made = graph.generated()
        check_schedule(schedule, made)
        assert made.cost == schedule.cost[graph.end] * max(0, graph.length)


@settings(max_examples=80)
@given(shops(shortest=1), st.randoms(use_true_random=False))
def test_after_moves_the_graph_is_as_one_that_was_made_anew(model: cp_model.CpModel, random: Random) -> None:
    schedule, graph = graph_of(model)
    for _ in range(10):
        move_somewhere(graph, random)
        made = graph.generated()
        anew = DisjunctiveGraph(schedule, made.modes, made.begins)
        assert anew.generated().begins == made.begins
        assert anew._tails == graph._tails
        assert anew.length == graph.length


@settings(max_examples=40)
@given(shops(shortest=1), st.randoms(use_true_random=False))
def test_a_longest_path_hangs_together(model: cp_model.CpModel, random: Random) -> None:
    schedule, graph = graph_of(model)
    path = graph.critical_path(random)
    made = graph.generated()
    assert made.begins[path[-1]] + graph._tails[path[-1]] == graph.length
    breaks = {end for resource in schedule.resources for _, end, _ in resource.taken}
    for one, other in itertools.pairwise(path):
        waits = any(graph._next[resource][one] == other for resource in graph._uses[one])
        assert waits or other in dict(graph._after[one])
        assert made.begins[other] in breaks or waits or made.begins[other] >= made.ends[one]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("broken", [False, True])
def test_tabu_search_ends_at_or_near_the_optimum_of_a_small_shop(seed: int, broken: bool) -> None:
    random = Random(seed)
    model = random_shop(random, broken)
    solver = plain_solver()
    solver.parameters.num_workers = 1
    assert solver.solve(model) == cp_model.OPTIMAL
    schedule, graph = graph_of(model)
    lengths = [graph.length]
    asked = itertools.count()
    for made in better_orders(graph, random, lambda: next(asked) >= 1000):
        check_schedule(schedule, made)
        assert made.cost < lengths[-1]
        lengths.append(round(made.cost))
    assert lengths[-1] <= solver.objective_value * (1.05 if broken else 1)


def test_a_shop_of_which_no_order_is_open_ends_at_once() -> None:
    _, graph = graph_of(job_shop_model(JobShop(2, {0: [(0, 3), (1, 4)]})).model)
    assert list(better_orders(graph, Random(1), lambda: False)) == []
    assert graph.length == 7


def test_the_search_ends_when_told() -> None:
    _, graph = graph_of(random_shop(Random(1)))
    assert list(better_orders(graph, Random(1), lambda: True)) == []
    before = graph.generated().begins
    wander(graph, Random(1), lambda: True)
    assert graph.generated().begins == before


@pytest.mark.parametrize("seed", range(5))
def test_from_elsewhere_only_what_is_better_than_before_counts(seed: int) -> None:
    schedule, graph = graph_of(random_shop(Random(seed)))
    before, first = graph.generated().begins, graph.length
    wander(graph, Random(seed), lambda: False)
    assert graph.generated().begins != before
    check_schedule(schedule, graph.generated())
    asked = itertools.count()
    for made in better_orders(graph, Random(seed), lambda: next(asked) >= 1000, first):
        assert made.cost < first


def test_a_better_schedule_that_it_begins_with_is_the_first() -> None:
    _, graph = graph_of(random_shop(Random(1)))
    before = graph.generated()
    made = next(better_orders(graph, Random(1), lambda: False, graph.length + 1))
    assert (made.begins, made.cost) == (before.begins, before.cost)
    assert list(better_orders(graph, Random(1), lambda: True, graph.length + 1)) == []


def test_the_search_asks_for_each_move_that_it_looks_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a path of hundreds of stretches all moves take seconds."""
    random = Random(1)
    jobs = {j: [(m, random.randint(1, 20)) for m in random.sample(range(10), 10)] for j in range(20)}
    _, graph = graph_of(job_shop_model(JobShop(10, jobs)).model)
    assert len(list(graph.moves(graph.critical_path(Random(1))))) > 10
    looked_at, asked = list[Sequence[int]](), itertools.count()
    estimated = graph._estimated

    def noted(resource: int, tasks: Sequence[int], moved: Sequence[int]) -> int:
        looked_at.append(tasks)
        return estimated(resource, tasks, moved)

    monkeypatch.setattr(graph, "_estimated", noted)
    assert list(better_orders(graph, Random(1), lambda: next(asked) >= 5)) == []
    assert 1 <= len(looked_at) <= 5


@settings(max_examples=40)
@given(shops(shortest=1), st.randoms(use_true_random=False))
def test_the_longest_path_is_the_earliest_end_in_the_order(model: cp_model.CpModel, random: Random) -> None:
    """As CP-SAT says where each task comes behind those that the graph has before it."""
    schedule, graph = graph_of(model)
    for _ in range(5):
        move_somewhere(graph, random)
    made = graph.generated()
    ordered = model.clone()
    starts = [ordered.get_int_var_from_proto_index(task.start) for task in schedule.tasks]
    for task, chosen in zip(schedule.tasks, made.modes, strict=True):
        literal = task.modes[chosen].literal
        if literal is not None:
            ordered.add_bool_and(
                ordered.get_bool_var_from_proto_index(literal)
                if literal >= 0
                else ~ordered.get_bool_var_from_proto_index(~literal)
            )
    for following in graph._next:
        for one, other in following.items():
            if other != -1:
                duration = schedule.tasks[one].modes[made.modes[one]].duration
                ordered.add(starts[other] >= starts[one] + duration)
    solver = plain_solver()
    solver.parameters.num_workers = 1
    assert solver.solve(ordered) == cp_model.OPTIMAL
    assert made.cost == solver.objective_value


def test_a_task_waits_for_the_end_of_the_way_in_which_it_is_done() -> None:
    """Of ways that take 2 and 9 the arc to the end tells of 2 alone."""
    model = cp_model.CpModel()
    start, behind, last = (model.new_int_var(0, 99, name) for name in ("start", "behind", "last"))
    end = model.new_int_var(0, 99, "end")
    ways = [model.new_bool_var("") for _ in range(2)]
    model.add_exactly_one(ways)
    for way, duration in zip(ways, (2, 9), strict=True):
        model.add_no_overlap([model.new_optional_interval_var(start, duration, end, way, "")])
    model.add_no_overlap([model.new_fixed_size_interval_var(behind, 1, "")])
    model.add(behind >= end)
    model.add(last >= behind + 1)
    model.minimize(last)
    schedule = Schedule.of(PreparedModel(model))
    assert [task.start for task in schedule.tasks] == [start.index, behind.index]
    assert DisjunctiveGraph(schedule, [1, 0], [0, 9]).generated().begins == [0, 9]
    assert DisjunctiveGraph(schedule, [0, 0], [0, 9]).generated().begins == [0, 2]


def test_the_end_may_be_the_begin_of_a_last_task() -> None:
    model = cp_model.CpModel()
    starts = [model.new_int_var(0, 99, "") for _ in range(2)]
    sink = model.new_int_var(0, 99, "sink")
    machine = [model.new_fixed_size_interval_var(start, size, "") for start, size in zip(starts, (3, 4), strict=True)]
    model.add_no_overlap([*machine, model.new_fixed_size_interval_var(sink, 0, "")])
    for start, size in zip(starts, (3, 4), strict=True):
        model.add(sink >= start + size)
    model.minimize(sink)
    graph = DisjunctiveGraph(Schedule.of(PreparedModel(model)), [0, 0, 0], [0, 3, 7])
    assert graph.generated().begins == [0, 3, 7]
    assert graph.length == 7


def test_phases_of_many_tasks_are_left_to_others() -> None:
    """Each pair of tasks around what all wait for would be an arc."""
    model = cp_model.CpModel()
    phase, last = model.new_int_var(0, 999, "phase"), model.new_int_var(0, 999, "last")
    starts = [model.new_int_var(0, 999, "") for _ in range(100)]
    model.add_no_overlap([model.new_fixed_size_interval_var(start, 1, "") for start in starts])
    for start in starts[:50]:
        model.add(phase >= start + 1)
    for start in starts[50:]:
        model.add(start >= phase)
        model.add(last >= start + 1)
    model.minimize(last)
    with pytest.raises(NothingToReadError, match="few tasks"):
        DisjunctiveGraph(Schedule.of(PreparedModel(model)), [0] * 100, range(100))


def shared() -> cp_model.CpModel:
    model = cp_model.CpModel()
    start, last = model.new_int_var(0, 9, ""), model.new_int_var(0, 99, "")
    model.add_cumulative([model.new_fixed_size_interval_var(start, 3, "")], [1], 2)
    model.add(last >= start + 3)
    model.minimize(last)
    return model


def of_two_ends() -> cp_model.CpModel:
    model = cp_model.CpModel()
    starts = [model.new_int_var(0, 9, "") for _ in range(2)]
    model.add_no_overlap([model.new_fixed_size_interval_var(start, 3, "") for start in starts])
    model.minimize(sum(starts))
    return model


@pytest.mark.parametrize(("build", "words"), [(shared, "that a task takes whole"), (of_two_ends, "that is the end")])
def test_what_is_no_such_schedule_is_told(build: type[cp_model.CpModel], words: str) -> None:
    schedule = Schedule.of(PreparedModel(build()))
    with pytest.raises(NothingToReadError, match=words):
        DisjunctiveGraph(schedule, [0] * len(schedule.tasks), range(0, 3 * len(schedule.tasks), 3))
