"""A model with a solution to begin with."""

from __future__ import annotations

from collections.abc import Sequence

from ortools.sat.python import cp_model


def hinted(model: cp_model.CpModel, values: Sequence[int]) -> cp_model.CpModel:
    """Return a copy of the model whose hint is a complete solution, and nothing else.

    Args:
        model: the model; it is not changed.
        values: of all variables, in the model's order.
    """
    copy = model.clone()
    hint = copy.proto.solution_hint
    hint.vars.clear()
    hint.values.clear()
    hint.vars.extend(range(len(values)))
    hint.values.extend(values)
    return copy
