"""Threads that get the interpreter soon, while CP-SAT calls Python beside a search that is written in it."""

from __future__ import annotations

import sys
import threading

_INTERVAL = 0.0005  # seconds, a tenth of Python's own: CP-SAT's worker waits as long with each solution that it tells


class PromptThreads:
    """A context, which others may overlap, in which a thread that is at work lets others have the interpreter soon."""

    _lock = threading.Lock()
    _inside = 0
    _usual = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not PromptThreads._inside:
                PromptThreads._usual = sys.getswitchinterval()
                sys.setswitchinterval(min(_INTERVAL, self._usual))
            PromptThreads._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            PromptThreads._inside -= 1
            if not PromptThreads._inside:
                sys.setswitchinterval(self._usual)
