"""Solving again: what yesterday's solution is worth to the next instance of a stream, and what it may cost.

An instance is fixed by its stream and step. The seed is CP-SAT's. The first instance of a stream is solved once for
each seed; from then on every arm goes its own way, from its own solutions, in turns with the others. All solutions are
in the records, so that a run that is interrupted goes on from them.
"""

from __future__ import annotations

import base64
import functools
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from ortools.sat.python import cp_model
from tqdm import tqdm

import nnsearch.cpsat
from benchmarks.answers import wrong_answers
from benchmarks.anytime import (
    NOISE_QUANTILE,
    OTHER_SEED,
    SLACK,
    last_objective,
    log_ratio,
    noise_of,
    not_worse,
    paired_runs,
    share,
)
from benchmarks.arms import Arm, check_contest, warm_up
from benchmarks.checked_solve import ClockedSolve, checked, clocked, raced
from benchmarks.instances.streams import Stream, find_streams
from benchmarks.instances.zoo.zoo_model import ZooModel
from benchmarks.records import Job, Record, grouped
from benchmarks.rendering.curves import gaps_over_time
from benchmarks.rendering.ends import ends, solves_line, who_answered, wrong_table
from benchmarks.rendering.parts import Cell, Chart, Group, Table, TableRow
from benchmarks.statistics import best_known, by_arm, geometric_mean
from nnsearch.cpsat.hinted import hinted
from nnsearch.errors import ConfigError
from nnsearch.history.line_up import best_line_up
from nnsearch.model.variables import all_variables
from nnsearch.plain_solver import plain_solver
from nnsearch.trial.pairs import rotated
from nnsearch.trial.scout import scout
from nnsearch.trial.timed_solve import timed_solve
from training.running.fan_out import Needs

ArmName = Literal["cold", "cold-again", "hint", "repaired-hint", "history", "history+line-up"]
BASELINE, NOISE, HINT, REPAIRED, HISTORY, LINE_UP = get_args(ArmName)

SUITE = "stream"

FIRST = "first"
"""The arm of the first instances, whose solutions all arms begin with."""


@dataclass(frozen=True)
class StreamSuite:
    """What every arm is given.

    Args:
        kinds: texts; a stream takes part whose name (kind/instance) has one of them, all streams where there are none.
        steps: instances after the first one.
        seeds: random seeds of CP-SAT, one run of an arm through a stream for each.
        workers: of every arm.
        seconds: when an arm gives up on an instance.
        arms: who takes part, the baseline among them.
        instances: folder of other people's instances; None generates all.

    Raises:
        ConfigError: a number is out of range, or nothing is left to compare.
    """

    kinds: tuple[str, ...] = ()
    steps: int = 2
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    workers: int = 2
    seconds: float = 10.0
    arms: tuple[ArmName, ...] = ("cold", "cold-again", "hint", "repaired-hint", "history")
    instances: Path | None = None

    def __post_init__(self) -> None:
        for name, values, least in (
            ("seeds", self.seeds, 0),
            ("steps", (self.steps,), 1),
            ("workers", (self.workers,), 1),
        ):
            if not values or min(values) < least or max(values) + OTHER_SEED >= 2**31:
                raise ConfigError(f"{name}: expected numbers of {least} or more, got {' '.join(map(str, values))}")
        check_contest(self.seconds, self.arms, get_args(ArmName))


class Yesterday(NamedTuple):
    """A past instance, and the values of a solution in the order of its variables."""

    model: cp_model.CpModel
    values: Sequence[int]

    def by_name(self) -> dict[str, int]:
        """Return the values by the names of their variables."""
        return {variable.name: value for variable, value in zip(self.model.proto.variables, self.values, strict=True)}


Solutions = dict[str, Sequence[int] | None]
"""By the key of its job, the solution that a solve ended with; None is none."""


def jobs(suite: StreamSuite, known: Sequence[Record] = ()) -> list[Job]:
    """Return one job for each instance, seed and arm; those of a pair come one after the other.

    Args:
        suite: what to measure.
        known: records of an earlier run, whose solutions later steps begin with.
    """
    solutions: Solutions = {
        Job(r["config"], dict).key: _unpacked(r["result"]["solution"])
        for r in known
        if r["config"].get("suite") == SUITE
    }
    first_arm, *arms = [_arm(name, suite) for name in (FIRST, *dict.fromkeys(suite.arms))]
    made: list[Job] = []
    turn = 0

    def add(
        shared: dict[str, Any], stream: Stream[Any], step: int, arm: Arm, seed: int, past: list[tuple[int, str]]
    ) -> None:
        job = Job({**shared, **arm.config, "seed": seed}, dict, arm.needs)
        here = partial(measure, stream, step, arm, seed, job.key, tuple(past), solutions)
        made.append(replace(job, measure=here))
        past.append((step, job.key))

    chosen = find_streams(suite.kinds, suite.instances).values()
    for stream in tqdm(chosen, disable=None, desc="building", unit=" streams", leave=False):
        shared = [_config(stream, step, suite.seconds) for step in range(suite.steps + 1)]
        for seed in dict.fromkeys(suite.seeds):
            begin: list[tuple[int, str]] = []
            add(shared[0], stream, 0, first_arm, seed, begin)
            past = {arm.config["arm"]: [*begin] for arm in arms}
            for step in range(1, suite.steps + 1):
                for arm in rotated(arms, turn):
                    add(shared[step], stream, step, arm, seed, past[arm.config["arm"]])
                turn += 1
    return made


