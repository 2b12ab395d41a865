"""A CP-SAT model as a model of the depth-first CP solver, where a network can be asked at every node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cp.constraints import KINDS
from nnsearch.cp.constraints.enforcement import Enforcement
from nnsearch.cp.constraints.engine_model import EngineModel
from nnsearch.cp.constraints.linear import restrict, scalar_product
from nnsearch.errors import TranslationError
from nnsearch.model.graph import constraint_kind, constraint_label
from nnsearch.model.objective import read_objective
from nnsearch.model.refusal import reason_of_refusal
from nnsearch.model.stopping import StopCheck

_TRAIL_BLOCK_SIZE = 1000  # the engine's 8,000 takes 1.6 MB and a millisecond for each solver, used or not


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


def translate(model: cp_model.CpModel, *, duals: bool = True, stop: Callable[[], bool] | None = None) -> Translation:
    """Translate a CpModel to the same solutions and the same objective.

    Covered are all kinds of constraints, with and without enforcement literals.

    Args:
        model: a model that CP-SAT finds valid, without assumptions; it is not changed, and may be in use elsewhere.
        duals: give a permutation (all different, as many values as expressions) its redundant dual, "each value has
            one place", which finds hidden singles.
        stop: asked for every constraint, and within large ones; true ends the translation.

    Returns:
        The solver, its variables, the objective and the hint.

    Raises:
        TranslationError: the model has assumptions, an objective with fractional coefficients, an empty domain, numbers
            too large for the engine, a constraint of an unknown kind, or something that CP-SAT refuses; the message
            names it.
        ReadingStoppedError: ``stop`` said so.
    """
    # To read a message that is not there creates it: an element's missing target would become part of the user's
    # model, perhaps while CP-SAT reads it in another thread. A copy takes some milliseconds.
    copy = cmh.CpModelProto()
    copy.copy_from(model.proto)
    try:
        translation = _translate(copy, duals, StopCheck(stop))
    except (IndexError, ValueError):  # of a malformed model, else of the caller's stop
        _check_valid(model)
        raise
    # Last, because the errors above say more; and not of the copy, which reading may have completed.
    _check_valid(model)
    return translation


def _check_valid(model: cp_model.CpModel) -> None:
    reason = reason_of_refusal(model)
    if reason:
        raise TranslationError(f"CP-SAT refuses the model: {reason}") from None


def _translate(proto: Any, duals: bool, check: StopCheck) -> Translation:
    if len(proto.assumptions):
        raise TranslationError("assumptions have no translation to the CP engine; leave this model to CP-SAT")
    parameters = pywrapcp.Solver.DefaultSolverParameters()
    parameters.trail_block_size = _TRAIL_BLOCK_SIZE
    solver = pywrapcp.Solver(proto.name or "nnsearch", parameters)
    engine_model = EngineModel(solver, proto, duals=duals, check=check)
    for index, constraint in enumerate(proto.constraints):
        check.now()
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
    objective = read_objective(model.proto)
    if objective is None:
        return None
    total = scalar_product(model, objective.variables, objective.coefficients).Var()
    if objective.domain:
        restrict(model, total, objective.domain, Enforcement(model.solver))
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
