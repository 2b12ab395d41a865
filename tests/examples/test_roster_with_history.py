from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from example_programs import run_example
from stand_ins import PATIENCE

NURSES = ["Ada", "Ben", "Cleo", "Dan", "Eva", "Finn"]
DEMAND = {"early": 2, "late": 1, "night": 1}

pytestmark = pytest.mark.slow


def is_roster(plan: dict[str, str]) -> bool:
    """Go through the rules, letter by letter."""
    demand = all(
        [days[day] for days in plan.values()].count(s) == n
        for day in range(7)
        for s, n in (("e", 2), ("l", 1), ("n", 1))
    )
    rest = not any(tired in days for days in plan.values() for tired in ("ne", "nl", "le"))
    return demand and rest and all("." in days[:6] and "." in days[1:] for days in plan.values())


def paid(plan: dict[str, str], requests: dict[tuple[str, int], int]) -> int:
    single = sum(days[d] == "." and "." not in days[d - 1] + days[d + 1] for days in plan.values() for d in range(1, 6))
    return sum(price for (nurse, day), price in requests.items() if plan[nurse][day] in "eln") + 2 * single


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[str]]:
    """The program's names, and the lines that it printed."""
    folder = tmp_path_factory.mktemp("ward")
    return run_example("roster_with_history", folder, NURSES=NURSES, DAYS=7, DEMAND=DEMAND, SECONDS=PATIENCE)


def test_the_rosters_hold_and_the_figures_are_theirs(run: tuple[dict[str, Any], list[str]]) -> None:
    names, lines = run
    first, scratch, second = names["first"], names["scratch"], names["second"]
    assert [is_roster(plan) for plan in (first, scratch, second)] == [True] * 3

    def differ(plan: dict[str, str]) -> int:
        return sum(a != b for nurse, days in plan.items() for a, b in zip(days, first[nurse], strict=True))

    assert lines[:3] == [
        f"Monday: cost {paid(first, names['monday'])}",
        f"Tuesday from scratch: cost {paid(scratch, names['tuesday'])}, {differ(scratch)} of 42 days are changed",
        f"Tuesday from Monday's plan: cost {paid(second, names['tuesday'])}, {differ(second)} of 42 days are changed",
    ]
    assert lines[3] == f"{names['solver'].race}; with keep=1 each change costs 1 more"
    assert lines[-6:] == [f"{nurse:5}{days}" for nurse, days in second.items()]


def test_the_changes_are_all_that_differs(run: tuple[dict[str, Any], list[str]]) -> None:
    names, _ = run
    first, second, solver = names["first"], names["second"], names["solver"]
    works = {
        f"{nurse} {day} {shift}": (int(first[nurse][day] == shift[0]), int(second[nurse][day] == shift[0]))
        for nurse, day, shift in product(NURSES, range(7), DEMAND)
    }
    told = {change.name: change[1:] for change in solver.changes if not change.name.endswith("single day off")}
    assert told == {name: pair for name, pair in works.items() if pair[0] != pair[1]}
    assert solver.objective_value == paid(second, names["tuesday"]) + len(solver.changes), "keep=1: each costs 1"
