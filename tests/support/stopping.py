"""Solves that would go on for minutes, stopped when they have shown what a test wants to see, or when they hang."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stand_ins import PATIENCE

from nnsearch.cpsat import CpSolver


@contextmanager
def stopped_after_the_first(solver: CpSolver, seconds: float) -> Iterator[Callable[[], None]]:
    """Yield what a callback calls at each solution: so many seconds after the first call the solve is stopped.

    However slow the machine, there is a solution by then, as under a limit of time there need not be.
    """
    timers: list[threading.Timer] = []

    def note() -> None:
        if not timers:
            timers.append(threading.Timer(seconds, solver.stop_search))
            timers[0].start()

    yield note
    for timer in timers:
        timer.cancel()
        timer.join()


@contextmanager
def bounded(seconds: float = PATIENCE) -> Iterator[None]:
    """Fail if what is done here has not ended after so many seconds; only in the main thread."""

    def expire(*_: object) -> None:
        raise AssertionError(f"it has not ended after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
