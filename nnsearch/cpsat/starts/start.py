"""A complete feasible solution from a past one: the start that CP-SAT improves.

The order of a past schedule is replayed, :mod:`nnsearch.cpsat.starts.replay`. Any other past solution is repaired by
local search from its values, :mod:`nnsearch.cpsat.starts.local_search`, and replayed where that leads to nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.hinted import hinted
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.starts.local_search import local_search
from nnsearch.cpsat.starts.replay import Order, Roles, fixed_search, set_order
from nnsearch.history.matching import Plan
from nnsearch.model.objective import without_objective
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.stopping import ReadingStoppedError, StopCheck

_POLL_SECONDS = 0.02
_STALL_SECONDS = 0.1
_FIRST_SHARE, _LOCAL_SHARE = 0.7, 0.3  # of the time that is left, for a replay or local search that others come after
_BOLD_CONFLICTS = 300  # of a way that others come after
_LITTLE = 0.2  # of an objective; a plan that was moved to the left against the objective costs more


@dataclass(frozen=True, eq=False)
class Start:
    """A solution to begin with.

    Attributes:
        solution: values of all variables, in the model's order.
        objective: of the solution, in the units of the model; None of a model without an objective.
        order: the decisions that led to it; None where local search did.
    """

    solution: list[int]
    objective: float | None
    order: Order | None


def find_start(
    model: PreparedModel,
    plan: Plan,
    ends: float,
    *,
    before: float | None = None,
    parameters: cmh.SatParameters | None = None,
    stop: Callable[[], bool] | None = None,
    beaten: Callable[[Start], bool] | None = None,
    any_will_do: bool = False,
) -> Start | None:
    """Return a complete solution near a past one, or None if there was none in time.

    A model with intervals is replayed in up to three ways (see :class:`nnsearch.cpsat.starts.replay.Way`) until a start
    is about as good as the plan was, and the best start counts. Of any other model the start is the first solution of a
    local search, or of a replay at the past values where that finds none; without an objective the replay comes first.

    Args:
        model: the model.
        plan: the past solution.
        ends: when to give up, of ``time.perf_counter``.
        before: objective that the plan had.
        parameters: CP-SAT's, of which the seed and the limit of memory count.
        stop: asked often; true gives up.
        beaten: tells of a solution whether a better one is known; then no other way is tried, and local search
            goes on.
        any_will_do: whether the first solution is enough.
    """
    if not plan.known.any() or (model.domains.sizes == 0).any():
        return None
    best: Start | None = None
    is_schedule = any(kind == "interval" for _, kind, _ in model.others)
    roles = Roles.of(model, plan)
    orders: list[Order | None] = [Order(roles, way) for way in roles.ways(is_schedule)]
    if not is_schedule:
        # Without an objective all is in the constraints, and those that leave little open are none for local search.
        orders.insert(len(orders) if model.objective is None else 0, None)
    for place, order in enumerate(orders, start=1):
        enough = any_will_do or not is_schedule
        if best is not None and (enough or _is_about(model, best, before) or (beaten and beaten(best))):
            break
        now = time.perf_counter()
        share = 1.0 if place == len(orders) else _LOCAL_SHARE if order is None else _FIRST_SHARE
        over = _over(now + (ends - now) * share, stop)
        if over():
            break
        for start in _begun(model, plan, order, over, parameters):
            if best is None or _better(model, start, best):
                best = start
            if order is not None or any_will_do or beaten is None or not beaten(start):
                break
    return best


def improved(
    model: PreparedModel,
    start: Start,
    ends: float,
    *,
    parameters: cmh.SatParameters | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Start]:
    """Go on from a start for better solutions, and return them as they come, until none has come for a while.

    A local search goes on from its solution, which comes back first. After a replay clause learning takes back what
    stands in the way of a better objective, and leaves the rest in the past order.

    Args:
        model: a model with an objective.
        start: the solution.
        ends: when to give up, of ``time.perf_counter``.
        parameters: CP-SAT's, of which the seed and the limit of memory count.
        stop: asked often; true gives up.
    """
    order, over, best = start.order, _over(ends, stop), start
    if order is None:
        found = _solutions(
            model, hinted(model.model, start.solution), None, local_search(parameters, len(model.names)), over
        )
    else:
        found = _solutions(model, model.model.clone(), order, fixed_search(parameters), over, patient=False)
    for better in found:
        if _better(model, better, best):
            best = better
            yield better


def _begun(
    model: PreparedModel, plan: Plan, order: Order | None, over: Callable[[], bool], asked: cmh.SatParameters | None
) -> Iterator[Start]:
    """Return the solutions of a local search from a plan as they come, or one in an order, of any objective."""
    if order is None:
        known = np.flatnonzero(plan.known)
        copy = hinted(model.model, plan.values[known].tolist(), known.tolist())
        return _solutions(model, copy, None, local_search(asked, len(model.names)), over)
    parameters = fixed_search(asked)
    if order.way.bold:
        parameters.max_number_of_conflicts = _BOLD_CONFLICTS
    return _solutions(model, without_objective(model.model), order, parameters, over)


def _solutions(
    model: PreparedModel,
    copy: cp_model.CpModel,
    order: Order | None,
    parameters: cmh.SatParameters,
    over: Callable[[], bool],
    *,
    patient: bool = True,
) -> Iterator[Start]:
    """Return what CP-SAT finds as it comes, until it ends, until told, or until nothing has come for a while.

    What has come by then is returned, too.

    Args:
        model: the model.
        copy: of it, to be solved; it is changed.
        order: of decisions; None is a local search from the hint of the copy.
        parameters: of the search.
        over: asked often; true ends it.
        patient: whether the first one may take any time.
    """
    if order is not None:
        try:
            set_order(copy, order, StopCheck(over))
        except ReadingStoppedError:
            return
    elif over():
        return
    found = _Found()
    run = CpSatRun(copy, parameters, solution_callback=found)
    begun = last = time.perf_counter()
    try:
        ended = False
        while not ended:
            ended = over() or run.done.is_set()
            solution = found.latest(0.0 if ended else _POLL_SECONDS)
            now = time.perf_counter()
            if solution is not None:
                last, patient = now, False
                values = solution[: len(model.names)]  # without the distances
                yield Start(values, None if model.objective is None else model.objective.value_of(values), order)
            elif not patient and now - last > max(_STALL_SECONDS, last - begun):
                return
    finally:
        run.stop()


class _Found(cp_model.CpSolverSolutionCallback):
    """Keeps solutions until they are taken."""

    def __init__(self) -> None:
        super().__init__()
        self._solutions: SimpleQueue[list[int]] = SimpleQueue()

    def on_solution_callback(self) -> None:
        self._solutions.put(list(self.response_proto.solution))

    def latest(self, seconds: float) -> list[int] | None:
        """Wait for a solution, and return the latest one; None is none."""
        solution = None
        with suppress(Empty):
            solution = self._solutions.get(block=seconds > 0, timeout=seconds)
            while True:
                solution = self._solutions.get_nowait()
        return solution


def _over(ends: float, stop: Callable[[], bool] | None) -> Callable[[], bool]:
    return lambda: time.perf_counter() >= ends or (stop is not None and stop())


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
