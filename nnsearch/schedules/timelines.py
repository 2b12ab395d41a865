"""How much of a resource is taken when, and the first time at which there is enough left."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Protocol

BEGINNING = -(2**70)
"""Before all times: those of a model are in int64, but durations may add up to more."""


class Timeline(Protocol):
    """What is taken of one resource."""

    def first(self, time: int, duration: int, amount: int) -> int:
        """Return the first time from one on at which so much is left for so long."""
        ...

    def take(self, time: int, duration: int, amount: int) -> None:
        """Take so much for so long, which is left."""
        ...


class OneAtATime:
    """A resource that one interval takes whole; one that takes no time is never within another, as in CP-SAT.

    Intervals that touch are one block: what takes time fits between blocks alone, and many tasks are few of them. What
    takes none fits between any two intervals.
    """

    def __init__(self) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []
        self._block_begins: list[int] = []
        self._block_ends: list[int] = []

    def first(self, time: int, duration: int, amount: int) -> int:
        """See :class:`Timeline`."""
        begins, ends = (self._block_begins, self._block_ends) if duration else (self._begins, self._ends)
        place = bisect_right(ends, time)
        while place < len(begins) and begins[place] < time + duration:
            time = ends[place]
            place += 1
        return time

    def take(self, time: int, duration: int, amount: int) -> None:
        """See :class:`Timeline`."""
        # At the same time only those begin that take no time, and these are the first.
        place, end = (bisect_right if duration else bisect_left)(self._begins, time), time + duration
        self._begins.insert(place, time)
        self._ends.insert(place, end)
        first, last = bisect_left(self._block_ends, time), bisect_right(self._block_begins, end)
        if first < last:
            time, end = min(time, self._block_begins[first]), max(end, self._block_ends[last - 1])
        self._block_begins[first:last] = [time]
        self._block_ends[first:last] = [end]


class Shared:
    """A resource that several intervals take parts of."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._times: list[int] = [BEGINNING]
        self._taken: list[int] = [0]  # from each time to the next

    def first(self, time: int, duration: int, amount: int) -> int:
        """See :class:`Timeline`."""
        times, taken, most = self._times, self._taken, self._capacity - amount
        place = bisect_right(times, time) - 1
        end, size = time + duration, len(times)
        while True:
            if taken[place] > most:
                place += 1
                while taken[place] > most:
                    place += 1
                time = times[place]
                end = time + duration
            place += 1
            if place == size or times[place] >= end:
                return time

    def take(self, time: int, duration: int, amount: int) -> None:
        """See :class:`Timeline`."""
        first, last = self._cut(time), self._cut(time + duration)
        for place in range(first, last):
            self._taken[place] += amount
        for place in (last, first):
            if self._taken[place] == self._taken[place - 1]:
                del self._times[place], self._taken[place]

    def _cut(self, time: int) -> int:
        """Return the place of a time, which is one from now on."""
        place = bisect_left(self._times, time)
        if place == len(self._times) or self._times[place] != time:
            self._times.insert(place, time)
            self._taken.insert(place, self._taken[place - 1])
        return place


def timeline(capacity: int) -> Timeline:
    """Return the timeline of a resource of which nothing is taken."""
    return OneAtATime() if capacity == 1 else Shared(capacity)
