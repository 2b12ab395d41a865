"""Many models, the inferences of their searches gathered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nnsearch.cp.search_options import SearchOptions
from nnsearch.errors import ConfigError
from nnsearch.interrupt import DeferredInterrupt
from nnsearch.many.gathering import GatherCount, Gathering
from nnsearch.many.messages import Setup
from nnsearch.many.process_group import ProcessGroup
from nnsearch.many.search_processes import SearchProcesses
from nnsearch.many.search_task import AnyTask
from nnsearch.result import SolveResult
from nnsearch.scorers.batching import BatchedScorer
from nnsearch.scorers.cache import Cached, ScoreCache
from nnsearch.scorers.network import DirectEncoder
from nnsearch.scorers.onnx import load_scorer
from nnsearch.scorers.scorer import Scorer

_PROGRESS_SECONDS = 1.0
_FILL_SECONDS = 0.1  # how much longer than the searches the iterable may take


@dataclass(frozen=True)
class Solved:
    """One of many models, solved or given up.

    Attributes:
        index: of the model in the iterable, from 0.
        result: as of :func:`nnsearch.cp.solve`; None if there was an error.
        error: what the solve of this model raised; None if nothing was.
    """

    index: int
    result: SolveResult | None
    error: Exception | None


@dataclass(frozen=True)
class ManyProgress:
    """How far many solves are, and what they cost.

    Attributes:
        started: models taken from the iterable.
        ended: of these, done.
        seconds: wall time, without what the caller did between two results.
        count: of the inferences.
    """

    started: int
    ended: int
    seconds: float
    count: GatherCount


def solve_many(
    models: Iterable[AnyTask],
    scorer: str | Path | Scorer,
    options: SearchOptions | None = None,
    *,
    concurrency: int = 64,
    processes: int | SearchProcesses = 1,
    max_batch: int | None = None,
    max_wait: float = 0.5,
    cache_megabytes: float | None = 64.0,
    stop: Callable[[int], bool] | None = None,
    on_progress: Callable[[ManyProgress], None] | None = None,
) -> ManySolves:
    """Solve models as :func:`nnsearch.cp.solve` does, many at a time, their states scored together.

    One state alone wastes most of what a network costs; a batch of 64 takes about a quarter of the time for each state,
    and on a GPU far less. Every search takes the same decisions as alone (networks on one thread of a CPU):

    ```python
    for solved in nnsearch.solve_many(models, "bp"):
        print(solved.index, solved.result or solved.error)
    ```

    Models are taken from the iterable as places get free, so it may be as long as it likes; results come as they
    finish. While the iterable makes its next model, nothing else goes on. The search of one model that fails, is
    stopped or asks for nothing does not touch the others. Leaving the loop early ends all searches.

    Args:
        models: CpModels, pairs of a CpModel and the variables to assign in learned order, or problems that build both
            (as :func:`nnsearch.read_problem` returns them); any of them as a :class:`nnsearch.SearchTask` with options
            of its own, which then replace all of ``options``.
        scorer: name or path of a network, or a scorer.
        options: of each search; None is the defaults.
        concurrency: searches at the same time.
        processes: how many processes search. 1: this one. 2 or more: so many new ones, on as many cores; the network
            stays in this process, and the states reach it through shared memory. They take about a second to start;
            :class:`nnsearch.SearchProcesses` in place of the number are kept for further calls.
        max_batch: states of one inference at most, those of all processes together; None is all that wait.
        max_wait: seconds after which a search that waits for scores gets them, even if others do not wait yet.
        cache_megabytes: memory for scores of states seen before, in each process; None is no cache.
        stop: asked with the index of a model while it is solved; true ends its search as a limit does.
        on_progress: called about once a second, when a result is waited for.

    Returns:
        An iterator over :class:`Solved`; its :attr:`ManySolves.progress` has the costs so far.

    Raises:
        ModelFileError: there is no such network.
        ConfigError: a number is out of range.
    """
    number = processes.number if isinstance(processes, SearchProcesses) else processes
    for name, value in (("concurrency", concurrency), ("processes", number), ("max_batch", max_batch)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ConfigError(f"{name}: expected an integer of 1 or more, got {value!r}")
    if not isinstance(max_wait, int | float) or not max_wait >= 0:
        raise ConfigError(f"max_wait: expected 0 or more seconds, got {max_wait!r}")
    if not isinstance(models, Iterable):
        raise ConfigError(f"models: expected an iterable of models, got {type(models).__name__}")
    if scorer is None:
        raise ConfigError(
            "scorer: expected a network or a scorer, got None, which would be searches without inferences to gather; "
            "solve these models one by one: nnsearch.cp.solve(model, variables, None)"
        )
    how = SearchOptions.of(options)
    cache = None if cache_megabytes is None else ScoreCache(cache_megabytes)
    loaded = load_scorer(scorer)
    group: Gathering | ProcessGroup
    if processes == 1:
        if isinstance(loaded, Cached):  # what is known need not wait
            cache, loaded = loaded.cache, loaded.network
        group = Gathering(BatchedScorer(loaded), how, max_batch=max_batch, max_wait=max_wait, cache=cache)
    else:
        encoder = None if isinstance(loaded.encoder, DirectEncoder) else loaded.encoder
        seats = -(-concurrency // number)
        share = most_questions = None
        if max_batch is not None:
            share = max(1, max_batch // number)
            most_questions = max_batch // share
        setup = Setup(loaded.name, encoder, loaded.abstains, how, seats, share, max_wait, cache_megabytes)
        group = ProcessGroup(loaded, setup, processes, most_questions)
    return ManySolves(_Running(group, concurrency, stop, on_progress), models)


class ManySolves(Iterator[Solved], AbstractContextManager["ManySolves"]):
    """The results of :func:`solve_many`, as they finish. To be used from one thread.

    The searches end when the object is closed, or nobody holds it any more.
    """

    def __init__(self, running: _Running, models: Iterable[AnyTask]) -> None:
        self._running = running
        self._results = running.results(enumerate(models))  # knows nothing of this object: no cycle delays its end

    def __next__(self) -> Solved:
        self._running.check_thread()
        return next(self._results)

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def progress(self) -> ManyProgress:
        """How far it is."""
        return self._running.progress

    def close(self) -> None:
        """End the searches that still run; their results are lost. Within a callback, as soon as it returns."""
        self._running.closing = True
        if not self._running.advancing:
            self._results.close()


class _Running:
    """The searches that run, and what is counted of them."""

    def __init__(
        self,
        group: Gathering | ProcessGroup,
        concurrency: int,
        stop: Callable[[int], bool] | None,
        on_progress: Callable[[ManyProgress], None] | None,
    ) -> None:
        self.group = group
        self.closing = self.advancing = False
        self._concurrency, self._stop, self._on_progress = concurrency, stop, on_progress
        self._seconds = self._taking_seconds = 0.0
        self._started = self._ended = 0
        self._interrupted: Callable[[], bool] = lambda: False
        self._thread: int | None = None

    @property
    def progress(self) -> ManyProgress:
        """How far it is."""
        return ManyProgress(self._started, self._ended, self._seconds, self.group.count)

    def check_thread(self) -> None:
        """Refuse another thread than that of the first call: the searches cannot leave it."""
        self._thread = self._thread or threading.get_ident()
        if self._thread != threading.get_ident():
            raise ConfigError("expected results to be taken in the thread that took the first one, got another thread")

    def results(self, models: Iterator[tuple[int, AnyTask]]) -> Generator[Solved, None, None]:
        """Yield what ends; end the others when the generator is closed."""
        told = time.perf_counter()
        more = True
        try:
            while (more or self.group) and not self.closing:
                more = more and self._fill(models)
                for index, outcome in self._advance():
                    if self._is_closing():
                        return
                    self._ended += 1
                    if isinstance(outcome, Exception):
                        yield Solved(index, None, outcome)
                    else:
                        yield Solved(index, outcome, None)
                if self._on_progress is not None and time.perf_counter() > told + _PROGRESS_SECONDS:
                    told = time.perf_counter()
                    self._on_progress(self.progress)
        finally:
            self.group.close()

    def _fill(self, models: Iterator[tuple[int, AnyTask]]) -> bool:
        """Take models into the free places, in at most half of the time; tell whether there may be more."""
        while len(self.group) < self._concurrency and self._taking_seconds <= self._seconds + _FILL_SECONDS:
            started = time.perf_counter()
            taken = next(models, None)
            if taken is None:
                return False
            self._started += 1
            self.group.start(*taken, partial(self._ends, taken[0]))
            self._taking_seconds += time.perf_counter() - started
        if not self.group:  # nothing runs that the time could be shared with
            self._taking_seconds = self._seconds
        return True

    def _advance(self) -> list[tuple[int, SolveResult | Exception]]:
        started = time.perf_counter()
        # Around this alone: between two results, Ctrl-C is the caller's.
        self.advancing = True
        try:
            with DeferredInterrupt() as self._interrupted:
                ended = self.group.advance()
        finally:
            self.advancing = False
        if self._interrupted():
            raise KeyboardInterrupt
        self._seconds += time.perf_counter() - started
        return ended

    def _is_closing(self) -> bool:
        return self.closing  # a callback may have said so

    def _ends(self, index: int) -> bool:
        return self.closing or self._interrupted() or (self._stop is not None and bool(self._stop(index)))
