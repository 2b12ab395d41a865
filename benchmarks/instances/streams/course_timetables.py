"""Course timetables by curricula, as in the second competition of timetabling, whose students and absences change.

Di Gaspero, L., McCollum, B. and Schaerf, A. (2007). The second international timetabling competition (ITC-2007):
curriculum-based course timetabling (track 3). Of its soft rules there are working days and compactness; rooms are
counted by their size (Lach and Lübbecke, 2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from random import Random

from ortools.sat.python import cp_model

from benchmarks.instances.streams.stream import Stream, about
from benchmarks.instances.zoo.rules import require
from benchmarks.instances.zoo.zoo_model import Value, ZooModel

_DAYS, _SLOTS = 5, 6
_PERIODS = range(_DAYS * _SLOTS)
_SIZES = ((30, 5), (60, 9), (90, 13), (120, 17))
"""Courses and rooms."""

_DAY_MISSING, _ALONE = 5, 2
"""What a day less than asked for costs, and a lecture with none of its curriculum before or after it."""


@dataclass(frozen=True)
class CourseTimetable:
    """The data of courses.

    Attributes:
        planned: periods of each course's lectures in a timetable that is possible, so that there is one.
        teacher: of each course.
        students: of each course.
        days: on how many each course is to be held.
        curricula: courses that nobody may miss for another one of them.
        absent: courses and periods at which their teacher cannot.
        seats: of each room.
    """

    planned: Sequence[frozenset[int]]
    teacher: Sequence[int]
    students: Sequence[int]
    days: Sequence[int]
    curricula: Sequence[frozenset[int]]
    absent: frozenset[tuple[int, int]]
    seats: Sequence[int]

    @property
    def apart(self) -> list[tuple[int, int]]:
        """Pairs of courses that are never at one time."""
        pairs = {pair for curriculum in self.curricula for pair in combinations(sorted(curriculum), 2)}
        every = combinations(range(len(self.teacher)), 2)
        return sorted(pairs | {(a, b) for a, b in every if self.teacher[a] == self.teacher[b]})


def course_timetable_streams(kind: str, folder: Path | None) -> list[Stream[CourseTimetable]]:
    """Return a stream for each size."""
    return [
        Stream(f"{kind}/{size[0]}", partial(random_course_timetable, *size), change_courses, course_timetable_model)
        for size in _SIZES
    ]


def random_course_timetable(courses: int, rooms: int, rng: Random) -> CourseTimetable:
    """Return courses of two to five lectures, curricula of four courses, and rooms that are just large enough."""
    teacher = [c // 2 for c in range(courses)]
    planned: list[frozenset[int]] = []
    for c in range(courses):
        held = [period for other in planned for period in other]
        taken = {period for other in range(c) if teacher[other] == teacher[c] for period in planned[other]}
        open_periods = [p for p in _PERIODS if p not in taken and held.count(p) < rooms]
        planned.append(frozenset(rng.sample(open_periods, min(len(open_periods), rng.randint(2, 5)))))
    curricula = []
    for _ in range(courses):
        chosen: list[int] = []
        for c in rng.sample(range(courses), courses):
            if len(chosen) < 4 and all(planned[c].isdisjoint(planned[other]) for other in chosen):
                chosen.append(c)
        curricula.append(frozenset(chosen))
    students = [rng.randint(10, 120) for _ in range(courses)]
    days = [min(len(periods), rng.randint(2, 5)) for periods in planned]
    timetable = CourseTimetable(planned, teacher, students, days, curricula, frozenset(), [])
    absent = frozenset(_absence(timetable, rng) for _ in range(10 * courses))
    return replace(timetable, absent=absent, seats=_seats(planned, students))


def change_courses(timetable: CourseTimetable, rng: Random) -> CourseTimetable:
    """A third of the courses have up to a fifth more or fewer students, and a fifth of the absences are others."""
    students = [about(number, 0.2, rng) if rng.random() < 1 / 3 else number for number in timetable.students]
    absent = frozenset(_absence(timetable, rng) if rng.random() < 0.2 else one for one in sorted(timetable.absent))
    return replace(timetable, students=students, absent=absent, seats=_seats(timetable.planned, students))


def course_timetable_model(timetable: CourseTimetable) -> ZooModel:
    """Return the model: rooms, teachers and curricula are hard, days and compactness cost."""
    courses, curricula, students = range(len(timetable.teacher)), timetable.curricula, timetable.students
    model = cp_model.CpModel()
    at = [[model.new_bool_var(f"at[{c},{p}]") for p in _PERIODS] for c in courses]
    costs: list[cp_model.LinearExprT] = []
    for c in courses:
        model.add(sum(at[c]) == len(timetable.planned[c]))
        on_day = [model.new_bool_var(f"day[{c},{day}]") for day in range(_DAYS)]
        for day, literal in enumerate(on_day):
            model.add_bool_or(*at[c][day * _SLOTS : (day + 1) * _SLOTS], ~literal)
        missing = model.new_int_var(0, _DAYS, f"missing[{c}]")
        model.add(sum(on_day) + missing >= timetable.days[c])
        costs.append(_DAY_MISSING * missing)
    for c, p in sorted(timetable.absent):
        model.add(at[c][p] == 0)
    for p in _PERIODS:
        for a, b in timetable.apart:
            model.add_bool_or(~at[a][p], ~at[b][p])
        model.add(sum(at[c][p] for c in courses) <= len(timetable.seats))
        for size in sorted(set(timetable.seats)):
            large = [at[c][p] for c in courses if students[c] > size]
            if large:
                model.add(sum(large) <= sum(seats > size for seats in timetable.seats))
        for q, curriculum in enumerate(curricula):
            alone = model.new_bool_var(f"alone[{q},{p}]")
            beside = [other for other in (p - 1, p + 1) if other // _SLOTS == p // _SLOTS]
            model.add(
                alone + sum(at[c][other] for c in curriculum for other in beside) >= sum(at[c][p] for c in curriculum)
            )
            costs.append(_ALONE * alone)
    model.minimize(sum(costs))

    def check(value: Value) -> int:
        held = [[p for p in _PERIODS if value(at[c][p])] for c in courses]
        require(all(len(held[c]) == len(timetable.planned[c]) for c in courses), "all lectures are held")
        require(not any(p in held[c] for c, p in timetable.absent), "no lecture is held while its teacher is absent")
        require(all(set(held[a]).isdisjoint(held[b]) for a, b in timetable.apart), "courses are apart that have to be")
        rooms = sorted(timetable.seats, reverse=True)
        for p in _PERIODS:
            there = sorted((students[c] for c in courses if p in held[c]), reverse=True)
            fits = len(there) <= len(rooms) and all(n <= seats for n, seats in zip(there, rooms, strict=False))
            require(fits, "every lecture has a room that is large enough")
        cost = 0
        for c in courses:
            cost += _DAY_MISSING * max(0, timetable.days[c] - len({p // _SLOTS for p in held[c]}))
        for curriculum in curricula:
            busy = {p for c in curriculum for p in held[c]}
            beside = {p: {p - 1, p + 1} & busy for p in busy}
            cost += _ALONE * sum(not any(o // _SLOTS == p // _SLOTS for o in near) for p, near in beside.items())
        return cost

    return ZooModel(model, check)


def _absence(timetable: CourseTimetable, rng: Random) -> tuple[int, int]:
    """Return a course and a period that is not one of its planned ones."""
    c = rng.randrange(len(timetable.planned))
    return c, rng.choice([p for p in _PERIODS if p not in timetable.planned[c]])


def _seats(planned: Sequence[frozenset[int]], students: Sequence[int]) -> list[int]:
    """Return rooms, the largest first, that are just large enough for a timetable."""
    there = [
        sorted((n for n, periods in zip(students, planned, strict=True) if p in periods), reverse=True)
        for p in _PERIODS
    ]
    rooms = max(map(len, there))
    return [max(sizes[k] for sizes in there if k < len(sizes)) for k in range(rooms)]
