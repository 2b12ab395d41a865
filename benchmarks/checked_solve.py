"""One solve of a model with a checker: how it ended, when its solutions came, and what is wrong with its answer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from ortools.sat.python import cp_model

from benchmarks.instances.zoo import BrokenRuleError, ZooModel
from nnsearch.cpsat import RaceReport
from nnsearch.model.objective import Objective, read_objective
from nnsearch.processors import usable_cpus
from nnsearch.result import Status
from nnsearch.trial.timed_solve import timed_solve


class Answer(Protocol):
    """What a solver has answered; ``cp_model.CpSolver`` is one."""

    @property
    def objective_value(self) -> float:
        """Of the solution."""

    @property
    def best_objective_bound(self) -> float:
        """What no solution is beyond."""

    def value(self, expression: cp_model.IntVar, /) -> int:
        """Return what the solution gives a variable."""


class ClockedSolve(NamedTuple):
    """A solve that has ended.

    Attributes:
        solver: that holds the answer.
        status: how it ended.
        seconds: of the solve alone.
        solutions: second and objective of each that was better than all before, None without an objective.
    """

    solver: Answer
    status: Status
    seconds: float
    solutions: list[tuple[float, float | None]]


def clocked(solver: cp_model.CpSolver, model: cp_model.CpModel) -> ClockedSolve:
    """Solve a model with the clock around it."""
    solutions = _Solutions(read_objective(model.proto))
    status, taken = timed_solve(solver, model, solutions)
    return ClockedSolve(solver, Status(solver.status_name(status)), taken, solutions.found)


def checked(zoo_model: ZooModel, run: Callable[[], ClockedSolve]) -> tuple[dict[str, Any], ClockedSolve | None]:
    """Solve, and return the ``result`` of a record; what is wrong is in ``wrong``, where None is nothing.

    Whatever the solve raises is such a thing, and then there is no second value: the other thousand solves are worth
    having.
    """
    objective = read_objective(zoo_model.model.proto)
    shared = {"maximises": objective is not None and objective.maximises, "usable_cpus": usable_cpus()}
    started = time.perf_counter()
    try:
        solved = run()
    except Exception as error:
        return {
            **shared,
            "status": str(Status.UNKNOWN),
            "objective_value": None,
            "best_objective_bound": None,
            "wall_seconds": time.perf_counter() - started,
            "solutions": [],
            "first_solution_seconds": None,
            "wrong": f"raised {error!r}",
        }, None
    solver, solutions = solved.solver, list(solved.solutions)
    value = solver.objective_value if solved.status.solved and objective is not None else None
    if solved.status.solved and (not solutions or (objective is not None and solutions[-1][1] != value)):
        solutions.append((solved.seconds, value))
    bound = None if objective is None else solver.best_objective_bound
    if bound is not None and (not math.isfinite(bound) or not (solved.status.solved or bound)):
        bound = None  # without a solution, a zero says nothing
    return {
        **shared,
        "status": str(solved.status),
        "objective_value": value,
        "best_objective_bound": bound,
        "wall_seconds": solved.seconds,
        "solutions": [(round(second, 4), found) for second, found in solutions],
        "first_solution_seconds": solutions[0][0] if solutions else None,
        "wrong": _wrong(zoo_model, solved, value, objective),
    }, solved


def raced(solved: ClockedSolve | None) -> dict[str, Any]:
    """Return what a record says of a race; None everywhere of what was none."""
    race: RaceReport | None = None if solved is None else getattr(solved.solver, "race", None)
    return {
        "winner": None if race is None else race.winner,
        "contribution": None if race is None else race.contribution,
        "why": None if race is None else race.why,
        "scorer_error": None if race is None or race.error is None else repr(race.error),
    }


class _Solutions(cp_model.CpSolverSolutionCallback):
    """Takes down when solutions come that are better than all before."""

    def __init__(self, objective: Objective | None) -> None:
        super().__init__()
        self.found: list[tuple[float, float | None]] = []
        self._objective, self._started = objective, time.perf_counter()

    def on_solution_callback(self) -> None:
        second, value = time.perf_counter() - self._started, None
        if self._objective is not None:
            value = self.objective_value
            last = self.found[-1][1] if self.found else None
            if last is not None and not self._objective.better(value, last):
                return
        elif self.found:
            return
        self.found.append((second, value))


def _wrong(zoo_model: ZooModel, solved: ClockedSolve, claimed: float | None, objective: Objective | None) -> str | None:
    """Return what is wrong with an answer, by what is known of the instance; None is nothing."""
    if solved.status is Status.INFEASIBLE and zoo_model.satisfiable:
        return "said INFEASIBLE, and there is a solution"
    if not solved.status.solved:
        return None
    try:
        really = zoo_model.check(solved.solver.value)
    except BrokenRuleError as error:
        return f"broke a rule ({error})"
    if objective is None or really is None or claimed is None:
        return None
    shown = solved.solutions[-1][1] if solved.solutions else claimed
    if shown is not None and objective.better(shown, claimed) and not math.isclose(shown, claimed):
        return f"returned {claimed:g} after it had shown {shown:g}"
    # What CP-SAT returns at a limit may be better than it says: what it undoes of its presolve may improve a solution.
    better = solved.status is not Status.OPTIMAL and objective.better(really, claimed)
    return None if better or math.isclose(really, claimed) else f"said {claimed:g} of a solution that is {really:g}"
