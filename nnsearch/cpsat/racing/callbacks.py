"""The user's callbacks while several solves work for one: called as by a single solve of CP-SAT."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.racing.read_copy import ReadCopy
from nnsearch.history.line_up import finder_of
from nnsearch.model.objective import Objective

_OVERRIDDEN = ("OnSolutionCallback", "StopSearch", "BestObjectiveBound", "WallTime", "Response")


class Callbacks:
    """What the user wants to hear, in the order and the number of a single solve.

    A context; in it, the solution callback passes on strictly better solutions only (of a model without an objective,
    or where no more are asked for: one), it tells the time of the whole solve and the best bound of all, and its
    ``stop_search`` is heard here. An exception in a callback is kept in ``error``.

    Args:
        objective: of the model; None if it has none.
        parameters: the user's.
        solution: the solution callback.
        log: receives log lines.
        bound: receives bounds.
        beside_cp_sat: solutions are shown while CP-SAT runs, so the solution callback reads copies of them.
    """

    def __init__(
        self,
        objective: Objective | None,
        parameters: cmh.SatParameters,
        solution: cp_model.CpSolverSolutionCallback | None,
        log: Callable[[str], None] | None,
        bound: Callable[[float], None] | None,
        *,
        beside_cp_sat: bool = False,
    ) -> None:
        self.error: BaseException | None = None
        self.stopped = False
        self.solution = solution
        self.incumbent: float | None = None  # the objective of CP-SAT's best solution so far
        self.improvements: Counter[str] = Counter()  # how many of its better solutions each subsolver brought
        self.follow: Callable[[cmh.CpSolverResponse], object] | None = None  # called with CP-SAT's solutions
        self.seen: float | None = None  # the objective that the solution callback can read now
        self.bound = self.no_bound = -math.inf if objective is None else objective.no_bound
        self.lines: list[str] = []
        self._objective, self._log, self._on_bound = objective, log, bound
        self._only_one = parameters.stop_after_first_solution
        self._reached: float | None = None  # of the last solution that was passed on
        # The response that was given out for it: what is read of a response in Python does not keep it in memory.
        self._given: cmh.CpSolverResponse | None = None
        self._to_stdout = parameters.log_search_progress and parameters.log_to_stdout
        self._to_response = parameters.log_search_progress and parameters.log_to_response
        self.logs = parameters.log_search_progress
        self._log_lock, self._bound_lock, self._turn = threading.Lock(), threading.Lock(), threading.Lock()
        self._copy = ReadCopy() if beside_cp_sat else None
        self._call: Callable[[], None] | None = None  # the user's callback, where it reads copies
        self._started = time.perf_counter()
        self._replaced: dict[str, Any] = {}

    @property
    def over(self) -> bool:
        """A callback asked to stop, or failed."""
        return self.stopped or self.error is not None

    def solution_callback(self) -> cp_model.CpSolverSolutionCallback | None:
        """Return what CP-SAT's solutions go to: the user's callback, or one that only takes note of the objective."""
        copies = self._call is not None
        return _Note(self) if copies or (self.solution is None and self._objective is not None) else self.solution

    def note_solution(self, objective: float, solution_info: str = "") -> None:
        """Take note of the objective of a solution, and who found it; nothing is called."""
        if self._objective is not None and (
            self.incumbent is None or self._objective.better(objective, self.incumbent)
        ):
            self.incumbent = objective
            if finder := finder_of(solution_info):
                self.improvements[finder] += 1

    @property
    def reads_copies(self) -> bool:
        """Whether :meth:`show` may be called at any time."""
        return self._copy is not None

    def show(self, response: cmh.CpSolverResponse, again: bool = False) -> None:
        """Let the solution callback read a copy of a solution; it is called if this is strictly better than all before.

        From any thread, one solution after the other.

        Args:
            response: holds the solution.
            again: this is the answer, to be read after the solve in place of another one.
        """
        if self._call is None or self._copy is None:
            return
        objective = 0.0 if self._objective is None else response.objective_value
        with self._turn:
            better = self._is_better(objective)
            if better or (again and self.seen is not None and self.seen != objective):
                self._copy.response = copy = cmh.CpSolverResponse()
                copy.copy_from(response)
                self.seen, self._given = objective, None
            if better and not self.over:  # who has stopped hears of no more, as from a single solve
                self._reached = objective
                self._guarded(self._call)

    def _is_better(self, objective: float) -> bool:
        """Tell whether a solution is strictly better than all that were passed on."""
        return self._reached is None or (
            self._objective is not None and not self._only_one and self._objective.better(objective, self._reached)
        )

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
        with self._bound_lock:  # CP-SAT's come while others are at work
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
        if isinstance(before := own.get("OnSolutionCallback"), ReadCopy):
            before.leave()
        engine: Any = callback
        readers = {} if self._copy is None else self._copy.readers()
        self._replaced = {name: own[name] for name in {*_OVERRIDDEN, *readers} if name in own}
        on_solution, stop_search = engine.OnSolutionCallback, engine.StopSearch
        get_response = readers.get("Response", engine.Response)
        get_bound = readers.get("BestObjectiveBound", engine.BestObjectiveBound)
        if self._copy is not None:
            self._call = on_solution

        def pass_on() -> None:
            objective = 0.0 if self._objective is None else engine.ObjectiveValue()
            self.seen, self._given = objective, None
            self.note_solution(objective)
            if self._is_better(objective):
                self._reached = objective
                self._guarded(on_solution)
            if self.over:
                stop_search()

        def stop() -> None:
            self.stopped = True
            if self._copy is None:
                stop_search()

        def response() -> cmh.CpSolverResponse:
            if self._given is None:
                self._given = cmh.CpSolverResponse()
                self._given.copy_from(get_response())
            self._given.wall_time = wall_time()
            self._given.best_objective_bound = best_bound()
            return self._given

        def wall_time() -> float:
            return time.perf_counter() - self._started

        def best_bound() -> float:
            # A solution that is checked with all variables fixed is its own bound, so what the solve itself says
            # counts only where nothing better is known.
            return get_bound() if self.bound == self.no_bound else self.bound

        own.update(readers)
        own.update(zip(_OVERRIDDEN, (pass_on, stop, best_bound, wall_time, response), strict=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        callback = self.solution
        if not isinstance(callback, cmh.SolutionCallback):
            return
        for name in (*_OVERRIDDEN, *(() if self._copy is None else self._copy.readers())):
            vars(callback).pop(name, None)
        if self._copy is None:
            vars(callback).update(self._replaced)
        else:
            self._copy.stay(callback, self._replaced)
        self._call = None


class _Note(cp_model.CpSolverSolutionCallback):
    """Takes note of CP-SAT's solutions, and shows them where the user's callback reads copies."""

    def __init__(self, callbacks: Callbacks) -> None:
        super().__init__()
        self._callbacks = callbacks

    def on_solution_callback(self) -> None:
        callbacks = self._callbacks
        response = self.response_proto
        callbacks.note_solution(self.objective_value, response.solution_info)
        callbacks.show(response)
        follow = callbacks.follow  # which another thread may take away at any time
        if follow is not None:
            follow(response)
        if callbacks.over:
            self.stop_search()
