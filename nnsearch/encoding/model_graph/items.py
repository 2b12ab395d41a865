"""Items: what a network on the model graph scores, fewer than a model has candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnsearch.model.domains import bounds_of
from nnsearch.model.graph import BoolArray, CandidateGraph, IntArray
from nnsearch.model.lists import Lists, ranges

DoubleArray = npt.NDArray[np.float64]

MAX_CANDIDATES = 64
"""A variable with more values than this is a quantity, which has a target instead of a score for each value."""

BOOLEAN, CANDIDATE, QUANTITY = range(3)


@dataclass(frozen=True, eq=False)
class Items:
    """The I items of a model with V variables and N candidates; those of a variable follow each other.

    A Boolean is one item, its value 1. A variable with few values is an item for each of them. A quantity, a variable
    with more than :data:`MAX_CANDIDATES` values, is one item. A variable with one value is none.

    Attributes:
        kind: int64[I], ``BOOLEAN``, ``CANDIDATE`` or ``QUANTITY``.
        variable: int64[I].
        candidate: int64[I], the candidate that the item stands for; -1 of a quantity.
        value: float64[I], that of the candidate; 0 of a quantity.
        offset: int64[V + 1]; the items of variable v are ``offset[v]`` to ``offset[v + 1] - 1``.
        low: float64[V], the least value of the variable's initial domain.
        high: float64[V], the largest.
        of_candidate: int64[N], the item of each candidate; -1 where it has none. Both values of a Boolean have its one.
    """

    kind: IntArray
    variable: IntArray
    candidate: IntArray
    value: DoubleArray
    offset: IntArray
    low: DoubleArray
    high: DoubleArray
    of_candidate: IntArray

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def span(self) -> DoubleArray:
        """float64[V], how far the ends of the initial domains are from each other."""
        return self.high - self.low

    @classmethod
    def of(cls, graph: CandidateGraph, domains: Lists) -> Items:
        """Find the items of a model, whose declared domains are lists of ranges ``low, high, low, high, ...``."""
        sizes = np.diff(graph.offset)
        few = np.flatnonzero(sizes)
        first, last = graph.offset[few], graph.offset[few + 1] - 1
        low, high = (bound.astype(np.float64) for bound in bounds_of(domains))
        low[few], high[few] = graph.values[first], graph.values[last]
        boolean = (sizes == 2) & (low == 0) & (high == 1)
        quantity = (sizes == 0) | (sizes > MAX_CANDIDATES)
        counts = np.where(boolean | quantity, 1, np.where(sizes == 1, 0, sizes))
        variable = np.repeat(np.arange(len(counts)), counts)
        kind = np.where(boolean, BOOLEAN, np.where(quantity, QUANTITY, CANDIDATE))[variable]
        offset = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        candidate = graph.offset[variable] + ranges(np.zeros(len(counts), dtype=np.int64), counts)
        candidate[kind == BOOLEAN] += 1
        candidate[kind == QUANTITY] = -1
        value = np.where(candidate >= 0, graph.values[candidate], 0).astype(np.float64) if len(graph.values) else None
        of_candidate = np.full(graph.num_candidates, -1, dtype=np.int64)
        scored = np.flatnonzero(candidate >= 0)
        of_candidate[candidate[scored]] = scored
        booleans = np.flatnonzero(kind == BOOLEAN)
        of_candidate[candidate[booleans] - 1] = booleans
        return cls(
            kind,
            variable,
            candidate,
            np.zeros(len(kind)) if value is None else value,
            offset,
            low,
            high,
            of_candidate,
        )

    def scaled(self, per_unit: DoubleArray) -> DoubleArray:
        """Return float64[I], what an item adds to a sum when it goes from 0 to 1, given float64[V] for each unit."""
        kept = per_unit[self.variable]
        above = np.where(self.kind == CANDIDATE, self.value - self.low[self.variable], 1.0)
        return kept * np.where(self.kind == QUANTITY, self.span[self.variable], above)

    def levels(self, values: DoubleArray) -> DoubleArray:
        """Return float64[I], how far values (float64[V], NaN where unknown) are those of the items, from 0 to 1.

        Between two candidates both are it in part, so that sums of levels are those of the values.
        """
        value = values[self.variable]
        position = (value - self.low[self.variable]) / np.maximum(self.span[self.variable], 1.0)
        near = 1.0 - np.abs(value - self.value)
        return np.asarray(np.clip(np.where(self.kind == CANDIDATE, near, position), 0.0, 1.0))


@dataclass(frozen=True, eq=False)
class Domains:
    """The domains of a state.

    Attributes:
        low: float64[V], the least value that is left.
        high: float64[V], the largest.
        count: float64[V], how many values are left.
        is_open: bool[I], the items that may still be 0 or 1.
        level: float64[I], what those are that are not open, see :meth:`Items.levels`; 0 of the others.
    """

    low: DoubleArray
    high: DoubleArray
    count: DoubleArray
    is_open: BoolArray
    level: DoubleArray

    @classmethod
    def of(cls, items: Items, graph: CandidateGraph, alive: BoolArray) -> Domains:
        """Read the candidates that are possible, bool[N]."""
        low, high = items.low.copy(), items.high.copy()
        left = np.flatnonzero(alive)
        owner, values = graph.variable[left], graph.values[left]
        low[owner[::-1]] = values[::-1]  # of several values for one place the last is kept
        high[owner] = values
        count = np.where(np.diff(graph.offset) > 0, np.bincount(owner, minlength=len(low)), high - low + 1)
        is_open = (count > 1)[items.variable]
        candidates = np.flatnonzero(items.kind == CANDIDATE)
        is_open[candidates] &= alive[items.candidate[candidates]]
        level = np.where(is_open, 0.0, items.levels(low))
        level[candidates] *= (count <= 1)[items.variable[candidates]]
        return cls(low, high, count, is_open, level)
