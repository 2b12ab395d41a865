"""Value orders in search: branches, failures, seconds and inference calls on the same instances, under equal limits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model

import nnsearch.cp
import nnsearch.cpsat
from benchmarks.networks import Network
from benchmarks.records import Job, Record
from nnsearch.cp import InferencePolicy
from nnsearch.cp.search import solve_by_phase
from nnsearch.cp.value_phase import VariableOrder
from nnsearch.errors import ConfigError, NNSearchError
from nnsearch.instances import Instance
from nnsearch.limits import Limits
from nnsearch.problems.latin_square import LatinSquare, is_solution
from nnsearch.result import SolveResult, Status


class AnswerError(NNSearchError):
    """An arm gave a wrong answer: not a solution, or infeasible where there is a solution."""


@dataclass(frozen=True)
class Case:
    """An instance to solve.

    Attributes:
        instance: the instance.
        satisfiable: True when a solution is known to exist; False when nothing is known.
    """

    instance: Instance
    satisfiable: bool

    @property
    def config(self) -> dict[str, Any]:
        """What a record says about it."""
        instance = self.instance
        digest = hashlib.sha256(instance.grid.astype("<i8").tobytes()).hexdigest()[:12]
        return {
            "instance": instance.name,
            "instance_sha256": digest,
            "order": instance.order,
            "holes": instance.num_holes,
        }


@dataclass(frozen=True)
class Search:
    """What every arm is given.

    Args:
        seed: seed of the arms that use one; the first of ``repeats`` for the random values.
        repeats: runs of the random-value arm on each instance, with seeds ``seed``, ``seed + 1``, ...
        variables: variable orders of the networks, one arm each.
        policy: when the networks are asked.
        workers: workers of CP-SAT; with several, each has the failure limit to itself.
        limits: when an arm gives up.

    Raises:
        ConfigError: a number is out of range, or there is no time limit.
    """

    seed: int = 1
    repeats: int = 3
    variables: tuple[VariableOrder, ...] = ("min-domain",)
    policy: InferencePolicy = field(default_factory=InferencePolicy)
    workers: int = 1
    limits: Limits = field(default_factory=lambda: Limits(seconds=60.0))

    def __post_init__(self) -> None:
        for name, value, least in (("seed", self.seed, 0), ("repeats", self.repeats, 1), ("workers", self.workers, 1)):
            if value < least:
                raise ConfigError(f"{name}: expected {least} or more, got {value}")
        if self.limits.seconds is None:
            raise ConfigError("expected a time limit: an arm without one may never end")


@dataclass(frozen=True)
class _Arm:
    """One way to solve an instance: ``solve(model, variables, seed=...)``."""

    config: dict[str, Any]
    solve: Callable[..., SolveResult]
    seeds: Sequence[int]
    order: int | None = None  # of the squares that it is made for; None is any


def jobs(suite: Search, cases: Sequence[Case], networks: Sequence[Network]) -> list[Job]:
    """Return one job for each case, arm and seed; networks only where their size fits.

    The arms take turns on each instance, each time with another one first, so that a change in the machine's speed hits
    all of them.
    """
    arms = _arms(suite, networks)
    limits = {"time_limit": suite.limits.seconds, "failure_limit": suite.limits.failures}
    return [
        Job(
            {"suite": "search", **case.config, **arm.config, "seed": seed, **limits},
            partial(_measure, case, arm, seed, suite.limits),
        )
        for turn, case in enumerate(cases)
        for arm in arms[turn % len(arms) :] + arms[: turn % len(arms)]
        if arm.order in (None, case.instance.order)
        for seed in arm.seeds
    ]


def misfits(cases: Sequence[Case], networks: Sequence[Network]) -> list[str]:
    """Return one line for each network and order of instances that it is not run on."""
    orders = [case.instance.order for case in cases]
    return [
        f"{network.name}: skipped on {orders.count(order)} instances of order {order}, it is made for {network.order}"
        for network in networks
        for order in sorted(set(orders) - {network.order})
    ]


def check(case: Case, arm: str, result: SolveResult) -> None:
    """Check an answer without any solver.

    Raises:
        AnswerError: the answer is wrong.
    """
    instance = case.instance
    if result.solution is not None:
        square = np.array(result.solution).reshape(instance.order, instance.order)
        if not is_solution(square, instance.grid):
            raise AnswerError(f"{arm}: what it returned for {instance.name} is not a solution")
    elif result.status.solved:
        raise AnswerError(f"{arm}: said {result.status} on {instance.name} without a solution")
    elif result.status is Status.INFEASIBLE and case.satisfiable:
        raise AnswerError(f"{arm}: said INFEASIBLE on {instance.name}, which has a solution")


def check_agreement(records: Sequence[Record]) -> None:
    """Check that no arm proved an instance infeasible for which another one has a solution.

    Raises:
        AnswerError: two arms disagree.
    """
    for infeasible in records:
        if infeasible["result"]["status"] == Status.INFEASIBLE:
            for other in records:
                same = other["config"]["instance_sha256"] == infeasible["config"]["instance_sha256"]
                if same and Status(other["result"]["status"]).solved:
                    raise AnswerError(
                        f"{infeasible['config']['arm']}: said INFEASIBLE on {infeasible['config']['instance']}, "
                        f"for which {other['config']['arm']} has a solution"
                    )


def is_decided(record: Record) -> bool:
    """Tell whether a run ended with a solution or a proof."""
    return record["result"]["status"] != Status.UNKNOWN


def cost(record: Record, name: str) -> float:
    """Return ``seconds``, ``failures``, ``branches`` or ``inference_calls`` of a run.

    A run that gave up counts with the limit for what is limited, and otherwise with what it had spent.
    """
    spent: float = record["result"]["wall_seconds" if name == "seconds" else name]
    limit = {"seconds": "time_limit", "failures": "failure_limit"}.get(name, "")
    limited = record["config"].get(limit)
    return spent if is_decided(record) or limited is None else limited


def by_arm(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Group records by arm, in order of appearance."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record["config"]["arm"], []).append(record)
    return groups


def table(records: Sequence[Record]) -> str:
    """Return the summary of one run of the suite, a block for each order, because networks are made for one."""
    config = records[0]["config"]
    failure_limit = config["failure_limit"]
    failures = "" if failure_limit is None else f" and {failure_limit} failures"
    lines = [f"limits {config['time_limit']:g} s{failures}; median [quartiles] over runs"]
    for order in sorted({record["config"]["order"] for record in records}):
        same = [record for record in records if record["config"]["order"] == order]
        instances = len({record["config"]["instance_sha256"] for record in same})
        lines += [
            "",
            f"{f'order {order}, {instances} instances':28}{'runs':>5}{'solved':>8}{'branches':>24}{'failures':>24}"
            f"{'seconds':>24}{'calls':>8}{'inference':>11}",
            *(_row(arm, runs) for arm, runs in by_arm(same).items()),
        ]
    limited = "the limit in seconds" + ("" if failure_limit is None else " and failures")
    lines += [
        "",
        f"solved: a solution or a proof that there is none. Unsolved runs count as {limited}, else as they ended.",
        "inference: share of the seconds. * CP-SAT: conflicts; its branches are not search nodes and are left out.",
        "default-phase: its counts include its own probing of values and its nested heuristics.",
    ]
    return "\n".join(lines)


def _arms(suite: Search, networks: Sequence[Network]) -> list[_Arm]:
    limits, once = suite.limits, [suite.seed]

    def cp(model: cp_model.CpModel, variables: list[cp_model.IntVar], *, seed: int, **options: Any) -> SolveResult:
        return nnsearch.cp.solve(model, variables, limits=limits, **options)

    def by_phase(
        model: cp_model.CpModel, variables: list[cp_model.IntVar], *, seed: int, make_phase: Callable[..., Any]
    ) -> SolveResult:
        return solve_by_phase(model, variables, partial(make_phase, seed=seed), limits=limits)

    def cp_sat(model: cp_model.CpModel, variables: list[cp_model.IntVar], *, seed: int) -> SolveResult:
        return nnsearch.cpsat.solve(model, variables, None, limits=limits, seed=seed, workers=suite.workers)

    return [
        _Arm({"arm": "min-value"}, partial(cp, scorer=None), once),
        _Arm(
            {"arm": "random-value"},
            partial(by_phase, make_phase=_random_value),
            range(suite.seed, suite.seed + suite.repeats),
        ),
        _Arm({"arm": "default-phase"}, partial(by_phase, make_phase=_default_phase), once),
        _Arm({"arm": "cp-sat", "workers": suite.workers}, cp_sat, once),
        *(
            _Arm(
                {
                    "arm": f"{network.name}/{variables}",
                    **network.config,
                    "variables": variables,
                    **asdict(suite.policy),
                },
                partial(cp, scorer=network.scorer, variable_order=variables, policy=suite.policy),
                once,
                network.order,
            )
            for network in networks
            for variables in suite.variables
        ),
    ]


def _random_value(solver: pywrapcp.Solver, variables: list[pywrapcp.IntVar], seed: int) -> pywrapcp.DecisionBuilder:
    solver.ReSeed(seed)
    return solver.Phase(variables, solver.CHOOSE_MIN_SIZE, solver.ASSIGN_RANDOM_VALUE)


def _default_phase(solver: pywrapcp.Solver, variables: list[pywrapcp.IntVar], seed: int) -> pywrapcp.DecisionBuilder:
    parameters = pywrapcp.DefaultPhaseParameters()
    parameters.display_level = pywrapcp.DefaultPhaseParameters.NONE
    parameters.random_seed = seed
    return solver.DefaultPhase(variables, parameters)


def _measure(case: Case, arm: _Arm, seed: int, limits: Limits) -> dict[str, Any]:
    instance = case.instance
    model, variables = LatinSquare(instance.order).build(instance.grid)
    result = arm.solve(model, variables, seed=seed)
    check(case, arm.config["arm"], result)
    limit = None
    if result.status is Status.UNKNOWN:
        limit = "failures" if limits.failures is not None and result.failures >= limits.failures else "seconds"
    fields = asdict(result)
    del fields["solution"]
    return {
        **fields,
        "status": str(result.status),
        "failures_are": "conflicts" if result.engine == "cp-sat" else "dead ends",
        "limit": limit,
        "checked": True,
    }


def _row(arm: str, runs: Sequence[Record]) -> str:
    solved = sum(map(is_decided, runs)) / len(runs)
    conflicts = runs[0]["result"]["failures_are"] == "conflicts"
    inference = sum(run["result"]["inference_seconds"] for run in runs)
    wall = sum(run["result"]["wall_seconds"] for run in runs)
    branches = "-" if conflicts else _quartiles(runs, "branches")
    failures = _quartiles(runs, "failures") + ("*" if conflicts else "")
    calls = np.median([cost(run, "inference_calls") for run in runs])
    return (
        f"{arm:28}{len(runs):5}{solved:8.0%}{branches:>24}{failures:>24}{_quartiles(runs, 'seconds'):>24}"
        f"{calls:8,.0f}{inference / wall:11.0%}"
    )


def _quartiles(runs: Sequence[Record], name: str) -> str:
    low, median, high = np.quantile([cost(run, name) for run in runs], [0.25, 0.5, 0.75])
    return f"{_short(median)} [{_short(low)}, {_short(high)}]"


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"
