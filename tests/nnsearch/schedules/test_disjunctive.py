"""Orders of tasks that take resources whole: moves keep every schedule feasible, and tabu search makes better ones."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from random import Random
from typing import Any

import hypothesis.strategies as st
import numba
import numpy as np
import pytest
from feasible_schedules import add_in_one_of_two_ways, check_schedule
from hypothesis import given, settings
from ortools.sat.python import cp_model

from benchmarks.instances.zoo.shops import JobShop, job_shop_model
from nnsearch.compiled.loading import compiled
from nnsearch.errors import NothingToReadError
from nnsearch.model.prepared import PreparedModel
from nnsearch.plain_solver import plain_solver
from nnsearch.schedules import moves
from nnsearch.schedules.arrays import GOES_ON, Graph, new_keeps, new_state
from nnsearch.schedules.disjunctive import DisjunctiveGraph
from nnsearch.schedules.generation import Generator
from nnsearch.schedules.reading import Schedule
from nnsearch.schedules.rules import rules
from nnsearch.schedules.tabu import TabuSearch

_LONG = 10**9  # moves


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


def random_shop(random: Random, closed: Sequence[tuple[int, tuple[int, int]]] = ()) -> cp_model.CpModel:
    """Return the model of five jobs that visit four machines for short times."""
    jobs = {j: [(m, random.randint(1, 20)) for m in random.sample(range(4), 4)] for j in range(5)}
    return job_shop_model(JobShop(4, jobs, closed)).model


def is_late(graph: DisjunctiveGraph, end: float = math.inf) -> bool:
    """Tell whether a task comes later than it may, or the end after one, behind which fixed intervals are left out."""
    return graph.length > end or bool((graph.arrays.tasks["head"][graph._limited] > graph._latest).any())


@numba.njit
def make(graph, first, last, later):  # type: ignore[no-untyped-def]
    """Make a move."""
    return moves._make(graph, first, last, later)


@numba.njit
def find_path(graph, state):  # type: ignore[no-untyped-def]
    """Write a longest path; return its size."""
    return moves._find_path(graph, state, moves.longest(graph))


@numba.njit
def find_moves(graph, state):  # type: ignore[no-untyped-def]
    """Write the moves of a longest path; return how many."""
    return moves._find_moves(graph, state)


def rows_of(graph: DisjunctiveGraph) -> list[list[int]]:
    """Return the uses of each resource that is used, in their order."""
    uses = graph.arrays.uses
    rows: list[list[int]] = []
    for first in np.flatnonzero(uses["last"] == -1).tolist():
        row = [first]
        while uses["following"][row[-1]] != -1:
            row.append(int(uses["following"][row[-1]]))
        assert uses["last"][row[1:]].tolist() == row[:-1]
        rows.append(row)
    return rows


def path_of(graph: DisjunctiveGraph, random: Random) -> list[int]:
    """Return the tasks of a longest path."""
    size = find_path(graph.arrays, new_state(random.getrandbits(62)))
    path: list[int] = graph.arrays.places["path"][:size].tolist()
    return path


def move_somewhere(graph: DisjunctiveGraph, random: Random) -> bool:
    """Bring a stretch of any resource into another order; return false where there is none, or it does not go."""
    rows = [row for row in rows_of(graph) if len(row) > 1]
    if not rows:
        return False
    row = random.choice(rows)
    first, last = sorted(random.sample(range(len(row)), 2))
    return bool(make(graph.arrays, row[first], row[last], random.randrange(2)))


@settings(max_examples=80)
@given(shops(), st.randoms(use_true_random=False))
def test_every_move_leads_to_a_feasible_schedule_or_changes_nothing(model: cp_model.CpModel, random: Random) -> None:
    try:
        schedule, graph = graph_of(model)
    except NothingToReadError:  # tasks that take no time, one after the other at one time
        return
    end = graph.length
    for _ in range(10):
        before = graph.generated()
        if not move_somewhere(graph, random):
            assert graph.generated().begins == before.begins
        if not is_late(graph, end):
            made = graph.generated()
            check_schedule(schedule, made)
            assert made.cost == schedule.cost[graph.end] * max(0, graph.length)


@settings(max_examples=80)
@given(shops(shortest=1), st.randoms(use_true_random=False))
def test_after_moves_the_graph_is_as_one_that_was_made_anew(model: cp_model.CpModel, random: Random) -> None:
    schedule, graph = graph_of(model)
    end, count = graph.length, len(schedule.tasks)
    for _ in range(10):
        if not move_somewhere(graph, random) or is_late(graph, end):
            continue
        made = graph.generated()
        anew = DisjunctiveGraph(schedule, made.modes, made.begins)
        assert anew.generated().begins == made.begins
        assert anew.arrays.tasks["tail"][:count].tolist() == graph.arrays.tasks["tail"][:count].tolist()
        assert anew.length == graph.length


@settings(max_examples=40)
@given(shops(shortest=1), st.randoms(use_true_random=False))
def test_a_longest_path_hangs_together(model: cp_model.CpModel, random: Random) -> None:
    _, graph = graph_of(model)
    graph.aim(graph.length)
    move_somewhere(graph, random)
    path = path_of(graph, random)
    tasks, after = graph.arrays.tasks, graph.arrays.after["task"]
    assert tasks["head"][path[0]] == tasks["least"][path[0]]
    assert tasks["head"][path[-1]] + tasks["tail"][path[-1]] == compiled().longest(graph.arrays)
    rows = [graph.arrays.uses["task"][row].tolist() for row in rows_of(graph)]
    neighbours = {pair for row in rows for pair in itertools.pairwise(row)}
    for one, other in itertools.pairwise(path):
        assert (one, other) in neighbours or other in after[tasks["first_after"][one] : tasks["first_after"][one + 1]]
        assert tasks["head"][other] >= tasks["head"][one] + tasks["duration"][one]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    "closed",
    [[], [(0, (20, 35))], [(machine, (begin, begin + 8)) for machine in range(4) for begin in range(10, 500, 40)]],
    ids=["open", "broken", "calendar"],
)
def test_tabu_search_ends_at_the_optimum_of_a_small_shop(seed: int, closed: list[tuple[int, tuple[int, int]]]) -> None:
    random = Random(seed)
    model = random_shop(random, closed)
    solver = plain_solver()
    solver.parameters.num_workers = 1
    assert solver.solve(model) == cp_model.OPTIMAL
    schedule, graph = graph_of(model)
    lengths = [graph.length]
    asked = itertools.count()
    for made in TabuSearch(graph, random).better(_LONG, lambda: next(asked) >= 10):
        check_schedule(schedule, made)
        assert made.cost < lengths[-1]
        lengths.append(round(made.cost))
    assert lengths[-1] == solver.objective_value


def test_a_shop_of_which_no_order_is_open_ends_at_once() -> None:
    _, graph = graph_of(job_shop_model(JobShop(2, {0: [(0, 3), (1, 4)]})).model)
    search = TabuSearch(graph, Random(1))
    assert list(search.better(_LONG, lambda: False)) == []
    assert (search.is_out_of_moves, search.best, graph.length) == (True, 7, 7)


def test_a_search_ends_when_it_has_lost_patience() -> None:
    _, graph = graph_of(random_shop(Random(1)))
    search, asked = TabuSearch(graph, Random(1)), itertools.count()
    ends = [made.cost for made in search.better(2_000, lambda: next(asked) == 10_000)]
    assert next(asked) < 10_000
    assert ends
    assert ends[-1] == search.best
    assert not search.is_out_of_moves


def test_the_search_ends_when_told() -> None:
    _, graph = graph_of(random_shop(Random(1)))
    assert list(TabuSearch(graph, Random(1)).better(_LONG, lambda: True)) == []


@pytest.mark.parametrize("seed", range(5))
def test_from_elsewhere_only_what_is_better_than_before_counts(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnsearch.schedules.tabu._RANDOM_MOVES", (9,))  # an even number may undo itself
    schedule, graph = graph_of(random_shop(Random(seed)))
    before, first = graph.generated().begins, graph.length
    search = TabuSearch(graph, Random(seed))
    search.wander()
    assert graph.generated().begins != before
    check_schedule(schedule, graph.generated())
    ends = [made.cost for made in search.better(5_000, lambda: False)]
    assert ends == sorted(set(ends), reverse=True)
    assert search.best == (ends[-1] if ends else first)
    assert search.best <= first


def test_a_better_schedule_that_it_comes_to_at_random_is_the_first() -> None:
    for seed in range(100):
        _, graph = graph_of(random_shop(Random(seed)))
        search = TabuSearch(graph, Random(seed))
        search.wander()
        if graph.length < search.best:
            made = graph.generated()
            assert next(search.better(_LONG, lambda: False)).begins == made.begins
            return
    raise AssertionError("moves at random have never led to anything better")


def test_the_same_seed_makes_the_same_search() -> None:
    found: list[list[list[int]]] = []
    for _ in range(2):
        _, graph = graph_of(random_shop(Random(7)))
        search = TabuSearch(graph, Random(3))
        search.wander()
        found.append([made.begins for made in search.better(3_000, lambda: False)] + [graph.generated().begins])
    assert found[0] == found[1]


@settings(max_examples=100)
@given(shops(), st.integers(0, 2**62))
def test_nothing_is_written_outside_of_the_arrays(model: cp_model.CpModel, seed: int) -> None:
    try:
        _, graph = graph_of(model)
    except NothingToReadError:  # tasks that take no time, one after the other at one time
        return
    guarded, ground = list[Any](), list[Any]()
    for array in graph.arrays:
        around = np.full((len(array) + 8) * array.itemsize, 77, dtype=np.uint8)
        inside = around[4 * array.itemsize : -4 * array.itemsize].view(array.dtype)
        inside[:] = array
        guarded.append(inside)
        ground.append((around[: 4 * array.itemsize], around[-4 * array.itemsize :]))
    arrays, state = Graph(*guarded), new_state(seed)
    compiled().move_at_random(arrays, state, 8)
    compiled().improve(arrays, new_keeps(), state, 0, 3_000)
    assert all((edge == 77).all() for edges in ground for edge in edges)
    assert np.array_equal(arrays.places["task"][arrays.tasks["place"][:-1]], np.arange(len(arrays.places)))


def test_an_estimate_takes_no_time_of_an_earlier_one() -> None:
    """After moves at random the search goes on with marks of its own."""
    jobs = {j: [(m, 1 + (7 * j + 3 * m) % 20) for m in Random(j).sample(range(10), 10)] for j in range(20)}
    for seed in range(20):
        _, graph = graph_of(job_shop_model(JobShop(10, jobs)).model)
        search = TabuSearch(graph, Random(seed))
        search.wander()
        fresh = Graph(*(array.copy() for array in graph.arrays))
        fresh.tasks["mark"] = 0
        state = search._state.copy()
        fresh_state = state.copy()
        fresh_state["mark"] = 0
        count = find_moves(graph.arrays, state)
        assert find_moves(fresh, fresh_state) == count
        assert graph.arrays.moves["length"][:count].tolist() == fresh.moves["length"][:count].tolist()


@settings(max_examples=40)
@given(st.data())
def test_on_one_machine_a_move_leads_to_what_was_said_of_it(data: st.DataObject) -> None:
    """Tasks that come free and have to be followed by something, with a break: nothing else moves with them."""
    count = data.draw(st.integers(2, 8))
    model = cp_model.CpModel()
    last = model.new_int_var(0, 999, "last")
    begin = data.draw(st.integers(0, 20))
    machine = [model.new_fixed_size_interval_var(begin, 3, "break")]
    for _ in range(count):
        start = model.new_int_var(data.draw(st.integers(0, 15)), 999, "")
        duration = data.draw(st.integers(1, 5))
        machine.append(model.new_fixed_size_interval_var(start, duration, ""))
        model.add(last >= start + duration + data.draw(st.integers(0, 15)))
    model.add_no_overlap(machine)
    model.minimize(last)
    _, graph = graph_of(model)
    arrays = graph.arrays
    for place in range(find_moves(arrays, new_state(data.draw(st.integers(0, 2**62))))):
        move = {name: int(arrays.moves[place][name]) for name in arrays.moves.dtype.names or ()}
        stretch = [move["first"]]
        while stretch[-1] != move["last"]:
            stretch.append(int(arrays.uses["following"][stretch[-1]]))
        assert len(stretch) == move["size"]
        copy = Graph(*(array.copy() for array in arrays))
        assert make(copy, move["first"], move["last"], move["later"])
        tasks = copy.tasks[copy.uses["task"][stretch]]
        assert move["length"] == max(tasks["head"] + tasks["tail"])


def test_a_search_in_small_parts_is_the_search_in_large_ones() -> None:
    random = Random(1)
    jobs = {j: [(m, random.randint(1, 20)) for m in random.sample(range(10), 10)] for j in range(20)}
    model = job_shop_model(JobShop(10, jobs)).model
    ends, rounds = list[list[int]](), 0
    for work in (100_000, 1):
        _, graph = graph_of(model)
        keeps, state = new_keeps(), new_state(1)
        while not rounds or state["number"] < rounds:
            assert compiled().improve(graph.arrays, keeps, state, 0, work) == GOES_ON
            assert state["work"] >= work
            rounds = rounds or int(state["number"][0])
        ends.append([*graph.generated().begins, int(state["number"][0])])
    assert ends[0] == ends[1]
    assert rounds > 10


def test_times_that_are_too_far_away_are_told() -> None:
    model = cp_model.CpModel()
    start, last = model.new_int_var(0, 9, ""), model.new_int_var(0, 2**61, "")
    model.add_no_overlap([model.new_fixed_size_interval_var(start, 3, "")])
    model.add(last >= start + 3)
    model.minimize(last)
    schedule = Schedule.of(PreparedModel(model))
    far = dataclasses.replace(schedule, low=schedule.low + 2**60)
    with pytest.raises(NothingToReadError, match="path of less than"):
        DisjunctiveGraph(far, [0], [0])


@settings(max_examples=40)
@given(shops(shortest=1), st.randoms(use_true_random=False))
def test_the_longest_path_is_the_earliest_end_in_the_order(model: cp_model.CpModel, random: Random) -> None:
    """As CP-SAT says where each task comes behind those that the graph has before it."""
    schedule, graph = graph_of(model)
    end = graph.length
    for _ in range(5):
        move_somewhere(graph, random)
    if graph.length > end:
        return
    made = graph.generated()
    ordered = model.clone()
    starts: list[cp_model.LinearExprT] = [ordered.get_int_var_from_proto_index(task.start) for task in schedule.tasks]
    starts += graph.arrays.tasks["least"][len(starts) : -1].tolist()
    for task, chosen in zip(schedule.tasks, made.modes, strict=True):
        literal = task.modes[chosen].literal
        if literal is not None:
            ordered.add_bool_and(
                ordered.get_bool_var_from_proto_index(literal)
                if literal >= 0
                else ~ordered.get_bool_var_from_proto_index(~literal)
            )
    for row in rows_of(graph):
        for one, other in itertools.pairwise(graph.arrays.uses["task"][row].tolist()):
            ordered.add(starts[other] >= starts[one] + int(graph.arrays.tasks["duration"][one]))
    solver = plain_solver()
    solver.parameters.num_workers = 1
    assert solver.solve(ordered) == (cp_model.INFEASIBLE if is_late(graph) else cp_model.OPTIMAL)
    assert is_late(graph) or made.cost == solver.objective_value


@pytest.mark.parametrize("seed", range(5))
def test_no_task_comes_later_than_it_may(seed: int) -> None:
    """Each job has a due date that leaves little room."""
    random = Random(seed)
    jobs = {j: [(m, random.randint(1, 20)) for m in random.sample(range(4), 4)] for j in range(5)}
    free = job_shop_model(JobShop(4, jobs)).model
    schedule = Schedule.of(PreparedModel(free))
    solver = plain_solver()
    solver.parameters.num_workers = 1
    solver.parameters.stop_after_first_solution = True
    solver.solve(free)
    limited = free.clone()
    begins = [solver.value(free.get_int_var_from_proto_index(task.start)) for task in schedule.tasks]
    for task, begin in list(zip(schedule.tasks, begins, strict=True))[3::4]:
        limited.add(limited.get_int_var_from_proto_index(task.start) <= begin + 5)
    solver.parameters.stop_after_first_solution = False
    assert solver.solve(limited) == cp_model.OPTIMAL
    schedule = Schedule.of(PreparedModel(limited))
    graph = DisjunctiveGraph(schedule, [0] * len(begins), begins)
    asked, last = itertools.count(), float(graph.length)
    for made in TabuSearch(graph, random).better(_LONG, lambda: next(asked) >= 10):
        last = made.cost
        for begin, latest in list(zip(made.begins, begins, strict=True))[3::4]:
            assert begin <= latest + 5
    assert last == solver.objective_value


def test_a_deadline_is_one_of_the_way_in_which_a_task_is_done() -> None:
    """Of ways that take 2 and 9, and share an end that is 15 at most, the second one is taken."""
    model = cp_model.CpModel()
    start, other, last = (model.new_int_var(0, 999, name) for name in ("start", "other", "last"))
    end = model.new_int_var(0, 15, "end")
    ways = [model.new_bool_var("") for _ in range(2)]
    model.add_exactly_one(ways)
    slow = model.new_optional_interval_var(start, 9, end, ways[1], "")
    model.add_no_overlap([slow, model.new_fixed_size_interval_var(other, 10, "")])
    model.add_no_overlap([model.new_optional_interval_var(start, 2, end, ways[0], "")])
    model.add(last >= end)
    model.add(last >= other + 60)
    model.minimize(last)
    schedule = Schedule.of(PreparedModel(model))
    assert [task.start for task in schedule.tasks] == [start.index, other.index]
    graph, asked = DisjunctiveGraph(schedule, [1, 0], [0, 9]), itertools.count()
    assert [made.ends[0] for made in TabuSearch(graph, Random(1)).better(_LONG, lambda: next(asked) >= 10)] == []


def test_only_deadlines_before_the_last_end_are_looked_at() -> None:
    """A horizon is none, and a calendar may be longer than the schedule."""
    closed = [(machine, (begin, begin + 8)) for machine in range(4) for begin in range(10, 2000, 40)]
    schedule, graph = graph_of(random_shop(Random(1), closed))
    begins = graph.arrays.tasks["least"][graph._limited].tolist()
    assert graph._limited.tolist() == list(range(20, 20 + len(begins)))
    assert sorted(begins) == sorted(begin for _, (begin, _) in closed if begin < graph.length)
    check_schedule(schedule, graph.generated())


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
