from __future__ import annotations

import os
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from ortools.sat.python import cp_model
from stand_ins import PATIENCE

from benchmarks.instances.streams.shift_rosters import (
    Cover,
    Person,
    Request,
    Shift,
    ShiftRoster,
    cost_of,
    read_shift_roster,
    shift_roster_model,
)
from benchmarks.instances.zoo import BrokenRuleError
from nnsearch.errors import InstanceError

FOLDER = os.environ.get("NNSEARCH_INSTANCES")
"""Where other people's instances are, in folders such as ``nurse-rostering``; see benchmarks/README.md."""

CONTRACT = Person("a", (4, 1), (960, 1920), (2, 3), 2, 1, frozenset({2}), (Request(0, "L", 3),), (Request(5, "E", 2),))
ROSTER = ShiftRoster(
    8, (Shift("E", 480, ()), Shift("L", 480, ("E",))), (CONTRACT,), ((Cover(1, 100, 1), Cover(0, 100, 1)),) * 8
)


def solve(model: cp_model.CpModel) -> tuple[cp_model.CpSolver, str]:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 2
    solver.parameters.max_time_in_seconds = PATIENCE
    return solver, solver.status_name(solver.solve(model))


@pytest.mark.skipif(FOLDER is None, reason="NNSEARCH_INSTANCES names no folder of other people's instances")
def test_instance_01_costs_607() -> None:
    made = shift_roster_model(read_shift_roster(Path(FOLDER or "") / "nurse-rostering" / "instance-01.json"))
    solver, status = solve(made.model)
    assert (status, made.check(solver.value)) == ("OPTIMAL", 607)


def plans_of(roster: ShiftRoster) -> set[tuple[str | None, ...]]:
    """The plans of the first person in all solutions of the model, whatever is too much or too little in them."""
    model = shift_roster_model(roster).model
    model.clear_objective()
    for variable in model.proto.variables:
        if variable.name.startswith(("under", "over")):
            most = list(variable.domain)[-1]
            variable.domain.clear()
            variable.domain.extend([most, most])
    works = {
        (day, shift.name): next(
            model.get_int_var_from_proto_index(index)
            for index, variable in enumerate(model.proto.variables)
            if variable.name == f"works[{roster.staff[0].name},{day},{shift.name}]"
        )
        for day, shift in product(range(roster.days), roster.shifts)
    }
    found = set()

    class Plans(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
        def on_solution_callback(self) -> None:
            on = {day: name for (day, name), variable in works.items() if self.value(variable)}
            found.add(tuple(on.get(day) for day in range(roster.days)))

    solver = cp_model.CpSolver()
    solver.parameters.enumerate_all_solutions = True
    assert solver.solve(model, Plans()) == cp_model.OPTIMAL
    return found


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({"off": frozenset({2, 3})}, "nobody works on a day off"),
        ({}, "no shift follows one that it must not follow"),
        ({}, "no shift is worked too often"),
        ({}, "everybody works neither too little nor too much"),
        ({"run": (1, 2)}, "nobody works too long in a row"),
        ({}, "nobody works too short in a row"),
        ({}, "nobody rests too short"),
        ({"weekends": 0}, "nobody works on too many weekends"),
    ],
)
def test_model_and_checker_have_the_same_plans(change: dict[str, object], broken: str) -> None:
    roster = replace(ROSTER, staff=(replace(CONTRACT, **change),))  # type: ignore[arg-type]
    costs, rules = {}, set()
    for plan in product((None, "E", "L"), repeat=8):
        try:
            costs[plan] = cost_of(roster, [plan])
        except BrokenRuleError as error:
            rules.add(str(error))
    assert broken in rules
    made = shift_roster_model(roster)
    solver, status = solve(made.model)
    assert status == "OPTIMAL"
    assert made.check(solver.value) == pytest.approx(solver.objective_value) == min(costs.values())
    assert plans_of(roster) == set(costs)


def test_names_go_by_the_day() -> None:
    def names(roster: ShiftRoster) -> set[str]:
        return {variable.name for variable in shift_roster_model(roster).model.proto.variables}

    later = names(replace(ROSTER, first_day=7))
    assert "works[a,14,E]" in later
    assert {name for name in names(ROSTER) & later if name.startswith("works")} == {"works[a,7,E]", "works[a,7,L]"}


def test_other_files_are_refused(tmp_path: Path) -> None:
    for text in ("", "[]", '{"nDays": 3}', '{"nDays": 1, "shifts": [], "staffs": [{}], "covers": []}'):
        path = tmp_path / "roster.json"
        path.write_text(text)
        with pytest.raises(InstanceError, match="expected JSON with nDays, shifts, staffs and covers"):
            read_shift_roster(path)
