"""Knapsacks, bins and vehicles whose items and customers change."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

from benchmarks.instances.streams.stream import Stream, about
from benchmarks.instances.zoo.packing import (
    BinPacking,
    MultiKnapsack,
    bin_packing_model,
    multi_knapsack_model,
    random_bin_packing,
    random_multi_knapsack,
    random_pair,
)
from benchmarks.instances.zoo.routing import (
    VehicleRouting,
    random_demand,
    random_place,
    random_vehicle_routing,
    vehicle_routing_model,
)

_KNAPSACKS = ((100, 5), (100, 10), (250, 5), (250, 10))
_BINS = ((80, 120), (120, 120), (160, 120), (160, 150))
_TOURS = ((16, 5, 40), (20, 7, 40), (25, 8, 40), (30, 10, 40))
"""Places, vehicles, capacity: the vehicles suffice however the demands change."""


def knapsack_streams(kind: str, folder: Path | None) -> list[Stream[MultiKnapsack]]:
    """Return a stream for each size."""
    return [
        Stream(
            f"{kind}/{items}x{sides}",
            partial(random_multi_knapsack, items, sides),
            change_knapsack,
            multi_knapsack_model,
        )
        for items, sides in _KNAPSACKS
    ]


def bin_packing_streams(kind: str, folder: Path | None) -> list[Stream[BinPacking]]:
    """Return a stream for each size."""
    return [
        Stream(
            f"{kind}/{items}x{capacity}", partial(random_bin_packing, items, capacity), change_bins, bin_packing_model
        )
        for items, capacity in _BINS
    ]


def vehicle_routing_streams(kind: str, folder: Path | None) -> list[Stream[VehicleRouting]]:
    """Return a stream for each size."""
    return [
        Stream(f"{kind}/{size[0]}", partial(random_vehicle_routing, *size), change_tours, vehicle_routing_model)
        for size in _TOURS
    ]


def change_knapsack(knapsack: MultiKnapsack, rng: Random) -> MultiKnapsack:
    """Profits differ by up to a tenth, capacities by up to a twentieth."""
    return replace(
        knapsack,
        profit=[about(p, 0.1, rng) for p in knapsack.profit],
        capacity=[about(c, 0.05, rng) for c in knapsack.capacity],
    )


def change_bins(packing: BinPacking, rng: Random) -> BinPacking:
    """A fifth of the weights differ by up to a fifth, and a tenth of the pairs are others; two items fit into a bin."""
    weight = [min(packing.capacity // 2, about(w, 0.2, rng)) if rng.random() < 0.2 else w for w in packing.weight]
    pairs = [random_pair(len(weight), rng) if rng.random() < 0.1 else pair for pair in packing.separate]
    return replace(packing, weight=weight, separate=pairs)


def change_tours(deliveries: VehicleRouting, rng: Random) -> VehicleRouting:
    """A tenth of the customers are elsewhere, and a fifth want another amount."""
    customers = range(1, len(deliveries.place))
    place, demand = list(deliveries.place), list(deliveries.demand)
    for i in rng.sample(customers, max(1, len(customers) // 10)):
        place[i] = random_place(rng)
    for i in rng.sample(customers, max(1, len(customers) // 5)):
        demand[i] = random_demand(rng)
    return replace(deliveries, place=place, demand=demand)
