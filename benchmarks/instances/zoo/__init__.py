"""The zoo: models of many kinds as practitioners write them, three sizes of each, with independent checkers."""

from __future__ import annotations

from random import Random

from benchmarks.instances.zoo import (
    assignment,
    covering,
    packing,
    production,
    projects,
    puzzles,
    rostering,
    routing,
    sat,
    shops,
    timetables,
)
from benchmarks.instances.zoo.rules import BrokenRuleError
from benchmarks.instances.zoo.zoo_model import Check, Kind, Size, Value, ZooModel

__all__ = ["KINDS", "BrokenRuleError", "Check", "Kind", "Size", "Value", "ZooModel", "build"]

_ALL: tuple[Kind, ...] = (
    shops.job_shop,
    shops.flexible_job_shop,
    shops.open_shop,
    shops.permutation_flow_shop,
    shops.setup_times,
    shops.weighted_tardiness,
    projects.rcpsp,
    projects.multi_mode_rcpsp,
    projects.reservoir,
    projects.order_acceptance,
    packing.strip_packing,
    packing.cut_rectangle,
    packing.bin_packing,
    packing.multi_knapsack,
    packing.cutting_stock,
    routing.travelling_salesman,
    routing.vehicle_routing,
    routing.delivery_windows,
    routing.prize_collecting,
    rostering.nurse_roster,
    rostering.call_centre,
    rostering.crew_pairing,
    rostering.on_call,
    timetables.exam_timetable,
    timetables.school_timetable,
    timetables.league,
    timetables.social_golfers,
    covering.set_cover,
    covering.facility_location,
    covering.independent_set,
    covering.graph_colouring,
    covering.frequency_assignment,
    assignment.generalised_assignment,
    assignment.quadratic_assignment,
    assignment.configuration,
    assignment.stable_residents,
    production.lot_sizing,
    production.car_sequencing,
    production.assembly_line,
    production.unit_commitment,
    production.blending,
    production.pallets,
    puzzles.magic_square,
    puzzles.quasigroup,
    puzzles.golomb_ruler,
    puzzles.queens,
    puzzles.langford,
    puzzles.pigeons,
    puzzles.rods,
    puzzles.factors,
    sat.planted_sat,
    sat.crowded_sat,
    sat.weighted_max_sat,
    sat.parities,
)

KINDS: dict[str, Kind] = {kind.__name__.replace("_", "-"): kind for kind in _ALL}
"""Every kind by its name."""


def build(name: str, size: Size, seed: int = 1) -> ZooModel:
    """Return the model of a kind and a size; the same one for the same seed."""
    return KINDS[name](size, Random(f"{name} {size} {seed}"))  # of a text it is the same in every process
