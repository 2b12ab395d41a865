"""A solve by either class of solver, with the clock around it alone, that Ctrl-C ends at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from ortools.sat.python import cp_model

from nnsearch.model.refusal import check_accepted

_POLL_SECONDS = 0.01


def timed_solve(
    solver: cp_model.CpSolver, model: cp_model.CpModel, callback: cp_model.CpSolverSolutionCallback | None = None
) -> tuple[cp_model.CpSolverStatus, float]:
    """Solve a model, and return the status and the seconds.

    In a thread, and without CP-SAT's own handler, which takes Ctrl-C for a limit and would leave a false record.

    Raises:
        NNSearchError: CP-SAT finds the model invalid.
        KeyboardInterrupt: Ctrl-C.
    """

    def timed() -> tuple[cp_model.CpSolverStatus, float]:
        started = time.perf_counter()
        status = solver.solve(model, callback)
        return status, time.perf_counter() - started

    solver.parameters.catch_sigint_signal = False
    with ThreadPoolExecutor(max_workers=1) as thread:
        answer = thread.submit(timed)
        try:
            status, seconds = answer.result()
        except BaseException:
            while not answer.done():  # until the solve has begun, there is nothing that could be stopped
                solver.stop_search()
                time.sleep(_POLL_SECONDS)
            raise
    check_accepted(status, model)
    return status, seconds
