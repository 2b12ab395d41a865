"""How much time the learned search takes beside CP-SAT, which has all workers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from nnsearch.processors import usable_cpus

_NAP = 0.005  # seconds; how soon the end of the race is heard in a pause


class Share:
    """A bound on the processor time of one thread, kept by pauses.

    At ``t`` seconds after it began, the thread has taken at most ``grant + share * t`` seconds of a processor. A step
    that cannot be interrupted may overdraw that where nobody knows how long it takes, and the next pause is longer.

    Args:
        grant: Seconds that it may take at once; infinite is no bound.
        share: Of every second, from 0 to 1.
        stop: Ends a pause.
    """

    def __init__(self, grant: float, share: float, stop: Callable[[], bool]) -> None:
        self._grant, self._share, self._stop = grant, share, stop
        self._failures, self._full_grant = 0.0, 0.0
        self._began, self._base = time.perf_counter(), time.thread_time()

    @classmethod
    def beside(cls, workers: int, grant: float, share: float, stop: Callable[[], bool]) -> Share:
        """Return the share beside CP-SAT: no bound where a processor is left over.

        Args:
            workers: Of CP-SAT.
            grant: Seconds for each processor.
            share: Of every second, for each processor.
            stop: Ends a pause.
        """
        processors = usable_cpus()
        return cls(math.inf if workers < processors else grant * processors, min(share * processors, 1.0), stop)

    def raise_until(self, failures: float, grant: float) -> None:
        """Take more seconds at once, as long as little fails.

        Args:
            failures: Where that ends.
            grant: Seconds for each processor.
        """
        self._failures, self._full_grant = failures, grant * usable_cpus()

    def note_failures(self, failures: int) -> None:
        """Take note of how many failures there were."""
        if failures >= self._failures:
            self._full_grant = 0.0

    def pause(self, elsewhere: float = 0.0, ahead: float = 0.0) -> None:
        """Wait until the thread may go on, or until the stop.

        Args:
            elsewhere: Seconds that another thread has worked for this one.
            ahead: Seconds that the next step may take, which cannot be interrupted.
        """
        self._base -= elsewhere
        while self._overdrawn(ahead) and not self._stop():
            time.sleep(_NAP)

    def _overdrawn(self, ahead: float) -> bool:
        allowed = max(self._grant, self._full_grant) + self._share * (time.perf_counter() - self._began)
        return time.thread_time() - self._base + ahead > allowed
