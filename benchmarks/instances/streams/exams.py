"""Timetables of exams whose students and conflicts change."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path
from random import Random

from benchmarks.instances.streams.stream import Stream, about
from benchmarks.instances.zoo.timetables import (
    ExamTimetable,
    exam_timetable_model,
    random_exam_timetable,
)

_SIZES = ((80, 10, 8), (120, 12, 10), (160, 13, 12))
"""Exams, slots, and pairs for each exam that have students in common."""


def exam_streams(kind: str, folder: Path | None) -> list[Stream[ExamTimetable]]:
    """Return a stream for each size."""
    return [
        Stream(f"{kind}/{size[0]}x{size[1]}", partial(random_exam_timetable, *size), change_exams, exam_timetable_model)
        for size in _SIZES
    ]


def change_exams(timetable: ExamTimetable, rng: Random) -> ExamTimetable:
    """A third of the exams have up to a fifth more or fewer students, and a tenth of the conflicts are others."""
    planned, exams = timetable.planned, range(len(timetable.planned))
    students = [about(number, 0.2, rng) if rng.random() < 1 / 3 else number for number in timetable.students]
    seats = max(sum(students[e] for e in exams if planned[e] == s) for s in range(timetable.slots))
    gone = rng.sample(sorted(timetable.common), len(timetable.common) // 10)
    common = {pair: number for pair, number in timetable.common.items() if pair not in gone}
    open_pairs = [(a, b) for a, b in combinations(exams, 2) if planned[a] != planned[b] and (a, b) not in common]
    common |= {pair: rng.randint(1, 9) for pair in rng.sample(open_pairs, len(gone))}
    return replace(timetable, students=students, seats=seats, common=common)
