"""A process that searches, and asks another process for scores."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from nnsearch.encoding.encoder import FloatArray, State
from nnsearch.many.channel import Channel
from nnsearch.many.gathering import Gathering
from nnsearch.many.messages import Ask, Orders, Prepare, Report, Setup, sendable
from nnsearch.model.graph import CandidateGraph
from nnsearch.result import SolveResult
from nnsearch.scorers.batching import BatchedScorer
from nnsearch.scorers.cache import ScoreCache
from nnsearch.scorers.network import DirectEncoding, Network

_REPORT_SECONDS = 0.05


def main(connection: int, written: int, read: int) -> None:
    """Search until the other process closes the connection; the descriptors are those of a :class:`Channel`."""
    # Dozens of searches keep many objects alive, hardly any of them in cycles. To look through all of them as often as
    # Python does by itself costs a fifth of the searches per second.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    channel = Channel(Connection(connection), written, read)
    # The other process closes the connection when it has what it wanted, or is gone.
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        setup = channel.receive()
        while True:
            setup = _search(setup, channel)


def _search(setup: Setup, channel: Channel) -> Setup:
    """Search until other searches are to come; return what they are like."""
    network = _NetworkElsewhere(setup, channel)
    gathering = Gathering(
        _CheckedElsewhere(network),
        setup.options,
        max_batch=setup.max_batch,
        max_wait=setup.max_wait,
        cache=None if setup.cache_megabytes is None else ScoreCache(setup.cache_megabytes),
    )
    stopped: set[int] = set()
    ended: list[tuple[int, SolveResult | Exception]] = []
    reported = 0.0
    while True:
        if ended or not gathering or time.perf_counter() - reported > _REPORT_SECONDS:
            outcomes = [(index, sendable(outcome)) for index, outcome in ended]
            released, network.models.released = network.models.released, []
            channel.send(Report(outcomes, setup.seats - len(gathering), gathering.count, released))
            reply: Orders | Setup = channel.receive()
            if isinstance(reply, Setup):
                return reply
            stopped.update(reply.stop)
            for index, packed in reply.start:
                gathering.start(index, packed, lambda index=index: index in stopped)  # type: ignore[misc]
            reported = time.perf_counter()
        ended = gathering.advance()
        stopped.difference_update(index for index, _ in ended)


class _NetworkElsewhere(Network):
    """The network of the other process."""

    def __init__(self, setup: Setup, channel: Channel) -> None:
        self.name, self.abstains = setup.name, setup.abstains
        self.models = _PreparedElsewhere(channel)
        self.encoder = self.models if setup.encoder is None else setup.encoder
        self._channel = channel

    def score(self, states: Sequence[State]) -> list[Any]:
        """Return for each state the scores, or what was raised."""
        self._channel.send(Ask(states), by_memory=True)
        answers = self._channel.receive()
        return [one if isinstance(one, Exception) else one.copy() for one in answers]


class _CheckedElsewhere(BatchedScorer):
    """Takes the answers as they are: the other process has looked for trouble state by state."""

    def score_together(self, states: Sequence[State]) -> list[FloatArray | Exception]:
        return [*self.network.score(states)]


class _PreparedElsewhere:
    """Has models prepared by the other process, for scorers that read states by themselves."""

    def __init__(self, channel: Channel) -> None:
        self.released: list[int] = []
        """Models that nobody asks about any more."""
        self._channel = channel

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None, name: str) -> DirectEncoding:
        self._channel.send(Prepare(graph, variables))
        number: int | Exception = self._channel.receive()
        if isinstance(number, Exception):
            raise number
        encoding = DirectEncoding(graph, number)
        weakref.finalize(encoding, lambda: self.released.append(number))
        return encoding
