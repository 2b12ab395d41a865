"""The ways to solve a model that a trial compares, and one run of each."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model

from nnsearch.cpsat.dives import Dives, solve_by_dives
from nnsearch.cpsat.solver import CpSolver
from nnsearch.errors import NNSearchError
from nnsearch.highs import is_linear, solve_by_highs
from nnsearch.inference.pretrained import LP, pretrained_models
from nnsearch.limits import Limits
from nnsearch.model.prepared import PreparedModel
from nnsearch.plain_solver import plain_solver
from nnsearch.result import Status
from nnsearch.scorers.network import Network
from nnsearch.scorers.onnx import OnnxScorer
from nnsearch.trial.timed_solve import timed_solve

BASELINE = "CP-SAT"

HIGHS = "HiGHS"
"""The arm of a MIP solver, on models that are linear."""

_log = logging.getLogger("nnsearch")


@dataclass(frozen=True)
class TrialRun:
    """What one run did.

    Attributes:
        status: Its answer.
        seconds: Until the answer, or the time limit.
        solutions: Second and objective of each solution that was better than all before; 0.0 without an objective.
    """

    status: Status
    seconds: float
    solutions: Sequence[tuple[float, float]]

    @property
    def decided(self) -> bool:
        """Whether nothing is left to ask."""
        return self.status in (Status.OPTIMAL, Status.INFEASIBLE)


@dataclass(frozen=True)
class TrialArm:
    """One way to solve a model.

    Attributes:
        name: For tables.
        code: The line of Python that solves in this way.
        run: Solves with a seed of CP-SAT.
    """

    name: str
    code: str
    run: Callable[[int], TrialRun]


def run_of(solver: cp_model.CpSolver, model: cp_model.CpModel, seed: int, workers: int, seconds: float) -> TrialRun:
    """Solve a model with a new solver of either class.

    Raises:
        NNSearchError: CP-SAT refuses the model.
        KeyboardInterrupt: Ctrl-C.
    """
    solver.parameters.random_seed, solver.parameters.num_workers = seed, workers
    solver.parameters.max_time_in_seconds = seconds
    watch = _Watch()
    status, taken = timed_solve(solver, model, watch)
    return TrialRun(Status(status.name), taken, watch.solutions)


def arms_for(model: PreparedModel, scorers: Sequence[Network], workers: int, seconds: float) -> list[TrialArm]:
    """Return the arms of a trial, CP-SAT as it comes first; HiGHS is one where the model is linear.

    Args:
        model: The model.
        scorers: Those that have something to say about it.
        workers: Of every arm.
        seconds: The time limit of every run.
    """

    def by_solver(make: Callable[[], cp_model.CpSolver]) -> Callable[[int], TrialRun]:
        return lambda seed: run_of(make(), model.model, seed, workers, seconds)

    def by_dives(scorer: Network) -> Callable[[int], TrialRun]:
        def run(seed: int) -> TrialRun:
            found: list[tuple[float, float]] = []
            began = time.perf_counter()
            result = solve_by_dives(
                model,
                [scorer],
                dives=Dives(seed=seed),
                limits=Limits(seconds),
                workers=workers,
                on_solution=lambda values, objective: found.append((time.perf_counter() - began, objective or 0.0)),
            )
            return TrialRun(result.status, result.wall_seconds, found)

        return run

    def by_highs(seed: int) -> TrialRun:
        try:
            solved = solve_by_highs(model, seconds=seconds, workers=workers, seed=seed)
        except NNSearchError as error:
            _log.warning("%s", error)
            return TrialRun(Status.UNKNOWN, seconds, [])
        if not solved.holds:
            _log.warning("HiGHS: its solution breaks a constraint of the model once it is rounded, and does not count")
            return TrialRun(Status.UNKNOWN, seconds, [])
        found = list(solved.solutions)
        if solved.status.solved and (not found or found[-1][1] != solved.objective_value):
            found.append((solved.seconds, solved.objective_value))
        return TrialRun(solved.status, solved.seconds, found)

    def more_linear() -> cp_model.CpSolver:
        solver = plain_solver()
        solver.parameters.linearization_level = 2
        return solver

    arms = [TrialArm(BASELINE, "solver = cp_model.CpSolver()", by_solver(plain_solver))]
    if model.objective is not None:
        arms.append(
            TrialArm(f"{BASELINE}, level 2", "solver.parameters.linearization_level = 2", by_solver(more_linear))
        )
    if is_linear(model):
        call = f"nnsearch.highs.solve_by_highs(model, workers={workers}, seconds={seconds:g})"
        arms.append(TrialArm(HIGHS, f"result = {call}", by_highs))
    for scorer in scorers:
        spelled = _spelled(scorer)
        call = f"nnsearch.cpsat.CpSolver({spelled})"
        arms.append(TrialArm(f"drop-in {scorer.name}", f"solver = {call}", by_solver(lambda one=scorer: CpSolver(one))))  # type: ignore[misc]
        call = f"nnsearch.cpsat.solve_by_dives(model, [{spelled}], workers={workers})"
        arms.append(TrialArm(f"dives {scorer.name}", f"result = {call}", by_dives(scorer)))
    return arms


def _spelled(scorer: Network) -> str:
    """Return what a program writes for a scorer: a name, the path of a file, or a variable for the caller's object."""
    if isinstance(scorer, OnnxScorer):
        shipped = pretrained_models().get(scorer.name) == scorer.path
        return json.dumps(scorer.name if shipped else str(scorer.path), ensure_ascii=False)
    return json.dumps(LP) if scorer.name == LP else "scorer"


class _Watch(cp_model.CpSolverSolutionCallback):
    def __init__(self) -> None:
        super().__init__()
        self.solutions: list[tuple[float, float]] = []
        self._began = time.perf_counter()

    def on_solution_callback(self) -> None:
        self.solutions.append((time.perf_counter() - self._began, self.objective_value))
