"""Study: what a planner likes, from the past plans alone, kept in new instances; counting is the baseline.

A planner knows what values, and pairs of them, are worth, has a mood, and makes a history. Every arm has that history
and the new instances' models, neither of which says what anything is worth. What an arm's solution is worth to the
planner is measured between a plan at random (0: the best one for random worths, mean of five) and the best plan there
is (1).
"""

from __future__ import annotations

import csv
import functools
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from benchmarks.options import Options
from benchmarks.records import Job
from benchmarks.studies.preferences.learned_pairs import learned_pairs
from benchmarks.studies.preferences.pair_terms import PairTerm, counted_pairs
from benchmarks.studies.preferences.planners import CASES, Data, Planner, Told, best_solution, preferred, solved_by
from nnsearch.cpsat import CpSolver
from nnsearch.model.variables import all_variables
from nnsearch.scorers.history import CountingScorer
from nnsearch.scorers.onnx import OnnxScorer
from nnsearch.scorers.scorer import Scorer
from training.config import at_least, config_of, read_table, some_of, toml_text
from training.export.export import export_graph, graph_metadata
from training.running.network_file import file_digest
from training.tasks.graph import fit_graph
from training.tasks.graph_config import GraphConfig

_CONFIG = Path(__file__).resolve().parents[3] / "training" / "configs" / "cp-model.toml"

ARMS = ("counting", "network", "network as an order", "pairs", "learned pairs")
"""Counts of values as an objective; the network, asked at the root, as one; the network as the order of a search that
asks it again (``CpSolver(network)``); counts of values and of pairs as an objective; worths of values and pairs that
were learned together."""

_SECONDS = 5.0  # of an arm for an instance; the best plan so far counts, and none as one at random

_RANDOM_PLANS = 5
_MOOD = 1.0  # standard deviation, where what is liked has 2


@dataclass(frozen=True)
class PreferencesStudy(Options):
    """What to run.

    Args:
        cases: roster, deputies, crews.
        arms: who takes part.
        seeds: how many preferences, each with a history and a network of its own.
        plans: past plans.
        instances: new instances of each.
        steps: of the training.
        runs: folder of the histories and trainings.
    """

    cases: Annotated[tuple[str, ...], some_of(*CASES)] = tuple(CASES)
    arms: Annotated[tuple[str, ...], some_of(*ARMS)] = ARMS
    seeds: Annotated[int, at_least(1)] = 3
    plans: Annotated[int, at_least(5)] = 200
    instances: Annotated[int, at_least(1)] = 10
    steps: Annotated[int, at_least(1)] = 300
    runs: Path = Path("runs/study-preferences")


def jobs(study: PreferencesStudy) -> list[Job]:
    """Return one job for each case, seed and arm."""
    sizes = {name: value for name, value in asdict(study).items() if name in ("plans", "instances", "steps")}
    return [
        Job(
            {"suite": "study-preferences", "case": case, "seed": seed, "arm": arm, **sizes},
            partial(_measure, study, case, seed, arm),
        )
        for case in study.cases
        for seed in range(study.seeds)
        for arm in study.arms
    ]


@dataclass(frozen=True, eq=False)
class _History:
    """Past plans int64[S, V] of one planner, and new instances with what is possible there."""

    case: Planner
    names: list[str]
    plans: npt.NDArray[np.int64]
    instances: list[tuple[Data, float, float]]


@functools.lru_cache(maxsize=1)
def _history(name: str, seed: int, plans: int, instances: int) -> _History:
    """Let the planner of a case work; the arms of one seed come one after the other."""
    case = CASES[name](seed)
    rng = np.random.default_rng([seed, 1])
    past = np.array([case.plan(case.draw(rng), _MOOD, rng) for _ in range(plans)])
    rng = np.random.default_rng([seed, 2])
    new = []
    for _ in range(instances):
        data = case.draw(rng)
        low = np.mean([case.worth(data, _random_plan(case.build(data), rng)) for _ in range(_RANDOM_PLANS)])
        new.append((data, float(low), case.worth(data, case.plan(data, 0.0, rng))))
    return _History(case, [variable.name for variable in all_variables(case.build())], past, new)


