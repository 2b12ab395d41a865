"""The drop-in solver against CP-SAT's defaults: wall seconds on the same instances, with equal seeds and workers.

Every arm solves every instance with every seed; seconds are compared within these pairs. The clock runs around the
solve alone, for all arms alike: building the model and loading the network come before it.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from ortools.sat.python import cp_model

import nnsearch.cpsat
from benchmarks.instances.instance_sets import Case
from benchmarks.networks import Network
from benchmarks.records import Job, Record
from benchmarks.suites.search import (
    Arm,
    by_arm,
    by_set,
    check,
    cost,
    counted,
    geometric_mean,
    is_decided,
    quartiles,
    rotated,
    short,
    warm_up,
)
from nnsearch.cpsat import Dives, RaceReport
from nnsearch.errors import ConfigError, NNSearchError
from nnsearch.limits import Limits
from nnsearch.result import InferenceCount, SolveResult, Status
from training.running.fan_out import Needs

BASELINE = "cp-sat"
FACTOR, SLACK = 1.2, 0.5
"""A race that takes longer than ``FACTOR * cp-sat + SLACK`` seconds has cost too much."""

_POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Race:
    """What every arm is given.

    Args:
        seed: the first of ``repeats`` random seeds of CP-SAT, ``seed``, ``seed + 1``, ...
        repeats: runs of every arm on each instance.
        workers: for CP-SAT, and for both sides of a race together; dives get one less, as beside CP-SAT.
        dives: whether dives alone are one more arm for each network.
        seconds: when an arm gives up.

    Raises:
        ConfigError: a number is out of range.
    """

    seed: int = 1
    repeats: int = 3
    workers: int = 2
    dives: bool = False
    seconds: float = 60.0

    def __post_init__(self) -> None:
        for name, value, least in (("seed", self.seed, 0), ("repeats", self.repeats, 1), ("workers", self.workers, 1)):
            if value < least:
                raise ConfigError(f"{name}: expected {least} or more, got {value}")
        if self.seeds[-1] >= 2**31:
            raise ConfigError(f"seed: expected seeds up to 2147483647, got {self.seeds[-1]}")
        if not 0 < self.seconds < math.inf:
            raise ConfigError(f"time limit: expected above 0 seconds, and a number, got {self.seconds}")

    @property
    def seeds(self) -> range:
        """One for each run of an arm on an instance."""
        return range(self.seed, self.seed + self.repeats)


class _Run(NamedTuple):
    result: SolveResult
    race: RaceReport | None  # of a race


def jobs(suite: Race, cases: Sequence[Case], networks: Sequence[Network]) -> list[Job]:
    """Return one job for each case, seed and arm; networks only where their size fits.

    The arms of a pair run one after the other, each time with another one first, so that a change in the machine's
    speed hits all of them.

    Raises:
        ConfigError: there is no network.
    """
    if not networks:
        raise ConfigError("--models: expected one or more networks to race with, got none")
    arms = _arms(suite, networks)
    pairs = [(case, seed) for case in cases for seed in suite.seeds]
    return [
        Job(
            {"suite": "race", **case.config, **arm.config, "seed": seed, "time_limit": suite.seconds},
            partial(measure, case, arm, seed),
            arm.needs,
        )
        for turn, (case, seed) in enumerate(pairs)
        for arm in rotated([arm for arm in arms if arm.fits(case.instance)], turn)
    ]


def measure(case: Case, arm: Arm, seed: int) -> dict[str, Any]:
    """Run an arm on an instance, check its answer, and return the ``result`` of the record.

    Raises:
        AnswerError: the answer is wrong.
    """
    warm_up(arm)
    model, variables = case.instance.build()
    result, race = arm.solve(model, variables, seed=seed)
    check(case, arm.config["arm"], result)
    learned = None if race is None else race.learned
    return {
        "status": str(result.status),
        "objective_value": result.objective_value,
        "wall_seconds": result.wall_seconds,
        "branches": result.branches,  # these two as the side counts them that answered
        "failures": result.failures,
        "inference_calls": result.inference.calls,
        "inference_seconds": result.inference.seconds,
        "winner": None if race is None else race.winner,
        "why": None if race is None else race.why,
        "learned": None
        if learned is None
        else {"status": str(learned.status), "branches": learned.branches, "failures": learned.failures},
        "scorer_error": None if race is None or race.error is None else repr(race.error),
        "planted": case.satisfiable,
        "usable_cpus": usable_cpus(),
        "checked": True,
    }


def usable_cpus() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Comparison:
    """The seconds of one arm against those of another, within pairs of one instance and one seed.

    Attributes:
        mean: geometric mean of seconds / seconds; below 1 the first arm is faster.
        low: lower end of its 95 % interval (bootstrap over instances, all pairs of an instance together).
        high: upper end.
        instances: on how many both were run.
        pairs: of how many runs.
        both_timed_out: pairs that neither decided; both count with the limit, so their ratio is 1.
        excess: the largest ``first - (FACTOR * second + SLACK)``, in seconds.
        worst: instance and seed of that pair.
        above: pairs with an excess above 0.
    """

    mean: float
    low: float
    high: float
    instances: int
    pairs: int
    both_timed_out: int
    excess: float
    worst: tuple[str, int]
    above: int


def compare(one: Sequence[Record], other: Sequence[Record], resamples: int = 10_000) -> Comparison | None:
    """Compare the seconds of two arms; a run that gave up counts with the limit.

    Args:
        one: records of an arm.
        other: records of another one; None is returned when they share no pair.
        resamples: of the bootstrap, whose seed is fixed.
    """
    partners = {_pair(record): record for record in other}
    pairs = [(record, partners[_pair(record)]) for record in one if _pair(record) in partners]
    if not pairs:
        return None
    logs: dict[tuple[str, str], list[float]] = {}
    excess = []
    for first, second in pairs:
        mine, theirs = cost(first, "seconds"), cost(second, "seconds")
        logs.setdefault(_pair(first)[:2], []).append(math.log(mine / theirs))
        excess.append(mine - (FACTOR * theirs + SLACK))
    worst = max(range(len(pairs)), key=excess.__getitem__)
    config = pairs[worst][0]["config"]
    return Comparison(
        *geometric_mean(np.array([np.mean(ratios) for ratios in logs.values()]), resamples),
        instances=len(logs),
        pairs=len(pairs),
        both_timed_out=sum(not is_decided(first) and not is_decided(second) for first, second in pairs),
        excess=excess[worst],
        worst=(config["instance"], config["seed"]),
        above=sum(one > 0 for one in excess),
    )


def by_answer(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Divide records into ``satisfiable``, ``unsatisfiable`` and ``unknown``, by what any arm found of the instance.

    A planted instance has a solution, whether or not an arm has found it.
    """
    found: dict[str, str] = {}
    for record in records:
        result, instance = record["result"], record["config"]["instance_sha256"]
        if result["planted"] or Status(result["status"]).solved:
            found[instance] = "satisfiable"
        elif result["status"] == Status.INFEASIBLE:
            found[instance] = "unsatisfiable"
    groups: dict[str, list[Record]] = {"satisfiable": [], "unsatisfiable": [], "unknown": []}
    for record in records:
        groups[found.get(record["config"]["instance_sha256"], "unknown")].append(record)
    return {answer: same for answer, same in groups.items() if same}


