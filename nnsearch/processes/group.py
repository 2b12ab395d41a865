"""The processes that search, seen from the one that has the network."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from typing import TextIO, cast

from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.errors import ConfigError, NNSearchError
from nnsearch.gathering import GatherCount
from nnsearch.inference.batching import BatchedScorer, State
from nnsearch.inference.session import is_graph_scorer
from nnsearch.processes.messages import Answer, Ask, Orders, Prepare, Prepared, Report, Setup, sendable
from nnsearch.processes.models import pack
from nnsearch.processes.shared_arrays import SharedArrays, new_memory
from nnsearch.result import SolveResult
from nnsearch.scorer import AnyScorer
from nnsearch.search_options import AnyTask

# What multiprocessing starts would import the user's script once more, which then needs a guard.
_START = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the other one decides
import json, sys
paths, descriptors = json.loads(sys.stdin.readline())
sys.path[:] = paths
from nnsearch.processes.worker import main
main(*descriptors)
"""

_POLL_SECONDS = 0.05
_DYING_SECONDS = 1.0


class WorkerError(NNSearchError):
    """A process ended in the middle of its searches."""


@dataclass(eq=False)
class _Process:
    """One of the processes.

    Attributes:
        process: as the system knows it.
        connection: to it.
        asked: the memory that it writes.
        answered: the memory that it reads.
        searches: those it has, by index, with what says that they shall end.
        room: how many more it could start, while it waits for orders; else None.
        count: its costs when it last said them.
    """

    process: subprocess.Popen[str]
    connection: Connection
    asked: SharedArrays
    answered: SharedArrays
    searches: dict[int, Callable[[], bool] | None] = field(default_factory=dict)
    room: int | None = None
    count: GatherCount | None = None

    def close(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()
        for resource in (self.connection, self.asked, self.answered):
            with suppress(OSError):
                resource.close()


class ProcessGroup:
    """Concurrent searches in several processes whose inferences are gathered: in each process, and again here.

    Whatever the processes ask for while the network is busy is scored together as soon as it is free. A process that
    dies is replaced, and its searches end with a :class:`WorkerError`.

    Args:
        scorer: stays in this process.
        setup: what each process is told.
        processes: how many.

    Raises:
        ConfigError: this system cannot share memory in this way, or the setup cannot be sent.
    """

    def __init__(self, scorer: AnyScorer, setup: Setup, processes: int) -> None:
        if os.name != "posix":
            raise ConfigError(f"processes: expected 1 on {sys.platform}, got {processes}; more need a POSIX system")
        try:
            pickle.dumps(setup)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"processes: expected options that can be sent to another process, got {error}; use processes=1"
            ) from None
        self._scorer, self._setup, self._count = scorer, setup, processes
        self._batched = BatchedScorer(scorer)
        self._queue: deque[tuple[int, bytes, Callable[[], bool] | None]] = deque()
        self._refused: list[tuple[int, SolveResult | Exception]] = []
        self._replaced: list[_Process] = []
        self._processes: list[_Process] = []  # started with the first search
        self._stop_errors: dict[int, Exception] = {}  # what its stop raised, by index of a search

    def __len__(self) -> int:
        return len(self._queue) + len(self._refused) + sum(len(process.searches) for process in self._processes)

    @property
    def count(self) -> GatherCount:
        """The costs so far: inferences as they were here, the rest of all processes together."""
        counts = [one.count for one in self._processes + self._replaced if one.count is not None]
        return GatherCount(
            self._batched.batches,
            sum(count.states for count in counts),
            sum(count.recalled for count in counts),
            self._batched.seconds,
            sum(count.gathering_seconds for count in counts),
        )

    def start(self, index: int, model: AnyTask, stop: Callable[[], bool] | None = None) -> None:
        """Add a search.

        Args:
            index: of the model.
            model: is sent to a process.
            stop: asked in this process, some times a second; true ends the search.
        """
        try:
            self._queue.append((index, pack(model), stop))
        except Exception as error:
            self._refused.append((index, error))

    def advance(self) -> list[tuple[int, SolveResult | Exception]]:
        """Do what the processes ask for.

        Returns:
            The searches that ended, with their results or what was raised.

        Raises:
            WorkerError: a process could not even start.
        """
        ended, self._refused = self._refused, []
        while self._queue and len(self._processes) < self._count:
            self._processes.append(self._new_process())
        for process in self._processes:
            if process.room and self._queue:
                self._order(process)
        if ended:
            return ended
        questions: list[tuple[_Process, State]] = []
        connections = {process.connection: process for process in self._processes}
        for connection in wait(list(connections), _POLL_SECONDS):
            process = connections[connection]  # type: ignore[index]
            try:
                message = process.connection.recv()
            except Exception:  # its end, or something that cannot be read; the reader has only begun then
                ended += self._replace(process)
                continue
            if isinstance(message, Report):
                for index, outcome in message.ended:
                    del process.searches[index]
                    ended.append((index, self._stop_errors.pop(index, outcome)))
                process.room, process.count = message.room, message.count
                # One that has nothing to do is told when there is something.
                if process.searches or self._queue:
                    self._order(process)
            elif isinstance(message, Ask):
                questions.append((process, self._state(process.asked, message)))
            elif isinstance(message, Prepare):
                self._send(process, self._prepare(message))
        if questions:
            self._answer(questions)
        return ended

    def close(self) -> None:
        """End all processes and their searches."""
        while self._processes:
            self._replaced.append(self._processes.pop())
            self._replaced[-1].close()
        self._queue.clear()
        self._refused.clear()

    def _new_process(self) -> _Process:
        here, there = Pipe()
        asked, answered = new_memory(), new_memory()
        descriptors = [there.fileno(), asked, answered]
        process = subprocess.Popen(
            [sys.executable, "-c", _START], stdin=subprocess.PIPE, pass_fds=descriptors, text=True
        )
        there.close()
        new = _Process(process, here, SharedArrays(asked), SharedArrays(answered))
        paths = [path for path in sys.path if isinstance(path, str)]
        with suppress(OSError):  # it ended at once: the first look at its connection finds that out
            with cast(TextIO, process.stdin) as line:
                line.write(json.dumps([paths, descriptors]) + "\n")
            here.send(self._setup)
        return new

    def _replace(self, dead: _Process) -> list[tuple[int, SolveResult | Exception]]:
        with suppress(subprocess.TimeoutExpired):
            dead.process.wait(_DYING_SECONDS)
        dead.process.kill()
        code = dead.process.wait()
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        if dead.count is None:  # the next one would do no better
            raise WorkerError(
                f"processes: expected processes that can search, the first ended at once ({how}; its own words are on "
                "standard error); options of classes in a script's main module cannot be sent"
            )
        dead.close()
        self._replaced.append(dead)
        self._processes[self._processes.index(dead)] = self._new_process()
        reason = f"the process that searched ended ({how}), as for lack of memory; solve this model alone"
        return [(index, WorkerError(reason)) for index in dead.searches]

    def _order(self, process: _Process) -> None:
        # To each its share: the first that asks would have them all, and the others nothing to do.
        running = sum(len(one.searches) for one in self._processes)
        share = -(-(running + len(self._queue)) // self._count) - len(process.searches)
        start = []
        for _ in range(max(0, min(process.room or 0, share, len(self._queue)))):
            index, packed, stop = self._queue.popleft()
            start.append((index, packed))
            process.searches[index] = stop
        process.room = None
        self._send(
            process, Orders(start, [index for index, stop in process.searches.items() if self._ends(index, stop)])
        )

    def _ends(self, index: int, stop: Callable[[], bool] | None) -> bool:
        try:
            return stop is not None and bool(stop())
        except Exception as error:
            self._stop_errors[index] = error
            return True

    def _state(self, memory: SharedArrays, question: Ask) -> State:
        arrays = memory.get(question.layout)
        return GraphState(*arrays) if is_graph_scorer(self._scorer) else arrays[0]

    def _prepare(self, message: Prepare) -> Prepared:
        try:
            return Prepared(self._scorer.prepare(message.graph))  # type: ignore[union-attr]
        except Exception as error:
            return Prepared(sendable(error))

    def _answer(self, questions: list[tuple[_Process, State]]) -> None:
        answers = self._batched.score([state for _, state in questions])
        for (process, _), answer in zip(questions, answers, strict=True):
            if isinstance(answer, Exception):
                self._send(process, Answer(sendable(answer)))
            else:
                self._send(process, Answer(process.answered.put([answer])))

    def _send(self, process: _Process, message: Orders | Answer | Prepared) -> None:
        with suppress(OSError):  # it died; the next look at its connection finds that out
            process.connection.send(message)