def _random_plan(model: cp_model.CpModel, rng: np.random.Generator) -> list[int]:
    worths = {variable.name: rng.normal(size=max(variable.domain.max(), 1) + 1) for variable in all_variables(model)}
    return best_solution(model, worths)


def _measure(study: PreferencesStudy, name: str, seed: int, arm: str) -> dict[str, Any]:
    history = _history(name, seed, study.plans, study.instances)
    trained = _train(study, history) if arm.startswith("network") else None
    solve = _solve_of(arm, history, None if trained is None else trained[0])
    kept, seconds, none_found = [], [], 0
    for data, low, high in history.instances:
        model = history.case.build(data)
        started = time.perf_counter()
        solution = solve(model)
        seconds.append(round(time.perf_counter() - started, 3))
        none_found += solution is None
        worth = low if solution is None else history.case.worth(data, solution)
        kept.append(round((worth - low) / (high - low), 4))
    return {
        "kept": kept,
        "none_found": none_found,
        "seconds": seconds,
        "training": None if trained is None else trained[1],
    }


def _solve_of(
    arm: str, history: _History, network: OnnxScorer | None
) -> Callable[[cp_model.CpModel], list[int] | None]:
    """Return how an arm solves an instance, whose model it may change."""
    if arm == "network as an order":
        return partial(_by_order, network)
    scorer: Scorer = CountingScorer(history.names, history.plans)
    pairs: list[PairTerm] = []
    if arm == "pairs":
        pairs = counted_pairs(history.names, history.plans)
    elif arm == "learned pairs":
        worths, pairs = learned_pairs(history.names, history.plans)
        scorer = Told(worths)
    return lambda model: preferred(model, network or scorer, pairs, _SECONDS)


def _by_order(network: OnnxScorer | None, model: cp_model.CpModel) -> list[int] | None:
    solver = CpSolver(network, on_error="raise")
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = _SECONDS
    return solved_by(solver, model, len(model.proto.variables))


@functools.lru_cache(maxsize=1)
def _train(study: PreferencesStudy, history: _History) -> tuple[OnnxScorer, dict[str, Any]]:
    """Train as ``python -m training fit --cp-model --solutions`` does, or take what an earlier call trained."""
    name = f"{history.case.name}-{history.case.seed}"
    folder = study.runs / f"{name}-{study.plans}-{study.steps}"
    folder.mkdir(parents=True, exist_ok=True)
    history.case.build().export_to_file(str(folder / "model.pb"))
    with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(history.names)
        writer.writerows(history.plans.tolist())
    overrides = {
        "name": toml_text(name),
        "data.cp_model": toml_text(str(folder / "model.pb")),
        "data.history": toml_text(str(folder / "history.csv")),
        "train.steps": str(study.steps),
        "train.device": toml_text("cpu"),
        "train.threads": "1",
    }
    config = config_of(GraphConfig, read_table(_CONFIG, overrides))
    outcome = fit_graph(config, folder / "run")
    if outcome.interrupted:
        raise KeyboardInterrupt
    file_of_network = folder / f"{name}.onnx"
    export_graph(
        outcome.network,
        graph_metadata(config, outcome),
        outcome.data.parity_states(),
        file_of_network,
    )
    sys.stderr.write(f"\n{name}: {outcome.seconds:.0f} s of training\n")
    return OnnxScorer(file_of_network, "cpu"), {
        "seconds": round(outcome.seconds, 1),
        "best_step": outcome.best_step,
        "measured": {key: round(value, 4) for values in outcome.measured.values() for key, value in values.items()},
        "model_sha256": file_digest(file_of_network),
    }
