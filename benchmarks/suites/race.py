"""The drop-in solver against CP-SAT's defaults: wall seconds on the same instances, with equal seeds and workers.

Every arm solves every instance with every seed; seconds are compared within these pairs. The clock runs around the
solve alone, for all arms alike: building the model and loading the network come before it.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, NamedTuple

from cyclopts import Parameter
from ortools.sat.python import cp_model

import nnsearch.cpsat
from benchmarks.answers import check_answer
from benchmarks.arms import Arm, arm_jobs, warm_up
from benchmarks.instances.instance_sets import Case
from benchmarks.instances.instances import Instances
from benchmarks.networks import LoadedNetwork
from benchmarks.records import Job, Record
from benchmarks.rendering.parts import Cell, Group, Table, TableRow
from benchmarks.rendering.places import common_place
from benchmarks.statistics import (
    FACTOR,
    SLACK,
    by_arm,
    by_set,
    compare_seconds,
    cost,
    counted,
    decided_of,
    is_decided,
    num_instances,
    quartiles,
)
from nnsearch.cpsat import Dives, RaceReport
from nnsearch.cpsat.search import result_of
from nnsearch.errors import ConfigError
from nnsearch.limits import Limits
from nnsearch.processors import usable_cpus
from nnsearch.result import InferenceCount, SolveResult, Status
from nnsearch.trial.timed_solve import timed_solve
from training.config import Rule, at_least
from training.running.fan_out import Needs

BASELINE = "cp-sat"
_TIME_LIMIT = Rule("above 0 seconds, and a number", lambda limit: 0 < limit < math.inf)


@Parameter(name="*")
@dataclass(frozen=True)
class RaceSuite(Instances):
    """What every arm is given.

    Args:
        workers: of every arm, for both sides of a race
        dives: dives alone too, an arm for each network
        repeats: seeds, --seed and on
        time_limit: seconds per run
    """

    workers: Annotated[int, at_least(1)] = 2
    dives: bool = False
    repeats: Annotated[int, at_least(1)] = 3
    time_limit: Annotated[float, _TIME_LIMIT] = 60.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seeds[-1] >= 2**31:
            raise ConfigError(f"seed: expected seeds up to 2147483647, got {self.seeds[-1]}")

    @property
    def seeds(self) -> range:
        """One for each run of an arm on an instance."""
        return range(self.seed, self.seed + self.repeats)


class _Run(NamedTuple):
    result: SolveResult
    race: RaceReport | None  # of a race


def jobs(suite: RaceSuite, cases: Sequence[Case], networks: Sequence[LoadedNetwork]) -> list[Job]:
    """Return one job for each case, seed and arm; networks only where their size fits.

    Raises:
        ConfigError: there is no network.
    """
    if not networks:
        raise ConfigError("--models: expected one or more networks to race with, got none")
    return arm_jobs({"suite": "race", "time_limit": suite.time_limit}, cases, _arms(suite, networks), measure)


def measure(case: Case, arm: Arm, seed: int) -> dict[str, Any]:
    """Run an arm on an instance, check its answer, and return the ``result`` of the record.

    Raises:
        AnswerError: the answer is wrong.
    """
    warm_up(arm)
    model, variables = case.instance.build()
    result, race = arm.solve(model, variables, seed=seed)
    check_answer(case, arm.config["arm"], result)
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


def summary(records: Sequence[Record]) -> Group:
    """Return what one run of the suite found: a table for each set of instances and answer, and the comparison."""
    config = records[0]["config"]
    seeds = len({record["config"]["seed"] for record in records})
    cpus = sorted({record["result"]["usable_cpus"] for record in records})
    groups = {
        f"{name}, {answer}": same
        for name, all_of_set in by_set(records).items()
        for answer, same in by_answer(all_of_set).items()
    }
    return Group(
        f"{counted(config['workers'], 'worker')} on {' or '.join(map(str, cpus))} usable CPUs, "
        f"limit {config['time_limit']:g} s, {counted(seeds, 'seed')}; median [quartiles] over runs",
        [
            *(
                seconds_table(f"{name}, {counted(num_instances(same), 'instance')}", same)
                for name, same in groups.items()
            ),
            speed_table(groups),
        ],
    )


def seconds_table(title: str, records: Sequence[Record]) -> Table:
    """Return a row for each arm on one set of instances."""
    rows = []
    for arm, runs in by_arm(records).items():
        solved = sum(is_decided(run) and run["result"]["status"] != Status.INFEASIBLE for run in runs)
        infeasible = sum(run["result"]["status"] == Status.INFEASIBLE for run in runs)
        won = Counter(run["result"]["winner"] for run in runs)
        wins = [None if None in won else won[side] for side in ("learned", "cp-sat", "nobody")]
        slowest = float(f"{max(cost(run, 'seconds') for run in runs):.3g}")
        rows.append(TableRow([arm, len(runs), solved, infeasible, quartiles(runs, "seconds"), slowest, *wins], arm))
    notes = [
        "solved: a solution; infeasible: a proof that there is none. Unsolved runs count as the limit in seconds.",
        "won: the side of a race whose answer was returned. Rows are divided by what any arm found of an instance.",
    ]
    dives = {record["config"]["workers"] for record in records if record["config"]["arm"].startswith("dives/")}
    notes += [f"dives: the network's decisions, and {counted(workers, 'worker')} of CP-SAT" for workers in dives]
    failed = Counter(r["config"]["arm"] for r in records if r["result"].get("scorer_error") is not None)
    notes += [
        f"{arm}: the learned search failed in {count} runs, which CP-SAT ended alone" for arm, count in failed.items()
    ]
    columns = ["arm", "runs", "solved", "infeasible", "seconds", "maximum", "won: learned", "cp-sat", "nobody"]
    return Table(title, columns, rows, "\n".join(notes))


def speed_table(groups: Mapping[str, Sequence[Record]]) -> Table:
    """Return a row for each arm but the baseline on each set, given by its title."""
    decided = (f"decided by {BASELINE}", "decided by the arm")
    rows = []
    for title, same in groups.items():
        arms = by_arm(same)
        baseline = arms.get(BASELINE, [])
        for arm, runs in arms.items():
            pairs = None if arm == BASELINE else compare_seconds(runs, baseline)
            if pairs is not None:
                cells: dict[str, Cell] = {
                    "sets and arms": f"{title}: {arm} / {BASELINE}",
                    decided[0]: decided_of(baseline),
                    decided[1]: decided_of(runs),
                    "geometric mean": f"{pairs.mean:.3f}",
                    "95 % interval": "-" if pairs.instances == 1 else f"{pairs.low:.3f} .. {pairs.high:.3f}",
                    "pairs": pairs.pairs,
                    "both timed out": pairs.both_timed_out,
                    "excess": f"{pairs.excess:.2f}",
                    "above 0": pairs.above,
                    "worst pair": f"{pairs.worst[0]}, seed {pairs.worst[1]}",
                }
                rows.append((cells, arm, common_place(same)))
    return Table.of(
        f"Seconds / seconds of {BASELINE}",
        rows,
        "Below 1 the arm is faster. Ratios are within pairs of one instance and seed; the interval is a bootstrap over "
        "instances.\nPairs in which both timed out count as 1.\n"
        f"excess: the largest seconds - ({FACTOR:g} * seconds of {BASELINE} + {SLACK:g}); above 0: in how many pairs.",
        page_only=decided,
    )


def _arms(suite: RaceSuite, networks: Sequence[LoadedNetwork]) -> list[Arm]:
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
        solver.parameters.max_time_in_seconds = suite.time_limit
        return _solve(solver, model)

    def by_dives(
        model: cp_model.CpModel, variables: Sequence[cp_model.IntVar], *, seed: int, network: LoadedNetwork
    ) -> _Run:
        limits = Limits(suite.time_limit)
        started = time.perf_counter()
        result = nnsearch.cpsat.solve_by_dives(
            model, [network.scorer], dives=Dives(seed=seed), limits=limits, workers=beside
        )
        return _Run(replace(result, wall_seconds=time.perf_counter() - started), None)

    def drop_in(network: LoadedNetwork) -> cp_model.CpSolver:
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
    """Solve by either class of solver, and time it."""
    _, seconds = timed_solve(solver, model)
    race: RaceReport | None = getattr(solver, "race", None)
    learned = None if race is None else race.learned
    inference = InferenceCount() if learned is None else learned.inference
    engine, name = "cp-sat" if race is None else "race", "none" if learned is None else learned.model
    return _Run(result_of(model, solver.response_proto, inference, seconds, engine, name), race)
