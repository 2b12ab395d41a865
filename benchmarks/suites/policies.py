"""When to ask one network, and how to divide the search into runs: what each way costs on the same instances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Annotated, Any

from cyclopts import Parameter
from ortools.sat.python import cp_model

import nnsearch.cp
import nnsearch.cpsat
from benchmarks.arms import Arm, arm_jobs
from benchmarks.instances.instance_sets import Case
from benchmarks.instances.instances import Instances
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
from training.config import at_least

_Division = Restarts | Discrepancies | None
"""How a search is divided into runs; None is one depth-first search."""

DIVES = "dives*"


@Parameter(name="*")
@dataclass(frozen=True)
class Policies(Instances):
    """What every arm is given. Dives keep to the seconds alone: most of their failures are conflicts of CP-SAT.

    Args:
        time_limit: seconds per run
        failure_limit: failures per run, not of dives (default: none)
        repeats: seeds of the arms with noise

    Raises:
        ConfigError: a number is out of range, or there is no time limit.
    """

    time_limit: float = 60.0
    failure_limit: Annotated[int | None, Parameter(metavar="N")] = None
    repeats: Annotated[int, at_least(1)] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not math.isfinite(self.time_limit):
            raise ConfigError("expected a time limit: an arm without one may never end")

    @property
    def limits(self) -> Limits:
        """When an arm gives up."""
        return Limits(self.time_limit, self.failure_limit)


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

    Raises:
        ConfigError: the network fits no case.
    """
    shared = {"suite": "policies", "time_limit": suite.time_limit, "failure_limit": suite.failure_limit}

    def measured(case: Case, arm: Arm, seed: int) -> dict[str, Any]:
        return measure(case, arm, seed, Limits(suite.time_limit) if arm.config["arm"] == DIVES else suite.limits)

    made = arm_jobs(shared, cases, _arms(suite, network), measured)
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
        limits = Limits(suite.time_limit)
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
            {"arm": DIVES, **network.config, "workers": 1, "dives": _settings(Dives()), "failure_limit": None},
            dives,
            seeds,
            network.order,
            network.needs,
        ),
    ]


def _settings(options: _Division | Dives) -> dict[str, Any] | None:
    """Return what a record says of it; the seed has a field of its own there."""
    return None if options is None else {name: value for name, value in asdict(options).items() if name != "seed"}
