"""Searches that take turns in one thread and have their states scored together.

The CP engine calls back into Python at its nodes and can only be left there on a stack of its own. Threads have one,
and so have greenlets, which switch in a microsecond where threads take tens of them. Nothing is lost by one thread:
the engine holds the interpreter's lock while it propagates.
"""

from __future__ import annotations

import contextvars
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

import greenlet
import numpy as np

from nnsearch.encoding.encoder import FloatArray, State
from nnsearch.limits import CLOCK
from nnsearch.scorers.cache import ScoreCache, key_of
from nnsearch.scorers.network import Network

K = TypeVar("K")
R = TypeVar("R")

_SLICE_SECONDS = 0.002  # a search that asks for nothing lets the others go on after this
_PATIENCE = 4  # times the usual seconds between two questions of a search; then the others are answered without it
_MEMORY = 0.98  # how much of what was usual remains after one question


class Batches(Protocol):
    """What scores the states of several searches, as :class:`nnsearch.scorers.batching.BatchedScorer` does."""

    batches: int
    states: int
    seconds: float

    def score(self, states: Sequence[State]) -> list[FloatArray | Exception]:
        """Return the scores of each state, or what went wrong with it."""
        ...


@dataclass(frozen=True)
class GatherCount:
    """What many searches cost, apart from the searches themselves.

    Attributes:
        batches: inferences.
        states: scored in them.
        recalled: states whose scores the cache had, or which were asked for twice in one batch.
        inference_seconds: wall time in the inferences.
        gathering_seconds: wall time in neither a search, an inference, nor a wait for another process.
    """

    batches: int
    states: int
    recalled: int
    inference_seconds: float
    gathering_seconds: float

    @property
    def mean_batch(self) -> float:
        """States of one inference."""
        return self.states / self.batches if self.batches else 0.0

    @property
    def hit_rate(self) -> float:
        """Share of the states whose scores were known, from 0 to 1."""
        return self.recalled / (self.states + self.recalled) if self.recalled else 0.0


class Gathering(Generic[K, R]):
    """Concurrent searches whose inferences are gathered.

    The searches take turns: each goes on until it needs scores, or pauses at a node after two milliseconds without.
    The states are scored by one inference when all searches wait, or ``max_batch`` do, or one has for ``max_wait``
    seconds, or those that do not wait take much longer than usual to ask: they run on, and the others with them. One
    that ends is gone at once.

    To be used from one thread. Each search has its own :data:`nnsearch.limits.CLOCK`, which runs while the search does
    and has an equal part of the inferences it shares.

    Args:
        scorer: whose name and encoder the searches see.
        batches: what scores the states.
        max_batch: states of one inference at most; None is all that wait.
        max_wait: seconds.
        cache: of scores; equal states are then scored once, also within a batch. None is no cache.
    """

    def __init__(
        self,
        scorer: Network,
        batches: Batches,
        *,
        max_batch: int | None = None,
        max_wait: float = 0.5,
        cache: ScoreCache | None = None,
    ) -> None:
        self._seconds = 0.0  # in advance()
        self._search_seconds = 0.0  # of these, inside the searches
        self._recalled = 0
        self._scorer, self._batches = scorer, batches
        self._max_batch, self._max_wait = max_batch, max_wait
        self._cache = cache
        self._ready: deque[tuple[_Search[K, R], Any]] = deque()  # with what its switch returns
        self._waiting: list[_Wait[K, R]] = []
        self._usual: float | None = None  # running seconds between two questions of a search

    def __len__(self) -> int:
        """Return how many searches have not ended."""
        return len(self._ready) + len(self._waiting)

    @property
    def count(self) -> GatherCount:
        """The costs so far."""
        batches = self._batches
        outside = self._seconds - self._search_seconds - batches.seconds
        unfinished = [search for search, _ in self._ready] + [wait.search for wait in self._waiting]
        recalled = self._recalled + sum(search.recalled for search in unfinished)
        return GatherCount(batches.batches, batches.states, recalled, batches.seconds, outside)

    def start(
        self, key: K, work: Callable[[Network, Callable[[], bool]], R], stop: Callable[[], bool] | None = None
    ) -> None:
        """Add a search.

        Args:
            key: of the search, for what :meth:`advance` returns.
            work: does it. It gets the scorer to ask, and a function to be asked at every node whether to end.
            stop: asked there, and before an inference that the search waits for; true ends the search.
        """
        self._ready.append((_Search(key, work, stop, self._scorer, self._cache), None))

    def advance(self) -> list[tuple[K, R | Exception]]:
        """Let each search go on until it waits, pauses or ends; score the states of those that wait if it is time.

        Returns:
            The searches that ended, with what their work returned or raised.
        """
        started = time.perf_counter()
        ended: list[tuple[K, R | Exception]] = []
        for _ in range(len(self._ready)):
            search, answer = self._ready.popleft()
            said, seconds = search.resume(answer)
            self._search_seconds += seconds
            if isinstance(said, _Wait):
                self._waiting.append(said)
                usual = search.unasked if self._usual is None else self._usual
                self._usual = _MEMORY * usual + (1 - _MEMORY) * search.unasked
            elif isinstance(said, _Ended):
                ended.append((search.key, said.outcome))
                self._recalled += search.recalled
            else:
                self._ready.append((search, None))
            if self._is_due():
                break
        # Before the inference, the caller can put others into the places of those that ended.
        if self._waiting and (self._is_due() or not (ended or self._is_worth_waiting())):
            self._dispatch()
        self._seconds += time.perf_counter() - started
        return ended

    def close(self) -> None:
        """End all searches, as their ``stop`` would."""
        for search, _ in self._ready:
            search.cancelled = True
        for wait in self._waiting:
            wait.search.cancelled = True
        while self:
            self.advance()

    def _is_due(self) -> bool:
        if not self._waiting:
            return False
        if self._max_batch is not None and len(self._waiting) >= self._max_batch:
            return True
        return time.perf_counter() - self._waiting[0].since > self._max_wait

    def _is_worth_waiting(self) -> bool:
        """Tell whether another search will probably ask soon."""
        patience = math.inf if self._usual is None else _PATIENCE * self._usual
        return any(search.unasked < patience for search, _ in self._ready)

    def _dispatch(self) -> None:
        for search, _ in self._ready:
            search.unasked = 0.0
        waiting = self._waiting[: self._max_batch]
        self._waiting = self._waiting[len(waiting) :]
        asked: dict[bytes | int, list[_Wait[K, R]]] = {}  # those who wait for equal states, if that is known
        for wait in waiting:
            try:
                ends = wait.search.ends()
            except Exception as error:
                self._ready.append((wait.search, error))
                continue
            if ends:
                self._ready.append((wait.search, _no_scores(wait.state)))
            else:
                asked.setdefault(id(wait) if wait.key is None else wait.key, []).append(wait)
        if not asked:
            return
        before = self._batches.seconds
        answers = self._batches.score([same[0].state for same in asked.values()])
        part = (self._batches.seconds - before) / len(asked)
        for same, answer in zip(asked.values(), answers, strict=True):
            first = same[0]
            first.search.charge(part)
            if self._cache is not None and first.key is not None and not isinstance(answer, Exception):
                self._cache.note(first.key, answer)
            for wait in same:
                wait.search.recalled += wait is not first
                wait.search.unasked = 0.0
                self._ready.append((wait.search, answer))


