"""Instances as JSON lines: one object per line, with a name; what else an object has says which family it is of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnsearch.errors import InstanceError
from nnsearch.problems.files.grid import Coding, GridRow, read_grid, read_order
from nnsearch.problems.files.source import error, read_text, shown

_CODING = Coding(first_value=1, hole=0, hole_text="0")


class JsonObject(NamedTuple):
    """An object as the file has it, with a string under ``name``."""

    path: Path
    line: int
    fields: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of the instance."""
        return str(self.fields["name"])

    def error(self, message: str) -> InstanceError:
        """Return the error that names the place of the object."""
        return error(self.path, self.line, message)

    def required(self, key: str) -> Any:
        """Return the value of a key that must be there."""
        if key not in self.fields:
            raise self.error(f'expected the key "{key}" in {shown(self.name)}, got none')
        return self.fields[key]

    def order(self) -> int:
        """Return the number under ``order``, 1 or more."""
        return read_order(self.path, self.line, self.required("order"))

    def grid(self, order: int) -> npt.NDArray[np.int64]:
        """Return what is under ``grid``, int64[order, order], 0 = hole."""
        grid = self.required("grid")
        if not isinstance(grid, list) or not all(isinstance(row, list) for row in grid):
            raise self.error(f'expected "grid" to be a list of rows, each a list, got {shown(grid)}')
        return read_grid(self.path, self.line, order, [GridRow(self.line, row) for row in grid], _CODING)


def read_objects(path: Path) -> dict[str, JsonObject]:
    """Return the objects of a file by name, at least one.

    Raises:
        InstanceError: The file cannot be read or is empty, or a line is not an object with a name of its own.
    """
    objects: dict[str, JsonObject] = {}
    # Not splitlines(): it also splits at characters that no editor counts as the end of a line.
    for line, content in enumerate(read_text(path).split("\n"), start=1):
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
        objects[name] = JsonObject(path, line, fields)
    if not objects:
        raise error(path, None, "expected one JSON object per line, got an empty file")
    return objects
