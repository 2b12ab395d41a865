"""Sets, graphs and places: linear rows of literals, clauses, at_most_one, max_equality, cardinalities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random

from ortools.sat.python import cp_model

from benchmarks.instances.zoo.rules import require
from benchmarks.instances.zoo.zoo_model import Size, Value, ZooModel


def _graph(vertices: int, edges: int, rng: Random) -> list[tuple[int, int]]:
    return sorted(rng.sample(list(combinations(range(vertices), 2)), edges))


@dataclass(frozen=True)
class SetCover:
    """Sets of things, by number, and what each costs."""

    things: int
    members: Sequence[Sequence[int]]
    cost: Sequence[int]


def random_set_cover(
    things: int,
    sets: int,
    rng: Random,
    *,
    members: tuple[int, int] = (3, 8),
    costs: tuple[int, int] = (5, 30),
    per_member: int = 3,
) -> SetCover:
    """Return sets that cover everything.

    Args:
        things: to cover.
        sets: how many there are; what none of them has is a set of its own.
        rng: random numbers.
        members: the smallest and the largest number of things in a set.
        costs: the least and the most that a set costs beside what its members cost.
        per_member: what each of those costs.
    """
    chosen = [sorted(rng.sample(range(things), rng.randint(*members))) for _ in range(sets)]
    missed = sorted(set(range(things)) - {t for m in chosen for t in m})
    chosen += [[t] for t in missed]
    return SetCover(things, chosen, [rng.randint(*costs) + per_member * len(m) for m in chosen])


def set_cover(size: Size, rng: Random) -> ZooModel:
    """The cheapest sets that cover everything."""
    return set_cover_model(random_set_cover(*size.choose((25, 30), (45, 60), (80, 120)), rng))


def set_cover_model(cover: SetCover) -> ZooModel:
    """Return the model of a cover."""
    things, members, cost = cover.things, cover.members, cover.cost
    model = cp_model.CpModel()
    taken = [model.new_bool_var(f"taken[{s}]") for s in range(len(members))]
    covering: list[list[cp_model.IntVar]] = [[] for _ in range(things)]
    for literal, some in zip(taken, members, strict=True):
        for t in some:
            covering[t].append(literal)
    for literals in covering:
        model.add_bool_or(literals)
    model.minimize(cp_model.LinearExpr.weighted_sum(taken, cost))

    def check(value: Value) -> int:
        chosen = [s for s in range(len(members)) if value(taken[s])]
        require({t for s in chosen for t in members[s]} == set(range(things)), "everything is covered")
        return sum(cost[s] for s in chosen)

    return ZooModel(model, check)


@dataclass(frozen=True)
class FacilityLocation:
    """What customers want, what warehouses hold and cost, and what it costs to serve a customer from each of them."""

    demand: Sequence[int]
    capacity: Sequence[int]
    rent: Sequence[int]
    cost: Sequence[Sequence[int]]


def facility_location(size: Size, rng: Random) -> ZooModel:
    """Warehouses with capacities are opened, each customer is served by one; what both cost is minimised."""
    houses, customers = size.choose((6, 15), (13, 36), (20, 60))
    demand = [rng.randint(3, 12) for _ in range(customers)]
    capacity = [rng.randint(sum(demand) // 4, sum(demand) // 2) for _ in range(houses)]
    rent = [rng.randint(60, 160) for _ in range(houses)]
    cost = [[rng.randint(2, 60) for _ in range(houses)] for _ in range(customers)]
    return facility_location_model(FacilityLocation(demand, capacity, rent, cost))


def facility_location_model(location: FacilityLocation) -> ZooModel:
    """Return the model of warehouses and customers."""
    demand, capacity, rent, cost = location.demand, location.capacity, location.rent, location.cost
    houses, customers = len(capacity), len(demand)
    model = cp_model.CpModel()
    is_open = [model.new_bool_var(f"open[{w}]") for w in range(houses)]
    serves = [[model.new_bool_var(f"serves[{c},{w}]") for w in range(houses)] for c in range(customers)]
    for row in serves:
        model.add_exactly_one(row)
        for w in range(houses):
            model.add_implication(row[w], is_open[w])
    for w in range(houses):
        model.add(sum(demand[c] * serves[c][w] for c in range(customers)) <= capacity[w])
    model.minimize(
        sum(rent[w] * is_open[w] for w in range(houses))
        + sum(cost[c][w] * serves[c][w] for c in range(customers) for w in range(houses))
    )

    def check(value: Value) -> int:
        served = [[w for w in range(houses) if value(row[w])] for row in serves]
        require(all(len(by) == 1 for by in served), "each customer is served by one warehouse")
        opened = {w for w in range(houses) if value(is_open[w])}
        require({w for (w,) in served} <= opened, "only open warehouses serve")
        loads = [sum(demand[c] for c, (by,) in enumerate(served) if by == w) for w in range(houses)]
        require(all(loads[w] <= capacity[w] for w in opened), "no warehouse serves more than its capacity")
        return sum(rent[w] for w in opened) + sum(cost[c][w] for c, (w,) in enumerate(served))

    return ZooModel(model, check)


@dataclass(frozen=True)
class WeightedGraph:
    """The weights of vertices, and edges between them."""

    weight: Sequence[int]
    edges: Sequence[tuple[int, int]]


def independent_set(size: Size, rng: Random) -> ZooModel:
    """The heaviest set of vertices without an edge between them."""
    vertices, edges = size.choose((60, 200), (90, 400), (130, 800))
    graph = _graph(vertices, edges, rng)
    return independent_set_model(WeightedGraph([rng.randint(1, 12) for _ in range(vertices)], graph))


def independent_set_model(data: WeightedGraph) -> ZooModel:
    """Return the model of a heaviest independent set."""
    weight, graph = data.weight, data.edges
    vertices = len(weight)
    model = cp_model.CpModel()
    taken = [model.new_bool_var(f"taken[{v}]") for v in range(vertices)]
    for a, b in graph:
        model.add_at_most_one(taken[a], taken[b])
    model.maximize(cp_model.LinearExpr.weighted_sum(taken, weight))

    def check(value: Value) -> int:
        chosen = {v for v in range(vertices) if value(taken[v])}
        require(not any(a in chosen and b in chosen for a, b in graph), "no edge has both ends in the set")
        return sum(weight[v] for v in chosen)

    return ZooModel(model, check)


def graph_colouring(size: Size, rng: Random) -> ZooModel:
    """As few colours as possible, so that the ends of each edge differ."""
    vertices, edges, most = size.choose((30, 120, 8), (50, 350, 11), (80, 1000, 16))
    planted = [rng.randrange(most - 2) for _ in range(vertices)]
    pairs = [(a, b) for a, b in combinations(range(vertices), 2) if planted[a] != planted[b]]
    graph = sorted(rng.sample(pairs, edges))
    model = cp_model.CpModel()
    colour = [model.new_int_var(0, most - 1, f"colour[{v}]") for v in range(vertices)]
    for a, b in graph:
        model.add(colour[a] != colour[b])
    number = model.new_int_var(1, most, "number")
    for v in range(vertices):
        model.add(number > colour[v])
    model.minimize(number)

    def check(value: Value) -> int:
        chosen = [value(c) for c in colour]
        require(all(chosen[a] != chosen[b] for a, b in graph), "the ends of an edge have two colours")
        return max(chosen) + 1

    return ZooModel(model, check)


def frequency_assignment(size: Size, rng: Random) -> ZooModel:
    """Transmitters nearby keep frequencies at a distance, |f - g| >= d; the highest frequency is minimised."""
    vertices, edges = size.choose((14, 35), (44, 240), (60, 400))
    gap = {edge: rng.randint(1, 5) for edge in _graph(vertices, edges, rng)}
    most = 5 * vertices
    model = cp_model.CpModel()
    frequency = [model.new_int_var(1, most, f"frequency[{v}]") for v in range(vertices)]
    for (a, b), distance in gap.items():
        apart = model.new_int_var(distance, most, f"apart[{a},{b}]")
        model.add_abs_equality(apart, frequency[a] - frequency[b])
    top = model.new_int_var(1, most, "top")
    model.add_max_equality(top, frequency)
    model.minimize(top)

    def check(value: Value) -> int:
        chosen = [value(f) for f in frequency]
        require(all(abs(chosen[a] - chosen[b]) >= d for (a, b), d in gap.items()), "neighbours keep their distance")
        return max(chosen)

    return ZooModel(model, check)
