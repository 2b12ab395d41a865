"""Instances as JSON lines: one object per line, with a name; what else an object has says which family it is of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from nnsearch.problems.files.grid import Row
from nnsearch.problems.files.source import Spec, error, shown

JSON_ENDING = ".jsonl"

_ARTICLED = {"latin-square": "a Latin square", "sudoku": "a sudoku", "n-queens": "n-queens completion"}


class JsonObject(NamedTuple):
    """An object as the file has it, with a string under ``name``."""

    line: int
    fields: dict[str, Any]


def read_objects(path: Path, text: str) -> dict[str, JsonObject]:
    """Return the objects of a file by name, at least one.

    Raises:
        InstanceError: a line is not an object with a name of its own, or the file is empty.
    """
    objects: dict[str, JsonObject] = {}
    # Not splitlines(): it also splits at characters that no editor counts as the end of a line.
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            fields = json.loads(content)
        except (ValueError, RecursionError) as problem:
            reason = (
                f"{problem.msg} at column {problem.colno}" if isinstance(problem, json.JSONDecodeError) else problem
            )
            raise error(path, line, f"expected one JSON object per line, got invalid JSON: {reason}") from None
        if not isinstance(fields, dict) or not isinstance(fields.get("name"), str):
            raise error(path, line, f'expected a JSON object with a string "name", got {shown(fields)}')
        name = fields["name"]
        if name in objects:
            got = f"{shown(name)}, the name of line {objects[name].line}"
            raise error(path, line, f"expected distinct names, got {got}")
        objects[name] = JsonObject(line, fields)
    if not objects:
        raise error(path, None, "expected one JSON object per line, got an empty file")
    return objects


def family(content: JsonObject) -> str:
    """Return the problem family of an object: ``placed`` is for queens, a ``box`` makes a sudoku."""
    if "placed" in content.fields:
        return "n-queens"
    return "latin-square" if content.fields.get("box") is None else "sudoku"


def select_objects(source: Spec, text: str, problem: str) -> dict[str, JsonObject]:
    """Return the object that a spec names, or every object of a family when it names none; at least one.

    Raises:
        InstanceError: the file is malformed, has no such name, or what is named is of another family.
    """
    objects = read_objects(source.path, text)
    fitting = {name: content for name, content in objects.items() if family(content) == problem}
    if source.selector is None:
        # Without an object of the family in the file, the first one makes the error.
        chosen = fitting or dict(list(objects.items())[:1])
    else:
        chosen = source.select(objects, among=fitting)
    for line, fields in chosen.values():
        got = family(JsonObject(line, fields))
        if got != problem:
            reasons = {"sudoku": f"its box is {shown(fields.get('box'))}, not null", "n-queens": 'it has "placed"'}
            reason = reasons.get(got, "its box is null or absent")
            raise error(source.path, line, f"expected {_ARTICLED[problem]}, got {_ARTICLED[got]}: {reason}")
    return chosen


def required(path: Path, content: JsonObject, key: str) -> Any:
    """Return the value of a key that must be there."""
    if key not in content.fields:
        raise error(path, content.line, f'expected the key "{key}" in {shown(content.fields["name"])}, got none')
    return content.fields[key]


def grid_rows(path: Path, content: JsonObject) -> list[Row]:
    """Return the rows under ``grid``, whatever is in them."""
    grid = required(path, content, "grid")
    if not isinstance(grid, list) or not all(isinstance(row, list) for row in grid):
        raise error(path, content.line, f'expected "grid" to be a list of rows, each a list, got {shown(grid)}')
    return [Row(content.line, row) for row in grid]
