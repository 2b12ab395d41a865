"""Models with an objective: what learned orders are worth on new instances of families, against CP-SAT and others.

An instance is fixed by its family, size and number. It is one of those for tests, none of which
``python -m benchmarks family`` ever writes, so no network was trained on it. The seed is CP-SAT's; arms take turns in
one process on each instance and seed.
"""

from __future__ import annotations

import functools
import hashlib
import math
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, get_args

import numpy as np
from ortools.sat.python import cp_model
from tqdm import tqdm

import nnsearch.cpsat
from benchmarks.answers import wrong_answers
from benchmarks.anytime import (
    NOISE_QUANTILE,
    OTHER_SEED,
    SLACK,
    integral,
    last_gap,
    last_objective,
    log_ratio,
    noise_of,
    not_worse,
    paired_runs,
    share,
)
from benchmarks.arms import Arm, check_contest, warm_up
from benchmarks.checked_solve import ClockedSolve, checked, clocked, raced
from benchmarks.instances.families import FAMILIES, Part, Scale
from benchmarks.instances.zoo.zoo_model import ZooModel
from benchmarks.records import Job, Record, grouped
from benchmarks.rendering.curves import gaps_over_time
from benchmarks.rendering.ends import ends, solves_line, who_answered, wrong_table
from benchmarks.rendering.parts import Cell, Chart, Group, Table, TableRow
from benchmarks.statistics import best_known, by_arm, geometric_mean
from nnsearch.errors import ConfigError
from nnsearch.highs import is_linear, solve_by_highs
from nnsearch.plain_solver import plain_solver
from nnsearch.scorers.onnx import OnnxScorer, load_scorer
from nnsearch.trial.pairs import rotated
from training.running.fan_out import Needs
from training.running.network_file import file_digest

ArmName = Literal["cp-sat", "cp-sat-again", "cp-sat-level-2", "cp-sat-local-search", "highs"]
BASELINE, NOISE, LEVEL_2, LOCAL_SEARCH, HIGHS = get_args(ArmName)

REFERENCES = ("reference", "reference-highs")
"""The long runs of CP-SAT and HiGHS, which are in no comparison: their solution may be the best known."""

TRAINED = "drop-in trained"
"""The drop-in solver with the network of each family."""

HISTORY = "drop-in history"


@dataclass(frozen=True)
class OptimiseSuite:
    """What every arm is given.

    Args:
        families: names, or parts of names; all families where there are none.
        sizes: of every family.
        instances: of each family and size.
        seeds: random seeds of CP-SAT, one run of an arm on an instance for each.
        workers: of every arm.
        seconds: when an arm gives up.
        arms: who takes part beside the scorers, the baseline among them.
        scorers: of the drop-in solver: a name or a path for all families, or ``family=path``, which together are one
            arm on the families that have one.
        history: a file of past solves for the drop-in solver, of which every solve gets a copy.
        reference: seconds of one more run of CP-SAT, and of HiGHS where it takes part, on each instance; 0 is none.

    Raises:
        ConfigError: a number is out of range, a family is unknown, or nothing is left to compare.
    """

    families: tuple[str, ...] = ()
    sizes: tuple[Scale, ...] = (Scale.X1,)
    instances: int = 5
    seeds: tuple[int, ...] = (1, 2, 3)
    workers: int = 2
    seconds: float = 10.0
    arms: tuple[ArmName, ...] = get_args(ArmName)
    scorers: tuple[str, ...] = ()
    history: Path | None = None
    reference: float = 60.0

    def __post_init__(self) -> None:
        for name, values, least in (
            ("seeds", self.seeds, 0),
            ("instances", (self.instances,), 1),
            ("workers", (self.workers,), 1),
        ):
            if not values or min(values) < least or max(values) + OTHER_SEED >= 2**31:
                raise ConfigError(f"{name}: expected numbers of {least} or more, got {' '.join(map(str, values))}")
        if not self.sizes:
            raise ConfigError(f"sizes: expected some of {', '.join(Scale)}, got none")
        if not 0 <= self.reference < math.inf:
            raise ConfigError(f"reference: expected 0 seconds or more, and a number, got {self.reference}")
        for text in self.families:
            if not any(text in name for name in FAMILIES):
                raise ConfigError(f"families: expected a part of one of {', '.join(FAMILIES)}, got {text!r}")
        others = [self.name_of(scorer) for scorer in self.scorers if "=" not in scorer]
        if len(set(others)) < len(others):
            raise ConfigError(f"scorers: expected one of each name, got {' '.join(self.scorers)}; rename a file")
        owners = [text.partition("=")[0] for text in self.scorers if "=" in text]
        if unknown := [owner for owner in owners if owner not in FAMILIES]:
            raise ConfigError(f"scorers: expected FAMILY=PATH with one of {', '.join(FAMILIES)}, got {unknown[0]!r}")
        if len(set(owners)) < len(owners):
            raise ConfigError(f"scorers: expected one network for each family, got {' '.join(self.scorers)}")
        drop_ins = [*others, *([TRAINED] if owners else []), *([HISTORY] if self.history else [])]
        check_contest(self.seconds, (*self.arms, *drop_ins), (*get_args(ArmName), "a scorer"))

    @staticmethod
    def name_of(scorer: str) -> str:
        """Return the arm of a scorer that is for all families."""
        return f"drop-in {Path(scorer).stem}"

    @property
    def models(self) -> list[tuple[str, Scale, int]]:
        """The families, sizes and numbers of the instances."""
        names: dict[str, None] = {}
        for text in self.families or FAMILIES:
            # The name of a family is that one, also where it is a part of another name.
            names.update(dict.fromkeys([text] if text in FAMILIES else [name for name in FAMILIES if text in name]))
        return list(product(names, dict.fromkeys(self.sizes), range(self.instances)))


