"""Who takes part in a comparison: the arms, their turns, and those that no suite has alone."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from ortools.constraint_solver import pywrapcp

from benchmarks.instances.instance_sets import Case, set_of
from benchmarks.networks import LoadedNetwork
from benchmarks.records import Job
from nnsearch.errors import ConfigError, ModelFileError
from nnsearch.model.graph import BoolArray, CandidateGraph
from nnsearch.problems import PartialLatinSquare, Problem
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.scorers.scorer import Advice
from nnsearch.trial.pairs import rotated
from training.running.fan_out import ONE_CPU, Needs


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


def arm_jobs(
    shared: dict[str, Any],
    cases: Sequence[Case],
    arms: Sequence[Arm],
    measure: Callable[[Case, Arm, int], dict[str, Any]],
) -> list[Job]:
    """Return one job for each case, seed and arm that fits.

    The arms take turns on each instance and seed, each time with another one first, so that a change in the machine's
    speed hits all of them.

    Args:
        shared: what records say of all jobs, unless an arm says otherwise.
        cases: the instances.
        arms: on each of them.
        measure: runs an arm on an instance with a seed, and returns the ``result`` of the record.
    """
    made: list[Job] = []
    turn = 0
    for case in cases:
        fitting = [arm for arm in arms if arm.fits(case.instance)]
        for seed in dict.fromkeys(seed for arm in fitting for seed in arm.seeds):
            made += [
                Job({**shared, **case.config, **arm.config, "seed": seed}, partial(measure, case, arm, seed), arm.needs)
                for arm in rotated(fitting, turn)
                if seed in arm.seeds
            ]
            turn += 1
    return made


def misfits(cases: Sequence[Case], networks: Sequence[LoadedNetwork]) -> list[str]:
    """Return one line for each one-hot network and set of instances that it is not run on."""
    lines = []
    for network in networks:
        arm = Arm({}, dict, (), network.order)
        skipped = Counter(set_of(case.config) for case in cases if not arm.fits(case.instance))
        lines += [
            f"{network.name}: skipped on {count} instances of {name}, it is made for Latin squares of order {arm.order}"
            for name, count in skipped.items()
        ]
    return lines


def random_value(solver: pywrapcp.Solver, variables: list[pywrapcp.IntVar], seed: int) -> pywrapcp.DecisionBuilder:
    """Return the engine's phase on the smallest domain, with values at random."""
    solver.ReSeed(seed)
    return solver.Phase(variables, solver.CHOOSE_MIN_SIZE, solver.ASSIGN_RANDOM_VALUE)


def default_phase(solver: pywrapcp.Solver, variables: list[pywrapcp.IntVar], seed: int) -> pywrapcp.DecisionBuilder:
    """Return the engine's own search."""
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


def check_contest(seconds: float, arms: Sequence[str], names: Sequence[str]) -> None:
    """Check what arms are compared, and their limit.

    Args:
        seconds: when an arm gives up.
        arms: who takes part.
        names: who may, the baseline first, which has to.

    Raises:
        ConfigError: there is no limit, or nobody to compare with the baseline.
    """
    if not 0 < seconds < math.inf:
        raise ConfigError(f"time limit: expected above 0 seconds, and a number, got {seconds}")
    if names[0] not in arms or len(set(arms)) < 2:
        expected = f"{names[0]} and one or more of {', '.join(names[1:])}"
        raise ConfigError(f"arms: expected {expected}, got {' '.join(arms)}")