@dataclass(frozen=True)
class _Wait(Generic[K, R]):
    """What a search says when it needs scores."""

    search: _Search[K, R]
    state: State
    key: bytes | None
    since: float


@dataclass(frozen=True)
class _Ended(Generic[R]):
    """What a search says last."""

    outcome: R | Exception


class _Search(Generic[K, R]):
    """A search on its own stack, with its own clock."""

    def __init__(
        self,
        key: K,
        work: Callable[[Network, Callable[[], bool]], R],
        stop: Callable[[], bool] | None,
        scorer: Network,
        cache: ScoreCache | None,
    ) -> None:
        self.key = key
        self.cancelled = False
        self.recalled = 0
        self._work, self._stop, self._cache = work, stop, cache
        self._seat = _Seat(scorer, self)
        self._greenlet = greenlet.greenlet(self._run)
        self._greenlet.gr_context = contextvars.copy_context()  # a user's variables reach his scorers and callbacks
        self.unasked = 0.0
        """Seconds that it ran since it asked, or since others were answered."""
        self._charged = 0.0  # seconds until it last paused
        self._resumed = 0.0  # wall time when it went on

    def resume(self, answer: Any) -> tuple[Any, float]:
        """Go on until the search has something to say; return that, and for how many seconds it ran."""
        self._greenlet.parent = greenlet.getcurrent()
        before = self._charged
        said = self._greenlet.switch(answer)
        return said, self._charged - before

    def charge(self, seconds: float) -> None:
        """Add to the clock while the search waits."""
        self._charged += seconds

    def ends(self) -> bool:
        """Tell whether the search shall end."""
        return self.cancelled or (self._stop is not None and bool(self._stop()))

    def ask(self, state: State) -> FloatArray:
        """Return the scores of a state; called by the search."""
        key = None
        if self._cache is not None:
            key = key_of(state)
            known = self._cache.recall(key)
            if known is not None:
                self.recalled += 1
                return known
        answer = self._say(_Wait(self, state, key, time.perf_counter()))
        if isinstance(answer, Exception):
            raise answer
        return cast(FloatArray, answer)

    def _run(self, _: Any) -> _Ended[R]:
        CLOCK.set(self._seconds)  # of this greenlet's context
        self._resumed = time.perf_counter()
        try:
            return _Ended(self._work(self._seat, self._ends_here))
        except Exception as error:
            return _Ended(error)
        finally:
            self._pause()

    def _seconds(self) -> float:
        return self._charged + time.perf_counter() - self._resumed

    def _ends_here(self) -> bool:
        """Asked at every node of the search."""
        if time.perf_counter() - self._resumed > _SLICE_SECONDS:
            self._say(None)
        return self.ends()

    def _say(self, what: _Wait[K, R] | None) -> Any:
        self._pause()
        answer = self._greenlet.parent.switch(what)
        self._resumed = time.perf_counter()
        return answer

    def _pause(self) -> None:
        seconds = time.perf_counter() - self._resumed
        self._charged += seconds
        self.unasked += seconds


class _Seat(Network):
    """The scorer that one search sees."""

    def __init__(self, scorer: Network, search: _Search[Any, Any]) -> None:
        self.name, self.encoder, self.abstains = scorer.name, scorer.encoder, scorer.abstains
        self._search = search

    @property
    def recalled(self) -> int:  # type: ignore[override]  # a property does for reading
        """States of this search whose scores were known."""
        return self._search.recalled

    def score(self, states: Sequence[State]) -> list[FloatArray]:
        return [self._search.ask(state) for state in states]


def _no_scores(state: State) -> FloatArray:
    """Return scores for a search that will end at its next node."""
    return np.zeros(state.num_scores, dtype=np.float32)
