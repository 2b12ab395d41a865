"""Sudokus completed by singles, at once by the best value of every cell, or cell by cell with singles in between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.studies.label_free.value_probabilities import ValueProbabilities
from nnsearch.encoding.candidate_graph import GraphState, encode
from nnsearch.model.graph import CandidateGraph
from nnsearch.scorers.network import Network
from nnsearch.scorers.scorer import FloatArray

BoolArray = npt.NDArray[np.bool_]

_BATCH = 50  # puzzles asked about together


def by_singles(graph: CandidateGraph, alive: Sequence[BoolArray]) -> BoolArray:
    """Return bool[P], the puzzles that naked and hidden singles complete.

    Args:
        graph: that of the empty sudoku, whose groups are all exactly one.
        alive: bool[N] of each puzzle, at the fixpoint of the singles; as in the functions below.
    """
    return np.array([_complete(graph, one) for one in alive], dtype=bool)


def at_once(graph: CandidateGraph, alive: Sequence[BoolArray], network: Network) -> BoolArray:
    """Return bool[P], the puzzles that the best-scored value of every cell completes."""
    solved = by_singles(graph, alive)
    waiting = np.flatnonzero(~solved).tolist()
    for puzzle, (state, sureness) in zip(waiting, _asked(graph, [alive[i] for i in waiting], network), strict=True):
        filled = alive[puzzle].copy()
        filled[state.candidate] = False
        # The last one of equals: each variable keeps one value.
        order = np.argsort(sureness, kind="stable")
        variable = graph.variable[state.candidate]
        best = np.zeros(graph.num_variables, dtype=np.int64)
        best[variable[order]] = state.candidate[order]
        filled[best[np.unique(variable)]] = True
        solved[puzzle] = _complete(graph, filled)
    return solved


def iterated(graph: CandidateGraph, alive: Sequence[BoolArray], network: Network) -> BoolArray:
    """Return bool[P], the puzzles completed by fixing the surest cell, propagating singles, and asking again.

    A choice is never undone: a puzzle in which a cell or a value has no place left is lost.
    """
    solved = by_singles(graph, alive)
    states = {puzzle: alive[puzzle] for puzzle in np.flatnonzero(~solved).tolist()}
    while states:
        following = {}
        for (puzzle, one), (state, sureness) in zip(
            states.items(), _asked(graph, list(states.values()), network), strict=True
        ):
            chosen = state.candidate[int(sureness.argmax())]
            own = graph.variable == graph.variable[chosen]
            fixed = one & ~own
            fixed[chosen] = True
            fixed = graph.propagate(fixed)
            if _complete(graph, fixed):
                solved[puzzle] = True
            elif _sizes(graph, fixed).all():
                following[puzzle] = fixed
        states = following
    return solved


def _sizes(graph: CandidateGraph, alive: BoolArray) -> npt.NDArray[np.int64]:
    """Return int64[G], how many candidates each group has left."""
    return np.bincount(graph.edge_group[alive[graph.edge_candidate]], minlength=graph.num_groups)


def _complete(graph: CandidateGraph, alive: BoolArray) -> bool:
    """Return whether exactly one candidate of every group is left, which is what the rules ask."""
    return bool((_sizes(graph, alive) == 1).all())


def _asked(graph: CandidateGraph, alive: list[BoolArray], network: Network) -> list[tuple[GraphState, FloatArray]]:
    """Return the encoded state of each puzzle, and the logarithm of the softmax of the scores within each cell."""
    probabilities = ValueProbabilities(network)
    answers: list[tuple[GraphState, FloatArray]] = []
    for first in range(0, len(alive), _BATCH):
        states = [encode(graph, one) for one in alive[first : first + _BATCH]]
        answers += zip(states, probabilities.score(states), strict=True)
    return answers
