"""Streams: instances of one family that follow each other with changed data, and their independent checkers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.instances.streams import (
    course_timetables,
    exams,
    job_shops,
    loads,
    mip_series,
    projects,
    rosters,
    unrelated,
)
from benchmarks.instances.streams.stream import Kind, Stream
from nnsearch.errors import ConfigError

__all__ = ["KINDS", "Kind", "Stream", "find_streams"]

KINDS: dict[str, Kind] = {
    "job-shop-durations": partial(job_shops.job_shop_streams, change=job_shops.change_durations),
    "job-shop-arrivals": partial(job_shops.job_shop_streams, change=job_shops.add_jobs),
    "job-shop-cancellations": partial(job_shops.job_shop_streams, change=job_shops.cancel_jobs),
    "job-shop-breakdown": partial(job_shops.job_shop_streams, change=job_shops.close_a_machine),
    "rcpsp": projects.project_streams,
    "shift-roster": rosters.changing_roster_streams,
    "rolling-roster": rosters.rolling_roster_streams,
    "knapsack": loads.knapsack_streams,
    "bin-packing": loads.bin_packing_streams,
    "vehicle-routing": loads.vehicle_routing_streams,
    "course-timetable": course_timetables.course_timetable_streams,
    "exam-timetable": exams.exam_streams,
    "mip-objective": partial(mip_series.mip_streams, prefix="obj"),
    "mip-bounds": partial(mip_series.mip_streams, prefix="bnd"),
    "unrelated": unrelated.unrelated_streams,
}
"""Every kind by its name."""


def find_streams(texts: Sequence[str] = (), folder: Path | None = None) -> dict[str, Stream[Any]]:
    """Return streams by their names, ``kind/instance``.

    Args:
        texts: a stream is chosen whose name has one of them; all are without any.
        folder: of other people's instances; without it, or where it has none of a kind, they are generated.

    Raises:
        ConfigError: the folder is not there, or a text is in no name.
        InstanceError: a file is malformed.
    """
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"{folder}: expected a folder of instances, found none")
    every = [stream for name, kind in KINDS.items() for stream in kind(name, folder)]
    chosen = {stream.name: stream for stream in every if not texts or any(text in stream.name for text in texts)}
    for text in texts:
        if not any(text in name for name in chosen):
            hint = "; without --instances there are no mip-..." if folder is None else ""
            raise ConfigError(f"kinds: expected a part of a stream of {', '.join(KINDS)}, got {text!r}{hint}")
    return chosen
