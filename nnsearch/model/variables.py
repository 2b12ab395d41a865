"""The variables of a CpModel that a caller names."""

from __future__ import annotations

from typing import Any

from ortools.sat.python import cp_model

from nnsearch.errors import ConfigError


def check_no_negation(indices: list[int]) -> None:
    """Raise a ``ConfigError`` when a variable of a CpModel is the negation of a Boolean (its index is negative)."""
    if any(index < 0 for index in indices):
        raise ConfigError("variables: expected variables of the model, got the negation of a Boolean")


def all_variables(model: cp_model.CpModel) -> list[cp_model.IntVar]:
    """Return the model's variables in its order."""
    return [model.get_int_var_from_proto_index(index) for index in range(len(model.proto.variables))]


def fix(variable: Any, value: int) -> None:
    """Leave a variable of a model's message one value, in place."""
    variable.domain.clear()
    variable.domain.extend([value, value])
