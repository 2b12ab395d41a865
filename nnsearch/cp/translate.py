"""A CP-SAT model as a model of the depth-first CP solver, where a network can be asked at every node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model

from nnsearch.cp.constraints import KINDS
from nnsearch.cp.constraints.enforcement import Enforcement
from nnsearch.cp.constraints.engine_model import EngineModel
from nnsearch.cp.constraints.linear import restrict, scalar_product
from nnsearch.errors import TranslationError
from nnsearch.graph import constraint_kind, constraint_label


@dataclass(frozen=True)
class Translation:
    """A CP solver that holds a translated model.

    Attributes:
        solver: the CP solver; it owns the variables and must outlive them.
        variables: one per variable of the CpModel, in its order. Once they are assigned, propagation alone decides
            whether they are a solution.
        objective: what is to be minimised, an integer without the model's offset and scaling; None if the model has no
            objective. A model that maximises has its coefficients negated.
        hint: variable index -> hinted value, of the hints that are within their domains.
    """

    solver: pywrapcp.Solver
    variables: list[pywrapcp.IntVar]
    objective: pywrapcp.IntVar | None
    hint: dict[int, int]


def translate(model: cp_model.CpModel, *, duals: bool = True) -> Translation:
    """Translate a CpModel to the same solutions and the same objective.

    Covered are all kinds of constraints, with and without enforcement literals.

    Args:
        model: a model that CP-SAT finds valid, without assumptions.
        duals: give a permutation (all different, as many values as expressions) its redundant dual, "each value has
            one place", which finds hidden singles.

    Returns:
        The solver, its variables, the objective and the hint.

    Raises:
        TranslationError: the model has assumptions, an objective with fractional coefficients, an empty domain, numbers
            too large for the engine, or a constraint of an unknown kind; the message names it.
    """
    proto = model.proto
    if len(proto.assumptions):
        raise TranslationError("assumptions have no translation to the CP engine; leave this model to CP-SAT")
    solver = pywrapcp.Solver(proto.name or "nnsearch")
    engine_model = EngineModel(solver, proto, duals=duals)
    for index, constraint in enumerate(proto.constraints):
        try:
            _add_constraint(engine_model, constraint)
        except TranslationError as error:
            raise TranslationError(f"{constraint_label(constraint, index)}: {error}") from None
    try:
        objective = _objective(engine_model)
    except TranslationError as error:
        raise TranslationError(f"objective: {error}") from None
    return Translation(solver, engine_model.variables, objective, _hint(engine_model))


def _add_constraint(model: EngineModel, constraint: Any) -> None:
    enforcement = Enforcement(model.solver, model.literals(constraint.enforcement_literal))
    for kind, add in KINDS.items():
        if getattr(constraint, f"has_{kind}")():
            add(model, getattr(constraint, kind), enforcement)
            return
    kind = constraint_kind(constraint)
    if hasattr(constraint, f"has_{kind}"):  # an empty constraint, as of an all-different of nothing, always holds
        raise TranslationError(f"{kind} has no translation to the CP engine; leave this model to CP-SAT")


def _objective(model: EngineModel) -> pywrapcp.IntVar | None:
    proto = model.proto
    if proto.has_floating_point_objective():
        floating = proto.floating_point_objective
        sign = -1 if floating.maximize else 1
        if not all(float(coefficient).is_integer() for coefficient in floating.coeffs):
            raise TranslationError(
                "expected integer coefficients, got fractional ones, which have no translation to the CP engine; "
                "scale them to integers or leave this model to CP-SAT"
            )
        return scalar_product(model, floating.vars, [sign * int(c) for c in floating.coeffs]).Var()
    if not proto.has_objective():
        return None
    objective = proto.objective
    total = scalar_product(model, objective.vars, objective.coeffs).Var()
    if len(objective.domain):
        restrict(model, total, list(objective.domain), Enforcement(model.solver))
    return total


def _hint(model: EngineModel) -> dict[int, int]:
    proto = model.proto
    if not proto.has_solution_hint():
        return {}
    hint = {}
    for reference, value in zip(proto.solution_hint.vars, proto.solution_hint.values, strict=True):
        index, hinted = (reference, value) if reference >= 0 else (~reference, -value)
        if model.variables[index].Contains(hinted):
            hint[index] = hinted
    return hint
