"""Square grids of values, as several formats have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnsearch.problems.files.source import error, shown


class Coding(NamedTuple):
    """How a format writes values."""

    first_value: int
    hole: int
    hole_text: str


class GridRow(NamedTuple):
    """A row as the file has it: integers, or whatever else stands in their place."""

    line: int
    entries: list[Any]


def read_grid(path: Path, line: int, order: int, rows: list[GridRow], coding: Coding) -> npt.NDArray[np.int64]:
    """Check the rows and return int64[order, order], 0 = hole; ``line`` is where the file announced them."""
    if len(rows) != order:
        at = rows[order].line if len(rows) > order else rows[-1].line if rows else line
        raise error(path, at, f"expected {shown(order)} rows, got {len(rows)}")
    last_value = coding.first_value + order - 1
    row_of: dict[tuple[int, int], int] = {}  # (column, value) -> the row that has it
    for r, (at, entries) in enumerate(rows, start=1):
        if len(entries) != order:
            raise error(path, at, f"expected {order} values in row {r}, got {len(entries)}")
        column_of: dict[int, int] = {}
        for c, value in enumerate(entries, start=1):
            if type(value) is not int:  # JSON true is an int to isinstance
                raise error(path, at, f"expected integers in row {r}, got {shown(value)} in column {c}")
            if value == coding.hole:
                continue
            if not coding.first_value <= value <= last_value:
                legal = f"values {coding.first_value}..{last_value}, or {coding.hole_text} for a hole"
                raise error(path, at, f"expected {legal}, got {shown(value)} in row {r}, column {c}")
            if value in column_of:
                got = f"the value {value} in columns {column_of[value]} and {c}"
                raise error(path, at, f"expected distinct values in row {r}, got {got}")
            if (c, value) in row_of:
                got = f"the value {value} in rows {row_of[c, value]} and {r}"
                raise error(path, at, f"expected distinct values in column {c}, got {got}")
            column_of[value] = c
            row_of[c, value] = r
    grid = np.array([entries for _, entries in rows], dtype=np.int64)
    return np.where(grid == coding.hole, 0, grid - coding.first_value + 1)


def read_order(path: Path, line: int, value: object) -> int:
    """Return the order that a file has, an integer of 1 or more."""
    if type(value) is not int or value < 1:
        raise error(path, line, f"expected the order to be an integer, 1 or more, got {shown(value)}")
    return value
