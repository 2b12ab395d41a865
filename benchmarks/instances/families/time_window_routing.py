"""Vehicles that deliver within hours: several tours, loads and times behind enforcement literals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from ortools.sat.python import cp_model

from benchmarks.instances.zoo.routing import (
    chosen_arcs,
    complete_arcs,
    distances,
    random_demand,
    random_place,
)
from benchmarks.instances.zoo.rules import Span, require, walk
from benchmarks.instances.zoo.zoo_model import Value, ZooModel

_STAY = 10
"""Time at a customer."""

_VEHICLE = 150
"""What a vehicle costs beside the length of its tour."""


@dataclass(frozen=True)
class TimedDeliveries:
    """Places, the depot first, of each what is delivered and when one may arrive, and what a vehicle holds."""

    place: Sequence[tuple[int, int]]
    demand: Sequence[int]
    window: Sequence[Span]
    capacity: int


def random_timed_deliveries(places: int, capacity: int, rng: Random) -> TimedDeliveries:
    """Return customers who can all be met from the depot in a day of 600."""
    place = [(50, 50), *(random_place(rng) for _ in range(places - 1))]
    demand = [0, *(random_demand(rng) for _ in range(places - 1))]
    window = [(0, 0)]
    for _ in range(places - 1):
        opens = rng.randint(0, 400)
        window.append((opens, opens + rng.randint(80, 200)))
    return TimedDeliveries(place, demand, window, capacity)


def draw_deliveries(places: int, capacity: int, rng: Random) -> ZooModel:
    """Return the model of random deliveries."""
    return timed_deliveries_model(random_timed_deliveries(places, capacity, rng))


def timed_deliveries_model(deliveries: TimedDeliveries) -> ZooModel:
    """Return the model of deliveries."""
    demand, window, places = deliveries.demand, deliveries.window, len(deliveries.place)
    far, capacity = distances(deliveries.place), deliveries.capacity
    model = cp_model.CpModel()
    arcs = complete_arcs(model, places)
    load = [model.new_int_var(demand[i], capacity, f"load[{i}]") for i in range(places)]
    arrival = [model.new_int_var(*window[i], f"arrival[{i}]") for i in range(places)]
    model.add_multiple_circuit([(i, j, literal) for (i, j), literal in arcs.items()])
    for (i, j), literal in arcs.items():
        if j:
            model.add(arrival[j] >= arrival[i] + (_STAY if i else 0) + far[i][j]).only_enforce_if(literal)
        if j and i:
            model.add(load[j] >= load[i] + demand[j]).only_enforce_if(literal)
    model.minimize(sum((far[i][j] + (0 if i else _VEHICLE)) * literal for (i, j), literal in arcs.items()))

    def check(value: Value) -> int:
        chosen = chosen_arcs(arcs, value)
        visited = []
        for first in [j for i, j in chosen if i == 0]:  # a tour is what follows its first customer
            tour = walk([(0, first), *(arc for arc in chosen if arc[0])], 0)
            require(sum(demand[i] for i in tour) <= capacity, "no vehicle is loaded beyond its capacity")
            for i, j in pairwise(tour):
                ready = value(arrival[i]) + (_STAY if i else 0) + far[i][j]
                require(value(arrival[j]) >= ready, "nobody drives faster than the distance allows")
                require(window[j][0] <= value(arrival[j]) <= window[j][1], "customers are met within their hours")
            visited += tour[1:]
        require(sorted(visited) == list(range(1, places)), "each customer is visited once")
        return sum(far[i][j] + (0 if i else _VEHICLE) for i, j in chosen)

    return ZooModel(model, check)
