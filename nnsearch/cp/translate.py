"""A CP-SAT model as a model of the depth-first CP solver, where a network can be asked at every node."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model

from nnsearch.cp.constraints import KINDS
from nnsearch.cp.constraints.enforcement import Enforcement
from nnsearch.cp.constraints.engine_model import EngineModel
from nnsearch.cp.constraints.linear import restrict, scalar_product
from nnsearch.errors import TranslationError
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.rows import constraint_label
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


def translate(model: cp_model.CpModel | PreparedModel, *, stop: Callable[[], bool] | None = None) -> Translation:
    """Translate a CpModel to the same solutions and the same objective.

    Covered are all kinds of constraints, with and without enforcement literals.

    Args:
        model: a model that CP-SAT finds valid, without assumptions; it is not changed, and may be in use elsewhere.
            Of one that is prepared any number of translations can be made, each for one solver.
        stop: asked for every constraint, and within large ones; true ends the translation.

    Returns:
        The solver, its variables, the objective and the hint.

    Raises:
        TranslationError: the model has assumptions, an objective with fractional coefficients, an empty domain, numbers
            too large for the engine, a constraint of an unknown kind, or something that CP-SAT refuses; the message
            names it.
        ReadingStoppedError: ``stop`` said so.
    """
    prepared = PreparedModel.of(model, stop=stop)
    try:
        translation = _translate(prepared, StopCheck(stop))
    except (IndexError, ValueError):  # of a malformed model, else of the caller's stop
        _check_valid(prepared)
        raise
    _check_valid(prepared)  # last, because the errors above say more
    return translation


def _check_valid(model: PreparedModel) -> None:
    if model.refusal:
        raise TranslationError(f"CP-SAT refuses the model: {model.refusal}") from None


def _translate(model: PreparedModel, check: StopCheck) -> Translation:
    if len(model.proto.assumptions):
        raise TranslationError("assumptions have no translation to the CP engine; leave this model to CP-SAT")
    parameters = pywrapcp.Solver.DefaultSolverParameters()
    parameters.trail_block_size = _TRAIL_BLOCK_SIZE
    solver = pywrapcp.Solver(model.proto.name or "nnsearch", parameters)
    engine_model = EngineModel(solver, model, check)
    for index, kind, enforcement, argument in _constraints(model):
        check.now()
        try:
            _add_constraint(engine_model, kind, enforcement, argument)
        except TranslationError as error:
            raise TranslationError(f"{constraint_label(model.proto.constraints[index], index)}: {error}") from None
    try:
        objective = _objective(engine_model)
    except TranslationError as error:
        raise TranslationError(f"objective: {error}") from None
    return Translation(solver, engine_model.variables, objective, _hint(engine_model))


def _constraints(model: PreparedModel) -> Iterator[tuple[int, str | None, Sequence[int], Any]]:
    """Return (index, kind, enforcement literals, the constraint's own part) of all constraints, in their order."""
    rows = ((row.constraint, row.kind, row.enforcement, row) for row in model.rows)
    others = (
        (index, kind, constraint.enforcement_literal, kind and getattr(constraint, kind))
        for index, kind, constraint in model.others
    )
    return heapq.merge(rows, others, key=itemgetter(0))


def _add_constraint(model: EngineModel, kind: str | None, literals: Sequence[int], argument: Any) -> None:
    enforcement = Enforcement(model.solver, model.literals(literals)) if literals else model.always
    if kind is None:  # an empty constraint, as of an all-different of nothing, always holds
        return
    if kind not in KINDS:
        raise TranslationError(f"{kind} has no translation to the CP engine; leave this model to CP-SAT")
    KINDS[kind](model, argument, enforcement)


def _objective(model: EngineModel) -> pywrapcp.IntVar | None:
    objective = model.prepared.objective
    if objective is None:
        return None
    total = scalar_product(model, objective.variables, objective.coefficients).Var()
    if objective.domain:
        restrict(model, total, objective.domain, model.always)
    return total


def _hint(model: EngineModel) -> dict[int, int]:
    given = model.prepared.proto.solution_hint
    hint = {}
    for reference, value in zip(given.vars, given.values, strict=True):
        index, hinted = (reference, value) if reference >= 0 else (~reference, -value)
        if model.variables[index].Contains(hinted):
            hint[index] = hinted
    return hint
