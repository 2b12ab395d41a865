"""How far a trial is."""

from __future__ import annotations

import sys
import time


class RunProgress:
    """On a terminal, the run at work and the time left."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._width = 0

    def __call__(self, done: int, total: int, arm: str) -> None:
        """Show what begins now, and how long all that is left will take at the speed so far."""
        if sys.stderr.isatty():
            left = f", {(time.perf_counter() - self._started) / done * (total - done):.0f} s left" if done else ""
            line = f"run {done + 1} of {total}: {arm}{left}"
            self.wipe()
            self._width = len(line)
            sys.stderr.write(line)
            sys.stderr.flush()

    def wipe(self) -> None:
        """Make room for a line of output."""
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            self._width = 0
