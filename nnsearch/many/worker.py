"""A process that searches, and asks another process for scores."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import numpy.typing as npt

from nnsearch.encoding.encoder import State
from nnsearch.many.gathering import Gathering
from nnsearch.many.messages import Answer, Ask, Orders, Prepare, Prepared, Report, Setup, sendable, unpack
from nnsearch.many.search_task import solve_task
from nnsearch.many.shared_arrays import SharedArrays
from nnsearch.model.graph import CandidateGraph
from nnsearch.result import SolveResult
from nnsearch.scorers.cache import ScoreCache
from nnsearch.scorers.network import DirectEncoding, DirectState, Network

_REPORT_SECONDS = 0.05


def main(connection_descriptor: int, asked_descriptor: int, answered_descriptor: int) -> None:
    """Search until the other process closes the connection.

    Args:
        connection_descriptor: of the connection.
        asked_descriptor: of the memory that this process writes, see :class:`SharedArrays`.
        answered_descriptor: of the one that it reads.
    """
    # Dozens of searches keep many objects alive, hardly any of them in cycles. To look through all of them as often as
    # Python does by itself costs a fifth of the searches per second.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    connection = Connection(connection_descriptor)
    # The other process closes the connection when it has what it wanted, or is gone.
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        asked, answered = SharedArrays(asked_descriptor), SharedArrays(answered_descriptor)
        setup: Setup = connection.recv()
        while True:
            setup = _Worker(setup, connection, asked, answered).run()


class _Asking(Network):
    """The network of the other process; it scores what the searches of this one wait for, as batches."""

    def __init__(self, setup: Setup, connection: Connection, asked: SharedArrays, answered: SharedArrays) -> None:
        self.name = setup.name
        self.remote = _PreparedElsewhere(connection)
        self.encoder = self.remote if setup.encoder is None else setup.encoder
        self.abstains = setup.abstains
        self.batches = self.states = 0
        self.seconds = 0.0
        self._connection, self._asked, self._answered = connection, asked, answered

    def score(self, states: Sequence[State]) -> list[Any]:
        """Return for each state the scores, or what was raised."""
        started = time.perf_counter()
        layout = iter(self._asked.put([array for state in states for array in state.arrays]))
        self._connection.send(Ask([[next(layout) for _ in state.arrays] for state in states]))
        answer: Answer = self._connection.recv()
        self.batches += 1
        self.states += len(states)
        self.seconds += time.perf_counter() - started
        # Copies: the next answer goes to the same place.
        return [one if isinstance(one, Exception) else self._answered.get(one)[0].copy() for one in answer.scores]


class _PreparedElsewhere:
    """Has models prepared by the other process, for scorers that read states by themselves."""

    def __init__(self, connection: Connection) -> None:
        self.released: list[int] = []
        """Models that nobody asks about any more."""
        self._connection = connection

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None, name: str) -> DirectEncoding:
        self._connection.send(Prepare(graph, variables))
        prepared: Prepared = self._connection.recv()
        if isinstance(prepared.number, Exception):
            raise prepared.number
        encoding = DirectEncoding(graph, prepared.number)
        weakref.finalize(encoding, self.released.append, prepared.number)
        return encoding

    def state(self, arrays: Sequence[npt.NDArray[Any]]) -> DirectState:
        raise TypeError("states are made here, and read where the scorer is")


class _Worker:
    def __init__(self, setup: Setup, connection: Connection, asked: SharedArrays, answered: SharedArrays) -> None:
        self._connection = connection
        self._options, self._seats = setup.options, setup.seats
        self._scorer = _Asking(setup, connection, asked, answered)
        self._gathering: Gathering[int, SolveResult] = Gathering(
            self._scorer,
            self._scorer,
            max_batch=setup.max_batch,
            max_wait=setup.max_wait,
            cache=None if setup.cache_megabytes is None else ScoreCache(setup.cache_megabytes),
        )
        self._stopped: set[int] = set()

    def run(self) -> Setup:
        """Search until other searches are to come; return what they are like.

        Raises:
            EOFError: the connection ended.
        """
        ended: list[tuple[int, SolveResult | Exception]] = []
        reported = 0.0
        while True:
            if ended or not self._gathering or time.perf_counter() - reported > _REPORT_SECONDS:
                reply = self._report(ended)
                if isinstance(reply, Setup):
                    return reply
                self._take(reply)
                reported = time.perf_counter()
            ended = self._gathering.advance()
            self._stopped.difference_update(index for index, _ in ended)

    def _report(self, ended: list[tuple[int, SolveResult | Exception]]) -> Orders | Setup:
        outcomes = [(index, sendable(outcome)) for index, outcome in ended]
        released, self._scorer.remote.released[:] = self._scorer.remote.released.copy(), []
        self._connection.send(Report(outcomes, self._seats - len(self._gathering), self._gathering.count, released))
        reply: Orders | Setup = self._connection.recv()
        return reply

    def _take(self, orders: Orders) -> None:
        self._stopped.update(orders.stop)
        for index, packed in orders.start:
            self._start(index, packed)

    def _start(self, index: int, packed: bytes) -> None:
        self._gathering.start(
            index,
            lambda scorer, stop: solve_task(unpack(packed), self._options, scorer, stop),
            lambda: index in self._stopped,
        )
