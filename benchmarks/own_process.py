"""Calls in a process of its own, which is ended when one takes too long: compiled code knows no limit."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.pool import Pool
from typing import Any

_START_SECONDS = 120.0


class OwnProcess:
    """One process, made when it is first needed; :meth:`close` ends it.

    Args:
        load: called in a new process before anything else, so that no limit pays for what it imports and compiles.
        arguments: of it.
    """

    def __init__(self, load: Callable[..., object], *arguments: Any) -> None:
        self._load, self._arguments = load, arguments
        methods = multiprocessing.get_all_start_methods()
        # A fork server that has loaded the module makes the next process in no time.
        self._context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if "forkserver" in methods:
            self._context.set_forkserver_preload([load.__module__])
        self._pool: Pool | None = None

    def call(self, function: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        """Return what the function returns there.

        Raises:
            multiprocessing.TimeoutError: it took longer; the process is gone.
            Exception: whatever the function raises.
        """
        try:
            if self._pool is None:
                self._pool = self._context.Pool(1, signal.signal, (signal.SIGINT, signal.SIG_IGN))
                self._pool.apply_async(self._load, self._arguments).get(_START_SECONDS)
            return self._pool.apply_async(function, arguments).get(seconds)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()
            self._pool = None
