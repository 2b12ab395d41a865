"""What a model says of a schedule: tasks, the ways to do them, resources, and who waits for whom."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnsearch.errors import NothingToReadError
from nnsearch.model.domains import bounds_of, least_of, most_of
from nnsearch.model.lists import IntArray
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.rows import AND_ROW, EXACTLY_ONE_ROW, LINEAR_ROW, OR_ROW, Rows
from nnsearch.model.stopping import StopCheck

NOBODY = -1
"""No variable. A literal may be negative, so that no literal is None."""

_FAR = 2**40  # what is further away is no time: CP-SAT writes an open side as the end of int64

Arc = tuple[int, int, int]
"""(u, v, w): in every solution v is at least u + w."""


class Mode(NamedTuple):
    """One way to do a task: an interval.

    Attributes:
        literal: what is true where it is taken; None of the only mode of a task.
        duration: the least, where it is no constant.
        start_shift: the interval begins at the task's variable plus this.
        end: the variable that is the interval's end less ``end_shift``, or ``NOBODY``.
        end_shift: see there.
        uses: (resource, how much).
    """

    literal: int | None
    duration: int
    start_shift: int
    end: int
    end_shift: int
    uses: tuple[tuple[int, int], ...]


class ScheduleTask(NamedTuple):
    """What has to be done.

    Attributes:
        start: the variable that says when.
        modes: ways to do it, one or more.
    """

    start: int
    modes: tuple[Mode, ...]


@dataclass(frozen=True)
class Resource:
    """What intervals share.

    Attributes:
        constraint: its place in the model.
        capacity: how much of it there is.
        taken: (from, until, how much) of intervals with fixed times.
    """

    constraint: int
    capacity: int
    taken: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, eq=False)
class Schedule:
    """What a model of V variables says of a schedule.

    Attributes:
        tasks: in the model's order.
        resources: in the model's order.
        arcs: without a cycle, in an order in which those into a variable come before those out of it.
        low: int64[V], the least values.
        high: int64[V], the largest ones.
        cost: float64[V], what is minimised for each unit of a variable.
    """

    tasks: tuple[ScheduleTask, ...]
    resources: tuple[Resource, ...]
    arcs: tuple[Arc, ...]
    low: IntArray
    high: IntArray
    cost: npt.NDArray[np.float64]

    @classmethod
    def of(cls, model: PreparedModel, *, stop: Callable[[], bool] | None = None) -> Schedule:
        """Read a model.

        A task is a variable at which an interval begins. It has a mode for each of several optional intervals of which
        exactly one is present. Optional intervals without such a choice are left out, as is all else that is not said
        by intervals, no-overlaps, cumulatives, maxima and differences of two variables: what comes of a schedule has to
        be completed by a solver.

        Args:
            model: the model.
            stop: asked from time to time; true ends the reading.

        Raises:
            NothingToReadError: no task uses a resource, or there is no objective of times.
            ReadingStoppedError: ``stop`` said so.
        """
        check = StopCheck(stop)
        check.now()
        if model.objective is None:
            raise NothingToReadError("expected a schedule with an objective, got none")
        if all(kind != "interval" for _, kind, _ in model.others):  # as in most models: every solve with a history asks
            raise NothingToReadError("expected intervals that share a resource, got none")
        low, high = _bounds(model)
        intervals = dict(_intervals(model, low, high, check))
        resources, uses = _resources(model, intervals, low, high, check)
        tasks = _tasks(model, intervals, uses, low, high, check)
        if not any(mode.uses for task in tasks for mode in task.modes):
            raise NothingToReadError("expected intervals that share a resource, got none")
        arcs = _ordered(_without_returns([*_arcs(model), *_durations(tasks)]), len(low))
        schedule = cls(tasks, resources, arcs, low, high, model.costs)
        tails = schedule.tails()
        if all(tails[task.start] == -math.inf for task in tasks):
            raise NothingToReadError("expected an objective that grows with the times of tasks, got another one")
        return schedule

    def heads(self) -> list[int]:
        """Return for each variable the least value that arcs leave."""
        least: list[int] = self.low.tolist()
        for u, v, w in self.arcs:
            least[v] = max(least[v], least[u] + w)
        return least

    def latest(self) -> list[int]:
        """Return for each variable the largest value that arcs leave."""
        most: list[int] = self.high.tolist()
        for u, v, w in reversed(self.arcs):
            most[u] = min(most[u], most[v] - w)
        return most

    def tails(self) -> list[float]:
        """Return for each variable how much a variable of the objective has to be above it, ``-inf`` where none has."""
        most = np.where(self.cost > 0, 0.0, -np.inf).tolist()
        for u, v, w in reversed(self.arcs):
            most[u] = max(most[u], most[v] + w)
        return most


class _Interval(NamedTuple):
    """One of the model's, as it may be at least.

    Attributes:
        start: the variable that it begins at, and what is added to it; ``NOBODY`` of a constant, None of anything else.
        end: the same of its end.
        duration: the least.
        literals: it is present where all of them are true.
    """

    start: tuple[int, int] | None
    end: tuple[int, int] | None
    duration: int
    literals: list[int]


def _bounds(model: PreparedModel) -> tuple[IntArray, IntArray]:
    """Return int64[V] twice, the least and the largest values."""
    domains, rows = model.domains, model.rows
    if (domains.sizes == 0).any():
        raise NothingToReadError("expected a value in each domain, got an empty one")
    low, high = (bound.copy() for bound in bounds_of(domains))
    single = rows.take(
        np.flatnonzero((rows.kind == LINEAR_ROW) & (rows.entries.sizes == 1) & (rows.enforcement.sizes == 0))
    )
    for row in single:
        variable, coefficient = row.entries[0], row.coefficients[0]
        if abs(coefficient) == 1 and variable >= 0 and row.domain:
            ends = sorted((coefficient * row.domain[0], coefficient * row.domain[-1]))
            low[variable], high[variable] = max(low[variable], ends[0]), min(high[variable], ends[1])
    free = rows.enforcement.sizes == 0
    unit = np.isin(rows.kind, (OR_ROW, EXACTLY_ONE_ROW)) & (rows.entries.sizes == 1)
    for literal in rows.take(np.flatnonzero(free & (unit | (rows.kind == AND_ROW)))).entries.items.tolist():
        if literal >= 0:
            low[literal] = max(low[literal], 1)
        else:
            high[~literal] = min(high[~literal], 0)
    return low, high


def _intervals(
    model: PreparedModel, low: IntArray, high: IntArray, check: StopCheck
) -> Iterator[tuple[int, _Interval]]:
    """Yield the intervals with their places in the model."""
    for index, kind, constraint in model.others:
        check.step()
        if kind == "interval":
            said = constraint.interval
            duration = max(least_of(said.size, low, high), 0)
            yield index, _Interval(_affine(said.start), _affine(said.end), duration, constraint.enforcement_literal[:])


def _affine(expression: Any) -> tuple[int, int] | None:
    """Return the variable and the constant of an expression ``variable + constant``, ``NOBODY`` for no variable."""
    variables: list[int] = expression.vars[:]
    if not variables:
        return NOBODY, expression.offset
    if len(variables) == 1 and variables[0] >= 0 and expression.coeffs[0] == 1:
        return variables[0], expression.offset
    return None


def _resources(
    model: PreparedModel, intervals: dict[int, _Interval], low: IntArray, high: IntArray, check: StopCheck
) -> tuple[tuple[Resource, ...], dict[int, list[tuple[int, int]]]]:
    """Return the resources, and what each interval uses of them."""
    resources: list[Resource] = []
    uses: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for index, kind, constraint in model.others:
        check.step()
        if kind not in ("no_overlap", "cumulative") or len(constraint.enforcement_literal):
            continue
        body = getattr(constraint, kind)
        members = body.intervals[:]
        if kind == "no_overlap":
            capacity, demands = 1, [1] * len(members)
        else:
            capacity = most_of(body.capacity, low, high)
            demands = [max(least_of(demand, low, high), 0) for demand in body.demands]
        taken = []
        for member, demand in zip(members, demands, strict=True):
            interval = intervals[member]
            if demand and interval.start is not None and interval.start[0] == NOBODY:
                if all(_holds(literal, low, high) for literal in interval.literals):
                    begin = interval.start[1]
                    taken.append((begin, begin + interval.duration, min(demand, capacity)))
            elif demand and (kind == "no_overlap" or interval.duration > 0):
                uses[member].append((len(resources), min(demand, capacity)))
        resources.append(Resource(index, capacity, tuple(taken)))
    return tuple(resources), uses


def _tasks(
    model: PreparedModel,
    intervals: dict[int, _Interval],
    uses: dict[int, list[tuple[int, int]]],
    low: IntArray,
    high: IntArray,
    check: StopCheck,
) -> tuple[ScheduleTask, ...]:
    """Return the tasks: intervals by their starts."""
    by_start: dict[int, list[int]] = defaultdict(list)
    for index, interval in intervals.items():
        if interval.start is not None and interval.start[0] != NOBODY and len(interval.literals) <= 1:
            by_start[interval.start[0]].append(index)
    choices = _choices(model.rows, low, high)
    tasks = []
    for variable, members in by_start.items():
        check.step()
        always, maybe = list[Mode](), list[Mode]()
        for i in members:
            mode = _mode(intervals[i], uses[i])
            present = mode.literal is None or _holds(mode.literal, low, high)
            if present is not False:
                (always if present else maybe).append(mode)
        if len(always) == len(members) == 1:  # as most are
            tasks.append(ScheduleTask(variable, (always[0],)))
            continue
        shared = tuple(use for mode in always for use in mode.uses)
        longest = max((mode.duration for mode in always), default=0)
        by_literal: dict[int | None, Mode] = {}
        for mode in maybe:  # several intervals of one way: those of a machine and a tool
            same = by_literal.get(mode.literal)
            by_literal[mode.literal] = mode if same is None else _joined(same, mode.uses, mode.duration)
        if frozenset(by_literal) in choices:
            modes = [_joined(mode, shared, longest) for mode in by_literal.values()]
        elif always:
            modes = [_joined(always[0], tuple(use for mode in always[1:] for use in mode.uses), longest)]
        else:
            continue
        tasks.append(ScheduleTask(variable, tuple(modes)))
    return tuple(tasks)


def _mode(interval: _Interval, uses: list[tuple[int, int]]) -> Mode:
    assert interval.start is not None
    literal = interval.literals[0] if interval.literals else None
    end, start = interval.end, interval.start
    if end is None or end[0] in (NOBODY, start[0]):
        end = NOBODY, 0
    return Mode(literal, interval.duration, start[1], *end, tuple(dict.fromkeys(uses)))


def _joined(mode: Mode, uses: tuple[tuple[int, int], ...], duration: int) -> Mode:
    """Return a mode that uses more, and takes as long at least."""
    together = tuple(dict.fromkeys((*mode.uses, *uses)))
    return Mode(mode.literal, max(mode.duration, duration), mode.start_shift, mode.end, mode.end_shift, together)


def _holds(literal: int, low: IntArray, high: IntArray) -> bool | None:
    """Tell whether a literal is true in all solutions, false in all, or neither: None."""
    variable, value = (literal, 1) if literal >= 0 else (~literal, 0)
    return bool(low[variable] == value) if low[variable] == high[variable] else None


def _choices(rows: Rows, low: IntArray, high: IntArray) -> set[frozenset[int]]:
    """Return the sets of open literals of which exactly one is true."""
    one = (rows.kind == EXACTLY_ONE_ROW) & (rows.enforcement.sizes == 0)
    equal = (rows.kind == LINEAR_ROW) & (rows.enforcement.sizes == 0) & (rows.domain.sizes == 2)
    first = np.where(equal, rows.domain.offset[:-1], 0)
    if equal.any():
        items = rows.domain.items
        equal &= (items[first] == 1) & (items[np.minimum(first + 1, len(items) - 1)] == 1)
    factors = np.bincount(rows.entries.owner, rows.coefficients != 1, len(rows))
    chosen = rows.take(np.flatnonzero(one | (equal & (factors == 0))))
    choices = set()
    for entries in chosen.entries:
        held = {literal: _holds(literal, low, high) for literal in entries}
        if True not in held.values():
            choices.add(frozenset(literal for literal in entries if held[literal] is None))
    return choices - {frozenset()}


def _arcs(model: PreparedModel) -> Iterator[Arc]:
    """Yield what rows of two variables and maxima say."""
    rows = model.rows
    pairs = rows.take(
        np.flatnonzero((rows.kind == LINEAR_ROW) & (rows.entries.sizes == 2) & (rows.enforcement.sizes == 0))
    )
    entries, factors = pairs.entries.items.reshape(-1, 2), pairs.coefficients.reshape(-1, 2)
    differences = np.flatnonzero(
        (np.sort(factors, axis=1) == (-1, 1)).all(axis=1)
        & (entries >= 0).all(axis=1)
        & (entries[:, 0] != entries[:, 1])
    )
    nothing = differences[pairs.domain.sizes[differences] == 0]
    if len(nothing):
        constraint = pairs.constraint[nothing[0]]
        raise NothingToReadError(f"expected a sum that can hold, got constraint {constraint} without a value")
    positive = np.where(factors[differences, 0] == 1, 0, 1)
    later, earlier = entries[differences, positive].tolist(), entries[differences, 1 - positive].tolist()
    least = pairs.domain.items[pairs.domain.offset[differences]].tolist()
    most = pairs.domain.items[pairs.domain.offset[differences + 1] - 1].tolist()
    for u, v, low, high in zip(earlier, later, least, most, strict=True):
        if low > -_FAR:
            yield u, v, low
        if high < _FAR:
            yield v, u, -high
    for _, kind, constraint in model.others:
        if kind == "lin_max" and not len(constraint.enforcement_literal):
            target = _affine(constraint.lin_max.target)
            for expression in map(_affine, constraint.lin_max.exprs):
                if target and expression and NOBODY not in (target[0], expression[0]) and target[0] != expression[0]:
                    yield expression[0], target[0], expression[1] - target[1]


def _durations(tasks: Sequence[ScheduleTask]) -> Iterator[Arc]:
    """Yield from each start to the ends of its modes what is true of all of them."""
    for task in tasks:
        least: dict[int, int] = {}
        for mode in task.modes:
            away = mode.start_shift + mode.duration - mode.end_shift
            least[mode.end] = min(least.get(mode.end, away), away)
        if len(least) == 1 and NOBODY not in least:
            yield from ((task.start, end, away) for end, away in least.items())


def _without_returns(arcs: Sequence[Arc]) -> list[Arc]:
    """Return the largest of the arcs between two variables, without those back that say at most how much later."""
    most: dict[tuple[int, int], int] = {}
    for u, v, w in arcs:
        most[u, v] = max(most.get((u, v), w), w)
    return [(u, v, w) for (u, v), w in most.items() if w >= 0 or (v, u) not in most]


def _ordered(arcs: Sequence[Arc], num_variables: int) -> tuple[Arc, ...]:
    """Return arcs in an order in which those into a variable come before those out of it; cycles are left out."""
    out: list[list[Arc]] = [[] for _ in range(num_variables)]
    waits = [0] * num_variables
    for arc in arcs:
        out[arc[0]].append(arc)
        waits[arc[1]] += 1
    ready = [variable for variable in range(num_variables) if not waits[variable]]
    ordered: list[Arc] = []
    for variable in ready:
        for arc in out[variable]:
            ordered.append(arc)
            waits[arc[1]] -= 1
            if not waits[arc[1]]:
                ready.append(arc[1])
    return tuple(ordered)
