"""Schedules from any order: what they must keep, told by checks that know nothing of how they were made."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from feasible_schedules import add_in_one_of_two_ways, check_schedule
from hypothesis import given, settings
from ortools.sat.python import cp_model

from nnsearch.errors import NothingToReadError
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.stopping import ReadingStoppedError
from nnsearch.schedules.generation import Generated, Generator
from nnsearch.schedules.reading import Schedule
from nnsearch.schedules.rules import better_schedules, rules, targeted_orders


@st.composite
def models(draw: st.DrawFn) -> cp_model.CpModel:
    """A few tasks on a machine, a shared resource and one of two others, some after others; a break; a last end."""
    count, horizon = draw(st.integers(1, 6)), 100
    model = cp_model.CpModel()
    last = model.new_int_var(0, horizon, "last")
    machine = [model.new_fixed_size_interval_var(draw(st.integers(0, 9)), draw(st.integers(1, 4)), "break")]
    either: tuple[list[cp_model.IntervalVar], list[cp_model.IntervalVar]] = ([], [])
    shared: list[cp_model.IntervalVar] = []
    ends: list[cp_model.LinearExprT] = []
    starts: list[cp_model.IntVar] = []
    for task in range(count):
        duration = draw(st.integers(0, 4))
        start = model.new_int_var(draw(st.integers(0, 3)), horizon, f"start{task}")
        starts.append(start)
        kinds = ["machine", "both", "either"] + ["shared"] * (task > 0)  # of which one may take nothing
        kind = draw(st.sampled_from(kinds))
        if kind == "either":
            ends.append(add_in_one_of_two_ways(model, task, start, duration, 2 * horizon, either))
        else:
            interval = model.new_fixed_size_interval_var(start, duration, "")
            if kind != "shared":
                machine.append(interval)
            if kind != "machine":
                shared.append(interval)
            ends.append(start + duration)
        for other in range(task):
            if draw(st.booleans()) and draw(st.booleans()):
                model.add(start >= ends[other] + draw(st.integers(0, 2)))
        if draw(st.booleans()):
            model.add(last >= ends[-1])
    model.add_max_equality(model.new_int_var(0, horizon, "other"), [last, ends[-1]])
    model.add(last >= ends[-1])
    model.add_no_overlap(machine)
    model.add_cumulative(shared, [draw(st.integers(0, 2)) for _ in shared], 2)
    for intervals in either:
        model.add_no_overlap(intervals)
    model.minimize(last + sum(draw(st.integers(0, 1)) * start for start in starts))
    return model


@settings(max_examples=60, deadline=None)
@given(models(), st.lists(st.floats(-20, 20), min_size=6, max_size=6))
def test_a_schedule_of_any_targets_is_feasible_and_each_task_as_early_as_the_order_allows(
    model: cp_model.CpModel, targets: Sequence[float]
) -> None:
    schedule = Schedule.of(PreparedModel(model))
    generator = Generator(schedule)
    order = generator.ordered(targets[: len(schedule.tasks)])
    made = generator.forward(order)
    check_schedule(schedule, made)
    # With all that came before it where it is, a task that begins earlier breaks something, however it is done.
    for place, task in enumerate(order):
        before = Schedule(
            tuple(schedule.tasks[other] for other in sorted(order[: place + 1])),
            schedule.resources,
            schedule.arcs,
            schedule.low,
            schedule.high,
            schedule.cost,
        )
        kept = sorted(order[: place + 1])
        for chosen, mode in enumerate(schedule.tasks[task].modes):
            for end in range(made.begins[task], made.ends[task]):
                moved = [
                    Generated([end - mode.duration if t == task else made.begins[t] for t in kept],
                              [end if t == task else made.ends[t] for t in kept],
                              [chosen if t == task else made.modes[t] for t in kept], 0.0)
                ]  # fmt: skip
                if end - mode.duration >= 0 and mode.duration:
                    with pytest.raises(AssertionError):
                        check_schedule(before, moved[0])


@settings(max_examples=60, deadline=None)
@given(models(), st.lists(st.floats(-20, 20), min_size=6, max_size=6))
def test_an_order_follows_its_targets_but_where_arcs_say_otherwise(
    model: cp_model.CpModel, targets: Sequence[float]
) -> None:
    schedule = Schedule.of(PreparedModel(model))
    order = Generator(schedule).ordered(targets[: len(schedule.tasks)])
    assert sorted(order) == list(range(len(schedule.tasks)))
    place = {task: number for number, task in enumerate(order)}
    reached = {task: {task} for task in order}  # who has to come before
    starts = {task.start: number for number, task in enumerate(schedule.tasks)}
    behind: dict[int, set[int]] = {}
    for u, v, _ in schedule.arcs:
        behind.setdefault(v, set()).update(behind.get(u, set()) | ({starts[u]} if u in starts else set()))
        if v in starts:
            reached[starts[v]] |= behind[v]
    for task in order:
        assert all(place[other] <= place[task] for other in reached[task])
        latest = max(targets[other] for other in reached[task])
        for other in order:
            if max(targets[o] for o in reached[other]) < latest:
                assert place[other] < place[task]


def test_what_waits_for_many_is_moved_once_for_all_of_them() -> None:
    model, steps = cp_model.CpModel(), 16
    starts = [model.new_int_var(0, 2**40, "") for _ in range(3 * steps + 1)]
    model.add_no_overlap([model.new_fixed_size_interval_var(start, 0, "") for start in starts])
    for step in range(steps):  # of two ways the longer one is longer by more than all that comes behind
        begin, one, other, end = starts[3 * step : 3 * step + 4]
        model.add(one >= begin + 2 ** (steps - step))
        model.add(other >= begin)
        model.add(end >= one)
        model.add(end >= other)
    model.minimize(starts[-1])
    schedule = Schedule.of(PreparedModel(model))
    added: list[int] = []

    class Counted(int):
        def __radd__(self, other: int) -> int:
            added.append(other)
            return other + int(self)

    schedule = replace(schedule, arcs=tuple((u, v, Counted(w)) for u, v, w in schedule.arcs))
    generator = Generator(schedule)
    made = generator.forward(generator.ordered([0.0] * len(starts)))
    assert made.cost == 2 ** (steps + 1) - 2
    assert len(added) < 10 * len(starts)


def test_a_schedule_of_many_tasks_is_stopped_on_its_way() -> None:
    model, asked = cp_model.CpModel(), list[int]()
    starts = [model.new_int_var(0, 2**20, "") for _ in range(3000)]
    model.add_no_overlap([model.new_fixed_size_interval_var(start, 1, "") for start in starts])
    model.minimize(sum(starts))
    schedule = Schedule.of(PreparedModel(model))

    def stop() -> bool:
        asked.append(1)
        return len(asked) == 2

    generator = Generator(schedule)
    with pytest.raises(ReadingStoppedError):
        list(better_schedules(generator, rules(schedule), lambda: False, stop=stop))
    assert len(asked) == 2  # in one schedule, and no other one was begun
    with pytest.raises(ReadingStoppedError):
        generator.backward(generator.forward(range(len(starts))), stop=lambda: True)


@settings(max_examples=40, deadline=None)
@given(models())
def test_the_schedule_of_rules_is_feasible_and_costs_what_a_solver_says(model: cp_model.CpModel) -> None:
    schedule = Schedule.of(PreparedModel(model))
    better = list(better_schedules(Generator(schedule), rules(schedule), lambda: False))
    assert all(one.cost > other.cost for one, other in itertools.pairwise(better))
    made = better[-1]
    check_schedule(schedule, made)
    fixed = model.clone()
    for task, begin, chosen in zip(schedule.tasks, made.begins, made.modes, strict=True):
        mode = task.modes[chosen]
        fixed.add(fixed.get_int_var_from_proto_index(task.start) == begin - mode.start_shift)
        if mode.literal is not None:
            fixed.add(fixed.get_bool_var_from_proto_index(mode.literal) == 1)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    assert solver.solve(fixed) == cp_model.OPTIMAL
    assert solver.objective_value == made.cost


@settings(max_examples=40, deadline=None)
@given(models())
def test_heads_and_tails_are_bounds(model: cp_model.CpModel) -> None:
    schedule = Schedule.of(PreparedModel(model))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    assert solver.solve(model) == cp_model.OPTIMAL
    values = list(solver.response_proto.solution)
    assert all(head <= value for head, value in zip(schedule.heads(), values, strict=True))
    last = max(values[v] for v, cost in enumerate(schedule.cost) if cost)
    assert all(value + tail <= last for tail, value in zip(schedule.tails(), values, strict=True))


NO_SCHEDULES = (
    *(
        "no objective",
        "no resource",
        "an objective without times",
        "no intervals",
        "a resource of others",
        "a resource of nothing",
    ),
    *("a domain without values", "a sum without values"),
)


@pytest.mark.parametrize("what", NO_SCHEDULES)
def test_what_is_no_schedule_says_so(what: str) -> None:
    model = cp_model.CpModel()
    start, other = model.new_int_var(0, 9, "start"), model.new_int_var(0, 9, "other")
    if what != "no intervals":
        interval = model.new_fixed_size_interval_var(start, 2, "")
        if what == "a resource of others":
            model.add_no_overlap([model.new_fixed_size_interval_var(5, 2, "break")])
        elif what == "a resource of nothing":
            model.add_cumulative([interval], [0], 3)
        elif what != "no resource":
            model.add_no_overlap([interval])
    if what != "no objective":
        model.minimize(other if what == "an objective without times" else start)
    if what == "a domain without values":
        model.proto.variables[other.index].domain.clear()
    if what == "a sum without values":
        model.add_linear_expression_in_domain(start - other, cp_model.Domain.from_values([]))
    with pytest.raises(NothingToReadError):
        Schedule.of(PreparedModel(model))


def test_several_intervals_of_one_way_are_one_mode() -> None:
    model = cp_model.CpModel()
    start, end = model.new_int_var(0, 50, "start"), model.new_int_var(0, 60, "end")
    ways = [model.new_bool_var(f"way {way}") for way in range(2)]
    model.add_exactly_one(ways)
    for way, (machine, tool) in zip(ways, ((2, 4), (7, 5)), strict=True):  # two resources each
        for duration in (machine, tool):
            model.add_no_overlap([model.new_optional_fixed_size_interval_var(start, duration, way, "")])
    model.new_fixed_size_interval_var(start, 1, "always")
    model.add(end >= start + 2)
    model.minimize(end)
    (task,) = Schedule.of(PreparedModel(model)).tasks
    assert [(mode.literal, mode.duration, len(mode.uses)) for mode in task.modes] == [
        (way.index, duration, 2) for way, duration in zip(ways, (4, 7), strict=True)
    ]


NEVER = ("domain", "sum", "clause", "conjunction")


@pytest.mark.parametrize("how", NEVER)
@pytest.mark.parametrize("negated", [False, True])
def test_a_way_that_is_never_taken_is_no_mode_and_one_that_always_is_the_only_one(how: str, negated: bool) -> None:
    for always in (False, True):
        model = cp_model.CpModel()
        start, end = model.new_int_var(0, 50, "start"), model.new_int_var(0, 60, "end")
        variables = [model.new_bool_var("") for _ in range(3)]
        ways = [~variable if negated else variable for variable in variables]
        model.add_exactly_one(ways)
        for way, duration in zip(ways, (2, 9, 5), strict=True):
            model.add_no_overlap([model.new_optional_interval_var(start, duration, end, way, "")])
        model.minimize(end)
        known = ways[1] if always else ~ways[0]
        if how == "domain":
            value = int(always != negated)
            model.proto.variables[variables[int(always)].index].domain.clear()
            model.proto.variables[variables[int(always)].index].domain.extend([value, value])
        elif how == "sum":
            model.add(known == 1)
        elif how == "clause":
            model.add_bool_or([known])
        else:
            model.add_bool_and([known])
        (task,) = Schedule.of(PreparedModel(model)).tasks
        assert [mode.duration for mode in task.modes] == ([9] if always else [9, 5])


def test_times_that_add_up_to_more_than_an_int64_are_times_all_the_same() -> None:
    model, far = cp_model.CpModel(), 2**60
    count = 12
    machines: tuple[list[cp_model.IntervalVar], list[cp_model.IntervalVar]] = ([], [])
    starts = [model.new_int_var(0, far, "") for _ in range(count)]
    for start in starts:
        ways = [model.new_bool_var("") for _ in machines]
        model.add_exactly_one(ways)
        for way, machine in zip(ways, machines, strict=True):
            machine.append(model.new_optional_fixed_size_interval_var(start, far, way, ""))
    for machine in machines:
        model.add_no_overlap(machine)
    model.minimize(starts[0])
    generator = Generator(Schedule.of(PreparedModel(model)))
    made = generator.forward(range(count))
    assert made.begins == [task // 2 * far for task in range(count)]
    assert made.ends == [begin + far for begin in made.begins]


def test_an_interval_of_negative_length_takes_nothing() -> None:
    model = cp_model.CpModel()
    start, absent = model.new_int_var(0, 9, "start"), model.new_interval_var(4, -2, 2, "")
    model.add_no_overlap([absent, model.new_fixed_size_interval_var(start, 2, "")])
    model.minimize(start)
    (resource,) = Schedule.of(PreparedModel(model)).resources
    assert [(begin, until) for begin, until, _ in resource.taken] == [(4, 4)]


@settings(max_examples=40, deadline=None)
@given(models(), st.lists(st.one_of(st.just(math.nan), st.floats(0, 20)), min_size=6, max_size=6))
def test_tasks_without_a_target_come_at_several_places_in_their_time(
    model: cp_model.CpModel, targets: Sequence[float]
) -> None:
    schedule = Schedule.of(PreparedModel(model))
    targets = targets[: len(schedule.tasks)]
    orders = list(targeted_orders(schedule, targets))
    unknown = [place for place, target in enumerate(targets) if math.isnan(target)]
    assert len(orders) == (5 if unknown else 1)
    heads = schedule.heads()
    for times in orders:
        assert all(time == target for time, target in zip(times, targets, strict=True) if not math.isnan(target))
        assert all(times[place] >= heads[schedule.tasks[place].start] for place in unknown)
    for earlier, later in itertools.pairwise(orders):
        assert all(earlier[place] <= later[place] for place in unknown)


def test_a_new_task_finds_its_place_in_the_middle() -> None:
    """Last on its machine, the short task would keep waiting the one that comes after it."""
    model = cp_model.CpModel()
    starts = [model.new_int_var(0, 99, f"s{i}") for i in range(4)]
    lengths = [10, 10, 5, 10]
    intervals = [
        model.new_fixed_size_interval_var(start, length, "") for start, length in zip(starts, lengths, strict=True)
    ]
    model.add_no_overlap(intervals[:3])
    model.add(starts[3] >= starts[2] + 5)
    end = model.new_int_var(0, 99, "end")
    model.add_max_equality(end, [start + length for start, length in zip(starts, lengths, strict=True)])
    model.minimize(end)
    schedule = Schedule.of(PreparedModel(model))
    *_, best = better_schedules(
        Generator(schedule), targeted_orders(schedule, [0.0, 10.0, math.nan, math.nan]), lambda: False
    )
    assert best.cost == 25
