"""Loads machine code once in a process, and has it made where there is none on this machine."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from nnsearch.errors import CompilerError
from nnsearch.model.stopping import StopCheck

if TYPE_CHECKING:
    from nnsearch.compiled.machine_code import MachineCode

_LOGGER = logging.getLogger("nnsearch")
_POLL_SECONDS = 0.005
_MAKING = "NNSEARCH_MAKES_CODE"
_ERROR = re.compile(r"^[\w.]+(?:Error|Exception)\b.*$", re.MULTILINE)
_MAKE = """
import json, sys
sys.path[:], folders = json.loads(sys.argv[1])
from nnsearch.compiling.making import main
main(folders)
"""


def compiled(stop: Callable[[], bool] | None = None) -> MachineCode:
    """Return the machine code of this version.

    It takes a twentieth of a second at the first call in a process. At the first one on a machine it is made, in some
    fifteen seconds, by a process that goes on where nobody waits for it any more, unless the system ends it with the
    program.

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
        self._why: str | None = None

    def load(self) -> MachineCode | None:
        """Return it; None while it is made."""
        if self._why is None and self.code is None and (self._making is None or self._making.poll() is not None):
            try:
                self._why = self._load_or_make()
            except Exception as error:
                self._why = f"{type(error).__name__}: {error}"
            if self._why is not None:
                _LOGGER.warning("tabu search on schedules and annealing are left out: %s", _refusal(self._why))
        if self._why is not None:
            raise CompilerError(_refusal(self._why))
        return self.code

    def wait(self, seconds: float) -> None:
        """Wait for its making, for some time."""
        making = self._making
        if making is not None:
            with suppress(subprocess.TimeoutExpired):
                making.wait(seconds)

    def _load_or_make(self) -> str | None:
        """Load it, or begin to make it; return why it could not be made."""
        from nnsearch.compiled.machine_code import MachineCode, code_in, file_name

        folders = _folders()
        for folder in folders:
            code = code_in(folder / file_name())
            if code is not None:
                self.code = MachineCode(code)
                return None
        if self._making is not None and self._said is not None:
            self._said.seek(0)
            said = self._said.read().decode(errors="replace")
            lines = _ERROR.findall(said) or [f"exit code {self._making.returncode}"]
            return str(lines[-1])
        if _MAKING in os.environ:
            return "a program that is no Python but was asked to be one"
        from multiprocessing.spawn import get_executable  # which programs that embed Python can set

        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - the process writes to it
        asked = json.dumps([[place for place in sys.path if isinstance(place, str)], [str(place) for place in folders]])
        environment = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
        self._making = subprocess.Popen(
            [get_executable(), "-P", "-c", _MAKE, asked],  # -P: nothing is imported from the folder that it begins in
            env={**environment, _MAKING: "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,  # Ctrl-C is for the program
        )
        return None


def _refusal(why: str) -> str:
    return (
        f"expected numba to make machine code, got {why}; upgrade numba, or where "
        "no folder can be written set NNSEARCH_CACHE_DIR to one that only you can write"
    )


def _folders() -> list[Path]:
    """Return where machine code may be: beside the source, or in the user's folder."""
    asked = os.environ.get("NNSEARCH_CACHE_DIR")
    if asked:
        return [Path(asked)]
    folders = [Path(__file__).with_name("__pycache__")]
    with suppress(RuntimeError):  # there may be no home
        folders.append(Path.home() / ".cache" / "nnsearch")
    return folders


_loader = _Loader()


def _forked() -> None:
    """Let a child have what was loaded, but neither the lock nor what the parent waits for."""
    global _loader
    _loader = _Loader(_loader.code)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
