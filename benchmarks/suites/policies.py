"""When to ask one network, and how to divide the search into runs: what each way costs on the same instances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from ortools.sat.python import cp_model

import nnsearch.cp
import nnsearch.cpsat
from benchmarks.arms import Arm, rotated
from benchmarks.instances.instance_sets import Case
from benchmarks.networks import LoadedNetwork
from benchmarks.records import Job, Record
from benchmarks.rendering.parts import Group
from benchmarks.statistics import by_set, counted, num_instances
from benchmarks.suites.search import arm_table, measure
from nnsearch.cp import Discrepancies, InferencePolicy, Restarts
from nnsearch.cp.search_options import SearchOptions, VariableOrder
from nnsearch.cpsat import Dives
from nnsearch.errors import ConfigError
from nnsearch.limits import Limits
from nnsearch.result import SolveResult

_Division = Restarts | Discrepancies | None
"""How a search is divided into runs; None is one depth-first search."""

DIVES = "dives*"


@dataclass(frozen=True)
class Policies:
    """What every arm is given.

    Args:
        seed: the first of ``repeats`` seeds of the noise after restarts.
        repeats: runs of the arms that have noise; the others run once.
        limits: when an arm gives up. Dives keep to the seconds alone: most of their failures are conflicts of CP-SAT.

    Raises:
        ConfigError: a number is out of range, or there is no time limit.
    """

    seed: int = 1
    repeats: int = 1
    limits: Limits = field(default_factory=lambda: Limits(seconds=60.0))

    def __post_init__(self) -> None:
        for name, value, least in (("seed", self.seed, 0), ("repeats", self.repeats, 1)):
            if value < least:
                raise ConfigError(f"{name}: expected {least} or more, got {value}")
        if self.limits.seconds is None or not math.isfinite(self.limits.seconds):
            raise ConfigError("expected a time limit: an arm without one may never end")


def choices() -> list[tuple[InferencePolicy, _Division]]:
    """Return what is compared: ways to divide the search under one policy, and policies under one of those ways."""
    usual, geometric = InferencePolicy(10, after_failure=True), Restarts()
    divisions: list[_Division] = [
        None,
        geometric,
        Restarts(40, schedule="luby"),
        Restarts(20, schedule="luby"),
        Discrepancies(),
    ]
    policies: list[InferencePolicy] = [
        InferencePolicy(1),
        InferencePolicy(10),
        InferencePolicy(0, below=0.9),
        InferencePolicy(0, below=0.99),
    ]
    return [*((usual, division) for division in divisions), *((policy, geometric) for policy in policies)]


def name_of(policy: InferencePolicy, division: _Division) -> str:
    """Return the name of an arm of the CP engine, which says what it is."""
    return f"{_policy_name(policy)}; {_division_name(division)}"


def jobs(suite: Policies, cases: Sequence[Case], network: LoadedNetwork) -> list[Job]:
    """Return one job for each case, arm and seed, where the network's size fits.

    The arms take turns on each instance, each time with another one first, so that a change in the machine's speed hits
    all of them.

    Raises:
        ConfigError: the network fits no case.
    """
    arms = _arms(suite, network)
    made = []
    fitting = [case for case in cases if arms[0].fits(case.instance)]  # all arms are of one network
    for turn, case in enumerate(fitting):
        for arm in rotated(arms, turn):
            limits = Limits(suite.limits.seconds) if arm.config["arm"] == DIVES else suite.limits
            config = {"suite": "policies", **case.config, **arm.config}
            made += [
                Job(
                    {**config, "seed": seed, "time_limit": limits.seconds, "failure_limit": limits.failures},
                    partial(measure, case, arm, seed, limits),
                    arm.needs,
                )
                for seed in arm.seeds
            ]
    if not made:
        raise ConfigError(f"{network.name}: expected Latin squares of order {network.order}, got none")
    return made


def summary(records: Sequence[Record]) -> Group:
    """Return what one run of the suite found: a table for each set of instances."""
    config = records[0]["config"]
    failure_limit = max((record["config"]["failure_limit"] or 0 for record in records), default=0)
    failures = f" and {failure_limit} failures (dives: seconds only)" if failure_limit else ""
    return Group(
        f"{config['model']}, limits {config['time_limit']:g} s{failures}; median [quartiles] over runs",
        [
            arm_table(f"{name}, {counted(num_instances(same), 'instance')}", same, branches=False)
            for name, same in by_set(records).items()
        ],
    )


def _policy_name(policy: InferencePolicy) -> str:
    reasons = [f"every {policy.every}"] if policy.every else []
    reasons += ["after failure"] if policy.after_failure else []
    reasons += [f"below {policy.below:g}"] if policy.below is not None else []
    return " + ".join(reasons) or "at the root"


def _division_name(division: _Division) -> str:
    if division is None:
        return "depth-first"
    if isinstance(division, Discrepancies):
        return "discrepancies"
    growth = f" x {division.growth:g}" if division.schedule == "geometric" else ""
    return f"{division.schedule} {division.failures}{growth}"


def _arms(suite: Policies, network: LoadedNetwork) -> list[Arm]:
    seeds = range(suite.seed, suite.seed + suite.repeats)
    # What the engine chooses by itself, in words for the record.
    order: VariableOrder = "most-confident" if network.order is None else "min-domain"

    def cp(
        model: cp_model.CpModel,
        variables: Sequence[cp_model.IntVar],
        *,
        seed: int,
        policy: InferencePolicy,
        division: _Division,
    ) -> SolveResult:
        return nnsearch.cp.solve(
            model,
            variables,
            network.scorer,
            SearchOptions(
                variable_order=order,
                policy=policy,
                restarts=replace(division, seed=seed) if isinstance(division, Restarts) else None,
                discrepancies=division if isinstance(division, Discrepancies) else None,
                limits=suite.limits,
            ),
        )

    def dives(model: cp_model.CpModel, variables: Sequence[cp_model.IntVar], *, seed: int) -> SolveResult:
        limits = Limits(suite.limits.seconds)
        return nnsearch.cpsat.solve_by_dives(model, [network.scorer], dives=Dives(seed=seed), limits=limits)

    return [
        *(
            Arm(
                {
                    "arm": name_of(policy, division),
                    **network.config,
                    "variables": order,
                    "policy": asdict(policy),
                    "runs": _settings(division),
                },
                partial(cp, policy=policy, division=division),
                seeds if isinstance(division, Restarts) else seeds[:1],
                network.order,
                network.needs,
            )
            for policy, division in choices()
        ),
        Arm(
            {"arm": DIVES, **network.config, "workers": 1, "dives": _settings(Dives())},
            dives,
            seeds,
            network.order,
            network.needs,
        ),
    ]


def _settings(options: _Division | Dives) -> dict[str, Any] | None:
    """Return what a record says of it; the seed has a field of its own there."""
    return None if options is None else {name: value for name, value in asdict(options).items() if name != "seed"}
