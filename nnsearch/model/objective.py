"""The objective of a CpModel, as a sum to minimise."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ortools.sat.python import cp_model

from nnsearch.errors import TranslationError


@dataclass(frozen=True, eq=False)
class Objective:
    """What the engines minimise, and what the model calls it.

    Its terms are read when they are first asked for: a race wants to know the sense before CP-SAT begins, no more.

    Attributes:
        message: of the model, which must not change.
        floating: its coefficients are floating-point numbers; only if all are whole, the sum is an integer.
        scale: negative where the model maximises.
        offset: of the sum, before it is scaled.
    """

    message: Any
    floating: bool
    scale: float
    offset: float

    @functools.cached_property
    def terms(self) -> list[tuple[int, float]]:
        """Indices of variables with what is to be minimised for each unit of them."""
        sign = -1 if self.floating and self.maximises else 1
        # The reference ~i is the opposite of the variable i. CP-SAT's check of the model finds lists that do not match.
        terms = zip(list(self.message.vars), list(self.message.coeffs), strict=False)
        return [(r, sign * c) if r >= 0 else (~r, -sign * c) for r, c in terms]

    @functools.cached_property
    def variables(self) -> tuple[int, ...]:
        """Indices of variables."""
        return tuple(variable for variable, _ in self.terms)

    @functools.cached_property
    def coefficients(self) -> tuple[int, ...]:
        """The variables' coefficients, negated where the model maximises.

        Raises:
            TranslationError: one is a fraction.
        """
        if not all(float(coefficient).is_integer() for _, coefficient in self.terms):
            raise TranslationError(
                "expected integer coefficients, got fractional ones, which have no translation to the CP engine; "
                "scale them to integers or leave this model to CP-SAT"
            )
        return tuple(int(coefficient) for _, coefficient in self.terms)

    @property
    def domain(self) -> tuple[int, ...]:
        """Flattened ranges that the sum has to be in; empty when it may be anything."""
        return () if self.floating else tuple(self.message.domain)

    @property
    def maximises(self) -> bool:
        """The model calls a larger value better."""
        return self.scale < 0

    @property
    def no_bound(self) -> float:
        """The bound that says nothing, in the units of the model."""
        return math.inf if self.maximises else -math.inf

    def of(self, solution: Sequence[int]) -> int:
        """Return the sum of a solution, given by the values of all variables."""
        return sum(c * solution[v] for v, c in zip(self.variables, self.coefficients, strict=True))

    def value_of(self, solution: Sequence[int]) -> float:
        """Return what CP-SAT reports for a solution, given by the values of all variables."""
        total = sum(coefficient * solution[variable] for variable, coefficient in self.terms)
        return self.in_model_units(total)

    def in_model_units(self, value: float) -> float:
        """Return what CP-SAT reports for a sum."""
        return self.scale * (value + self.offset) + 0.0  # a maximised 0 would be -0.0

    def in_engine_units(self, objective: float) -> int:
        """Return the sum of which CP-SAT reports this; not for floating point."""
        return round(objective / self.scale - self.offset)

    def exact(self, value: float) -> float:
        """Return what is meant by a value that CP-SAT reports; an integer 1 may be 1.0000000000000004."""
        return value if self.floating or not math.isfinite(value) else self.in_model_units(self.in_engine_units(value))

    def better(self, one: float, other: float) -> bool:
        """Tell whether one objective is strictly better than another, in the units of the model.

        CP-SAT may report an integer objective as -6.999999999999999, so those are compared as integers.
        """
        if not self.floating and math.isfinite(one) and math.isfinite(other):
            return self.in_engine_units(one) < self.in_engine_units(other)
        return one > other if self.maximises else one < other

    def tighter(self, one: float, other: float) -> bool:
        """Tell whether one bound says strictly more than another, in the units of the model."""
        return self.better(other, one)

    def bound_of_domains(self, proto: Any) -> float:
        """Return what the domains of the model's variables alone say of the objective, in the units of the model."""
        total, variables = 0.0, proto.variables
        for variable, coefficient in self.terms:
            domain = variables[variable].domain
            total += coefficient * domain[0 if coefficient > 0 else len(domain) - 1]  # OR-Tools takes -1 for 0
        return self.in_model_units(total)


def read_objective(proto: Any) -> Objective | None:
    """Read the objective of a model's proto, which stays as it is; None if there is none."""
    # A message is asked for before it is read: to read one that is not there would create it.
    if proto.has_floating_point_objective():
        floating = proto.floating_point_objective
        sign = -1.0 if floating.maximize else 1.0
        return Objective(floating, True, sign, sign * floating.offset)
    if proto.has_objective():
        objective = proto.objective
        return Objective(objective, False, objective.scaling_factor or 1.0, objective.offset)
    return None


def is_constant(proto: Any) -> bool:
    """Tell whether the objective is the same for all solutions, so that a model asks for any of them."""
    floating = proto.has_floating_point_objective()
    if not floating and (not proto.has_objective() or len(proto.objective.domain)):
        return False
    terms = proto.floating_point_objective.vars if floating else proto.objective.vars
    return all(_is_fixed(proto.variables[r if r >= 0 else ~r]) for r in terms)


def _is_fixed(variable: Any) -> bool:
    domain = list(variable.domain)
    return bool(domain) and domain[0] == domain[-1]


def without_objective(model: cp_model.CpModel) -> cp_model.CpModel:
    """Return a copy of the model that asks for any solution; the range of the objective, if it has one, stays."""
    copy = model.clone()
    drop_objective(copy)
    return copy


def drop_objective(model: cp_model.CpModel) -> None:
    """Take the objective out of a model; its range, if it has one, stays as a constraint."""
    objective = model.proto.objective if model.proto.has_objective() else None
    if objective is not None and len(objective.domain):
        allowed = model.proto.constraints.add().linear
        allowed.vars.extend(objective.vars)
        allowed.coeffs.extend(objective.coeffs)
        allowed.domain.extend(objective.domain)
    model.clear_objective()
