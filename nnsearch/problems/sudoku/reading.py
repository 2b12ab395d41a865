"""Readers of sudokus: lines of characters, JSON lines."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from nnsearch.problems.files.json_lines import JsonObject
from nnsearch.problems.files.source import Spec, error, located, read_text, shown
from nnsearch.problems.sudoku.problem import Sudoku

_VALUES = "123456789ABCDEFGHIJKLMNOP"
_HOLES = ".0"
_VALUE_OF = dict.fromkeys(_HOLES, 0) | {
    character: value for value, upper in enumerate(_VALUES, start=1) for character in (upper, upper.lower())
}
_SIZES = {box**4: box for box in (2, 3, 4, 5)}  # characters -> box size


def read_characters(source: Spec) -> dict[str, Sudoku]:
    """Return the sudokus in a file of characters, at least one, by what selects them after ``#``.

    Args:
        source: A ``.sdk`` file, or a file with a sudoku in each line and perhaps the number of a line.

    Raises:
        InstanceError: The file cannot be read, is malformed, or has no such sudoku.
    """
    path, text = source.path, read_text(source.path)
    lines = {
        number: line.strip()
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not line.startswith("#")
    }
    if not lines:
        raise error(path, None, "expected a sudoku, one character a cell, got an empty file")
    if source.ending == ".sdk":
        return {source.stem: _from_characters(path, source.stem, lines)}
    chosen = source.select({str(number): number for number in lines})
    only = len(lines) == 1
    return {
        key: _from_characters(path, source.stem if only else f"{source.stem}-{key}", {number: lines[number]})
        for key, number in chosen.items()
    }


def _from_characters(path: Path, name: str, lines: dict[int, str]) -> Sudoku:
    """Return the sudoku whose cells are the characters of the lines."""
    cells = [(number, character) for number, line in lines.items() for character in line]
    first = cells[0][0]
    if len(cells) not in _SIZES:
        form = "in all lines together" if Spec(path).ending == ".sdk" else "in a line"
        raise error(path, first, f"expected 16, 81, 256 or 625 characters {form}, got {len(cells)}")
    order = _SIZES[len(cells)] ** 2
    grid = []
    for index, (number, character) in enumerate(cells):
        value = _VALUE_OF.get(character)
        if value is None or value > order:
            legal = f"values 1..{_VALUES[order - 1]}, or . or 0 for a hole"
            place = f"row {index // order + 1}, column {index % order + 1}"
            raise error(path, number, f"expected {legal}, got {shown(character)} in {place}")
        grid.append(value)
    if {character for _, character in cells} >= set(_HOLES):
        raise error(path, first, "expected one character for holes, got . and 0; no value is 0, so write . for holes")
    with located(path, first):
        return Sudoku(name, np.array(grid, dtype=np.int64).reshape(order, order))


def read_json(content: JsonObject) -> Sudoku:
    """Return the sudoku that an object of JSON lines is."""
    order, box = content.order(), content.fields["box"]
    if type(box) is not int or box != math.isqrt(order) or box**2 != order:
        raise content.error(f"expected a box size whose square is the order {order}, got {shown(box)}")
    grid = content.grid(order)
    with located(content.path, content.line):
        return Sudoku(content.name, grid)
