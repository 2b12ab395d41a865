"""Linear constraints: a scalar product within a domain."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ortools.constraint_solver import pywrapcp

from nnsearch.cp.constraints.enforcement import Enforcement
from nnsearch.cp.constraints.engine_model import MAX_HOLES_RANGE, EngineModel
from nnsearch.model.rows import Row


def add_linear(model: EngineModel, row: Row, enforcement: Enforcement) -> None:
    """Add ``sum coefficients * variables in domain``."""
    restrict(model, scalar_product(model, row.entries, row.coefficients), row.domain, enforcement)


def scalar_product(model: EngineModel, references: Sequence[int], coefficients: Sequence[int]) -> pywrapcp.IntExpr:
    """Return ``sum coefficients * variables``; one that could overflow is refused."""
    terms = [model.integer(reference) for reference in references]
    model.check_sum(references, coefficients)
    return model.solver.ScalProd(terms, list(coefficients))


def restrict(model: EngineModel, total: pywrapcp.IntExpr, domain: Sequence[int], enforcement: Enforcement) -> None:
    """Keep an expression within a domain of flattened ranges ``[low, high, low, high, ...]``."""
    solver = model.solver
    # CP-SAT writes an open side as the end of int64, where the engine's arithmetic would overflow.
    least, most = total.Min(), total.Max()
    ranges = [
        (max(low, least), min(high, most))
        for low, high in zip(domain[::2], domain[1::2], strict=True)
        if low <= most and least <= high
    ]
    if not ranges:
        enforcement.require()
        return
    low, high = ranges[0][0], ranges[-1][1]
    holes = [(end + 1, start - 1) for (_, end), (start, _) in pairwise(ranges)]
    if not enforcement.always:
        if low == high:
            enforcement.require(solver.IsEqualCstVar(total, low))
            return
        enforcement.require(solver.IsGreaterOrEqualCstVar(total, low))
        enforcement.require(solver.IsLessOrEqualCstVar(total, high))
        for start, end in holes:
            if start == end:
                enforcement.require(solver.IsDifferentCstVar(total, start))
                continue
            enforcement.require(solver.IsLessCstVar(total, start), solver.IsGreaterCstVar(total, end))
        return
    solver.Add(solver.BetweenCt(total, low, high))
    wide = most - least > MAX_HOLES_RANGE
    for start, end in holes:
        if start == end:
            solver.Add(total != start)
        elif not wide:
            solver.Add(solver.IsBetweenVar(total, start, end) == 0)
    if wide and holes:
        starts, ends = zip(*holes, strict=True)
        solver.Add(solver.NotMemberCt(total, list(starts), list(ends)))
