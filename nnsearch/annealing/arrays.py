"""An integer program in arrays, as :mod:`nnsearch.annealing.walk` works on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnsearch.errors import NothingToReadError
from nnsearch.linear_program import LinearProgram
from nnsearch.model.lists import IntArray
from nnsearch.model.stopping import StopCheck

NOTHING = -1
"""No column, no row."""

_LEAST_WEIGHT = 1e-3  # of what a row weighs at first
_FIRST_TEMPERATURE, _HIGHEST_TEMPERATURE = 0.1, 10.0  # of the largest price
_CHANCES = 4096
_MOST_STEPS, _MOST_PENDING = 1024, 1024  # of a move: changes, and rows that they make worse
_HUB = 1.5  # times the mean strength
_LARGEST = 2.0**50  # of a sum, so that all are exact in floating point
_PRECISION = 1e-9  # of costs, as a share of the largest price


def _record(numbers: str, integers: str) -> np.dtype[np.void]:
    return np.dtype([(name, np.float64) for name in numbers.split()] + [(name, np.int64) for name in integers.split()])


COLUMN = _record("value low high price", "first group moved")
ROW = _record("activity low high below above least_weight", "first holder pays_below pays_above")
TERM = _record("coefficient", "other")
STEP = _record("by", "column")
STATE = _record(
    "temperature hottest uphill_rate current best precision",
    "random steps credit tried uphill feasible violated size pending is_new",
)

Records = npt.NDArray[Any]
"""A record for each."""


class Program(NamedTuple):
    """An integer program of V columns, R rows and E terms, and where a walk on it is.

    Attributes:
        columns: [V + 1]. ``value``, its bounds ``low`` and ``high``, its ``price`` for each unit; where its terms begin
            (``first``); ``group``, the row in which one column at most is 1, or ``NOTHING``; the move that has changed
            it last (``moved``).
        rows: [R + 1]. ``activity``, the sum of its terms, and its bounds ``low`` and ``high``; what each unit ``below``
            and ``above`` them weighs, and ``least_weight``; where its terms begin (``first``); ``holder``, the column
            that is 1 in a group; whether what is missing or too much is paid for (``pays_below``, ``pays_above``), so
            that it is no violation.
        of_columns: [E]. ``coefficient`` and row (``other``) of each term, by columns.
        of_rows: [E]. ``coefficient`` and column (``other``) of each term, by rows.
        free: int64[F], the columns that may change.
        hubs: int64[H], those of them on which many others hang.
        steps: [1024]. The ``column`` and ``by`` how much it was changed, of the move that is tried.
        pending: int64[1024]. Rows that it has made worse, the last ones first to be mended; those beyond are left out.
        best: float64[V], the best values that violate nothing.
        chances: float64[C], quantiles of the exponential distribution: ``-log`` of a number between 0 and 1.
    """

    columns: Records
    rows: Records
    of_columns: Records
    of_rows: Records
    free: IntArray
    hubs: IntArray
    steps: Records
    pending: IntArray
    best: npt.NDArray[np.float64]
    chances: npt.NDArray[np.float64]


class Payments(NamedTuple):
    """Columns that make up for what is missing in one row each, or is too much, at a price.

    Such a column is no part of the walk: a row that it makes good is paid for.

    Attributes:
        column: int64[P].
        row: int64[P].
        coefficient: float64[P], of the column in the row: 1 or -1.
    """

    column: IntArray
    row: IntArray
    coefficient: npt.NDArray[np.float64]


def read_program(program: LinearProgram, stop: Callable[[], bool] | None = None) -> tuple[Program, Payments]:
    """Return an integer program in arrays, all of whose values are 0, and what is left to payments.

    Args:
        program: what is minimised, over integers.
        stop: asked from time to time; true ends the reading.

    Raises:
        NothingToReadError: a bound is missing or too large, or nothing is free.
        ReadingStoppedError: ``stop`` said so.
    """
    check = StopCheck(stop)
    check.now()
    low, high = program.lower, program.upper
    num_columns, num_rows = len(low), len(program.row_lower)
    farthest = np.maximum(np.abs(low), np.abs(high))
    sums = np.bincount(program.row, np.abs(program.coefficient) * farthest[program.column], num_rows)
    if not (np.append(sums, farthest) <= _LARGEST).all() or (low > high).any():
        raise NothingToReadError(f"expected variables between bounds, and sums of at most {_LARGEST:g}, got others")
    columns, rows = np.zeros(num_columns + 1, dtype=COLUMN), np.zeros(num_rows + 1, dtype=ROW)
    columns["low"][:-1], columns["high"][:-1], columns["price"][:-1] = low, high, program.cost
    columns["first"][1:] = np.cumsum(np.bincount(program.column, minlength=num_columns))
    rows["low"][:-1], rows["high"][:-1] = program.row_lower, program.row_upper
    rows["first"][1:] = np.cumsum(np.bincount(program.row, minlength=num_rows))
    columns["group"] = rows["holder"] = NOTHING
    by_column = np.argsort(program.column, kind="stable")
    payments = _payments(program)
    check.now()
    is_free = (low < high) & (np.diff(columns["first"]) > 0)
    is_free[payments.column] = False
    columns["high"][payments.column] = 0.0
    _pay(rows, program, payments)
    check.now()
    _group(columns, rows, program, is_free, check)
    free = np.flatnonzero(is_free)
    if not len(free):
        raise NothingToReadError("expected variables that rows leave free, got none")
    of_columns, of_rows = np.zeros(len(by_column), dtype=TERM), np.zeros(len(by_column), dtype=TERM)
    of_columns["coefficient"], of_columns["other"] = program.coefficient[by_column], program.row[by_column]
    of_rows["coefficient"], of_rows["other"] = program.coefficient, program.column
    chances = -np.log((np.arange(_CHANCES) + 0.5) / _CHANCES)
    steps = np.zeros(_MOST_STEPS, dtype=STEP)
    return Program(
        columns,
        rows,
        of_columns,
        of_rows,
        free,
        _hubs(program, free),
        steps,
        np.zeros(_MOST_PENDING, dtype=np.int64),
        np.zeros(num_columns),
        chances,
    ), payments


def _hubs(program: LinearProgram, free: IntArray) -> IntArray:
    """Return the columns that are stronger than most; to outweigh all others of a row is as strong as to be in many."""
    size = np.abs(program.coefficient)
    count = np.maximum(np.bincount(program.row, minlength=len(program.row_lower)), 1)
    mean = np.bincount(program.row, size, len(count)) / count
    share = size / np.where(mean > 0, mean, 1)[program.row]
    strength = np.bincount(program.column, share, len(program.lower))[free]
    return free[strength > _HUB * strength.mean()]


def new_walk(program: Program, seed: int) -> Records:
    """Return what a walk goes on with; see ``STATE``."""
    state = np.zeros(1, dtype=STATE)
    largest = _largest(program.columns["price"])
    state["random"] = seed
    state["temperature"], state["hottest"] = _FIRST_TEMPERATURE * largest, _HIGHEST_TEMPERATURE * largest
    state["precision"] = _PRECISION * largest
    return state


def _largest(prices: npt.NDArray[np.float64]) -> float:
    """Return the largest price of all columns, those that are payments among them, or 1."""
    return float(np.abs(prices).max(initial=0.0)) or 1.0


def _payments(program: LinearProgram) -> Payments:
    """Return the columns that can make up for anything in the one row that they are in."""
    alone = np.bincount(program.column, minlength=len(program.lower))[program.column] == 1
    pays = alone & (program.cost[program.column] > 0) & (program.lower[program.column] == 0)
    # Of a row that allows one, all columns are alike: a group.
    pays &= (program.upper[program.column] >= 1) & (program.row_upper[program.row] != 1)
    pays &= np.abs(program.coefficient) == 1  # else it could not make up for each unit at one price
    places = np.flatnonzero(pays)
    row, column, coefficient = program.row[places], program.column[places], program.coefficient[places]
    # What the others of the row can be, at the least and at the most.
    ends = program.coefficient * program.lower[program.column], program.coefficient * program.upper[program.column]
    least, most = (np.bincount(program.row, side(*ends), len(program.row_lower)) for side in (np.minimum, np.maximum))
    whole = coefficient * program.upper[column]
    missing = program.row_lower[row] - (least[row] - np.minimum(whole, 0))
    too_much = most[row] - np.maximum(whole, 0) - program.row_upper[row]
    enough = np.where(coefficient > 0, whole >= missing, -whole >= too_much)
    _, first = np.unique(row * 2 + (coefficient > 0), return_index=True)  # one for each side of a row
    chosen = np.zeros(len(places), dtype=bool)
    chosen[first] = True
    chosen &= enough
    return Payments(column[chosen], row[chosen], coefficient[chosen])


def _pay(rows: Records, program: LinearProgram, payments: Payments) -> None:
    """Let payments say what a side of their row costs; of the others a violation weighs as much as the most costly."""
    sizes = np.maximum(np.bincount(program.row, minlength=len(rows) - 1), 1)
    scale = np.bincount(program.row, np.abs(program.coefficient), len(rows) - 1) / sizes
    weight = _largest(program.cost) / np.where(scale > 0, scale, 1.0)
    rows["below"][:-1] = rows["above"][:-1] = weight
    rows["least_weight"][:-1] = weight * _LEAST_WEIGHT
    for side, pays, chosen in (
        ("below", "pays_below", payments.coefficient > 0),
        ("above", "pays_above", payments.coefficient < 0),
    ):
        rows[side][payments.row[chosen]] = program.cost[payments.column[chosen]]
        rows[pays][payments.row[chosen]] = 1


def _group(
    columns: Records, rows: Records, program: LinearProgram, is_free: npt.NDArray[np.bool_], check: StopCheck
) -> None:
    """Note the rows that allow one of their columns at most; a column is in one group, that of its largest row.

    A move that sets one sets the holder back, so that no such row is violated on the way.
    """
    of = program.column
    simple = (program.coefficient == 1) & (program.lower[of] >= 0) & (program.upper[of] <= 1)
    simple &= np.isin(of, np.flatnonzero(is_free | (program.lower == program.upper)))
    sizes = np.bincount(program.row, minlength=len(rows) - 1)
    whole = np.bincount(program.row, simple, len(rows) - 1) == sizes
    candidates = np.flatnonzero(whole & (program.row_upper == 1) & (sizes > 1))
    exactly = program.row_lower[candidates] == 1
    first, groups = rows["first"], columns["group"]
    for row in candidates[np.lexsort((-sizes[candidates], ~exactly))].tolist():
        check.step()
        members = of[first[row] : first[row + 1]]
        if (groups[members] == NOTHING).all():
            groups[members] = row
