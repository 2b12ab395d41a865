"""A model with values to begin with."""

from __future__ import annotations

from collections.abc import Sequence

from ortools.sat.python import cp_model


def hinted(model: cp_model.CpModel, values: Sequence[int], variables: Sequence[int] | None = None) -> cp_model.CpModel:
    """Return a copy of the model whose hint is these values, and nothing else.

    Args:
        model: the model; it is not changed.
        values: of the variables.
        variables: their indices; None is all, in the model's order.
    """
    copy = model.clone()
    hint = copy.proto.solution_hint
    hint.vars.clear()
    hint.values.clear()
    hint.vars.extend(range(len(values)) if variables is None else variables)
    hint.values.extend(values)
    return copy
