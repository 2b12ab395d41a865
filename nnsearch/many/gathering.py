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
from typing import Any, cast

import greenlet
import numpy as np

from nnsearch.cp.search_options import SearchOptions
from nnsearch.encoding.encoder import FloatArray, State
from nnsearch.limits import CLOCK
from nnsearch.many.search_task import AnyTask, solve_task
from nnsearch.result import SolveResult
from nnsearch.scorers.batching import BatchedScorer
from nnsearch.scorers.cache import ScoreCache, key_of
from nnsearch.scorers.network import Network

_SLICE_SECONDS = 0.002  # a search that asks for nothing lets the others go on after this
_PATIENCE = 4  # times the usual seconds between two questions of a search; then the others are answered without it
_MEMORY = 0.98  # how much of what was usual remains after one question


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

    batches: int = 0
    states: int = 0
    recalled: int = 0
    inference_seconds: float = 0.0
    gathering_seconds: float = 0.0

    @property
    def mean_batch(self) -> float:
        """States of one inference."""
        return self.states / self.batches if self.batches else 0.0

    @property
    def hit_rate(self) -> float:
        """Share of the states whose scores were known, from 0 to 1."""
        return self.recalled / (self.states + self.recalled) if self.recalled else 0.0


class Gathering:
    """Concurrent searches whose inferences are gathered.

    The searches take turns: each goes on until it needs scores, or pauses at a node after two milliseconds without.
    The states are scored by one inference when all searches wait, or ``max_batch`` do, or one has for ``max_wait``
    seconds, or those that do not wait take much longer than usual to ask: they run on, and the others with them. One
    that ends is gone at once.

    To be used from one thread. Each search has its own :data:`nnsearch.limits.CLOCK`, which runs while the search does
    and has an equal part of the inferences it shares.

    Args:
        batched: what scores the states; the searches see the name and the encoder of its network.
        options: of each search that has none of its own.
        max_batch: states of one inference at most; None is all that wait.
        max_wait: seconds.
        cache: of scores; equal states are then scored once, also within a batch. None is no cache.
    """

    def __init__(
        self,
        batched: BatchedScorer,
        options: SearchOptions,
        *,
        max_batch: int | None,
        max_wait: float,
        cache: ScoreCache | None,
    ) -> None:
        self._seconds = 0.0  # in advance()
        self._search_seconds = 0.0  # of these, inside the searches
        self._recalled = 0
        self._batched, self._options = batched, options
        self._max_batch, self._max_wait = max_batch, max_wait
        self._cache = cache
        self._ready: deque[tuple[_Search, Any]] = deque()  # with what its switch returns
        self._waiting: list[_Wait] = []
        self._usual: float | None = None  # running seconds between two questions of a search

    def __len__(self) -> int:
        """Return how many searches have not ended."""
        return len(self._ready) + len(self._waiting)

    @property
    def count(self) -> GatherCount:
        """The costs so far."""
        batched = self._batched
        outside = self._seconds - self._search_seconds - batched.seconds
        unfinished = [search for search, _ in self._ready] + [wait.search for wait in self._waiting]
        recalled = self._recalled + sum(search.recalled for search in unfinished)
        return GatherCount(batched.batches, batched.states, recalled, batched.seconds, outside)

    def start(self, index: int, task: AnyTask | bytes, stop: Callable[[], bool]) -> None:
        """Add a search; ``stop`` is asked at every node, and before an inference that it waits for: true ends it."""

        def work(scorer: Network, ends: Callable[[], bool]) -> SolveResult:
            return solve_task(task, self._options, scorer, ends)

        self._ready.append((_Search(index, work, stop, self._batched.network, self._cache), None))

    def advance(self) -> list[tuple[int, SolveResult | Exception]]:
        """Let each search go on until it waits, pauses or ends; score the states of those that wait if it is time.

        Returns the searches that ended, by index, with their results or what was raised.
        """
        started = time.perf_counter()
        ended: list[tuple[int, SolveResult | Exception]] = []
        for _ in range(len(self._ready)):
            search, answer = self._ready.popleft()
            said, seconds = search.resume(answer)
            self._search_seconds += seconds
            if isinstance(said, _Wait):
                self._waiting.append(said)
                usual = search.unasked if self._usual is None else self._usual
                self._usual = _MEMORY * usual + (1 - _MEMORY) * search.unasked
            elif said is not None:
                ended.append((search.index, said))
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
        asked: dict[bytes | int, list[_Wait]] = {}  # those who wait for equal states, if that is known
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
        before = self._batched.seconds
        answers = self._batched.score([same[0].state for same in asked.values()])
        part = (self._batched.seconds - before) / len(asked)
        for same, answer in zip(asked.values(), answers, strict=True):
            first = same[0]
            first.search.charged += part
            if self._cache is not None and first.key is not None and not isinstance(answer, Exception):
                self._cache.note(first.key, answer)
            for wait in same:
                wait.search.recalled += wait is not first
                wait.search.unasked = 0.0
                self._ready.append((wait.search, answer))


@dataclass(frozen=True)
class _Wait:
    """What a search says when it needs scores."""

    search: _Search
    state: State
    key: bytes | None
    since: float


class _Search(Network):
    """A search on its own stack, with its own clock, and the scorer that it sees."""

    def __init__(
        self,
        index: int,
        work: Callable[[Network, Callable[[], bool]], SolveResult],
        stop: Callable[[], bool],
        network: Network,
        cache: ScoreCache | None,
    ) -> None:
        self.name, self.encoder, self.abstains = network.name, network.encoder, network.abstains
        self.index = index
        self.cancelled = False
        self._work, self._stop, self._cache = work, stop, cache
        self._greenlet = greenlet.greenlet(self._run)
        self._greenlet.gr_context = contextvars.copy_context()  # a user's variables reach his scorers and callbacks
        self.unasked = 0.0
        """Seconds that it ran since it asked, or since others were answered."""
        self.charged = 0.0  # seconds until it last paused
        self._resumed = 0.0  # wall time when it went on

    def resume(self, answer: Any) -> tuple[Any, float]:
        """Go on until the search has something to say; return that, and for how many seconds it ran."""
        self._greenlet.parent = greenlet.getcurrent()
        before = self.charged
        said = self._greenlet.switch(answer)
        return said, self.charged - before

    def ends(self) -> bool:
        """Tell whether the search shall end."""
        return self.cancelled or bool(self._stop())

    def score(self, states: Sequence[State]) -> list[FloatArray]:
        return [self._ask(state) for state in states]

    def _ask(self, state: State) -> FloatArray:
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

    def _run(self, _: Any) -> SolveResult | Exception:
        CLOCK.set(self._seconds)  # of this greenlet's context
        self._resumed = time.perf_counter()
        try:
            return self._work(self, self._ends_here)
        except Exception as error:
            return error
        finally:
            self._pause()

    def _seconds(self) -> float:
        return self.charged + time.perf_counter() - self._resumed

    def _ends_here(self) -> bool:
        """Asked at every node of the search."""
        if time.perf_counter() - self._resumed > _SLICE_SECONDS:
            self._say(None)
        return self.ends()

    def _say(self, what: _Wait | None) -> Any:
        self._pause()
        answer = self._greenlet.parent.switch(what)
        self._resumed = time.perf_counter()
        return answer

    def _pause(self) -> None:
        seconds = time.perf_counter() - self._resumed
        self.charged += seconds
        self.unasked += seconds


def _no_scores(state: State) -> FloatArray:
    """Return scores for a search that will end at its next node."""
    return np.zeros(state.num_scores, dtype=np.float32)
