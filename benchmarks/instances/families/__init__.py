"""Families of instances: the kinds of models that people solve again and again, in sizes, with a checker each."""

from __future__ import annotations

from benchmarks.instances.families import draws
from benchmarks.instances.families.family import InstanceFamily, Part, Scale, sizes
from benchmarks.instances.families.feasibility import draw_quasigroup, draw_shift_roster
from benchmarks.instances.families.rosters import draw_roster
from benchmarks.instances.families.time_window_routing import draw_deliveries

__all__ = ["FAMILIES", "InstanceFamily", "Part", "Scale"]

FAMILIES = {
    family.name: family
    for family in (
        # Rows of Booleans and an objective.
        InstanceFamily("rosters", draw_roster, sizes((6, 7), (40, 28), (160, 28), (640, 28))),
        InstanceFamily(
            "set-cover", draws.draw_set_cover, sizes((20, 30), (1000, 2000), (4000, 8000), (16_000, 32_000))
        ),
        InstanceFamily(
            "generalised-assignment", draws.draw_generalised_assignment, sizes((3, 9), (20, 200), (40, 400), (80, 800))
        ),
        InstanceFamily(
            "facility-location", draws.draw_facility_location, sizes((4, 8), (30, 150), (60, 300), (120, 600))
        ),
        InstanceFamily(
            "independent-set", draws.draw_independent_set, sizes((16, 4), (1000, 12), (4000, 12), (16_000, 12))
        ),
        InstanceFamily("knapsack", draws.draw_knapsack, sizes((12, 2), (500, 20), (2000, 20), (8000, 20))),
        # What no solver of mixed-integer models takes well.
        InstanceFamily("automaton-rosters", draws.draw_automaton_roster, sizes((6, 7), (30, 28), (120, 28), (480, 28))),
        InstanceFamily(
            "timetables", draws.draw_timetable, sizes((3, 4, 6), (12, 15, 30), (48, 60, 30), (192, 240, 30))
        ),
        InstanceFamily(
            "flexible-shops", draws.draw_flexible_shop, sizes((3, 3, 4), (20, 8, 10), (40, 16, 20), (80, 32, 40))
        ),
        InstanceFamily("time-window-routing", draw_deliveries, sizes((6, 16), (30, 50), (60, 50), (120, 50))),
        # What has few solutions.
        InstanceFamily("quasigroups", draw_quasigroup, sizes((6,), (21,), (42,), (84,))),
        InstanceFamily("shift-rosters", draw_shift_roster, sizes((4, 1), (30, 4), (120, 4), (480, 4))),
        # Schedules, bins and lots.
        InstanceFamily("job-shops", draws.draw_job_shop, sizes((4, 3), (20, 15), (40, 30), (80, 60))),
        InstanceFamily("rcpsp", draws.draw_rcpsp, sizes((10,), (200,), (800,), (3200,))),
        InstanceFamily("bin-packing", draws.draw_bin_packing, sizes((9, 50), (120, 1000), (240, 1000), (480, 1000))),
        InstanceFamily("lot-sizing", draws.draw_lot_sizing, sizes((2, 5), (12, 30), (24, 60), (48, 120))),
    )
}
"""Every family by its name."""
