"""Tabu search for better orders of tasks on resources that each of them takes whole.

The work is done in :mod:`nnsearch.schedules.moves`, which says whose search it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from nnsearch.schedules.arrays import new_keeps, new_state
from nnsearch.schedules.disjunctive import DisjunctiveGraph
from nnsearch.schedules.generation import Generated

_RANDOM_MOVES = (2, 4, 8)  # one of these at random; two to four times as many were worse
_WORK = 100_000  # tasks looked at between two looks at the clock: some milliseconds


def wander(graph: DisjunctiveGraph, random: Random) -> None:
    """Make some moves at random, so that a search that begins again begins elsewhere.

    Args:
        graph: a schedule; it is changed.
        random: chooses the moves.
    """
    graph.compiled.move_at_random(graph.arrays, new_state(random.getrandbits(62)), random.choice(_RANDOM_MOVES))


class TabuSearch:
    """A search for earlier ends than one, from one schedule.

    Args:
        graph: the schedule, from which others are made; it is changed.
        random: chooses among equals.
        best: the earliest end before; None is that of the graph.

    Attributes:
        best: the earliest end, found or before.
        is_out_of_moves: whether the search has ended because there are none.
    """

    def __init__(self, graph: DisjunctiveGraph, random: Random, best: int | None = None) -> None:
        self.is_out_of_moves = False
        self.best = graph.length if best is None else best
        self._graph = graph
        self._keeps, self._state = new_keeps(), new_state(random.getrandbits(62))

    def better(self, patience: int, stop: Callable[[], bool]) -> Iterator[Generated]:
        """Yield schedules, each with an earlier end than all before, until nothing comes any more.

        Args:
            patience: moves in vain, one after the other, that end the search, or soon after.
            stop: asked every few milliseconds; true ends the search, too.
        """
        graph, found_at = self._graph, self._moves()
        while not stop() and not self.is_out_of_moves and self._moves() < found_at + patience:
            if graph.length < self.best:
                self.best, found_at = graph.length, self._moves()
                yield graph.generated()
            else:
                ended = graph.compiled.improve(graph.arrays, self._keeps, self._state, self.best, _WORK)
                self.is_out_of_moves = ended == graph.compiled.OUT_OF_MOVES

    def _moves(self) -> int:
        return int(self._state["number"][0])
