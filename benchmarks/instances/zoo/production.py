"""Factories and plants: set-ups behind enforcement literals, stock, sequences, division, modulo and products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from ortools.sat.python import cp_model

from benchmarks.instances.zoo.rules import require
from benchmarks.instances.zoo.zoo_model import Size, Value, ZooModel


@dataclass(frozen=True)
class LotSizing:
    """Of each product the demand by period, and what a set-up and a piece in stock cost."""

    demand: Sequence[Sequence[int]]
    setup: Sequence[int]
    hold: Sequence[int]


def random_lot_sizing(products: int, periods: int, rng: Random) -> LotSizing:
    """Return products that are wanted in every other period or so."""
    demand = [[rng.choice((0, rng.randint(5, 30))) for _ in range(periods)] for _ in range(products)]
    setup = [rng.randint(30, 90) for _ in range(products)]
    return LotSizing(demand, setup, [rng.randint(1, 4) for _ in range(products)])


def lot_sizing(size: Size, rng: Random) -> ZooModel:
    """Products share a machine: set-ups, stock and overtime cost, and every demand is met in time."""
    return lot_sizing_model(random_lot_sizing(*size.choose((2, 6), (4, 14), (8, 24)), rng))


def lot_sizing_model(lots: LotSizing) -> ZooModel:
    """Return the model of products on a machine."""
    demand, setup, hold = lots.demand, lots.setup, lots.hold
    products, periods = len(demand), len(demand[0])
    capacity = sum(map(sum, demand)) * 11 // (10 * periods)
    model = cp_model.CpModel()
    made, stock, is_set = {}, {}, {}
    overtime = [model.new_int_var(0, 30 * products, f"overtime[{t}]") for t in range(periods)]
    for p in range(products):
        for t in range(periods):
            made[p, t] = model.new_int_var(0, sum(demand[p]), f"made[{p},{t}]")
            stock[p, t] = model.new_int_var(0, sum(demand[p]), f"stock[{p},{t}]")
            is_set[p, t] = model.new_bool_var(f"set[{p},{t}]")
            model.add(made[p, t] == 0).only_enforce_if(~is_set[p, t])
            model.add(made[p, t] >= 5).only_enforce_if(is_set[p, t])
            model.add(stock[p, t] == (stock[p, t - 1] if t else 0) + made[p, t] - demand[p][t])
    for t in range(periods):
        model.add(sum(made[p, t] for p in range(products)) <= capacity + overtime[t])
    model.minimize(
        sum(setup[p] * literal for (p, _), literal in is_set.items())
        + sum(hold[p] * variable for (p, _), variable in stock.items())
        + 6 * sum(overtime)
    )

    def check(value: Value) -> int:
        cost = 0
        amount = [[value(made[p, t]) for t in range(periods)] for p in range(products)]
        for p in range(products):
            for t in range(periods):
                least, most = (5, sum(demand[p])) if value(is_set[p, t]) else (0, 0)
                require(least <= amount[p][t] <= most, "what is made is set up, and not too little of it")
                cost += setup[p] * value(is_set[p, t])
            left = [m - d for m, d in zip(accumulate(amount[p]), accumulate(demand[p]), strict=True)]
            require(min(left) >= 0, "every demand is met in time")
            cost += hold[p] * sum(left)
        for t in range(periods):
            extra = value(overtime[t])
            require(sum(row[t] for row in amount) <= capacity + extra, "there is time for what is made")
            cost += 6 * extra
        return cost

    return ZooModel(model, check)


def car_sequencing(size: Size, rng: Random) -> ZooModel:
    """Cars with options on a line: of so many in a row only so many may have an option."""
    cars, kinds = size.choose((20, 5), (140, 20), (220, 24))
    window = [(1, 2), (2, 3), (1, 3), (2, 5), (1, 5)]
    planned: list[tuple[int, ...]] = []  # a sequence that works, and is then forgotten
    options = [tuple(int(rng.random() < 0.5) for _ in window) for _ in range(kinds - 1)] + [(0,) * len(window)]
    for _ in range(cars):
        for one in [*rng.sample(options[:-1], kinds - 1), options[-1]]:
            after = [*planned, one]
            if all(sum(car[o] for car in after[-length:]) <= most for o, (most, length) in enumerate(window)):
                planned = after
                break
    number = {one: planned.count(one) for one in dict.fromkeys(options)}
    model = cp_model.CpModel()
    build = {(c, one): model.new_bool_var(f"build[{c},{k}]") for k, one in enumerate(number) for c in range(cars)}
    for c in range(cars):
        model.add_exactly_one(build[c, one] for one in number)
    for one, count in number.items():
        model.add(sum(build[c, one] for c in range(cars)) == count)
    for o, (most, length) in enumerate(window):
        for c in range(cars - length + 1):
            model.add(sum(build[d, one] for d in range(c, c + length) for one in number if one[o]) <= most)

    def check(value: Value) -> None:
        line = [[one for one in number if value(build[c, one])] for c in range(cars)]
        require(all(len(at) == 1 for at in line), "one car is at each place of the line")
        sequence = [one for (one,) in line]
        for o, (most, length) in enumerate(window):
            worst = max(sum(car[o] for car in sequence[c : c + length]) for c in range(cars))
            require(worst <= most, "no option comes too often in a row")
        require(all(sequence.count(one) == count for one, count in number.items()), "each kind is built as ordered")

    return ZooModel(model, check)


def assembly_line(size: Size, rng: Random) -> ZooModel:
    """Tasks with precedences go to stations in a line; the time of the slowest station is minimised."""
    tasks, stations = size.choose((12, 3), (45, 9), (70, 12))
    work = [rng.randint(3, 30) for _ in range(tasks)]
    before = sorted({(a, b) for a in range(tasks) for b in rng.sample(range(a + 1, a + 7), 2) if b < tasks})
    model = cp_model.CpModel()
    station = [model.new_int_var(0, stations - 1, f"station[{t}]") for t in range(tasks)]
    cycle = model.new_int_var(max(work), sum(work), "cycle")
    at = [[model.new_bool_var(f"at[{t},{s}]") for s in range(stations)] for t in range(tasks)]
    for t in range(tasks):
        model.add_map_domain(station[t], at[t])
    for s in range(stations):
        model.add(sum(work[t] * at[t][s] for t in range(tasks)) <= cycle)
    for a, b in before:
        model.add(station[a] <= station[b])
    model.minimize(cycle)

    def check(value: Value) -> int:
        chosen = [value(s) for s in station]
        require(all(chosen[a] <= chosen[b] for a, b in before), "no task comes before those that it needs")
        loads = [sum(work[t] for t in range(tasks) if chosen[t] == s) for s in range(stations)]
        require(sum(loads) == sum(work), "each task has a station")
        return max(loads)

    return ZooModel(model, check)


def unit_commitment(size: Size, rng: Random) -> ZooModel:
    """Power plants go on and off: least and most output, hours to stay on, dear starts; no demand is missed."""
    plants, hours = size.choose((4, 8), (6, 12), (8, 20))
    plant = []  # least and most output, cost of a start, of an hour, of a unit, and the hours that it stays on
    for _ in range(plants):
        least = rng.randint(10, 30)
        plant.append(
            (least, least * 3, rng.randint(80, 300), rng.randint(20, 60), rng.randint(2, 9), rng.randint(2, 4))
        )
    most = sum(p[1] for p in plant)
    demand = [rng.randint(most // 4, most * 4 // 5) for _ in range(hours)]
    model = cp_model.CpModel()
    on, starts, output = {}, {}, {}
    for p, (least, highest, *_, stay) in enumerate(plant):
        for h in range(hours):
            on[p, h], starts[p, h] = model.new_bool_var(f"on[{p},{h}]"), model.new_bool_var(f"starts[{p},{h}]")
            output[p, h] = model.new_int_var(0, highest, f"output[{p},{h}]")
            model.add_linear_constraint(output[p, h], least, highest).only_enforce_if(on[p, h])
            model.add(output[p, h] == 0).only_enforce_if(~on[p, h])
            if h:
                model.add_bool_or(~on[p, h], on[p, h - 1], starts[p, h])
            else:
                model.add_implication(on[p, h], starts[p, h])
            for before in range(max(0, h - stay + 1), h + 1):
                model.add_implication(starts[p, before], on[p, h])
    for h in range(hours):
        model.add(sum(output[p, h] for p in range(plants)) >= demand[h])
    costs = [plant[p][2] * starts[p, h] + plant[p][3] * on[p, h] + plant[p][4] * output[p, h] for p, h in on]
    model.minimize(sum(costs))

    def check(value: Value) -> int:
        cost = 0
        for p, (least, highest, start, hour, unit, stay) in enumerate(plant):
            begun = 0
            for h in range(hours):
                runs, made = value(on[p, h]), value(output[p, h])
                require((least <= made <= highest) if runs else made == 0, "output is within a plant's limits")
                starting = value(starts[p, h])
                require(bool(starting or not runs or (h and value(on[p, h - 1]))), "a plant starts before it runs")
                begun = stay if starting else begun - 1
                require(bool(runs) or begun <= 0, "a plant that has started stays on for its hours")
                cost += start * starting + hour * runs + unit * made
        for h in range(hours):
            require(sum(value(output[p, h]) for p in range(plants)) >= demand[h], "no demand is missed")
        return cost

    return ZooModel(model, check)


def blending(size: Size, rng: Random) -> ZooModel:
    """Sacks of raw stuffs make a mixture with enough of everything; prices are fractions, and the cost is minimised."""
    stuffs, contents = size.choose((10, 5), (90, 26), (180, 50))
    price = [rng.randint(200, 3000) / 128 for _ in range(stuffs)]  # what floats hold exactly
    fee = [rng.randint(100, 1500) / 16 for _ in range(stuffs)]
    part = [[rng.choice((0, rng.randint(1, 9))) for _ in range(stuffs)] for _ in range(contents)]
    need = [rng.randint(60, 140) if any(row) else 0 for row in part]
    model = cp_model.CpModel()
    sacks = [model.new_int_var(0, 150, f"sacks[{s}]") for s in range(stuffs)]
    ordered = [model.new_bool_var(f"ordered[{s}]") for s in range(stuffs)]
    for s in range(stuffs):
        model.add(sacks[s] == 0).only_enforce_if(~ordered[s])
        model.add(sacks[s] >= 3).only_enforce_if(ordered[s])
    for row, least in zip(part, need, strict=True):
        model.add(cp_model.LinearExpr.weighted_sum(sacks, row) >= least)
    model.minimize(sum(price[s] * sacks[s] for s in range(stuffs)) + sum(fee[s] * ordered[s] for s in range(stuffs)))

    def check(value: Value) -> float:
        amount = [value(s) for s in sacks]
        bought = [bool(value(literal)) for literal in ordered]
        require(
            all((n >= 3) if b else n == 0 for n, b in zip(amount, bought, strict=True)),
            "three sacks are ordered, or none",
        )
        for row, least in zip(part, need, strict=True):
            require(sum(p * n for p, n in zip(row, amount, strict=True)) >= least, "there is enough of everything")
        return sum(p * n for p, n in zip(price, amount, strict=True)) + sum(
            f for f, b in zip(fee, bought, strict=True) if b
        )

    return ZooModel(model, check)


def pallets(size: Size, rng: Random) -> ZooModel:
    """Batches fill pallets (division) with a rest (modulo), and a discount is a product; the cost is minimised."""
    goods = size.choose(10, 110, 260)
    per_pallet = [rng.randint(7, 23) for _ in range(goods)]
    wanted = [rng.randint(20, 90) for _ in range(goods)]
    price = [rng.randint(2, 9) for _ in range(goods)]
    space = sum(-(-w // p) for w, p in zip(wanted, per_pallet, strict=True)) + goods // 3
    model = cp_model.CpModel()
    amount = [model.new_int_var(wanted[g], 2 * wanted[g], f"amount[{g}]") for g in range(goods)]
    full = [model.new_int_var(0, 2 * wanted[g] // per_pallet[g], f"full[{g}]") for g in range(goods)]
    rest = [model.new_int_var(0, per_pallet[g] - 1, f"rest[{g}]") for g in range(goods)]
    broken = [model.new_bool_var(f"broken[{g}]") for g in range(goods)]
    level = model.new_int_var(0, 5, "level")  # of the discount: one for each so many full pallets
    for g in range(goods):
        model.add_division_equality(full[g], amount[g], per_pallet[g])
        model.add_modulo_equality(rest[g], amount[g], per_pallet[g])
        model.add(rest[g] >= 1).only_enforce_if(broken[g])
        model.add(rest[g] == 0).only_enforce_if(~broken[g])
    model.add(sum(full) + sum(broken) <= space)
    model.add(goods * level <= sum(full))
    saved = model.new_int_var(0, 5 * 2 * sum(wanted), "saved")
    model.add_multiplication_equality(saved, [level, sum(amount)])
    model.minimize(10 * sum(price[g] * amount[g] for g in range(goods)) + 150 * sum(broken) - saved)

    def check(value: Value) -> int:
        bought = [value(a) for a in amount]
        require(
            all(w <= b <= 2 * w for w, b in zip(wanted, bought, strict=True)),
            "what is wanted is bought, not more than twice",
        )
        whole = sum(b // p for b, p in zip(bought, per_pallet, strict=True))
        opened = sum(b % p > 0 for b, p in zip(bought, per_pallet, strict=True))
        require(whole + opened <= space, "there is space for all pallets")
        discount = value(level)
        require(0 <= discount <= 5 and goods * discount <= whole, "a discount is for full pallets")
        return 10 * sum(p * b for p, b in zip(price, bought, strict=True)) + 150 * opened - discount * sum(bought)

    return ZooModel(model, check)
