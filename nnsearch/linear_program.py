"""Linear programs, and the solvers of OR-Tools' MathOpt, which takes arrays.

``pywraplp`` and ``model_builder`` want a call for each term, or SciPy.
"""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_POLL_SECONDS = 0.01
_SIMPLEX_SECONDS = 0.3  # in which most programs of some thousand columns are solved, and a vertex says more
_MANY_TERMS = 100_000  # rosters, covers of more take PDLP a tenth of the time, and two threads take it from others
_PRECISION = 1e-4
_WHOLE = 1e-3  # within this of an integer is one, by a first-order method
_TIES = 0.01  # of a small cost


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
        optimal: whether the values are the best. Those of a first-order method are so to about a percent of small costs
            (see :func:`solve_linear`), and their objective is no bound.
        seconds: what it took.
    """

    values: FloatArray
    reduced_costs: FloatArray
    objective: float
    optimal: bool
    seconds: float


def solve_linear(program: LinearProgram, seconds: float, *, stop: Callable[[], bool] | None = None) -> LinearAnswer:
    """Solve a linear program by the dual simplex method of GLOP or by PDLP.

    PDLP is a first-order method (Applegate et al., "Practical large-scale linear programming using primal-dual hybrid
    gradient", NeurIPS 2021). It is precise to four digits and ends between the best vertices, so ties are broken first
    by small random costs; then most of its values are integers where those of a vertex are. A program of very many
    terms is left to PDLP, unless it gives up. Of others the simplex method has .3 s; after that PDLP runs beside it,
    and the first that has an answer ends the other, so which of them answers depends on the machine, too.

    Args:
        program: The program.
        seconds: When to give up.
        stop: Asked every few milliseconds; true ends the solve as the limit does.

    Raises:
        KeyboardInterrupt: Ctrl-C, unless the caller has its own handler of it.
        Exception: what a solver raises, if neither has done without.
    """
    began = time.perf_counter()
    if (program.lower > program.upper).any() or (program.row_lower > program.row_upper).any():
        return _nothing(program, math.inf)
    end = began + seconds
    ended = threading.Event()
    message = program_message(program)
    is_large = len(program.row) > _MANY_TERMS
    order = (_FirstOrder, _Simplex) if is_large else (_Simplex, _FirstOrder)
    methods: list[_Method] = [order[0](program, message, end, ended)]
    helps_from = math.inf if is_large else time.perf_counter() + _SIMPLEX_SECONDS
    try:
        methods[0].start()
        while not (stop is not None and stop()):
            ended.wait(_POLL_SECONDS)
            ended.clear()
            alive = any(method.is_alive() for method in methods)  # asked first: one that ends after this may know more
            if any(method.knows for method in methods):
                break
            if len(methods) == 1 and (not alive or time.perf_counter() >= helps_from) and time.perf_counter() < end:
                methods.append(order[1](program, message, end, ended))
                methods[1].start()
            elif not alive:
                break
    finally:
        for method in methods:
            method.interrupter.interrupt()
        for method in methods:
            if method.ident is not None:
                method.join()
    found = [method.answer for method in methods if method.knows]
    errors = [method.error for method in methods if method.error is not None]
    if not found and len(errors) == len(methods):
        raise errors[0]
    # A method that was cut off may have a solution that is not the best.
    answer = min(
        found,
        key=lambda one: math.isfinite(one.objective) and not one.optimal,
        default=_nothing(program, math.nan),
    )
    return answer._replace(seconds=time.perf_counter() - began)


class _Method(threading.Thread, ABC):
    """A solver in a thread of its own, since Python sees Ctrl-C only after C++ has returned.

    Attributes:
        answer: what it found.
        error: what it raised.
        interrupter: ends it.
    """

    solver: str

    def __init__(self, program: LinearProgram, message: Any, end: float, ended: threading.Event) -> None:
        # They take a tenth of a second to import, which only those pay who solve a program.
        from ortools.math_opt import parameters_pb2
        from ortools.util.python.pybind_solve_interrupter import PySolveInterrupter

        super().__init__(name="nnsearch-linear-program")
        self.answer = _nothing(program, math.nan)
        self.error: BaseException | None = None
        self.interrupter = PySolveInterrupter()
        self._program, self._message, self._end, self._ended = program, message, end, ended
        self._parameters = parameters_pb2.SolveParametersProto(threads=1)

    @property
    def knows(self) -> bool:
        """Whether it has an answer."""
        return not math.isnan(self.answer.objective)

    def run(self) -> None:
        try:
            self.answer = self._solve()
        except BaseException as error:
            self.error = error
        self._ended.set()

    @abstractmethod
    def _solve(self) -> LinearAnswer:
        """Return what the solver says."""

    def _solved(self, message: Any) -> LinearAnswer:
        from ortools.math_opt import callback_pb2, model_parameters_pb2, parameters_pb2
        from ortools.math_opt.core.python import solver as math_opt

        left = self._end - time.perf_counter()
        if left <= 0 or self.interrupter.interrupted:
            return self.answer
        self._parameters.time_limit.FromMicroseconds(round(min(left, 1e9) * 1e6))
        result = math_opt.solve(
            message,
            getattr(parameters_pb2, self.solver),
            parameters_pb2.SolverInitializerProto(),
            self._parameters,
            model_parameters_pb2.ModelSolveParametersProto(),
            None,
            callback_pb2.CallbackRegistrationProto(),
            None,
            self.interrupter,
        )
        return _answer(result, self._program)


class _Simplex(_Method):
    solver = "SOLVER_TYPE_GLOP"

    def _solve(self) -> LinearAnswer:
        # Of four families, each takes two to nine times as long by the primal one.
        self._parameters.glop.use_dual_simplex = self._parameters.glop.dual_price_prioritize_norm = True
        return self._solved(self._message)


class _FirstOrder(_Method):
    solver = "SOLVER_TYPE_PDLP"

    def _solve(self) -> LinearAnswer:
        program, named = self._program, self._program.named()
        precise_enough = self._parameters.pdlp.termination_criteria.simple_optimality_criteria
        precise_enough.eps_optimal_absolute = precise_enough.eps_optimal_relative = _PRECISION
        most = _TIES * _usual_costs(program)
        added = np.random.default_rng(0).uniform(-0.5, 0.5, len(most)) * most
        added[~np.isfinite(program.upper - program.lower)] = 0.0  # what has no bound might have no best value
        message = type(self._message)()
        message.CopyFrom(self._message)
        costs = message.objective.linear_coefficients
        costs.ids[:] = named.tolist()
        costs.values[:] = (program.cost + added)[named].tolist()
        found = self._solved(message)
        if not found.optimal:
            return _nothing(program, math.nan)  # what it takes for infeasible may be so by little
        values, whole = found.values, np.round(found.values)
        near = np.abs(values - whole) <= _WHOLE
        values[near] = np.clip(whole, program.lower, program.upper)[near]
        reduced_costs = found.reduced_costs - added
        is_sure = np.abs(reduced_costs) > most
        is_sure &= np.where(reduced_costs > 0, values <= program.lower, values >= program.upper)
        reduced_costs[np.isfinite(reduced_costs) & ~is_sure] = 0.0
        objective = float(program.cost @ np.where(program.cost != 0, values, 0.0))
        return LinearAnswer(values, reduced_costs, objective, True, 0.0)


def _usual_costs(program: LinearProgram) -> FloatArray:
    """Return float64[V], above 0: for each column a cost of it that is small beside its own and those of others."""
    span = program.upper - program.lower
    span = np.where(np.isfinite(span) & (span > 0), span, 1.0)
    costly = program.cost != 0
    if not costly.any():
        return np.ones(len(span))
    usual = np.median(np.abs(program.cost[costly]) * span[costly]) / span
    usual[costly] = np.minimum(usual[costly], np.abs(program.cost[costly]))
    return usual


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


def _answer(result: Any, program: LinearProgram) -> LinearAnswer:
    from ortools.math_opt import result_pb2, solution_pb2

    reason = result.termination.reason
    is_infeasible = reason == result_pb2.TERMINATION_REASON_INFEASIBLE
    # GLOP's presolve may not tell which of the two it is.
    if is_infeasible or (reason == result_pb2.TERMINATION_REASON_INFEASIBLE_OR_UNBOUNDED and _has_least_costs(program)):
        return _nothing(program, math.inf)
    if reason == result_pb2.TERMINATION_REASON_UNBOUNDED:
        return _nothing(program, -math.inf)
    answer = _nothing(program, math.nan)
    primal = result.solutions[0].primal_solution if result.solutions else None
    # The dual simplex method, stopped early, has values that break rows.
    if primal is None or primal.feasibility_status != solution_pb2.SOLUTION_STATUS_FEASIBLE:
        return answer
    named = program.named()
    answer.values[named] = primal.variable_values.values
    answer.reduced_costs[named] = result.solutions[0].dual_solution.reduced_costs.values
    optimal = reason == result_pb2.TERMINATION_REASON_OPTIMAL
    return answer._replace(objective=primal.objective_value, optimal=optimal)


def _has_least_costs(program: LinearProgram) -> bool:
    """Tell whether bounds of columns alone keep the objective from being as low as one likes."""
    best = np.where(program.cost > 0, program.lower, program.upper)
    return bool(np.isfinite(best[program.cost != 0]).all())


def _nothing(program: LinearProgram, objective: float) -> LinearAnswer:
    values, reduced_costs = (np.full(len(program.lower), np.nan) for _ in range(2))
    return LinearAnswer(values, reduced_costs, objective, False, 0.0)
