"""Intervals, and the resources that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from ortools.constraint_solver import pywrapcp

from nnsearch.cp.constraints.enforcement import Enforcement, conjunction
from nnsearch.cp.constraints.engine_model import MAX_MAGNITUDE, EngineModel, check_magnitude, magnitude
from nnsearch.cp.constraints.linear import restrict


@dataclass(frozen=True)
class _Interval:
    """An interval of the model."""

    start: pywrapcp.IntVar
    size: pywrapcp.IntVar
    end: pywrapcp.IntVar
    presence: tuple[pywrapcp.IntVar, ...]  # 0/1 variables that are all true when it is there; empty when it always is

    @property
    def is_plain(self) -> bool:
        """Tell whether it is always there, with one size that is not 0."""
        return not self.presence and self.size.Bound() and self.size.Min() > 0


def add_interval(model: EngineModel, interval: Any, enforcement: Enforcement) -> None:
    """Add ``start + size == end`` and ``size >= 0``."""
    solver = model.solver
    size = model.affine(interval.size)
    restrict(model, size, [0, max(0, size.Max())], enforcement)
    # A sum over the variables, where those of an end like "start + 3" cancel out.
    weights: dict[int, int] = {}
    constant = interval.start.offset + interval.size.offset - interval.end.offset
    for expression, sign in ((interval.start, 1), (interval.size, 1), (interval.end, -1)):
        for variable, coefficient in zip(expression.vars, expression.coeffs, strict=True):
            weights[variable] = weights.get(variable, 0) + sign * coefficient
    terms = [(model.integer(variable), weight) for variable, weight in weights.items() if weight]
    check_magnitude(abs(constant) + sum(abs(weight) * magnitude(variable) for variable, weight in terms))
    if terms:
        variables, coefficients = zip(*terms, strict=True)
        total = solver.ScalProd(list(variables), list(coefficients))
        restrict(model, total, [-constant, -constant], enforcement)
    elif constant:
        enforcement.require()


def add_no_overlap(model: EngineModel, no_overlap: Any, enforcement: Enforcement) -> None:
    """Add "of two intervals that are there, one ends before the other starts"."""
    solver = model.solver
    intervals = _intervals(model, no_overlap.intervals)
    plain = [i for i in intervals if i.is_plain] if enforcement.always else []
    if len(plain) > 1:
        solver.Add(solver.DisjunctiveConstraint(_engine_intervals(model, plain), ""))
    for first, second in combinations(intervals, 2):
        model.check.step()
        if not (enforcement.always and first.is_plain and second.is_plain):
            both = enforcement.under(*first.presence, *second.presence)
            both.require(*_orders(model, first, second))


def add_no_overlap_2d(model: EngineModel, no_overlap: Any, enforcement: Enforcement) -> None:
    """Add "two boxes that are there are apart in one of the dimensions"."""
    boxes = list(zip(_intervals(model, no_overlap.x_intervals), _intervals(model, no_overlap.y_intervals), strict=True))
    for first, second in combinations(boxes, 2):
        model.check.step()
        both = enforcement.under(*(p for interval in (*first, *second) for p in interval.presence))
        both.require(*(order for pair in zip(first, second, strict=True) for order in _orders(model, *pair)))


def add_cumulative(model: EngineModel, cumulative: Any, enforcement: Enforcement) -> None:
    """Add "at every time the demands of the intervals that are there and run add up to at most the capacity".

    The sum is largest where an interval starts, so it is bounded there only. Intervals of size 0 never run.
    """
    solver = model.solver
    intervals = _intervals(model, cumulative.intervals)
    demands, capacity = model.affines(cumulative.demands), model.affine(cumulative.capacity)
    enforcement.require(solver.IsGreaterOrEqualCstVar(capacity, 0))
    check_magnitude(magnitude(capacity) + sum(magnitude(demand) for demand in demands))
    plain = [(i, d) for i, d in zip(intervals, demands, strict=True) if i.is_plain and d.Bound()]
    if enforcement.always and plain and _energy(plain, capacity) <= MAX_MAGNITUDE:
        tasks = _engine_intervals(model, [interval for interval, _ in plain])
        solver.Add(solver.Cumulative(tasks, [demand.Min() for _, demand in plain], max(0, capacity.Max()), ""))
        if len(plain) == len(intervals) and capacity.Bound():
            return
    for interval, demand in zip(intervals, demands, strict=True):
        loads = [demand] + [
            solver.ConditionalExpression(_runs_at_start_of(model, other, interval), load, 0).Var()
            for other, load in zip(intervals, demands, strict=True)
            if other is not interval
        ]
        running = enforcement.under(*interval.presence, solver.IsGreaterCstVar(interval.size, 0))
        running.require(solver.IsLessOrEqualVar(solver.Sum(loads), capacity))


def add_reservoir(model: EngineModel, reservoir: Any, enforcement: Enforcement) -> None:
    """Add "after every event the changes so far add up to a level within the bounds"."""
    solver = model.solver
    times, changes = model.affines(reservoir.time_exprs), model.affines(reservoir.level_changes)
    actives = model.literals(reservoir.active_literals) or [solver.IntConst(1)] * len(times)
    check_magnitude(sum(magnitude(change) for change in changes))
    events = list(zip(times, actives, changes, strict=True))
    for event in events:
        time, active, change = event
        earlier = []
        for other, happens, difference in (e for e in events if e is not event):
            model.check.step()
            counts = conjunction(solver, [happens, _not_after(model, other, time)])
            earlier.append(solver.ConditionalExpression(counts, difference, 0).Var())
        level = solver.Sum([change, *earlier])
        restrict(model, level, [reservoir.min_level, reservoir.max_level], enforcement.under(active))


def _intervals(model: EngineModel, indices: Sequence[int]) -> list[_Interval]:
    constraints = [model.prepared.proto.constraints[index] for index in indices]
    return [
        _Interval(
            model.affine(constraint.interval.start),
            model.affine(constraint.interval.size),
            model.affine(constraint.interval.end),
            tuple(model.literals(constraint.enforcement_literal)),
        )
        for constraint in constraints
    ]


def _energy(tasks: Sequence[tuple[_Interval, pywrapcp.IntVar]], capacity: pywrapcp.IntVar) -> int:
    """Return a bound on the products of time and load that the engine's cumulative constraint computes."""
    horizon = sum(magnitude(interval.start) + magnitude(interval.end) for interval, _ in tasks)
    return horizon * (magnitude(capacity) + sum(magnitude(demand) for _, demand in tasks))


def _engine_intervals(model: EngineModel, intervals: Sequence[_Interval]) -> list[pywrapcp.IntervalVar]:
    return [model.solver.FixedDurationIntervalVar(i.start, i.size.Min(), "") for i in intervals]


def _orders(model: EngineModel, first: _Interval, second: _Interval) -> tuple[pywrapcp.IntVar, pywrapcp.IntVar]:
    """Return whether the first ends before the second starts, and whether the second ends before the first starts."""
    return _not_after(model, first.end, second.start), _not_after(model, second.end, first.start)


def _not_after(model: EngineModel, first: pywrapcp.IntVar, second: pywrapcp.IntVar) -> pywrapcp.IntVar:
    check_magnitude(magnitude(first) + magnitude(second))
    return model.solver.IsLessOrEqualVar(first, second)


def _runs_at_start_of(model: EngineModel, other: _Interval, interval: _Interval) -> pywrapcp.IntVar:
    model.check.step()
    solver = model.solver
    started = _not_after(model, other.start, interval.start)
    check_magnitude(magnitude(other.end) + magnitude(interval.start))
    unfinished = solver.IsLessVar(interval.start, other.end)
    return conjunction(solver, [*other.presence, started, unfinished])
