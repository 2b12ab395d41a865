"""The states of many searches in one inference."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TypeVar, cast

import numpy as np

from nnsearch.encoding.candidate_graph import GraphState, disjoint_union, padded
from nnsearch.errors import ScoreError
from nnsearch.scorers.onnx import is_graph_scorer
from nnsearch.scorers.scorer import AnyScorer, FloatArray, Scorer

T = TypeVar("T")
State = FloatArray | GraphState
"""What a scorer scores: float32[B, V * D] for a network of one size, else a graph."""


class BatchedScorer:
    """Scores states together; what one of them does to the network is no concern of the others.

    Args:
        scorer: a network of either kind.
    """

    def __init__(self, scorer: AnyScorer) -> None:
        self._scorer = scorer
        self._pads = pads_graphs(scorer)
        self.batches = 0
        self.states = 0
        self.seconds = 0.0
        """Wall time inside the scorer."""

    def score(self, states: Sequence[State]) -> list[FloatArray | Exception]:
        """Score states.

        An error of the whole batch is looked for state by state, so that only the states that cause it have it.

        Args:
            states: all of the scorer's kind.

        Returns:
            For each state what the scorer would have returned for it alone, or the exception that it raised. Scores
            may still be NaN.
        """
        self.batches += 1
        self.states += len(states)
        try:
            return [*self._together(states)]
        except Exception as error:
            if len(states) == 1:
                return [error]
            return [self._alone(state) for state in states]

    def _alone(self, state: State) -> FloatArray | Exception:
        try:
            return self._together([state])[0]
        except Exception as error:
            return error

    def _together(self, states: Sequence[State]) -> list[FloatArray]:
        if is_graph_scorer(self._scorer):
            whole = [padded(state) if self._pads else state for state in cast(Sequence[GraphState], states)]
            starts = [0, *accumulate(graph.num_candidates for graph in whole)]
            scores = self._timed(self._scorer.score_graph, whole[0] if len(whole) == 1 else disjoint_union(whole))
            _check_shape(self._scorer.name, scores, (starts[-1],))
            sizes = [cast(GraphState, state).num_candidates for state in states]
        else:
            sizes = [len(cast(FloatArray, state)) for state in states]
            starts = [0, *accumulate(sizes)]
            assignment = np.concatenate(cast(Sequence[FloatArray], states))
            scores = self._timed(cast(Scorer, self._scorer).score, assignment)
            _check_shape(self._scorer.name, scores, assignment.shape)
        return [scores[start : start + size] for start, size in zip(starts, sizes, strict=False)]

    def _timed(self, score: Callable[[T], FloatArray], state: T) -> FloatArray:
        started = time.perf_counter()
        try:
            return score(state)
        finally:
            self.seconds += time.perf_counter() - started


def pads_graphs(scorer: AnyScorer) -> bool:
    """Tell whether a scorer wants padded states, see :func:`nnsearch.encoding.candidate_graph.padded`.

    Networks in ONNX Runtime do; of a user's own scorer nothing is known that padding could help.
    """
    return bool(getattr(scorer, "pads_graphs", False))


def _check_shape(name: str, scores: FloatArray, shape: tuple[int, ...]) -> None:
    got = getattr(scores, "shape", type(scores).__name__)
    if got != shape:
        raise ScoreError(f"{name}: expected scores of shape {shape}, got {got}")
