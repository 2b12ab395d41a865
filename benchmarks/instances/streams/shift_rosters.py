"""Shift rosters after T. Curtois: hard rules for each person, requests and cover with weights.

Curtois, T. and Qu, R. (2014). Computational results on new staff scheduling benchmark instances. The files are the JSON
of schedulingbenchmarks.org as PyCSP3's models have them. Day 0 is a Monday; a weekend is worked if its Saturday or its
Sunday is; minimum lengths of work and of rest do not count at the borders of the horizon.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from ortools.sat.python import cp_model

from benchmarks.instances.zoo.rules import require
from benchmarks.instances.zoo.zoo_model import Value, ZooModel
from nnsearch.errors import InstanceError


@dataclass(frozen=True)
class Shift:
    """What somebody may work on a day.

    Attributes:
        name: of the shift.
        minutes: its length.
        never_before: names of the shifts that nobody works on the next day.
    """

    name: str
    minutes: int
    never_before: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """A wish to work, or not to work, a shift of a day; ``weight`` is paid where it is not granted."""

    day: int
    shift: str
    weight: int


@dataclass(frozen=True)
class Person:
    """Somebody with the rules of a contract.

    Attributes:
        name: who it is.
        most: of each shift, how often it is worked at most.
        minutes: fewest and most in all.
        run: fewest and most days of work in a row.
        rest: fewest days off in a row.
        weekends: most weekends with work.
        off: days without work.
        wanted: shifts that are asked for.
        unwanted: shifts that are asked to be spared.
    """

    name: str
    most: tuple[int, ...]
    minutes: tuple[int, int]
    run: tuple[int, int]
    rest: int
    weekends: int
    off: frozenset[int]
    wanted: tuple[Request, ...] = ()
    unwanted: tuple[Request, ...] = ()


@dataclass(frozen=True)
class Cover:
    """How many people a shift of a day needs, and what each one less or more costs."""

    number: int
    under: int
    over: int


@dataclass(frozen=True)
class ShiftRoster:
    """The data of a roster.

    Attributes:
        days: the horizon.
        shifts: that there are.
        staff: who works.
        cover: of each day and shift.
        first_day: what day 0 is called in the names of variables, so that weeks of two horizons have the same names.
    """

    days: int
    shifts: tuple[Shift, ...]
    staff: tuple[Person, ...]
    cover: tuple[tuple[Cover, ...], ...]
    first_day: int = 0


def read_shift_roster(path: Path) -> ShiftRoster:
    """Read a file.

    Raises:
        InstanceError: it is not one of shift scheduling.
        OSError: it cannot be read.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return ShiftRoster(
            data["nDays"],
            tuple(Shift(s["id"], s["length"], tuple(s["forbiddenFollowingShifts"] or ())) for s in data["shifts"]),
            tuple(map(_person, data["staffs"])),
            tuple(
                tuple(Cover(c["requirement"], c["weightIfUnder"], c["weightIfOver"]) for c in day)
                for day in data["covers"]
            ),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InstanceError(f"{path}: expected JSON with nDays, shifts, staffs and covers, got {error!r}") from None


def shift_roster_model(roster: ShiftRoster) -> ZooModel:
    """Return the model: all rules hard, requests and cover in the objective."""
    days, names = range(roster.days), [shift.name for shift in roster.shifts]
    label = [day + roster.first_day for day in days]
    model = cp_model.CpModel()
    costs: list[cp_model.LinearExprT] = []
    works: list[list[dict[str, cp_model.IntVar]]] = []
    for person in roster.staff:
        who = person.name
        work = [{name: model.new_bool_var(f"works[{who},{label[d]},{name}]") for name in names} for d in days]
        off = [model.new_bool_var(f"off[{who},{label[d]}]") for d in days]
        works.append(work)
        for d in days:
            model.add_exactly_one(off[d], *work[d].values())
        for d in sorted(person.off):
            model.add(off[d] == 1)
        for d, after in pairwise(days):
            for shift in roster.shifts:
                if shift.never_before:
                    model.add_at_most_one(work[d][shift.name], *(work[after][name] for name in shift.never_before))
        for name, most in zip(names, person.most, strict=True):
            model.add(sum(work[d][name] for d in days) <= most)
        minutes = sum(shift.minutes * work[d][shift.name] for d in days for shift in roster.shifts)
        model.add_linear_constraint(minutes, *person.minutes)
        fewest, longest = person.run
        for d in days[: max(0, roster.days - longest)]:
            model.add_bool_or(off[d : d + longest + 1])
        for length in range(1, fewest):
            for d in days[1 : roster.days - length]:
                model.add_bool_or(~off[d - 1], *off[d : d + length], ~off[d + length])
        for length in range(1, person.rest):
            for d in days[1 : roster.days - length]:
                model.add_bool_or(off[d - 1], *(~literal for literal in off[d : d + length]), off[d + length])
        weekends = []
        for saturday in days[5::7]:
            weekends.append(model.new_bool_var(f"weekend[{who},{label[saturday]}]"))
            for literal in off[saturday : saturday + 2]:
                model.add_implication(~literal, weekends[-1])
        model.add(sum(weekends) <= person.weekends)
        costs += [request.weight * ~work[request.day][request.shift] for request in person.wanted]
        costs += [request.weight * work[request.day][request.shift] for request in person.unwanted]
    for d in days:
        for name, cover in zip(names, roster.cover[d], strict=True):
            under = model.new_int_var(0, cover.number, f"under[{label[d]},{name}]")
            over = model.new_int_var(0, len(works), f"over[{label[d]},{name}]")
            model.add(sum(work[d][name] for work in works) + under >= cover.number)
            model.add(sum(work[d][name] for work in works) - over <= cover.number)
            costs += [cover.under * under, cover.over * over]
    model.minimize(sum(costs))

    def check(value: Value) -> int:
        plans = []
        for work in works:
            chosen = [[name for name in names if value(day[name])] for day in work]
            require(all(len(some) <= 1 for some in chosen), "nobody works two shifts of a day")
            plans.append([some[0] if some else None for some in chosen])
        return cost_of(roster, plans)

    return ZooModel(model, check)


def cost_of(roster: ShiftRoster, plans: Sequence[Sequence[str | None]]) -> int:
    """Return what plans cost, one of shifts (None: off) for each person.

    Raises:
        BrokenRuleError: a plan breaks a rule of its person.
    """
    cost = 0
    lengths = {shift.name: shift.minutes for shift in roster.shifts}
    never_before = {shift.name: shift.never_before for shift in roster.shifts}
    for person, plan in zip(roster.staff, plans, strict=True):
        require(not any(plan[d] for d in person.off), "nobody works on a day off")
        follows = all(after not in never_before[before] for before, after in pairwise(plan) if before and after)
        require(follows, "no shift follows one that it must not follow")
        often = all(plan.count(name) <= most for name, most in zip(lengths, person.most, strict=True))
        require(often, "no shift is worked too often")
        fewest, most = person.minutes
        require(fewest <= sum(lengths[s] for s in plan if s) <= most, "everybody works neither too little nor too much")
        blocks = [(on, len(list(same))) for on, same in groupby(plan, key=bool)]
        require(all(size <= person.run[1] for on, size in blocks if on), "nobody works too long in a row")
        inner = blocks[1:-1]
        require(all(size >= person.run[0] for on, size in inner if on), "nobody works too short in a row")
        require(all(size >= person.rest for on, size in inner if not on), "nobody rests too short")
        weekends = sum(any(plan[d : d + 2]) for d in range(5, roster.days, 7))
        require(weekends <= person.weekends, "nobody works on too many weekends")
        cost += sum(request.weight for request in person.wanted if plan[request.day] != request.shift)
        cost += sum(request.weight for request in person.unwanted if plan[request.day] == request.shift)
    for d, covers in enumerate(roster.cover):
        for name, cover in zip(lengths, covers, strict=True):
            number = sum(plan[d] == name for plan in plans)
            cost += cover.under * max(0, cover.number - number) + cover.over * max(0, number - cover.number)
    return cost


def _person(data: dict[str, Any]) -> Person:
    wanted, unwanted = (
        tuple(Request(r["day"], r["shift"], r["weight"]) for r in data[name] or ())
        for name in ("onRequests", "offRequests")
    )
    return Person(
        data["id"],
        tuple(data["maxShifts"]),
        (data["minTotalMinutes"], data["maxTotalMinutes"]),
        (data["minConsecutiveShifts"], data["maxConsecutiveShifts"]),
        data["minConsecutiveDaysOff"],
        data["maxWeekends"],
        frozenset(data["daysOff"]),
        wanted,
        unwanted,
    )