def table(records: Sequence[Record]) -> str:
    """Return the summary of one run of the suite, a block for each set of instances and answer, and the comparison."""
    config = records[0]["config"]
    seeds = len({record["config"]["seed"] for record in records})
    cpus = sorted({record["result"]["usable_cpus"] for record in records})
    lines = [
        f"{counted(config['workers'], 'worker')} on {' or '.join(map(str, cpus))} usable CPUs, "
        f"limit {config['time_limit']:g} s, {counted(seeds, 'seed')}; median [quartiles] over runs"
    ]
    groups = {
        f"{name}, {answer}": same
        for name, all_of_set in by_set(records).items()
        for answer, same in by_answer(all_of_set).items()
    }
    width = max(28, *(len(name) + 18 for name in groups), *(len(arm) + 2 for arm in by_arm(records)))
    for name, same in groups.items():
        title = f"{name}, {counted(_num_instances(same), 'instance')}"
        lines += [
            "",
            f"{title:{width}}{'runs':>5}{'solved':>8}{'infeasible':>12}"
            f"{'seconds':>28}{'maximum':>9}{'won: learned':>14}{'cp-sat':>8}{'nobody':>8}",
            *(_row(arm, by_arm(same)[arm], width) for arm in by_arm(records) if arm in by_arm(same)),
        ]
    lines += ["", *_comparison(groups), "", *_notes(records)]
    return "\n".join(lines)


