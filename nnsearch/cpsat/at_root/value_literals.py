"""Literals that say "variable = value"."""

from __future__ import annotations

from ortools.sat.python import cp_model


def value_literal(model: cp_model.CpModel, variable: cp_model.IntVar, value: int) -> cp_model.IntVar:
    """Return a literal that is true exactly where a variable has a value.

    A Boolean is its own literal. For others one is added to the model, which has as many solutions as before.

    Args:
        model: the model; no equal literal is looked for in it.
        variable: one of its variables, no negated Boolean.
        value: of its domain.
    """
    if list(model.proto.variables[variable.index].domain) == [0, 1]:
        return variable if value else ~variable
    literal = model.new_bool_var(f"{variable.name}={value}")
    model.add(variable == value).only_enforce_if(literal)
    model.add(variable != value).only_enforce_if(~literal)
    return literal
