"""Searches in threads whose inferences are gathered: what greenlets are measured against.

Lockstep by threads: each search has one; the last that comes to wait scores for all.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import nnsearch.cp
from nnsearch.cp.search_options import SearchOptions
from nnsearch.encoding.encoder import FloatArray, State
from nnsearch.problems import Problem
from nnsearch.result import SolveResult
from nnsearch.scorers.batching import BatchedScorer
from nnsearch.scorers.network import Network


@dataclass(eq=False)
class _Wait:
    """A search that waits."""

    state: State
    answered: threading.Lock = field(default_factory=threading.Lock)
    answer: FloatArray | Exception | None = None

    def __post_init__(self) -> None:
        self.answered.acquire()


class ThreadedSearches(Network):
    """Solves all problems at the same time, a thread each.

    Args:
        scorer: a network of one size.
        batched: what scores their states.
    """

    def __init__(self, scorer: Network, batched: BatchedScorer) -> None:
        self.name, self.encoder = scorer.name, scorer.encoder
        self._batched = batched
        self._lock = threading.Lock()
        self._waiting: list[_Wait] = []
        self._active = 0

    def solve(self, problems: Sequence[Problem], options: SearchOptions) -> list[SolveResult]:
        """Return the results in the order of the problems."""
        results: dict[int, SolveResult] = {}

        def run(index: int, problem: Problem) -> None:
            try:
                results[index] = nnsearch.cp.solve(*problem.build(), self, options)
            finally:
                self._leave()

        self._active = len(problems)
        threads = [threading.Thread(target=run, args=pair) for pair in enumerate(problems)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [results[index] for index in range(len(problems))]

    def score(self, states: Sequence[State]) -> list[FloatArray]:
        """Return the scores of a search's state once all searches wait."""
        wait = _Wait(states[0])
        with self._lock:
            self._waiting.append(wait)
            self._answer_if_all_wait()
        wait.answered.acquire()
        if isinstance(wait.answer, Exception) or wait.answer is None:
            raise wait.answer or RuntimeError("no answer")
        return [wait.answer]

    def _leave(self) -> None:
        with self._lock:
            self._active -= 1
            self._answer_if_all_wait()

    def _answer_if_all_wait(self) -> None:
        if not self._waiting or len(self._waiting) < self._active:
            return
        waiting, self._waiting = self._waiting, []
        answers = self._batched.score([wait.state for wait in waiting])
        for wait, answer in zip(waiting, answers, strict=True):
            wait.answer = answer
            wait.answered.release()
