"""A disjunctive graph in arrays, as :mod:`nnsearch.schedules.moves` works on it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnsearch.errors import NothingToReadError

NOTHING = -1
"""No use, no task."""

NEVER = -(2**62)
"""Before all times."""

BETTER, GOES_ON, OUT_OF_MOVES = 1, 0, -1
"""How a search by :func:`nnsearch.schedules.moves.improve` has ended."""

_KEPT = 2**18  # pairs: far more than are kept at a time, so that few have one place


def _record(*names: str) -> np.dtype[np.void]:
    return np.dtype([(name, np.int64) for name in names], align=True)


TASK = _record(
    *("duration", "least", "least_tail", "first_use", "first_before", "first_after"),
    *("head", "tail", "place", "waits", "begin", "mark"),
)
USE = _record("task", "last", "following")
ARC = _record("task", "weight")
PLACE = _record("task", "sorted", "path")
MOVE = _record("first", "last", "size", "later", "length", "forbidden")
STATE = _record("random", "mark", "number", "work", "stuck")

Records = npt.NDArray[Any]
"""A record for each; all fields are int64."""


class Graph(NamedTuple):
    """A graph of T tasks and U uses, a task that takes a resource.

    Attributes:
        tasks: [T + 1]. ``duration``; ``least``, when it may begin; ``least_tail``, what passes from then to the end by
            arcs; where its uses and arcs begin, up to where those of the next one do (``first_use``, ``first_before``,
            ``first_after``); ``head``, when it begins at the earliest in the order that there is; ``tail``, what passes
            from then to the end; ``place`` in a topological order. ``waits``, for how many others, and ``begin`` and
            ``mark``, when it would begin after a move, are of those who sort and estimate.
        uses: [U]. ``task``; ``last`` and ``following``, the uses of the resource before and behind, or ``NOTHING``.
        before: ``task`` and ``weight`` of each arc, by the task at which it ends.
        after: the same arcs, by the task at which they begin.
        ending: tasks at which a longest path may end.
        places: [T]. ``task`` in a topological order; ``sorted`` and ``path``, of those who sort and look for paths.
        moves: ``first`` and ``last`` use of a stretch, its ``size``, whether the first comes behind the last or the
            last before the first (``later``), the ``length`` of the path through it then, whether it is ``forbidden``.
    """

    tasks: Records
    uses: Records
    before: Records
    after: Records
    ending: npt.NDArray[np.int64]
    places: Records
    moves: Records

    @classmethod
    def of_lists(
        cls,
        durations: Sequence[int],
        least: Sequence[int],
        least_tails: Sequence[int],
        uses: Sequence[int],
        arcs: Sequence[Sequence[tuple[int, int]]],
        ending: Sequence[int],
    ) -> Graph:
        """Return a graph without an order: nobody has a resource before or behind anybody, and heads are not known.

        Args:
            durations: of T tasks.
            least: when each may begin.
            least_tails: what passes from then to the end; ``NEVER``, or somewhat more, where it does not lead there.
            uses: how many resources each takes.
            arcs: (other, weight): the other begins so much after it at least.
            ending: the tasks whose least tails count, or may be changed to what does.

        Raises:
            NothingToReadError: a path may be so long that an int64 cannot say it.
        """
        count = len(durations)
        times = [0, *least, *(tail for tail in least_tails if tail > NEVER // 2)]
        farthest = max(map(abs, times)) + sum(durations) + sum(abs(weight) for row in arcs for _, weight in row)
        if farthest >= -NEVER // 4:
            raise NothingToReadError(f"expected a path of less than {-NEVER // 4}, got one that may be {farthest}")
        before: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        for task, to in enumerate(arcs):
            for other, weight in to:
                before[other].append((task, weight))
        tasks = np.zeros(count + 1, dtype=TASK)
        tasks["duration"][:count], tasks["least"][:count], tasks["least_tail"][:count] = durations, least, least_tails
        for name, sizes in (
            ("first_use", uses),
            ("first_before", [len(row) for row in before]),
            ("first_after", [len(row) for row in arcs]),
        ):
            tasks[name][1:] = np.cumsum(sizes)
        made = np.zeros(sum(uses), dtype=USE)
        made["task"] = np.repeat(np.arange(count), uses)
        made["last"] = made["following"] = NOTHING
        places = np.zeros(count, dtype=PLACE)
        places["task"] = tasks["place"][:count] = np.arange(count)
        return cls(
            tasks,
            made,
            np.array(list(chain.from_iterable(before)), dtype=ARC),
            np.array(list(chain.from_iterable(arcs)), dtype=ARC),
            np.array(ending, dtype=np.int64),
            places,
            # A block of a path has less than two moves for each of its uses, and one more is begun and not taken.
            np.zeros(2 * sum(uses) + 1, dtype=MOVE),
        )


def new_state(seed: int) -> Records:
    """Return what a search goes on with: ``random``, ``mark``, ``number`` of moves, ``work`` done, times ``stuck``."""
    state = np.zeros(1, dtype=STATE)
    state["random"] = seed
    return state


def new_keeps() -> npt.NDArray[np.int64]:
    """Return that no tasks keep their order."""
    return np.zeros(_KEPT, dtype=np.int64)
