"""Loads machine code once in a process, and has it made where there is none on this machine."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from nnsearch.errors import CompilerError
from nnsearch.model.stopping import StopCheck

if TYPE_CHECKING:
    from nnsearch.schedules.machine_code import MachineCode

_LOGGER = logging.getLogger("nnsearch")
_POLL_SECONDS = 0.005
_MAKE = """
import json, sys
sys.path[:], folders = json.loads(sys.argv[1])
from nnsearch.schedules.compiling import main
main(folders)
"""


def compiled(stop: Callable[[], bool] | None = None) -> MachineCode:
    """Return the machine code of :mod:`nnsearch.schedules.moves`.

    It takes a twentieth of a second at the first call in a process. At the first one on a machine it is made, in some
    fifteen seconds, by a process that goes on where nobody waits for it any more.

    Args:
        stop: asked meanwhile; true gives up waiting.

    Raises:
        CompilerError: numba or LLVM cannot be imported, or cannot make it, or no folder can be written.
        ReadingStoppedError: ``stop`` said so.
    """
    check = StopCheck(stop)
    while True:
        check.now()
        with _loader.lock:
            code = _loader.load()
        if code is not None:
            return code
        _loader.wait(_POLL_SECONDS)


class _Loader:
    """What a process has of machine code."""

    def __init__(self, code: MachineCode | None = None) -> None:
        self.lock = threading.Lock()
        self.code = code
        self._making: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._error: CompilerError | None = None

    def load(self) -> MachineCode | None:
        """Return it; None while it is made."""
        if self._error is not None:
            raise self._error
        if self.code is None and (self._making is None or self._making.poll() is not None):
            try:
                self._load_or_make()
            except CompilerError:
                raise
            except Exception as error:
                self._fail(f"{type(error).__name__}: {error}", error)
        return self.code

    def wait(self, seconds: float) -> None:
        """Wait for its making, for some time."""
        making = self._making
        if making is not None:
            try:
                making.wait(seconds)
            except subprocess.TimeoutExpired:
                return

    def _load_or_make(self) -> None:
        from nnsearch.schedules.machine_code import MachineCode, file_name, read

        folders = _folders()
        for folder in folders:
            code = read(folder / file_name())
            if code is not None:
                self.code = MachineCode(code)
                return
        if self._said is not None:
            self._said.seek(0)
            lines = self._said.read().decode(errors="replace").split("\n")
            self._fail(next((line for line in reversed(lines) if line.strip()), "nothing"))
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - the process writes to it
        asked = json.dumps([sys.path, [str(folder) for folder in folders]])
        self._making = subprocess.Popen(
            [sys.executable, "-c", _MAKE, asked],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,  # Ctrl-C is for the program
        )

    def _fail(self, why: str, cause: Exception | None = None) -> None:
        if self._error is None:
            self._error = CompilerError(
                f"expected numba to make machine code of nnsearch.schedules.moves, got {why}; upgrade numba, or where "
                "no folder can be written set NNSEARCH_CACHE_DIR to one that can"
            )
            _LOGGER.warning("tabu search on schedules is left out: %s", self._error)
        raise self._error from cause


def _folders() -> list[Path]:
    """Return where machine code may be: beside the source, or in the user's folder."""
    asked = os.environ.get("NNSEARCH_CACHE_DIR")
    return [Path(asked)] if asked else [Path(__file__).with_name("__pycache__"), Path.home() / ".cache" / "nnsearch"]


_loader = _Loader()


def _forked() -> None:
    """Let a child have what was loaded, but neither the lock nor what the parent waits for."""
    global _loader
    _loader = _Loader(_loader.code)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
