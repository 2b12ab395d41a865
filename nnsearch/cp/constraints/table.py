"""Tables of allowed or forbidden tuples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ortools.constraint_solver import pywrapcp

from nnsearch.cp.constraints.enforcement import Enforcement
from nnsearch.cp.constraints.engine_model import EngineModel

MAX_COLUMN_RANGE = 2**16
"""The widest range of an expression whose values are given to the engine as they are."""


def add_table(model: EngineModel, table: Any, enforcement: Enforcement) -> None:
    """Add "the expressions form one of the tuples", or none of them when the table is negated."""
    expressions = model.sequence(table)
    arity = len(expressions)
    if not arity:  # CP-SAT takes a table without columns as satisfied
        return
    values = list(table.values)
    distinct = dict.fromkeys(tuple(values[start : start + arity]) for start in range(0, len(values), arity))
    tuples = [row for row in distinct if all(e.Contains(v) for e, v in zip(expressions, row, strict=True))]
    if table.negated:
        _forbid(model, expressions, tuples, enforcement)
    elif tuples:
        columns = enforcement.shadows(expressions, tuples[0])
        for place, column in enumerate(columns):
            if is_wide(column):
                position = {value: k for k, value in enumerate(sorted({row[place] for row in tuples}))}
                columns[place] = position_in(model, list(position), column)
                tuples = [(*row[:place], position[row[place]], *row[place + 1 :]) for row in tuples]
        model.solver.Add(model.solver.AllowedAssignments(columns, tuples))
    else:
        enforcement.require()


def is_wide(expression: pywrapcp.IntVar) -> bool:
    """Tell whether a table should hold positions instead of the values of this expression.

    The engine takes memory for every value between the bounds.
    """
    return bool(expression.Max() - expression.Min() > MAX_COLUMN_RANGE)


def position_in(model: EngineModel, ascending: Sequence[int], expression: pywrapcp.IntVar) -> pywrapcp.IntVar:
    """Keep an expression among some values, and return the variable of its position in them."""
    position = model.solver.IntVar(0, len(ascending) - 1, "")
    model.solver.Add(model.solver.ElementEquality(list(ascending), position, expression))
    return position


def _forbid(
    model: EngineModel,
    expressions: Sequence[pywrapcp.IntVar],
    tuples: Sequence[tuple[int, ...]],
    enforcement: Enforcement,
) -> None:
    for row in tuples:
        differences = [model.solver.IsDifferentCstVar(e, v) for e, v in zip(expressions, row, strict=True)]
        enforcement.require(*differences)
