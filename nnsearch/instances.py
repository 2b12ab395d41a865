r"""Readers of partial Latin square instances, by the ending of the file.

``.dzn``
    MiniZinc data, as CSPLib problem 067 has it: ``N = 3; start = [| 1, 0, _ | ... | ... |];``. Values are 1..N, ``0``
    or ``_`` is a hole, ``n`` may stand for ``N``. Comments and every other assignment are ignored.
``.pls``
    The format of lsencode, the generator of Gomes, Kautz and Ruan: a line ``order N``, then one line per row.
    Values are 0..N-1 and -1 is a hole; they are shifted to 1..N and 0 here. Lines before ``order N`` are ignored, as
    lsencode does.
``.jsonl``
    One JSON object per line: ``name``, ``order``, ``grid`` (a list of rows; values 1..N, 0 = hole) and ``box``, which
    is null or absent for a Latin square; an object with a ``box`` is a sudoku. ``FILE.jsonl#NAME`` is one instance.

Every error is one line, ``FILE:LINE: expected ..., got ...``, without ``LINE`` when the whole file is at fault. Lines,
rows and columns count from 1, and values are quoted as the file has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnsearch.errors import InstanceError


@dataclass(frozen=True, eq=False)
class Instance:
    """A partial Latin square to complete.

    Args:
        name: the stem of the file, or the name inside a ``.jsonl`` file.
        grid: int64[order, order], 0 = hole, else the value 1..order of the cell; no value twice in a row or a column.
    """

    name: str
    grid: npt.NDArray[np.int64]

    @property
    def order(self) -> int:
        """The number of rows, of columns and of values."""
        return len(self.grid)

    @property
    def num_holes(self) -> int:
        """The number of cells without a value."""
        return int((self.grid == 0).sum())


def read_instance(spec: str | Path) -> Instance:
    """Read one instance.

    Args:
        spec: a ``.dzn`` or ``.pls`` file, ``FILE.jsonl#NAME``, or a ``.jsonl`` file that has only one Latin square.

    Returns:
        The instance; its rows and columns hold no value twice, but it need not be extendable.

    Raises:
        InstanceError: the file cannot be read, is malformed, or has several instances and ``spec`` names none.

    Example:
        >>> read_instance("nnsearch/demo.dzn").num_holes
        58
    """
    instances = _read(spec)
    if len(instances) > 1:
        names = _first_names(instance.name for instance in instances)
        raise _error(Path(spec), None, f"expected one instance, got {len(instances)}; add #NAME, one of {names}")
    return instances[0]


def read_instances(specs: Iterable[str | Path]) -> list[Instance]:
    """Read several instances, in the order given.

    Args:
        specs: what ``read_instance`` takes; a ``.jsonl`` file without ``#NAME`` stands for all of its Latin squares, in
            the order of the file, and its sudokus are left out.

    Returns:
        The instances, at least one for each spec.

    Raises:
        InstanceError: a file cannot be read or is malformed, or a ``.jsonl`` file has no Latin square at all.
    """
    return [instance for spec in specs for instance in _read(spec)]


class _Coding(NamedTuple):
    """How a format writes values."""

    first_value: int
    hole: int
    hole_text: str


class _Row(NamedTuple):
    """A row as the file has it: integers, or whatever else stands in their place."""

    line: int
    entries: list[Any]


class _Token(NamedTuple):
    text: str
    line: int


_DZN = _Coding(first_value=1, hole=0, hole_text="0 or _")
_PLS = _Coding(first_value=0, hole=-1, hole_text="-1")
_JSON = _Coding(first_value=1, hole=0, hole_text="0")

_DZN_TOKEN = re.compile(
    r"""  \s+ | %[^\n]* | /\*.*?\*/                                # space and comments
        | (?P<token> "(?:\\.|[^"\\\n])*" | [-+]?[\w.]+ | . )     # a string, a word or number, any other character
    """,
    re.VERBOSE | re.DOTALL,
)


def _read(spec: str | Path) -> list[Instance]:
    """Return all instances that a spec stands for, at least one."""
    named = re.fullmatch(r"(.*?\.jsonl)#(.*)", str(spec), re.IGNORECASE | re.DOTALL)
    path = Path(named[1] if named else spec)
    text = _text(path)
    match path.suffix.lower():
        case ".dzn":
            return [_read_dzn(path, text)]
        case ".pls":
            return [_read_pls(path, text)]
        case _:
            return _read_jsonl(path, text, named[2] if named else None)


def _text(path: Path) -> str:
    """Return the text of a file that a reader exists for."""
    # A path that no file can have makes is_dir() raise too.
    try:
        if path.is_dir():
            raise _error(path, None, f"expected a file, got a directory; give its files, such as {path / '*.dzn'}")
        if path.suffix.lower() not in (".dzn", ".pls", ".jsonl"):
            ending = _shown(path.suffix) if path.suffix else "no ending"
            raise _error(path, None, f"expected a file that ends in .dzn, .pls, .jsonl or .jsonl#NAME, got {ending}")
        content = path.read_bytes()
    except FileNotFoundError:
        raise _error(path, None, "expected a file, got nothing at this path") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise _error(path, None, f"expected a file that can be read, got the error: {reason}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _error(path, line, f"expected UTF-8 text, got the byte 0x{content[error.start]:02x}") from None


def _read_dzn(path: Path, text: str) -> Instance:
    values: dict[str, list[_Token]] = {}
    for item in _dzn_items(text):
        name, line = item[0]
        # A second "=" is the next assignment, after a missing semicolon.
        if len(item) < 3 or [i for i, token in enumerate(item) if token.text == "="] != [1] or not name.isidentifier():
            raise _error(path, line, f"expected 'NAME = VALUE;', got {_shown(item)}")
        key = "N" if name == "n" else name
        if key in values:
            raise _error(path, line, f"expected {key} to be assigned once, got a second assignment")
        values[key] = item[2:]
    for key, form in (("N", "N = INTEGER;"), ("start", "start = [| ROW | ... | ROW |];")):
        if key not in values:
            raise _error(path, None, f"expected an assignment '{form}', got none")
    order_line = values["N"][0].line
    order = _order(path, order_line, _number(values["N"][0].text) if len(values["N"]) == 1 else values["N"])
    return Instance(path.stem, _grid(path, values["start"][0].line, order, _dzn_rows(path, values["start"]), _DZN))


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


def _dzn_rows(path: Path, tokens: list[_Token]) -> list[_Row]:
    """Return the rows of the array literal ``[| a, b | c, d |]``."""
    texts = [token.text for token in tokens]
    if texts[:2] != ["[", "|"]:
        raise _error(path, tokens[0].line, f"expected 'start = [| ROW | ... | ROW |];', got {_shown(tokens)}")
    if texts[-2:] != ["|", "]"]:
        raise _error(path, tokens[-1].line, f"expected '|];' after the last row, got {_shown(tokens[-3:])}")
    rows: list[_Row] = []
    row: list[_Token] = []
    for token in tokens[2:-1]:
        if token.text != "|":
            row.append(token)
            continue
        line = row[0].line if row else token.line
        # Values and commas alternate; MiniZinc allows a comma after the last value.
        if any((cell.text == ",") != (i % 2 == 1) for i, cell in enumerate(row)):
            got = _shown(row)
            raise _error(path, line, f"expected values separated by single commas in row {len(rows) + 1}, got {got}")
        rows.append(_Row(line, [_DZN.hole if cell.text == "_" else _number(cell.text) for cell in row[::2]]))
        row = []
    if rows and not rows[-1].entries:  # "| |]" closes the last row twice
        rows.pop()
    return rows


def _read_pls(path: Path, text: str) -> Instance:
    # Not splitlines(), here and below: it also splits at characters that no editor counts as the end of a line.
    lines = [(number, line.split()) for number, line in enumerate(text.split("\n"), start=1)]
    header = next((i for i, (_, words) in enumerate(lines) if words[:1] == ["order"]), None)
    if header is None:
        raise _error(path, 1, f"expected a line 'order N', got none; the file begins with {_shown(text.lstrip())}")
    order_line, words = lines[header]
    order = _order(path, order_line, _number(words[1]) if len(words) == 2 else " ".join(words[1:]))
    rows = [_Row(number, [_number(word) for word in words]) for number, words in lines[header + 1 :] if words]
    return Instance(path.stem, _grid(path, order_line, order, rows, _PLS))


def _read_jsonl(path: Path, text: str, name: str | None) -> list[Instance]:
    """Return the instance of that name, or every Latin square when the name is None."""
    squares: dict[str, tuple[int, dict[str, Any]]] = {}
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            square = json.loads(content)
        except (ValueError, RecursionError) as error:
            reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else error
            raise _error(path, line, f"expected one JSON object per line, got invalid JSON: {reason}") from None
        if not isinstance(square, dict) or not isinstance(square.get("name"), str):
            raise _error(path, line, f'expected a JSON object with a string "name", got {_shown(square)}')
        if square["name"] in squares:
            first, _ = squares[square["name"]]
            raise _error(path, line, f"expected distinct names, got {_shown(square['name'])}, the name of line {first}")
        squares[square["name"]] = line, square
    if not squares:
        raise _error(path, None, "expected one JSON object per line, got an empty file")
    latin = {key: square for key, square in squares.items() if square[1].get("box") is None}
    if name is None:
        # Without a Latin square in the file, the first sudoku makes the error.
        return [_from_json(path, *square) for square in latin.values() or list(squares.values())[:1]]
    if name not in squares:
        raise _error(path, None, f"expected #NAME, one of {_first_names(latin)}, got {_shown(name)}")
    return [_from_json(path, *squares[name])]


def _from_json(path: Path, line: int, square: dict[str, Any]) -> Instance:
    if square.get("box") is not None:
        raise _error(path, line, f"expected a Latin square, got a sudoku: its box is {_shown(square['box'])}, not null")
    for key in ("order", "grid"):
        if key not in square:
            raise _error(path, line, f'expected the key "{key}" in {_shown(square["name"])}, got none')
    order, grid = _order(path, line, square["order"]), square["grid"]
    if not isinstance(grid, list) or not all(isinstance(row, list) for row in grid):
        raise _error(path, line, f'expected "grid" to be a list of rows, each a list, got {_shown(grid)}')
    return Instance(square["name"], _grid(path, line, order, [_Row(line, row) for row in grid], _JSON))


def _grid(path: Path, line: int, order: int, rows: list[_Row], coding: _Coding) -> npt.NDArray[np.int64]:
    """Check the rows and return int64[order, order], 0 = hole.

    Args:
        path: the file, for error messages.
        line: where the rows were announced, for the error that there are none.
        order: the expected number of rows and of values in a row.
        rows: the rows of the file.
        coding: how the file writes values.
    """
    if len(rows) != order:
        at = rows[order].line if len(rows) > order else rows[-1].line if rows else line
        raise _error(path, at, f"expected {_shown(order)} rows, got {len(rows)}")
    last_value = coding.first_value + order - 1
    row_of: dict[tuple[int, int], int] = {}  # (column, value) -> the row that has it
    for r, (at, entries) in enumerate(rows, start=1):
        if len(entries) != order:
            raise _error(path, at, f"expected {order} values in row {r}, got {len(entries)}")
        column_of: dict[int, int] = {}
        for c, value in enumerate(entries, start=1):
            if type(value) is not int:  # JSON true is an int to isinstance
                raise _error(path, at, f"expected integers in row {r}, got {_shown(value)} in column {c}")
            if value == coding.hole:
                continue
            if not coding.first_value <= value <= last_value:
                legal = f"values {coding.first_value}..{last_value}, or {coding.hole_text} for a hole"
                raise _error(path, at, f"expected {legal}, got {_shown(value)} in row {r}, column {c}")
            if value in column_of:
                got = f"the value {value} in columns {column_of[value]} and {c}"
                raise _error(path, at, f"expected distinct values in row {r}, got {got}")
            if (c, value) in row_of:
                got = f"the value {value} in rows {row_of[c, value]} and {r}"
                raise _error(path, at, f"expected distinct values in column {c}, got {got}")
            column_of[value] = c
            row_of[c, value] = r
    grid = np.array([entries for _, entries in rows], dtype=np.int64)
    return np.where(grid == coding.hole, 0, grid - coding.first_value + 1)


def _order(path: Path, line: int, value: object) -> int:
    if type(value) is not int or value < 1:
        raise _error(path, line, f"expected the order to be an integer, 1 or more, got {_shown(value)}")
    return value


def _number(word: str) -> int | str:
    """Return the integer that a word spells, or the word; int() alone also takes ``1_0`` and digits of any script."""
    return int(word) if re.fullmatch(r"[-+]?[0-9]{1,18}", word) else word


def _shown(value: object) -> str:
    """Quote what a file has, cut to a length that fits a message."""
    if isinstance(value, list) and value and isinstance(value[0], _Token):
        value = " ".join(token.text for token in value)
    if isinstance(value, list | dict):  # long, and perhaps nested too deeply to be written
        return "a list" if isinstance(value, list) else "an object"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."


def _first_names(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return ", ".join(_shown(name) for name in listed[:3]) + more


def _error(path: Path, line: int | None, message: str) -> InstanceError:
    text = f"{path}: {message}" if line is None else f"{path}:{line}: {message}"
    # One line, whatever a file or its name holds.
    return InstanceError("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))
