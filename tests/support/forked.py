"""Processes that begin as copies of one that has imported what would take each of them seconds."""

from __future__ import annotations

import contextlib
import functools
import importlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

from stand_ins import PATIENCE

_IMPORTED = ["training.cli.fit", "torch._dynamo", "torch.utils.tensorboard", "onnxscript"]


@functools.cache
def context() -> ForkServerContext:
    """Return how such processes are started; all of a run of pytest are copies of the same one."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # one that was started before has imported less
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(_IMPORTED)
    forkserver.ensure_running()
    return made


def kill_when(reached: Callable[[], bool], program: str, arguments: Sequence[object]) -> None:
    """Run the command line of a package, such as ``training``, and kill it by signal 9 once it has got somewhere."""
    assert _end_when(reached, program, arguments, signal.SIGKILL, os.devnull) == -signal.SIGKILL


def interrupt_when(reached: Callable[[], bool], program: str, arguments: Sequence[object], errors: Path) -> int | None:
    """Press Ctrl-C instead, and return the exit code; the file has what was said on standard error."""
    return _end_when(reached, program, arguments, signal.SIGINT, errors)


def _end_when(
    reached: Callable[[], bool],
    program: str,
    arguments: Sequence[object],
    by: signal.Signals,
    errors: str | Path,
) -> int | None:
    process = context().Process(target=_run, args=(program, [*map(str, arguments)], errors))
    process.start()
    limit = time.monotonic() + 3 * PATIENCE
    while not reached():
        assert process.is_alive(), process.exitcode
        assert time.monotonic() < limit
        time.sleep(0.002)
    assert process.pid is not None
    with contextlib.suppress(ProcessLookupError):  # it had just ended
        os.kill(process.pid, by)
    process.join()
    return process.exitcode


def _run(program: str, arguments: Sequence[str], errors: str | Path) -> None:
    for stream, file in ((1, os.devnull), (2, errors)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), stream)
    sys.exit(importlib.import_module(f"{program}.__main__").main(arguments))