def jobs(suite: OptimiseSuite) -> list[Job]:
    """Return one job for each instance, seed and arm, those of a pair one after the other, and those for reference.

    Raises:
        ModelFileError: a network cannot be used.
        ConfigError: the history is no file of one.
    """
    arms = {family: _arms(suite, family) for family in dict.fromkeys(family for family, _, _ in suite.models)}
    made = []
    turn = 0
    for family, size, number in tqdm(suite.models, disable=None, desc="building", unit=" models", leave=False):
        instance = {
            "suite": "optimise",
            "family": family,
            "size": str(size),
            "instance": f"{family}/{size}/{number}",
            "instance_sha256": _instance(family, size, number).digest,
        }
        here = partial(measure, family, size, number)
        for seed in dict.fromkeys(suite.seeds):
            for arm in rotated(arms[family], turn):
                config = {**instance, **arm.config, "seed": seed, "time_limit": suite.seconds}
                made.append(Job(config, partial(here, arm, seed), arm.needs))
            turn += 1
        for arm in _references(suite, family):
            seed = suite.seeds[0]
            config = {**instance, **arm.config, "seed": seed, "time_limit": suite.reference}
            made.append(Job(config, partial(here, arm, seed), arm.needs))
    return made


def measure(family: str, size: Scale, number: int, arm: Arm, seed: int) -> dict[str, Any]:
    """Run an arm on an instance, and return the ``result`` of the record; what is wrong with it is in ``wrong``."""
    if not arm.config["arm"].endswith(HIGHS):  # which begins in a new process each time
        warm_up(arm)
    drawn = _instance(family, size, number)
    result, solved = checked(drawn, lambda: arm.solve(drawn.model, (), seed=seed))
    return {**result, **raced(solved)}


def summary(records: Sequence[Record]) -> Group:
    """Return what the suite found: each arm against the baseline, over all and by family and size; gaps over time."""
    runs = [record for record in records if record["config"]["arm"] not in REFERENCES]
    config, best = runs[0]["config"], best_known(records)
    groups = _with_baseline(grouped(runs, _group))
    noise = {group: noise_of(arms.get(NOISE, []), arms[BASELINE], best) for group, arms in groups.items()}
    sizes = [(f"all, {size}", same) for size, same in grouped(runs, lambda run: str(run["config"]["size"]))]
    together = _with_baseline(sizes if len(sizes) == 1 else [("all", runs), *sizes])
    blocks: list[Table | Chart] = [_compared("Over all families", together, noise, best)]
    blocks.append(_compared("By family and size", groups, noise, best))
    blocks.append(ends(groups, "family", BASELINE, best))
    answered = {arm: [run for run in of_arm if run["result"]["winner"]] for arm, of_arm in by_arm(runs).items()}
    blocks += [who_answered(arm, of_arm) for arm, of_arm in answered.items() if of_arm]
    wrong = wrong_answers(records)
    blocks += wrong_table(wrong)
    blocks += [gaps_over_time(group, arms, best) for group, arms in groups.items()]
    seeds = len({record["config"]["seed"] for record in runs})
    return Group(solves_line(records, config, seeds, wrong), blocks)


