"""The engine's counterparts of a model's variables, literals and expressions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ortools.constraint_solver import pywrapcp

from nnsearch.errors import TranslationError
from nnsearch.model.stopping import StopCheck

MAX_MAGNITUDE = 2**62
"""The engine computes with int64 and does not always look for overflow; this leaves room for one more addition."""

MAX_HOLES_RANGE = 2**20
"""Beyond this range a domain's holes are not taken out: the engine would need a bit for every value in between."""


class EngineModel:
    """A CP solver, the variables of a model in it, and what constraints are made of.

    Args:
        solver: The CP solver, which owns all that is made here.
        proto: The model that is translated, a copy, since reading may add to it; constraints that name intervals look
            them up in it.
        duals: Whether a permutation gets its redundant dual.
        check: What is asked, to be stopped in time, by constraints that grow with the square of their size.

    Raises:
        TranslationError: A variable's domain is empty or too large; the message names the variable.
    """

    def __init__(self, solver: pywrapcp.Solver, proto: Any, *, duals: bool, check: StopCheck) -> None:
        self.solver = solver
        self.check = check
        self.proto = proto
        self.duals = duals
        self.variables = [self._variable(variable, index) for index, variable in enumerate(proto.variables)]
        self._negations: dict[int, pywrapcp.IntVar] = {}
        self._shifted: dict[tuple[int, int], tuple[pywrapcp.IntVar, pywrapcp.IntVar]] = {}

    def integer(self, reference: int) -> pywrapcp.IntVar:
        """Return the variable, or its opposite for a negative reference."""
        return self.variables[reference] if reference >= 0 else (-self.variables[~reference]).Var()

    def literal(self, reference: int) -> pywrapcp.IntVar:
        """Return the literal as a variable of 0 and 1."""
        if reference >= 0:
            return self.variables[reference]
        if reference not in self._negations:
            self._negations[reference] = (1 - self.variables[~reference]).Var()
        return self._negations[reference]

    def literals(self, references: Iterable[int]) -> list[pywrapcp.IntVar]:
        """Return the literals as variables of 0 and 1."""
        return [self.literal(reference) for reference in references]

    def affine(self, expression: Any) -> pywrapcp.IntVar:
        """Return a linear expression as a variable.

        Raises:
            TranslationError: It could overflow.
        """
        if len(expression.vars) == 1 and expression.offset == 0 and expression.coeffs[0] == 1:
            return self.integer(expression.vars[0])  # lists of the proto take four times as long
        variables, coefficients, offset = list(expression.vars), list(expression.coeffs), expression.offset
        terms = [self.integer(variable) for variable in variables]
        check_magnitude(abs(offset) + weight(terms, coefficients))
        if not terms:
            return self.solver.IntConst(offset)
        multiples = [self.factor(x) * c if abs(c) > 1 else x * c for x, c in zip(terms, coefficients, strict=True)]
        return (self.solver.Sum(multiples) + offset).Var()

    def affines(self, expressions: Iterable[Any]) -> list[pywrapcp.IntVar]:
        """Return linear expressions as variables; see :meth:`affine`."""
        return [self.affine(expression) for expression in expressions]

    def shifted(self, variable: pywrapcp.IntVar, by: int) -> pywrapcp.IntVar:
        """Return ``variable - by``, for equal arguments the same variable."""
        if by == 0:
            return variable
        key = id(variable), by
        if key not in self._shifted:
            self._shifted[key] = (variable - by).Var(), variable  # kept, so that its id remains its own
        return self._shifted[key][0]

    def factor(self, variable: pywrapcp.IntVar) -> pywrapcp.IntVar:
        """Return a variable equal to this one that can be multiplied.

        The engine's multiple of a 0/1 variable takes a range strictly between 0 and the coefficient for satisfied.
        """
        if variable.Bound() or variable.Min() < 0 or variable.Max() > 1:
            return variable
        copy = self.solver.IntVar(0, 2)  # one of 0 and 1 would be of the engine's Boolean kind
        copy.SetMax(1)
        self.solver.Add(copy == variable)
        return copy

    def within(self, variable: pywrapcp.IntVar, low: int, high: int) -> pywrapcp.IntVar | None:
        """Return a variable that is equal to this one and cannot leave the range, or None if there is no such value.

        For constraints of the engine that read an array at the variable's bounds before they have propagated.
        """
        if low <= variable.Min() and variable.Max() <= high:
            return variable
        values = [value for value in range(low, high + 1) if variable.Contains(value)]
        if not values:
            return None
        inside = self.solver.IntVar(values)
        self.solver.Add(inside == variable)
        return inside

    def _variable(self, proto: Any, index: int) -> pywrapcp.IntVar:
        domain = [proto.domain[place] for place in range(len(proto.domain))]
        name = proto.name or f"v{index}"
        if not domain or domain[-1] < domain[0]:
            raise TranslationError(f"variable {name}: expected at least one value, its domain is empty")
        low, high = domain[0], domain[-1]
        if max(-low, high) >= MAX_MAGNITUDE:
            raise TranslationError(
                f"variable {name}: expected a domain within 2^62, got {low}..{high}, "
                "which could overflow in the CP engine; leave this model to CP-SAT"
            )
        variable = self.solver.IntVar(low, high, name)
        starts, ends = [end + 1 for end in domain[1:-1:2]], [start - 1 for start in domain[2:-1:2]]
        if high - low > MAX_HOLES_RANGE and starts:
            self.solver.Add(self.solver.NotMemberCt(variable, starts, ends))
        else:
            for start, end in zip(starts, ends, strict=True):
                variable.RemoveInterval(start, end)
        return variable


def magnitude(variable: pywrapcp.IntVar) -> int:
    """Return the largest absolute value that a variable can take."""
    return max(abs(variable.Min()), abs(variable.Max()))


def weight(terms: Sequence[pywrapcp.IntVar], coefficients: Sequence[int]) -> int:
    """Return a bound on the absolute value of every partial sum of a scalar product."""
    return sum(abs(c) * magnitude(x) for x, c in zip(terms, coefficients, strict=True))


def check_magnitude(largest: int) -> None:
    """Refuse numbers that the engine cannot be trusted with.

    Args:
        largest: A bound on the absolute value of what the engine will compute.

    Raises:
        TranslationError: It could overflow.
    """
    if largest > MAX_MAGNITUDE:
        raise TranslationError(
            f"expected values within 2^62, got expressions of up to {largest}, which could overflow in the CP engine; "
            "leave this model to CP-SAT"
        )
