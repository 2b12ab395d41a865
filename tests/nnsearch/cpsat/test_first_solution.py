"""Whoever asks for the first solution alone gets that of either side, and nothing after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh
from silent_runs import SilentRun, silence
from stand_ins import PATIENCE
from stopping import bounded

from benchmarks.instances.families import FAMILIES, Part, Scale
from benchmarks.instances.families.feasibility import draw_quasigroup
from benchmarks.instances.zoo.zoo_model import ZooModel
from nnsearch.cpsat import CpSolver, RaceOptions
from nnsearch.cpsat.racing import track
from nnsearch.cpsat.racing.sides.lead import Lead
from nnsearch.cpsat.schedules.search import ScheduleSearch
from nnsearch.plain_solver import plain_solver


def of_family(name: str, seed: int = 0) -> ZooModel:
    return FAMILIES[name].build(Scale.TINY, Part.TEST, seed, 0)


class Heard(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
    """The objectives that a callback heard of."""

    def __init__(self) -> None:
        super().__init__()
        self.objectives: list[float] = []

    def on_solution_callback(self) -> None:
        self.objectives.append(self.objective_value)


def first_of(solver: CpSolver, drawn: ZooModel, monkeypatch: pytest.MonkeyPatch) -> Heard:
    """Ask for a first solution beside a CP-SAT that never answers, and check it."""
    silence(monkeypatch)
    solver.parameters.num_workers = 2
    solver.parameters.stop_after_first_solution = True
    heard = Heard()
    with bounded():
        assert solver.solve(drawn.model, heard) == cp_model.FEASIBLE
    assert SilentRun.begun == 1, "nobody begins again from it"
    assert heard.objectives == [solver.objective_value] == [drawn.check(solver.value)]
    assert solver.race is not None
    assert solver.race.contribution != "nothing"
    assert solver.race.error is None
    return heard


@pytest.mark.parametrize(
    ("scorer", "draw"),
    [
        ("bp", lambda: draw_quasigroup(8, Random(1))),
        ("lp", lambda: of_family("set-cover")),
        ("lp", lambda: of_family("job-shops")),
        ("lp", lambda: of_family("rcpsp")),
    ],
    ids=["the objective left aside", "rows", "a job shop", "a project"],
)
def test_it_may_be_the_learned_sides(
    scorer: str, draw: Callable[[], ZooModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    solver = CpSolver(scorer, options=RaceOptions(head_start=0, lead_after=0), on_error="raise")
    first_of(solver, draw(), monkeypatch)
    assert solver.race is not None
    assert solver.race.winner == "learned"


@pytest.mark.parametrize("scorer", [None, "lp"])
@pytest.mark.parametrize("family", ["set-cover", "generalised-assignment", "job-shops", "rcpsp"])
def test_it_may_be_one_that_the_past_leads_to(
    family: str, scorer: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = RaceOptions(head_start=0, lead_after=0, trial_seconds=0, start_seconds=100)
    before = CpSolver(None, history=tmp_path / "plans.db")
    before.parameters.num_workers = 2
    assert before.solve(of_family(family).model) == cp_model.OPTIMAL
    solver = CpSolver(scorer, history=tmp_path / "plans.db", options=how, on_error="raise")
    first_of(solver, of_family(family, 1), monkeypatch)
    assert solver.race is not None
    assert solver.race.winner == "history"


def test_it_may_be_that_of_cp_sat() -> None:
    solver, plain = CpSolver("lp", options=RaceOptions(head_start=PATIENCE)), plain_solver()
    for one in (solver, plain):
        one.parameters.num_workers = 1
        one.parameters.stop_after_first_solution = True
    drawn = of_family("knapsack")
    assert solver.solve(drawn.model) == plain.solve(drawn.model) == cp_model.FEASIBLE
    assert solver.objective_value == plain.objective_value
    assert solver.race is not None
    assert solver.race.winner == "cp-sat"


class BegunLater(SilentRun):
    """A run that solves when it is told to."""

    def __new__(cls, *arguments: object, **options: object) -> Any:
        return object.__new__(cls)

    def __init__(self, model: cp_model.CpModel, parameters: cmh.SatParameters, **callbacks: Any) -> None:
        super().__init__()
        self._model, self._callback, self._plain = model, callbacks["solution_callback"], plain_solver()
        self._plain.parameters.copy_from(parameters)

    def begin(self) -> None:
        self._plain.solve(self._model, self._callback)
        self.done.set()

    def response(self) -> cmh.CpSolverResponse:
        response: cmh.CpSolverResponse = self._plain.response_proto
        return response


@pytest.mark.parametrize("winner", ["cp-sat", "learned"])
def test_where_both_have_one_the_better_is_the_answer(winner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """CP-SAT begins with the best solution, or with the worst one."""
    drawn = of_family("job-shops")
    first, other = plain_solver(), drawn.model.clone()
    if winner == "learned":
        other.maximize(other.get_int_var_from_proto_index(drawn.model.proto.objective.vars[0]))
    assert first.solve(other) == cp_model.OPTIMAL
    drawn.model.proto.solution_hint.vars.extend(range(len(drawn.model.proto.variables)))
    drawn.model.proto.solution_hint.values.extend(list(first.response_proto.solution))
    lead = Lead.run

    def late(self: Lead, run: BegunLater, *arguments: Any) -> Any:
        run.begin()
        return lead(self, run, *arguments)

    monkeypatch.setattr(track, "CpSatRun", BegunLater)
    monkeypatch.setattr(Lead, "run", late)
    solver = CpSolver("lp", options=RaceOptions(head_start=0), on_error="raise")
    solver.parameters.num_workers = 1
    solver.parameters.stop_after_first_solution = True
    heard = Heard()
    with bounded():
        assert solver.solve(drawn.model, heard) in (cp_model.FEASIBLE, cp_model.OPTIMAL)
    assert len(heard.objectives) == 1
    assert drawn.check(solver.value) == solver.objective_value <= heard.objectives[0]
    assert solver.race is not None
    assert (solver.race.winner, solver.race.contribution == "nothing") == (winner, winner == "cp-sat")


@pytest.mark.parametrize("past", [False, True])
def test_a_search_that_fails_on_the_way_is_a_warning(
    past: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here without the parameter: what was found until then stays."""
    drawn = of_family("job-shops", 1)
    options = RaceOptions(head_start=0, lead_after=0, start_seconds=PATIENCE)
    solver = CpSolver(None if past else "lp", history=tmp_path / "plans.db" if past else None, options=options)
    if past:
        assert solver.solve(of_family("job-shops").model) == cp_model.OPTIMAL
    silence(monkeypatch)

    def broken(*_: object) -> None:
        raise MemoryError("no room for moves")

    monkeypatch.setattr(ScheduleSearch, "steps", broken)
    with bounded():
        assert solver.solve(drawn.model) == cp_model.OPTIMAL
    assert SilentRun.begun == 2, "CP-SAT goes on from the first schedule"
    drawn.check(solver.value)


def test_without_an_objective_the_first_solution_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = draw_quasigroup(6, Random(1))
    drawn.model.clear_objective()
    silence(monkeypatch)
    solver = CpSolver("bp", options=RaceOptions(head_start=0), on_error="raise")
    solver.parameters.stop_after_first_solution = True
    with bounded():
        assert solver.solve(drawn.model) == cp_model.OPTIMAL, "as CP-SAT says"
    drawn.check(solver.value)
