"""Ragged arrays, and the constraints of a model that are lists of variables or literals."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

ROW_KINDS = ("linear", "bool_or", "bool_and", "at_most_one", "exactly_one")
"""The kinds of constraints that are rows, by CP-SAT's names; the position is the number in ``Rows.kind``."""

LINEAR_ROW, OR_ROW, AND_ROW, AT_MOST_ONE_ROW, EXACTLY_ONE_ROW = range(len(ROW_KINDS))


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
        """Return the lists without some of their items.

        Args:
            items: bool[E], those to keep.
        """
        return Lists.from_sizes(np.bincount(self.owner[items], minlength=len(self)), self.items[items])

    def followed_by(self, other: Lists) -> Lists:
        """Return list i of this one and list i of the other as one list, for every i."""
        sizes = self.sizes + other.sizes
        joined = Lists.from_sizes(sizes, np.empty(sizes.sum(), dtype=np.int64))
        joined.items[ranges(joined.offset[:-1], self.sizes)] = self.items
        joined.items[ranges(joined.offset[:-1] + self.sizes, other.sizes)] = other.items
        return joined


def variables_of(references: IntArray) -> IntArray:
    """Return the variables of literals: the reference ``~v`` is the negation of the variable v."""
    return np.where(references >= 0, references, ~references)


def constraint_label(constraint: Any, index: int) -> str:
    """Return how messages call a constraint: its index and, when it has one, its name on one line."""
    return f"constraint {index}" + (f" ({' '.join(constraint.name.split())})" if constraint.name else "")


class Row(NamedTuple):
    """One of the :class:`Rows`, as lists."""

    constraint: int
    kind: str
    enforcement: list[int]
    entries: list[int]
    coefficients: list[int]
    domain: list[int]


@dataclass(frozen=True, eq=False)
class Rows:
    """The R constraints that are lists of variables (linear ones) or literals (the other ``ROW_KINDS``).

    Attributes:
        constraint: int64[R], where each stands in the model, ascending.
        kind: int64[R], an index into ``ROW_KINDS``.
        enforcement: R lists of literals; the constraint has to hold where all of them do.
        entries: R lists of variables or literals; the literal ``~v`` is the negation of the variable v.
        coefficients: int64[E], of the entries; 1 for literals.
        domain: R lists of ranges ``low, high, low, high, ...`` for the sum of a linear constraint; empty for others.
    """

    constraint: IntArray
    kind: IntArray
    enforcement: Lists
    entries: Lists
    coefficients: IntArray
    domain: Lists

    def __len__(self) -> int:
        return len(self.constraint)

    def __iter__(self) -> Iterator[Row]:
        kinds = [ROW_KINDS[kind] for kind in self.kind.tolist()]
        coefficients = Lists(self.entries.offset, self.coefficients)
        columns = (self.constraint.tolist(), kinds, self.enforcement, self.entries, coefficients, self.domain)
        return map(Row, *columns)

    def take(self, rows: IntArray) -> Rows:
        """Return some of the rows."""
        return Rows(
            self.constraint[rows],
            self.kind[rows],
            self.enforcement.take(rows),
            self.entries.take(rows),
            self.coefficients[self.entries.places(rows)],
            self.domain.take(rows),
        )

    def of_kind(self, kind: str) -> Rows:
        """Return the rows of one of ``ROW_KINDS``, such as the linear constraints."""
        return self.take(np.flatnonzero(self.kind == ROW_KINDS.index(kind)))
