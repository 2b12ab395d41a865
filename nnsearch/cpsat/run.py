"""One solve of CP-SAT in a thread of its own, which can be stopped at any moment."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.plain_solver import plain_solver

_POLL_SECONDS = 0.01  # how soon it is heard that a run is to end
_STOP_INTERVAL = 0.001  # seconds; a stop that comes before CP-SAT has begun is lost and must be repeated


class CpSatRun:
    """CP-SAT at work; it releases the interpreter lock, so Python code runs beside it.

    Args:
        model: the model; it must not change while the run lasts.
        parameters: copied.
        solution_callback: called by CP-SAT's threads.
        log_callback: receives the log, line by line.
        best_bound_callback: receives every new bound.
    """

    def __init__(
        self,
        model: cp_model.CpModel,
        parameters: cmh.SatParameters,
        *,
        solution_callback: cp_model.CpSolverSolutionCallback | None = None,
        log_callback: Callable[[str], None] | None = None,
        best_bound_callback: Callable[[float], None] | None = None,
    ) -> None:
        self.done = threading.Event()
        self.stopped = False
        """:meth:`stop` came before the run had ended by itself."""
        self._solver = plain_solver()
        self._solver.parameters.copy_from(parameters)
        self._solver.log_callback = log_callback
        self._solver.best_bound_callback = best_bound_callback
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._solve, args=(model, solution_callback), name="nnsearch-cp-sat", daemon=True
        )
        self._thread.start()

    def _solve(self, model: cp_model.CpModel, callback: cp_model.CpSolverSolutionCallback | None) -> None:
        try:
            self._solver.solve(model, callback)
        except BaseException as error:  # of a callback; it belongs to the caller's thread
            self._error = error
        finally:
            self.done.set()

    def stop(self) -> None:
        """End the run and wait for its end; usually some milliseconds."""
        while not self.done.is_set():
            self.stopped = True
            self._solver.stop_search()
            self.done.wait(_STOP_INTERVAL)
        self._thread.join()

    def wait(self, over: Callable[[], bool]) -> bool:
        """Wait for the end of the run, or end it.

        Args:
            over: asked often; true ends the run, and so does an exception.

        Returns:
            Whether it was ended.
        """
        try:
            while not self.done.wait(_POLL_SECONDS):
                if over():
                    return True
        finally:
            self.stop()
        return False

    def response(self) -> cmh.CpSolverResponse:
        """Wait for the end and return CP-SAT's answer.

        Raises:
            BaseException: what a callback raised.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._solver.response_proto
