"""Parts of small schedules, and what each has to keep, told by a check that knows nothing of how it was made."""

from __future__ import annotations

from ortools.sat.python import cp_model

from nnsearch.schedules.generation import Generated
from nnsearch.schedules.reading import NOBODY, Schedule


def add_in_one_of_two_ways(
    model: cp_model.CpModel,
    task: int,
    start: cp_model.IntVar,
    duration: int,
    latest: int,
    machines: tuple[list[cp_model.IntervalVar], list[cp_model.IntervalVar]],
) -> cp_model.IntVar:
    """Let a task be done on one of two machines, on the second one more slowly; return its end, ``latest`` at most."""
    end = model.new_int_var(0, latest, f"end{task}")
    chosen = [model.new_bool_var(f"on{task},{place}") for place in range(2)]
    for place, (literal, intervals) in enumerate(zip(chosen, machines, strict=True)):
        intervals.append(model.new_optional_interval_var(start, duration + place, end, literal, ""))
    model.add_exactly_one(chosen)
    return end


def check_schedule(schedule: Schedule, made: Generated) -> None:
    """Check that a schedule keeps arcs and capacities."""
    used: dict[tuple[int, int], int] = {}
    for resource, one in enumerate(schedule.resources):
        for begin, until, amount in one.taken:
            for time in range(begin, until):
                used[resource, time] = used.get((resource, time), 0) + amount
    values: dict[int, int] = {}
    spans: dict[int, list[tuple[int, int]]] = {}
    for resource, one in enumerate(schedule.resources):
        spans[resource] = [(begin, until) for begin, until, _ in one.taken]
    for task, begin, end, chosen in zip(schedule.tasks, made.begins, made.ends, made.modes, strict=True):
        mode = task.modes[chosen]
        assert end == begin + mode.duration
        values[task.start] = begin - mode.start_shift
        assert schedule.low[task.start] <= values[task.start]
        if mode.end != NOBODY:
            values[mode.end] = end - mode.end_shift
        for resource, amount in mode.uses:
            spans[resource].append((begin, end))
            for time in range(begin, end):
                used[resource, time] = used.get((resource, time), 0) + amount
    for resource, one in enumerate(schedule.resources):
        for begin, end in spans[resource]:  # to CP-SAT what takes no time is not within another on a machine, either
            if one.capacity == 1 and begin == end:
                assert not any(other < begin < until for other, until in spans[resource])
    assert all(amount <= schedule.resources[resource].capacity for (resource, _), amount in used.items())
    assert all(values[v] >= values[u] + w for u, v, w in schedule.arcs if u in values and v in values)