def measure(
    stream: Stream[Any],
    step: int,
    arm: Arm,
    seed: int,
    key: str,
    past: Sequence[tuple[int, str]],
    solutions: Solutions,
) -> dict[str, Any]:
    """Run an arm on an instance, and return the ``result`` of the record; what is wrong with it is in ``wrong``.

    Args:
        stream: the stream.
        step: which instance of it.
        arm: who solves it.
        seed: of CP-SAT.
        key: of the job.
        past: steps and keys of the jobs before, in which the arm has solved earlier instances.
        solutions: of all jobs that were measured; that of this one is added.
    """
    warm_up(arm)
    zoo_model = _instance(stream, step)
    found = ((earlier, solutions.get(job)) for earlier, job in reversed(past))
    latest = next(((earlier, values) for earlier, values in found if values is not None), None)
    yesterday = None if latest is None else Yesterday(_instance(stream, latest[0]).model, latest[1])
    result, solved = checked(zoo_model, lambda: arm.solve(zoo_model.model, (), seed=seed, yesterday=yesterday))
    solutions[key] = None
    if solved is not None and solved.status.solved and result["wrong"] is None:
        solutions[key] = [solved.solver.value(variable) for variable in all_variables(zoo_model.model)]
    return {**result, **raced(solved), "solution": _packed(solutions[key])}


def summary(records: Sequence[Record]) -> Group:
    """Return what the suite found: each arm against the baseline by kind, how its solves ended, gaps over time."""
    config = records[0]["config"]
    runs = [record for record in records if record["config"]["arm"] != FIRST]
    best = best_known(records)
    kinds = dict(grouped(runs, lambda run: str(run["config"]["kind"])))
    noise = {}
    for kind, same in kinds.items():
        arms = _by_arm(same)
        noise[kind] = noise_of(arms.get(NOISE, []), arms[BASELINE], best)
    groups = {"all": runs, **kinds} if len(kinds) > 1 else kinds
    blocks: list[Table | Chart] = [
        _ratios(groups, noise, best),
        ends({kind: _by_arm(same) for kind, same in groups.items()}, "kind", BASELINE, best),
    ]
    wrong = wrong_answers(records)
    blocks += wrong_table(wrong)
    for arm, same in _by_arm(runs).items():
        explained = [run for run in same if run["result"].get("why") is not None]
        blocks += [who_answered(arm, explained)] if explained else []
    blocks += [gaps_over_time(kind, _by_arm(same), best) for kind, same in kinds.items()]
    seeds = len({record["config"]["seed"] for record in records})
    return Group(solves_line(records, config, seeds, wrong), blocks)


