"""Ctrl-C as a flag, for work that must not be torn apart in the middle."""

from __future__ import annotations

import importlib
import signal
import threading
from collections.abc import Callable
from typing import Any, TypeVar

# The C module behind ``signal``, without the conversions from numbers to enums and back: a search for all solutions
# enters here once per solution, and a call takes 0.1 instead of 4 microseconds.
_signal: Any = importlib.import_module("_signal")
_SIGINT = int(signal.SIGINT)

Result = TypeVar("Result")


class DeferredInterrupt:
    """A context in which the first Ctrl-C is only noted; calling the object tells whether there was one.

    The body has to look. A second Ctrl-C raises ``KeyboardInterrupt`` at once. Outside the main thread, where signals
    cannot be caught, and where the program has its own handler, nothing is changed and the answer is always False.
    """

    def __init__(self) -> None:
        self._pressed = False
        self._installed = False

    def __enter__(self) -> DeferredInterrupt:
        main = threading.get_ident() == threading.main_thread().ident
        if main and _signal.getsignal(_SIGINT) is signal.default_int_handler:
            _signal.signal(_SIGINT, self._note)
            self._installed = True
        return self

    def __exit__(self, *error: object) -> None:
        if self._installed:
            _signal.signal(_SIGINT, signal.default_int_handler)

    def __call__(self) -> bool:
        """Tell whether Ctrl-C was pressed in the context."""
        return self._pressed

    def _note(self, signum: int, frame: object) -> None:
        if self._pressed:
            raise KeyboardInterrupt
        self._pressed = True


def uninterrupted(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a function that Ctrl-C must not tear apart, and hear of it afterwards.

    A function that numba compiles is loaded at its first call, by LLVM, which calls Python: Ctrl-C there is lost, or
    ends the process by signal 11.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed meanwhile.
    """
    with DeferredInterrupt() as interrupted:
        result = function(*arguments)
    if interrupted():
        raise KeyboardInterrupt
    return result