def _compared(
    title: str,
    groups: Mapping[str, Mapping[str, Sequence[Record]]],
    noise: Mapping[str, float | None],
    best: Mapping[str, float],
) -> Table:
    rows = []
    for group, arms in groups.items():
        for arm, runs in arms.items():
            pairs = paired_runs(runs, arms[BASELINE])
            if not pairs:  # a run that was interrupted
                continue
            logs = [log_ratio(*pair, best) for pair in pairs]
            limits = [noise[_group(mine)] for mine, _ in pairs]
            integrals, gaps = ([of(run, best) for run in runs] for of in (integral, last_gap))
            cells: list[Cell] = [
                group,
                arm,
                len({run["config"]["instance"] for run in runs}),
                len(runs),
                _mean(integrals),
                *(["-", "-"] if arm == BASELINE else _ratio(pairs, integral, best)),
                _mean(gaps),
                *(["-", "-"] if arm == BASELINE else _ratio(pairs, last_gap, best)),
            ]
            if arm == BASELINE:
                cells += ["-", "-", "-"]
            else:
                cells += [
                    share([log > 1e-9 for log in logs]),
                    share([log > limit for log, limit in zip(logs, limits, strict=True) if limit is not None]),
                    share([not_worse(mine, last_objective(mine), last_objective(theirs)) for mine, theirs in pairs]),
                ]
            rows.append(TableRow(cells, arm))
    return Table(
        title,
        [
            *("family", "arm", "instances", "runs", "integral", f"/ {BASELINE}", "95 % interval"),
            *("gap", f"/ {BASELINE}'s", "95 % interval of it", "worse", "beyond noise", "as good at the end"),
        ],
        rows,
        "integral: the primal integral, the mean gap over the time to the best solution that any run of the instance "
        "found, 1 before the first; gap: at the end.\nGeometric means; ratios are within pairs of one instance and one "
        f"seed, below 1 the arm is better. {SLACK:g} is added to both sides; the interval\nis a bootstrap over "
        f"instances. worse: pairs with a larger integral than {BASELINE}'s; beyond noise: by a larger factor than "
        f"{NOISE_QUANTILE:.0%} of the\npairs of {NOISE} and {BASELINE} of that family and size differ by. as good at "
        f"the end: pairs whose last objective is not worse than {BASELINE}'s.",
    )


def _mean(values: Sequence[float]) -> str:
    return f"{np.exp(np.mean(np.log(np.array(values) + SLACK))) - SLACK:.4f}"


def _ratio(
    pairs: Sequence[tuple[Record, Record]],
    of: Callable[[Record, Mapping[str, float]], float],
    best: Mapping[str, float],
) -> list[Cell]:
    """Return the geometric mean of a ratio, and its interval; runs of one instance count as their mean."""
    logs: dict[str, list[float]] = {}
    for mine, theirs in pairs:
        log = math.log((of(mine, best) + SLACK) / (of(theirs, best) + SLACK))
        logs.setdefault(mine["config"]["instance"], []).append(log)
    mean, low, high = geometric_mean(np.array([np.mean(of_instance) for of_instance in logs.values()]))
    return [f"{mean:.3f}", "-" if len(logs) == 1 else f"{low:.3f} .. {high:.3f}"]


def _with_baseline(groups: Sequence[tuple[str, Sequence[Record]]]) -> dict[str, dict[str, list[Record]]]:
    """Return the runs by group and arm; a run that was interrupted may have groups without the baseline."""
    order = list(by_arm([run for _, same in groups for run in same]))  # turns begin with any of them
    found = {}
    for group, same in groups:
        arms = by_arm(same)
        if BASELINE in arms:
            found[group] = {arm: arms[arm] for arm in order if arm in arms}
    return found


def _group(run: Record) -> str:
    return f"{run['config']['family']}, {run['config']['size']}"


def _arms(suite: OptimiseSuite, family: str) -> list[Arm]:
    """Return who solves the instances of a family."""
    names = [name for name in dict.fromkeys(suite.arms) if name != HIGHS or _is_linear(family)]
    arms = [_plain(name, suite, suite.seconds) for name in names]
    for text in suite.scorers:
        owner, equals, path = text.partition("=")
        if not equals:
            arms.append(_drop_in(suite.name_of(text), text, suite))
        elif owner == family:
            arms.append(_drop_in(TRAINED, path, suite))
    if suite.history is not None:
        store = _content(suite.history)
        digest = hashlib.sha256(store).hexdigest()[:12]
        config = {"arm": HISTORY, "workers": suite.workers, "history_sha256": digest}
        arms.append(_arm(config, suite, suite.seconds, partial(_with_history, store=store)))
    return arms