def _comparison(groups: dict[str, list[Record]]) -> list[str]:
    found = {
        f"{name}: {arm} / {BASELINE}": compare(runs, by_arm(same).get(BASELINE, []))
        for name, same in groups.items()
        for arm, runs in by_arm(same).items()
        if arm != BASELINE
    }
    width = max(map(len, [*found, ""]))
    lines = [
        f"{f'seconds / seconds of {BASELINE}':{width}}{'geometric mean':>16}{'95 % interval':>18}{'pairs':>7}"
        f"{'both timed out':>16}{'excess':>9}{'above 0':>9}  worst pair"
    ]
    for title, pairs in found.items():
        if pairs is not None:
            interval = "-" if pairs.instances == 1 else f"{pairs.low:.3f} .. {pairs.high:.3f}"
            lines.append(
                f"{title:{width}}{pairs.mean:16.3f}{interval:>18}{pairs.pairs:7}{pairs.both_timed_out:16}"
                f"{pairs.excess:9.2f}{pairs.above:9}  {pairs.worst[0]}, seed {pairs.worst[1]}"
            )
    return lines


def _notes(records: Sequence[Record]) -> list[str]:
    notes = [
        "solved: a solution; infeasible: a proof that there is none. Unsolved runs count as the limit in seconds.",
        "won: the side of a race whose answer was returned. Rows are divided by what any arm found of an instance.",
        "Ratios are within pairs of one instance and seed; the interval is a bootstrap over instances. Pairs in which "
        "both timed out count as 1.",
        f"excess: the largest seconds - ({FACTOR:g} * seconds of {BASELINE} + {SLACK:g}); above 0: in how many pairs.",
    ]
    dives = {record["config"]["workers"] for record in records if record["config"]["arm"].startswith("dives/")}
    notes += [f"dives: the network's decisions, and {counted(workers, 'worker')} of CP-SAT" for workers in dives]
    errors = Counter(record["config"]["arm"] for record in records if record["result"]["scorer_error"] is not None)
    notes += [
        f"{arm}: the learned search failed in {count} runs, which CP-SAT ended alone" for arm, count in errors.items()
    ]
    return notes


def _row(arm: str, runs: Sequence[Record], width: int) -> str:
    solved = sum(is_decided(run) and run["result"]["status"] != Status.INFEASIBLE for run in runs)
    infeasible = sum(run["result"]["status"] == Status.INFEASIBLE for run in runs)
    won = Counter(run["result"]["winner"] for run in runs)
    wins = [str(won[side]) if None not in won else "-" for side in ("learned", "cp-sat", "nobody")]
    slowest = short(max(cost(run, "seconds") for run in runs))
    return (
        f"{arm:{width}}{len(runs):5}{solved:8}{infeasible:12}{quartiles(runs, 'seconds'):>28}{slowest:>9}"
        f"{wins[0]:>14}{wins[1]:>8}{wins[2]:>8}"
    )


