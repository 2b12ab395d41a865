from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from example_programs import run_example
from ortools.sat.python import cp_model
from stand_ins import PATIENCE

import nnsearch.cpsat

SHOP = {"JOBS": 5, "MACHINES": 4, "BROKEN": 2, "NOW": 100, "REPAIRED": 190, "NIGHT": PATIENCE, "PATIENCE": PATIENCE}


def is_plan(plan: dict[tuple[int, int], int], durations: dict[tuple[int, int], int]) -> bool:
    """No machine has two tasks at a time, and each job visits its machines one after the other."""
    ends = {task: start + durations[task] for task, start in plan.items()}
    apart = all(
        ends[one] <= plan[other] or ends[other] <= plan[one]
        for one, other in combinations(plan, 2)
        if one[0] == other[0] or one[1] == other[1]
    )
    order = all([task for task in durations if task[0] == job] == _by_start(plan, job) for job in range(5))
    return apart and order and plan.keys() == durations.keys() and min(plan.values()) >= 0


def _by_start(plan: dict[tuple[int, int], int], job: int) -> list[tuple[int, int]]:
    return sorted((task for task in plan if task[0] == job), key=plan.__getitem__)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[str]]:
    """The program's names, and the lines that it printed."""
    return run_example("job_shop_after_a_breakdown", tmp_path_factory.mktemp("shop"), **SHOP)


def test_the_plans_hold_and_what_is_printed_is_true(run: tuple[dict[str, Any], list[str]]) -> None:
    shop, lines = run
    durations = shop["DURATIONS"]
    first = shop["plan_of"](cp_model.CpSolver(), {}, PATIENCE)
    assert is_plan(first, durations)
    assert lines[0] == f"the plan of the night ends at minute {max(first[t] + durations[t] for t in first)}"
    assert lines[1].split(",")[0].removeprefix("from scratch") == lines[2].split(",")[0].removeprefix(
        "from the first plan"
    )
    assert "of 20 tasks moved" in lines[2]


def test_after_the_breakdown_nothing_that_had_begun_is_moved_and_the_machine_stands_still(
    run: tuple[dict[str, Any], list[str]], tmp_path: Path
) -> None:
    shop, _ = run
    durations = shop["DURATIONS"]
    first = shop["plan_of"](nnsearch.cpsat.CpSolver(None, history=tmp_path / "shop.db"), {}, PATIENCE)
    begun = {t: s for t, s in first.items() if s < 100 and not (t[1] == 2 and s + durations[t] > 100)}
    assert begun
    second = shop["plan_of"](nnsearch.cpsat.CpSolver(None, history=tmp_path / "shop.db"), begun, PATIENCE)
    assert is_plan(second, durations)
    assert begun.items() <= second.items()
    assert all(start >= 100 for task, start in second.items() if task not in begun)
    assert all(s >= 190 or s + durations[task] <= 100 for task, s in second.items() if task[1] == 2)
