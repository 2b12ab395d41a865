"""Lessons, exams, matches and groups: all_different, inverse, exactly_one, conflicts of pairs, symmetries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations
from random import Random

from ortools.sat.python import cp_model

from benchmarks.instances.zoo.rules import require
from benchmarks.instances.zoo.zoo_model import Size, Value, ZooModel


@dataclass(frozen=True)
class ExamTimetable:
    """The data of exams.

    Attributes:
        planned: the slot of each exam in a timetable that is possible, so that there is one.
        slots: how many there are, two a day.
        students: of each exam.
        seats: in each slot.
        common: how many students two exams have in common.
    """

    planned: Sequence[int]
    slots: int
    students: Sequence[int]
    seats: int
    common: Mapping[tuple[int, int], int]


def random_exam_timetable(exams: int, slots: int, conflicts: int, rng: Random) -> ExamTimetable:
    """Return exams with so many pairs for each that have students in common."""
    students = [rng.randint(10, 60) for _ in range(exams)]
    planned = [rng.randrange(slots) for _ in range(exams)]
    seats = max(sum(students[e] for e in range(exams) if planned[e] == s) for s in range(slots))
    pairs = [pair for pair in combinations(range(exams), 2) if planned[pair[0]] != planned[pair[1]]]
    common = {pair: rng.randint(1, 9) for pair in rng.sample(pairs, conflicts * exams)}
    return ExamTimetable(planned, slots, students, seats, common)


def exam_timetable(size: Size, rng: Random) -> ZooModel:
    """Exams in slots with limited seats; common students at one time are forbidden, on one day they cost."""
    return exam_timetable_model(random_exam_timetable(*size.choose((12, 8, 3), (160, 13, 3), (300, 15, 3)), rng))


def exam_timetable_model(timetable: ExamTimetable) -> ZooModel:
    """Return the model of exams."""
    slots, students, seats, common = timetable.slots, timetable.students, timetable.seats, timetable.common
    exams = len(students)
    model = cp_model.CpModel()
    at = [[model.new_bool_var(f"at[{e},{s}]") for s in range(slots)] for e in range(exams)]
    for row in at:
        model.add_exactly_one(row)
    for s in range(slots):
        model.add(sum(students[e] * at[e][s] for e in range(exams)) <= seats)
    costs = []
    for (a, b), number in common.items():
        near = model.new_bool_var(f"near[{a},{b}]")
        costs.append(number * near)
        for s in range(slots):
            model.add_bool_or(~at[a][s], ~at[b][s])
            for other in (s - 1, s + 1):
                if other // 2 == s // 2 and 0 <= other < slots:  # two slots a day
                    model.add_implication(at[a][s], near).only_enforce_if(at[b][other])
    model.minimize(sum(costs))

    def check(value: Value) -> int:
        chosen = [[s for s in range(slots) if value(row[s])] for row in at]
        require(all(len(s) == 1 for s in chosen), "each exam is held once")
        slot = [s for (s,) in chosen]
        loads = [sum(students[e] for e in range(exams) if slot[e] == s) for s in range(slots)]
        require(max(loads) <= seats, "there are seats for all")
        require(all(slot[a] != slot[b] for a, b in common), "nobody sits two exams at one time")
        return sum(number for (a, b), number in common.items() if slot[a] // 2 == slot[b] // 2)

    return ZooModel(model, check)


@dataclass(frozen=True)
class SchoolTimetable:
    """The data of lessons.

    Attributes:
        classes: how many there are.
        teachers: how many; the first third of them teach science.
        hours: of the week.
        lessons: class and teacher of each.
        blocked: teachers and the hours that they are not there.
        rooms: for science.
        dislike: of each teacher, what each hour costs; without it there is nothing to minimise.
    """

    classes: int
    teachers: int
    hours: int
    lessons: Sequence[tuple[int, int]]
    blocked: Set[tuple[int, int]]
    rooms: int
    dislike: Sequence[Sequence[int]] = ()

    @property
    def science(self) -> range:
        """Who teaches science."""
        return range(self.teachers // 3)


def random_school_timetable(
    classes: int, teachers: int, hours: int, rng: Random, *, blocked: float = 0.5
) -> SchoolTimetable:
    """Return lessons for which there is a timetable, and how often teachers are not there when that does not matter."""
    plan: list[list[int | None]] = []  # of each class, who teaches it at what hour: a timetable that is then forgotten
    busy: list[set[int]] = [set() for _ in range(hours)]
    for _ in range(classes):
        free = [[t for t in range(teachers) if t not in taken] for taken in busy]
        plan.append([rng.choice(at_hour) if rng.random() < 0.85 else None for at_hour in free])
        for taken, teacher in zip(busy, plan[-1], strict=True):
            if teacher is not None:
                taken.add(teacher)
    away = {(t, h) for t in range(teachers) for h in range(hours) if rng.random() < blocked}
    away -= {(t, h) for row in plan for h, t in enumerate(row) if t is not None}
    rooms = max(sum(row[h] in range(teachers // 3) for row in plan) for h in range(hours))
    lessons = [(c, t) for c, row in enumerate(plan) for t in row if t is not None]
    rng.shuffle(lessons)
    return SchoolTimetable(classes, teachers, hours, lessons, away, rooms)


def school_timetable(size: Size, rng: Random) -> ZooModel:
    """Lessons of classes and teachers in the hours of a week, with teachers' free hours and few rooms for science."""
    return school_timetable_model(random_school_timetable(*size.choose((4, 5, 10), (10, 13, 28), (18, 23, 40)), rng))


