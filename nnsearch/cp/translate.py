"""A CP-SAT model as a model of the depth-first CP solver, where a network can be asked at every node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model

from nnsearch.errors import TranslationError
from nnsearch.graph import constraint_kind, constraint_label


@dataclass(frozen=True)
class Translation:
    """A CP solver that holds a translated model.

    Attributes:
        solver: the CP solver; it owns the variables and must outlive them.
        variables: one per variable of the CpModel, in its order.
    """

    solver: pywrapcp.Solver
    variables: list[pywrapcp.IntVar]


def translate(model: cp_model.CpModel) -> Translation:
    """Translate a CpModel.

    Covered are integer variables with any domain, ``add_all_different`` on affine expressions, and linear constraints
    without enforcement literals. A permutation (all different, as many values as expressions) also gets its dual,
    "each value has one place", because the engine's AllDifferent misses hidden singles.

    Args:
        model: a model without an objective and without assumptions.

    Returns:
        The solver and its variables.

    Raises:
        TranslationError: the model has an objective, assumptions, an empty domain, or a constraint that is not covered;
            the message names it.
    """
    proto = model.proto
    if model.has_objective():
        raise TranslationError("the CP engine solves models without an objective; use --engine cp-sat for this one")
    if len(proto.assumptions):
        raise TranslationError("assumptions have no translation to the CP engine; use --engine cp-sat for this model")
    solver = pywrapcp.Solver(proto.name or "nnsearch")
    variables = [_variable(solver, v, i) for i, v in enumerate(proto.variables)]
    for index, constraint in enumerate(proto.constraints):
        label = constraint_label(constraint, index)
        if constraint.enforcement_literal:
            raise TranslationError(f"{label}: enforcement literals have no translation to the CP engine; use cp-sat")
        if constraint.has_all_diff():
            _add_all_different(solver, [_affine(solver, variables, e) for e in constraint.all_diff.exprs])
        elif constraint.has_linear():
            _add_linear(solver, variables, constraint.linear)
        else:
            raise TranslationError(
                f"{label}: expected all_different or a linear constraint, got {constraint_kind(constraint)}, "
                "which has no translation to the CP engine; use cp-sat"
            )
    return Translation(solver, variables)


def _variable(solver: pywrapcp.Solver, proto: Any, index: int) -> pywrapcp.IntVar:
    domain = list(proto.domain)
    name = proto.name or f"v{index}"
    if not domain or domain[-1] < domain[0]:
        raise TranslationError(f"variable {name}: expected at least one value, its domain is empty")
    variable = solver.IntVar(domain[0], domain[-1], name)
    for hole_start, hole_end in zip(domain[1:-1:2], domain[2:-1:2], strict=True):
        variable.RemoveInterval(hole_start + 1, hole_end - 1)
    return variable


def _affine(solver: pywrapcp.Solver, variables: list[pywrapcp.IntVar], expression: Any) -> pywrapcp.IntVar:
    terms = [variables[v] * c for v, c in zip(expression.vars, expression.coeffs, strict=True)]
    if len(terms) == 1 and expression.coeffs[0] == 1 and expression.offset == 0:
        return variables[expression.vars[0]]
    return (solver.Sum(terms) + expression.offset).Var() if terms else solver.IntConst(expression.offset)


def _add_all_different(solver: pywrapcp.Solver, expressions: list[pywrapcp.IntVar]) -> None:
    if not expressions:
        return
    solver.Add(solver.AllDifferent(expressions, True))
    count = len(expressions)
    low = min(e.Min() for e in expressions)
    high = max(e.Max() for e in expressions)
    if count > 1 and high - low + 1 == count:
        places = [e if low == 0 else (e - low).Var() for e in expressions]
        dual = [solver.IntVar(0, count - 1, "") for _ in range(count)]
        solver.Add(solver.InversePermutationConstraint(places, dual))


def _add_linear(solver: pywrapcp.Solver, variables: list[pywrapcp.IntVar], linear: Any) -> None:
    total = solver.ScalProd([variables[v] for v in linear.vars], list(linear.coeffs))
    domain = list(linear.domain)
    if not domain:
        solver.Add(solver.FalseConstraint())
        return
    # CP-SAT writes an open side as the end of int64, where the engine's arithmetic would overflow.
    low, high = max(domain[0], total.Min()), min(domain[-1], total.Max())
    if low > high:
        solver.Add(solver.FalseConstraint())
        return
    solver.Add(solver.BetweenCt(total, low, high))
    for end, start in zip(domain[1:-1:2], domain[2:-1:2], strict=True):
        if start - end == 2:
            solver.Add(total != end + 1)
        else:
            solver.Add(solver.IsBetweenVar(total, end + 1, start - 1) == 0)
