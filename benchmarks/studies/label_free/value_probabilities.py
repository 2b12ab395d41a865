"""Scores of a network read as probabilities of values, so that those of different variables can be compared."""

from __future__ import annotations

import numpy as np

from benchmarks.studies.label_free.training.clauses import variable_group
from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.model.graph import CandidateGraph
from nnsearch.scorers.scorer import FloatArray, GraphScorer


class ValueProbabilities:
    """Another scorer's scores after a log-softmax over the open values of each variable.

    The order of the values of a variable stays. What changes is which variable is the most confident one: that whose
    best value has the greatest probability, whatever a loss did to the level of its scores.

    Args:
        scorer: what is read.
    """

    def __init__(self, scorer: GraphScorer) -> None:
        self._scorer = scorer

    @property
    def name(self) -> str:
        """Name of the scorer that is read."""
        return self._scorer.name

    def prepare(self, graph: CandidateGraph) -> CandidateGraph:
        """Return what the scorer reads of a model's graph."""
        return self._scorer.prepare(graph)

    def score_graph(self, state: GraphState) -> FloatArray:
        """Return float32[N], logarithms of probabilities.

        Args:
            state: of a prepared graph, or a union; each candidate is in the group of its variable.
        """
        scores = self._scorer.score_graph(state)
        variable = variable_group(state)
        highest = np.full(len(state.group_features), -np.inf, dtype=np.float32)
        np.maximum.at(highest, variable, scores)
        shifted = scores - highest[variable]
        total = np.bincount(variable, np.exp(shifted), minlength=len(highest))
        probabilities: FloatArray = (shifted - np.log(total[variable])).astype(np.float32)
        return probabilities
