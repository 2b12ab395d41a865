"""Partial Latin squares and their files: MiniZinc data, lsencode, JSON lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from nnsearch.problems.files.grid import Coding, Row, read_grid, read_order
from nnsearch.problems.files.json_lines import JSON_ENDING, JsonObject, grid_rows, required, select_objects
from nnsearch.problems.files.source import Spec, error, integer, read_text, shown, the_only_one
from nnsearch.problems.latin_square import problem as latin_square
from nnsearch.problems.rendering import render_square

ENDINGS = (".dzn", ".pls", JSON_ENDING)


@dataclass(frozen=True, eq=False)
class PartialLatinSquare:
    """A partial Latin square to complete.

    Args:
        name: the stem of the file, or the name inside a ``.jsonl`` file.
        grid: int64[order, order], 0 = hole, else the value 1..order of the cell; no value twice in a row or a column.
    """

    name: str
    grid: npt.NDArray[np.int64]

    problem: ClassVar[str] = latin_square.LatinSquare.name

    @property
    def order(self) -> int:
        """The number of rows, of columns and of values."""
        return len(self.grid)

    @property
    def num_holes(self) -> int:
        """The number of cells without a value."""
        return int((self.grid == 0).sum())

    def build(self) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
        """Build the CP-SAT model; its variables are the cells, row by row.

        Raises:
            InstanceError: the grid is not square, is not of integers, or has a value outside 0..order.
        """
        return latin_square.LatinSquare(self.order).build(self.grid)

    def is_solution(self, values: Sequence[int]) -> bool:
        """Tell whether the values, int[order * order] row by row, complete the square. Independent of any solver."""
        if len(values) != self.order**2:
            return False
        return latin_square.is_solution(np.asarray(values).reshape(self.order, -1), self.grid)

    def render(self, values: Sequence[int] | None, colour: bool) -> str:
        """Return the square, one row a line; see :class:`nnsearch.problems.Problem`."""
        if values is None:
            return render_square(self.grid, self.grid, colour=False)
        return render_square(np.asarray(values).reshape(self.order, -1), self.grid, colour)

    def describe(self) -> str:
        """Return the order and the number of holes."""
        return f"order {self.order}, {self.num_holes} holes"


def read_instance(spec: str | Path) -> PartialLatinSquare:
    """Read one instance.

    Args:
        spec: a ``.dzn`` or ``.pls`` file, ``FILE.jsonl#NAME``, or a ``.jsonl`` file that has only one Latin square.

    Returns:
        The instance; its rows and columns hold no value twice, but it need not be extendable.

    Raises:
        InstanceError: the file cannot be read, is malformed, or has several instances and ``spec`` names none.

    Example:
        >>> read_instance("nnsearch/demo.dzn").num_holes
        1050
    """
    return the_only_one(Spec.parse(spec), read_latin_squares(spec))


def read_instances(specs: Iterable[str | Path]) -> list[PartialLatinSquare]:
    """Read several instances, in the order given.

    Args:
        specs: what ``read_instance`` takes; a ``.jsonl`` file without ``#NAME`` stands for all of its Latin squares, in
            the order of the file, and its objects of other families are left out.

    Returns:
        The instances, at least one for each spec.

    Raises:
        InstanceError: a file cannot be read or is malformed, or a ``.jsonl`` file has no Latin square at all.
    """
    return [instance for spec in specs for instance in read_latin_squares(spec).values()]


class _Token(NamedTuple):
    text: str
    line: int


_DZN = Coding(first_value=1, hole=0, hole_text="0 or _")
_PLS = Coding(first_value=0, hole=-1, hole_text="-1")
_JSON = Coding(first_value=1, hole=0, hole_text="0")

_DZN_TOKEN = re.compile(
    r"""  \s+ | %[^\n]* | /\*.*?\*/                                # space and comments
        | (?P<token> "(?:\\.|[^"\\\n])*" | [-+]?[\w.]+ | . )     # a string, a word or number, any other character
    """,
    re.VERBOSE | re.DOTALL,
)


def read_latin_squares(spec: str | Path) -> dict[str, PartialLatinSquare]:
    """Return all Latin squares that a spec stands for, at least one, by what selects them after ``#``."""
    source = Spec.parse(spec)
    path, text = source.path, read_text(source.path, ENDINGS)
    match path.suffix.lower():
        case ".dzn":
            return {path.stem: _read_dzn(path, text)}
        case ".pls":
            return {path.stem: _read_pls(path, text)}
        case _:
            objects = select_objects(source, text, PartialLatinSquare.problem)
            return {name: _from_json(path, content) for name, content in objects.items()}


