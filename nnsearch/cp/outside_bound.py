"""An objective bound that comes from outside and may tighten while the search runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from ortools.constraint_solver import pywrapcp

from nnsearch.cp.bare_methods import bare_method

UpperBound = Callable[[], int | None]
"""The objective (to be minimised, in integers) of the best solution known elsewhere; None while there is none."""


class BoundedPhase(pywrapcp.PyDecisionBuilder):
    """Decides as another phase does, below the bound: only solutions that are better are looked for.

    The engine undoes the bound when it goes back above the node where it was set, and it is set again at the next node.
    Keep a reference for as long as the solver.
    """

    def __init__(self, phase: pywrapcp.DecisionBuilder, objective: pywrapcp.IntVar, upper_bound: UpperBound) -> None:
        super().__init__()
        self.lowest: int | None = None
        """The lowest bound that was set; solutions as good or worse may have been left out."""
        self.error: BaseException | None = None
        """What ``upper_bound`` raised; from then on all fails."""
        self._phase, self._objective, self._upper_bound = phase, objective, upper_bound
        self._next = bare_method(phase, "DecisionBuilder_NextWrapper")
        self._max = bare_method(objective, "IntExpr_Max")

    def Next(self, solver: pywrapcp.Solver) -> pywrapcp.Decision | None:  # noqa: N802 - the engine's name
        """Return the next decision. Called by the engine at every node."""
        if self.error is not None:
            return solver.FailDecision()
        try:
            bound = self._upper_bound()
        except BaseException as error:  # it must not cross the engine
            self.error = error
            return solver.FailDecision()
        if bound is not None and bound <= self._max():
            self.lowest = bound if self.lowest is None else min(self.lowest, bound)
            if not self._tighten(bound - 1):
                return solver.FailDecision()
        return cast(pywrapcp.Decision | None, self._next(solver))

    def _tighten(self, most: int) -> bool:
        """Return False if nothing is left; the engine would tell so by an exception of its own that Python sees."""
        if self._objective.Min() > most:
            return False
        try:
            self._objective.SetMax(most)
        except Exception as failure:
            if "CP Solver fail" not in str(failure):
                self.error = failure
            return False
        return True
