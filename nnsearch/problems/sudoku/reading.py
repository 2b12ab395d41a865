"""Readers of sudokus: lines of characters, JSON lines."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from nnsearch.problems.files.grid import Coding, read_grid, read_order
from nnsearch.problems.files.json_lines import JSON_ENDING, JsonObject, grid_rows, required, select_objects
from nnsearch.problems.files.source import Spec, error, located, read_text, shown
from nnsearch.problems.sudoku.problem import Sudoku

ENDINGS = (".sdk", ".sdm", ".sudoku", ".txt", JSON_ENDING)

_VALUES = "123456789ABCDEFGHIJKLMNOP"
_HOLES = ".0"
_VALUE_OF = dict.fromkeys(_HOLES, 0) | {
    character: value for value, upper in enumerate(_VALUES, start=1) for character in (upper, upper.lower())
}
_SIZES = {box**4: box for box in (2, 3, 4, 5)}  # characters -> box size
_JSON = Coding(first_value=1, hole=0, hole_text="0")


def read_sudokus(spec: str | Path) -> dict[str, Sudoku]:
    """Return all sudokus that a spec stands for, at least one, by what selects them after ``#``.

    Args:
        spec: a file, ``FILE.jsonl#NAME``, or ``FILE#LINE`` for a file with a sudoku per line. A ``.jsonl`` file without
            a name stands for all of its sudokus; objects of other families are left out.

    Raises:
        InstanceError: the file cannot be read, is malformed, or has no such sudoku.
    """
    source = Spec.parse(spec)
    path, text = source.path, read_text(source.path, ENDINGS)
    if path.suffix.lower() == JSON_ENDING:
        objects = select_objects(source, text, Sudoku.problem)
        return {name: _from_json(path, content) for name, content in objects.items()}
    lines = {
        number: line.strip()
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not line.startswith("#")
    }
    if not lines:
        raise error(path, None, "expected a sudoku, one character a cell, got an empty file")
    if path.suffix.lower() == ".sdk":
        return {path.stem: _from_characters(path, path.stem, lines)}
    chosen = source.select({str(number): number for number in lines})
    only = len(lines) == 1
    return {
        key: _from_characters(path, path.stem if only else f"{path.stem}-{key}", {number: lines[number]})
        for key, number in chosen.items()
    }


def _from_characters(path: Path, name: str, lines: dict[int, str]) -> Sudoku:
    """Return the sudoku whose cells are the characters of the lines."""
    cells = [(number, character) for number, line in lines.items() for character in line]
    first = cells[0][0]
    if len(cells) not in _SIZES:
        form = "in all lines together" if path.suffix.lower() == ".sdk" else "in a line"
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


def _from_json(path: Path, content: JsonObject) -> Sudoku:
    line = content.line
    order, box = read_order(path, line, required(path, content, "order")), content.fields["box"]
    if type(box) is not int or box != math.isqrt(order) or box**2 != order:
        raise error(path, line, f"expected a box size whose square is the order {order}, got {shown(box)}")
    grid = read_grid(path, line, order, grid_rows(path, content), _JSON)
    with located(path, line):
        return Sudoku(content.fields["name"], grid)
