"""The processes that search, seen from the one that has the network."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from typing import cast

from nnsearch.encoding.encoder import State
from nnsearch.errors import ConfigError, NNSearchError
from nnsearch.many.gathering import GatherCount
from nnsearch.many.messages import Ask, Orders, Prepare, Report, Setup, sendable
from nnsearch.many.search_process import SearchProcess
from nnsearch.many.search_processes import SearchProcesses
from nnsearch.many.search_task import AnyTask, pack
from nnsearch.result import SolveResult
from nnsearch.scorers.batching import BatchedScorer
from nnsearch.scorers.network import DirectEncoding, Network

_POLL_SECONDS = 0.05
_DYING_SECONDS = 1.0


class WorkerError(NNSearchError):
    """A process ended in the middle of its searches."""


class ProcessGroup:
    """Concurrent searches in several processes whose inferences are gathered: in each process, and again here.

    Whatever the processes ask for while the network is busy is scored together as soon as it is free. A process that
    dies is replaced, and its searches end with a :class:`WorkerError`.

    Args:
        scorer: stays in this process.
        setup: what each process is told.
        processes: how many, or those that are kept.
        most_questions: how many processes may have their states in one inference; None is all.

    Raises:
        ConfigError: this system cannot share memory in this way, or the setup cannot be sent.
    """

    def __init__(
        self, scorer: Network, setup: Setup, processes: int | SearchProcesses, most_questions: int | None = None
    ) -> None:
        self._kept = SearchProcesses(processes) if isinstance(processes, int) else processes
        self._are_own = isinstance(processes, int)
        self._number = self._kept.number
        if os.name != "posix":
            raise ConfigError(f"processes: expected 1 on {sys.platform}, got {self._number}; more need a POSIX system")
        self._kept.check_open()
        try:
            pickle.dumps(setup)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"processes: expected options that can be sent to another process, got {error}; use processes=1"
            ) from None
        self._setup, self._most_questions = setup, most_questions
        self._batched = BatchedScorer(scorer)
        self._queue: deque[tuple[int, bytes, Callable[[], bool]]] = deque()
        self._refused: list[tuple[int, SolveResult | Exception]] = []
        self._counts: list[GatherCount] = []  # of processes that are gone
        self._processes: list[SearchProcess] = []  # from the first search on
        self._stop_errors: dict[int, Exception] = {}  # what its stop raised, by index of a search

    def __len__(self) -> int:
        return len(self._queue) + len(self._refused) + sum(len(process.searches) for process in self._processes)

    @property
    def count(self) -> GatherCount:
        """The costs so far: inferences as they were here, the rest of all processes together."""
        counts = self._counts + [one.count for one in self._processes]
        return GatherCount(
            self._batched.batches,
            sum(count.states for count in counts),
            sum(count.recalled for count in counts),
            self._batched.seconds,
            sum(count.gathering_seconds for count in counts),
        )

    def start(self, index: int, task: AnyTask, stop: Callable[[], bool]) -> None:
        """Add a search; ``stop`` is asked in this process, some times a second, and true ends the search."""
        try:
            self._queue.append((index, pack(task), stop))
        except Exception as error:
            self._refused.append((index, error))

    def advance(self) -> list[tuple[int, SolveResult | Exception]]:
        """Do what the processes ask for; return the searches that ended, with their results or what was raised.

        Raises:
            WorkerError: a process could not even start.
        """
        ended, self._refused = self._refused, []
        if self._queue and not self._processes:
            for process in self._kept.lend():
                self._add(process)
        while self._queue and len(self._processes) < self._number:
            self._add(SearchProcess.start())
        for process in self._processes:
            if process.room and self._queue:
                self._order(process)
        if ended:
            return ended
        questions: list[tuple[SearchProcess, Sequence[State]]] = []
        processes = {process.channel.fileno(): process for process in self._processes}
        for descriptor in wait(list(processes), _POLL_SECONDS):
            process = processes[cast(int, descriptor)]
            try:
                message = process.channel.receive()
            except Exception:  # it ended, or broke off in the middle of a message
                ended += self._replace(process)
                continue
            if isinstance(message, Report):
                for index, outcome in message.ended:
                    del process.searches[index]
                    ended.append((index, self._stop_errors.pop(index, outcome)))
                process.take_note(message)
                # One that has nothing to do is told when there is something.
                if process.room is not None and (process.searches or self._queue):
                    self._order(process)
            elif isinstance(message, Ask):
                questions.append((process, message.states))
            elif isinstance(message, Prepare):
                process.send(self._prepare(process, message))
        at_once = self._most_questions or len(questions)
        while questions:
            self._answer(questions[:at_once])
            del questions[:at_once]
        return ended

    def close(self) -> None:
        """End all searches, and the processes that are not kept."""
        while self._processes:
            process = self._processes.pop()
            self._counts.append(process.count)
            self._kept.take_back(process)
        if self._are_own:
            self._kept.close()
        self._queue.clear()
        self._refused.clear()

    def _add(self, process: SearchProcess) -> None:
        process.set_up(self._setup)
        self._processes.append(process)

    def _replace(self, dead: SearchProcess) -> list[tuple[int, SolveResult | Exception]]:
        with suppress(subprocess.TimeoutExpired):
            dead.process.wait(_DYING_SECONDS)
        dead.process.kill()
        code = dead.process.wait()
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        if not dead.has_spoken:  # the next one would do no better
            raise WorkerError(
                f"processes: expected processes that can search, the first ended at once ({how}; its own words are on "
                "standard error); options of classes in a script's main module cannot be sent"
            )
        dead.close()
        self._processes.remove(dead)
        self._counts.append(dead.count)
        self._add(SearchProcess.start())
        reason = f"the process that searched ended ({how}), as for lack of memory; solve this model alone"
        return [(index, WorkerError(reason)) for index in dead.searches]

    def _order(self, process: SearchProcess) -> None:
        # To each its share: the first that asks would have them all, and the others nothing to do.
        running = sum(len(one.searches) for one in self._processes)
        share = -(-(running + len(self._queue)) // self._number) - len(process.searches)
        start = []
        for _ in range(max(0, min(process.room or 0, share, len(self._queue)))):
            index, packed, stop = self._queue.popleft()
            start.append((index, packed))
            process.searches[index] = stop
        process.room = None
        process.send(Orders(start, [index for index, stop in process.searches.items() if self._ends(index, stop)]))

    def _ends(self, index: int, stop: Callable[[], bool]) -> bool:
        try:
            return bool(stop())
        except Exception as error:
            self._stop_errors[index] = error
            return True

    def _prepare(self, process: SearchProcess, message: Prepare) -> int | Exception:
        network = self._batched.network
        try:
            encoding = network.encoder.prepare(message.graph, message.variables, network.name)
        except Exception as error:
            return sendable(error)
        assert isinstance(encoding, DirectEncoding)  # others are prepared where they are needed
        process.prepared[encoding.number] = encoding
        return encoding.number

    def _answer(self, questions: list[tuple[SearchProcess, Sequence[State]]]) -> None:
        answers = iter(self._batched.score([state for _, states in questions for state in states]))
        for process, states in questions:
            process.send([sendable(next(answers)) for _ in states], by_memory=True)
