"""A mixed-integer program as a CpModel with the same solutions and the same objective: nothing is rounded.

CP-SAT has integers alone. A decimal is the fraction that its digits say (0.1 is 1/10), and a row is multiplied by the
common denominator of its coefficients. What has no such model is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from ortools.sat.python import cp_model

from nnsearch.errors import InstanceError

_INFINITE = 1e20  # what files of linear programs mean by it
_MOST = 2**53  # of a coefficient: a double holds all integers up to here
_LARGEST_SUM = 2**62  # CP-SAT takes no row that can exceed it
_ROUNDS = 10  # of tightening, which need not end: x <= y / 2 + 1, y <= x / 2 + 1


class DecimalRow(NamedTuple):
    """``lower <= sum of coefficient * variable <= upper``; without a bound, it is infinite."""

    name: str
    lower: float
    upper: float
    terms: list[tuple[int, float]]


@dataclass(frozen=True)
class MixedIntegerProgram:
    """Variables with bounds, rows, and an objective, as floating-point numbers.

    Attributes:
        names: V names; may be empty.
        lower: V bounds.
        upper: V bounds.
        integer: V: whether the variable is an integer.
        rows: What holds.
        objective: Coefficients of variables.
        offset: Of the objective.
        maximises: Whether a larger objective is better.
    """

    names: Sequence[str]
    lower: Sequence[float]
    upper: Sequence[float]
    integer: Sequence[bool]
    rows: Sequence[DecimalRow]
    objective: Sequence[tuple[int, float]] = ()
    offset: float = 0.0
    maximises: bool = False

    def to_cp_model(self) -> cp_model.CpModel:
        """Return the CpModel.

        Raises:
            InstanceError: A variable is continuous or has no bounds, or a row or the objective does not fit into
                CP-SAT's integers.
        """
        rows = [_whole(row) for row in self.rows]
        self._check_integers(rows)
        domains = self._domains(rows)
        model = cp_model.CpModel()
        variables = [model.new_int_var(low, high, name) for (low, high), name in zip(domains, self.names, strict=True)]
        for row in rows:
            reach = sum(abs(c) * max(map(abs, domains[v])) for v, c in row.terms)
            if reach >= _LARGEST_SUM:
                raise InstanceError(
                    f"expected rows whose sum stays below 2**62, row {row.name} can reach {float(reach):.3g}; "
                    "give its variables smaller bounds"
                )
            low, high = math.ceil(max(row.lower, -reach)), math.floor(min(row.upper, reach))
            if low > high:
                model.add_bool_or([]).with_name(row.name)  # no sum of integers is in between
            elif low > -reach or high < reach:
                terms = [variables[v] for v, _ in row.terms], [c for _, c in row.terms]
                model.add_linear_constraint(cp_model.LinearExpr.weighted_sum(*terms), low, high).with_name(row.name)
        if self.objective or self.offset:
            self._add_objective(model)
        return model

    def _check_integers(self, rows: Sequence[_WholeRow]) -> None:
        """Refuse a variable that is continuous, unless an equation of integers leaves it no fraction."""
        open_ones = {v for v, integer in enumerate(self.integer) if not integer}
        equations = [
            row for row in rows if row.lower == row.upper and not open_ones.isdisjoint(v for v, _ in row.terms)
        ]
        found = True
        while open_ones and found:
            found = False
            for row in equations:
                unknown = [(v, c) for v, c in row.terms if v in open_ones]
                if len(unknown) == 1 and row.is_multiple_of(abs(unknown[0][1]), but=unknown[0][0]):
                    open_ones.discard(unknown[0][0])
                    found = True
        if open_ones:
            name = self._name(min(open_ones))
            more = f" (and {len(open_ones) - 1} more)" if len(open_ones) > 1 else ""
            raise InstanceError(
                f"expected integer variables, {name}{more} is continuous; declare it an integer if it may be one, "
                "or leave this model to a MIP solver"
            )

    def _domains(self, rows: Sequence[_WholeRow]) -> list[tuple[int, int]]:
        """Return the bounds; where the file has none, those that the rows leave."""
        lower = [math.ceil(_exact(bound)) if abs(bound) < _INFINITE else None for bound in self.lower]
        upper = [math.floor(_exact(bound)) if abs(bound) < _INFINITE else None for bound in self.upper]
        for _ in range(_ROUNDS):
            if (None not in lower and None not in upper) or not _tighten(lower, upper, rows):
                break
        domains = []
        for v, (low, high) in enumerate(zip(lower, upper, strict=True)):
            if low is None or high is None:
                side = "lower" if low is None else "upper"
                raise InstanceError(
                    f"expected bounds for every variable, {self._name(v)} has no {side} one and the rows imply none; "
                    "give it one that no good solution exceeds"
                )
            if low > high and max(abs(self.lower[v]), abs(self.upper[v])) >= _INFINITE:
                high = low  # that the rows leave no value they say themselves
            if low > high:
                got = f"{self.lower[v]:.15g}..{self.upper[v]:.15g}"
                raise InstanceError(f"expected bounds with an integer between, {self._name(v)} has {got}")
            if max(abs(low), abs(high)) >= _MOST:
                raise InstanceError(f"expected bounds below 2**53, {self._name(v)} has {low}..{high}")
            domains.append((low, high))
        return domains

    def _add_objective(self, model: cp_model.CpModel) -> None:
        terms = [(v, _exact(c)) for v, c in self.objective if c]
        offset = _exact(self.offset)
        unit = _unit(c for _, c in terms)
        whole = [(v, int(c / unit)) for v, c in terms]
        _check_coefficients(whole, "the objective")
        sign = -1 if self.maximises else 1  # CP-SAT minimises
        objective = model.proto.objective
        objective.vars.extend(v for v, _ in whole)
        objective.coeffs.extend(sign * c for _, c in whole)
        objective.scaling_factor = sign * float(unit)
        objective.offset = sign * float(offset / unit)

    def _name(self, v: int) -> str:
        return self.names[v] or f"v{v}"


class _WholeRow(NamedTuple):
    """A row with integer coefficients that have no common divisor."""

    name: str
    lower: float | Fraction
    upper: float | Fraction
    terms: list[tuple[int, int]]

    def is_multiple_of(self, divisor: int, but: int) -> bool:
        """Tell whether the coefficients, but that of one variable, and the sum are multiples of an integer."""
        return (Fraction(self.lower) / divisor).denominator == 1 and all(
            c % divisor == 0 for v, c in self.terms if v != but
        )


def _exact(value: float) -> Fraction:
    """Return the fraction that the shortest decimal of a number says."""
    return Fraction(int(value)) if float(value).is_integer() else Fraction(repr(float(value)))


def _unit(coefficients: Iterable[Fraction]) -> Fraction:
    """Return the largest number of which all coefficients are multiples; 1 without coefficients."""
    listed = list(coefficients)
    return Fraction(math.gcd(*(c.numerator for c in listed)), math.lcm(*(c.denominator for c in listed))) or Fraction(1)


def _check_coefficients(terms: Sequence[tuple[int, int]], where: str) -> None:
    largest = max((abs(c) for _, c in terms), default=0)
    if largest > _MOST:
        raise InstanceError(
            f"expected coefficients that are multiples of one number, up to 2**53 times, those of {where} need "
            f"{float(largest):.3g}; round them to fewer digits"
        )


def _whole(row: DecimalRow) -> _WholeRow:
    terms = [(v, _exact(c)) for v, c in row.terms if c]
    unit = _unit(c for _, c in terms)
    whole = [(v, int(c / unit)) for v, c in terms]
    _check_coefficients(whole, f"row {row.name}")
    lower = _exact(row.lower) / unit if row.lower > -_INFINITE else -math.inf
    upper = _exact(row.upper) / unit if row.upper < _INFINITE else math.inf
    return _WholeRow(row.name, lower, upper, whole)


def _tighten(lower: list[int | None], upper: list[int | None], rows: Sequence[_WholeRow]) -> bool:
    """Give variables without a bound the one that some row implies; tell whether there was any."""
    found = False
    for row in rows:
        # As "sum <= limit", once with each sign.
        for sign, limit in ((1, row.upper), (-1, row.lower)):
            if math.isinf(limit):
                continue
            least = [
                None if (bound := (lower if sign * c > 0 else upper)[v]) is None else sign * c * bound
                for v, c in row.terms
            ]
            missing = least.count(None)
            known = sum(value for value in least if value is not None)
            for (v, c), value in zip(row.terms, least, strict=True):
                if missing > (value is None):
                    continue  # another variable may be as small as it likes
                room = (sign * limit - known + (value or 0)) / (sign * c)
                if sign * c > 0 and upper[v] is None:
                    upper[v], found = math.floor(room), True
                elif sign * c < 0 and lower[v] is None:
                    lower[v], found = math.ceil(room), True
    return found
