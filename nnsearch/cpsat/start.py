"""A complete feasible solution from a past one: the start that CP-SAT improves.

The past solution is replayed by CP-SAT's fixed search: variables in the past order, each at the open value next to its
past one. Every constraint propagates, and what a refutation needs is taken back by clause learning. This is value
ordering by a solution, as in J. C. Beck, Solution-guided multi-point constructive search for job shop scheduling, 2007.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.run import CpSatRun
from nnsearch.history.matching import Plan
from nnsearch.model.objective import without_objective
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.stopping import ReadingStoppedError, StopCheck

IntArray = npt.NDArray[np.int64]

_POLL_SECONDS = 0.02
_STALL_SECONDS = 0.1
_FIRST_SHARE = 0.7  # of the time that is left, for a way that others come after
_LITTLE = 0.2  # of an objective; a plan that was moved to the left against the objective costs more
_NO_LIMIT = 2**62
_BOLD_CONFLICTS = 300  # of a way that others come after
_WIDEST = 2**60  # of a domain; distances have to be numbers that CP-SAT can hold


@dataclass(frozen=True, eq=False)
class Start:
    """A solution to begin with.

    Attributes:
        solution: values of all variables, in the model's order.
        objective: of the solution, in the units of the model; None of a model without an objective.
        order: the decisions that led to it.
    """

    solution: list[int]
    objective: float | None
    order: _Order


def find_start(
    model: PreparedModel,
    plan: Plan,
    ends: float,
    *,
    before: float | None = None,
    parameters: cmh.SatParameters | None = None,
    stop: Callable[[], bool] | None = None,
    beaten: Callable[[Start], bool] | None = None,
) -> Start | None:
    """Return a complete solution near a past one, or None if there was none in time.

    Nobody knows of a variable whether its past value was a decision, so the plan is replayed in up to three ways, and
    the best start counts:

    * With every variable but Booleans at its smallest value, in the order of the past values. Models with intervals
      need this: where durations have changed, the order of the tasks is worth more than their times. Of such a model
      there is no other way if this one is about as good as the plan was; of others it is the last, where no other has
      led to a solution.
    * With the variables of the objective at their best, since they may follow from the others. What was chosen is
      chosen again; where that does not go the objective has the choice, because the past knows only what was not
      chosen.
    * At the past values.

    Args:
        model: the model.
        plan: the past solution.
        ends: when to give up, of ``time.perf_counter``.
        before: objective that the plan had.
        parameters: CP-SAT's, of which the seed and the limit of memory count.
        stop: asked often; true gives up.
        beaten: tells of a solution whether a better one is known; then no other way is tried.
    """
    if not plan.known.any() or (model.domains.sizes == 0).any():
        return None
    best: Start | None = None
    roles = _Roles.of(model, plan)
    ways = roles.ways()
    for place, way in enumerate(ways, start=1):
        if best is not None:
            told = _is_about(model, best, before) if roles.schedule else way.leftmost
            if told or (beaten is not None and beaten(best)):
                break
        now = time.perf_counter()
        if now >= ends or (stop is not None and stop()):
            break
        order = _Order(roles, way)
        until = now + (ends - now) * (_FIRST_SHARE if place < len(ways) else 1.0)
        response = _replay(model, order, until, parameters, stop)
        if response is None:
            continue
        start = _start_of(model, list(response.solution), order)
        if best is None or _better(model, start, best):
            best = start
    return best


def improved(
    model: PreparedModel,
    start: Start,
    ends: float,
    *,
    parameters: cmh.SatParameters | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Start]:
    """Go on in a start's order for better solutions, and return them as they come, until none has come for a while.

    Clause learning takes back what stands in the way of a better objective, and leaves the rest in the past order.

    Args:
        model: a model with an objective.
        start: the solution.
        ends: when to give up, of ``time.perf_counter``.
        parameters: CP-SAT's, of which the seed and the limit of memory count.
        stop: asked often; true gives up.
    """
    copy = model.model.clone()
    try:
        _set_order(copy, start.order, _until(ends, stop))
    except ReadingStoppedError:
        return
    found = _Found()
    run = CpSatRun(copy, _dive(ends - time.perf_counter(), parameters), solution_callback=found)
    begun = last = time.perf_counter()
    best = start
    try:
        over = False
        while not over:
            over = run.done.wait(_POLL_SECONDS)
            if stop is not None and stop():
                return
            solution = None
            while found.solutions:
                solution = found.solutions.popleft()
            if solution is not None:
                better = _start_of(model, solution, start.order)
                last = time.perf_counter()
                if _better(model, better, best):
                    best = better
                    yield better
            elif time.perf_counter() - last > max(_STALL_SECONDS, (last - begun) / 2):
                return
    finally:
        run.stop()


class _Found(cp_model.CpSolverSolutionCallback):
    """Keeps solutions until they are taken."""

    def __init__(self) -> None:
        super().__init__()
        self.solutions: deque[list[int]] = deque()

    def on_solution_callback(self) -> None:
        self.solutions.append(list(self.response_proto.solution))


class _Way(NamedTuple):
    """How a plan is replayed."""

    leftmost: bool
    objective_at_best: bool

    @property
    def bold(self) -> bool:
        """Whether the objective decides more than the past."""
        return self.objective_at_best and not self.leftmost


@dataclass(frozen=True, eq=False)
class _Roles:
    """The decisions that a plan knows, as indices of variables.

    Attributes:
        booleans: those that are known, the true ones first: to choose says more than not to.
        free: other variables, in the order of their past values, which in a schedule is that of time.
        paid: those of the objective, in the same order.
        cost: float64[V], what is to be minimised for each unit of a variable.
        values: int64[V], the past values, cut to the bounds of the domains.
        low: int64[V], the least values.
        high: int64[V], the largest ones.
        schedule: whether the model has intervals.
    """

    booleans: IntArray
    free: IntArray
    paid: IntArray
    cost: npt.NDArray[np.float64]
    values: IntArray
    low: IntArray
    high: IntArray
    schedule: bool

    @classmethod
    def of(cls, model: PreparedModel, plan: Plan) -> _Roles:
        domains = model.domains
        low, high = domains.items[domains.offset[:-1]], domains.items[domains.offset[1:] - 1]
        boolean = (low >= 0) & (high <= 1)
        values = np.clip(plan.values, low, high)
        cost = np.zeros(len(low), dtype=np.float64)
        if model.objective is not None:
            for variable, coefficient in model.objective.terms:
                cost[variable] += coefficient
        booleans = [np.flatnonzero(plan.known & boolean & (values == value)) for value in (1, 0)]
        others = np.flatnonzero(plan.known & ~boolean)
        others = others[np.argsort(plan.values[others], kind="stable")]
        is_paid = cost[others] != 0
        schedule = any(kind == "interval" for _, kind, _ in model.others)
        return cls(np.concatenate(booleans), others[~is_paid], others[is_paid], cost, values, low, high, schedule)

    def ways(self) -> list[_Way]:
        """Return the ways that differ."""
        ways = [_Way(leftmost=False, objective_at_best=False)]
        if self.cost.any():
            ways.insert(0, _Way(leftmost=False, objective_at_best=True))
        if len(self.free):
            ways.insert(0 if self.schedule else len(ways), _Way(leftmost=True, objective_at_best=True))
        return ways

    def decisions(self, way: _Way, proto: Any, check: StopCheck) -> list[int]:
        """Return the references whose least values are decided, one after the other; ``~v`` is the opposite of ``v``.

        Booleans come first. What is left of the objective comes last, at its best, the dearest first; where that is
        how to replay a plan without times, it comes before what was not chosen.

        Args:
            way: of replaying.
            proto: gets the distances to past values that are decided.
            check: asks whether to go on.
        """
        was = self.values[self.booleans]
        at_best = (was == 0) == (self.cost[self.booleans] > 0)
        kept = (self.cost[self.booleans] == 0) | at_best | (not way.objective_at_best)
        chosen, others = ~self.booleans[kept & (was == 1)], self.booleans[kept & (was == 0)]
        free = self.free.tolist() if way.leftmost else self._nearest(self.free, proto, check)
        paid = [] if way.objective_at_best else self._nearest(self.paid, proto, check)
        rest = np.flatnonzero(self.cost)
        rest = rest[np.argsort(-np.abs(self.cost[rest]), kind="stable")]
        best = np.where(self.cost[rest] > 0, rest, ~rest)
        if way.bold and len(chosen) and not self.schedule:
            return [*chosen.tolist(), *best.tolist(), *others.tolist(), *free]
        return [*chosen.tolist(), *others.tolist(), *free, *paid, *best.tolist()]

    def _nearest(self, variables: IntArray, proto: Any, check: StopCheck) -> list[int]:
        """Return references that take variables to the open values next to their past ones."""
        decided: list[int] = []
        columns = (column[variables].tolist() for column in (self.values, self.low, self.high))
        for variable, value, least, most in zip(variables.tolist(), *columns, strict=True):
            check.step()
            if most - least > _WIDEST:
                continue
            if value == most > least:
                decided.append(~variable)
                continue
            if least < value:
                distance = len(proto.variables)
                proto.variables.add().domain.extend([0, max(value - least, most - value)])
                for sign in (1, -1):  # distance >= value - variable, distance >= variable - value
                    row = proto.constraints.add().linear
                    row.vars.extend([distance, variable])
                    row.coeffs.extend([1, sign])
                    row.domain.extend([sign * value, _NO_LIMIT])
                decided.append(distance)
            decided.append(variable)
        return decided


def _is_about(model: PreparedModel, start: Start, before: float | None) -> bool:
    """Tell whether a start is as good as an objective, or little worse."""
    objective = model.objective
    if objective is None or start.objective is None:
        return True
    if before is None:
        return False
    slack = _LITTLE * abs(before)
    return not objective.better(before - slack if objective.maximises else before + slack, start.objective)


def _better(model: PreparedModel, one: Start, other: Start) -> bool:
    objective = model.objective
    if objective is None or one.objective is None or other.objective is None:
        return False
    return objective.better(one.objective, other.objective)


class _Order(NamedTuple):
    """The decisions of a search."""

    roles: _Roles
    way: _Way


def _replay(
    model: PreparedModel,
    order: _Order,
    ends: float,
    parameters: cmh.SatParameters | None,
    stop: Callable[[], bool] | None,
) -> cmh.CpSolverResponse | None:
    """Return a solution of any objective, None if there was none in time."""
    copy = without_objective(model.model)
    try:
        _set_order(copy, order, _until(ends, stop))
    except ReadingStoppedError:
        return None
    dive = _dive(ends - time.perf_counter(), parameters)
    if order.way.bold:
        dive.max_number_of_conflicts = _BOLD_CONFLICTS
    run = CpSatRun(copy, dive)
    if run.wait(lambda: stop is not None and stop()):
        return None
    response = run.response()
    return response if response.status in (cp_model.OPTIMAL, cp_model.FEASIBLE) else None


def _start_of(model: PreparedModel, solution: list[int], order: _Order) -> Start:
    values = solution[: len(model.names)]  # without the distances
    return Start(values, None if model.objective is None else model.objective.value_of(values), order)


def _until(ends: float, stop: Callable[[], bool] | None) -> StopCheck:
    return StopCheck(lambda: time.perf_counter() >= ends or (stop is not None and stop()))


def _set_order(model: cp_model.CpModel, order: _Order, check: StopCheck) -> None:
    check.now()
    model.clear_hints()  # CP-SAT follows even an empty hint before the order of the search
    proto = model.proto
    proto.search_strategy.clear()
    strategy = proto.search_strategy.add()
    strategy.variable_selection_strategy = cp_model.CHOOSE_FIRST
    strategy.domain_reduction_strategy = cp_model.SELECT_MIN_VALUE
    strategy.variables.extend(order.roles.decisions(order.way, proto, check))


def _dive(seconds: float, asked: cmh.SatParameters | None) -> cmh.SatParameters:
    """Return the parameters of one dive: whatever is done before the first decision costs more than it gives.

    Inprocessing alone, which CP-SAT does before the first decision, too, takes ten times as long as the dive.
    """
    parameters = cmh.SatParameters()
    parameters.num_workers = 1
    parameters.search_branching = cp_model.FIXED_SEARCH
    parameters.cp_model_presolve = False
    parameters.cp_model_probing_level = 0
    parameters.symmetry_level = 0
    parameters.linearization_level = 0
    parameters.inprocessing_dtime_ratio = 0
    parameters.inprocessing_probing_dtime = 0
    parameters.inprocessing_minimization_dtime = 0
    parameters.catch_sigint_signal = False
    if asked is not None:
        parameters.random_seed, parameters.max_memory_in_mb = asked.random_seed, asked.max_memory_in_mb
    if math.isfinite(seconds):
        parameters.max_time_in_seconds = max(seconds, 0.0)
    return parameters
