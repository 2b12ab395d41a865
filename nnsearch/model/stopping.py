"""The end of the reading of a model that somebody no longer waits for."""

from __future__ import annotations

from collections.abc import Callable

_EVERY = 256  # small steps between two questions


class ReadingStoppedError(Exception):
    """A model was not read to its end, because a stop was asked for. No error of the caller's: who asked catches it."""


class StopCheck:
    """Asks whether to go on, from within loops."""

    def __init__(self, stop: Callable[[], bool] | None = None) -> None:
        self._stop = stop
        self._steps = 0

    def now(self) -> None:
        """Ask; raise a :class:`ReadingStoppedError` where the answer is to stop."""
        if self._stop is not None and self._stop():
            raise ReadingStoppedError

    def step(self, count: int = 1) -> None:
        """Ask after every few hundred steps, for loops whose rounds take microseconds; ``count`` are taken at once."""
        self._steps += count
        if self._steps >= _EVERY:
            self._steps = 0
            self.now()
