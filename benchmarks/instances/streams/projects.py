"""Projects (RCPSP) whose times and capacities change."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

from benchmarks.instances.streams.stream import Stream, files, given
from benchmarks.instances.zoo.projects import Rcpsp, random_rcpsp, rcpsp_model
from nnsearch.errors import InstanceError

_GENERATED = (60, 90, 120, 160, 200)
_SMALLEST = 60  # tasks: smaller ones of PSPLIB are proved at once


def project_streams(kind: str, folder: Path | None) -> list[Stream[Rcpsp]]:
    """Return a stream for each project."""
    read = [(path.stem, read_project(path)) for path in files(folder, "rcpsp", ".sm")]
    if read:
        large = [(name, project) for name, project in read if len(project.work) >= _SMALLEST]
        return [Stream(f"{kind}/{name}", given(project), change_project, rcpsp_model) for name, project in large]
    return [
        Stream(f"{kind}/{tasks}", partial(random_rcpsp, tasks), change_project, rcpsp_model) for tasks in _GENERATED
    ]


def change_project(project: Rcpsp, rng: Random) -> Rcpsp:
    """A third of the times and all capacities change a little; each task alone still fits."""
    work = [max(1, w + rng.choice((-2, -1, 1, 2))) if w and rng.random() < 1 / 3 else w for w in project.work]
    largest = [max(column) for column in zip(*project.need, strict=True)]
    capacity = [max(least, c + rng.randint(-1, 1)) for least, c in zip(largest, project.capacity, strict=True)]
    return replace(project, work=work, capacity=capacity)


def read_project(path: Path) -> Rcpsp:
    """Read a single-mode file of PSPLIB.

    Raises:
        InstanceError: it is not one.
        OSError: it cannot be read.
    """
    text = path.read_text(encoding="utf-8")
    try:
        successors, requests, available = (
            [list(map(int, line.split())) for line in part.splitlines() if re.fullmatch(r"[\d\s]*\d[\d\s]*", line)]
            for part in re.split("PRECEDENCE RELATIONS:|REQUESTS/DURATIONS:|RESOURCEAVAILABILITIES:", text)[1:]
        )
        before = [(row[0] - 1, after - 1) for row in successors for after in row[3:]]
        [capacity] = available
    except ValueError:
        raise _not_a_project(path) from None
    if len(successors) != len(requests) or any(len(row) != 3 + len(capacity) for row in requests):
        raise _not_a_project(path)
    return Rcpsp([row[2] for row in requests], [row[3:] for row in requests], capacity, before)


def _not_a_project(path: Path) -> InstanceError:
    return InstanceError(
        f"{path}: expected a single-mode project of PSPLIB (precedence relations, requests and durations, and resource "
        "availabilities of renewable resources), got something else"
    )
