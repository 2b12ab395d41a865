from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest
from ortools.sat.python import cp_model
from silent_runs import LostHint, SilentRun
from stand_ins import PATIENCE

from nnsearch.cpsat import CpSolver, RaceOptions
from nnsearch.cpsat import past as past_module
from nnsearch.cpsat.past import Past, PastOf
from nnsearch.cpsat.racing import race
from nnsearch.cpsat.start import Start
from nnsearch.history.matching import Plan
from nnsearch.history.store import Store


def maze(door: bool | None, holes: int = 13) -> cp_model.CpModel:
    """Through the open door all is easy; behind the closed one there are more pigeons than holes.

    Args:
        door: whether it is open; None is free.
        holes: of the pigeons, which are few where the door is known.
    """
    model = cp_model.CpModel()
    is_open = model.new_bool_var("open")
    sits = {(i, j): model.new_bool_var(f"{i} in {j}") for i in range(holes + 1) for j in range(holes)}
    if door is None:
        for i in range(holes + 1):
            model.add_bool_or(is_open, *(sits[i, j] for j in range(holes)))
        for j in range(holes):
            for one, other in itertools.combinations(range(holes + 1), 2):
                model.add_bool_or(~sits[one, j], ~sits[other, j])
    else:
        model.add(is_open == door)
        model.add(sum(sits.values()) == 0)
    return model


def remembering(path: Path, **more: Any) -> CpSolver:
    options = RaceOptions(head_start=0, trial_seconds=0, start_seconds=0.2, start_share=0)
    solver = CpSolver(None, history=path, options=options, **more)
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = PATIENCE
    return solver


@pytest.mark.parametrize("keep", [None, 1])
def test_where_the_nearest_past_solution_leads_nowhere_another_one_is_tried(
    keep: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plans.db"
    for door in (True, False):
        remembering(path).solve(maze(door))
    monkeypatch.setattr(past_module, "_PART", PATIENCE)
    SilentRun.begun = 0
    monkeypatch.setattr(race, "CpSatRun", LostHint)
    model = maze(None)
    solver = remembering(path, keep=keep)
    assert solver.solve(model) in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    assert solver.race is not None
    assert solver.race.winner == "history"
    assert solver.race.why.startswith("solve 1 of the history led to the solution")
    assert ("open", 0, 1) in solver.changes, "against the nearest"


def never(*_: object) -> bool:
    return False


class Tried:
    """Stands in for the replay of a plan, which leads to nothing."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.ends: list[float] = []

    def __call__(self, model: object, plan: Plan, ends: float, **more: object) -> Start | None:
        self.plans.append(plan)
        self.ends.append(ends)
        return None


def past_of(path: Path) -> PastOf:
    """Return the past of a model with four past solutions."""
    for chosen in range(4):
        model = cp_model.CpModel()
        x = [model.new_bool_var(f"x{i}") for i in range(4)]
        model.add(x[chosen] == 1)
        model.add(sum(x) == 1)
        remembering(path).solve(model)
    past = Past(path, None).of(model)
    past.look(never)
    return past


@pytest.mark.parametrize(
    ("after", "tried", "why"),
    [
        ("nothing", 3, "solves 4, 3, 2 led to no solution in time"),
        ("a stop", 1, "solve 4 led to no solution in time"),
        ("a solution of somebody else", 1, "solve 4 led to no solution in time"),
    ],
)
def test_no_other_past_solution_is_tried_after_a_stop_or_beside_a_solution(
    after: str, tried: int, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    past, replay = past_of(tmp_path / "plans.db"), Tried()
    monkeypatch.setattr(past_module, "find_start", replay)
    began = time.perf_counter()
    start = past.start(
        began + PATIENCE,
        lambda: after == "a stop" and bool(replay.plans),
        0,
        never,
        lambda: after == "a solution of somebody else",
    )
    assert start is None
    assert (len(replay.plans), past.why_not, past.led) == (tried, why, None)
    if tried > 1:
        assert all(ends < replay.ends[0] for ends in replay.ends[1:]), "a part of the time of the first"


def test_no_other_past_solution_is_read_where_the_nearest_leads_to_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = past_of(tmp_path / "plans.db")
    monkeypatch.setattr(Store, "load", lambda *_: pytest.fail("another was read"))
    start = past.start(time.perf_counter() + PATIENCE, never, 0, never, never)
    assert start is not None
    assert past.led == 4


def test_a_store_that_is_damaged_beyond_the_nearest_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    past = past_of(tmp_path / "plans.db")
    monkeypatch.setattr(past_module, "find_start", Tried())

    def damaged(self: Store, number: int) -> None:
        raise ZeroDivisionError(number)

    monkeypatch.setattr(Store, "load", damaged)
    assert past.start(time.perf_counter() + PATIENCE, never, 0, never, never) is None
    assert past.why_not == "it failed: ZeroDivisionError(3)"
    assert "the solve goes on without a history: ZeroDivisionError(3)" in caplog.text
