"""A complete feasible solution from a past one: the start that CP-SAT improves.

The order of a past schedule is replayed, :mod:`nnsearch.cpsat.starts.replay`. Any other past solution is repaired by
local search from its values, :mod:`nnsearch.cpsat.starts.local_search`, or replayed where that leads to nothing, and
annealed if nothing has come of either soon and the model is an integer program.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import NamedTuple

import numpy as np
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.hinted import hinted
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.starts.annealers import Annealers
from nnsearch.cpsat.starts.local_search import local_search
from nnsearch.cpsat.starts.replay import Order, Roles, fixed_search, set_order
from nnsearch.history.matching import Plan
from nnsearch.model.domains import bounds_of
from nnsearch.model.objective import without_objective
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.relaxation import is_read_in_full
from nnsearch.model.stopping import ReadingStoppedError, StopCheck

_POLL_SECONDS = 0.02
_STALL_SECONDS = 0.1
_FIRST_SHARE = 0.7  # of the time that is left, for a way that others come after
_LOCAL_SHARE, _BRIEF_SHARE = 0.3, 0.15  # of a local search that others come after; of what comes before annealing
_BOLD_CONFLICTS = 300  # of a way that others come after
_LITTLE = 0.2  # of an objective; a plan that was moved to the left against the objective costs more


@dataclass(frozen=True, eq=False)
class Start:
    """A solution to begin with.

    Attributes:
        solution: values of all variables, in the model's order.
        objective: of the solution, in the units of the model; None of a model without an objective.
        order: the decisions that led to it; None where local search or annealing did.
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
    annealers: Callable[[], Annealers | None] | None = None,
) -> Start | None:
    """Return a complete solution near a past one, or None if there was none in time.

    A model with intervals is replayed in up to three ways (see :class:`nnsearch.cpsat.starts.replay.Way`) until a start
    is about as good as the plan was, and the best start counts. Of any other model the start is the first solution of a
    local search, where that finds none, of a replay at the past values, and then of annealing; without an objective
    the replay comes first.

    Args:
        model: the model.
        plan: the past solution.
        ends: when to give up, of ``time.perf_counter``.
        before: objective that the plan had.
        parameters: CP-SAT's, of which the seed and the limit of memory count.
        stop: asked often; true gives up.
        beaten: tells of a solution whether a better one is known; then no other way is tried, and local search or
            annealing goes on.
        any_will_do: whether the first solution is enough.
        annealers: returns what anneals the model, or None where nothing does; asked when it is their turn, and only
            of what may be an integer program.
    """
    if not plan.known.any() or (model.domains.sizes == 0).any():
        return None
    best: Start | None = None
    is_schedule = any(kind == "interval" for _, kind, _ in model.others)
    roles = Roles.of(model, plan)
    replays = [
        _Way(_FIRST_SHARE, False, partial(_replayed, model, Order(roles, way), parameters))
        for way in roles.ways(is_schedule)
    ]
    mending = _Way(_LOCAL_SHARE, True, partial(_mended, model, plan, parameters))
    if is_schedule:
        ways = replays
    elif model.objective is None:
        # All is in the constraints, and those that leave little open are none for local search.
        ways = [*replays, mending]
    elif annealers is None or not is_read_in_full(model):
        ways = [mending, *replays]
    else:
        brief = [way._replace(share=_BRIEF_SHARE) for way in (mending, *replays)]
        ways = [*brief, _Way(_FIRST_SHARE, True, partial(_annealed, model, plan, annealers))]
    for place, way in enumerate(ways, start=1):
        enough = any_will_do or not is_schedule
        if best is not None and (enough or _is_about(model, best, before) or (beaten and beaten(best))):
            break
        now = time.perf_counter()
        share = 1.0 if place == len(ways) else way.share
        over = _over(now + (ends - now) * share, stop)
        if over():
            break
        for start in way.starts(over):
            if best is None or _better(model, start, best):
                best = start
            if not way.improves or any_will_do or beaten is None or not beaten(start):
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


class _Way(NamedTuple):
    """One way from a plan to a solution.

    Attributes:
        share: of the time that is left, if other ways come after it.
        improves: whether better solutions come after the first one.
        starts: returns the solutions as they come, given what is asked often to end.
    """

    share: float
    improves: bool
    starts: Callable[[Callable[[], bool]], Iterator[Start]]


def _mended(
    model: PreparedModel, plan: Plan, asked: cmh.SatParameters | None, over: Callable[[], bool]
) -> Iterator[Start]:
    """Return the solutions of a local search from a plan."""
    known = np.flatnonzero(plan.known)
    copy = hinted(model.model, plan.values[known].tolist(), known.tolist())
    return _solutions(model, copy, None, local_search(asked, len(model.names)), over)


def _annealed(
    model: PreparedModel,
    plan: Plan,
    annealers: Callable[[], Annealers | None],
    over: Callable[[], bool],
) -> Iterator[Start]:
    """Yield the solutions of annealing from a plan, in turns until one has led to any."""
    found = annealers()
    if found is None or model.objective is None:
        return
    low, high = bounds_of(model.domains)
    values = np.clip(np.where(plan.known, plan.values, low), low, high).tolist()
    for solution in found.mended(values, over):
        yield Start(solution, model.objective.value_of(solution), None)


def _replayed(
    model: PreparedModel, order: Order, asked: cmh.SatParameters | None, over: Callable[[], bool]
) -> Iterator[Start]:
    """Return a solution in an order, of any objective."""
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
