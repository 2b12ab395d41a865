"""The objective of a CpModel, as a sum of integers to minimise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nnsearch.errors import TranslationError


@dataclass(frozen=True)
class Objective:
    """What the engines minimise, and what the model calls it.

    Attributes:
        variables: indices of variables.
        coefficients: of these, negated where the model maximises.
        scale: negative where the model maximises.
        offset: of the sum, before it is scaled.
        domain: flattened ranges that the sum has to be in; empty when it may be anything.
    """

    variables: tuple[int, ...]
    coefficients: tuple[int, ...]
    scale: float
    offset: float
    domain: tuple[int, ...] = ()

    def of(self, solution: Sequence[int]) -> int:
        """Return the sum of a solution, given by the values of all variables."""
        return sum(c * solution[v] for v, c in zip(self.variables, self.coefficients, strict=True))

    def in_model_units(self, value: int) -> float:
        """Return what CP-SAT reports for a sum."""
        return self.scale * (value + self.offset) + 0.0  # a maximised 0 would be -0.0


def read_objective(proto: Any) -> Objective | None:
    """Read the objective of a model's proto, which stays as it is; None if there is none.

    Raises:
        TranslationError: it has fractional coefficients.
    """
    # A message is asked for before it is read: to read one that is not there would create it.
    if proto.has_floating_point_objective():
        floating = proto.floating_point_objective
        coefficients = list(floating.coeffs)
        if not all(float(coefficient).is_integer() for coefficient in coefficients):
            raise TranslationError(
                "expected integer coefficients, got fractional ones, which have no translation to the CP engine; "
                "scale them to integers or leave this model to CP-SAT"
            )
        sign = -1 if floating.maximize else 1
        return _objective(floating.vars, [sign * int(c) for c in coefficients], float(sign), sign * floating.offset)
    if proto.has_objective():
        objective = proto.objective
        scale = objective.scaling_factor or 1.0
        return _objective(objective.vars, objective.coeffs, scale, objective.offset, objective.domain)
    return None


def _objective(
    references: Iterable[int], coefficients: Iterable[int], scale: float, offset: float, domain: Iterable[int] = ()
) -> Objective:
    # The reference ~i is the opposite of the variable i.
    terms = [(r, c) if r >= 0 else (~r, -c) for r, c in zip(references, coefficients, strict=True)]
    return Objective(tuple(r for r, _ in terms), tuple(c for _, c in terms), scale, offset, tuple(domain))
