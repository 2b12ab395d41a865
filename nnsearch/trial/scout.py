"""Who finds the better solutions of a model when many of CP-SAT's subsolvers are at work?"""

from __future__ import annotations

from collections import Counter

from ortools.sat.python import cp_model

from nnsearch.history.line_up import finder_of
from nnsearch.model.objective import Objective, read_objective
from nnsearch.plain_solver import plain_solver
from nnsearch.trial.timed_solve import timed_solve

_WORKERS = 12
"""Enough for the full subsolvers that find solutions, on however few processors: who finds them is what counts."""


def scout(model: cp_model.CpModel, seconds: float, seed: int = 1) -> Counter[str]:
    """Solve a model with many workers, and return how many improving solutions each subsolver brought.

    Args:
        model: it is not changed.
        seconds: the time limit.
        seed: of CP-SAT.

    Raises:
        NNSearchError: CP-SAT refuses the model.
        KeyboardInterrupt: Ctrl-C.
    """
    solver, finders = plain_solver(), _Finders(read_objective(model.proto))
    solver.parameters.num_workers, solver.parameters.random_seed = _WORKERS, seed
    solver.parameters.max_time_in_seconds = seconds
    timed_solve(solver, model, finders)
    return finders.count


class _Finders(cp_model.CpSolverSolutionCallback):
    """Counts who found solutions that are better than all before."""

    def __init__(self, objective: Objective | None) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self._objective, self._best = objective, None if objective is None else -objective.no_bound

    def on_solution_callback(self) -> None:
        if self._objective is not None and self._best is not None:
            if not self._objective.better(self.objective_value, self._best):
                return
            self._best = self.objective_value
        self.count[finder_of(self.response_proto.solution_info)] += 1
