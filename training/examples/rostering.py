"""A roster whose preferences only the historical solutions know: ``python -m training.examples.rostering``.

Nurses work shifts over two weeks. The model holds what must be: one shift or a day off, the demand of each shift, no
early shift after a night, at most five shifts a week. It does not hold what people like: who works nights, who wants
which day off. Past rosters do, because whoever made them knew. ``write`` makes the model and such a history (the
planner is simulated by an objective that is then thrown away), ``compare`` measures how much of the hidden objective a
network trained on the history keeps in new weeks, beside searches that know nothing.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from cyclopts import Parameter
from ortools.sat.python import cp_model
from tqdm import tqdm

from nnsearch import cp
from nnsearch.cli.command_line import command_line, run
from nnsearch.cp.search_options import SearchOptions
from nnsearch.errors import NNSearchError
from nnsearch.limits import Limits
from nnsearch.scorers.onnx import load_scorer
from training.data.user_model import one_worker

NURSES, DAYS, SHIFTS = 9, 14, ("early", "late", "night")
_DEMAND = (2, 2, 1)
_NIGHT, _EARLY = 2, 0
_NOISE = 1.0  # of the planner's mood, beside preferences of standard deviation 2

Roster = dict[tuple[int, int, int], cp_model.IntVar]
"""(nurse, day, shift) -> 1 iff she works it."""


def build(days_off: Sequence[tuple[int, int]] = ()) -> tuple[cp_model.CpModel, Roster]:
    """Build the model of one roster.

    Args:
        days_off: (nurse, day) pairs that are granted.
    """
    model = cp_model.CpModel()
    model.name = "roster"
    works = {
        (n, d, s): model.new_bool_var(f"nurse{n}_day{d}_{SHIFTS[s]}")
        for n in range(NURSES)
        for d in range(DAYS)
        for s in range(len(SHIFTS))
    }
    for n in range(NURSES):
        for d in range(DAYS):
            model.add(sum(works[n, d, s] for s in range(len(SHIFTS))) <= 1)
            if d + 1 < DAYS:
                model.add(works[n, d, _NIGHT] + works[n, d + 1, _EARLY] <= 1)
        for week in range(0, DAYS, 7):
            model.add(sum(works[n, d, s] for d in range(week, week + 7) for s in range(len(SHIFTS))) <= 5)
    for d in range(DAYS):
        for s, demand in enumerate(_DEMAND):
            model.add(sum(works[n, d, s] for n in range(NURSES)) == demand)
    for n, d in days_off:
        for s in range(len(SHIFTS)):
            model.add(works[n, d, s] == 0)
    return model, works


def hidden_preferences(seed: int = 7) -> npt.NDArray[np.float64]:
    """Return float64[NURSES, 7, SHIFTS], what each nurse likes on each day of the week; nobody tells the network."""
    rng = np.random.default_rng(seed)
    by_shift = rng.normal(size=(NURSES, 1, len(SHIFTS)))
    by_day = rng.normal(size=(NURSES, 7, 1))
    return np.asarray(2 * (by_shift + by_day))


def satisfaction(solution: Sequence[int]) -> float:
    """Return the hidden objective of a solution, variables in the model's order."""
    worked = np.array(solution).reshape(NURSES, DAYS, len(SHIFTS))
    return float((worked * np.tile(hidden_preferences(), (1, 2, 1))).sum())


def planned(model: cp_model.CpModel, works: Roster, noise: float, rng: np.random.Generator) -> list[int]:
    """Return the roster of a planner who knows the preferences, and has a mood."""
    weights = np.tile(hidden_preferences(), (1, 2, 1)) + noise * rng.normal(size=(NURSES, DAYS, len(SHIFTS)))
    scaled = np.rint(100 * weights).astype(int)
    planner = model.clone()
    planner.maximize(
        sum(int(scaled[key]) * planner.get_int_var_from_proto_index(var.index) for key, var in works.items())
    )
    solver = one_worker(20)
    if solver.solve(planner) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        raise NNSearchError("expected a roster that exists; fewer days off, please")
    return [solver.value(planner.get_int_var_from_proto_index(i)) for i in range(len(works))]


def random_days_off(rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return ten days off, no two on one day."""
    return [(int(rng.integers(NURSES)), int(day)) for day in rng.choice(DAYS, 10, replace=False)]


def write(*, out: Annotated[Path, Parameter(metavar="FOLDER")], rosters: int = 120, seed: int = 1) -> int:
    """Write the model, its history, and a new week to solve.

    Args:
        out: the folder
        rosters: historical rosters
        seed: of the moods and days off
    """
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    model, works = build()
    model.export_to_file(str(out / "roster.pb"))
    history = out / "history.csv"
    temporary = history.with_suffix(".tmp")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([var.name for var in works.values()])
        for _ in tqdm(range(rosters), unit=" rosters"):
            writer.writerow(planned(*build(random_days_off(rng)), _NOISE, rng))
    temporary.replace(history)
    new_week = build(random_days_off(rng))[0]
    new_week.export_to_file(str(out / "new-week.pb"))
    sys.stdout.write(f"{out}: roster.pb, history.csv ({rosters} rosters), new-week.pb\n")
    return 0


def compare(
    models: Annotated[tuple[str, ...], Parameter(metavar="MODEL...")] = (), /, *, weeks: int = 20, seed: int = 1000
) -> int:
    """Measure how much of the hidden preferences is kept in new weeks.

    Args:
        models: networks to compare
        weeks: new weeks
        seed: of the days off
    """
    rng = np.random.default_rng(seed)
    rosters = [build(random_days_off(rng)) for _ in range(weeks)]
    limits = Limits(seconds=5)
    arms: dict[str, list[float]] = {"the planner, without mood": [], "random order (CP-SAT)": []}
    solved: dict[str, int] = {}
    for model, works in tqdm(rosters, unit=" weeks"):
        arms["the planner, without mood"].append(satisfaction(planned(model, works, 0.0, rng)))
        arms["random order (CP-SAT)"].append(satisfaction(_random(model, rng)))
        variables = list(works.values())
        for name in (None, *models):
            scorer = None if name is None else load_scorer(name)
            label = "smallest value first" if name is None else str(name)
            result = cp.solve(model, variables, scorer, SearchOptions(limits=limits))
            arms.setdefault(label, [])
            solved.setdefault(label, 0)
            if result.solution is not None:
                solved[label] += 1
                arms[label].append(satisfaction(result.solution))
    low = float(np.mean(arms["random order (CP-SAT)"]))
    high = float(np.mean(arms["the planner, without mood"]))
    sys.stdout.write(f"{weeks} new weeks; 0 = a random roster, 1 = the best that the preferences allow\n")
    for label, values in arms.items():
        kept = (np.array(values) - low) / (high - low)
        median = f"{np.median(kept):.2f} ({kept.min():.2f} to {kept.max():.2f})" if len(kept) else "none solved"
        sys.stdout.write(f"{label:40} {median:24} solved {solved.get(label, len(values))} of {weeks}\n")
    return 0


def _random(model: cp_model.CpModel, rng: np.random.Generator) -> list[int]:
    solver = one_worker(math.inf)
    solver.parameters.randomize_search = True
    solver.parameters.random_seed = int(rng.integers(2**31 - 1))
    solver.solve(model)
    return [solver.value(model.get_int_var_from_proto_index(i)) for i in range(len(model.proto.variables))]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    app = command_line("python -m training.examples.rostering", __doc__ or "")
    app.command(write)
    app.command(compare)
    return run(app, argv)


if __name__ == "__main__":
    sys.exit(main())
