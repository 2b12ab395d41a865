"""Limited discrepancy search: first the leaves where the order of the values was wrong least often."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ortools.constraint_solver import pywrapcp

from nnsearch.errors import ConfigError


@dataclass(frozen=True)
class Discrepancies:
    """Search in runs of at most 0, 1, 2, ... discrepancies (Harvey and Ginsberg 1995, Limited discrepancy search).

    A discrepancy is a decision against the best-ranked value: a right branch of the binary tree, where the value is
    removed from the domain. A good order is wrong seldom, and depth-first search repairs its last decisions first,
    whose state the network saw best; this search repairs one decision at a time wherever it is.

    The search is complete: a run that left nothing out is a proof, and the number grows until one does. Each run
    searches the leaves of those before again. They cannot be skipped (as in Korf 1996), because with a policy that
    does not ask at every node the order of the values depends on the path, so the tree is not the same in every run.
    What is left out costs one failure, and the root of every run one branch. Works with every variable order.

    Args:
        step: how many more discrepancies the next run allows.
        most: after the run with this many or more, the next one is plain depth-first search, so that a proof need not
            go through every number; None is never.

    Raises:
        ConfigError: a number is out of range.
    """

    step: int = 1
    most: int | None = None

    def __post_init__(self) -> None:
        if self.step < 1:
            raise ConfigError(f"Discrepancies.step: expected 1 or more, got {self.step}")
        if self.most is not None and self.most < 0:
            raise ConfigError(f"Discrepancies.most: expected 0 or more, got {self.most}")


class _Bracket(pywrapcp.PyDecision):
    """The decision at the root, which changes nothing: it is refuted when the run is exhausted."""

    refuted = False

    def Apply(self, solver: pywrapcp.Solver) -> None:  # noqa: N802 - the engine's name
        """Left branch: the run."""
        self.refuted = False

    def Refute(self, solver: pywrapcp.Solver) -> None:  # noqa: N802 - the engine's name
        """Right branch: after the run."""
        self.refuted = True


class DiscrepancyRuns:
    """Leaves out what is beyond the discrepancies of the run, see :class:`nnsearch.cp.restarts.RestartedRuns`."""

    def __init__(self, discrepancies: Discrepancies) -> None:
        self.run = self.num_restarts = 0
        self._step = discrepancies.step
        self._most = math.inf if discrepancies.most is None else discrepancies.most
        self._allowed = math.inf  # in this run; without limit below a root that this phase never saw
        self._cut = False  # something was left out in this run
        self._restarted = False
        self._bracket = _Bracket()

    def instead(self, solver: pywrapcp.Solver) -> pywrapcp.Decision | None:
        """Return a failure where the run allows no more, and at the root what begins and ends a run."""
        depth = solver.SearchDepth()
        if depth == 0:
            return self._begin()
        if self._bracket.refuted:
            return self._end(solver)
        if depth - solver.SearchLeftDepth() > self._allowed:
            self._cut = True
            return solver.FailDecision()
        return None

    def _begin(self) -> pywrapcp.Decision:
        if self._restarted:
            self.run += 1
            self.num_restarts += 1
            self._allowed = self._allowed + self._step if self._allowed < self._most else math.inf
        else:  # a new search
            self.run, self._allowed = 0, 0
        self._restarted = self._cut = False
        return self._bracket

    def _end(self, solver: pywrapcp.Solver) -> pywrapcp.Decision:
        if self._cut:
            self._restarted = True
            solver.RestartCurrentSearch()
        return solver.FailDecision()
