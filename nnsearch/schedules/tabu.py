"""Tabu search for better orders of tasks on resources that each takes whole.

See E. Nowicki, C. Smutnicki, A fast taboo search algorithm for the job shop problem, 1996, and with the moves that are
used here C. Zhang, P. Li, Z. Guan, Y. Rao, A tabu search algorithm with a new neighborhood structure for the job shop
scheduling problem, 2007.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from nnsearch.schedules.disjunctive import DisjunctiveGraph, Move
from nnsearch.schedules.generation import Generated

_TENURE = 10  # moves for which two tasks keep their order at least
_LONGEST_TENURE = 14
_FORGET = 1000  # moves after which what is no longer forbidden is forgotten
_RANDOM_MOVES = (4, 8, 16, 32)  # one of these at random was better than always 8, and that better than 16 or none
_STUCK = 50  # longest paths in a row without a move


def wander(graph: DisjunctiveGraph, random: Random, stop: Callable[[], bool]) -> None:
    """Make some moves at random, so that a search that begins again begins elsewhere.

    Args:
        graph: a schedule; it is changed.
        random: chooses the moves.
        stop: asked for each move that is looked at; true ends it.
    """
    for _ in range(random.choice(_RANDOM_MOVES)):
        moves = _moves_until(graph, random, stop)
        if moves is None:
            return
        if moves:
            graph.make(random.choice(moves))


def better_orders(
    graph: DisjunctiveGraph, random: Random, stop: Callable[[], bool], best: int | None = None
) -> Iterator[Generated]:
    """Yield schedules, each with an earlier end than all before, until told or until there is no move.

    Args:
        graph: a schedule, from which others are made; it is changed.
        random: chooses among equals.
        stop: asked for each move that is looked at; true ends the search.
        best: the earliest end before; None is that of the graph.
    """
    best = graph.length if best is None else best
    if graph.length < best and not stop():
        best = graph.length
        yield graph.generated()
    number, stuck = 0, 0
    keeps: dict[tuple[int, int], int] = {}  # up to which move a task stays before another one
    while stuck < _STUCK and not stop():
        number += 1
        open_moves, others = list[Move](), list[Move]()
        moves = _moves_until(graph, random, stop)
        if moves is None:
            return
        for move in moves:
            forbidden = move.length >= best and any(keeps.get(pair, 0) >= number for pair in _exchanged(move))
            (others if forbidden else open_moves).append(move)
        random.shuffle(open_moves)
        open_moves.sort(key=lambda move: move.length)
        random.shuffle(others)
        made = next((move for move in open_moves + others if graph.make(move)), None)
        if made is None:
            stuck += 1
            continue
        stuck = 0
        until = number + random.randint(_TENURE, _LONGEST_TENURE)
        for one, other in _exchanged(made):
            keeps[other, one] = until
        if not number % _FORGET:
            keeps = {pair: last for pair, last in keeps.items() if last > number}
        if graph.length < best:
            best = graph.length
            yield graph.generated()


def _moves_until(graph: DisjunctiveGraph, random: Random, stop: Callable[[], bool]) -> list[Move] | None:
    """Return the moves of a longest path; None if told to stop before all are known, which may take a while."""
    moves: list[Move] = []
    for move in graph.moves(graph.critical_path(random)):
        if stop():
            return None
        moves.append(move)
    return moves


def _exchanged(move: Move) -> list[tuple[int, int]]:
    """Return the pairs of tasks whose order a move changes, as they were."""
    first = move.tasks[0]
    if move.moved[-1] == first:
        return [(first, other) for other in move.tasks[1:]]
    return [(other, move.tasks[-1]) for other in move.tasks[:-1]]