def school_timetable_model(school: SchoolTimetable) -> ZooModel:
    """Return the model of lessons."""
    classes, teachers, hours, rooms = school.classes, school.teachers, school.hours, school.rooms
    lessons, blocked, science, dislike = school.lessons, school.blocked, school.science, school.dislike
    model = cp_model.CpModel()
    hour = [
        model.new_int_var_from_domain(
            cp_model.Domain.from_values([h for h in range(hours) if (t, h) not in blocked]), f"hour[{i}]"
        )
        for i, (_, t) in enumerate(lessons)
    ]
    for c in range(classes):
        model.add_all_different(hour[i] for i, lesson in enumerate(lessons) if lesson[0] == c)
    for t in range(teachers):
        model.add_all_different(hour[i] for i, lesson in enumerate(lessons) if lesson[1] == t)
    model.add_cumulative(
        [model.new_fixed_size_interval_var(hour[i], 1, f"{i}") for i, (_, t) in enumerate(lessons) if t in science],
        [1 for _, t in lessons if t in science],
        rooms,
    )
    if dislike:
        costs = []
        for i, (_, t) in enumerate(lessons):
            costs.append(model.new_int_var(0, max(dislike[t]), f"cost[{i}]"))
            model.add_element(hour[i], dislike[t], costs[-1])
        model.minimize(sum(costs))

    def check(value: Value) -> int | None:
        held = [(value(h), c, t) for h, (c, t) in zip(hour, lessons, strict=True)]
        most = max(sum(h == at and t in science for h, _, t in held) for at in range(hours))
        require(most <= rooms, "there are not more lessons in science than rooms for it")
        require(len({(h, c) for h, c, _ in held}) == len(held), "a class has one lesson at a time")
        require(len({(h, t) for h, _, t in held}) == len(held), "a teacher gives one lesson at a time")
        require(not any((t, h) in blocked for h, _, t in held), "teachers have their free hours")
        require(all(0 <= h < hours for h, _, _ in held), "lessons are within the week")
        return sum(dislike[t][h] for h, _, t in held) if dislike else None

    return ZooModel(model, check)


