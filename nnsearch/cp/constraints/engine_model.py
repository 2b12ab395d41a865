"""The engine's counterparts of a model's variables, literals and expressions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import mul
from typing import Any

from ortools.constraint_solver import pywrapcp

from nnsearch.cp.constraints.enforcement import Enforcement
from nnsearch.errors import TranslationError
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.stopping import StopCheck

MAX_MAGNITUDE = 2**62
"""The engine computes with int64 and does not always look for overflow; this leaves room for one more addition."""

MAX_HOLES_RANGE = 2**20
"""Beyond this range a domain's holes are not taken out: the engine would need a bit for every value in between."""


class EngineModel:
    """A CP solver, the variables of a model in it, and what constraints are made of.

    Attributes:
        solver: the CP solver, which owns all that is made here.
        prepared: the model that is translated; constraints that name intervals look them up in it.
        check: asked, to be stopped in time, by constraints that grow with the square of their size.
        variables: the engine's, one per variable of the model.
        always: the condition of constraints without enforcement literals.

    Raises:
        TranslationError: a variable's domain is empty or too large; the message names the variable.
    """

    def __init__(self, solver: pywrapcp.Solver, prepared: PreparedModel, check: StopCheck) -> None:
        self.solver = solver
        self.check = check
        self.prepared = prepared
        domains = list(prepared.domains)
        self.variables = [self._variable(name, domain) for name, domain in zip(prepared.names, domains, strict=True)]
        self.always = Enforcement(solver)
        self._literals = _Literals(self.variables)
        # Of a model of Booleans: the literals that hold in every solution.
        self._true = {v for v, domain in enumerate(domains) if domain[0] == 1 == domain[-1]}
        self._true |= {~v for v, domain in enumerate(domains) if domain[-1] == 0}
        self._magnitudes = [max(abs(domain[0]), abs(domain[-1])) for domain in domains]
        self._shifted: dict[tuple[int, int], tuple[pywrapcp.IntVar, pywrapcp.IntVar]] = {}

    def integer(self, reference: int) -> pywrapcp.IntVar:
        """Return the variable, or its opposite for a negative reference."""
        return self.variables[reference] if reference >= 0 else (-self.variables[~reference]).Var()

    def literals(self, references: Iterable[int]) -> list[pywrapcp.IntVar]:
        """Return literals as variables of 0 and 1."""
        known = self._literals
        return [known[reference] for reference in references]

    def is_satisfied(self, references: Iterable[int]) -> bool:
        """Tell whether one of these literals holds in every solution."""
        return not self._true.isdisjoint(references)

    def check_sum(self, references: Iterable[int], coefficients: Iterable[int], offset: int = 0) -> None:
        """Refuse a scalar product of variables, or of the opposite of some, whose partial sums could overflow."""
        variables = [reference if reference >= 0 else ~reference for reference in references]
        sizes = map(self._magnitudes.__getitem__, variables)
        check_magnitude(abs(offset) + sum(map(mul, map(abs, coefficients), sizes)))

    def affine(self, expression: Any) -> pywrapcp.IntVar:
        """Return a linear expression as a variable; one that could overflow is refused."""
        if len(expression.vars) == 1 and expression.offset == 0 and expression.coeffs[0] == 1:
            return self.integer(expression.vars[0])  # lists of the proto take four times as long
        variables, coefficients, offset = list(expression.vars), list(expression.coeffs), expression.offset
        terms = [self.integer(variable) for variable in variables]
        self.check_sum(variables, coefficients, offset)
        if not terms:
            return self.solver.IntConst(offset)
        multiples = [self.factor(x) * c if abs(c) > 1 else x * c for x, c in zip(terms, coefficients, strict=True)]
        return (self.solver.Sum(multiples) + offset).Var()

    def affines(self, expressions: Iterable[Any]) -> list[pywrapcp.IntVar]:
        """Return linear expressions as variables; see :meth:`affine`."""
        return [self.affine(expression) for expression in expressions]

    def sequence(self, argument: Any) -> list[pywrapcp.IntVar]:
        """Return ``exprs``, or what older models have in their place, ``vars``."""
        return self.affines(argument.exprs) if len(argument.exprs) else [self.integer(v) for v in argument.vars]

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

    def _variable(self, name: str, domain: list[int]) -> pywrapcp.IntVar:
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


class _Literals(dict[int, pywrapcp.IntVar]):
    """Literals as variables of 0 and 1; negations are made when they are first asked for."""

    def __init__(self, variables: Sequence[pywrapcp.IntVar]) -> None:
        super().__init__(enumerate(variables))
        self._variables = variables

    def __missing__(self, reference: int) -> pywrapcp.IntVar:
        if reference >= 0:
            raise IndexError(reference)
        negation = self[reference] = (1 - self._variables[~reference]).Var()
        return negation


def magnitude(variable: pywrapcp.IntVar) -> int:
    """Return the largest absolute value that a variable can take."""
    return max(abs(variable.Min()), abs(variable.Max()))


def check_magnitude(largest: int) -> None:
    """Raise a ``TranslationError`` where what the engine computes could be this large, and so overflow."""
    if largest > MAX_MAGNITUDE:
        raise TranslationError(
            f"expected values within 2^62, got expressions of up to {largest}, which could overflow in the CP engine; "
            "leave this model to CP-SAT"
        )
