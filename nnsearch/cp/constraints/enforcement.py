"""Enforcement literals: constraints that have to hold only when some literals do."""

from __future__ import annotations

from collections.abc import Sequence

from ortools.constraint_solver import pywrapcp


def conjunction(solver: pywrapcp.Solver, literals: Sequence[pywrapcp.IntVar]) -> pywrapcp.IntVar:
    """Return the 0/1 variable that says whether all of these hold."""
    if len(literals) > 1:
        return solver.Min(list(literals)).Var()
    return literals[0] if literals else solver.IntConst(1)


class Enforcement:
    """The condition under which a constraint has to hold: that all of its enforcement literals are true.

    Two schemes make a constraint conditional. Where the engine can say in a 0/1 variable whether something holds,
    :meth:`require` demands it. Where it cannot, the constraint is posted on shadows (:meth:`shadow`): equal to its
    expressions when it is enforced, and otherwise to a witness, fixed values that satisfy it.

    Args:
        solver: the CP solver.
        literals: the 0/1 variables; without any the constraint always has to hold.

    Attributes:
        always: whether the constraint always has to hold.
        holds: the 0/1 variable that says whether the constraint has to hold.
    """

    def __init__(self, solver: pywrapcp.Solver, literals: Sequence[pywrapcp.IntVar] = ()) -> None:
        self._solver = solver
        self._literals = [literal for literal in literals if literal.Min() == 0]
        self.always = not self._literals
        self.holds = conjunction(solver, self._literals)

    def under(self, *literals: pywrapcp.IntVar) -> Enforcement:
        """Return the condition that this one and the 0/1 variables hold."""
        return Enforcement(self._solver, [*self._literals, *literals])

    def require(self, *truths: pywrapcp.IntVar) -> None:
        """Demand that one of these 0/1 variables is true; without any, that the condition does not hold."""
        if not any(truth.Min() == 1 for truth in truths):
            self.demand(truths)

    def demand(self, truths: Sequence[pywrapcp.IntVar]) -> None:
        """Demand the same of variables of which none is true already."""
        if len(truths) == 1:
            self._solver.Add(truths[0] >= self.holds)
        elif truths:
            self._solver.Add(self._solver.Sum(list(truths)) >= self.holds)
        else:
            self._solver.Add(self.holds == 0)

    def equate(self, target: pywrapcp.IntVar, value: pywrapcp.IntVar) -> None:
        """Demand that two variables are equal."""
        if self.always:
            self._solver.Add(target == value)
        else:
            self.require(self._solver.IsEqualVar(target, value))

    def shadow(self, expression: pywrapcp.IntVar, witness: int) -> pywrapcp.IntVar:
        """Return a variable equal to the expression when the condition holds and to the witness when not."""
        if self.always:
            return expression
        return self._solver.ConditionalExpression(self.holds, expression, witness).Var()

    def shadows(self, expressions: Sequence[pywrapcp.IntVar], witness: Sequence[int]) -> list[pywrapcp.IntVar]:
        """Return a shadow of each expression."""
        return [self.shadow(expression, value) for expression, value in zip(expressions, witness, strict=True)]
