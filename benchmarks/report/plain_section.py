"""Records of any suite as one table: what differs between them in columns, what they share in the note.

Studies come this way, too: a figure that somebody published stands beside the measured one, and records that differ in
their seed only are shown together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.records import Record
from benchmarks.rendering.parts import Axis, Block, Cell, Chart, PageSection, Series, Table, TableRow
from benchmarks.rendering.places import place_of

PUBLISHED = "published"
"""A field of a record whose name begins so is somebody else's figure."""

_LONGEST_TEXT = 60


def section(name: str, records: Sequence[Record]) -> PageSection:
    """Return the part of the page of a suite that this project does not know."""
    return PageSection(name, name, "A suite of its own, as it was recorded.", [table(records), *curves(records)])


def table(records: Sequence[Record]) -> Table:
    """Return one row for each config, seeds together, with a column for each field that is not the same everywhere."""
    fields = [_flat(record["config"]) for record in records]
    names = list(dict.fromkeys(name for flat in fields for name in flat if name not in ("suite", "seed")))
    varying = [name for name in names if len({flat.get(name) for flat in fields}) > 1]
    if not varying:
        varying = [name for name in names if name in ("arm", "task")]
    shared = {name: fields[0].get(name) for name in names if name not in varying}
    rows: dict[tuple[Cell, ...], list[Record]] = {}
    for record, flat in zip(records, fields, strict=True):
        rows.setdefault(tuple(flat.get(name) for name in varying), []).append(record)
    several = any(len(same) > 1 for same in rows.values())
    results = [_flat(record["result"]) for record in records]
    # What is published stands last, beside nothing that was measured here.
    measured = sorted(dict.fromkeys(name for flat in results for name in flat), key=_is_published)
    body = []
    for values, same in rows.items():
        flats = [_flat(record["result"]) for record in same]
        cells = [_together([flat[name] for flat in flats if name in flat]) for name in measured]
        seeds: list[Cell] = [len(same)] if several else []
        config = same[0]["config"]
        body.append(TableRow([*values, *seeds, *cells], _arm(config), place_of(same[0])))
    same_note = "; ".join(f"{name}: {value}" for name, value in shared.items() if value is not None)
    return Table(
        "All results",
        [*map(_words, varying), *(["runs"] if several else []), *map(_words, measured)],
        body,
        ("Several runs: their mean, and from the smallest to the largest. " if several else "")
        + (f"The same for all: {same_note}." if same_note else ""),
    )


def curves(records: Sequence[Record]) -> list[Block]:
    """Return a chart for each field of the results that is a list of numbers under the same name in several records.

    Of records with the same arm that differ in their seed, a line is the mean.
    """
    charts: list[Block] = []
    names = dict.fromkeys(
        name for record in records for name, value in record["result"].items() if name.endswith("curve")
    )
    for name in names:
        lines: dict[str, list[list[Any]]] = {}
        for record in records:
            if isinstance(record["result"].get(name), list):
                lines.setdefault(_line(record["config"]), []).append(record["result"][name])
        series = [Series(arm, _mean_points(several)) for arm, several in lines.items()]
        charts.append(Chart(_words(name), Axis("position in the list"), Axis(_words(name)), series))
    return charts


def _line(config: Mapping[str, Any]) -> str:
    """Return what tells one line from another in a legend."""
    known = ("suite", "seed", "arm", "model_sha256", "provider", "threads", "pools")
    more = [f"{name} {value}" for name, value in _flat(config).items() if name not in known]
    return ", ".join([_arm(config) or "", *more][: 4 if more else 1])


def _mean_points(several: Sequence[Sequence[Any]]) -> list[tuple[float, float]]:
    length = min(map(len, several))
    points = []
    for position in range(length):
        values = [curve[position] for curve in several if isinstance(curve[position], int | float)]
        if values:
            points.append((float(position), float(f"{np.mean(values):.4g}")))
    return points


def _flat(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Cell]:
    """Return what a cell can show; objects are laid open, long lists are counted."""
    flat: dict[str, Cell] = {}
    for name, value in fields.items():
        full = f"{prefix}{name}"
        if isinstance(value, dict):
            flat |= _flat(value, f"{full}.")
        elif isinstance(value, bool):
            flat[full] = "yes" if value else "no"
        elif value is None or isinstance(value, int | float | str):
            flat[full] = value
        else:
            text = json.dumps(value)
            flat[full] = text if len(text) <= _LONGEST_TEXT else f"{len(value)} values"
    return flat


def _together(values: Sequence[Cell]) -> Cell:
    """Return one cell for several runs."""
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    if not values:
        return None
    if len(numbers) < len(values) or len(set(values)) == 1:
        texts = dict.fromkeys(str(value) for value in values)
        return values[0] if len(texts) == 1 else " / ".join(texts)
    return f"{np.mean(numbers):.4g} ({min(numbers):.4g} to {max(numbers):.4g})"


def _is_published(name: str) -> bool:
    return name.rpartition(".")[2].startswith(PUBLISHED)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _arm(config: Mapping[str, Any]) -> str | None:
    arm = config.get("arm", config.get("operator"))
    return None if arm is None else str(arm)
