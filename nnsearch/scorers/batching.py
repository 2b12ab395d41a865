"""The states of many searches in one inference."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from nnsearch.encoding.encoder import FloatArray
from nnsearch.errors import ScoreError
from nnsearch.scorers.network import Network, shape_of


class BatchedScorer:
    """Scores states together; what one of them does to the network is no concern of the others."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.batches = self.states = 0
        self.seconds = 0.0  # wall time inside the network

    def score(self, states: Sequence[Any]) -> list[FloatArray | Exception]:
        """Return for each state, of any models, what the network would return for it alone, or would raise.

        An error of the whole batch is looked for state by state, so that only the states that cause it have it. Scores
        may still be NaN.
        """
        self.batches += 1
        self.states += len(states)
        started = time.perf_counter()
        try:
            return self.score_together(states)
        finally:
            self.seconds += time.perf_counter() - started

    def score_together(self, states: Sequence[Any]) -> list[FloatArray | Exception]:
        """Do what :meth:`score` does, and count nothing."""
        try:
            scores = self.network.score(states)
            got, expected = [shape_of(one) for one in scores], [(state.num_scores,) for state in states]
            if got != expected:
                raise ScoreError(f"{self.network.name}: expected scores of shapes {expected[:3]}, got {got[:3]}")
            return [*scores]
        except Exception as error:
            if len(states) == 1:
                return [error]
            return [answer for state in states for answer in self.score_together([state])]