def league(size: Size, rng: Random) -> ZooModel:
    """A round robin: everybody plays everybody, one match a round; dear dates of matches and breaks are few."""
    teams = size.choose(4, 6, 8)
    rounds = teams - 1
    dear = [[[rng.randint(0, 20) for _ in range(teams)] for _ in range(rounds)] for _ in range(teams)]
    model = cp_model.CpModel()
    rival = [[model.new_int_var(0, teams - 1, f"rival[{t},{r}]") for r in range(rounds)] for t in range(teams)]
    home = [[model.new_bool_var(f"home[{t},{r}]") for r in range(rounds)] for t in range(teams)]
    costs = []
    for r in range(rounds):
        column = [row[r] for row in rival]
        model.add_inverse(column, column)
        for t in range(teams):
            model.add(rival[t][r] != t)
            model.add_element(rival[t][r], [row[r] for row in home], ~home[t][r])
            paid = model.new_int_var(0, 20, f"paid[{t},{r}]")
            model.add_element(rival[t][r], dear[t][r], paid)
            costs.append(paid)
    for t in range(teams):
        model.add_all_different(rival[t])
        for r in range(rounds - 1):
            same = model.new_bool_var(f"break[{t},{r}]")
            model.add(home[t][r] == home[t][r + 1]).only_enforce_if(same)
            model.add(home[t][r] != home[t][r + 1]).only_enforce_if(~same)
            costs.append(25 * same)
    model.minimize(sum(costs))

    def check(value: Value) -> int:
        cost = 0
        others = [[value(v) for v in row] for row in rival]
        at_home = [[value(v) for v in row] for row in home]
        for t in range(teams):
            require(sorted([t, *others[t]]) == list(range(teams)), "everybody plays everybody else once")
            for r, u in enumerate(others[t]):
                require(others[u][r] == t, "who plays somebody is played by that one")
                require(at_home[u][r] != at_home[t][r], "one of two is at home")
                cost += dear[t][r][u] + 25 * (r > 0 and at_home[t][r] == at_home[t][r - 1])
        return cost

    return ZooModel(model, check)


def social_golfers(size: Size, rng: Random) -> ZooModel:
    """Golfers play in groups week by week, and no two meet twice."""
    groups, people, weeks = size.choose((3, 3, 3), (6, 4, 5), (8, 4, 6))
    golfers = groups * people
    model = cp_model.CpModel()
    group = [[model.new_int_var(0, groups - 1, f"group[{w},{g}]") for g in range(golfers)] for w in range(weeks)]
    meet: dict[tuple[int, int], list[cp_model.IntVar]] = {pair: [] for pair in combinations(range(golfers), 2)}
    for w in range(weeks):
        within = [[model.new_bool_var(f"in[{w},{g},{k}]") for k in range(groups)] for g in range(golfers)]
        for g in range(golfers):
            model.add_exactly_one(within[g])
            model.add(sum(k * literal for k, literal in enumerate(within[g])) == group[w][g])
        for k in range(groups):
            model.add(sum(row[k] for row in within) == people)
        for a, b in meet:
            together = model.new_bool_var(f"together[{w},{a},{b}]")
            meet[a, b].append(together)
            for k in range(groups):
                model.add_bool_or(~within[a][k], ~within[b][k], together)
    for literals in meet.values():
        model.add_at_most_one(literals)
    first = rng.sample(range(golfers), golfers)
    for place, g in enumerate(first):  # the first week is given
        model.add(group[0][g] == place // people)

    def check(value: Value) -> None:
        require(all(value(group[0][g]) == place // people for place, g in enumerate(first)), "the first week is given")
        seen: set[tuple[int, int]] = set()
        for w in range(weeks):
            in_week = [value(v) for v in group[w]]
            require(all(in_week.count(k) == people for k in range(groups)), "groups are full, and not more than full")
            pairs = {pair for pair in meet if in_week[pair[0]] == in_week[pair[1]]}
            require(not pairs & seen, "no two meet twice")
            seen |= pairs

    return ZooModel(model, check)
