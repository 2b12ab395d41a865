"""Constraints on literals."""

from __future__ import annotations

from typing import Any

from nnsearch.cp.constraints.enforcement import Enforcement
from nnsearch.cp.constraints.engine_model import EngineModel
from nnsearch.model.rows import Row


def add_or(model: EngineModel, row: Row, enforcement: Enforcement) -> None:
    """Add "at least one literal holds"."""
    literals = model.literals(row.entries)
    if not model.is_satisfied(row.entries):
        enforcement.demand(literals)


def add_and(model: EngineModel, row: Row, enforcement: Enforcement) -> None:
    """Add "all literals hold"."""
    for literal in model.literals(row.entries):
        enforcement.require(literal)


def add_at_most_one(model: EngineModel, row: Row, enforcement: Enforcement) -> None:
    """Add "at most one literal holds"."""
    literals = model.literals(row.entries)
    if len(literals) < 2:
        return
    total = model.solver.Sum(literals)
    if enforcement.always:
        model.solver.Add(total <= 1)
    else:
        enforcement.require(model.solver.IsLessOrEqualCstVar(total, 1))


def add_exactly_one(model: EngineModel, row: Row, enforcement: Enforcement) -> None:
    """Add "exactly one literal holds"."""
    literals = model.literals(row.entries)
    if not literals:
        enforcement.require()
        return
    total = model.solver.Sum(literals)
    if enforcement.always:
        model.solver.Add(total == 1)
    else:
        enforcement.require(model.solver.IsEqualCstVar(total, 1))


def add_xor(model: EngineModel, argument: Any, enforcement: Enforcement) -> None:
    """Add "an odd number of literals hold", as the parity of the literals up to each one."""
    parity = model.solver.IntConst(0)
    for literal in model.literals(argument.literals):
        parity = model.solver.IsDifferentVar(parity, literal)
    enforcement.require(parity)