def _ratios(
    groups: Mapping[str, Sequence[Record]], noise: Mapping[str, float | None], best: Mapping[str, float]
) -> Table:
    rows = []
    for kind, same in groups.items():
        arms = _by_arm(same)
        for arm, runs in arms.items():
            pairs = paired_runs(runs, arms[BASELINE])
            if arm == BASELINE or not pairs:
                continue
            logs = [log_ratio(*pair, best) for pair in pairs]
            limits = [noise[mine["config"]["kind"]] for mine, _ in pairs]
            beyond = [log > limit for log, limit in zip(logs, limits, strict=True) if limit is not None]
            by_stream: dict[str, list[float]] = {}
            for (mine, _), log in zip(pairs, logs, strict=True):
                by_stream.setdefault(_stream_of(mine), []).append(log)
            mean, low, high = geometric_mean(np.array([np.mean(of_stream) for of_stream in by_stream.values()]))
            to_hint = paired_runs(runs, arms.get(HINT, [])) if arm != HINT else []
            over_hint = float(np.exp(np.mean([log_ratio(*pair, best) for pair in to_hint]))) if to_hint else None
            cells: list[Cell] = [
                kind,
                arm,
                len(by_stream),
                len(pairs),
                f"{mean:.3f}",
                "-" if len(by_stream) == 1 else f"{low:.3f} .. {high:.3f}",
                None if over_hint is None else f"{over_hint:.3f}",
                share([log > 1e-9 for log in logs]),
                share(beyond),
                share([not_worse(mine, last_objective(mine), last_objective(theirs)) for mine, theirs in pairs]),
            ]
            rows.append(TableRow(cells, arm))
    return Table(
        f"Primal integral / that of {BASELINE}",
        [
            *("kind", "arm", "streams", "pairs", "geometric mean", "95 % interval", f"/ {HINT}"),
            *("worse", "beyond noise", "as good at the end"),
        ],
        rows,
        "A pair is one instance and one seed. The primal integral is the mean gap to the best solution that any run of "
        "the instance found, 1 before\nthe first; below 1 the arm is better. "
        f"{SLACK:g} is added to both sides; the interval is a bootstrap over streams.\n"
        f"worse: pairs in which it is larger than {BASELINE}'s; beyond noise: by a larger factor than "
        f"{NOISE_QUANTILE:.0%} of the pairs of {NOISE} and\n{BASELINE} of that kind differ by. "
        f"as good at the end: pairs whose last objective is not worse than {BASELINE}'s.",
    )


def _by_arm(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Group records by arm, in the order in which they are shown: turns begin with any of them."""
    arms = by_arm(records)
    return {arm: arms[arm] for arm in get_args(ArmName) if arm in arms}


def _stream_of(record: Record) -> str:
    return str(record["config"]["instance"]).rpartition("/")[0]


def _config(stream: Stream[Any], step: int, seconds: float) -> dict[str, Any]:
    return {
        "suite": SUITE,
        "kind": stream.name.partition("/")[0],
        "instance": f"{stream.name}/{step}",
        "instance_sha256": _instance(stream, step).digest,
        "step": step,
        "time_limit": seconds,
    }


def _arm(name: str, suite: StreamSuite) -> Arm:
    return Arm(
        {"arm": name, "workers": suite.workers},
        partial(_solve, arm=name, workers=suite.workers, seconds=suite.seconds),
        suite.seeds,
        needs=Needs(suite.workers),
    )


def _solve(
    model: cp_model.CpModel,
    variables: Sequence[cp_model.IntVar],
    *,
    seed: int,
    arm: str,
    workers: int,
    seconds: float,
    yesterday: Yesterday | None = None,
) -> ClockedSolve:
    with TemporaryDirectory() as folder:
        solver = _with_history(Path(folder) / "plans.db", yesterday) if arm in (HISTORY, LINE_UP) else plain_solver()
        solver.parameters.num_workers = workers
        solver.parameters.random_seed = seed + OTHER_SEED * (arm == NOISE)
        solver.parameters.max_time_in_seconds = seconds
        if yesterday is not None and arm in (HINT, REPAIRED):
            model = _hinted(model, yesterday)
            solver.parameters.repair_hint = arm == REPAIRED
        if yesterday is not None and arm == LINE_UP:
            solver.parameters.subsolvers.extend(best_line_up([scout(yesterday.model, seconds, seed)], workers))
        return clocked(solver, model)


def _with_history(store: Path, yesterday: Yesterday | None) -> cp_model.CpSolver:
    """Return the drop-in solver with a new store that holds yesterday's instance and solution, and nothing else."""
    make: Any = nnsearch.cpsat.CpSolver
    if yesterday is not None:
        past = make(scorer=None, history=store)
        past.parameters.num_workers = 1
        past.parameters.fix_variables_to_their_hinted_value = True
        timed_solve(past, _hinted(yesterday.model, yesterday))
    solver: cp_model.CpSolver = make(scorer=None, history=store)
    return solver


def _hinted(model: cp_model.CpModel, yesterday: Yesterday) -> cp_model.CpModel:
    """Return a copy of the model with the values of the variables that yesterday's had by the same name as hint."""
    values = yesterday.by_name()
    known = [variable for variable in all_variables(model) if variable.name in values]
    return hinted(model, [values[variable.name] for variable in known], [variable.index for variable in known])


@functools.lru_cache(maxsize=8)
def _instance(stream: Stream[Any], step: int) -> ZooModel:
    """Build an instance once for all seeds and arms, which come one after the other."""
    return stream.build(step)


def _packed(values: Sequence[int] | None) -> str | None:
    return None if values is None else base64.b64encode(zlib.compress(json.dumps(values).encode(), 9)).decode()


def _unpacked(text: str | None) -> list[int] | None:
    return None if text is None else [int(value) for value in json.loads(zlib.decompress(base64.b64decode(text)))]
