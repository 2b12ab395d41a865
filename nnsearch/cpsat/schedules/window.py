"""A neighbourhood of a schedule: a window of time is free; before it all stays, behind it the order of tasks alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ortools.sat.python import cp_model

from nnsearch.cpsat.hinted import hinted
from nnsearch.model.objective import Objective
from nnsearch.model.variables import fix
from nnsearch.schedules.reading import Mode, Schedule

_NO_LIMIT = 2**62


class Span(NamedTuple):
    """One task in a solution: its interval, and how it is done."""

    begin: int
    end: int
    mode: Mode


@dataclass(frozen=True)
class Window:
    """A part of a schedule.

    Attributes:
        begin: of the time in it.
        end: of that.
        tasks: those that are at work in it.
    """

    begin: float
    end: float
    tasks: frozenset[int]


def spans(schedule: Schedule, solution: Sequence[int]) -> list[Span]:
    """Return when and how a solution does the tasks.

    Args:
        schedule: of the model.
        solution: the values of all variables.
    """
    done = []
    for task in schedule.tasks:
        mode = next(mode for mode in task.modes if mode.literal is None or is_true(mode.literal, solution))
        begin = solution[task.start] + mode.start_shift
        done.append(Span(begin, begin + mode.duration, mode))
    return done


def is_true(literal: int, solution: Sequence[int]) -> bool:
    """Tell whether a solution has a literal; ``~v`` is the negation of the variable v."""
    return bool(solution[literal]) if literal >= 0 else not solution[~literal]


def window_of(done: Sequence[Span], middle: float, count: int) -> Window:
    """Return the least window around a time with so many tasks at work in it, or all of them."""
    away = [max(span.begin - middle, middle - span.end, 0.0) for span in done]
    reach = sorted(away)[min(count, len(away)) - 1]
    inside = frozenset(task for task, distance in enumerate(away) if distance <= reach)
    return Window(middle - reach, middle + reach, inside)


def around(
    model: cp_model.CpModel, objective: Objective, schedule: Schedule, solution: Sequence[int], window: Window
) -> cp_model.CpModel:
    """Return the model that asks for a better solution than one, from which it differs in a window.

    Tasks before it stay as they are. Those behind it keep their modes, and the order in which they share resources:
    each begins after those that it took a resource over from. On a resource for one at a time, tasks of the window stay
    between those before and behind it.

    Args:
        model: with an objective; it is not changed.
        objective: its.
        schedule: what it says of one.
        solution: the values of all variables.
        window: of it.
    """
    copy = hinted(model, solution)
    proto = copy.proto
    if not objective.floating and not objective.domain:
        proto.objective.domain.extend([-_NO_LIMIT, objective.of(solution) - 1])
    done = spans(schedule, solution)
    for number, task in enumerate(schedule.tasks):
        if number in window.tasks:
            continue
        if done[number].end <= window.begin:
            fix(proto.variables[task.start], solution[task.start])
        if len(task.modes) > 1:
            for mode in task.modes:
                if mode.literal is not None:
                    set_literal(proto, mode.literal, mode == done[number].mode)

    def before(one: int, other: int, by: Mode, to: Mode, literal: int | None = None) -> None:
        """Let one task end before another one begins, where that is as a literal says."""
        constraint = proto.constraints.add()
        row = constraint.linear
        row.vars.extend([schedule.tasks[other].start, schedule.tasks[one].start])
        row.coeffs.extend([1, -1])
        row.domain.extend([by.start_shift + by.duration - to.start_shift, _NO_LIMIT])
        if literal is not None:
            constraint.enforcement_literal.append(literal)

    kept = _kept(schedule, done, window)
    for members, resource in zip(kept, schedule.resources, strict=True):
        for one, other in _handovers(members, resource.capacity):
            if done[other].end > window.begin:
                before(one, other, done[one].mode, done[other].mode)
    ends = [
        (
            max((m for m in members if m.end <= window.begin), key=lambda m: m.end, default=None),
            min((m for m in members if m.begin >= window.end), key=lambda m: m.begin, default=None),
        )
        for members in kept
    ]
    for number in window.tasks:
        for mode in schedule.tasks[number].modes:
            for place, _ in mode.uses:
                if schedule.resources[place].capacity == 1:
                    last, following = ends[place]
                    if last is not None:
                        before(last.task, number, done[last.task].mode, mode, mode.literal)
                    if following is not None:
                        before(number, following.task, mode, done[following.task].mode, mode.literal)
    return copy


def set_literal(proto: Any, literal: int, value: bool) -> None:
    """Fix a literal of a model."""
    fix(proto.variables[literal if literal >= 0 else ~literal], int(value if literal >= 0 else not value))


class _Member(NamedTuple):
    """A task that uses a resource."""

    begin: int
    end: int
    task: int
    amount: int


def _kept(schedule: Schedule, done: Sequence[Span], window: Window) -> list[list[_Member]]:
    """Return for each resource the tasks outside of a window that use it, in their order."""
    members: list[list[_Member]] = [[] for _ in schedule.resources]
    for number, span in enumerate(done):
        if number not in window.tasks:
            for place, amount in span.mode.uses:
                members[place].append(_Member(span.begin, span.end, number, amount))
    return [sorted(same) for same in members]


def _handovers(members: Sequence[_Member], capacity: int) -> Iterator[tuple[int, int]]:
    """Yield the pairs of tasks of which the second takes units of a resource over from the first.

    See N. Policella, A. Cesta, A. Oddi, S. Smith, From precedence constraint posting to partial order schedules, 2007.
    A task takes from those that ended last.
    """
    holders: list[tuple[int, int, int]] = []  # (until when, task, how much)
    unused = capacity
    for begin, end, task, amount in members:
        holders.sort()
        needed, place = amount, len(holders) - 1
        while needed and place >= 0:
            until, holder, held = holders[place]
            if until <= begin:
                yield holder, task
                taken = min(held, needed)
                needed -= taken
                holders[place] = (until, holder, held - taken)
            place -= 1
        unused -= min(needed, unused)
        holders = [one for one in holders if one[2]] + [(end, task, amount)]
