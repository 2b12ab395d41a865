"""The element constraint: an array read at a variable position."""

from __future__ import annotations

from typing import Any

from nnsearch.cp.constraints.enforcement import Enforcement
from nnsearch.cp.constraints.engine_model import EngineModel


def add_element(model: EngineModel, element: Any, enforcement: Enforcement) -> None:
    """Add ``exprs[linear_index] == linear_target``, or the older ``vars[index] == target``."""
    solver = model.solver
    if len(element.vars):
        index, target = model.integer(element.index), model.integer(element.target)
        array = [model.integer(reference) for reference in element.vars]
    else:
        index, target = model.affine(element.linear_index), model.affine(element.linear_target)
        array = model.affines(element.exprs)
    place = model.within(enforcement.shadow(index, 0), 0, len(array) - 1)
    if place is None:
        solver.Add(solver.FalseConstraint())
        return
    if all(entry.Bound() for entry in array):
        values = [entry.Min() for entry in array]
        solver.Add(solver.ElementEquality(values, place, enforcement.shadow(target, values[0])))
        return
    enforcement.equate(solver.Element(array, place).Var(), target)
