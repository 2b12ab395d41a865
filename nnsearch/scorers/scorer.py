"""The seam between learning and solving."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from nnsearch.clock import CLOCK
from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.errors import ScoreError
from nnsearch.model.graph import CandidateGraph
from nnsearch.result import InferenceCount

FloatArray = npt.NDArray[np.float32]
T = TypeVar("T")


class GraphScorer(Protocol):
    """Anything that orders the candidates of any model, seen as a graph of candidates and groups."""

    @property
    def name(self) -> str:
        """A short name for results and messages."""
        ...

    def prepare(self, graph: CandidateGraph) -> CandidateGraph:
        """Return what this scorer reads of a model's graph, with the same candidates. Called once for each model.

        Raises:
            NNSearchError: the scorer is not for this model.
        """
        ...

    def score_graph(self, state: GraphState) -> FloatArray:
        """Score every candidate of one state, or of the disjoint union of several.

        Args:
            state: of a prepared graph.

        Returns:
            float32[N], finite; higher = try earlier.
        """
        ...


class Scorer(Protocol):
    """Anything that orders the candidates of a dense problem: V variables, each with the same D values.

    Candidate ``(variable, value index)`` has the index ``variable * D + value index``.
    """

    @property
    def name(self) -> str:
        """A short name for results and messages."""
        ...

    @property
    def num_variables(self) -> int:
        """V."""
        ...

    @property
    def num_values(self) -> int:
        """D."""
        ...

    def score(self, assignment: FloatArray) -> FloatArray:
        """Score every candidate of every state.

        Called at search nodes, so it should be fast; it may be called with any batch size.

        Args:
            assignment: float32[B, V * D], 1 iff the variable is assigned that value in the state. It is reused by the
                caller: copy it to keep it.

        Returns:
            float32[B, V * D], finite; higher = try earlier. What assigned variables get is ignored.
        """
        ...


AnyScorer = Scorer | GraphScorer


def ask_graph(scorer: GraphScorer, state: GraphState, count: InferenceCount, states: int = 1) -> FloatArray:
    """Score a state as :func:`ask` does; an empty one costs nothing.

    Args:
        scorer: who is asked.
        state: of a prepared graph.
        count: is added to.
        states: how many states ``state`` is the union of.

    Returns:
        float32[N].

    Raises:
        ScoreError: the scores have another shape, or one is not finite.
    """
    if not state.num_candidates:
        return np.zeros(0, dtype=np.float32)
    return _counted(scorer, scorer.score_graph, state, (state.num_candidates,), states, count)


def ask(scorer: Scorer, assignment: FloatArray, count: InferenceCount) -> FloatArray:
    """Score states, count the cost, and trust nothing that comes back.

    Args:
        scorer: who is asked.
        assignment: float32[B, V * D].
        count: is added to.

    Returns:
        float32[B, V * D].

    Raises:
        ScoreError: the scores have another shape, or one is not finite.
    """
    return _counted(scorer, scorer.score, assignment, assignment.shape, len(assignment), count)


def _counted(
    scorer: AnyScorer,
    score: Callable[[T], FloatArray],
    state: T,
    shape: tuple[int, ...],
    states: int,
    count: InferenceCount,
) -> FloatArray:
    clock = CLOCK.get()
    known = getattr(scorer, "recalled", 0)  # of a scorer that remembers, see nnsearch.scorers.cache
    started = clock()
    scores = score(state)
    count.seconds += clock() - started
    recalled = getattr(scorer, "recalled", 0) - known
    count.recalled += recalled
    count.states += states - recalled
    count.calls += recalled < states
    if scores.shape != shape:
        raise ScoreError(f"{scorer.name}: expected scores of shape {shape}, got {scores.shape}")
    if not np.isfinite(scores).all():
        raise ScoreError(f"{scorer.name}: expected finite scores, got NaN or infinity; the network is damaged")
    return scores
