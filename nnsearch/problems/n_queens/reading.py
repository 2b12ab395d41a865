"""Readers of n-queens completion: boards, JSON lines."""

from __future__ import annotations

from nnsearch.problems.files.json_lines import JsonObject
from nnsearch.problems.files.source import Spec, error, located, read_text, shown
from nnsearch.problems.n_queens.problem import QueensCompletion


def read_board(source: Spec) -> dict[str, QueensCompletion]:
    """Return the board in a ``.txt`` file, by the stem of the file.

    Raises:
        InstanceError: The file cannot be read or is malformed, or a part of it is selected.
    """
    path, text = source.path, read_text(source.path)
    if source.selector is not None:
        raise error(path, None, f"expected one board in the file, got #{source.selector}; leave that out")
    rows = {
        number: squares for number, line in enumerate(text.split("\n"), start=1) if (squares := "".join(line.split()))
    }
    if not rows:
        raise error(path, None, "expected a board, Q for a queen and . for an empty square, got an empty file")
    size = len(rows)
    for number, squares in rows.items():
        strange = squares.strip("Q.")
        if strange:
            raise error(path, number, f"expected Q for a queen or . for an empty square, got {shown(strange[0])}")
        if len(squares) != size:
            raise error(path, number, f"expected {size} squares, as many as rows, got {len(squares)}")
    placed = [
        (row, column) for row, squares in enumerate(rows.values()) for column, c in enumerate(squares) if c == "Q"
    ]
    with located(path, None):
        return {source.stem: QueensCompletion(source.stem, size, tuple(placed))}


def read_json(content: JsonObject) -> QueensCompletion:
    """Return the board that an object of JSON lines is."""
    size, placed = content.required("size"), content.required("placed")
    if type(size) is not int:
        raise content.error(f"expected the size to be an integer, 1 or more, got {shown(size)}")
    if not isinstance(placed, list) or not all(_is_pair(square) for square in placed):
        raise content.error(f'expected "placed" to be a list of [row, column], got {shown(placed)}')
    with located(content.path, content.line):
        return QueensCompletion(content.name, size, tuple((row, column) for row, column in placed))


def _is_pair(square: object) -> bool:
    return isinstance(square, list) and len(square) == 2 and all(type(number) is int for number in square)
