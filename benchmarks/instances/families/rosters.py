"""Rosters with wishes as linear rows: cover with slack, rotations, five days in six, no single days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from ortools.sat.python import cp_model

from benchmarks.instances.zoo.rules import require
from benchmarks.instances.zoo.zoo_model import Value, ZooModel

_EARLY, _LATE, _NIGHT = _SHIFTS = range(3)
_SHARE = (0.4, 0.35, 0.25)
"""Of those at work, how many are needed in each shift."""

_WINDOW = 6
"""Somebody has a day off in any so many days."""

_MISSING, _SURPLUS, _SINGLE = 20, 2, 4
"""What it costs that one is missing, or one too many, and that somebody works on a single day."""


@dataclass(frozen=True)
class WishRoster:
    """The data of a roster.

    Attributes:
        nurses: how many there are.
        needed: of each day, how many in each shift.
        most: how many shifts a nurse works.
        price: what a shift of a nurse on a day costs; it was not wished for.
        wish: what it costs that a nurse does not work a shift on a day.
    """

    nurses: int
    needed: Sequence[Sequence[int]]
    most: int
    price: Mapping[tuple[int, int, int], int]
    wish: Mapping[tuple[int, int, int], int]


def random_wish_roster(nurses: int, days: int, rng: Random) -> WishRoster:
    """Return a roster that takes nearly all that the nurses may work; everybody likes one shift less than the others.

    Two in five days are wished for, or wished off; a wish is for two or three days in a row.
    """
    needed = []
    for day in range(days):
        at_work = nurses * (0.66 if day % 7 < 5 else 0.5)
        needed.append([max(1, round(at_work * share * rng.uniform(0.75, 1.25))) for share in _SHARE])
    price: dict[tuple[int, int, int], int] = {}
    wish: dict[tuple[int, int, int], int] = {}
    for nurse in range(nurses):
        disliked = rng.choice(_SHIFTS)
        price.update({(nurse, day, disliked): 1 for day in range(days)})
        for _ in range(max(1, days // 5)):
            first, weight = rng.randrange(days), rng.randint(2, 9)
            stretch = range(first, min(days, first + rng.randint(2, 3)))
            if rng.random() < 0.6:
                price.update({(nurse, day, shift): weight for day in stretch for shift in _SHIFTS})
            else:
                wanted = rng.choice(_SHIFTS)
                wish.update({(nurse, day, wanted): weight for day in stretch})
    return WishRoster(nurses, needed, -(-days * 2 // 3), price, wish)


def draw_roster(nurses: int, days: int, rng: Random) -> ZooModel:
    """Return a random roster's model."""
    return wish_roster_model(random_wish_roster(nurses, days, rng))


def draw_strict_roster(nurses: int, days: int, rng: Random) -> ZooModel:
    """Return a random roster's model in which nobody may be missing, so that it may have no plan."""
    roster = random_wish_roster(nurses, days, rng)
    drawn = wish_roster_model(roster, most_missing=0)
    model = drawn.model
    works = {one.name: model.get_int_var_from_proto_index(i) for i, one in enumerate(model.proto.variables)}

    def check(value: Value) -> float | None:
        for d, needed in enumerate(roster.needed):
            for s in _SHIFTS:
                on_duty = sum(value(works[f"works[{n},{d},{s}]"]) for n in range(nurses))
                require(on_duty >= needed[s], "nobody is missing")
        return drawn.check(value)

    return ZooModel(model, check, satisfiable=None)


def wish_roster_model(roster: WishRoster, most_missing: int | None = None) -> ZooModel:
    """Return the model of a roster.

    Args:
        roster: the data.
        most_missing: how many may be missing in each shift; None is any number.
    """
    most_missing = roster.nurses if most_missing is None else most_missing
    nurses, needed, days = range(roster.nurses), roster.needed, range(len(roster.needed))
    model = cp_model.CpModel()
    works = {(n, d, s): model.new_bool_var(f"works[{n},{d},{s}]") for n in nurses for d in days for s in _SHIFTS}
    missing, surplus, single = {}, {}, {}
    for d in days:
        for s in _SHIFTS:
            missing[d, s] = model.new_int_var(0, most_missing, f"missing[{d},{s}]")
            surplus[d, s] = model.new_int_var(0, roster.nurses, f"surplus[{d},{s}]")
            on_duty = sum(works[n, d, s] for n in nurses)
            model.add(on_duty + missing[d, s] - surplus[d, s] == needed[d][s])
    for n in nurses:
        for d in days:
            model.add_at_most_one(works[n, d, s] for s in _SHIFTS)
        for d, after in pairwise(days):
            model.add_at_most_one(works[n, d, _NIGHT], works[n, after, _EARLY], works[n, after, _LATE])
            model.add_at_most_one(works[n, d, _LATE], works[n, d, _NIGHT], works[n, after, _EARLY])
        for first in days[: len(days) - _WINDOW + 1]:
            model.add(sum(works[n, first + k, s] for k in range(_WINDOW) for s in _SHIFTS) < _WINDOW)
        for d in days[1:-1]:
            single[n, d] = model.new_bool_var(f"single[{n},{d}]")
            at_work, before, after_it = (sum(works[n, day, s] for s in _SHIFTS) for day in (d, d - 1, d + 1))
            model.add(at_work - before - after_it <= single[n, d])
        model.add(sum(works[n, d, s] for d in days for s in _SHIFTS) <= roster.most)
    model.minimize(
        _MISSING * sum(missing.values())
        + _SURPLUS * sum(surplus.values())
        + _SINGLE * sum(single.values())
        + sum(price * works[key] for key, price in roster.price.items())
        + sum(price * (1 - works[key]) for key, price in roster.wish.items())
    )

    def check(value: Value) -> int:
        plan = [[[s for s in _SHIFTS if value(works[n, d, s])] for d in days] for n in nurses]
        cost = 0
        for row in plan:
            require(all(len(shifts) <= 1 for shifts in row), "nobody works two shifts on a day")
            for today, tomorrow in pairwise(row):
                require(
                    not today or not tomorrow or today <= tomorrow, "no shift is earlier than that of the day before"
                )
            at_work = "".join("x" if shifts else "-" for shifts in row)
            require("x" * _WINDOW not in at_work, "there is a day off in any six")
            require(at_work.count("x") <= roster.most, "nobody works too often")
            cost += _SINGLE * sum(at_work[d - 1 : d + 2] == "-x-" for d in days[1:-1])
        for d in days:
            for s in _SHIFTS:
                lack = needed[d][s] - sum(s in row[d] for row in plan)
                cost += max(_MISSING * lack, -_SURPLUS * lack)
        cost += sum(price for (n, d, s), price in roster.price.items() if s in plan[n][d])
        return cost + sum(price for (n, d, s), price in roster.wish.items() if s not in plan[n][d])

    return ZooModel(model, check)