def _read_dzn(path: Path, text: str) -> PartialLatinSquare:
    values: dict[str, list[_Token]] = {}
    for item in _dzn_items(text):
        name, line = item[0]
        # A second "=" is the next assignment, after a missing semicolon.
        if len(item) < 3 or [i for i, token in enumerate(item) if token.text == "="] != [1] or not name.isidentifier():
            raise error(path, line, f"expected 'NAME = VALUE;', got {shown(_joined(item))}")
        key = "N" if name == "n" else name
        if key in values:
            raise error(path, line, f"expected {key} to be assigned once, got a second assignment")
        values[key] = item[2:]
    for key, form in (("N", "N = INTEGER;"), ("start", "start = [| ROW | ... | ROW |];")):
        if key not in values:
            raise error(path, None, f"expected an assignment '{form}', got none")
    order_line = values["N"][0].line
    order = read_order(
        path, order_line, integer(values["N"][0].text) if len(values["N"]) == 1 else _joined(values["N"])
    )
    return PartialLatinSquare(
        path.stem, read_grid(path, values["start"][0].line, order, _dzn_rows(path, values["start"]), _DZN)
    )


def _dzn_items(text: str) -> Iterator[list[_Token]]:
    """Yield the tokens of each item of a MiniZinc data file, without the semicolon."""
    item: list[_Token] = []
    line = 1
    for match in _DZN_TOKEN.finditer(text):
        token = match["token"]
        if token == ";":
            if item:
                yield item
            item = []
        elif token:
            item.append(_Token(token, line))
        line += match[0].count("\n")
    if item:  # the last semicolon is optional
        yield item


def _joined(tokens: list[_Token]) -> str:
    return " ".join(token.text for token in tokens)


def _dzn_rows(path: Path, tokens: list[_Token]) -> list[Row]:
    """Return the rows of the array literal ``[| a, b | c, d |]``."""
    texts = [token.text for token in tokens]
    if texts[:2] != ["[", "|"]:
        raise error(path, tokens[0].line, f"expected 'start = [| ROW | ... | ROW |];', got {shown(_joined(tokens))}")
    if texts[-2:] != ["|", "]"]:
        raise error(path, tokens[-1].line, f"expected '|];' after the last row, got {shown(_joined(tokens[-3:]))}")
    rows: list[Row] = []
    row: list[_Token] = []
    for token in tokens[2:-1]:
        if token.text != "|":
            row.append(token)
            continue
        line = row[0].line if row else token.line
        # Values and commas alternate; MiniZinc allows a comma after the last value.
        if any((cell.text == ",") != (i % 2 == 1) for i, cell in enumerate(row)):
            got = shown(_joined(row))
            raise error(path, line, f"expected values separated by single commas in row {len(rows) + 1}, got {got}")
        rows.append(Row(line, [_DZN.hole if cell.text == "_" else integer(cell.text) for cell in row[::2]]))
        row = []
    if rows and not rows[-1].entries:  # "| |]" closes the last row twice
        rows.pop()
    return rows


def _read_pls(path: Path, text: str) -> PartialLatinSquare:
    # Not splitlines(): it also splits at characters that no editor counts as the end of a line.
    lines = [(number, line.split()) for number, line in enumerate(text.split("\n"), start=1)]
    header = next((i for i, (_, words) in enumerate(lines) if words[:1] == ["order"]), None)
    if header is None:
        raise error(path, 1, f"expected a line 'order N', got none; the file begins with {shown(text.lstrip())}")
    order_line, words = lines[header]
    order = read_order(path, order_line, integer(words[1]) if len(words) == 2 else " ".join(words[1:]))
    rows = [Row(number, [integer(word) for word in words]) for number, words in lines[header + 1 :] if words]
    return PartialLatinSquare(path.stem, read_grid(path, order_line, order, rows, _PLS))


def _from_json(path: Path, content: JsonObject) -> PartialLatinSquare:
    line = content.line
    order = read_order(path, line, required(path, content, "order"))
    return PartialLatinSquare(content.fields["name"], read_grid(path, line, order, grid_rows(path, content), _JSON))
