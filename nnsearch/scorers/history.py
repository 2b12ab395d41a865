"""Past solutions as a scorer: the values that most of the latest ones agree on come first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nnsearch.errors import ConfigError, NothingToReadError
from nnsearch.history.matching import Plan, match
from nnsearch.history.solution_table import read_solution_table
from nnsearch.model.graph import BoolArray, CandidateGraph
from nnsearch.scorers.scorer import Advice, FloatArray

_PRIOR = 0.5  # of a plan, for and against each value


class HistoryScorer:
    """Scores values by the best solutions of past solves, wherever a network scores them.

    The score of a candidate is the log-odds of its value among the plans that know its variable, each with half a plan
    added for and against it, so that more plans are surer. The target of a variable is the latest plan's value.

    Args:
        location: the store, a path of a SQLite file or a URL of a database.
        family: whose solves count; None is all.
        count: how many solves, the latest ones that share a variable with the model.

    Raises:
        HistoryError: the store cannot be read, or there is none.
        ConfigError: ``count`` is not 1 or more.

    Examples:
        Order values by the last hundred plans of a family:

        ```python
        scorer = HistoryScorer("plans.db", family="ward 3", count=100)
        solver = nnsearch.cpsat.CpSolver(scorer)
        ```
    """

    name = "history"

    def __init__(self, location: str | Path, family: str | None = None, count: int = 5) -> None:
        from nnsearch.history.store import Store  # it takes a fifth of a second to import a database's library

        if count < 1:
            raise ConfigError(f"count: expected 1 or more, got {count}")
        self._family, self._count = family, count
        self._store = Store(location, make=False)

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> PreparedHistory:
        """Read the latest plans that share a variable with the model.

        Raises:
            NothingToReadError: there is none.
            HistoryError: the store cannot be read.
        """
        names = _own_names(graph)
        plans: list[Plan] = []
        for past in self._store.sketches(self._family):
            solve = self._store.load(past.number)
            plan = Plan.of(solve.solutions[0].values, match(solve.names, names))
            if plan.known.any():
                plans.append(plan)
            if len(plans) == self._count:
                break
        if not plans:
            raise NothingToReadError(
                "expected a past solve that shares names of variables with this model, got none in the history; solve "
                "one with nnsearch.cpsat.CpSolver(history=...), or add one with nnsearch history add"
            )
        return PreparedHistory.of(plans, graph)


class CountingScorer:
    """Scores values by how often they occurred in past solutions, which are at hand or in a file.

    Scores and targets are those of a :class:`HistoryScorer` whose plans are these solutions, the last one the latest.

    Args:
        names: of V variables.
        solutions: int[S, V], their values; S is 1 or more.

    Raises:
        ConfigError: the solutions are not of that shape.

    Examples:
        >>> from nnsearch.scorers.history import CountingScorer
        >>> CountingScorer(["monday", "tuesday"], [[1, 2], [1, 3]]).name
        'counting'
    """

    name = "counting"

    def __init__(self, names: Sequence[str], solutions: npt.ArrayLike) -> None:
        self._names, self._solutions = tuple(names), np.asarray(solutions, dtype=np.int64)
        shape = self._solutions.shape
        if len(shape) != 2 or not shape[0] or shape[1] != len(self._names):
            raise ConfigError(f"solutions: expected 1 or more of {len(self._names)} values, got an array of {shape}")

    @classmethod
    def read(cls, path: str | Path) -> CountingScorer:
        """Count the values of a ``.csv``: the first line names variables, each other line is a past solution.

        Raises:
            PoolError: the file is malformed; the message names the line.
        """
        rows = [values for _, values in read_solution_table(Path(path))]
        return cls(list(rows[0]), [list(values.values()) for values in rows])

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> PreparedHistory:
        """Match the variables by name.

        Raises:
            NothingToReadError: no name is one of the model's.
        """
        matched = match(self._names, _own_names(graph))
        if not (matched >= 0).any():
            raise NothingToReadError(
                f"{self.name}: expected past solutions that share names of variables with this model "
                f"({', '.join(graph.names[:3])}, ...), got {', '.join(self._names[:3])}, ..."
            )
        return PreparedHistory.of([Plan.of(values, matched) for values in self._solutions[::-1]], graph)


def _own_names(graph: CandidateGraph) -> list[str]:
    """Return the names that the model gave; the graph calls a variable without one by its place."""
    return ["" if name == f"v{place}" else name for place, name in enumerate(graph.names)]


@dataclass(frozen=True, eq=False)
class PreparedHistory:
    """What the plans say of a model: the same in all states.

    Attributes:
        scores: float32[N]; ``-inf`` for variables that no plan knows.
        target: float64[V]; NaN for variables that the latest plan does not know.
    """

    scores: FloatArray
    target: npt.NDArray[np.float64]

    @classmethod
    def of(cls, plans: Sequence[Plan], graph: CandidateGraph) -> PreparedHistory:
        """Count the votes of plans, the latest first, for the values of the model's variables."""
        known = np.stack([plan.known for plan in plans])[:, graph.variable]
        votes = np.stack([plan.values for plan in plans])[:, graph.variable] == graph.values
        voters, yes = known.sum(axis=0), (votes & known).sum(axis=0)
        scores = np.where(voters > 0, np.log((yes + _PRIOR) / (voters - yes + _PRIOR)), -np.inf).astype(np.float32)
        latest = plans[0]
        return cls(scores, np.where(latest.known, latest.values, np.nan).astype(np.float64))

    def advise(self, alive: BoolArray) -> Advice:
        """Return what the plans say; see :meth:`nnsearch.scorers.scorer.PreparedScorer.advise`."""
        return Advice(np.tile(self.scores, (len(alive), 1)), np.tile(self.target, (len(alive), 1)))
