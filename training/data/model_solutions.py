"""Solutions of a model for a network to learn from: the best that are found in some seconds, and worse ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh
from tqdm import tqdm

from nnsearch.cpsat.hinted import hinted
from nnsearch.cpsat.parameters import cp_sat_parameters
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.solver import CpSolver
from nnsearch.errors import NNSearchError, NothingToReadError
from nnsearch.inference.pretrained import LP
from nnsearch.limits import Limits
from nnsearch.model.objective import Objective
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.relaxation import Relaxation
from nnsearch.problems.reading import read_problem
from nnsearch.result import Status
from training.data.solved_models import DoubleArray, IntArray, solutions_file, write_solutions
from training.running.fan_out import Needs, fan_out

_LED = 0.75
"""Share of a solve that the linear relaxation leads, where a model has one; CP-SAT goes on from its best solution."""

_POOL = 10
"""Solutions that CP-SAT keeps beside its best one; it looks in the neighbourhood of all of them."""

_KEPT = 40
"""Most solutions of a model that are kept."""


@dataclass(frozen=True, eq=False)
class FoundSolutions:
    """What was found of a model.

    Attributes:
        status: of the best solution, or why there is none.
        solutions: int64[S, V], the best first.
        objectives: float64[S], NaN without an objective.
        trouble: why the file could not be solved at all; empty if it could.
    """

    status: Status
    solutions: IntArray
    objectives: DoubleArray
    trouble: str = ""


@dataclass(frozen=True)
class SolveModel:
    """Solves the model of a file, a few times, and keeps the solutions on the way to the best one.

    Where the linear relaxation says something of the objective, it leads first (see
    :class:`nnsearch.scorers.lp.LpScorer`), and CP-SAT goes on from there; else CP-SAT has all the time. Solutions are
    kept if the model, with every variable fixed, holds.

    Attributes:
        seconds: limit of each solve.
        seeds: how many solves there are, with the seeds 0, 1, ...
        workers: CP-SAT's.
    """

    seconds: float
    seeds: int
    workers: int

    def __call__(self, file: Path) -> FoundSolutions:
        """Solve a model. A file that cannot be read is told, and costs the others nothing.

        Raises:
            KeyboardInterrupt: Ctrl-C, within a moment.
        """
        try:
            return self._found(file)
        except NNSearchError as error:
            none = np.zeros((0, 0), dtype=np.int64)
            return FoundSolutions(Status.UNKNOWN, none, np.zeros(0), str(error))

    def _found(self, file: Path) -> FoundSolutions:
        problem = read_problem(str(file), "cp-model")
        model, _ = problem.build()
        prepared = PreparedModel(model)
        statuses: list[Status] = []
        found: list[IntArray] = []
        for seed in range(self.seeds):
            status, more = self._solve(prepared, seed)
            statuses.append(status)
            found += more
            if status is Status.INFEASIBLE:
                break
        solutions, objectives = _chosen(found, prepared.objective)
        right = np.array([problem.is_solution(solution.tolist()) for solution in solutions], dtype=bool)
        return FoundSolutions(_most_known(statuses), solutions[right], objectives[right])

    def _solve(self, model: PreparedModel, seed: int) -> tuple[Status, list[IntArray]]:
        """Solve a model once; return its solutions in the order in which they were found."""
        if not _has_relaxation(model):
            return self._pooled(model.model, self.seconds, seed)
        led, solutions = self._led(model.model, _LED * self.seconds, seed)
        if led in (Status.INFEASIBLE, Status.OPTIMAL):
            return led, solutions
        start = hinted(model.model, solutions[-1].tolist()) if solutions else model.model
        status, more = self._pooled(start, (1 - _LED) * self.seconds, seed)
        return _most_known((led, status)), solutions + more

    def _led(self, model: cp_model.CpModel, seconds: float, seed: int) -> tuple[Status, list[IntArray]]:
        """Let the linear relaxation lead."""
        solver, heard = CpSolver(LP), _Solutions()
        solver.parameters.copy_from(cp_sat_parameters(Limits(seconds), seed, self.workers))
        status = solver.solve(model, heard)
        heard.note(solver.response_proto)
        return Status(status.name), heard.solutions

    def _pooled(self, model: cp_model.CpModel, seconds: float, seed: int) -> tuple[Status, list[IntArray]]:
        """Ask CP-SAT for its pool, too."""
        heard, parameters = _Solutions(), cp_sat_parameters(Limits(seconds), seed, self.workers)
        parameters.fill_additional_solutions_in_response = True
        parameters.solution_pool_size = _POOL
        run = CpSatRun(model, parameters, solution_callback=heard)  # in a thread, for it would not hear of Ctrl-C here
        try:
            response = run.response()
        finally:
            run.stop()
        heard.note(response)
        return Status(response.status.name), heard.solutions


def solve_models(
    files: Sequence[Path], solve: Callable[[Path], FoundSolutions], workers: int, ray: str | None
) -> Iterator[tuple[Path, FoundSolutions]]:
    """Solve the models that have no solutions beside them, with a progress bar, and write what is found of each.

    After Ctrl-C the model at work has none, and those before it keep theirs.
    """
    missing = [file for file in files if not solutions_file(file).exists()]
    needs = Needs(workers)
    with closing(fan_out(solve, (file.absolute() for file in missing), ray=ray, needs=lambda _: needs)) as solved:
        for file, found in tqdm(
            solved, total=len(files), initial=len(files) - len(missing), unit=" models", leave=False, disable=None
        ):
            if len(found.solutions):
                write_solutions(file, found.solutions, found.objectives)
            yield file, found


class _Solutions(cp_model.CpSolverSolutionCallback):
    """Every solution that is better than those before."""

    def __init__(self) -> None:
        super().__init__()
        self.solutions: list[IntArray] = []

    def on_solution_callback(self) -> None:
        self._add(self.response_proto.solution)

    def note(self, response: cmh.CpSolverResponse) -> None:
        """Add the solutions of an answer, the best last."""
        if response.status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            for other in response.additional_solutions:
                self._add(other.values)
            self._add(response.solution)

    def _add(self, values: Iterable[int]) -> None:
        self.solutions.append(np.array(list(values), dtype=np.int64))


def _most_known(statuses: Sequence[Status]) -> Status:
    """Return what several solves of one model say together."""
    return next(one for one in (Status.OPTIMAL, Status.FEASIBLE, Status.INFEASIBLE, Status.UNKNOWN) if one in statuses)


def _has_relaxation(model: PreparedModel) -> bool:
    try:
        Relaxation.of(model)
    except NothingToReadError:
        return False
    return True


def _chosen(found: Sequence[IntArray], objective: Objective | None) -> tuple[IntArray, DoubleArray]:
    """Return the best of the solutions and, if there are more, some of all the others, the best first."""
    distinct = list({solution.tobytes(): solution for solution in found}.values())
    if not distinct:
        return np.zeros((0, 0), dtype=np.int64), np.zeros(0)
    if objective is None:
        return np.stack(distinct[:_KEPT]), np.full(len(distinct[:_KEPT]), np.nan)
    objectives = np.array([objective.value_of(solution.tolist()) for solution in distinct])
    order = np.argsort(-objectives if objective.maximises else objectives, kind="stable")
    if len(order) > _KEPT:
        best = _KEPT // 2
        order = order[[*range(best), *np.linspace(best, len(order) - 1, _KEPT - best).astype(int)]]
    return np.stack([distinct[place] for place in order]), objectives[order]
