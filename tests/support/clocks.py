"""Clocks for searches whose tests must not depend on how fast a machine is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nnsearch.limits import CLOCK


class Ticks:
    """In place of the module ``time``: so many seconds pass from one question to the next, and no others."""

    def __init__(self, seconds: float = 1e-4) -> None:
        self._seconds, self._questions = seconds, 0

    def perf_counter(self) -> float:
        self._questions += 1
        return self._seconds * self._questions


class HandClock:
    """In place of the module ``time``: it is ``now`` until somebody says that it is later."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@contextmanager
def ticking() -> Iterator[None]:
    """Charge searches by how often they ask for the time."""
    before = CLOCK.set(Ticks().perf_counter)
    try:
        yield
    finally:
        CLOCK.reset(before)
