"""Who works when: automaton, sliding windows, soft cover, pairings, crews that split work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from ortools.sat.python import cp_model

from benchmarks.instances.zoo.rules import require
from benchmarks.instances.zoo.zoo_model import Size, Value, ZooModel

_OFF, _DAY, _NIGHT = range(3)


@dataclass(frozen=True)
class NurseRoster:
    """How many nurses are needed by day and by night, and what nurses wish for, by nurse and day."""

    nurses: int
    needed: Sequence[tuple[int, int]]
    wish: Mapping[tuple[int, int], int]


def random_nurse_roster(nurses: int, days: int, rng: Random) -> NurseRoster:
    """Return a roster that needs about half of the nurses on each day; a third of the shifts are wished for."""
    needed = [(rng.randint(nurses // 4, nurses // 3), rng.randint(nurses // 6, nurses // 4)) for _ in range(days)]
    wish = {(rng.randrange(nurses), rng.randrange(days)): rng.randrange(3) for _ in range(nurses * days // 3)}
    return NurseRoster(nurses, needed, wish)


def nurse_roster(size: Size, rng: Random) -> ZooModel:
    """An automaton says which sequences of shifts are lawful; missing nurses cost much, broken wishes little."""
    return nurse_roster_model(random_nurse_roster(*size.choose((6, 7), (9, 14), (16, 21)), rng))


def nurse_roster_model(roster: NurseRoster) -> ZooModel:
    """Return the model of a roster."""
    nurses, needed, wish = roster.nurses, roster.needed, roster.wish
    days = len(needed)
    longest, fewest, most = 5, days // 2 - 1, days * 5 // 7
    # State 0 is after a day off, 1..5 after so many days of work, 6..10 the same with a night shift as the last one.
    arcs = [(state, _OFF, 0) for state in range(2 * longest + 1)]
    arcs += [(state, _DAY, state + 1) for state in range(longest)]
    arcs += [(state, _NIGHT, longest + state + 1) for state in range(longest)]
    arcs += [(longest + state, _NIGHT, longest + state + 1) for state in range(1, longest)]
    model = cp_model.CpModel()
    shift = [[model.new_int_var(0, 2, f"shift[{n},{d}]") for d in range(days)] for n in range(nurses)]
    has = {}
    for n in range(nurses):
        model.add_automaton(shift[n], 0, range(2 * longest + 1), arcs)
        for d in range(days):
            for kind in range(3):
                literal = has[n, d, kind] = model.new_bool_var(f"has[{n},{d},{kind}]")
                model.add(shift[n][d] == kind).only_enforce_if(literal)
                model.add(shift[n][d] != kind).only_enforce_if(~literal)
        model.add_linear_constraint(sum(~has[n, d, _OFF] for d in range(days)), fewest, most)
    missing = []
    for d in range(days):
        for kind in (_DAY, _NIGHT):
            missing.append(model.new_int_var(0, nurses, f"missing[{d},{kind}]"))
            model.add(sum(has[n, d, kind] for n in range(nurses)) + missing[-1] >= needed[d][kind - 1])
    model.minimize(20 * sum(missing) + sum(~has[n, d, kind] for (n, d), kind in wish.items()))

    def check(value: Value) -> int:
        roster = [[value(s) for s in row] for row in shift]
        for row in roster:
            require((_NIGHT, _DAY) not in pairwise(row), "no day shift follows a night shift")
            at_work = "".join("-" if s == _OFF else "x" for s in row)
            require("x" * (longest + 1) not in at_work, "nobody works more than five days in a row")
            require(fewest <= at_work.count("x") <= most, "everybody works neither too little nor too much")
        cost = sum(roster[n][d] != kind for (n, d), kind in wish.items())
        for d in range(days):
            for kind in (_DAY, _NIGHT):
                cost += 20 * max(0, needed[d][kind - 1] - sum(row[d] == kind for row in roster))
        return cost

    return ZooModel(model, check)


def call_centre(size: Size, rng: Random) -> ZooModel:
    """Shifts with a start, a length and a break are taken so often that every hour has its agents, at least cost."""
    hours, kinds = size.choose((12, 20), (48, 3000), (96, 8000))
    shifts = []
    for _ in range(kinds):
        length = rng.randint(4, 8)
        begin = rng.randint(0, hours - length)
        rest = begin + rng.randint(1, length - 2)
        shifts.append(([h for h in range(begin, begin + length) if h != rest], 10 * length + rng.randint(0, 15)))
    covered = {h for on, _ in shifts for h in on}
    wanted = [rng.randint(3, 25) if h in covered else 0 for h in range(hours)]
    model = cp_model.CpModel()
    agents = [model.new_int_var(0, 30, f"agents[{s}]") for s in range(kinds)]
    for h in range(hours):
        model.add(sum(agents[s] for s, (on, _) in enumerate(shifts) if h in on) >= wanted[h])
    model.minimize(sum(cost * agents[s] for s, (_, cost) in enumerate(shifts)))

    def check(value: Value) -> int:
        number = [value(a) for a in agents]
        require(min(number) >= 0, "nobody works a negative number of times")
        for h in range(hours):
            on_duty = sum(number[s] for s, (on, _) in enumerate(shifts) if h in on)
            require(on_duty >= wanted[h], "every hour has its agents")
        return sum(cost * number[s] for s, (_, cost) in enumerate(shifts))

    return ZooModel(model, check)


def crew_pairing(size: Size, rng: Random) -> ZooModel:
    """Flights are divided among pairings that crews can fly; whatever is left over is flown by dear reserves."""
    flights, pairings = size.choose((15, 60), (30, 200), (50, 600))
    legs = [sorted(rng.sample(range(flights), rng.randint(2, 5))) for _ in range(pairings)]
    cost = [15 * len(leg) + rng.randint(0, 60) for leg in legs]
    base = [rng.randrange(3) for _ in range(pairings)]
    crews = flights // 7
    model = cp_model.CpModel()
    flown = [model.new_bool_var(f"flown[{p}]") for p in range(pairings)]
    reserve = [model.new_bool_var(f"reserve[{f}]") for f in range(flights)]
    for f in range(flights):
        model.add_exactly_one(reserve[f], *(flown[p] for p in range(pairings) if f in legs[p]))
    for home in range(3):
        model.add(sum(flown[p] for p in range(pairings) if base[p] == home) <= crews)
    model.minimize(cp_model.LinearExpr.weighted_sum(flown, cost) + 90 * sum(reserve))

    def check(value: Value) -> int:
        chosen = [p for p in range(pairings) if value(flown[p])]
        require(all(sum(base[p] == b for p in chosen) <= crews for b in range(3)), "no base sends more than its crews")
        by_reserves = [f for f in range(flights) if value(reserve[f])]
        done = sorted(by_reserves + [f for p in chosen for f in legs[p]])
        require(done == list(range(flights)), "each flight is flown once")
        return sum(cost[p] for p in chosen) + 90 * len(by_reserves)

    return ZooModel(model, check)


def on_call(size: Size, rng: Random) -> ZooModel:
    """One doctor a day on call: rest between calls, absences, and the difference of loads weighs before preferences."""
    doctors, days = size.choose((4, 12), (6, 28), (8, 42))
    absent = {(rng.randrange(doctors), d) for d in range(days) for _ in range(2)}
    rest = 2
    dislike = [[rng.randint(0, 5) for _ in range(days)] for _ in range(doctors)]
    model = cp_model.CpModel()
    on = [[model.new_bool_var(f"on[{p},{d}]") for d in range(days)] for p in range(doctors)]
    empty = [model.new_bool_var(f"empty[{d}]") for d in range(days)]
    for d in range(days):
        model.add_exactly_one(empty[d], *(row[d] for row in on))
    for p in range(doctors):
        for d in range(days - rest):
            model.add_at_most_one(on[p][d : d + rest + 1])
    for p, d in absent:
        model.add(on[p][d] == 0)
    weekends = [d for d in range(days) if d % 7 in (5, 6)]
    most, least = model.new_int_var(0, days, "most"), model.new_int_var(0, days, "least")
    model.add_max_equality(most, [sum(row) for row in on])
    model.add_min_equality(least, [sum(row) for row in on])
    unfair = model.new_int_var(0, days, "unfair")
    model.add_max_equality(unfair, [sum(row[d] for d in weekends) for row in on])
    wishes = sum(dislike[p][d] * on[p][d] for p in range(doctors) for d in range(days))
    model.minimize(10_000 * sum(empty) + 500 * (most - least) + 100 * unfair + wishes)

    def check(value: Value) -> int:
        calls = [[d for d in range(days) if value(row[d])] for row in on]
        require(not any(d in calls[p] for p, d in absent), "nobody is called who is absent")
        require(all(b - a > rest for c in calls for a, b in pairwise(c)), "two days of rest follow a call")
        taken = sorted(d for c in calls for d in c)
        require(len(taken) == len(set(taken)), "one doctor is on call")
        loads = [len(c) for c in calls]
        weekend = max(sum(d in weekends for d in c) for c in calls)
        cost = 10_000 * (days - len(taken)) + 500 * (max(loads) - min(loads)) + 100 * weekend
        return cost + sum(dislike[p][d] for p in range(doctors) for d in calls[p])

    return ZooModel(model, check)
