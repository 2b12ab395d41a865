"""Tables as text, for the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmarks.rendering.parts import Cell, Group, Table
from benchmarks.statistics import short

_LONGEST_HEADING = 60
_NUMBER = re.compile(r"[-+±.\d\[]")


def text(group: Group) -> str:
    """Return the title, the tables, and at the end what their notes say, each once; charts are left out."""
    tables = [block for block in group.blocks if isinstance(block, Table)]
    notes = dict.fromkeys(table.note for table in tables if table.note)
    return "\n\n".join(filter(None, [group.title, *map(_table, tables), "\n".join(notes)]))


def _table(table: Table) -> str:
    """Return the lines of a table; a short title is the heading of the arms."""
    shown = [index for index, name in enumerate(table.columns) if name not in table.page_only]
    headings = [table.columns[index] for index in shown]
    lines = [] if not table.title else [table.title]
    if lines and headings[0] == "arm" and len(table.title) <= _LONGEST_HEADING:
        headings[0] = lines.pop()
    columns = [
        _column(heading, [row.cells[index] for row in table.rows], first=place == 0)
        for place, (heading, index) in enumerate(zip(headings, shown, strict=True))
    ]
    lines += ["  ".join(words).rstrip() for words in zip(*columns, strict=True)]
    return "\n".join(lines)


def _column(heading: str, cells: Sequence[Cell], *, first: bool) -> list[str]:
    words = [heading, *map(_word, cells)]
    width = max(map(len, words))
    is_text = first or not any(_NUMBER.match(word) for word in words[1:] if word != "-")
    return [word.ljust(width) if is_text else word.rjust(width) for word in words]


def _word(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return short(cell)
    return f"{cell:,}" if isinstance(cell, int) else cell
