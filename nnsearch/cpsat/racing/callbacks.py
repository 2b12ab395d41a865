"""The user's callbacks while several solves work for one: called as by a single solve of CP-SAT."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.model.objective import Objective

_OVERRIDDEN = ("OnSolutionCallback", "StopSearch", "BestObjectiveBound", "WallTime", "Response")


class Callbacks:
    """What the user wants to hear, in the order and the number of a single solve.

    A context; in it, the solution callback passes on strictly better solutions only (of a model without an objective:
    one), it tells the time of the whole solve and the best bound of all, and its ``stop_search`` is heard here. An
    exception in a callback is kept in ``error``.

    Args:
        objective: of the model; None if it has none.
        parameters: the user's.
        solution: the solution callback.
        log: receives log lines.
        bound: receives bounds.
    """

    def __init__(
        self,
        objective: Objective | None,
        parameters: cmh.SatParameters,
        solution: cp_model.CpSolverSolutionCallback | None,
        log: Callable[[str], None] | None,
        bound: Callable[[float], None] | None,
    ) -> None:
        self.error: BaseException | None = None
        self.stopped = False
        self.solution = solution
        self.incumbent: float | None = None  # the objective of the best solution so far
        self.seen: float | None = None  # the objective that the solution callback can read now
        self.bound = self.no_bound = -math.inf if objective is None else objective.no_bound
        self.lines: list[str] = []
        self._objective, self._log, self._on_bound = objective, log, bound
        self._reached: float | None = None  # of the last solution that was passed on
        self._to_stdout = parameters.log_search_progress and parameters.log_to_stdout
        self._to_response = parameters.log_search_progress and parameters.log_to_response
        self.logs = parameters.log_search_progress
        self._log_lock = threading.Lock()
        self._started = time.perf_counter()
        self._replaced: dict[str, Any] = {}

    @property
    def over(self) -> bool:
        """A callback asked to stop, or failed."""
        return self.stopped or self.error is not None

    def solution_callback(self) -> cp_model.CpSolverSolutionCallback | None:
        """Return what CP-SAT's solutions go to: the user's callback, or one that only takes note of the objective."""
        return _Note(self) if self.solution is None and self._objective is not None else self.solution

    def note_solution(self, objective: float) -> None:
        """Take note of the objective of a solution; nothing is called."""
        if self._objective is not None and (
            self.incumbent is None or self._objective.better(objective, self.incumbent)
        ):
            self.incumbent = objective

    def log_callback(self) -> Callable[[str], None] | None:
        """Return what CP-SAT's lines go to beside the standard output; None if nobody wants them."""
        return self._pass_line if self.logs and (self._log is not None or self._to_response) else None

    def bound_callback(self) -> Callable[[float], None] | None:
        """Return what CP-SAT's bounds go to; None if there are none."""
        return None if self._objective is None else self.pass_bound

    def log(self, text: str) -> None:
        """Write lines as CP-SAT writes its own."""
        if not self.logs:
            return
        if self._to_stdout:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        self._pass_line(text)

    def log_line(self, started: float, text: str) -> None:
        """Log a line of the race itself, with the seconds since it began.

        Args:
            started: of ``time.perf_counter``.
            text: the line.
        """
        self.log(f"#nnsearch {time.perf_counter() - started:.2f}s {text}")

    def _pass_line(self, line: str) -> None:
        with self._log_lock:  # lines come from several threads
            if self._to_response:
                self.lines.append(line)
            if self._log is not None:
                self._guarded(self._log, line)

    def pass_bound(self, bound: float) -> None:
        """Take note of a bound, and pass it on if it is tighter than all before."""
        if self._objective is not None and self._objective.tighter(bound, self.bound):
            self.bound = bound
            if self._on_bound is not None:
                self._guarded(self._on_bound, bound)

    def _guarded(self, function: Callable[..., None], *arguments: object) -> None:
        if self.error is not None:
            return
        try:
            function(*arguments)
        except BaseException as error:  # it belongs to the caller's thread
            self.error = error

    def __enter__(self) -> Callbacks:
        callback = self.solution
        if not isinstance(callback, cmh.SolutionCallback):
            return self  # none, or one that CP-SAT will refuse
        # Attributes of the object come before the methods of its class, for Python and for the engine.
        own = vars(callback)
        engine: Any = callback
        on_solution, stop_search = engine.OnSolutionCallback, engine.StopSearch
        get_response, get_bound = engine.Response, engine.BestObjectiveBound

        def pass_on() -> None:
            objective = 0.0 if self._objective is None else engine.ObjectiveValue()
            self.seen = objective
            self.note_solution(objective)
            if self._reached is None or (
                self._objective is not None and self._objective.better(objective, self._reached)
            ):
                self._reached = objective
                self._guarded(on_solution)
            if self.over:
                stop_search()

        def stop() -> None:
            self.stopped = True
            stop_search()

        def response() -> cmh.CpSolverResponse:
            copy = cmh.CpSolverResponse()
            copy.copy_from(get_response())
            copy.wall_time = wall_time()
            copy.best_objective_bound = best_bound()
            return copy

        def wall_time() -> float:
            return time.perf_counter() - self._started

        def best_bound() -> float:
            # A solution that is checked with all variables fixed is its own bound, so what the solve itself says
            # counts only where nothing better is known.
            return get_bound() if self.bound == self.no_bound else self.bound

        self._replaced = {name: own[name] for name in _OVERRIDDEN if name in own}
        own.update(zip(_OVERRIDDEN, (pass_on, stop, best_bound, wall_time, response), strict=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        callback = self.solution
        if isinstance(callback, cmh.SolutionCallback):
            for name in _OVERRIDDEN:
                vars(callback).pop(name, None)
            vars(callback).update(self._replaced)


class _Note(cp_model.CpSolverSolutionCallback):
    def __init__(self, callbacks: Callbacks) -> None:
        super().__init__()
        self._callbacks = callbacks

    def on_solution_callback(self) -> None:
        self._callbacks.note_solution(self.objective_value)
