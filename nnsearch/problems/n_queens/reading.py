"""Readers of n-queens completion: boards, JSON lines."""

from __future__ import annotations

from pathlib import Path

from nnsearch.problems.files.json_lines import JSON_ENDING, JsonObject, required, select_objects
from nnsearch.problems.files.source import Spec, error, located, read_text, shown
from nnsearch.problems.n_queens.problem import QueensCompletion

ENDINGS = (".txt", JSON_ENDING)


def read_queens(spec: str | Path) -> dict[str, QueensCompletion]:
    """Return all boards that a spec stands for, at least one, by what selects them after ``#``.

    Args:
        spec: a ``.txt`` file with one board, ``FILE.jsonl#NAME``, or a ``.jsonl`` file for all of its boards; objects
            of other families are left out.

    Raises:
        InstanceError: the file cannot be read, is malformed, or has no such board.
    """
    source = Spec.parse(spec)
    path, text = source.path, read_text(source.path, ENDINGS)
    if path.suffix.lower() == JSON_ENDING:
        objects = select_objects(source, text, QueensCompletion.problem)
        return {name: _from_json(path, content) for name, content in objects.items()}
    if source.selector is not None:
        raise error(path, None, f"expected one board in the file, got #{source.selector}; leave that out")
    return {path.stem: _read_board(path, text)}


def _read_board(path: Path, text: str) -> QueensCompletion:
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
        return QueensCompletion(path.stem, size, tuple(placed))


def _from_json(path: Path, content: JsonObject) -> QueensCompletion:
    line = content.line
    size, placed = required(path, content, "size"), required(path, content, "placed")
    if type(size) is not int:
        raise error(path, line, f"expected the size to be an integer, 1 or more, got {shown(size)}")
    if not isinstance(placed, list) or not all(_is_pair(square) for square in placed):
        raise error(path, line, f'expected "placed" to be a list of [row, column], got {shown(placed)}')
    with located(path, line):
        return QueensCompletion(content.fields["name"], size, tuple((row, column) for row, column in placed))


def _is_pair(square: object) -> bool:
    return isinstance(square, list) and len(square) == 2 and all(type(number) is int for number in square)
