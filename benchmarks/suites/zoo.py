"""The drop-in solver against CP-SAT on the zoo: every kind and size, paired by seed, with every answer checked.

A model's instance is fixed by its kind and size. The seed is CP-SAT's, and arms take turns in the same process on the
same model. Nothing that goes wrong ends the run: wrong answers are recorded, and listed at the end.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, Literal, get_args

import numpy as np
from ortools.sat.python import cp_model
from tqdm import tqdm

import nnsearch.cpsat
from benchmarks.answers import wrong_answers
from benchmarks.arms import Arm, check_contest, warm_up
from benchmarks.checked_solve import ClockedSolve, checked, clocked, raced
from benchmarks.instances.zoo import KINDS, Size, ZooModel, build
from benchmarks.records import Job, Record
from benchmarks.rendering.ends import who_answered, wrong_table
from benchmarks.rendering.parts import Cell, Group, Table, TableRow
from benchmarks.statistics import best_known, by_arm, cost, counted, geometric_mean, is_decided, short
from nnsearch.errors import ConfigError
from nnsearch.result import Status
from nnsearch.trial.arms import TrialRun
from nnsearch.trial.pairs import INTEGRAL_SLACK, SECONDS_SLACK, paired_costs, rotated
from nnsearch.trial.primal_integral import primal_integral
from training.running.fan_out import Needs

ArmName = Literal["cp-sat", "drop-in", "cp-sat-again"]
BASELINE = "cp-sat"

FACTOR, ALLOWANCE = 1.15, 0.1
"""A model is slower where it takes more than ``FACTOR`` times the baseline and ``ALLOWANCE`` seconds."""


@dataclass(frozen=True)
class Zoo:
    """What every arm is given.

    Args:
        kinds: texts; a kind takes part whose name has one of them, all kinds where there are none.
        sizes: of every kind.
        seeds: random seeds of CP-SAT, one run of an arm on a model for each.
        workers: numbers of workers, each a comparison of its own.
        seconds: when an arm gives up.
        arms: who takes part, the baseline among them.

    Raises:
        ConfigError: a number is out of range, or nothing is left to compare.
    """

    kinds: tuple[str, ...] = ()
    sizes: tuple[Size, ...] = tuple(Size)
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    workers: tuple[int, ...] = (2,)
    seconds: float = 15.0
    arms: tuple[ArmName, ...] = ("cp-sat", "drop-in")

    def __post_init__(self) -> None:
        for text in self.kinds:
            if not any(text in name for name in KINDS):
                raise ConfigError(f"kinds: expected a part of one of {', '.join(KINDS)}, got {text!r}")
        for name, values, least in (("seeds", self.seeds, 0), ("workers", self.workers, 1)):
            if not values or min(values) < least or max(values) >= 2**31:
                raise ConfigError(f"{name}: expected numbers of {least} or more, got {' '.join(map(str, values))}")
        if not self.sizes:
            raise ConfigError(f"sizes: expected some of {', '.join(Size)}, got none")
        check_contest(self.seconds, self.arms, get_args(ArmName))

    @property
    def models(self) -> list[tuple[str, Size]]:
        """The kinds and sizes that are solved."""
        names = [name for name in KINDS if not self.kinds or any(text in name for text in self.kinds)]
        return list(product(names, dict.fromkeys(self.sizes)))


def jobs(suite: Zoo) -> list[Job]:
    """Return one job for each model, number of workers, seed and arm; the arms of a pair come one after the other."""
    made = []
    turn = 0
    for name, size in tqdm(suite.models, disable=None, desc="building", unit=" models", leave=False):
        digest = build(name, size).digest
        instance = {"instance": f"{name}/{size}", "kind": name, "size": str(size), "instance_sha256": digest}
        for workers, seed in product(dict.fromkeys(suite.workers), dict.fromkeys(suite.seeds)):
            for arm in rotated(_arms(suite, workers), turn):
                config = {"suite": "zoo", **instance, **arm.config, "seed": seed, "time_limit": suite.seconds}
                made.append(Job(config, partial(measure, name, size, arm, seed), arm.needs))
            turn += 1
    return made


def measure(name: str, size: Size, arm: Arm, seed: int) -> dict[str, Any]:
    """Run an arm on a model, and return the ``result`` of the record; what is wrong with it is in ``wrong``."""
    warm_up(arm)
    zoo_model = _model(name, size)
    result, solved = checked(zoo_model, lambda: arm.solve(zoo_model.model, (), seed=seed))
    return {**result, **raced(solved)}


@dataclass(frozen=True)
class ModelRatio:
    """How long one arm takes on a model, against another.

    Attributes:
        instance: the model.
        workers: of both arms.
        seconds: pairs that are compared by the seconds to the proof, since either arm had it; the other ones are
            compared by the primal integral.
        pairs: of how many seeds.
        mean: geometric mean of the ratios; below 1 the first arm is faster.
        low: lower end of its 95 % interval (bootstrap over seeds).
        high: upper end.
        slower: the upper end of what it takes in relation to what it may (``FACTOR``, ``ALLOWANCE``) is above 1.
    """

    instance: str
    workers: int
    seconds: int
    pairs: int
    mean: float
    low: float
    high: float
    slower: bool


def compare_by_model(
    one: Sequence[Record], other: Sequence[Record], best: Mapping[str, float], resamples: int = 10_000
) -> list[ModelRatio]:
    """Compare two arms on each model and number of workers, within pairs of one seed; the slowest model comes first.

    Args:
        one: records of an arm.
        other: records of another one.
        best: see :func:`benchmarks.statistics.best_known`.
        resamples: of the bootstrap, whose seed is fixed.
    """
    partners = {_pair(record): record for record in other}
    pairs = [(record, partners[_pair(record)]) for record in one if _pair(record) in partners]
    ratios = []
    for (instance, _, workers), same in _by_model(pairs):
        taken = [_costs(mine, theirs, best) for mine, theirs in same]
        logs = np.array([math.log((a + slack) / (b + slack)) for a, b, slack, _ in taken])
        over = np.array([math.log(max(a, 1e-9) / (FACTOR * b + allowance)) for a, b, _, allowance in taken])
        ratios.append(
            ModelRatio(
                instance,
                workers,
                sum(slack == SECONDS_SLACK for *_, slack, _ in taken),
                len(taken),
                *geometric_mean(logs, resamples),
                slower=geometric_mean(over, resamples)[2] > 1,
            )
        )
    return sorted(ratios, key=lambda ratio: -ratio.mean)


def summary(records: Sequence[Record]) -> Group:
    """Return what the suite found: all models together, each model alone, who answered, and what was wrong."""
    config = records[0]["config"]
    seeds = len({record["config"]["seed"] for record in records})
    cpus = sorted({record["result"]["usable_cpus"] for record in records})
    arms = by_arm(records)
    baseline = arms.pop(BASELINE)
    best = best_known(records)
    ratios = {arm: compare_by_model(runs, baseline, best) for arm, runs in arms.items()}
    tables = [_together(ratios, arms, baseline)]
    tables += [_each(arm, ratios[arm], runs, baseline, best) for arm, runs in arms.items()]
    raced = {arm: [run for run in runs if run["result"]["winner"] is not None] for arm, runs in arms.items()}
    tables += [who_answered(arm, runs) for arm, runs in raced.items() if runs]
    wrong = wrong_answers(records)
    tables += wrong_table(wrong)
    return Group(
        f"{len(records):,} solves on {' or '.join(map(str, cpus))} usable CPUs, limit {config['time_limit']:g} s, "
        f"{counted(seeds, 'seed')}; {counted(len(wrong), 'wrong answer')}",
        tables,
    )


def _together(ratios: dict[str, list[ModelRatio]], arms: dict[str, list[Record]], baseline: Sequence[Record]) -> Table:
    rows = []
    for arm, of_models in ratios.items():
        for workers in dict.fromkeys(ratio.workers for ratio in sorted(of_models, key=lambda ratio: ratio.workers)):
            same = [ratio for ratio in of_models if ratio.workers == workers]
            for size in ("", *Size):
                chosen = [ratio for ratio in same if ratio.instance.endswith(size)]
                if not chosen:
                    continue
                mean, low, high = geometric_mean(np.log([ratio.mean for ratio in chosen]))
                instances = {ratio.instance for ratio in chosen}
                sides = [_on(runs, instances, workers) for runs in (baseline, arms[arm])]
                cells: list[Cell] = [
                    f"{arm} / {BASELINE}, {counted(workers, 'worker')}{size and ', '}{size}",
                    len(chosen),
                    sum(ratio.pairs for ratio in chosen),
                    *(sum(map(is_decided, side)) for side in sides),
                    *(f"{max(run['result']['wall_seconds'] for run in side):.1f}" for side in sides),
                    f"{mean:.3f}",
                    "-" if len(chosen) == 1 else f"{low:.3f} .. {high:.3f}",
                    sum(ratio.slower for ratio in chosen),
                ]
                rows.append(TableRow(cells, arm))
    return Table(
        f"Time / time of {BASELINE}",
        [
            *("arms", "models", "pairs", f"{BASELINE} proved", "proved", f"{BASELINE} maximum", "maximum"),
            *("geometric mean", "95 % interval", "slower"),
        ],
        rows,
        "Below 1 the arm is faster. A pair is one model and one seed. Where either arm ended with a proof (or, without "
        "an objective, a solution),\nits ratio is that of the seconds, and who reached the limit counts with it; else "
        "that of the primal integrals, the mean gap to the\nbest known solution over the time given. "
        f"{SECONDS_SLACK:g} s, or {INTEGRAL_SLACK:g}, are added to both sides. A model counts as the geometric mean\n"
        "of its pairs; the interval is a bootstrap over models.\n"
        "maximum: the most seconds that a run took, also beyond the limit.\n"
        f"slower: models whose own 95 % interval ends above {FACTOR:g} times {BASELINE} + {ALLOWANCE:g} s.",
    )


def _each(
    arm: str,
    ratios: Sequence[ModelRatio],
    runs: Sequence[Record],
    baseline: Sequence[Record],
    best: Mapping[str, float],
) -> Table:
    rows = []
    for ratio in ratios:
        sides = [_on(of, {ratio.instance}, ratio.workers) for of in (baseline, runs)]
        seconds = [short(float(np.median([cost(run, "seconds") for run in side]))) for side in sides]
        integrals = ["-" if (mean := _mean_integral(side, best)) is None else f"{mean:.3f}" for side in sides]
        cells: list[Cell] = [
            ratio.instance,
            ratio.workers,
            *(f"{sum(map(is_decided, side))}/{len(side)}" for side in sides),
            *seconds,
            *integrals,
            f"{ratio.mean:.3f}",
            "-" if ratio.pairs == 1 else f"{ratio.low:.3f} .. {ratio.high:.3f}",
            f"{ratio.seconds} s, {ratio.pairs - ratio.seconds} integral",
            "slower" if ratio.slower else "",
        ]
        rows.append(TableRow(cells, arm))
    both = [f"{BASELINE} proved", "proved", f"{BASELINE} seconds", "seconds", f"{BASELINE} integral", "integral"]
    return Table(
        f"{arm} / {BASELINE} by model, the slowest first",
        ["model", "workers", *both, "ratio", "95 % interval", "compared by", ""],
        rows,
        "seconds: medians; integral: means of primal integrals.",
    )


def _arms(suite: Zoo, workers: int) -> list[Arm]:
    makes: dict[ArmName, Callable[[], cp_model.CpSolver]] = {
        "cp-sat": cp_model.CpSolver,
        "drop-in": nnsearch.cpsat.CpSolver,
        "cp-sat-again": cp_model.CpSolver,
    }
    return [
        Arm(
            {"arm": arm, "workers": workers},
            partial(_solve, make=makes[arm], workers=workers, seconds=suite.seconds),
            suite.seeds,
            needs=Needs(workers),
        )
        for arm in dict.fromkeys(suite.arms)
    ]


def _solve(
    model: cp_model.CpModel,
    variables: Sequence[cp_model.IntVar],
    *,
    seed: int,
    make: Callable[[], cp_model.CpSolver],
    workers: int,
    seconds: float,
) -> ClockedSolve:
    solver = make()
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = seed
    solver.parameters.max_time_in_seconds = seconds
    return clocked(solver, model)


@functools.lru_cache(maxsize=1)
def _model(name: str, size: Size) -> ZooModel:
    """Build a model once for all seeds and arms, which come one after the other."""
    return build(name, size)


def _by_model(pairs: Sequence[tuple[Record, Record]]) -> list[tuple[tuple[str, str, int], list[tuple[Record, Record]]]]:
    groups: dict[tuple[str, str, int], list[tuple[Record, Record]]] = {}
    for pair in pairs:
        groups.setdefault(_pair(pair[0])[:3], []).append(pair)
    return list(groups.items())


def _pair(record: Record) -> tuple[str, str, int, int]:
    config = record["config"]
    return config["instance"], config["instance_sha256"], config["workers"], config["seed"]


def _on(runs: Sequence[Record], instances: set[str], workers: int) -> list[Record]:
    return [r for r in runs if r["config"]["instance"] in instances and r["config"]["workers"] == workers]


def _costs(one: Record, other: Record, best: Mapping[str, float]) -> tuple[float, float, float, float]:
    """Return what both runs of a pair cost, the slack of such costs, and the allowance in their unit."""
    instance, limit = one["config"]["instance_sha256"], one["config"]["time_limit"]
    first, second = (
        TrialRun(Status(run["result"]["status"]), run["result"]["wall_seconds"], run["result"]["solutions"])
        for run in (one, other)
    )
    mine, theirs, slack = paired_costs(first, second, best.get(instance), limit)
    return mine, theirs, slack, ALLOWANCE if slack == SECONDS_SLACK else ALLOWANCE / limit


def _mean_integral(runs: Sequence[Record], best: Mapping[str, float]) -> float | None:
    known = best.get(runs[0]["config"]["instance_sha256"])
    if known is None:
        return None
    return float(np.mean([primal_integral(r["result"]["solutions"], known, r["config"]["time_limit"]) for r in runs]))
