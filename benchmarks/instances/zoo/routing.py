"""Ways between places: circuit, multiple circuit, loads and times behind enforcement literals, places left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from ortools.sat.python import cp_model

from benchmarks.instances.zoo.rules import require, walk
from benchmarks.instances.zoo.zoo_model import Size, Value, ZooModel

Arcs = dict[tuple[int, int], cp_model.IntVar]


def _distances(places: int, rng: Random) -> list[list[int]]:
    """Return the distances between so many random places."""
    return distances([random_place(rng) for _ in range(places)])


def random_place(rng: Random) -> tuple[int, int]:
    """Return a place in a square of 100 x 100."""
    return rng.randrange(100), rng.randrange(100)


def distances(place: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the distances between places, rounded up so that no detour is shorter."""
    return [[math.ceil(math.dist(a, b)) for b in place] for a in place]


def complete_arcs(model: cp_model.CpModel, places: int) -> Arcs:
    """Return a literal for the way from each place to each other one."""
    pairs = [(i, j) for i in range(places) for j in range(places) if i != j]
    return {(i, j): model.new_bool_var(f"arc[{i},{j}]") for i, j in pairs}


def chosen_arcs(arcs: Arcs, value: Value) -> list[tuple[int, int]]:
    """Return the arcs that a solution uses."""
    return [arc for arc, literal in arcs.items() if value(literal)]


def travelling_salesman(size: Size, rng: Random) -> ZooModel:
    """The shortest tour through all places."""
    places = size.choose(14, 30, 40)
    far = _distances(places, rng)
    model = cp_model.CpModel()
    arcs = complete_arcs(model, places)
    model.add_circuit([(i, j, literal) for (i, j), literal in arcs.items()])
    model.minimize(sum(far[i][j] * literal for (i, j), literal in arcs.items()))

    def check(value: Value) -> int:
        chosen = chosen_arcs(arcs, value)
        require(len(walk(chosen, 0)) == len(chosen) == places, "the tour visits all places")
        return sum(far[i][j] for i, j in chosen)

    return ZooModel(model, check)


@dataclass(frozen=True)
class VehicleRouting:
    """Places, the depot first, what is delivered to each of them, and the vehicles with their capacity."""

    place: Sequence[tuple[int, int]]
    demand: Sequence[int]
    vehicles: int
    capacity: int


def random_vehicle_routing(places: int, vehicles: int, capacity: int, rng: Random) -> VehicleRouting:
    """Return random customers."""
    place = [random_place(rng) for _ in range(places)]
    return VehicleRouting(place, [0, *(random_demand(rng) for _ in range(places - 1))], vehicles, capacity)


def random_demand(rng: Random) -> int:
    """Return what a customer wants."""
    return rng.randint(4, 10)


def vehicle_routing(size: Size, rng: Random) -> ZooModel:
    """Vehicles of one capacity deliver to all customers; the length of all tours together is minimised."""
    return vehicle_routing_model(random_vehicle_routing(*size.choose((8, 3, 30), (11, 3, 40), (15, 4, 40)), rng))


def vehicle_routing_model(deliveries: VehicleRouting) -> ZooModel:
    """Return the model of deliveries."""
    demand, vehicles, capacity = deliveries.demand, deliveries.vehicles, deliveries.capacity
    far, places = distances(deliveries.place), len(demand)
    model = cp_model.CpModel()
    arcs = complete_arcs(model, places)
    load = [model.new_int_var(demand[i], capacity, f"load[{i}]") for i in range(places)]
    model.add_multiple_circuit([(i, j, literal) for (i, j), literal in arcs.items()])
    model.add(sum(arcs[0, j] for j in range(1, places)) <= vehicles)
    for (i, j), literal in arcs.items():
        if j and i:
            model.add(load[j] >= load[i] + demand[j]).only_enforce_if(literal)
    model.minimize(sum(far[i][j] * literal for (i, j), literal in arcs.items()))

    def check(value: Value) -> int:
        chosen = chosen_arcs(arcs, value)
        first = [j for i, j in chosen if i == 0]
        require(len(first) <= vehicles, "there are not more tours than vehicles")
        visited = []
        for j in first:  # a tour is what follows its first customer
            tour = walk([(0, j), *(arc for arc in chosen if arc[0])], 0)[1:]
            require(sum(demand[i] for i in tour) <= capacity, "no vehicle is loaded beyond its capacity")
            visited += tour
        require(sorted(visited) == list(range(1, places)), "each customer is visited once")
        return sum(far[i][j] for i, j in chosen)

    return ZooModel(model, check)


def delivery_windows(size: Size, rng: Random) -> ZooModel:
    """One tour that reaches all customers within their hours, as early as it can be back; waiting is allowed."""
    places = size.choose(10, 40, 80)
    far = _distances(places, rng)
    planned, at = [0] * places, 0
    for i, j in zip(order := [0, *rng.sample(range(1, places), places - 1)], order[1:], strict=False):
        at = planned[j] = at + far[i][j] + 5
    window = [(max(0, t - rng.randint(40, 300)), t + rng.randint(40, 300)) for t in planned]
    window[0] = (0, 0)
    horizon = max(last for _, last in window) + 200
    model = cp_model.CpModel()
    arcs = complete_arcs(model, places)
    arrival = [model.new_int_var(*window[i], f"arrival[{i}]") for i in range(places)]
    back = model.new_int_var(0, horizon, "back")
    model.add_circuit([(i, j, literal) for (i, j), literal in arcs.items()])
    for (i, j), literal in arcs.items():
        stay = 5 if i else 0
        model.add((arrival[j] if j else back) >= arrival[i] + stay + far[i][j]).only_enforce_if(literal)
    model.minimize(back)

    def check(value: Value) -> int:
        chosen = chosen_arcs(arcs, value)
        tour = walk(chosen, 0)
        require(len(tour) == len(chosen) == places, "the tour visits all places")
        time = 0
        for i, j in pairwise(tour):
            ready, time = time + (5 if i else 0) + far[i][j], value(arrival[j])
            require(time >= ready, "nobody drives faster than the distance allows")
            require(window[j][0] <= time <= window[j][1], "customers are met within their hours")
        return time + 5 + far[tour[-1]][0]

    return ZooModel(model, check)


def prize_collecting(size: Size, rng: Random) -> ZooModel:
    """A tour of limited length collects prizes; places may be left out, which is an arc from a place to itself."""
    places = size.choose(9, 20, 30)
    far = _distances(places, rng)
    prize = [0, *(rng.randint(5, 40) for _ in range(places - 1))]
    longest = size.choose(200, 300, 340)
    model = cp_model.CpModel()
    arcs = complete_arcs(model, places)
    skipped = [model.new_bool_var(f"skipped[{i}]") for i in range(1, places)]
    loops = [(i, i, literal) for i, literal in enumerate(skipped, start=1)]
    model.add_circuit([*((i, j, literal) for (i, j), literal in arcs.items()), *loops])
    model.add(sum(far[i][j] * literal for (i, j), literal in arcs.items()) <= longest)
    model.maximize(sum(prize[i] * ~literal for i, _, literal in loops))

    def check(value: Value) -> int:
        chosen = chosen_arcs(arcs, value)
        require(sum(far[i][j] for i, j in chosen) <= longest, "the tour is not too long")
        tour = walk(chosen, 0)
        require(len(tour) == len(chosen), "there is one tour")
        require(all((i in tour) != bool(value(literal)) for i, _, literal in loops), "a place is visited or left out")
        return sum(prize[i] for i in tour)

    return ZooModel(model, check)
