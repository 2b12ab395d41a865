"""Many models, the inferences of their searches gathered."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, cast

from nnsearch.cp.discrepancies import Discrepancies
from nnsearch.cp.policy import Policy
from nnsearch.cp.restarts import Restarts
from nnsearch.cp.sampling import Sampling
from nnsearch.cp.value_phase import VariableOrder
from nnsearch.errors import ConfigError
from nnsearch.gathering import GatherCount, Gathering
from nnsearch.inference.batching import BatchedScorer
from nnsearch.inference.cache import ScoreCache
from nnsearch.inference.session import is_graph_scorer, load_scorer
from nnsearch.interrupt import DeferredInterrupt
from nnsearch.limits import Limits
from nnsearch.processes.group import ProcessGroup
from nnsearch.processes.messages import Setup
from nnsearch.result import SolveResult
from nnsearch.scorer import AnyScorer, Scorer
from nnsearch.search_options import AnyTask, SearchOptions

_PROGRESS_SECONDS = 1.0


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
    scorer: str | Path | AnyScorer,
    *,
    concurrency: int = 64,
    processes: int = 1,
    max_batch: int | None = None,
    max_wait: float = 0.5,
    cache_megabytes: float | None = 64.0,
    variable_order: VariableOrder | None = None,
    policy: Policy | None = None,
    sampling: Sampling | None = None,
    restarts: Restarts | None = None,
    discrepancies: Discrepancies | None = None,
    limits: Limits | None = None,
    first_value: int | None = None,
    stop: Callable[[int], bool] | None = None,
    on_progress: Callable[[ManyProgress], None] | None = None,
) -> ManySolves:
    """Solve models as :func:`nnsearch.cp.solve` does, many at a time, their states scored together.

    One state alone wastes most of what a network costs; a batch of 64 takes about a quarter of the time for each state,
    and on a GPU far less. Every search takes the same decisions as alone (networks on one thread of a CPU)::

        for solved in nnsearch.solve_many(models, "bp"):
            print(solved.index, solved.result or solved.error)

    Models are taken from the iterable as places get free, so it may be as long as it likes; results come as they
    finish. The search of one model that fails, is stopped or asks for nothing does not touch the others. Results may be
    taken in one thread only. Leaving the loop early ends all searches, at once with :meth:`ManySolves.close`.

    Args:
        models: CpModels, pairs of a CpModel and the variables to assign in learned order, or problems that build both
            (as :func:`nnsearch.read_problem` returns them); any of them as a :class:`nnsearch.SearchTask` with options
            of its own, which then replace all of ``variable_order`` to ``first_value``.
        scorer: name or path of a network, or a scorer.
        concurrency: searches at the same time.
        processes: that search; with 1 it is this one. More use more cores; the network stays in this process, and the
            states reach it through shared memory.
        max_batch: states of one inference at most; None is all that wait.
        max_wait: seconds after which a search that waits for scores gets them, even if others do not wait yet.
        cache_megabytes: memory for scores of states seen before, in each process; None is no cache.
        variable_order: as for :func:`nnsearch.cp.solve`, like the following ones.
        policy: see there.
        sampling: see there.
        restarts: see there.
        discrepancies: see there.
        limits: of each search. Its seconds are those in which it ran, and its part of the inferences.
        first_value: see there.
        stop: asked with the index of a model while it is solved; true ends its search as a limit does.
        on_progress: called about once a second, when a result is waited for.

    Returns:
        An iterator over :class:`Solved`; its :attr:`ManySolves.progress` has the costs so far.

    Raises:
        ModelFileError: there is no such network.
        ConfigError: a number is out of range.
    """
    for name, value in (("concurrency", concurrency), ("processes", processes), ("max_batch", max_batch)):
        if value is not None and value < 1:
            raise ConfigError(f"{name}: expected 1 or more, got {value}")
    if not max_wait >= 0:
        raise ConfigError(f"max_wait: expected 0 or more seconds, got {max_wait}")
    loaded = load_scorer(scorer)
    options = SearchOptions(variable_order, policy, sampling, restarts, discrepancies, limits, first_value)
    group: _Group
    if processes == 1:
        group = _Here(loaded, options, max_batch, max_wait, cache_megabytes)
    else:
        size = None
        if not is_graph_scorer(loaded):
            dense = cast(Scorer, loaded)
            size = dense.num_variables, dense.num_values
        seats = -(-concurrency // processes)
        setup = Setup(loaded.name, size, options, seats, max_batch, max_wait, cache_megabytes)
        group = ProcessGroup(loaded, setup, processes)
    return ManySolves(models, group, concurrency, stop, on_progress)


class ManySolves:
    """The results of :func:`solve_many`, as they finish."""

    def __init__(
        self,
        models: Iterable[AnyTask],
        group: _Group,
        concurrency: int,
        stop: Callable[[int], bool] | None,
        on_progress: Callable[[ManyProgress], None] | None,
    ) -> None:
        self._group, self._concurrency = group, concurrency
        self._stop, self._on_progress = stop, on_progress
        self._seconds = 0.0
        self._started = self._ended = 0
        self._interrupted: Callable[[], bool] = lambda: False
        self._results = self._run(enumerate(models))

    def __iter__(self) -> ManySolves:
        return self

    def __next__(self) -> Solved:
        return next(self._results)

    def __enter__(self) -> ManySolves:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def progress(self) -> ManyProgress:
        """How far it is."""
        return ManyProgress(self._started, self._ended, self._seconds, self._group.count)

    def close(self) -> None:
        """End the searches that still run; their results are lost."""
        self._results.close()
        self._group.close()

    def _run(self, models: Iterator[tuple[int, AnyTask]]) -> Generator[Solved, None, None]:
        told = time.perf_counter()
        more = True
        try:
            while more or self._group:
                while more and len(self._group) < self._concurrency:
                    taken = next(models, None)
                    more = taken is not None
                    if taken is not None:
                        self._started += 1
                        self._group.start(*taken, partial(self._ends, taken[0]))
                for index, outcome in self._advance():
                    self._ended += 1
                    if isinstance(outcome, Exception):
                        yield Solved(index, None, outcome)
                    else:
                        yield Solved(index, outcome, None)
                if self._on_progress is not None and time.perf_counter() > told + _PROGRESS_SECONDS:
                    told = time.perf_counter()
                    self._on_progress(self.progress)
        finally:
            self._group.close()

    def _advance(self) -> list[tuple[int, SolveResult | Exception]]:
        started = time.perf_counter()
        # Around this alone: between two results, Ctrl-C is the caller's.
        with DeferredInterrupt() as self._interrupted:
            ended = self._group.advance()
            if self._interrupted():
                raise KeyboardInterrupt
        self._seconds += time.perf_counter() - started
        return ended

    def _ends(self, index: int) -> bool:
        return self._interrupted() or (self._stop is not None and bool(self._stop(index)))


class _Group(Protocol):
    """Searches that run at the same time."""

    @property
    def count(self) -> GatherCount:
        """The costs so far."""

    def __len__(self) -> int:
        """Return how many have not ended."""

    def start(self, index: int, model: AnyTask, stop: Callable[[], bool]) -> None:
        """Add one."""

    def advance(self) -> list[tuple[int, SolveResult | Exception]]:
        """Do some of the work; return those that ended."""

    def close(self) -> None:
        """End all."""


class _Here:
    """The searches of this process."""

    def __init__(
        self,
        scorer: AnyScorer,
        options: SearchOptions,
        max_batch: int | None,
        max_wait: float,
        cache_megabytes: float | None,
    ) -> None:
        cache = None if cache_megabytes is None else ScoreCache(cache_megabytes)
        self._options = options
        self._gathering: Gathering[int, SolveResult] = Gathering(
            scorer, BatchedScorer(scorer), max_batch=max_batch, max_wait=max_wait, cache=cache
        )
        self.advance, self.close = self._gathering.advance, self._gathering.close

    @property
    def count(self) -> GatherCount:
        return self._gathering.count

    def __len__(self) -> int:
        return len(self._gathering)

    def start(self, index: int, model: AnyTask, stop: Callable[[], bool]) -> None:
        self._gathering.start(index, lambda scorer, ends: self._options.solve(model, scorer, ends), stop)
