"""HiGHS on models that are linear, as far as OR-Tools has it: the tool that a learned search is to be measured against.

It runs in a process of its own, since it neither stops when told nor takes threads but for all that follows in one
process. Its log says when solutions came.
"""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ortools.sat.python import cp_model

from nnsearch.errors import NNSearchError, NothingToReadError
from nnsearch.linear_program import FloatArray, LinearProgram, program_message
from nnsearch.model.objective import Objective
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.relaxation import Relaxation
from nnsearch.result import Status

_GRACE = 60.0
"""Seconds after the limit until the process is ended."""

# What multiprocessing starts would import the user's script once more, which then needs a guard.
_START = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes; the other one decides
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
from nnsearch.highs import main
main()
"""

_ROUNDING = 1e-6  # of sums of whole numbers

_ROW = re.compile(r"\s(\S+)\s+(?:Large|inf|-inf|[\d.]+%)(?:\s+\d+[km]?){4}\s+[\d.]+s\s*$")
"""The best objective in a row of the table that HiGHS prints: before the gap and the work, which may be 1234k."""


def is_linear(model: cp_model.CpModel | PreparedModel) -> bool:
    """Tell whether a model says nothing but linear constraints and clauses, and has an objective.

    Args:
        model: The model; it is not changed.
    """
    try:
        return Relaxation.of(PreparedModel.of(model)).exact
    except NothingToReadError:
        return False


@dataclass(frozen=True)
class HighsSolve:
    """A solve that has ended.

    Attributes:
        status: How it ended.
        objective_value: Of the solution, in the units of the model.
        best_objective_bound: The same.
        values: Of all variables; none without a solution.
        holds: Whether the values, which HiGHS has within a tolerance, satisfy the model as whole numbers.
        solutions: Second and objective of each solution that was better than all before.
        seconds: Of reading the model and the solve, without the start of the process.
    """

    status: Status
    objective_value: float
    best_objective_bound: float
    values: Sequence[int]
    holds: bool
    solutions: Sequence[tuple[float, float]]
    seconds: float

    def value(self, variable: cp_model.IntVar) -> int:
        """Return what the solution gives a variable."""
        return self.values[variable.index]


def solve_by_highs(
    model: cp_model.CpModel | PreparedModel, *, seconds: float, workers: int, seed: int = 1
) -> HighsSolve:
    """Solve a linear model that has an objective.

    Args:
        model: The model; it is not changed.
        seconds: The time limit; reading the model counts, starting the process does not.
        workers: Threads of HiGHS.
        seed: Of HiGHS.

    Raises:
        NothingToReadError: The model has no objective.
        NNSearchError: The model is not linear, or HiGHS failed, or did not end at its limit.
        KeyboardInterrupt: Ctrl-C.
    """
    began = time.perf_counter()
    program, objective = _linear(model)
    read = time.perf_counter() - began
    found = _in_own_process(program, seed, workers, max(seconds - read, 0.0))
    return _solved(found, read, program, objective)


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


def _linear(model: cp_model.CpModel | PreparedModel) -> tuple[LinearProgram, Objective]:
    prepared = PreparedModel.of(model)
    relaxation, objective = Relaxation.of(prepared), prepared.objective
    if not relaxation.exact or objective is None:
        raise NNSearchError("HiGHS: expected a linear model with an objective, got another one; leave it to CP-SAT")
    return relaxation.program, objective


def _in_own_process(program: LinearProgram, seed: int, workers: int, seconds: float) -> _Found:
    paths = [path for path in sys.path if isinstance(path, str)]
    try:
        done = subprocess.run(
            [sys.executable, "-c", _START],
            input=pickle.dumps(paths) + pickle.dumps((program, seed, workers, seconds)),
            capture_output=True,
            timeout=seconds + _GRACE,
        )
    except subprocess.TimeoutExpired:
        raise NNSearchError(f"HiGHS: expected an end after {seconds:g} s, got none {_GRACE:g} s later") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        why = said[-1] if said else f"exit code {done.returncode}"
        raise NNSearchError(f"HiGHS: expected an answer, got none: {why}")
    found: _Found = pickle.loads(done.stdout)
    return found


def main() -> None:
    """Solve the program that comes through standard input, in the process that is there for it."""
    with os.fdopen(os.dup(1), "wb") as answer, Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)  # HiGHS prints a line now and then beside its log
        pickle.dump(_solve(*pickle.load(sys.stdin.buffer)), answer)


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


def _solved(found: _Found, read: float, program: LinearProgram, objective: Objective) -> HighsSolve:
    values: list[int] = []
    value, holds = 0.0, True
    solutions: list[tuple[float, float]] = []
    if found.values is not None:
        end = np.where(np.isfinite(program.upper), program.upper, 0.0)
        all_values = np.where(np.isfinite(program.lower), program.lower, end)  # of what nothing depends on
        all_values[program.named()] = found.values
        whole: FloatArray = np.rint(all_values)
        values, holds = [int(number) for number in whole.tolist()], _holds(program, whole)
        value = objective.value_of(values)
        solutions = [(read + second, objective.in_model_units(total)) for second, total in found.solutions]
    bound = objective.in_model_units(found.bound)
    return HighsSolve(found.status, value, bound, values, holds, solutions, read + found.seconds)


def _holds(program: LinearProgram, values: FloatArray) -> bool:
    terms = program.coefficient * values[program.column]
    sums = np.bincount(program.row, weights=terms, minlength=len(program.row_lower))
    named = program.named()
    return bool(
        ((program.lower <= values) & (values <= program.upper))[named].all()
        and (program.row_lower - _ROUNDING <= sums).all()
        and (sums <= program.row_upper + _ROUNDING).all()
    )
