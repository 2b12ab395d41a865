"""Scores of a network read as probabilities of values, so that those of different variables can be compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.studies.label_free.training.clauses import variable_group
from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.scorers.network import Network
from nnsearch.scorers.scorer import FloatArray


class ValueProbabilities(Network):
    """Another scorer's scores after a log-softmax over the open values of each variable.

    The order of the values of a variable stays. What changes is which variable is the most confident one: that whose
    best value has the greatest probability, whatever a loss did to the level of its scores.
    """

    def __init__(self, scorer: Network) -> None:
        self.name, self.encoder, self._scorer = scorer.name, scorer.encoder, scorer

    def score(self, states: Sequence[GraphState]) -> list[FloatArray]:
        """Return logarithms of probabilities, float32[N] of each state."""
        return [_log_softmax(state, scores) for state, scores in zip(states, self._scorer.score(states), strict=True)]


def _log_softmax(state: GraphState, scores: FloatArray) -> FloatArray:
    variable = variable_group(state)
    highest = np.full(len(state.group_features), -np.inf, dtype=np.float32)
    np.maximum.at(highest, variable, scores)
    shifted = scores - highest[variable]
    total = np.bincount(variable, np.exp(shifted), minlength=len(highest))
    probabilities: FloatArray = (shifted - np.log(total[variable])).astype(np.float32)
    return probabilities
