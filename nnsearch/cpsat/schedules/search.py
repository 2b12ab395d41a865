"""Large neighbourhood search on schedules that begins with an order of tasks: that of targets, or of priority rules.

The first solution is what serial schedule generation makes of the best order. From then on a window of time is free,
and elsewhere stays the order in which tasks share resources (D. Godard, P. Laborie, W. Nuijten, Randomized large
neighborhood search for cumulative scheduling, 2005). Each worker has a neighbourhood of its own, but for one that goes
on by tabu search, in turns, where tasks take resources whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.incumbent import Incumbent
from nnsearch.cpsat.neighbourhoods import Step
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.schedules.orders import OrderSearch
from nnsearch.cpsat.schedules.window import Window, around, spans, window_of
from nnsearch.cpsat.starts.start import find_start
from nnsearch.history.matching import Plan
from nnsearch.model.lists import within
from nnsearch.model.objective import Objective
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.stopping import ReadingStoppedError
from nnsearch.model.variables import fix
from nnsearch.schedules.generation import Generated, Generator
from nnsearch.schedules.reading import Schedule
from nnsearch.schedules.rules import better_schedules, rules, targeted_orders

_POLL_SECONDS = 0.005
_ORDER_SECONDS = 0.1
_FIRST_TASKS = 60  # in a window
_LEAST_TASKS = 8
_WIDER, _NARROWER = 1.1, 0.9
_WORK = 0.1  # of one neighbourhood, in CP-SAT's deterministic time
_PATIENCE = 1.0  # seconds of one neighbourhood
_LONGER = 1.5
_FRUITLESS = 60  # neighbourhoods one after another that brought nothing, after which the search ends
_REPAIR_SECONDS = 1.0
_TOO_LATE = 2**62  # in no domain, and an int64: durations may add up to more


class ScheduleSearch(Incumbent):
    """A search for better and better solutions of one model that is a schedule.

    Args:
        model: with an objective; it is not changed.
        objective: its.
        schedule: what the model says of one.
        parameters: CP-SAT's, of which the seed and the limit of memory count: time is up to whoever asks for the steps.
        workers: says how many neighbourhoods may be searched at a time, tabu search among them.
        on_solution: see :class:`Incumbent`.

    Attributes:
        things: what a neighbourhood fixes.
    """

    things = "tasks"

    def __init__(
        self,
        model: PreparedModel,
        objective: Objective,
        schedule: Schedule,
        parameters: cmh.SatParameters,
        workers: Callable[[], int],
        on_solution: Callable[[cmh.CpSolverResponse], bool] | None = None,
    ) -> None:
        super().__init__(objective, on_solution)
        self._model, self._schedule, self._workers = model, schedule, workers
        self._generator = Generator(schedule)
        self._asked = parameters
        self._random = np.random.default_rng(parameters.random_seed % 2**32)
        self._tasks, self._patience = float(_FIRST_TASKS), _PATIENCE

    @property
    def size(self) -> int:
        """How many tasks there are."""
        return len(self._schedule.tasks)

    def begin_by_rules(self, over: Callable[[], bool]) -> None:
        """Look for solutions in the orders of priority rules.

        Args:
            over: asked often; true ends it.
        """
        self._begin(rules(self._schedule), over)

    def begin_by_targets(self, target: npt.NDArray[np.float64], over: Callable[[], bool]) -> None:
        """Look for better solutions in the order of targets; see :func:`nnsearch.schedules.rules.targeted_orders`.

        Args:
            target: float64[V], NaN where there is none.
            over: asked often; true ends it.
        """
        times = target[[task.start for task in self._schedule.tasks]]
        if np.isfinite(times).any():
            self._begin(targeted_orders(self._schedule, times.tolist()), over)

    def _begin(self, orders: Iterable[Sequence[float]], over: Callable[[], bool]) -> None:
        began, found_at = time.perf_counter(), self.found

        def enough() -> bool:
            return time.perf_counter() >= began + _ORDER_SECONDS or over()

        refused: Plan | None = None
        try:
            for found in better_schedules(self._generator, orders, enough, stop=over):
                best = self.best
                if best is None or found.cost < sum(c * best[v] for v, c in self._objective.terms):
                    plan = self._plan(found)
                    refused = None if self._complete(plan, over) else plan
        except ReadingStoppedError:
            return
        if refused is None or self.found > found_at or over():
            return
        # The model says more than the schedule.
        ends = time.perf_counter() + _REPAIR_SECONDS
        start = find_start(self._model, refused, ends, parameters=self._asked, stop=over)
        if start is not None:
            self._run(_fixed(self._model.model, enumerate(start.solution)), None).wait(over)

    def _complete(self, plan: Plan, over: Callable[[], bool]) -> bool:
        """Let CP-SAT decide what a schedule leaves open; return false where that does not go, or not soon."""
        found_at = self.found
        run = self._completing(plan)
        if run is None:
            return False
        ends = time.perf_counter() + _REPAIR_SECONDS  # from then on what is left may be improved in neighbourhoods
        if run.wait(lambda: over() or time.perf_counter() >= ends):
            return self.found > found_at or over()
        return run.response().status != cp_model.INFEASIBLE

    def _completing(self, plan: Plan) -> CpSatRun | None:
        """Return CP-SAT at work on what a schedule leaves open; None where it has a value that is in no domain."""
        known = np.flatnonzero(plan.known)
        values = plan.values[known]
        if not within(self._model.domains.take(known), np.arange(len(known)), values).all():
            return None
        return self._run(_fixed(self._model.model, zip(known.tolist(), values.tolist(), strict=True)), None)

    def steps(self, over: Callable[[], bool]) -> Iterator[Step]:
        """Search until all was free and solved to its end, until nothing comes of it any more, or until told.

        Args:
            over: asked often; true ends the search.
        """
        fruitless, at_work, last_found = 0, list[_Neighbourhood](), self.found
        orders = OrderSearch(
            self._schedule,
            self,
            lambda made: self._completing(self._plan(made)),
            self._workers,
            int(self._random.integers(2**31)),
        )
        try:
            orders.start()
            while fruitless < _FRUITLESS and not over():
                if orders.failed is not None:
                    raise orders.failed
                while len(at_work) < self._workers() - (orders.is_alive() and not orders.rests):
                    if over():
                        return
                    at_work.append(self._neighbourhood())
                ended = [one for one in at_work if one.run.done.wait(_POLL_SECONDS / len(at_work))]
                if not at_work:
                    orders.join(_POLL_SECONDS)
                for one in ended:
                    at_work.remove(one)
                    status = one.run.response().status
                    better = self.found > one.began
                    fruitless = 0 if self.found != last_found else fruitless + 1  # tabu search may have found it
                    last_found = self.found
                    yield Step(self.size - len(one.window.tasks), status, better, time.perf_counter() - one.began)
                    if status in (cp_model.OPTIMAL, cp_model.INFEASIBLE):
                        if len(one.window.tasks) == self.size:
                            # It was asked for a better solution, and had no limit on the gap.
                            self.proved = not self._objective.floating and not self._objective.domain
                            return
                        self._tasks = min(self._tasks * _WIDER, self.size)
                    elif status == cp_model.UNKNOWN:
                        if one.run.response().deterministic_time < _WORK:  # it was not given the time
                            self._patience *= _LONGER
                        else:
                            self._tasks = max(self._tasks * _NARROWER, _LEAST_TASKS)
        finally:
            orders.told.set()
            for one in at_work:
                one.run.stop()
            if orders.is_alive():
                orders.join()

    def _neighbourhood(self) -> _Neighbourhood:
        best = self.best
        assert best is not None
        done = spans(self._schedule, best)
        first, last = min(span.begin for span in done), max(span.end for span in done)
        window = window_of(done, self._random.uniform(first, last), round(self._tasks))
        began = time.perf_counter()
        model = around(self._model.model, self._objective, self._schedule, best, window)
        return _Neighbourhood(window, began, self._run(model, self._patience))

    def _run(self, model: cp_model.CpModel, seconds: float | None) -> CpSatRun:
        parameters = cmh.SatParameters()
        parameters.num_workers = 1
        parameters.max_memory_in_mb = self._asked.max_memory_in_mb
        parameters.random_seed = int(self._random.integers(2**31))
        parameters.linearization_level = 0
        parameters.cp_model_probing_level = 0
        parameters.symmetry_level = 0
        parameters.catch_sigint_signal = False  # Ctrl-C is heard by whoever asks for the steps
        if seconds is not None:
            parameters.max_time_in_seconds = seconds
            parameters.max_deterministic_time = _WORK
        return CpSatRun(model, parameters, solution_callback=self.listener())

    def _plan(self, made: Generated) -> Plan:
        """Return what a schedule says of the variables."""
        values = np.zeros(len(self._model.names), dtype=np.int64)
        known = np.zeros(len(values), dtype=np.bool_)
        for task, begin, chosen in zip(self._schedule.tasks, made.begins, made.modes, strict=True):
            values[task.start], known[task.start] = min(begin - task.modes[chosen].start_shift, _TOO_LATE), True
            for place, mode in enumerate(task.modes):
                if mode.literal is not None and len(task.modes) > 1:
                    variable, negated = (mode.literal, False) if mode.literal >= 0 else (~mode.literal, True)
                    values[variable], known[variable] = (place == chosen) != negated, True
        return Plan(values, known)


class _Neighbourhood(NamedTuple):
    """One that is searched."""

    window: Window
    began: float
    run: CpSatRun


def _fixed(model: cp_model.CpModel, values: Iterable[tuple[int, int]]) -> cp_model.CpModel:
    """Return the model with some variables fixed, at values of their domains: these are asked no more."""
    copy = model.clone()
    for variable, value in values:
        fix(copy.proto.variables[variable], value)
    return copy
