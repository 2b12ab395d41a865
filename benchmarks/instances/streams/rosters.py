"""Shift rosters whose requests, cover and days off change, and those of which every week begins one week later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

from ortools.sat.python import cp_model

from benchmarks.instances.streams.shift_rosters import (
    Cover,
    Person,
    Request,
    Shift,
    ShiftRoster,
    read_shift_roster,
    shift_roster_model,
)
from benchmarks.instances.streams.stream import Stream, files, given
from nnsearch.plain_solver import plain_solver

_GENERATED = ((16, 2), (20, 3), (30, 4), (40, 4))
"""People and shifts."""

_DAYS, _FEWEST, _MOST = 28, 16, 60
"""Of a folder, the rosters of so many days and people: smaller ones are proved at once, larger ones take minutes."""

_TRIES = 20
_WEEK = 7


def changing_roster_streams(kind: str, folder: Path | None) -> list[Stream[ShiftRoster]]:
    """Return a stream for each roster."""
    return _streams(kind, folder, change_roster)


def rolling_roster_streams(kind: str, folder: Path | None) -> list[Stream[ShiftRoster]]:
    """Return a stream for each roster."""
    return _streams(kind, folder, roll_roster)


def random_shift_roster(people: int, shifts: int, rng: Random) -> ShiftRoster:
    """Return a roster of four weeks as Curtois' are: nobody works a later shift and an earlier one on the next day."""
    names = "EDLN" if shifts > 2 else "EL"
    kinds = tuple(Shift(name, 480, tuple(names[:number])) for number, name in enumerate(names[:shifts]))
    days = range(_DAYS)
    staff = []
    for number in range(people):
        most = [0 if rng.random() < 0.2 else _DAYS for _ in kinds]
        most[rng.randrange(shifts)] = _DAYS
        first, day = rng.randrange(_DAYS - 1), rng.randrange(_DAYS - 4)
        wish = rng.choice([kind.name for kind, often in zip(kinds, most, strict=True) if often])
        weight = rng.randint(1, 3)
        requests = tuple(Request(day + k, wish, weight) for k in range(3))
        wanted, unwanted = (requests, ()) if rng.random() < 0.5 else ((), requests)
        off = frozenset((first, first + 1))
        staff.append(Person(f"{number}", tuple(most), (7560, 8640), (2, 5), 2, 2, off, wanted, unwanted))
    cover = []
    for d in days:
        at_work = people * (0.6 if d % _WEEK < 5 else 0.45) / shifts
        cover.append(tuple(Cover(max(1, round(at_work * rng.uniform(0.7, 1.3))), 100, 1) for _ in kinds))
    roster = ShiftRoster(_DAYS, kinds, tuple(staff), tuple(cover))
    return replace(roster, staff=tuple(_possible(roster, person, [person.off, frozenset()]) for person in staff))


def change_roster(roster: ShiftRoster, rng: Random) -> ShiftRoster:
    """A fifth of the people have other days off, half of them other requests, and a tenth of the cover is other."""
    staff = list(roster.staff)
    for p in rng.sample(range(len(staff)), max(1, len(staff) // 5)):
        staff[p] = _possible(roster, staff[p], [_moved(roster, staff[p].off, rng) for _ in range(_TRIES)])
    for p in rng.sample(range(len(staff)), max(1, len(staff) // 2)):
        staff[p] = _other_requests(roster, staff[p], rng)
    cover = tuple(tuple(_other_cover(c, rng) for c in covers) for covers in roster.cover)
    return replace(roster, staff=tuple(staff), cover=cover)


def roll_roster(roster: ShiftRoster, rng: Random) -> ShiftRoster:
    """A week is over, and one more is planned; it has the cover, days off and requests of the first, changed."""
    last = roster.days - _WEEK
    later = replace(
        roster,
        first_day=roster.first_day + _WEEK,
        cover=roster.cover[_WEEK:] + tuple(tuple(_other_cover(c, rng) for c in day) for day in roster.cover[:_WEEK]),
    )
    staff = []
    for person in roster.staff:
        kept = frozenset(d - _WEEK for d in person.off if d >= _WEEK)
        new = sum(d < _WEEK for d in person.off)
        rolled = replace(
            person,
            wanted=tuple(_rolled(request, last) for request in person.wanted),
            unwanted=tuple(_rolled(request, last) for request in person.unwanted),
        )
        offs = [kept | {last + d for d in rng.sample(range(_WEEK), new)} for _ in range(_TRIES)]
        staff.append(_possible(later, rolled, [*offs, kept, frozenset()]))
    return replace(later, staff=tuple(staff))


def _streams(
    kind: str, folder: Path | None, change: Callable[[ShiftRoster, Random], ShiftRoster]
) -> list[Stream[ShiftRoster]]:
    read = [(path.stem, read_shift_roster(path)) for path in files(folder, "nurse-rostering", ".json")]
    if read:
        fitting = [(name, r) for name, r in read if r.days == _DAYS and _FEWEST <= len(r.staff) <= _MOST]
        return [Stream(f"{kind}/{name}", given(roster), change, shift_roster_model) for name, roster in fitting]
    return [
        Stream(f"{kind}/{size[0]}x{size[1]}", partial(random_shift_roster, *size), change, shift_roster_model)
        for size in _GENERATED
    ]


def _possible(roster: ShiftRoster, person: Person, offs: Sequence[frozenset[int]]) -> Person:
    """Return the person with the first of some days off that the rules of the contract leave a plan; else unchanged."""
    solver = plain_solver()
    solver.parameters.num_workers = 1
    for off in offs:
        changed = replace(person, off=off)
        model = shift_roster_model(replace(roster, staff=(changed,))).model
        model.clear_objective()
        if solver.solve(model) != cp_model.INFEASIBLE:
            return changed
    return person


def _moved(roster: ShiftRoster, off: frozenset[int], rng: Random) -> frozenset[int]:
    """Return days off that are as far from each other."""
    by = rng.randrange(1, roster.days)
    return frozenset((day + by) % roster.days for day in off)


def _other_requests(roster: ShiftRoster, person: Person, rng: Random) -> Person:
    """Return a person whose requests are for other days, none of them a day off where there is such a move."""
    requests = (*person.wanted, *person.unwanted)
    moves = [
        by
        for by in range(1, roster.days)
        if not any((request.day + by) % roster.days in person.off for request in requests)
    ]
    if not moves:
        return person
    by = rng.choice(moves)
    wanted, unwanted = (
        tuple(replace(request, day=(request.day + by) % roster.days) for request in some)
        for some in (person.wanted, person.unwanted)
    )
    return replace(person, wanted=wanted, unwanted=unwanted)


def _other_cover(cover: Cover, rng: Random) -> Cover:
    return replace(cover, number=max(0, cover.number + rng.choice((-1, 1)))) if rng.random() < 0.1 else cover


def _rolled(request: Request, last: int) -> Request:
    """Return a request a week earlier, that of the first week in the new one."""
    return replace(request, day=request.day - _WEEK if request.day >= _WEEK else last + request.day)
