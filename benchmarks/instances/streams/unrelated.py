"""Streams in which everything changes: each instance is drawn afresh, and only the names are the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.instances.streams.job_shops import random_job_shop
from benchmarks.instances.streams.rosters import random_shift_roster
from benchmarks.instances.streams.shift_rosters import shift_roster_model
from benchmarks.instances.streams.stream import D, Stream
from benchmarks.instances.zoo.packing import multi_knapsack_model, random_multi_knapsack
from benchmarks.instances.zoo.projects import random_rcpsp, rcpsp_model
from benchmarks.instances.zoo.shops import job_shop_model
from benchmarks.instances.zoo.timetables import exam_timetable_model, random_exam_timetable
from benchmarks.instances.zoo.zoo_model import ZooModel


def unrelated_streams(kind: str, folder: Path | None) -> list[Stream[Any]]:
    """Return a stream of each of some families."""
    return [
        _afresh(f"{kind}/job-shop", partial(random_job_shop, 15, 15), job_shop_model),
        _afresh(f"{kind}/rcpsp", partial(random_rcpsp, 120), rcpsp_model),
        _afresh(f"{kind}/shift-roster", partial(random_shift_roster, 20, 3), shift_roster_model),
        _afresh(f"{kind}/knapsack", partial(random_multi_knapsack, 100, 5), multi_knapsack_model),
        _afresh(f"{kind}/exams", partial(random_exam_timetable, 120, 12, 10), exam_timetable_model),
    ]


def _afresh(name: str, draw: Callable[[Random], D], model: Callable[[D], ZooModel]) -> Stream[D]:
    return Stream(name, draw, lambda _, rng: draw(rng), model)
