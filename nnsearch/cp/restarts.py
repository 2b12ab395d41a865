"""Runs that a search gives up and starts again from the root."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from ortools.constraint_solver import pywrapcp

from nnsearch.cp.bare_methods import bare_method
from nnsearch.cp.sampling import Sampling
from nnsearch.errors import ConfigError

Schedule = Literal["geometric", "luby"]
SCHEDULES: tuple[Schedule, ...] = ("geometric", "luby")
DEFAULT_GROWTH = 1.2


@dataclass(frozen=True)
class Restarts:
    """Give up a search that thrashes and start again from the root, with noise on the scores from the second run on.

    The search stays complete: runs grow without bound, and a run that exhausts its tree is a proof by itself.

    Args:
        failures: failures of the first run.
        growth: every run may fail this many times as often as the one before; above 1; for the geometric schedule only.
        temperature: the noise is Gumbel, times this; the scores of networks are log-odds.
        seed: seed of the noise.
        schedule: ``geometric``, or ``luby``: the runs are ``failures`` times 1, 1, 2, 1, 1, 2, 4, ..., at most a
            logarithmic factor from the best schedule there is when nothing is known of the search (Luby, Sinclair and
            Zuckerman 1993, Optimal speedup of Las Vegas algorithms).

    Raises:
        ConfigError: a number is out of range, the schedule is unknown, or ``growth`` was given for ``luby``.
    """

    failures: int = 40
    growth: float = DEFAULT_GROWTH
    temperature: float = 0.5
    seed: int = 0
    schedule: Schedule = "geometric"

    def __post_init__(self) -> None:
        if self.failures < 1:
            raise ConfigError(f"Restarts.failures: expected 1 or more, got {self.failures}")
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"Restarts.schedule: expected one of {', '.join(SCHEDULES)}, got {self.schedule!r}")
        if self.schedule == "luby" and self.growth != DEFAULT_GROWTH:
            raise ConfigError("Restarts.growth: has no meaning for the schedule luby; leave it out")
        if not self.growth > 1:
            raise ConfigError(f"Restarts.growth: expected above 1, or the search may never end, got {self.growth}")
        Sampling(self.seed, self.temperature)  # the same ranges

    def run_lengths(self) -> Iterator[float]:
        """Yield how often each run may fail, without end."""
        if self.schedule == "luby":
            for factor in luby():
                yield float(self.failures * factor)
        length = float(self.failures)
        while True:
            yield length
            length *= self.growth


def luby() -> Iterator[int]:
    """Yield 1, 1, 2, 1, 1, 2, 4, 1, 1, 2, 1, 1, 2, 4, 8, ... (as Knuth generates it, "reluctant doubling")."""
    u = v = 1
    while True:
        yield v
        if u & -u == v:
            u, v = u + 1, 1
        else:
            v *= 2


class RestartedRuns:
    """Ends a run after as many failures as :class:`Restarts` says.

    A run ends where the search goes forward again: a chain of refutations runs to its end. Asked at every node, before
    anything else is done there.

    Attributes:
        run: number of the current run; 0 is the first of a search.
        num_restarts: runs begun so far that were not the first of a search.
    """

    def __init__(self, restarts: Restarts) -> None:
        self.run = self.num_restarts = 0
        self._restarts = restarts
        self._lengths = restarts.run_lengths()
        self._restarted = False
        self._ends: float | None = None  # failures of the engine at which the run gives up; None before the first root

    def instead(self, solver: pywrapcp.Solver) -> pywrapcp.Decision | None:
        """Return a failure that leads back to the root when the run is over."""
        if solver.SearchDepth() > 0:
            if self._ends is None or solver.Failures() < self._ends:
                return None
            self._restarted = True
            solver.RestartCurrentSearch()
            return solver.FailDecision()
        if self._restarted:
            self.run += 1
            self.num_restarts += 1
        else:  # a new search
            self.run = 0
            self._lengths = self._restarts.run_lengths()
        self._restarted = False
        self._ends = solver.Failures() + next(self._lengths)
        return None


class RestartedPhase(pywrapcp.PyDecisionBuilder):
    """Decides as another phase does, below one that owns the runs, so that failures here end a run as well.

    That one begins the runs: it makes the first decisions. Keep a reference for as long as the solver.
    """

    def __init__(self, phase: pywrapcp.DecisionBuilder, runs: RestartedRuns) -> None:
        super().__init__()
        self._phase, self._runs = phase, runs
        self._next = bare_method(phase, "DecisionBuilder_NextWrapper")

    def Next(self, solver: pywrapcp.Solver) -> pywrapcp.Decision | None:  # noqa: N802 - the engine's name
        """Return the next decision. Called by the engine at every node."""
        # At the root the other phase has been asked before, and has begun the run.
        instead = self._runs.instead(solver) if solver.SearchDepth() > 0 else None
        return cast(pywrapcp.Decision | None, self._next(solver)) if instead is None else instead
