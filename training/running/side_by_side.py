"""One function over a few long tasks, in several processes of this machine."""

from __future__ import annotations

import _thread
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from nnsearch.errors import NNSearchError
from nnsearch.interrupt import DeferredInterrupt

Task = TypeVar("Task")
Result = TypeVar("Result")

_STOP_SECONDS = 20.0
"""For a process that was asked to stop: it writes a checkpoint first."""


class SideBySideError(NNSearchError):
    """A process ended before its task did."""


def side_by_side(
    function: Callable[[Task], Result], tasks: Iterable[Task], processes: int
) -> Generator[tuple[Task, Result], None, None]:
    """Yield each task with what the function makes of it, as they finish; all of that is pickled.

    Every task has a process of its own, which takes seconds to start. Ctrl-C reaches this process alone, which asks the
    others to stop as Ctrl-C would, and waits for them; they stop so too when this process is killed. Close the
    generator to give up what is under way.

    Raises:
        SideBySideError: a process ended in the middle of its task.
        NNSearchError: the function raised it.
        OSError: likewise.
    """
    context = multiprocessing.get_context("spawn")
    waiting = iter(tasks)
    running: dict[Connection, tuple[SpawnProcess, Task, int]] = {}
    try:
        while True:
            for row in sorted(set(range(1, processes + 1)) - {row for _, _, row in running.values()}):
                for task in waiting:
                    ours, theirs = context.Pipe()
                    process = context.Process(target=_work, args=(theirs, function, task), daemon=True)
                    with _progress_in_row(row), _interrupt_held():
                        process.start()
                        theirs.close()
                        running[ours] = (process, task, row)
                    break
            if not running:
                return
            ready = set(wait(list(running)))
            for connection in [connection for connection in running if connection in ready]:
                process, task, _ = running.pop(connection)
                yield task, _answer(connection, process)
    finally:
        for connection in running:
            connection.close()  # this is what asks it to stop
        for process, _, _ in running.values():
            process.join(_STOP_SECONDS)
            process.kill()


def _answer(connection: Connection, process: SpawnProcess) -> Any:
    """Return what a process sent, or raise it."""
    try:
        done, answer = connection.recv()
    except (EOFError, OSError):
        process.join()
        code = process.exitcode or 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise SideBySideError(f"a process {how} in the middle of its task; the same command goes on") from None
    process.join()
    connection.close()  # only now: this is what asks a process to stop
    if not done:
        raise answer
    return answer


def _work(connection: Connection, function: Callable[[Task], Result], task: Task) -> None:
    """Do one task; the main function of a process."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # a Ctrl-C of the terminal is for the process that started this one
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # one that came before, too; see _interrupt_held
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=_stop_with, args=(connection,), daemon=True).start()
        try:
            answer: tuple[bool, Any] = (True, function(task))
        except (NNSearchError, OSError) as error:
            answer = (False, error)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to be stopped
    except KeyboardInterrupt:
        sys.exit(130)
    with suppress(OSError):  # nobody waits for it
        connection.send(answer)


def _stop_with(connection: Connection) -> None:
    """Do what Ctrl-C does once the other end of the connection is closed, or its process is gone."""
    with suppress(EOFError, OSError):
        connection.recv()
    if hasattr(signal, "pthread_kill"):
        # A real signal ends a call that waits, too.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()


@contextmanager
def _interrupt_held() -> Iterator[None]:
    """Start a process that Ctrl-C does not reach while it imports what it needs; here Ctrl-C comes a moment later."""
    with DeferredInterrupt() as interrupted:  # other threads of this process still take the signal, for the main one
        if hasattr(signal, "pthread_sigmask"):
            resource_tracker.ensure_running()  # starting it would unblock the signal
            before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
            try:
                yield
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        else:
            yield
    if interrupted():
        raise KeyboardInterrupt


@contextmanager
def _progress_in_row(row: int) -> Iterator[None]:
    """Have progress bars of a process that is started now drawn in a row of their own."""
    before = os.environ.get("TQDM_POSITION")
    os.environ["TQDM_POSITION"] = str(row)
    try:
        yield
    finally:
        if before is None:
            del os.environ["TQDM_POSITION"]
        else:
            os.environ["TQDM_POSITION"] = before
