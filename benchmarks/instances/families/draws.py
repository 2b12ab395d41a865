"""Instances of the kinds of the zoo with the data that make them hard: correlated, of a wide range, in the plane."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

from benchmarks.instances.streams.job_shops import random_job_shop
from benchmarks.instances.zoo.assignment import generalised_assignment_model, random_generalised_assignment
from benchmarks.instances.zoo.covering import (
    FacilityLocation,
    WeightedGraph,
    facility_location_model,
    independent_set_model,
    random_set_cover,
    set_cover_model,
)
from benchmarks.instances.zoo.packing import (
    bin_packing_model,
    multi_knapsack_model,
    random_bin_packing,
    random_multi_knapsack,
)
from benchmarks.instances.zoo.production import lot_sizing_model, random_lot_sizing
from benchmarks.instances.zoo.projects import random_rcpsp, rcpsp_model
from benchmarks.instances.zoo.rostering import nurse_roster_model, random_nurse_roster
from benchmarks.instances.zoo.routing import distances, random_place
from benchmarks.instances.zoo.shops import flexible_job_shop_model, job_shop_model, random_flexible_jobs
from benchmarks.instances.zoo.timetables import random_school_timetable, school_timetable_model
from benchmarks.instances.zoo.zoo_model import ZooModel

_ITEMS_OF_A_DAY = 6
"""Hours of lessons on a day."""


def draw_set_cover(things: int, sets: int, rng: Random) -> ZooModel:
    """Return sets of 20 things on average (2 % of 1,000), which cost from 1 to 100 whatever their size."""
    most = min(30, things // 2)
    cover = random_set_cover(things, sets, rng, members=(most // 3, most), costs=(1, 100), per_member=0)
    return set_cover_model(cover)


def draw_generalised_assignment(agents: int, tasks: int, rng: Random) -> ZooModel:
    """Return the kind D of Chu and Beasley (1997): the less time an agent takes for a task, the more it costs."""
    return generalised_assignment_model(
        random_generalised_assignment(agents, tasks, rng, times=(1, 100), dearest=111, noise=(-10, 10))
    )


def draw_facility_location(houses: int, customers: int, rng: Random) -> ZooModel:
    """Return warehouses in the plane after Cornuejols, Sridharan and Thizy (1991), with three times the capacity."""
    place = [random_place(rng) for _ in range(houses + customers)]
    far = [row[:houses] for row in distances(place)[houses:]]
    demand = [rng.randint(5, 35) for _ in range(customers)]
    size = [rng.randint(10, 160) for _ in range(houses)]
    rent = [round(rng.randint(100, 110) * math.sqrt(large)) + rng.randint(0, 90) for large in size]
    capacity = [max(max(demand), large * 3 * sum(demand) // sum(size)) for large in size]
    cost = [[math.ceil(d * wanted / 10) for d in row] for row, wanted in zip(far, demand, strict=True)]
    return facility_location_model(FacilityLocation(demand, capacity, rent, cost))


def draw_independent_set(vertices: int, degree: int, rng: Random) -> ZooModel:
    """Return a random graph of an average degree with weights from 1 to 100."""
    edges: set[tuple[int, int]] = set()
    while len(edges) < vertices * degree // 2:
        one, other = rng.randrange(vertices), rng.randrange(vertices)
        if one != other:
            edges.add((min(one, other), max(one, other)))
    return independent_set_model(WeightedGraph([rng.randint(1, 100) for _ in range(vertices)], sorted(edges)))


def draw_knapsack(items: int, sides: int, rng: Random) -> ZooModel:
    """Return a knapsack with several sides, in which heavy items are worth more."""
    return multi_knapsack_model(random_multi_knapsack(items, sides, rng))


def draw_automaton_roster(nurses: int, days: int, rng: Random) -> ZooModel:
    """Return a roster in which an automaton says what sequences of shifts are lawful."""
    return nurse_roster_model(random_nurse_roster(nurses, days, rng))


def draw_timetable(classes: int, teachers: int, hours: int, rng: Random) -> ZooModel:
    """Return a school whose teachers are there on most hours, and like some days and times of day less than others."""
    school = random_school_timetable(classes, teachers, hours, rng, blocked=0.15)
    dislike = []
    for _ in range(teachers):
        of_day = [rng.randint(0, 5) for _ in range(-(-hours // _ITEMS_OF_A_DAY))]
        of_time = [rng.randint(0, 5) for _ in range(_ITEMS_OF_A_DAY)]
        dislike.append([of_day[h // _ITEMS_OF_A_DAY] + of_time[h % _ITEMS_OF_A_DAY] for h in range(hours)])
    return school_timetable_model(replace(school, dislike=dislike))


def draw_flexible_shop(jobs: int, steps: int, machines: int, rng: Random) -> ZooModel:
    """Return jobs each operation of which may be done on three machines."""
    return flexible_job_shop_model(random_flexible_jobs(jobs, steps, machines, rng, choices=3))


def draw_job_shop(jobs: int, machines: int, rng: Random) -> ZooModel:
    """Return a job shop after Taillard (1993)."""
    return job_shop_model(random_job_shop(jobs, machines, rng))


def draw_rcpsp(tasks: int, rng: Random) -> ZooModel:
    """Return tasks that share three resources."""
    return rcpsp_model(random_rcpsp(tasks, rng))


def draw_bin_packing(items: int, capacity: int, rng: Random) -> ZooModel:
    """Return items for bins, some pairs of which go never together."""
    return bin_packing_model(random_bin_packing(items, capacity, rng))


def draw_lot_sizing(products: int, periods: int, rng: Random) -> ZooModel:
    """Return products that share a machine."""
    return lot_sizing_model(random_lot_sizing(products, periods, rng))
