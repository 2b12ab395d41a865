"""HiGHS on models that are linear, as far as OR-Tools has it: the tool that a learned search is to be measured against.

It runs in a process of its own, since it neither stops when told nor takes threads but for all that follows in one
process. Its log says when solutions came.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ortools.sat.python import cp_model

from benchmarks.checked_solve import ClockedSolve
from benchmarks.own_process import OwnProcess
from nnsearch.errors import NothingToReadError
from nnsearch.linear_program import FloatArray, LinearProgram, program_message
from nnsearch.model.objective import Objective
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.relaxation import Relaxation
from nnsearch.result import Status

_GRACE = 60.0
"""Seconds after the limit until the process is ended."""

_ROW = re.compile(r"\s(\S+)\s+(?:Large|inf|-inf|[\d.]+%)(?:\s+\d+[km]?){4}\s+[\d.]+s\s*$")
"""The best objective in a row of the table that HiGHS prints: before the gap and the work, which may be 1234k."""


def is_linear(model: cp_model.CpModel) -> bool:
    """Tell whether a model says nothing but linear constraints and clauses, and has an objective."""
    try:
        return Relaxation.of(PreparedModel.of(model)).exact
    except NothingToReadError:
        return False


@dataclass(frozen=True)
class HighsAnswer:
    """What HiGHS answered, as a solver is asked for it.

    Attributes:
        objective_value: of the solution, in the units of the model.
        best_objective_bound: the same.
        values: of all variables; none without a solution.
    """

    objective_value: float
    best_objective_bound: float
    values: Sequence[int]

    def value(self, variable: cp_model.IntVar) -> int:
        """Return what the solution gives a variable."""
        return self.values[variable.index]


def solve_by_highs(model: cp_model.CpModel, *, seed: int, workers: int, seconds: float) -> ClockedSolve:
    """Solve a linear model; reading it counts, starting the process does not.

    Raises:
        ValueError: the model is not linear.
        multiprocessing.TimeoutError: it did not end at its limit.
    """
    with closing(OwnProcess(_load)) as process:
        process.call(_load, seconds=_GRACE)
        began = time.perf_counter()
        program, objective = _linear(model)
        read = time.perf_counter() - began
        left = max(seconds - read, 0.0)
        found = process.call(_solve, program, seed, workers, left, seconds=left + _GRACE)
    return _clocked(found, read, program, objective)


class _Found(NamedTuple):
    """What the other process returns.

    Attributes:
        status: how the solve ended.
        values: of the columns that have a term or a cost; None without a solution.
        bound: on the sum that is minimised.
        solutions: second and sum of each solution that was better than all before.
        seconds: of the solve.
    """

    status: Status
    values: FloatArray | None
    bound: float
    solutions: list[tuple[float, float]]
    seconds: float


def _linear(model: cp_model.CpModel) -> tuple[LinearProgram, Objective]:
    prepared = PreparedModel.of(model)
    relaxation, objective = Relaxation.of(prepared), prepared.objective
    if not relaxation.exact or objective is None:
        raise ValueError("expected a linear model with an objective, got another one")
    return relaxation.program, objective


def _load() -> None:
    """Import what a solve needs, and be silent: HiGHS prints a line now and then beside its log."""
    from ortools.math_opt.core.python import solver  # noqa: F401

    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)


def _solve(program: LinearProgram, seed: int, workers: int, seconds: float) -> _Found:
    from ortools.math_opt import callback_pb2, model_parameters_pb2, parameters_pb2, result_pb2
    from ortools.math_opt.core.python import solver

    began = time.perf_counter()
    message = program_message(program)
    message.variables.integers[:] = [True] * len(message.variables.ids)
    # By default it calls optimal what is within a ten-thousandth.
    parameters = parameters_pb2.SolveParametersProto(random_seed=seed, relative_gap_tolerance=0)
    parameters.highs.int_options["threads"] = workers
    parameters.time_limit.FromMicroseconds(round(seconds * 1e6))
    rows: list[tuple[float, str]] = []
    result: Any = solver.solve(
        message,
        parameters_pb2.SOLVER_TYPE_HIGHS,
        parameters_pb2.SolverInitializerProto(),
        parameters,
        model_parameters_pb2.ModelSolveParametersProto(),
        lambda lines: rows.extend((time.perf_counter() - began, line) for line in lines),
        callback_pb2.CallbackRegistrationProto(),
        None,
        None,
    )
    spent, termination = time.perf_counter() - began, result.termination
    status = {
        result_pb2.TERMINATION_REASON_OPTIMAL: Status.OPTIMAL,
        result_pb2.TERMINATION_REASON_INFEASIBLE: Status.INFEASIBLE,
        result_pb2.TERMINATION_REASON_FEASIBLE: Status.FEASIBLE,
    }.get(termination.reason, Status.UNKNOWN)
    values = np.array(result.solutions[0].primal_solution.variable_values.values) if status.solved else None
    return _Found(status, values, termination.objective_bounds.dual_bound, list(_improvements(rows)), spent)


def _improvements(rows: Sequence[tuple[float, str]]) -> Iterator[tuple[float, float]]:
    """Yield second and sum of each row of HiGHS' table with a better solution than those before."""
    best = np.inf
    for second, line in rows:
        row = _ROW.search(line)
        if row is not None and (value := float(row[1])) < best:
            best = value
            yield second, value


def _clocked(found: _Found, read: float, program: LinearProgram, objective: Objective) -> ClockedSolve:
    values: list[int] = []
    value = 0.0
    if found.values is not None:
        all_values = np.where(np.isfinite(program.lower), program.lower, program.upper)  # of what nothing depends on
        all_values[program.named()] = found.values
        values = [round(number) for number in all_values.tolist()]
        value = objective.value_of(values)
    solutions: list[tuple[float, float | None]] = []
    if found.values is not None:
        solutions = [(read + second, objective.in_model_units(total)) for second, total in found.solutions]
    answer = HighsAnswer(value, objective.in_model_units(found.bound), values)
    return ClockedSolve(answer, found.status, read + found.seconds, solutions)
