"""Readers of partial Latin squares: MiniZinc data, lsencode, JSON lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from nnsearch.problems.files.grid import Coding, GridRow, read_grid, read_order
from nnsearch.problems.files.json_lines import JsonObject
from nnsearch.problems.files.source import Spec, error, integer, read_text, shown
from nnsearch.problems.latin_square.problem import PartialLatinSquare


def read_dzn_or_pls(source: Spec) -> dict[str, PartialLatinSquare]:
    """Return the Latin square in a ``.dzn`` or ``.pls`` file, by the stem of the file."""
    text = read_text(source.path)
    return {source.stem: _read_dzn(source, text) if source.ending == ".dzn" else _read_pls(source, text)}


def read_json(content: JsonObject) -> PartialLatinSquare:
    """Return the Latin square that an object of JSON lines is."""
    return PartialLatinSquare(content.name, content.grid(content.order()))


class _Token(NamedTuple):
    text: str
    line: int


_DZN = Coding(first_value=1, hole=0, hole_text="0 or _")
_PLS = Coding(first_value=0, hole=-1, hole_text="-1")

_DZN_TOKEN = re.compile(
    r"""  \s+ | %[^\n]* | /\*.*?\*/                                # space and comments
        | (?P<token> "(?:\\.|[^"\\\n])*" | [-+]?[\w.]+ | . )     # a string, a word or number, any other character
    """,
    re.VERBOSE | re.DOTALL,
)


def _read_dzn(source: Spec, text: str) -> PartialLatinSquare:
    path = source.path
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
    order = read_order(path, values["N"][0].line, integer(_joined(values["N"])))
    rows = _dzn_rows(path, values["start"])
    return PartialLatinSquare(source.stem, read_grid(path, values["start"][0].line, order, rows, _DZN))


def _dzn_items(text: str) -> Iterator[list[_Token]]:
    """Yield the tokens of each item of a MiniZinc data file, without the semicolon; the last one is optional."""
    tokens: list[_Token] = []
    line = 1
    for match in _DZN_TOKEN.finditer(text):
        if match["token"]:
            tokens.append(_Token(match["token"], line))
        line += match[0].count("\n")
    for is_end, item in groupby(tokens, key=lambda token: token.text == ";"):
        if not is_end:
            yield list(item)


def _joined(tokens: list[_Token]) -> str:
    return " ".join(token.text for token in tokens)


def _dzn_rows(path: Path, tokens: list[_Token]) -> list[GridRow]:
    """Return the rows of the array literal ``[| a, b | c, d |]``."""
    texts = [token.text for token in tokens]
    if texts[:2] != ["[", "|"]:
        raise error(path, tokens[0].line, f"expected 'start = [| ROW | ... | ROW |];', got {shown(_joined(tokens))}")
    if texts[-2:] != ["|", "]"]:
        raise error(path, tokens[-1].line, f"expected '|];' after the last row, got {shown(_joined(tokens[-3:]))}")
    rows: list[GridRow] = []
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
        rows.append(GridRow(line, [_DZN.hole if cell.text == "_" else integer(cell.text) for cell in row[::2]]))
        row = []
    if rows and not rows[-1].entries:  # "| |]" closes the last row twice
        rows.pop()
    return rows


def _read_pls(source: Spec, text: str) -> PartialLatinSquare:
    path = source.path
    # Not splitlines(): it also splits at characters that no editor counts as the end of a line.
    lines = [(number, line.split()) for number, line in enumerate(text.split("\n"), start=1)]
    header = next((i for i, (_, words) in enumerate(lines) if words[:1] == ["order"]), None)
    if header is None:
        raise error(path, 1, f"expected a line 'order N', got none; the file begins with {shown(text.lstrip())}")
    order_line, words = lines[header]
    order = read_order(path, order_line, integer(" ".join(words[1:])))
    rows = [GridRow(number, [integer(word) for word in words]) for number, words in lines[header + 1 :] if words]
    return PartialLatinSquare(source.stem, read_grid(path, order_line, order, rows, _PLS))
