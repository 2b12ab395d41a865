"""What all sides of a race run on: the model, the time, and CP-SAT at work on the model."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.racing.callbacks import Callbacks
from nnsearch.cpsat.run import CpSatRun
from nnsearch.model.objective import Objective
from nnsearch.processors import usable_cpus

_POLL_SECONDS = 0.02  # how soon a stop is heard while the calling thread waits
# CP-SAT's use_lns_only is without local search (ls), which leads out of where neighbourhoods find nothing.
_IMPROVING = ("*lns*", "rins*", "ls*", "fj*", "fs*")


class Track:
    """The model, when the race ends, and the runs of CP-SAT.

    Args:
        model: the model; it is not changed.
        objective: the model's objective; None where it has none that says anything.
        parameters: the user's.
        callbacks: of the race.
        started: when the solve began, of ``time.perf_counter``.
        pools: whether CP-SAT's other solutions are wanted, too.
        silent: whether nobody hears of CP-SAT's solutions while it is at work.
        leads: whether the scorer knows objectives, so that it leads a search.

    Attributes:
        leads: the argument.
        wants_any: whether the first solution is the answer, whatever its objective.
        deadline: the end, of ``time.perf_counter``.
        workers: of CP-SAT.
        stopped: whether somebody has ended the race.
        has_any: whether a solution was shown.
        interrupted: tells whether Ctrl-C came.
        running: the last run of CP-SAT.
    """

    def __init__(
        self,
        model: cp_model.CpModel,
        objective: Objective | None,
        parameters: cmh.SatParameters,
        callbacks: Callbacks,
        started: float,
        *,
        pools: bool,
        silent: bool,
        leads: bool,
    ) -> None:
        self.model, self.objective, self.started, self.leads = model, objective, started, leads
        self.parameters = cmh.SatParameters()
        self.parameters.copy_from(parameters)
        self.wants_any = parameters.stop_after_first_solution
        self.deadline = started + parameters.max_time_in_seconds
        self.workers = parameters.num_workers or parameters.num_search_workers or usable_cpus()
        self.stopped = self.has_any = False
        self.interrupted: Callable[[], bool] = _never
        self.running: CpSatRun | None = None
        self._callbacks, self._pools, self._silent = callbacks, pools, silent
        # Left to itself CP-SAT catches Ctrl-C, and the others would not hear of it.
        self._own_interrupt = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )

    def start(self, model: cp_model.CpModel, *, improves_only: bool = False, spares_one: bool = False) -> CpSatRun:
        """Return a run of CP-SAT on the model, or on one that differs in its hint, with the time that is left.

        Args:
            model: the model.
            improves_only: whether all workers improve solutions, by large neighbourhoods and local search; for
                parameters that leave the choice of subsolvers open.
            spares_one: whether one of several workers is left to the search beside it.
        """
        parameters = cmh.SatParameters()
        parameters.copy_from(self.parameters)
        if improves_only:
            parameters.filter_subsolvers.extend(_IMPROVING)
        parameters.fill_additional_solutions_in_response = self._pools
        if spares_one and self.workers > 1:
            parameters.num_search_workers = 0
            parameters.num_workers = self.workers - 1
        if self._own_interrupt:
            parameters.catch_sigint_signal = False
        if math.isfinite(self.deadline):
            parameters.max_time_in_seconds = max(self.time_left(), 0.0)
        self.running = CpSatRun(
            model,
            parameters,
            solution_callback=None if self._silent else self._callbacks.solution_callback(),
            log_callback=self._callbacks.log_callback(),
            best_bound_callback=self._callbacks.bound_callback(),
        )
        return self.running

    def wait(self, run: CpSatRun, seconds: float = math.inf, enough: Callable[[], bool] | None = None) -> bool:
        """Wait for the end of a run, for some time or until it is enough; return whether it has ended.

        If the race is stopped, the run is ended.
        """
        ends = time.perf_counter() + seconds
        while not run.done.wait(min(max(ends - time.perf_counter(), 0.0), _POLL_SECONDS)):
            if self.is_stopped():
                run.stop()
                return True
            if time.perf_counter() >= ends or (enough is not None and enough()):
                return False
        return True

    def wait_until(self, run: CpSatRun, seconds: float, enough: Callable[[], bool] | None = None) -> bool:
        """Wait as :meth:`wait` does, until the race has lasted so many seconds."""
        return self.wait(run, seconds - self.seconds(), enough)

    def is_stopped(self) -> bool:
        """Tell whether somebody has ended the race, or the one solution that was asked for is shown."""
        return self.stopped or self._callbacks.over or (self.wants_any and self.has_any) or self.interrupted()

    def is_over(self) -> bool:
        """Tell whether the race is stopped, or its time is over."""
        return self.is_stopped() or self.time_left() <= 0

    def time_left(self) -> float:
        """Return the seconds until the end."""
        return self.deadline - time.perf_counter()

    def seconds(self) -> float:
        """Return the seconds since the race began."""
        return time.perf_counter() - self.started

    def is_past_help(self, beside: CpSatRun) -> bool:
        """Tell whether CP-SAT has answered, or the race is stopped."""
        return self.is_stopped() or beside.done.is_set()

    def out_of_time(self, beside: CpSatRun, ends: float = math.inf) -> Callable[[], bool]:
        """Return what tells whether an answer would be too late: after CP-SAT's, the end of the solve, or ``ends``."""
        until = min(self.deadline, ends)
        return lambda: self.is_past_help(beside) or time.perf_counter() >= until

    def workers_left(self) -> int:
        """Return how many workers a search may have: all of them once CP-SAT has ended, and one beside it."""
        is_alone = self.running is None or self.running.done.is_set()
        return self.workers if is_alone else 1

    def log(self, text: str) -> None:
        """Log a line of the race."""
        self._callbacks.log_line(self.started, text)


def _never() -> bool:
    return False
