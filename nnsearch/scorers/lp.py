"""The linear relaxation as a scorer: values that it takes come first, and what would cost most to undo is surest."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nnsearch.errors import ConfigError, NothingToReadError
from nnsearch.inference.pretrained import LP
from nnsearch.limits import STOP
from nnsearch.linear_program import LinearAnswer
from nnsearch.model.graph import BoolArray, CandidateGraph
from nnsearch.model.relaxation import Relaxation
from nnsearch.scorers.scorer import Advice, FloatArray

_log = logging.getLogger("nnsearch")

_INTEGRAL = 1e-6  # within this of an integer is one
_DOUBT = 0.02  # added to the share of every value, so that none is certain
_MOVED = 0.02  # share of the variables; where fewer have left the values of a solution, it still serves
_REMEMBERED = 8  # solutions


class LpScorer:
    """Scores values by the linear relaxation of a model with an objective; nothing is trained.

    The score of a candidate is the log-odds of its share: a variable with the value 2.3 in the relaxation is 2 by .7
    and 3 by .3. Scores of a variable at a bound grow with its reduced cost, up to twofold. Where a search has moved
    variables away from what the relaxation says, it is solved again, from the state's bounds.

    Args:
        seconds: limit of every solve of a relaxation.

    Raises:
        ConfigError: it is not above 0.
    """

    name = LP
    purpose = "objective"

    def __init__(self, seconds: float = 5.0) -> None:
        if not seconds > 0:
            raise ConfigError(f"seconds: expected above 0, got {seconds}")
        self.seconds = seconds

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> PreparedLp:
        """Read a model and solve its relaxation.

        Raises:
            NothingToReadError: the model has no objective, or nothing linear on it, or its relaxation has no solution
                that could be found in time.
        """
        if graph.model is None:
            raise NothingToReadError(
                "lp: expected a graph that was read from a model in this process, got one without rows and objective; "
                "leave out processes in solve_many"
            )
        relaxation = Relaxation.of(graph.model)
        root = relaxation.solve(self.seconds, stop=STOP.get())
        if np.isnan(root.objective):
            advice = f"; LpScorer(seconds={self.seconds:g}) can be raised" if root.seconds >= self.seconds else ""
            _log.warning(
                "lp: the relaxation was not solved in %.2f s, so no value is preferred%s", root.seconds, advice
            )
        return PreparedLp(graph, relaxation, root, self.seconds)


class PreparedLp:
    """A model and the latest solutions of its relaxation.

    Attributes:
        root: what the relaxation says of the whole model.
        unsolved: how many of the later relaxations were not solved in time.
    """

    def __init__(self, graph: CandidateGraph, relaxation: Relaxation, root: LinearAnswer, seconds: float) -> None:
        self.root = root
        self.unsolved = 0
        self._graph, self._relaxation, self._seconds = graph, relaxation, seconds
        program = relaxation.program
        self._known = np.zeros(graph.num_variables, dtype=bool)
        self._known[program.named()] = True
        self._scored = self._known & (np.diff(graph.offset) > 0)
        self._solved = [(program.lower, program.upper, root)]  # the root first, then the latest last
        self._lock = threading.Lock()
        costs = np.abs(root.reduced_costs[self._known])
        costs = costs[costs > _INTEGRAL]
        self._usual_cost = float(np.median(costs)) if len(costs) else 1.0

    def advise(self, alive: BoolArray) -> Advice:
        """Say what the relaxation says; see :meth:`nnsearch.scorers.scorer.PreparedScorer.advise`.

        The target of a variable is its value in the relaxation, NaN for those that are not in it. The confidence is
        above 1 for variables at a bound, and there grows with the reduced cost; for others it is 1 for an integer, 0
        for a half. It is 0 where nothing is known. The bound is the relaxation's objective, rounded up to a whole
        one where the model's coefficients are integers; NaN where it is not known to be the best.
        """
        count = len(alive), self._graph.num_variables
        scores = np.full(alive.shape, -np.inf, dtype=np.float32)
        target, confidence = np.full(count, np.nan), np.zeros(count, dtype=np.float32)
        bound = np.full(len(alive), np.nan)
        for state, candidates in enumerate(alive):
            lower, upper = self._bounds(candidates)
            solution = self._solution(lower, upper)
            if np.isnan(solution.objective) or not np.isfinite(solution.values[self._known]).all():
                continue
            values = np.clip(solution.values, lower, upper)
            fraction = np.abs(values - np.round(values))
            fixed_by = np.abs(np.nan_to_num(solution.reduced_costs))
            weight = np.where(
                (fraction <= _INTEGRAL) & (values == solution.values), fixed_by / (fixed_by + self._usual_cost), 0.0
            )
            if solution.optimal:
                bound[state] = self._bound_of(solution.objective)
            target[state] = np.where(self._known, values, np.nan)
            confidence[state] = np.where(self._known, np.where(weight > 0, 1 + weight, 1 - 2 * fraction), 0)
            scores[state] = self._scores(candidates, values, weight)
        return Advice(scores, target, confidence, bound)

    def _bound_of(self, relaxed: float) -> float:
        """Return what an objective of the relaxation says of the model's, in the model's units."""
        assert self._graph.model is not None
        objective = self._graph.model.objective
        assert objective is not None
        return objective.in_model_units(relaxed if objective.floating else math.ceil(relaxed - _INTEGRAL))

    def _bounds(self, alive: BoolArray) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the least and the largest value that is left of each variable, float64[V]."""
        program, graph = self._relaxation.program, self._graph
        left = np.flatnonzero(alive)
        variable, value = graph.variable[left], graph.values[left]
        first = np.flatnonzero(np.diff(variable, prepend=-1))
        last = np.flatnonzero(np.diff(variable, append=-1))
        lower, upper = program.lower.copy(), program.upper.copy()
        lower[variable[first]] = np.maximum(lower[variable[first]], value[first])
        upper[variable[last]] = np.minimum(upper[variable[last]], value[last])
        return lower, upper

    def _solution(self, lower: npt.NDArray[np.float64], upper: npt.NDArray[np.float64]) -> LinearAnswer:
        """Return a solution for a state: one that was known, if hardly a variable left its values, else a new one.

        A solution of looser bounds that is within these is the best here, too.
        """
        with self._lock:
            solved = list(self._solved)
        for low, high, solution in reversed(solved):
            if (low <= lower).all() and (upper <= high).all():
                inside = (lower <= solution.values) & (solution.values <= upper)
                if (~inside & self._known).sum() <= _MOVED * self._known.sum():
                    return solution
        fresh = self._relaxation.solve(self._seconds, lower=lower, upper=upper, stop=STOP.get())
        if not fresh.optimal:
            if np.isnan(fresh.objective):
                self.unsolved += 1
                _log.info("lp: a state's relaxation was not solved in %.2f s; the root's serves", fresh.seconds)
            return self.root
        with self._lock:
            self._solved[1:] = [*self._solved[1:], (lower, upper, fresh)][-_REMEMBERED:]
        return fresh

    def _scores(self, alive: BoolArray, values: npt.NDArray[np.float64], weight: npt.NDArray[np.float64]) -> FloatArray:
        """Return float32[N]: the log-odds of each candidate's share of its variable's value."""
        graph = self._graph
        left = np.flatnonzero(alive & self._scored[graph.variable])
        variable, value = graph.variable[left], graph.values[left].astype(np.float64)
        at = values[variable]
        # The neighbours of a value share it, whatever lies between them.
        same = variable[1:] == variable[:-1]
        above = np.where(np.append(same, False), np.append(value[1:], 0) - value, 1.0)
        below = np.where(np.append(False, same), value - np.append(0, value[:-1]), 1.0)
        distance = at - value
        share = np.clip(1 - np.where(distance >= 0, distance / above, -distance / below), 0, 1)
        odds = np.log((share + _DOUBT) / (1 - share + _DOUBT))
        # The further away, the later.
        far = np.abs(distance) / (1 + np.abs(distance))
        scores = np.full(len(alive), -np.inf, dtype=np.float32)
        scores[left] = odds * (1 + weight[variable]) - far * (share == 0)
        return scores
