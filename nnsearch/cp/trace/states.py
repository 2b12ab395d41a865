"""What a phase thinks at a search node: the open values of its variables, and how probable the network finds each."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt

from nnsearch.cp.trace.events import PER_MILLE, Entry
from nnsearch.cp.value_phase import ValuePhase

MOST_VALUES = 16
"""How many values of a variable are written; of large domains the best-scored ones."""

_GONE = -1


class NodeStates:
    """Tells the states of the nodes of one search, each as what changed since the last one.

    Gives up for good when its share of the file, the megabytes of text that the states may take, is used up.
    """

    def __init__(self, phase: ValuePhase, megabytes: float) -> None:
        self._phase, self._graph = phase, phase.graph
        self._shares = np.full(self._graph.num_candidates, _GONE, dtype=np.int16)  # at the last node, in thousandths
        self._left = megabytes * 1e6

    def changes(self) -> dict[str, Entry] | None:
        """Return the entries of the current node that differ from those last returned; None when nothing is left."""
        if self._left <= 0:
            return None
        alive, names = self._phase.alive_pairs(), self._graph.names
        owner = self._graph.variable[alive]
        probability = probabilities(self._phase.scores[alive], np.flatnonzero(np.diff(owner, prepend=-1)))
        before, self._shares = self._shares, np.full_like(self._shares, _GONE)
        self._shares[alive] = np.rint(PER_MILLE * probability)
        is_told = np.zeros(len(names), dtype=bool)
        is_told[self._graph.variable[self._shares != before]] = True
        told = np.flatnonzero(is_told[owner])
        # Of each variable the most probable first, of equal ones the smallest value.
        told = told[np.lexsort((-probability[told], owner[told]))]
        numbers = np.stack([self._graph.values[alive[told]], self._shares[alive[told]]], axis=1).ravel().tolist()
        variables, lengths = np.unique(owner[told], return_counts=True)
        changed: dict[str, Entry] = {}
        end = 0
        for variable, length in zip(variables.tolist(), lengths.tolist(), strict=True):
            start, end = end, end + 2 * length
            if length == 1:
                changed[names[variable]] = numbers[start]
            elif length <= MOST_VALUES:
                changed[names[variable]] = numbers[start:end]
            else:
                changed[names[variable]] = [*numbers[start : start + 2 * MOST_VALUES], length - MOST_VALUES]
        self._left -= len(json.dumps(changed, separators=(",", ":")))
        return None if self._left <= 0 else changed


def probabilities(scores: npt.NDArray[np.float32], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return float64[P], the softmax of the scores of each variable; zeros where none of its values was ever scored.

    Args:
        scores: float32[P], those of one variable after those of another; -inf is none.
        starts: int64[V], where the scores of a variable begin, ascending, the first at 0; each has at least one.
    """
    lengths = np.diff(starts, append=len(scores))
    best = np.maximum.reduceat(scores.astype(np.float64), starts)
    scored = best > -np.inf
    weights = np.exp(scores - np.repeat(np.where(scored, best, 0.0), lengths))  # exp(-inf) is 0
    total = np.add.reduceat(weights, starts)
    return weights / np.repeat(np.where(scored, total, 1.0), lengths)
