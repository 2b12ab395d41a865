"""Processes that begin as copies of one that has imported what would take each of them seconds."""

from __future__ import annotations

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
    process = context().Process(target=_run, args=(program, [*map(str, arguments)]))
    process.start()
    limit = time.monotonic() + 3 * PATIENCE
    while not reached():
        assert process.is_alive(), process.exitcode
        assert time.monotonic() < limit
        time.sleep(0.002)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def _run(program: str, arguments: Sequence[str]) -> None:
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    sys.exit(importlib.import_module(f"{program}.__main__").main(arguments))
