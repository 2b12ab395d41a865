"""Strict rosters with their best plans: those of the past, to learn from, and new ones to be measured on."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model
from tqdm import tqdm

from benchmarks.instances.families.family import Part
from benchmarks.instances.families.rosters import draw_strict_roster
from benchmarks.instances.zoo.zoo_model import ZooModel
from nnsearch.errors import NNSearchError
from nnsearch.model.prepared import PreparedModel
from nnsearch.plain_solver import plain_solver
from training.data.solved_models import model_files, solutions_file, write_solutions

IntArray = npt.NDArray[np.int64]

_PLANNING, _PROVING = 1.0, 60.0
"""CP-SAT's deterministic seconds for a past plan, and for the best plan of a new roster: the same on any machine."""

_REFUSED = 20
"""Draws without a plan, one after the other, after which rosters of this size have none."""


@dataclass(frozen=True)
class RosterSize:
    """How many nurses there are, on how many days."""

    nurses: int
    days: int

    def draw(self, part: Part, seed: int, number: int) -> ZooModel:
        """Return a roster, the same one in every process; it may have no plan."""
        rng = Random(f"strict-rosters {self.nurses}x{self.days} {part} {seed} {number}")
        return draw_strict_roster(self.nurses, self.days, rng)


def best_plan(model: cp_model.CpModel, effort: float) -> tuple[list[int], bool] | None:
    """Return the best plan that CP-SAT finds with one worker, and whether none is better; None where it finds none."""
    solver = plain_solver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.max_deterministic_time = effort
    status = solver.solve(model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return list(solver.response_proto.solution), status == cp_model.OPTIMAL
    return None


def past_plans(size: RosterSize, seed: int, count: int, folder: Path) -> Path:
    """Return a folder of rosters with a plan each, as ``python -m training fit --models`` reads them.

    Those that an earlier call left there are kept; the first plans are the same, however many there are.

    Raises:
        NNSearchError: rosters of this size have no plans.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = (
        {file.stem for file in model_files(folder) if solutions_file(file).exists()} if any(folder.iterdir()) else set()
    )
    planned = islice(_planned(size, Part.TRAINING, seed, known, _PLANNING), count)
    shown = tqdm(planned, total=count, desc=f"past plans, seed {seed}", unit=" plans", leave=False, disable=None)
    for number, drawn, plan in shown:
        if plan is not None:
            file = folder / f"{number:05d}.pb"
            drawn.model.export_to_file(str(file))
            write_solutions(file, np.array([plan[0]]), np.array([_cost(drawn, plan[0])]))
    return folder


def _planned(
    size: RosterSize, part: Part, seed: int, known: set[str], effort: float
) -> Iterator[tuple[int, ZooModel, tuple[list[int], bool] | None]]:
    """Yield numbers and rosters that have plans, with them; no plan for those whose number is known."""
    number = refused = 0
    while refused < _REFUSED:
        drawn = size.draw(part, seed, number)
        plan = None if f"{number:05d}" in known else best_plan(drawn.model, effort)
        if plan is not None or f"{number:05d}" in known:
            refused = 0
            yield number, drawn, plan
        else:
            refused += 1
        number += 1
    raise NNSearchError(
        f"{size.nurses} nurses, {size.days} days: expected rosters with a plan, {_REFUSED} in a row have none that was "
        "found; choose another size"
    )


@dataclass(frozen=True, eq=False)
class NewRoster:
    """A roster that no network has learned from.

    Attributes:
        drawn: with its checker, which knows no solver.
        model: read once.
        any_plan: the same that asks for any plan; scorers still know the objective.
        works: int64[W], the variables that say who works when.
        best: int64[V], the best plan.
        cost: its cost.
        proved: whether none is better.
    """

    drawn: ZooModel
    model: PreparedModel
    any_plan: PreparedModel
    works: IntArray
    best: IntArray
    cost: float
    proved: bool

    def cost_of(self, plan: list[int]) -> float:
        """Return the cost of a plan, after the checker of the family."""
        return _cost(self.drawn, plan)


@functools.lru_cache(maxsize=1)
def new_rosters(size: RosterSize, count: int) -> list[NewRoster]:
    """Return rosters to measure on, which are the same for all arms; solved once in a process."""
    rosters: list[NewRoster] = []
    for _, drawn, plan in islice(_planned(size, Part.TEST, 0, set(), _PROVING), count):
        assert plan is not None, "none was known before"
        model = PreparedModel(drawn.model)
        works = [place for place, name in enumerate(model.names) if name.startswith("works[")]
        rosters.append(
            NewRoster(
                drawn,
                model,
                model.without_objective(),
                np.array(works),
                np.array(plan[0], dtype=np.int64),
                _cost(drawn, plan[0]),
                plan[1],
            )
        )
    return rosters


def _cost(drawn: ZooModel, plan: list[int]) -> float:
    """Return what the checker of the family says that a plan costs."""
    cost = drawn.check(lambda variable: plan[variable.index])
    assert cost is not None, "rosters have wishes"
    return cost
