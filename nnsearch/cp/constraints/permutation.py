"""All-different, and two arrays that are each other's inverse."""

from __future__ import annotations

from typing import Any

from nnsearch.cp.constraints.enforcement import Enforcement
from nnsearch.cp.constraints.engine_model import EngineModel


def add_all_different(model: EngineModel, all_different: Any, enforcement: Enforcement) -> None:
    """Add "all expressions differ".

    A permutation (as many values as expressions) also gets its dual, "each value has one place", because the engine's
    AllDifferent misses hidden singles.
    """
    solver = model.solver
    expressions = model.affines(all_different.exprs)
    if len(expressions) < 2:
        return
    solver.Add(solver.AllDifferent(enforcement.shadows(expressions, range(len(expressions))), True))
    count = len(expressions)
    low = min(e.Min() for e in expressions)
    high = max(e.Max() for e in expressions)
    if enforcement.always and high - low + 1 == count:
        places = [model.shifted(expression, low) for expression in expressions]
        dual = [solver.IntVar(0, count - 1, "") for _ in range(count)]
        solver.Add(solver.InversePermutationConstraint(places, dual))


def add_inverse(model: EngineModel, inverse: Any, enforcement: Enforcement) -> None:
    """Add ``f_direct[i] == j`` exactly where ``f_inverse[j] == i``; both arrays are permutations of the positions."""
    count = len(inverse.f_direct)
    sides = []
    for references in (inverse.f_direct, inverse.f_inverse):
        side = enforcement.shadows([model.integer(reference) for reference in references], range(count))
        sides.append([model.within(variable, 0, count - 1) for variable in side])
    if any(variable is None for side in sides for variable in side):
        model.solver.Add(model.solver.FalseConstraint())
    elif count:
        model.solver.Add(model.solver.InversePermutationConstraint(*sides))
