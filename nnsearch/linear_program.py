"""Linear programs, and the simplex method of OR-Tools' MathOpt, which takes arrays.

``pywraplp`` and ``model_builder`` want a call for each term, or SciPy.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_POLL_SECONDS = 0.01


@dataclass(frozen=True, eq=False)
class LinearProgram:
    """Minimise ``cost @ x`` where ``lower <= x <= upper`` and ``row_lower <= A @ x <= row_upper``: V columns, R rows.

    Attributes:
        lower: float64[V]; ``-inf`` where there is none.
        upper: float64[V]; ``inf`` where there is none.
        cost: float64[V].
        row_lower: float64[R].
        row_upper: float64[R].
        row: int64[E], the row of each term, ascending.
        column: int64[E], its column, ascending within a row, each once.
        coefficient: float64[E], what it is in ``A``.
    """

    lower: FloatArray
    upper: FloatArray
    cost: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray
    row: IntArray
    column: IntArray
    coefficient: FloatArray

    def named(self) -> IntArray:
        """Return the columns that have a term or a cost, ascending."""
        named = self.cost != 0
        named[self.column] = True
        return np.flatnonzero(named)


class LinearAnswer(NamedTuple):
    """What a solver says of a program.

    Attributes:
        values: float64[V], a solution; NaN where a column has no term and no cost, and everywhere if none is known.
        reduced_costs: float64[V], what the objective loses for each unit that a column is raised: 0 or more at its
            lower bound, 0 or less at its upper one; NaN as the values are, and everywhere if none are known.
        objective: of the values. If there are none, ``inf`` says that there is no solution, ``-inf`` that there is no
            best one, and NaN that nothing is known.
        optimal: whether the values are the best.
        seconds: what it took.
    """

    values: FloatArray
    reduced_costs: FloatArray
    objective: float
    optimal: bool
    seconds: float


def solve_linear(program: LinearProgram, seconds: float, *, stop: Callable[[], bool] | None = None) -> LinearAnswer:
    """Solve a linear program by the dual simplex method of GLOP, on one thread.

    Args:
        program: The program.
        seconds: When to give up.
        stop: Asked every few milliseconds; true ends the solve as the limit does.

    Raises:
        KeyboardInterrupt: Ctrl-C, unless the caller has its own handler of it.
    """
    began = time.perf_counter()
    # They take a tenth of a second to import, which only those pay who solve a program.
    from ortools.math_opt import callback_pb2, model_parameters_pb2, parameters_pb2
    from ortools.math_opt.core.python import solver as math_opt
    from ortools.util.python.pybind_solve_interrupter import PySolveInterrupter

    if (program.lower > program.upper).any() or (program.row_lower > program.row_upper).any():
        return _nothing(program, math.inf, began)
    message = program_message(program)
    parameters = parameters_pb2.SolveParametersProto(threads=1)
    # Of the four families in :mod:`nnsearch.model.relaxation`, each takes two to nine times as long by the primal one.
    parameters.glop.use_dual_simplex = parameters.glop.dual_price_prioritize_norm = True
    left = seconds - (time.perf_counter() - began)
    if left <= 0:
        return _nothing(program, math.nan, began)
    parameters.time_limit.FromMicroseconds(round(min(left, 1e9) * 1e6))
    interrupter = PySolveInterrupter()
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(
                math_opt.solve(
                    message,
                    parameters_pb2.SOLVER_TYPE_GLOP,
                    parameters_pb2.SolverInitializerProto(),
                    parameters,
                    model_parameters_pb2.ModelSolveParametersProto(),
                    None,
                    callback_pb2.CallbackRegistrationProto(),
                    None,
                    interrupter,
                )
            )
        except BaseException as error:
            results.append(error)

    # In a thread of its own, since Python sees Ctrl-C only after C++ has returned.
    thread = threading.Thread(target=run, name="nnsearch-linear-program")
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            if stop is not None and stop():
                break
    finally:
        interrupter.interrupt()
        thread.join()
    if isinstance(results[0], BaseException):
        raise results[0]
    return _answer(results[0], program, began)


def program_message(program: LinearProgram) -> Any:
    """Return the program as MathOpt takes it; columns and rows keep their numbers."""
    from ortools.math_opt import model_pb2

    named, costly = program.named(), np.flatnonzero(program.cost)
    message = model_pb2.ModelProto()
    for field, array in (
        (message.variables.ids, named),
        (message.variables.lower_bounds, program.lower[named]),
        (message.variables.upper_bounds, program.upper[named]),
        (message.variables.integers, np.zeros(len(named), dtype=bool)),
        (message.objective.linear_coefficients.ids, costly),
        (message.objective.linear_coefficients.values, program.cost[costly]),
        (message.linear_constraints.ids, np.arange(len(program.row_lower))),
        (message.linear_constraints.lower_bounds, program.row_lower),
        (message.linear_constraints.upper_bounds, program.row_upper),
        (message.linear_constraint_matrix.row_ids, program.row),
        (message.linear_constraint_matrix.column_ids, program.column),
        (message.linear_constraint_matrix.coefficients, program.coefficient),
    ):
        field.extend(array.tolist())
    return message


def _answer(result: Any, program: LinearProgram, began: float) -> LinearAnswer:
    from ortools.math_opt import result_pb2, solution_pb2

    reason = result.termination.reason
    if reason == result_pb2.TERMINATION_REASON_INFEASIBLE:
        return _nothing(program, math.inf, began)
    if reason == result_pb2.TERMINATION_REASON_UNBOUNDED:
        return _nothing(program, -math.inf, began)
    answer = _nothing(program, math.nan, began)
    primal = result.solutions[0].primal_solution if result.solutions else None
    # The dual simplex method, stopped early, has values that break rows.
    if primal is None or primal.feasibility_status != solution_pb2.SOLUTION_STATUS_FEASIBLE:
        return answer
    named = program.named()
    answer.values[named] = primal.variable_values.values
    answer.reduced_costs[named] = result.solutions[0].dual_solution.reduced_costs.values
    optimal = reason == result_pb2.TERMINATION_REASON_OPTIMAL
    return answer._replace(objective=primal.objective_value, optimal=optimal)


def _nothing(program: LinearProgram, objective: float, began: float) -> LinearAnswer:
    values, reduced_costs = (np.full(len(program.lower), np.nan) for _ in range(2))
    return LinearAnswer(values, reduced_costs, objective, False, time.perf_counter() - began)