def _num_instances(records: Sequence[Record]) -> int:
    return len({_pair(record)[:2] for record in records})


def _pair(record: Record) -> tuple[str, str, int]:
    config = record["config"]
    return config["instance"], config["instance_sha256"], config["seed"]


def _arms(suite: Race, networks: Sequence[Network]) -> list[Arm]:
    def by_solver(
        model: cp_model.CpModel,
        variables: Sequence[cp_model.IntVar],
        *,
        seed: int,
        make: Callable[[], cp_model.CpSolver],
    ) -> _Run:
        solver = make()
        solver.parameters.num_workers = suite.workers
        solver.parameters.random_seed = seed
        solver.parameters.max_time_in_seconds = suite.seconds
        return _solve(solver, model)

    def by_dives(model: cp_model.CpModel, variables: Sequence[cp_model.IntVar], *, seed: int, network: Network) -> _Run:
        limits = Limits(suite.seconds)
        started = time.perf_counter()
        result = nnsearch.cpsat.solve_by_dives(
            model, [network.scorer], dives=Dives(seed=seed), limits=limits, workers=beside
        )
        return _Run(replace(result, wall_seconds=time.perf_counter() - started), None)

    def drop_in(network: Network) -> cp_model.CpSolver:
        return nnsearch.cpsat.CpSolver(network.scorer)

    beside = max(1, suite.workers - 1)
    baseline = {"arm": BASELINE, "workers": suite.workers}
    all_workers = Needs(suite.workers)
    arms = [Arm(baseline, partial(by_solver, make=cp_model.CpSolver), suite.seeds, needs=all_workers)]
    for network in networks:
        needs = replace(network.needs, cpus=max(network.needs.cpus, suite.workers))
        arms.append(
            Arm(
                {"arm": f"race/{network.name}", **network.config, "workers": suite.workers},
                partial(by_solver, make=partial(drop_in, network)),
                suite.seeds,
                network.order,
                needs,
            )
        )
        if suite.dives:
            arms.append(
                Arm(
                    {"arm": f"dives/{network.name}", **network.config, "workers": beside},
                    partial(by_dives, network=network),
                    suite.seeds,
                    network.order,
                    needs,
                )
            )
    return arms


def _solve(solver: cp_model.CpSolver, model: cp_model.CpModel) -> _Run:
    """Solve by either class of solver, and time it.

    In a thread, and without CP-SAT's own handler, which takes Ctrl-C for a limit and would leave a false record.

    Raises:
        NNSearchError: CP-SAT finds the model invalid.
        KeyboardInterrupt: Ctrl-C.
    """

    def timed() -> tuple[cp_model.CpSolverStatus, float]:
        started = time.perf_counter()
        status = solver.solve(model)
        return status, time.perf_counter() - started

    solver.parameters.catch_sigint_signal = False
    with ThreadPoolExecutor(max_workers=1) as thread:
        answer = thread.submit(timed)
        try:
            status, seconds = answer.result()
        except BaseException:
            while not answer.done():  # until the solve has begun, there is nothing that could be stopped
                solver.stop_search()
                time.sleep(_POLL_SECONDS)
            raise
    if status == cp_model.MODEL_INVALID:
        raise NNSearchError(f"CP-SAT refuses the model: {' '.join(model.validate().split())}")
    found = Status(solver.status_name(status))
    race: RaceReport | None = getattr(solver, "race", None)
    learned = None if race is None else race.learned
    result = SolveResult(
        status=found,
        solution=list(solver.response_proto.solution)[: len(model.proto.variables)] if found.solved else None,
        branches=solver.num_branches,
        failures=solver.num_conflicts,
        inference=InferenceCount() if learned is None else learned.inference,
        wall_seconds=seconds,
        engine="cp-sat" if race is None else "race",
        model="none" if learned is None else learned.model,
        objective_value=solver.objective_value if found.solved and model.has_objective() else None,
    )
    return _Run(result, race)
