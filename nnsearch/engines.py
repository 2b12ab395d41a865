"""Problems solved by the engine of a name."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, cast

from nnsearch import cp, cpsat
from nnsearch.cp.search_options import SearchOptions
from nnsearch.cp.trace.recorder import Trace
from nnsearch.encoding.one_hot import OneHot
from nnsearch.errors import ConfigError, ModelFileError, NNSearchError, NothingToReadError
from nnsearch.limits import Limits
from nnsearch.many.solve_many import ManyProgress, Solved, solve_many
from nnsearch.problems.problem import Problem
from nnsearch.result import SolveResult
from nnsearch.scorers.cache import ScoreCache, cached
from nnsearch.scorers.network import Network
from nnsearch.scorers.onnx import OnnxScorer

Engine = Literal["cp", "cp-sat", "dives", "race"]
_USUAL_CACHE_MEGABYTES = 64.0  # for many searches


@dataclass
class ProblemSolver:
    """Solves problems of any family by one engine and one network.

    Args:
        engine: ``cp``, ``cp-sat``, ``dives`` or ``race``.
        network: None for the engine's own order.
        options: of the CP engine; the others take the limits.
        unread: called where the network can read nothing of a problem. What it raises is the answer; if it returns,
            the problem is solved without a network.
        seed: of CP-SAT, of the dives and of restarts by default.
        workers: of CP-SAT; None is 2 for a race, else 1.
        cache_megabytes: memory for scores of states seen before; 0 is none, None is 64 for many searches, else none.

    Attributes:
        progress: of the last :meth:`solve_all` whose inferences were gathered.
    """

    engine: Engine
    network: Network | None
    options: SearchOptions
    unread: Callable[[Problem, NothingToReadError], None]
    seed: int = 0
    workers: int | None = None
    cache_megabytes: float | None = None
    progress: ManyProgress | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.network is None and self.engine in ("dives", "race"):
            raise ConfigError(
                f"network: engine {self.engine} needs one, got none; choose one (--model), or another engine (--engine)"
            )
        if self.cache_megabytes is not None and not self.cache_megabytes >= 0:
            raise ConfigError(f"cache: expected 0 or more megabytes, got {self.cache_megabytes:g}")

    def solve(self, problem: Problem, trace: Trace | None = None) -> SolveResult:
        """Solve one problem.

        Raises:
            ModelFileError: the network is for another family, or does not fit.
            NNSearchError: as the engine; the returned solution is wrong.
        """
        return _checked(problem, self._solve_one(problem, self._cached(), trace))

    def _cached(self) -> Network | None:
        if self.network is None or not self.cache_megabytes:
            return self.network
        return cached(self.network, ScoreCache(self.cache_megabytes))

    def _solve_one(self, problem: Problem, network: Network | None, trace: Trace | None = None) -> SolveResult:
        self._check_family(problem)
        try:
            return self._solve(problem, network, trace)
        except NothingToReadError as error:
            return self._without_network(problem, error, trace)

    def solve_all(
        self, problems: Iterable[Problem], concurrency: int | None = None, processes: int | None = None
    ) -> Iterator[tuple[Problem, SolveResult | NNSearchError]]:
        """Yield each problem with its result, or with why there is none, as they finish.

        Args:
            problems: what to solve.
            concurrency: searches at the same time; None is 64.
            processes: how many processes search; None is 1.

        Raises:
            ConfigError: a number is out of range, or is for searches that gather their inferences.
            Exception: of a solve, if it is not one of nnsearch's own.
        """
        if self.network is not None and self.engine == "cp":
            yield from self._gathered(self.network, problems, concurrency, processes)
            return
        for name, number in (("concurrency", concurrency), ("processes", processes)):
            if number is not None:
                raise ConfigError(
                    f"{name}: gathers inferences at the nodes, for engine cp with a network only; leave out --{name}"
                )
        network = self._cached()
        for problem in problems:
            yield problem, _outcome(problem, partial(self._solve_one, problem, network))

    def _gathered(
        self, network: Network, problems: Iterable[Problem], concurrency: int | None, processes: int | None
    ) -> Iterator[tuple[Problem, SolveResult | NNSearchError]]:
        taken: dict[int, Problem] = {}
        numbers = itertools.count()  # those of solve_many
        misfits: list[tuple[Problem, NNSearchError]] = []
        unread: list[tuple[Problem, NothingToReadError]] = []

        def fitting() -> Iterator[Problem]:
            for problem in problems:
                try:
                    self._check_family(problem)
                except ModelFileError as error:
                    misfits.append((problem, error))
                else:
                    taken[next(numbers)] = problem
                    yield problem

        megabytes = _USUAL_CACHE_MEGABYTES if self.cache_megabytes is None else self.cache_megabytes
        with solve_many(
            fitting(),
            network,
            self._options_for(network),
            concurrency=64 if concurrency is None else concurrency,
            processes=1 if processes is None else processes,
            cache_megabytes=megabytes or None,
        ) as solves:
            for solved in solves:
                while misfits:
                    yield misfits.pop(0)
                problem = taken.pop(solved.index)
                if isinstance(solved.error, NothingToReadError):
                    unread.append((problem, solved.error))  # a search of its own, which would hold up the others
                else:
                    yield problem, _outcome(problem, partial(_result_of, solved))
            yield from misfits
            self.progress = solves.progress
        for problem, error in unread:
            yield problem, _outcome(problem, partial(self._without_network, problem, error))

    def _without_network(self, problem: Problem, error: NothingToReadError, trace: Trace | None = None) -> SolveResult:
        if self.engine == "dives" and self.network is not None:
            raise NothingToReadError(
                f"{self.network.name} can read nothing of {problem.name}, and dives need a network that can; "
                "choose --engine race or cp-sat, or another --model"
            ) from error
        self.unread(problem, error)
        return self._solve(problem, None, trace)

    def _solve(self, problem: Problem, network: Network | None, trace: Trace | None) -> SolveResult:
        model, variables = problem.build()
        limits = self.options.limits or Limits()
        workers = self.workers if self.workers is not None else 2 if self.engine == "race" else 1
        if self.engine == "cp-sat":
            return cpsat.solve(model, variables, network, limits=limits, seed=self.seed, workers=workers)
        if self.engine == "race" and network is not None:
            return cpsat.solve_by_race(model, network, limits=limits, seed=self.seed, workers=workers)
        if self.engine == "dives" and network is not None:
            dives = cpsat.Dives(seed=self.seed)
            return cpsat.solve_by_dives(model, [network], dives=dives, limits=limits, workers=workers)
        return cp.solve(model, variables, network, self._options_for(network), trace=trace)

    def _options_for(self, network: Network | None) -> SearchOptions:
        options = self.options.resolved_for(network)
        if self.options.restarts == "default" and isinstance(options.restarts, cp.Restarts):
            options = replace(options, restarts=replace(options.restarts, seed=self.seed))
        return options

    def _check_family(self, problem: Problem) -> None:
        """A one-hot network knows the variables of its own family only."""
        network = self.network
        if isinstance(network, OnnxScorer) and isinstance(network.encoder, OneHot):
            family = network.metadata.problem
            if family != problem.problem:
                raise ModelFileError(f"{network.path}: expected a network for {problem.problem}, got one for {family}")


def _result_of(solved: Solved) -> SolveResult:
    if solved.error is not None:
        raise solved.error
    return cast(SolveResult, solved.result)


def _outcome(problem: Problem, solve: Callable[[], SolveResult]) -> SolveResult | NNSearchError:
    try:
        return _checked(problem, solve())
    except NNSearchError as error:
        return error


def _checked(problem: Problem, result: SolveResult) -> SolveResult:
    """Trust no engine: check the solution before anybody sees it."""
    if result.solution is not None and not problem.is_solution(result.solution):
        raise NNSearchError("the engine returned a wrong solution; please report this")
    return result
