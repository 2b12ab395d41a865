"""The values of a model's variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnsearch.model.graph import MAX_VALUES
from nnsearch.model.lists import BoolArray, IntArray, Lists, ranges, within
from nnsearch.model.rows import LINEAR_ROW, Rows
from nnsearch.model.stopping import StopCheck


def bounds_of(domains: Lists) -> tuple[IntArray, IntArray]:
    """Return int64[V] twice, the least and the largest value of each domain; none may be empty."""
    return domains.items[domains.offset[:-1]], domains.items[domains.offset[1:] - 1]


def values_of(domains: Lists) -> tuple[Lists, BoolArray]:
    """Return the values of each variable, and whether it has too many, more than ``MAX_VALUES``; no values then."""
    low, high = domains.items[::2], domains.items[1::2]
    owner = domains.owner[::2]
    width = np.maximum(high.astype(np.float64) - low + 1, 0)  # int64 could overflow
    too_large = np.bincount(owner, width, len(domains)) > MAX_VALUES
    kept = ~too_large[owner]
    sizes = width[kept].astype(np.int64)
    count = np.bincount(owner[kept], sizes, len(domains)).astype(np.int64)
    return Lists.from_sizes(count, ranges(low[kept], sizes)), too_large


def narrowed(values: Lists, too_large: BoolArray, rows: Rows, check: StopCheck) -> Lists:
    """Apply the linear constraints of one term, which are domains in disguise, save those that leave no value.

    A variable that one constraint names twice keeps its values: the CP engine may not rule any out before it is bound.
    """
    chosen = np.flatnonzero((rows.kind == LINEAR_ROW) & (rows.enforcement.sizes == 0) & (rows.entries.sizes == 1))
    chosen = chosen[~too_large[rows.entries.items[rows.entries.offset[chosen]]]]
    kept = np.ones(len(values.items), dtype=bool)
    while len(chosen):
        check.now()
        # One constraint of each variable at a time: the next one applies to what this one leaves.
        variable, first = np.unique(rows.entries.items[rows.entries.offset[chosen]], return_index=True)
        row = chosen[first]
        candidates = Lists.from_sizes(values.sizes[variable], values.places(variable))
        coefficient = rows.coefficients[rows.entries.offset[row]]
        sums = coefficient[candidates.owner] * values.items[candidates.items]
        left = kept[candidates.items] & within(rows.domain.take(row), candidates.owner, sums)
        some = np.bincount(candidates.owner, left, len(row)) > 0
        kept[candidates.items[some[candidates.owner] & ~left]] = False
        chosen = np.delete(chosen, first)
    return values.keep(kept)


def least_of(expression: Any, low: npt.NDArray[Any], high: npt.NDArray[Any]) -> Any:
    """Return the least value of an affine expression of a constraint's message, exact where the bounds are integers.

    Args:
        expression: the message.
        low: of V variables, the least values.
        high: the largest ones.
    """
    total = expression.offset
    for reference, coefficient in zip(expression.vars, expression.coeffs, strict=True):
        variable, factor = (reference, coefficient) if reference >= 0 else (~reference, -coefficient)
        if factor:
            total += factor * (low if factor > 0 else high).item(variable)
    return total


def most_of(expression: Any, low: npt.NDArray[Any], high: npt.NDArray[Any]) -> Any:
    """Return the largest value of an affine expression; see :func:`least_of`."""
    return least_of(expression, high, low)
