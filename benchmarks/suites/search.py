"""Value orders in search: branches, failures, seconds and inference calls on the same instances, under equal limits.

Instances are of any problem family. Networks on the candidate graph are run on all of them, one-hot networks on the
Latin squares of their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter
from ortools.sat.python import cp_model

import nnsearch.cp
import nnsearch.cpsat
from benchmarks.answers import check_answer
from benchmarks.arms import Arm, NoOpinion, arm_jobs, default_phase, random_value, warm_up
from benchmarks.instances.instance_sets import Case
from benchmarks.instances.instances import Instances
from benchmarks.networks import LoadedNetwork
from benchmarks.records import Job, Record
from benchmarks.rendering.curves import DEAD_ENDS, cactus
from benchmarks.rendering.parts import ANYWHERE, Block, Cell, Group, Table, TableRow
from benchmarks.statistics import (
    DECIDED,
    by_arm,
    by_set,
    cost,
    counted,
    mean_failures,
    num_instances,
    quartiles,
    ratio,
    share_decided,
)
from nnsearch.cp import InferencePolicy
from nnsearch.cp.restarts import Restarts
from nnsearch.cp.sampling import Sampling
from nnsearch.cp.search import solve_by_phase
from nnsearch.cp.search_options import SearchOptions, VariableOrder
from nnsearch.errors import ConfigError
from nnsearch.limits import Limits
from nnsearch.result import SolveResult
from training.config import at_least
from training.running.fan_out import Needs

_FAILURES = {"cp-sat": "conflicts", "dives": "dead ends and conflicts"}


@Parameter(name="*")
@dataclass(frozen=True)
class Search(Instances):
    """What every arm is given; with restarts, random-restarts is one more baseline.

    Args:
        variables: variable order of the networks, an arm for each
        infer_every: ask a network every K decisions, 0 once
        infer_after_failure: ask a network after each failure too
        restart_after: networks start again after N failures, then ever later
        time_limit: seconds per run
        failure_limit: failures per run, conflicts of CP-SAT (default: none)
        repeats: seeds of the random arms
        workers: workers of CP-SAT
    """

    variables: tuple[Literal["min-domain", "most-confident"], ...] = ("min-domain",)
    infer_every: int = 1
    infer_after_failure: bool = False
    restart_after: int | None = None
    time_limit: float = 60.0
    failure_limit: Annotated[int | None, Parameter(metavar="N")] = None
    repeats: Annotated[int, at_least(1)] = 3
    workers: Annotated[int, at_least(1)] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.restarts(self.seed)

    @property
    def policy(self) -> InferencePolicy:
        """When the networks are asked."""
        return InferencePolicy(self.infer_every, self.infer_after_failure)

    @property
    def limits(self) -> Limits:
        """When an arm gives up."""
        return Limits(self.time_limit, self.failure_limit)

    def restarts(self, seed: int) -> Restarts | None:
        """Return when to start again, with noise of this seed."""
        return None if self.restart_after is None else Restarts(self.restart_after, seed=seed)


def jobs(suite: Search, cases: Sequence[Case], networks: Sequence[LoadedNetwork]) -> list[Job]:
    """Return one job for each case, seed and arm; networks only where their size fits."""
    limits, measured = suite.limits, measure
    shared = {"suite": "search", "time_limit": limits.seconds, "failure_limit": limits.failures}
    return arm_jobs(shared, cases, _arms(suite, networks), lambda case, arm, seed: measured(case, arm, seed, limits))


def summary(records: Sequence[Record], compare: tuple[str, str] | None = None) -> Group:
    """Return a table for each set of instances, the ratio of two arms (:func:`ratio_table`), and two cactus plots."""
    config = records[0]["config"]
    failures = "" if config["failure_limit"] is None else f" and {config['failure_limit']} failures"
    blocks: list[Block] = [
        arm_table(f"{name}, {counted(num_instances(same), 'instance')}", same) for name, same in by_set(records).items()
    ]
    if compare is not None:
        blocks.append(ratio_table(records, *compare))
    blocks += [cactus(records, "seconds"), cactus(records, "failures")]
    return Group(f"limits {config['time_limit']:g} s{failures}; median [quartiles] over runs", blocks)


def arm_table(title: str, records: Sequence[Record], branches: bool = True) -> Table:
    """Return a row for each arm on one set of instances; with its branches, where they tell something."""
    rows = []
    for arm, runs in by_arm(records).items():
        failures_are = runs[0]["result"].get("failures_are", DEAD_ENDS)
        conflicts = failures_are == "conflicts"
        cells: dict[str, Cell] = {
            "arm": arm,
            "runs": len(runs),
            "solved": f"{share_decided(runs):.0%}",
            "mean failures": float(f"{mean_failures(runs):.3g}"),
            "failures": quartiles(runs, "failures") + ("*" if conflicts else ""),
            "calls": float(np.median([cost(run, "inference_calls") for run in runs])),
            "inference": float(f"{np.median([run['result']['inference_seconds'] for run in runs]):.3g}"),
            "seconds": quartiles(runs, "seconds"),
            "mean seconds": float(f"{np.mean([cost(run, 'seconds') for run in runs]):.3g}"),
        }
        if branches:
            cells["branches"] = None if conflicts else quartiles(runs, "branches")
        rows.append((cells, arm, ANYWHERE))
    return Table.of(
        title,
        rows,
        "solved: a solution or a proof that there is none. Unsolved runs count as the limits, else as they ended.\n"
        "mean failures: geometric mean of failures + 1; mean seconds: arithmetic mean.\n"
        "calls, inference: median inferences, and seconds in them.\n"
        "* CP-SAT: conflicts; its branches are not search nodes and are left out.\n"
        "default-phase: its counts include its own probing of values and its nested heuristics.\n"
        "dives*: failures and conflicts of CP-SAT (1 worker) together; compare it by seconds.",
    )


def ratio_table(records: Sequence[Record], one: str, other: str) -> Table:
    """Return the comparison of two arms on each set; of two networks, arms of the same variable order are compared.

    Raises:
        ConfigError: see :func:`check_comparison`.
    """
    rows = []
    pairs = _pairs([record["config"] for record in records], one, other)
    for name, same in by_set(records).items():
        arms = by_arm(same)
        for first, second in pairs:
            found = ratio(arms.get(first, []), arms.get(second, []))
            if found is not None:
                counts = f"{found.wins}/{found.ties}/{found.losses}"
                interval = f"{found.low:.3f} .. {found.high:.3f}"
                row: list[Cell] = [
                    f"{name}: {first} / {second}",
                    f"{found.mean:.3f}",
                    interval,
                    found.instances,
                    counts,
                ]
                rows.append(TableRow(row, first))
    columns = ["sets and arms", "geometric mean", "95 % interval", "instances", "fewer/same/more"]
    return Table("(failures + 1) / (failures + 1)", columns, rows)


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


def _arms(suite: Search, networks: Sequence[LoadedNetwork]) -> list[Arm]:
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
        model: cp_model.CpModel,
        variables: list[cp_model.IntVar],
        *,
        seed: int,
        network: LoadedNetwork,
        order: VariableOrder,
    ) -> SolveResult:
        options = SearchOptions(order, suite.policy, restarts=suite.restarts(seed), limits=limits)
        return nnsearch.cp.solve(model, variables, network.scorer, options)

    restarts: dict[str, Any] = {}
    if (example := suite.restarts(0)) is not None:
        restarts = {"restart_after": example.failures, "growth": example.growth}
    repeats = range(suite.seed, suite.seed + suite.repeats)
    return [
        Arm({"arm": "min-value"}, min_value, once),
        Arm({"arm": "random-value"}, partial(by_phase, make_phase=random_value), repeats),
        *([Arm({"arm": "random-restarts", **restarts}, random_restarts, repeats)] if restarts else []),
        Arm({"arm": "default-phase"}, partial(by_phase, make_phase=default_phase), once),
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
            for variables in dict.fromkeys(suite.variables)
        ),
    ]


def measure(case: Case, arm: Arm, seed: int, limits: Limits) -> dict[str, Any]:
    """Run an arm on an instance, check its answer, and return the ``result`` of the record.

    Raises:
        AnswerError: the answer is wrong.
    """
    warm_up(arm)
    model, variables = case.instance.build()
    result = arm.solve(model, variables, seed=seed)
    check_answer(case, arm.config["arm"], result)
    limit = None
    if result.status not in DECIDED:
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
