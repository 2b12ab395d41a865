"""The hinted solution of a model, followed until it turns out to lead to none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from ortools.constraint_solver import pywrapcp

from nnsearch.cp.bare_methods import bare_method


class HintedPhase(pywrapcp.PyDecisionBuilder):
    """Assigns variables, smallest value first; until the first failure of a search, hinted values come before that.

    Keep a reference for as long as the solver. ``strategy`` is the engine's constant for the order of the variables,
    ``hint`` has values by index of the variable in ``variables``.
    """

    def __init__(
        self, solver: pywrapcp.Solver, variables: Sequence[pywrapcp.IntVar], strategy: int, hint: Mapping[int, int]
    ) -> None:
        super().__init__()
        low = min((variable.Min() for variable in variables), default=0) - 1

        def key(variable: int, value: int) -> int:
            return low if hint.get(variable) == value else value

        self._evaluator = key
        self._hinted = solver.VarStrValEvalPhase(list(variables), strategy, key)
        self._plain = solver.Phase(list(variables), strategy, solver.ASSIGN_MIN_VALUE)
        self._next_hinted = bare_method(self._hinted, "DecisionBuilder_NextWrapper")
        self._next_plain = bare_method(self._plain, "DecisionBuilder_NextWrapper")
        # No decision, no failure: so this is right below other phases, too.
        self._failures = solver.Failures()

    def Next(self, solver: pywrapcp.Solver) -> pywrapcp.Decision | None:  # noqa: N802 - the engine's name
        """Return the next decision, None when all variables are bound. Called by the engine at every node."""
        if solver.SearchDepth() == 0:
            self._failures = solver.Failures()
        follows = solver.Failures() == self._failures
        return cast(pywrapcp.Decision | None, (self._next_hinted if follows else self._next_plain)(solver))
