"""Bounds consistency of a model's rows as batched array code: linear constraints, clauses, at-most-ones, conditions.

The stronger source of knowledge for networks on the model graph: searches and encoders propagate groups of candidates,
which say nothing of sums. Whatever the literals of a clause are, it is the sum ``literals >= 1``, so all kinds of rows
are sums of variables between two sides, under conditions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnsearch.model.lists import IntArray
from nnsearch.model.rows import LINEAR_ROW, Rows, variables_of

BoolArray = npt.NDArray[np.bool_]

_EXACT = 2.0**52  # rows with larger sums are left out: what they rule out could be an overflow
_NO_SIDE = 2**54
_ROUNDS = 100  # two rows can tighten each other by 1 in each round, over any domain


class RowPropagation:
    """What the bounds of rows rule out in states, to the fixpoint.

    A row ``low <= sum of coefficients * variables <= high`` bounds each of its variables by the least and largest that
    the others can add; of a sum in several ranges, ``low`` and ``high`` are the ends of all. A row with conditions
    does so where they hold, and where it cannot hold and all conditions but one do, that one does not (Schulte and
    Stuckey 2005, bounds(R) consistency of sums). At most 100 rounds are made: some rows converge slowly.

    Args:
        rows: of the model.
        low: int64[V], the least value of each variable in any state.
        high: int64[V], the largest.
    """

    def __init__(self, rows: Rows, low: IntArray, high: IntArray) -> None:
        least, most = (np.clip(side, -_NO_SIDE, _NO_SIDE).astype(np.int64) for side in rows.sides())
        owner, literals = rows.entries.owner, rows.kind != LINEAR_ROW
        variable, negative = variables_of(rows.entries.items), rows.entries.items < 0
        # In a linear row ~v is the opposite of v, in others it is 1 - v.
        coefficient = np.where(negative, -rows.coefficients, rows.coefficients)
        constant = np.bincount(owner[negative & literals[owner]], minlength=len(rows))
        largest = np.maximum(np.abs(low.astype(np.float64)), np.abs(high))
        kept = coefficient != 0
        sums = np.bincount(owner[kept], minlength=len(rows)) > 0
        never = (rows.kind == LINEAR_ROW) & (rows.domain.sizes == 0)
        never |= ~sums & ((least > constant) | (most < constant))
        if never.any() and len(low):
            # Whatever its terms are, a row that can never hold asks the impossible of one variable.
            least[never], most[never], kept[never[owner]] = _NO_SIDE, -_NO_SIDE, False
            at = rows.entries.offset[1:][never]
            owner, variable = np.insert(owner, at, np.flatnonzero(never)), np.insert(variable, at, np.argmin(largest))
            coefficient, kept = np.insert(coefficient, at, 1), np.insert(kept, at, True)
            sums |= never
        size = np.abs(coefficient) * largest[variable]
        exact = np.bincount(owner[kept], size[kept], len(rows)) + constant < _EXACT
        told = sums & exact & ((least > -_NO_SIDE) | (most < _NO_SIDE))
        chosen, kept = np.flatnonzero(told), kept & told[owner]
        self._num_rows = len(chosen)
        self._row = (np.cumsum(told) - 1)[owner[kept]]  # int64[E], ascending
        self._variable, self._coefficient = variable[kept], coefficient[kept]
        self._least, self._most = (least - constant)[chosen], (most - constant)[chosen]
        self._conditions = rows.enforcement.take(chosen)
        self._condition = variables_of(self._conditions.items)
        target = np.concatenate([self._variable, self._condition])
        self._order = np.argsort(target, kind="stable")
        self._target, self._starts = np.unique(target[self._order], return_index=True)

    def __call__(self, low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
        """Return int64[B, V] twice, the least and largest values that are left.

        A state that no solution extends may end with a least value above the largest; propagation stops there.

        Args:
            low: int64[B, V], the least value of each variable in each state.
            high: int64[B, V], the largest.

        Raises:
            ValueError: the states have another shape.
        """
        if low.ndim != 2 or low.shape != high.shape:
            raise ValueError(f"expected bounds [B, V] twice, got {low.shape} and {high.shape}; one state is low[None]")
        low, high = low.copy(), high.copy()
        if not self._num_rows:
            return low, high
        for _ in range(_ROUNDS):
            at_least, at_most = self._round(low, high)
            going = np.flatnonzero((low <= high).all(axis=1))
            changed = (at_least > low[:, self._target]) | (at_most < high[:, self._target])
            if not changed[going].any():
                break
            place = np.ix_(going, self._target)
            low[place] = np.maximum(low[place], at_least[going])
            high[place] = np.minimum(high[place], at_most[going])
        return low, high

    def _round(self, low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
        """Return int64[B, T] twice, what all rows say of the bounds of the variables ``_target``."""
        positive, size = self._coefficient > 0, np.abs(self._coefficient)
        own_low, own_high = low[:, self._variable], high[:, self._variable]  # [B, E]
        least = self._coefficient * np.where(positive, own_low, own_high)
        most = self._coefficient * np.where(positive, own_high, own_low)
        sum_least, sum_most = self._sums(least), self._sums(most)  # [B, R]
        true, unknown = self._known(low, high)  # [B, R], [B, R]
        room = (self._most - sum_least)[:, self._row] + least  # [B, E], the most that the term may be
        need = (self._least - sum_most)[:, self._row] + most
        up, down = room // size, -(-need // size)  # of the variable, or of its opposite where the coefficient is < 0
        says = true[:, self._row]
        at_most = np.where(says, np.where(positive, up, -down), _NO_SIDE * 256)
        at_least = np.where(says, np.where(positive, down, -up), -_NO_SIDE * 256)
        cannot = (sum_least > self._most) | (sum_most < self._least)
        refuted = (cannot & (unknown == 1))[:, self._conditions.owner]  # [B, L]
        negated = self._conditions.items < 0
        open_ = low[:, self._condition] < high[:, self._condition]
        refuted &= open_
        at_least = np.concatenate([at_least, np.where(refuted & negated, 1, -_NO_SIDE * 256)], axis=1)
        at_most = np.concatenate([at_most, np.where(refuted & ~negated, 0, _NO_SIDE * 256)], axis=1)
        return (
            np.maximum.reduceat(at_least[:, self._order], self._starts, axis=1),
            np.minimum.reduceat(at_most[:, self._order], self._starts, axis=1),
        )

    def _sums(self, terms: IntArray) -> IntArray:
        """Return int64[B, R]; every row has a term."""
        starts = np.flatnonzero(np.diff(self._row, prepend=-1))
        return np.asarray(np.add.reduceat(terms, starts, axis=1), dtype=np.int64)

    def _known(self, low: IntArray, high: IntArray) -> tuple[BoolArray, IntArray]:
        """Return bool[B, R], where all conditions hold, and int64[B, R], how many may or may not; 9 where one fails."""
        negated = self._conditions.items < 0
        lower, upper = low[:, self._condition], high[:, self._condition]
        holds = np.where(negated, upper == 0, lower == 1)
        fails = np.where(negated, lower == 1, upper == 0)
        unknown = self._count(~holds)
        return unknown == 0, np.where(self._count(fails) > 0, 9, unknown)

    def _count(self, conditions: BoolArray) -> IntArray:
        """Return int64[B, R], how many of the conditions bool[B, L] there are of each row."""
        states = np.arange(len(conditions))[:, None] * self._num_rows
        owner = (states + self._conditions.owner).ravel()
        counts = np.bincount(owner[conditions.ravel()], minlength=len(conditions) * self._num_rows)
        return counts.reshape(len(conditions), self._num_rows)
