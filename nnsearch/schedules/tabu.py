"""Tabu search for better orders of tasks on resources that each of them takes whole.

The work is done in :mod:`nnsearch.schedules.moves`, which says whose search it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from nnsearch.schedules.arrays import OUT_OF_MOVES, new_keeps, new_state
from nnsearch.schedules.disjunctive import DisjunctiveGraph
from nnsearch.schedules.generation import Generated

_RANDOM_MOVES = (2, 4, 8)  # one of these at random; two to four times as many were worse
_WORK = 100_000  # tasks looked at between two looks at the clock: some milliseconds


class TabuSearch:
    """A search for earlier ends than one, from one schedule.

    Args:
        graph: the schedule, from which others are made; it is changed.
        random: chooses among equals, and moves at random.

    Attributes:
        best: the earliest end, found or of the graph.
        is_out_of_moves: whether the search has ended because there are none.
    """

    def __init__(self, graph: DisjunctiveGraph, random: Random) -> None:
        self.is_out_of_moves = False
        self.best = graph.length
        self._graph, self._random = graph, random
        self._keeps, self._state = new_keeps(), new_state(random.getrandbits(62))
        graph.aim(self.best)

    def wander(self) -> None:
        """Make some moves at random, so that the search begins elsewhere."""
        self._graph.compiled.move_at_random(self._graph.arrays, self._state, self._random.choice(_RANDOM_MOVES))

    def better(self, patience: int, stop: Callable[[], bool]) -> Iterator[Generated]:
        """Yield schedules, each with an earlier end than all before, until nothing comes any more.

        Args:
            patience: rounds in vain, one after the other, that end the search, or soon after. In a round one move is
                made, if there is one.
            stop: asked every few milliseconds; true ends the search, too.
        """
        graph, found_at = self._graph, self._moves()
        while not stop() and not self.is_out_of_moves and self._moves() < found_at + patience:
            if graph.compiled.longest(graph.arrays) < self.best:
                self.best, found_at = graph.length, self._moves()
                graph.aim(self.best)
                yield graph.generated()
            else:
                ended = graph.compiled.improve(graph.arrays, self._keeps, self._state, self.best, _WORK)
                self.is_out_of_moves = ended == OUT_OF_MOVES

    def _moves(self) -> int:
        return int(self._state["number"][0])
