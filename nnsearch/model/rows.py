"""The constraints of a model that are lists of variables or literals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnsearch.model.lists import IntArray, Lists

ROW_KINDS = ("linear", "bool_or", "bool_and", "at_most_one", "exactly_one")
"""The kinds of constraints that are rows, by CP-SAT's names; the position is the number in ``Rows.kind``."""

LINEAR_ROW, OR_ROW, AND_ROW, AT_MOST_ONE_ROW, EXACTLY_ONE_ROW = range(len(ROW_KINDS))


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

    def sides(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return float64[R] twice, what the sum of a linear constraint, or the number of true literals, is between.

        Of a sum in several ranges these are the ends of all.
        """
        low, high = np.full(len(self), -np.inf), np.full(len(self), np.inf)
        some = np.flatnonzero(self.domain.sizes)
        low[some] = self.domain.items[self.domain.offset[some]]
        high[some] = self.domain.items[self.domain.offset[some + 1] - 1]
        low[(self.kind == OR_ROW) | (self.kind == EXACTLY_ONE_ROW)] = 1
        high[(self.kind == AT_MOST_ONE_ROW) | (self.kind == EXACTLY_ONE_ROW)] = 1
        every = self.kind == AND_ROW
        low[every] = self.entries.sizes[every]
        return low, high

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
