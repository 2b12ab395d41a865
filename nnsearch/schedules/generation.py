"""Serial schedule generation: task after task, each as early as its resources and its predecessors allow.

See R. Kolisch, Serial and parallel resource-constrained project scheduling methods revisited, 1996. From the end back
the same gives a schedule in which all is as late as possible, and forward again in the order of that one often a
better one: justification (V. Valls, F. Ballestin, S. Quintanilla, 2005).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

from nnsearch.model.stopping import StopCheck
from nnsearch.schedules.reading import NOBODY, Schedule
from nnsearch.schedules.timelines import BEGINNING, Timeline, timeline


@dataclass(frozen=True, eq=False)
class Generated:
    """A schedule of T tasks.

    Attributes:
        begins: when the interval of each begins.
        ends: when it ends.
        modes: how each task is done, the place among its modes.
        cost: the objective as far as arcs tell, to be minimised.
    """

    begins: list[int]
    ends: list[int]
    modes: list[int]
    cost: float


class _Mode(NamedTuple):
    """One that has ``first`` at its begin plus ``first_shift``, and ``last`` at its end plus ``last_shift``."""

    first: int
    first_shift: int
    last: int
    last_shift: int
    duration: int
    uses: tuple[tuple[int, int], ...]


class Generator:
    """Makes schedules of a model, forward or backward.

    Backward, all times are negative ones: what ends first begins last.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._rank = [0] * len(schedule.low)  # of variables: nothing waits for one with a lower rank
        for rank, (_, v, _) in enumerate(schedule.arcs):
            self._rank[v] = rank + 1
        self._forward = _Direction(schedule, self._rank, backward=False)
        self._priced = [(v, c) for v, c in enumerate(schedule.cost.tolist()) if c]

    @functools.cached_property
    def _backward(self) -> _Direction:
        return _Direction(self._schedule, [-rank for rank in self._rank], backward=True)

    def ordered(self, times: Sequence[float]) -> list[int]:
        """Return the tasks in the order of times, none before one that it waits for.

        Args:
            times: T of them.
        """
        schedule = self._schedule
        key = [float("-inf")] * len(schedule.low)
        for task, time in zip(schedule.tasks, times, strict=True):
            key[task.start] = max(key[task.start], time)
        for u, v, _ in schedule.arcs:
            key[v] = max(key[v], key[u])
        starts = [task.start for task in schedule.tasks]
        return sorted(range(len(starts)), key=lambda t: (key[starts[t]], self._rank[starts[t]]))

    def forward(self, order: Sequence[int], *, stop: Callable[[], bool] | None = None) -> Generated:
        """Return a schedule in which each task, in an order, is done as early as it can be, in the way that ends first.

        Args:
            order: of the tasks, none before one that it waits for.
            stop: asked from time to time; true ends it.

        Raises:
            ReadingStoppedError: ``stop`` said so.
        """
        begins, ends, chosen, values = self._forward.generate(order, self._schedule.low.tolist(), StopCheck(stop))
        return Generated(begins, ends, chosen, sum(c * values[v] for v, c in self._priced))

    def backward(self, schedule: Generated, *, stop: Callable[[], bool] | None = None) -> list[int]:
        """Return the begins of a schedule in which each task is done as late as it can be.

        Args:
            schedule: no task ends later than its last one; those that end last come first.
            stop: asked from time to time; true ends it.

        Raises:
            ReadingStoppedError: ``stop`` said so.
        """
        last = max(schedule.ends)
        ends = schedule.ends
        order = self.ordered(ends)[::-1]
        order.sort(key=lambda t: -ends[t])  # stable, and a task that waits for another ends no earlier
        least = [max(-high, -last) for high in self._schedule.high.tolist()]
        _, negated, _, _ = self._backward.generate(order, least, StopCheck(stop))
        return [-time for time in negated]


class _Direction:
    def __init__(self, schedule: Schedule, rank: list[int], *, backward: bool) -> None:
        self._rank = rank
        self._out: list[list[tuple[int, int]]] = [[] for _ in schedule.low]
        for u, v, w in schedule.arcs:
            self._out[v if backward else u].append((u if backward else v, w))
        self._modes: list[list[_Mode]] = []
        for task in schedule.tasks:
            ways = []
            for mode in task.modes:
                ends = (mode.end, mode.end_shift, task.start, mode.start_shift)
                if not backward:
                    ends = (task.start, -mode.start_shift, mode.end, -mode.end_shift)
                ways.append(_Mode(*ends, mode.duration, mode.uses))
            self._modes.append(ways)
        self._resources = [
            (
                resource.capacity,
                [(-until if backward else begin, until - begin, much) for begin, until, much in resource.taken],
            )
            for resource in schedule.resources
        ]

    def generate(
        self, order: Sequence[int], least: list[int], check: StopCheck
    ) -> tuple[list[int], list[int], list[int], list[int]]:
        """Return begins, ends and modes of all tasks, and the values of variables that come of them.

        Args:
            order: of the tasks.
            least: of the variables; it is changed.
            check: ends it.
        """
        lines = self._lines()
        begins, ends, chosen = ([0] * len(self._modes) for _ in range(3))
        for task in order:
            check.step()
            ways = self._modes[task]
            ended = [_first(mode, least, lines) + mode.duration for mode in ways]
            until = min(ended)
            best = ended.index(until)
            mode = ways[best]
            at = until - mode.duration
            for resource, amount in mode.uses:
                lines[resource].take(at, mode.duration, amount)
            begins[task], ends[task], chosen[task] = at, until, best
            self._push(mode.first, at + mode.first_shift, least)
            self._push(mode.last, until + mode.last_shift, least)
        return begins, ends, chosen, least

    def _lines(self) -> list[Timeline]:
        lines = []
        for capacity, taken in self._resources:
            line = timeline(capacity)
            for begin, duration, amount in taken:
                line.take(begin, duration, amount)
            lines.append(line)
        return lines

    def _push(self, variable: int, value: int, least: list[int]) -> None:
        """Raise a variable to a value, and those behind it, each when all before it are where they will be."""
        if variable == NOBODY:
            return
        least[variable] = max(least[variable], value)
        rank, left, done = self._rank, [(self._rank[variable], variable)], NOBODY
        while left:
            _, u = heappop(left)
            if u == done:  # raised by several
                continue
            done, base = u, least[u]
            for v, w in self._out[u]:
                if base + w > least[v]:
                    least[v] = base + w
                    heappush(left, (rank[v], v))


def _first(mode: _Mode, least: list[int], lines: list[Timeline]) -> int:
    """Return the first time at which a mode can begin."""
    time = BEGINNING
    if mode.first != NOBODY:
        time = least[mode.first] - mode.first_shift
    if mode.last != NOBODY:
        time = max(time, least[mode.last] - mode.last_shift - mode.duration)
    if len(mode.uses) == 1:
        resource, amount = mode.uses[0]
        return lines[resource].first(time, mode.duration, amount)
    while True:
        before = time
        for resource, amount in mode.uses:
            time = lines[resource].first(time, mode.duration, amount)
        if time == before:
            return time
