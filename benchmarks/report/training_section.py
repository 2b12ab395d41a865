"""Training curves, from the ``metrics.jsonl`` that a run of training leaves in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.records import RecordError
from benchmarks.rendering.parts import Axis, Chart, PageSection, Series

PROGRESS = ("presentations", "states", "step", "steps", "epoch", "seconds")
"""The fields that may be the horizontal axis, the first that every line has."""


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read the measurements of one run of training.

    Raises:
        RecordError: a line is not a JSON object.
        OSError: the file cannot be read.
    """
    lines = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            parsed = json.loads(line)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise RecordError(f"{path}:{number}: expected a JSON object, a measurement of a run of training")
        lines.append(parsed)
    return lines


def section(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> PageSection:
    """Return the part of the page on training, from the measurements of each run by its name."""
    lines = [line for measured in runs.values() for line in measured]
    across = next((name for name in PROGRESS if all(name in line for line in lines)), "measurement")
    names = dict.fromkeys(
        name
        for line in lines
        for name, value in line.items()
        if name not in PROGRESS and isinstance(value, int | float) and not isinstance(value, bool)
    )
    charts = []
    for name in names:
        series = []
        for run, measured in runs.items():
            points = [
                (float(line.get(across, number)), float(f"{line[name]:.5g}"))
                for number, line in enumerate(measured, start=1)
                if isinstance(line.get(name), int | float)
            ]
            if points:
                series.append(Series(run, points, "line", f"{points[-1][1]:.4g}"))
        charts.append(Chart(name.replace("_", " "), Axis(across), Axis(name.replace("_", " ")), series))
    return PageSection(
        "training",
        "Training curves",
        f"{len(runs)} {'run' if len(runs) == 1 else 'runs'} of training; beside the names: the last measurement.",
        charts,
    )
