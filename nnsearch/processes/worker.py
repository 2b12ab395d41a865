"""A process that searches, and asks another process for scores."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import numpy.typing as npt

from nnsearch.encoding.candidate_graph import GraphState, arrays_of
from nnsearch.many.gathering import Gathering
from nnsearch.many.search_task import solve_task
from nnsearch.model.graph import CandidateGraph
from nnsearch.processes.messages import Answer, Ask, Orders, Prepare, Prepared, Report, Setup, sendable
from nnsearch.processes.models import unpack
from nnsearch.processes.shared_arrays import SharedArrays
from nnsearch.result import SolveResult
from nnsearch.scorers.batching import BatchedScorer
from nnsearch.scorers.cache import ScoreCache
from nnsearch.scorers.scorer import FloatArray

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


class _Asking:
    """Has arrays scored by the other process."""

    def __init__(self, name: str, connection: Connection, asked: SharedArrays, answered: SharedArrays) -> None:
        self.name = name
        self._connection, self._asked, self._answered = connection, asked, answered

    def _ask(self, arrays: Sequence[npt.NDArray[Any]]) -> FloatArray:
        self._connection.send(Ask(self._asked.put(arrays)))
        answer: Answer = self._connection.recv()
        if isinstance(answer.scores, Exception):
            raise answer.scores
        return self._answered.get(answer.scores)[0].copy()  # the next answer goes to the same place


class _AskingDense(_Asking):
    num_variables: int
    num_values: int

    def score(self, assignment: FloatArray) -> FloatArray:
        return self._ask([assignment])


class _AskingGraph(_Asking):
    pads_graphs: bool

    def prepare(self, graph: CandidateGraph) -> CandidateGraph:
        self._connection.send(Prepare(graph))
        prepared: Prepared = self._connection.recv()
        if isinstance(prepared.graph, Exception):
            raise prepared.graph
        return prepared.graph

    def score_graph(self, state: GraphState) -> FloatArray:
        return self._ask(arrays_of(state))


class _Worker:
    def __init__(self, setup: Setup, connection: Connection, asked: SharedArrays, answered: SharedArrays) -> None:
        self._connection = connection
        self._options, self._seats = setup.options, setup.seats
        self._scorer: _AskingDense | _AskingGraph
        if setup.size is None:
            self._scorer = _AskingGraph(setup.name, connection, asked, answered)
            self._scorer.pads_graphs = setup.pads_graphs
        else:
            self._scorer = _AskingDense(setup.name, connection, asked, answered)
            self._scorer.num_variables, self._scorer.num_values = setup.size
        self._gathering: Gathering[int, SolveResult] = Gathering(
            self._scorer,
            BatchedScorer(self._scorer),
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
        self._connection.send(Report(outcomes, self._seats - len(self._gathering), self._gathering.count))
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
