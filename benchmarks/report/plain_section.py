"""A suite that this project does not know, as one table: what differs in columns, what is alike in the note."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.records import Record
from benchmarks.rendering.parts import Cell, PageSection, Table, TableRow
from benchmarks.rendering.places import place_of

_LONGEST_TEXT = 60


def section(name: str, records: Sequence[Record]) -> PageSection:
    """Return the part of the page of a suite that this project does not know."""
    flats = [_flat(record["config"]) | _flat(record["result"]) for record in records]
    fields = dict.fromkeys(field for flat in flats for field in flat if field != "suite")
    varying = [field for field in fields if len({flat.get(field) for flat in flats}) > 1] or list(fields)
    rows = [
        TableRow([flat.get(field) for field in varying], record["config"].get("arm"), place_of(record))
        for record, flat in zip(records, flats, strict=True)
    ]
    alike = "; ".join(f"{field}: {flats[0][field]}" for field in fields if field not in varying)
    table = Table("All results", [field.replace("_", " ") for field in varying], rows, f"The same for all: {alike}.")
    return PageSection(name, name, "A suite of its own, as it was recorded.", [table])


def _flat(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Cell]:
    """Return what a cell can show; objects are laid open, long lists are counted."""
    flat: dict[str, Cell] = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        elif value is None or (isinstance(value, int | float | str) and not isinstance(value, bool)):
            flat[f"{prefix}{name}"] = value
        else:
            text = json.dumps(value)
            flat[f"{prefix}{name}"] = text if len(text) <= _LONGEST_TEXT else f"{len(value)} values"
    return flat
