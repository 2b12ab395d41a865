"""The seam between learning and solving."""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nnsearch.errors import ScoreError
from nnsearch.result import InferenceCount

FloatArray = npt.NDArray[np.float32]


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
    started = time.perf_counter()
    scores = scorer.score(assignment)
    count.seconds += time.perf_counter() - started
    count.calls += 1
    count.states += len(assignment)
    if scores.shape != assignment.shape:
        raise ScoreError(f"{scorer.name}: expected scores of shape {assignment.shape}, got {scores.shape}")
    if not np.isfinite(scores).all():
        raise ScoreError(f"{scorer.name}: expected finite scores, got NaN or infinity; the network is damaged")
    return scores
