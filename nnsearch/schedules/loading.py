"""Loads what numba compiles, once in a process, beside whatever else goes on there."""

from __future__ import annotations

import functools
import importlib
import logging
import os
import threading
from collections.abc import Callable
from types import ModuleType

from nnsearch.errors import CompilerError
from nnsearch.model.stopping import StopCheck

_LOGGER = logging.getLogger("nnsearch")
_POLL_SECONDS = 0.005
_lock = threading.Lock()


def compiled(stop: Callable[[], bool] | None = None) -> ModuleType:
    """Return :mod:`nnsearch.schedules.moves`.

    It takes half a second at the first call in a process, and some ten seconds, in which it is compiled, at the first
    one on a machine.

    Args:
        stop: asked meanwhile; true gives up waiting, and lets the loading go on for later calls.

    Raises:
        CompilerError: numba cannot be imported, cannot compile it, or has no place to keep it.
        ReadingStoppedError: ``stop`` said so.
    """
    check = StopCheck(stop)
    with _lock:
        thread = _loading()
    while thread.is_alive():
        check.now()
        thread.join(_POLL_SECONDS)
    return thread.result()


def is_compiled() -> bool:
    """Tell whether :func:`compiled` has been called, and would not have to wait."""
    with _lock:
        return _loading.cache_info().currsize > 0 and not _loading().is_alive()


class Loading(threading.Thread):
    """Imports the module, and compiles or loads its functions.

    It is no daemon: Python waits for it at the exit, lest LLVM is torn apart.
    """

    def __init__(self) -> None:
        super().__init__(name="loads nnsearch.schedules.moves", daemon=False)  # else it would be what its maker is
        self._module: ModuleType | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        """Load it; where that goes wrong, say so once."""
        try:
            module = importlib.import_module("nnsearch.schedules.moves")
            module.load()
            self._module = module
        except Exception as error:
            self._error = error
            _LOGGER.warning("tabu search on schedules is left out: %s", self._why())

    def result(self) -> ModuleType:
        """Return the module; for its errors see :func:`compiled`."""
        if self._module is None:
            raise CompilerError(self._why()) from self._error
        return self._module

    def _why(self) -> str:
        return (
            f"expected numba to compile nnsearch.schedules.moves, got {type(self._error).__name__}: {self._error}; "
            "upgrade numba, or where it has no place to keep what it compiles set NUMBA_CACHE_DIR to a folder that can "
            "be written"
        )


@functools.cache
def _loading() -> Loading:
    thread = Loading()
    thread.start()
    return thread


if hasattr(os, "register_at_fork"):  # a child has no such thread, and loads by itself
    os.register_at_fork(after_in_child=_loading.cache_clear)
