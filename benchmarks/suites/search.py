"""Value orders in search: branches, failures, seconds and inference calls on the same instances, under equal limits.

Instances are of any problem family. Networks on the candidate graph are run on all of them, one-hot networks on the
Latin squares of their order.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model

import nnsearch.cp
import nnsearch.cpsat
from benchmarks.instances.instance_sets import Case, set_of
from benchmarks.networks import Network
from benchmarks.records import Job, Record
from nnsearch.cp import InferencePolicy
from nnsearch.cp.restarts import Restarts
from nnsearch.cp.sampling import Sampling
from nnsearch.cp.search import solve_by_phase
from nnsearch.cp.search_options import SearchOptions, VariableOrder
from nnsearch.errors import ConfigError, ModelFileError, NNSearchError
from nnsearch.limits import Limits
from nnsearch.model.graph import BoolArray, CandidateGraph
from nnsearch.problems import PartialLatinSquare, Problem
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.result import SolveResult, Status
from nnsearch.scorers.scorer import Advice
from training.running.fan_out import ONE_CPU, Needs

_FAILURES = {"cp-sat": "conflicts", "dives": "dead ends and conflicts"}
_DECIDED = (Status.OPTIMAL, Status.INFEASIBLE)


class AnswerError(NNSearchError):
    """An arm gave a wrong answer: not a solution, or infeasible where there is a solution."""


@dataclass(frozen=True)
class Search:
    """What every arm is given.

    Args:
        seed: seed of the arms that use one; the first of ``repeats`` for the random values.
        repeats: runs of the random-value arm on each instance, with seeds ``seed``, ``seed + 1``, ...
        variables: variable orders of the networks, one arm each.
        policy: when the networks are asked.
        restart_after: failures after which the networks start again from the root, see
            :class:`nnsearch.cp.value_phase.Restarts`; with it, ``random-restarts`` is one more baseline.
        workers: workers of CP-SAT; with several, each has the failure limit to itself.
        limits: when an arm gives up.

    Raises:
        ConfigError: a number is out of range, or there is no time limit.
    """

    seed: int = 1
    repeats: int = 3
    variables: tuple[VariableOrder, ...] = ("min-domain",)
    policy: InferencePolicy = field(default_factory=InferencePolicy)
    restart_after: int | None = None
    workers: int = 1
    limits: Limits = field(default_factory=lambda: Limits(seconds=60.0))

    def __post_init__(self) -> None:
        for name, value, least in (("seed", self.seed, 0), ("repeats", self.repeats, 1), ("workers", self.workers, 1)):
            if value < least:
                raise ConfigError(f"{name}: expected {least} or more, got {value}")
        if self.limits.seconds is None:
            raise ConfigError("expected a time limit: an arm without one may never end")
        self.restarts(self.seed)

    def restarts(self, seed: int) -> Restarts | None:
        """Return when to start again, with noise of this seed."""
        return None if self.restart_after is None else Restarts(self.restart_after, seed=seed)


@dataclass(frozen=True)
class Arm:
    """One way to solve an instance.

    Attributes:
        config: what a record says about it; ``arm`` is its name.
        solve: ``solve(model, variables, seed=...)`` returns what its suite measures, here a :class:`SolveResult`.
        seeds: one run of an instance for each.
        order: of the Latin squares that it is made for; None is any problem.
        needs: what a run needs of a machine.
    """

    config: dict[str, Any]
    solve: Callable[..., Any]
    seeds: Sequence[int]
    order: int | None = None
    needs: Needs = ONE_CPU

    def fits(self, instance: Problem) -> bool:
        """Tell whether it can solve an instance at all."""
        return self.order is None or (isinstance(instance, PartialLatinSquare) and instance.order == self.order)


class NoOpinion:
    """A scorer of any problem that knows nothing: with sampling, values come in a uniform random order."""

    name = "no-opinion"

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> _NoOpinion:
        """Return what says nothing of this model."""
        return _NoOpinion(graph)


@dataclass(frozen=True)
class _NoOpinion:
    graph: CandidateGraph

    def advise(self, alive: BoolArray) -> Advice:
        """Return zeros for the open candidates."""
        several = np.stack([(self.graph.count(row) > 1)[self.graph.variable] for row in alive])
        return Advice(np.where(alive & several, np.float32(0), np.float32(-np.inf)))


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
            partial(measure, case, arm, seed, suite.limits),
            arm.needs,
        )
        for turn, case in enumerate(cases)
        for arm in rotated(arms, turn)
        if arm.fits(case.instance)
        for seed in arm.seeds
    ]


def rotated(arms: Sequence[Arm], turn: int) -> list[Arm]:
    """Return the arms in the order of a turn, each turn with another one first."""
    first = turn % len(arms)
    return [*arms[first:], *arms[:first]]


def misfits(cases: Sequence[Case], networks: Sequence[Network]) -> list[str]:
    """Return one line for each one-hot network and set of instances that it is not run on."""
    lines = []
    for network in networks:
        arm = Arm({}, nnsearch.cp.solve, (), network.order)
        skipped = Counter(set_of(case.config) for case in cases if not arm.fits(case.instance))
        lines += [
            f"{network.name}: skipped on {count} instances of {name}, it is made for Latin squares of order {arm.order}"
            for name, count in skipped.items()
        ]
    return lines


def check(case: Case, arm: str, result: SolveResult) -> None:
    """Check an answer without any solver (a CP-SAT model from a file: with one that has nothing left to search).

    Raises:
        AnswerError: the answer is wrong.
    """
    instance = case.instance
    if result.solution is not None:
        if not instance.is_solution(result.solution):
            raise AnswerError(f"{arm}: what it returned for {instance.name} is not a solution")
    elif result.status.solved:
        raise AnswerError(f"{arm}: said {result.status} on {instance.name} without a solution")
    elif result.status is Status.INFEASIBLE and case.satisfiable:
        raise AnswerError(f"{arm}: said INFEASIBLE on {instance.name}, which has a solution")


def check_agreement(records: Sequence[Record]) -> None:
    """Check that no arm proved an instance infeasible for which another one has a solution, and that best is best.

    Raises:
        AnswerError: two arms disagree.
    """
    best: dict[str, Record] = {}
    for record in records:
        objective = record["result"].get("objective_value")
        if record["result"]["status"] == Status.OPTIMAL and objective is not None:
            first = best.setdefault(record["config"]["instance_sha256"], record)
            if not math.isclose(first["result"]["objective_value"], objective, rel_tol=1e-6, abs_tol=1e-6):
                raise AnswerError(
                    f"{record['config']['arm']}: said that {objective:g} is the best on "
                    f"{record['config']['instance']}, "
                    f"and {first['config']['arm']} that {first['result']['objective_value']:g} is"
                )
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
    """Tell whether a run ended with a solution (with an objective: proved the best), or a proof that there is none."""
    return record["result"]["status"] in _DECIDED


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


def by_set(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Group records by set of instances, in order of appearance."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(set_of(record["config"]), []).append(record)
    return groups


def table(records: Sequence[Record]) -> str:
    """Return the summary of one run of the suite, a block for each set of instances."""
    config = records[0]["config"]
    failure_limit = config["failure_limit"]
    failures = "" if failure_limit is None else f" and {failure_limit} failures"
    lines = [f"limits {config['time_limit']:g} s{failures}; median [quartiles] over runs"]
    sets = by_set(records)
    width = max(28, *(len(name) + 18 for name in sets), *(len(arm) + 2 for arm in by_arm(records)))
    for name, same in sets.items():
        instances = len({record["config"]["instance_sha256"] for record in same})
        lines += [
            "",
            f"{f'{name}, {instances} instances':{width}}{'runs':>5}{'solved':>8}{'branches':>24}{'failures':>24}"
            f"{'mean':>10}{'seconds':>24}{'calls':>8}{'inference':>11}",
            *(_row(arm, by_arm(same)[arm], width) for arm in by_arm(records) if arm in by_arm(same)),
        ]
    limited = "the limit in seconds" + ("" if failure_limit is None else " and failures")
    lines += [
        "",
        f"solved: a solution or a proof that there is none. Unsolved runs count as {limited}, else as they ended.",
        "mean: geometric mean of failures + 1. calls, inference: median inferences, and seconds in them.",
        "* CP-SAT: conflicts; its branches are not search nodes and are left out.",
        "default-phase: its counts include its own probing of values and its nested heuristics.",
    ]
    return "\n".join(lines)


@dataclass(frozen=True)
class Ratio:
    """How the failures of one arm compare with those of another on the same instances.

    Attributes:
        mean: geometric mean over instances of (failures + 1) / (failures + 1); below 1 the first arm fails less.
        low: lower end of its 95 % interval (bootstrap over instances).
        high: upper end.
        wins: instances on which the first arm fails less.
        ties: instances on which both fail as often.
        losses: the others.
    """

    mean: float
    low: float
    high: float
    wins: int
    ties: int
    losses: int

    @property
    def instances(self) -> int:
        """On how many instances both were run."""
        return self.wins + self.ties + self.losses


def ratio(one: Sequence[Record], other: Sequence[Record], resamples: int = 10_000) -> Ratio | None:
    """Compare the failures of two arms; several runs of an instance count as their geometric mean.

    Args:
        one: records of an arm.
        other: records of another one; None is returned when they share no instance.
        resamples: of the bootstrap, whose seed is fixed.
    """
    mine, theirs = _log_failures(one), _log_failures(other)
    shared = [instance for instance in mine if instance in theirs]
    if not shared:
        return None
    difference = np.array([mine[instance] - theirs[instance] for instance in shared])
    wins, losses = int((difference < -1e-12).sum()), int((difference > 1e-12).sum())
    return Ratio(*geometric_mean(difference, resamples), wins, len(difference) - wins - losses, losses)


def geometric_mean(logs: npt.NDArray[np.float64], resamples: int = 10_000) -> tuple[float, float, float]:
    """Return the geometric mean and the ends of its 95 % interval, by bootstrap.

    Args:
        logs: float64[I]: logarithm of the number of each instance.
        resamples: of the bootstrap, whose seed is fixed.
    """
    rng = np.random.default_rng(0)
    means = logs[rng.integers(len(logs), size=(resamples, len(logs)))].mean(axis=1)
    low, high = np.exp(np.quantile(means, [0.025, 0.975]))
    return float(np.exp(logs.mean())), float(low), float(high)


def ratio_table(records: Sequence[Record], one: str, other: str) -> str:
    """Return the comparison of two arms on each set of instances.

    Args:
        records: of one run of the suite.
        one: an arm, or a network; of two networks, arms of the same variable order are compared.
        other: the same.

    Raises:
        ConfigError: see :func:`check_comparison`.
    """
    lines = [
        f"{'(failures + 1) / (failures + 1)':60}{'geometric mean':>16}{'95 % interval':>20}{'instances':>11}"
        f"{'fewer/same/more':>17}"
    ]
    pairs = _pairs([record["config"] for record in records], one, other)
    for name, same in by_set(records).items():
        arms = by_arm(same)
        for first, second in pairs:
            found = ratio(arms.get(first, []), arms.get(second, []))
            if found is not None:
                title, interval = f"{name}: {first} / {second}", f"{found.low:.3f} .. {found.high:.3f}"
                counts = f"{found.wins}/{found.ties}/{found.losses}"
                lines.append(f"{title:60}{found.mean:16.3f}{interval:>20}{found.instances:11}{counts:>17}")
    return "\n".join(lines)


def check_comparison(jobs: Sequence[Job], one: str, other: str) -> None:
    """Check, before anything is measured, that two arms can be compared.

    Raises:
        ConfigError: there is no such arm, it counts something other than failures, or the two are one.
    """
    if not _pairs([job.config for job in jobs], one, other):
        raise ConfigError(f"--compare: expected two arms, got {one} and {other}")


def _pairs(configs: Sequence[dict[str, Any]], one: str, other: str) -> list[tuple[str, str]]:
    """Return the pairs of arms that two names of arms or networks stand for."""
    arms = {config["arm"]: config for config in configs}
    chosen = []
    for name in (one, other):
        found = {arm: config.get("variables") for arm, config in arms.items() if name in (arm, config.get("model"))}
        if not found:
            raise ConfigError(f"--compare: expected one of {', '.join(arms)}, or a network, got {name!r}")
        if name == "cp-sat":
            raise ConfigError("--compare: expected an arm that counts failures, cp-sat counts conflicts")
        chosen.append(found)
    return [
        (first, second)
        for first, order in chosen[0].items()
        for second, other_order in chosen[1].items()
        if first != second and (order == other_order or None in (order, other_order) or (one, other) == (first, second))
    ]


def _log_failures(runs: Sequence[Record]) -> dict[str, float]:
    """Return the mean of log(failures + 1) by instance."""
    logs: dict[str, list[float]] = {}
    for run in runs:
        logs.setdefault(run["config"]["instance_sha256"], []).append(np.log(cost(run, "failures") + 1))
    return {instance: float(np.mean(values)) for instance, values in logs.items()}


def _arms(suite: Search, networks: Sequence[Network]) -> list[Arm]:
    limits, once = suite.limits, [suite.seed]

    def min_value(model: cp_model.CpModel, variables: list[cp_model.IntVar], *, seed: int) -> SolveResult:
        return nnsearch.cp.solve(model, variables, None, SearchOptions(limits=limits))

    def by_phase(
        model: cp_model.CpModel, variables: list[cp_model.IntVar], *, seed: int, make_phase: Callable[..., Any]
    ) -> SolveResult:
        return solve_by_phase(model, variables, partial(make_phase, seed=seed), limits=limits)

    def cp_sat(model: cp_model.CpModel, variables: list[cp_model.IntVar], *, seed: int) -> SolveResult:
        return nnsearch.cpsat.solve(model, variables, None, limits=limits, seed=seed, workers=suite.workers)

    def random_restarts(model: cp_model.CpModel, variables: list[cp_model.IntVar], *, seed: int) -> SolveResult:
        # One random order of values for each run, drawn at the root: drawing at every node would cost time for nothing.
        options = SearchOptions(
            policy=InferencePolicy(0), sampling=Sampling(seed), restarts=suite.restarts(seed), limits=limits
        )
        return nnsearch.cp.solve(model, variables, NoOpinion(), options)

    def network_arm(
        model: cp_model.CpModel, variables: list[cp_model.IntVar], *, seed: int, network: Network, order: VariableOrder
    ) -> SolveResult:
        options = SearchOptions(order, suite.policy, restarts=suite.restarts(seed), limits=limits)
        return nnsearch.cp.solve(model, variables, network.scorer, options)

    restarts: dict[str, Any] = {}
    if (example := suite.restarts(0)) is not None:
        restarts = {"restart_after": example.failures, "growth": example.growth}
    repeats = range(suite.seed, suite.seed + suite.repeats)
    return [
        Arm({"arm": "min-value"}, min_value, once),
        Arm({"arm": "random-value"}, partial(by_phase, make_phase=_random_value), repeats),
        *([Arm({"arm": "random-restarts", **restarts}, random_restarts, repeats)] if restarts else []),
        Arm({"arm": "default-phase"}, partial(by_phase, make_phase=_default_phase), once),
        Arm({"arm": "cp-sat", "workers": suite.workers}, cp_sat, once, needs=Needs(suite.workers)),
        *(
            Arm(
                {
                    "arm": f"{network.name}/{variables}",
                    **network.config,
                    "variables": variables,
                    **asdict(suite.policy),
                    **({**restarts, "noise": Restarts().temperature} if restarts else {}),
                },
                partial(network_arm, network=network, order=variables),
                once,
                network.order,
                network.needs,
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


_WARM: set[str] = set()
"""The arms that have solved something in this process."""


def warm_up(arm: Arm) -> None:
    """Solve a small square by an arm that is new in this process, so that no measurement pays for a first solve."""
    name = json.dumps(arm.config, sort_keys=True)
    if name not in _WARM:
        with suppress(ModelFileError):  # a network for one model reads no square
            arm.solve(*LatinSquare(arm.order or 5).build(), seed=0)
        _WARM.add(name)


def measure(case: Case, arm: Arm, seed: int, limits: Limits) -> dict[str, Any]:
    """Run an arm on an instance, check its answer, and return the ``result`` of the record.

    Raises:
        AnswerError: the answer is wrong.
    """
    warm_up(arm)
    model, variables = case.instance.build()
    result = arm.solve(model, variables, seed=seed)
    check(case, arm.config["arm"], result)
    limit = None
    if result.status not in _DECIDED:
        limit = "failures" if limits.failures is not None and result.failures >= limits.failures else "seconds"
    fields = result.to_dict()
    del fields["solution"]
    return {
        **fields,
        "status": str(result.status),
        "failures_are": _FAILURES.get(result.engine, "dead ends"),
        "limit": limit,
        "checked": True,
    }


def _row(arm: str, runs: Sequence[Record], width: int) -> str:
    solved = sum(map(is_decided, runs)) / len(runs)
    conflicts = runs[0]["result"]["failures_are"] == "conflicts"
    branches = "-" if conflicts else quartiles(runs, "branches")
    failures = quartiles(runs, "failures") + ("*" if conflicts else "")
    mean = mean_failures(runs)
    calls = np.median([cost(run, "inference_calls") for run in runs])
    inference = np.median([run["result"]["inference_seconds"] for run in runs])
    return (
        f"{arm:{width}}{len(runs):5}{solved:8.0%}{branches:>24}{failures:>24}{short(mean):>10}"
        f"{quartiles(runs, 'seconds'):>24}{calls:8,.0f}{short(inference):>11}"
    )


def mean_failures(runs: Sequence[Record]) -> float:
    """Return the geometric mean of failures + 1."""
    return float(np.exp(np.mean([np.log(cost(run, "failures") + 1) for run in runs])))


def with_limit(
    failures: npt.ArrayLike, solved: npt.ArrayLike, limit: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return float64, the failures of searches, with the limit for those that gave up; and bool, which did not."""
    is_solved = np.asarray(solved, dtype=np.bool_)
    return np.where(is_solved, np.asarray(failures, dtype=np.float64), float(limit)), is_solved


def quartiles(runs: Sequence[Record], name: str) -> str:
    """Return the text ``median [quartiles]`` of what :func:`cost` says of runs."""
    low, median, high = np.quantile([cost(run, name) for run in runs], [0.25, 0.5, 0.75])
    return f"{short(median)} [{short(low)}, {short(high)}]"


def counted(number: int, noun: str) -> str:
    """Return a number of things in words: ``1 run``, ``2 runs``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def short(number: float) -> str:
    """Return a number in few characters: whole from 10 on, else two digits."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"
