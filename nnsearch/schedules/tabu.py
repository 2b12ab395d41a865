"""Tabu search for better orders of tasks on resources that each of them takes whole.

The work is done in :mod:`nnsearch.schedules.moves`, which says whose search it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from nnsearch.schedules.arrays import new_keeps, new_state
from nnsearch.schedules.disjunctive import DisjunctiveGraph
from nnsearch.schedules.generation import Generated

_RANDOM_MOVES = (4, 8, 16, 32)  # one of these at random was better than always 8, and that better than 16 or none
_WORK = 100_000  # tasks looked at between two looks at the clock: some milliseconds


def wander(graph: DisjunctiveGraph, random: Random) -> None:
    """Make some moves at random, so that a search that begins again begins elsewhere.

    Args:
        graph: a schedule; it is changed.
        random: chooses the moves.
    """
    graph.compiled.move_at_random(graph.arrays, new_state(random.getrandbits(62)), random.choice(_RANDOM_MOVES))


def better_orders(
    graph: DisjunctiveGraph, random: Random, stop: Callable[[], bool], best: int | None = None
) -> Iterator[Generated]:
    """Yield schedules, each with an earlier end than all before, until told or until there is no move.

    Args:
        graph: a schedule, from which others are made; it is changed.
        random: chooses among equals.
        stop: asked every few milliseconds; true ends the search.
        best: the earliest end before; None is that of the graph.
    """
    best = graph.length if best is None else best
    keeps, state = new_keeps(), new_state(random.getrandbits(62))
    while not stop():
        if graph.length < best:
            best = graph.length
            yield graph.generated()
        elif graph.compiled.improve(graph.arrays, keeps, state, best, _WORK) == graph.compiled.OUT_OF_MOVES:
            return
