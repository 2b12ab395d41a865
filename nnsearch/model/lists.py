"""Ragged arrays: many lists of integers in one."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def ranges(start: IntArray, size: IntArray) -> IntArray:
    """Return ``start[i], ..., start[i] + size[i] - 1`` for every i, one after the other."""
    before = np.cumsum(size) - size
    return np.repeat(start - before, size) + np.arange(size.sum())


@dataclass(frozen=True, eq=False)
class Lists:
    """L lists of integers, one after the other.

    Attributes:
        offset: int64[L + 1]; list i is ``items[offset[i] : offset[i + 1]]``.
        items: int64[E].
    """

    offset: IntArray
    items: IntArray

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> Lists:
        """Copy lists."""
        sizes = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
        items = np.array(list(chain.from_iterable(lists)), dtype=np.int64)
        return cls.from_sizes(sizes, items)

    @classmethod
    def from_sizes(cls, sizes: IntArray, items: IntArray) -> Lists:
        """Cut an array into lists."""
        return cls(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), items)

    @functools.cached_property
    def sizes(self) -> IntArray:
        """int64[L], the lengths of the lists."""
        return np.diff(self.offset)

    @functools.cached_property
    def owner(self) -> IntArray:
        """int64[E], the list that each item is in."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def __len__(self) -> int:
        return len(self.offset) - 1

    def __iter__(self) -> Iterator[list[int]]:
        items = self.items.tolist()
        return (items[start:end] for start, end in pairwise(self.offset.tolist()))

    def take(self, lists: IntArray) -> Lists:
        """Return some of the lists."""
        return Lists.from_sizes(self.sizes[lists], self.items[self.places(lists)])

    def places(self, lists: IntArray) -> IntArray:
        """Return where in ``items`` the items of some lists are."""
        return ranges(self.offset[lists], self.sizes[lists])

    def keep(self, items: BoolArray) -> Lists:
        """Return the lists with some of their items alone (bool[E])."""
        return Lists.from_sizes(np.bincount(self.owner[items], minlength=len(self)), self.items[items])

    def followed_by(self, other: Lists) -> Lists:
        """Return list i of this one and list i of the other as one list, for every i."""
        sizes = self.sizes + other.sizes
        joined = Lists.from_sizes(sizes, np.empty(sizes.sum(), dtype=np.int64))
        joined.items[ranges(joined.offset[:-1], self.sizes)] = self.items
        joined.items[ranges(joined.offset[:-1] + self.sizes, other.sizes)] = other.items
        return joined

    def repeats(self) -> BoolArray:
        """Return bool[L], whether a list has an item more than once; the items are 0 or more."""
        width = max(int(self.items.max(initial=0)) + 1, 1)
        key = np.sort(self.owner * width + self.items)
        repeats = np.zeros(len(self), dtype=bool)
        repeats[key[1:][key[1:] == key[:-1]] // width] = True
        return repeats


def within(domains: Lists, owner: IntArray, values: IntArray) -> BoolArray:
    """Tell whether each value is in one of the ranges ``low, high, low, high, ...`` of its owner."""
    inside = np.zeros(len(values), dtype=bool)
    start, end = domains.offset[owner], domains.offset[owner + 1]
    open_ = np.flatnonzero(start < end)
    place = 0
    while len(open_):
        at = start[open_] + place
        inside[open_] |= (domains.items[at] <= values[open_]) & (values[open_] <= domains.items[at + 1])
        place += 2
        open_ = open_[start[open_] + place < end[open_]]
    return inside