def _references(suite: OptimiseSuite, family: str) -> list[Arm]:
    """Return who has more time for an instance of a family."""
    if not suite.reference:
        return []
    cp_sat, highs = (_plain(name, suite, suite.reference) for name in REFERENCES)
    return [cp_sat, highs] if HIGHS in suite.arms and _is_linear(family) else [cp_sat]


def _plain(name: str, suite: OptimiseSuite, seconds: float) -> Arm:
    """Return CP-SAT or HiGHS as an arm."""
    solve = _with_highs if name.endswith(HIGHS) else partial(_with_cp_sat, arm=name)
    return _arm({"arm": name, "workers": suite.workers}, suite, seconds, solve)


def _drop_in(name: str, scorer: str, suite: OptimiseSuite) -> Arm:
    opened = load_scorer(scorer)  # what is no scorer is refused before anything is measured
    digest = file_digest(opened.path) if isinstance(opened, OnnxScorer) else None
    config = {"arm": name, "workers": suite.workers, "scorer": opened.name, "scorer_sha256": digest}
    return _arm(config, suite, suite.seconds, partial(_with_scorer, scorer=scorer))


def _arm(config: dict[str, Any], suite: OptimiseSuite, seconds: float, solve: Callable[..., ClockedSolve]) -> Arm:
    solve = partial(solve, workers=suite.workers, seconds=seconds)
    return Arm(config, solve, suite.seeds, needs=Needs(suite.workers))


def _with_cp_sat(
    model: cp_model.CpModel, variables: Sequence[cp_model.IntVar], *, arm: str, seed: int, workers: int, seconds: float
) -> ClockedSolve:
    solver = plain_solver()
    if arm == LEVEL_2:
        solver.parameters.linearization_level = 2
    solver.parameters.use_ls_only = arm == LOCAL_SEARCH
    return _run(solver, model, seed + OTHER_SEED * (arm == NOISE), workers, seconds)


def _with_highs(
    model: cp_model.CpModel, variables: Sequence[cp_model.IntVar], *, seed: int, workers: int, seconds: float
) -> ClockedSolve:
    solved = solve_by_highs(model, seed=seed, workers=workers, seconds=seconds)
    return ClockedSolve(solved, solved.status, solved.seconds, list(solved.solutions))


def _with_scorer(
    model: cp_model.CpModel,
    variables: Sequence[cp_model.IntVar],
    *,
    scorer: str,
    seed: int,
    workers: int,
    seconds: float,
) -> ClockedSolve:
    return _run(nnsearch.cpsat.CpSolver(scorer=scorer), model, seed, workers, seconds)


def _with_history(
    model: cp_model.CpModel,
    variables: Sequence[cp_model.IntVar],
    *,
    store: bytes,
    seed: int,
    workers: int,
    seconds: float,
) -> ClockedSolve:
    with TemporaryDirectory() as folder:  # a copy, or the next seed would begin from what this one found
        path = Path(folder) / "plans.db"
        path.write_bytes(store)
        return _run(nnsearch.cpsat.CpSolver(scorer=None, history=path), model, seed, workers, seconds)


def _run(solver: cp_model.CpSolver, model: cp_model.CpModel, seed: int, workers: int, seconds: float) -> ClockedSolve:
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = seed
    solver.parameters.max_time_in_seconds = seconds
    return clocked(solver, model)


def _content(store: Path) -> bytes:
    """Return a database, with what is not yet in its file."""
    if not store.is_file():
        raise ConfigError(f"history: expected a file of past solves, found none at {store}")
    try:
        with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return database.serialize()
    except sqlite3.Error as error:
        raise ConfigError(f"history: expected a file of past solves at {store}, got one of which {error}") from None


@functools.cache
def _is_linear(family: str) -> bool:
    return is_linear(FAMILIES[family].build(Scale.TINY, Part.TEST, 0, 0).model)


@functools.lru_cache(maxsize=1)
def _instance(family: str, size: Scale, number: int) -> ZooModel:
    """Build an instance once for all seeds and arms, which come one after the other."""
    return FAMILIES[family].build(size, Part.TEST, 0, number)
