"""Large neighbourhood search (Shaw 1998) that a scorer leads: what it is sure of is fixed, CP-SAT solves the rest.

Local search mends a guess: that gives a solution in some hundredths of a second where one is near. Beside it the first
neighbourhood is the model with the surest part of the guess fixed; what is refuted is taken back step by step, and as
long as there is no solution, what has none in its time, too. Local search goes on as long as it is ahead. From then on
most variables are fixed at the best solution. Free are in turns those that the scorer is least sure of, with those in
which the solution differs from what it thinks, as in RINS (Danna, Rothberg, Le Pape 2005) with the guess in place of
the relaxation, and a region around a variable that costs; noise makes the next neighbourhood another one. One that is
solved to its end was too small and the next of its kind is wider; one that brings nothing in its time was too large.
Where the model is an integer program, simulated annealing goes on beside them from the best solution, and all leave it
one of several workers.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.guess import Guess
from nnsearch.cpsat.hinted import hinted
from nnsearch.cpsat.incumbent import Incumbent, Listener
from nnsearch.cpsat.parameters import checking_parameters
from nnsearch.cpsat.regions import Regions
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.starts.annealers import Annealers
from nnsearch.cpsat.starts.annealing_worker import AnnealingWorker
from nnsearch.cpsat.starts.local_search import local_search
from nnsearch.errors import ConfigError
from nnsearch.model.domains import bounds_of
from nnsearch.model.objective import Objective
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.variables import fix
from nnsearch.processors import usable_cpus

_NARROW, _WIDE = 0.8, 1.5  # what the free share is multiplied by
_NOISE = 0.3  # of the rank of a variable, from 0 (surest) to 1
_UNSURE, _REGION = 0, 1  # kinds of neighbourhoods, in turns
_LONGER = 1.1
_MENDING_SECONDS = 0.1  # in which a good guess is mended
_GRACE_SECONDS = 0.05
_MOST_TAKEN_BACK = 3  # times, of a guess that is refuted beside a solution
_ALONE_SECONDS, _POLL_SECONDS = 0.5, 0.01  # for a first solution by local search, before anything else


@dataclass(frozen=True)
class Neighbourhoods:
    """How a scorer that knows objectives leads.

    Args:
        fixed: Share of the guess that is fixed in the first neighbourhood.
        widen: Share of what was fixed that stays fixed when it was refuted, or while there is no solution; the square
            of it when that is refuted, and so on.
        patience: Seconds without a better solution of its own after which a neighbourhood is left.
        fruitless: Neighbourhoods one after another that brought nothing, after which the search ends, unless annealing
            brings something.

    Raises:
        ConfigError: A number is out of range.
    """

    fixed: float = 0.9
    widen: float = 0.9
    patience: float = 0.5
    fruitless: int = 6

    def __post_init__(self) -> None:
        for name, low, high in (("fixed", 0, 1), ("widen", 0, 1 - 1e-9)):
            if not low < getattr(self, name) <= high:
                raise ConfigError(f"Neighbourhoods.{name}: expected a share between 0 and 1, got {getattr(self, name)}")
        if not self.patience > 0:
            raise ConfigError(f"Neighbourhoods.patience: expected above 0, got {self.patience}")
        if self.fruitless < 1:
            raise ConfigError(f"Neighbourhoods.fruitless: expected 1 or more, got {self.fruitless}")


@dataclass(frozen=True)
class Step:
    """What came of one neighbourhood.

    Attributes:
        fixed: how many variables were fixed.
        status: CP-SAT's.
        better: whether there is a better solution than before.
        seconds: what it took.
    """

    fixed: int
    status: cmh.CpSolverStatus
    better: bool
    seconds: float


class NeighbourhoodSearch(Incumbent):
    """A search for better and better solutions of one model.

    Attributes:
        things: what a neighbourhood fixes.

    Args:
        model: with an objective; it is not changed.
        objective: its.
        guess: where to look.
        how: the options.
        parameters: CP-SAT's, with the number of workers; its limit of time does not count.
        annealers: of the model, where it is an integer program.
        on_solution: see :class:`Incumbent`; who knows a solution has it adopted before the first step.
    """

    things = "variables"

    def __init__(
        self,
        model: PreparedModel,
        objective: Objective,
        guess: Guess,
        how: Neighbourhoods,
        parameters: cmh.SatParameters,
        annealers: Annealers | None = None,
        on_solution: Callable[[cmh.CpSolverResponse], bool] | None = None,
    ) -> None:
        super().__init__(objective, on_solution)
        self._model, self._how, self._annealers = model, how, annealers
        self.follow(guess)
        self._parameters = cmh.SatParameters()
        self._parameters.copy_from(parameters)
        self._parameters.max_time_in_seconds = cmh.SatParameters().max_time_in_seconds
        self._parameters.linearization_level = max(2, parameters.linearization_level)
        self._parameters.log_search_progress = False
        self._parameters.catch_sigint_signal = False  # Ctrl-C is heard by whoever asks for the steps
        self._random = np.random.default_rng(parameters.random_seed % 2**32)
        self._patience = how.patience
        self._workers = parameters.num_workers or parameters.num_search_workers or usable_cpus()

    @functools.cached_property
    def _regions(self) -> Regions:
        return Regions(self._model, self._guess.variables, int(self._random.integers(2**31)))

    @property
    def size(self) -> int:
        """How many variables are guessed."""
        return len(self._guess.variables)

    def anneal_once(self, seconds: float, stop: Callable[[], bool]) -> None:
        """Anneal from nothing in a short turn, if the model can be annealed.

        Args:
            seconds: that it may take; a turn that is longer is left out.
            stop: asked often; true ends it.
        """
        ends = time.perf_counter() + seconds
        if self._annealers is not None and self._annealers.turn <= seconds:
            values = self._guess.complete(*bounds_of(self._model.domains))
            turn = self._annealers.turn
            for solution in self._annealers.better(
                values, self.reached, turn, 1, lambda: stop() or time.perf_counter() >= ends
            ):
                self._check(solution, stop)

    @contextmanager
    def annealing(self, after: float) -> Iterator[AnnealingWorker | None]:
        """Have one worker anneal the model meanwhile, if it can be annealed.

        Args:
            after: seconds that it waits.
        """
        if self._annealers is None:
            yield None
            return
        values = self._guess.complete(*bounds_of(self._model.domains))
        worker = AnnealingWorker(
            self._annealers, self, values, self._check, after, begins_with_best=not self._is_untried
        )
        worker.start()
        try:
            yield worker
        finally:
            worker.told.set()
            worker.join()

    def adopt(self, response: cmh.CpSolverResponse) -> None:
        """Go on from a solution that is known from elsewhere; see :meth:`Incumbent.adopt`."""
        super().adopt(response)
        self._is_untried = False

    def follow(self, guess: Guess) -> None:
        """Take a guess in place of the one before."""
        self._guess, self._is_untried = guess, not guess.is_blind
        self._rank = np.arange(len(guess.variables)) / len(guess.variables)

    def steps(self, over: Callable[[], bool]) -> Iterator[Step]:
        """Search until all is fixed that there is, until nothing comes of it any more, or until told.

        Args:
            over: asked often; true ends the search.
        """
        is_new = self.answer is None or self._is_untried
        with self.annealing(_MENDING_SECONDS if is_new else 0.0) as worker:
            if is_new:
                yield from self._begin(worker, over)
            else:
                yield from self._neighbourhoods(True, worker, over)
        if worker is not None and worker.failed is not None:
            raise worker.failed

    def _begin(self, worker: AnnealingWorker | None, over: Callable[[], bool]) -> Iterator[Step]:
        """Search beside a local search that mends the guess, until something better comes of neighbourhoods."""
        heard, before = self.listener(), self.reached
        mending = self._mend(heard)
        try:
            alone = time.perf_counter() + _ALONE_SECONDS
            while self.answer is None and time.perf_counter() < alone and not over():
                if mending.done.wait(_POLL_SECONDS):
                    break
            for step in self._neighbourhoods(False, worker, over):
                if self.reached not in (before, heard.reached):
                    mending.stop()
                yield step
        finally:
            mending.stop()

    def _mend(self, heard: Listener) -> CpSatRun:
        """Return a local search near the guess, at work."""
        model = hinted(self._model.model, self._guess.values.tolist(), self._guess.variables.tolist())
        parameters = local_search(self._parameters, len(self._model.names), far=True)
        return CpSatRun(model, parameters, solution_callback=heard)

    def _neighbourhoods(self, begun: bool, worker: AnnealingWorker | None, over: Callable[[], bool]) -> Iterator[Step]:
        """Search neighbourhoods of the guess until there is a solution, and then of the best one."""
        how = self._how
        shares, fruitless, turn, refuted = [how.fixed, how.fixed], 0, 0, 0
        while not over():
            best = self.best
            if best is None and self._guess.is_blind:
                return
            if fruitless >= how.fruitless:
                if worker is None or worker.in_vain:
                    return
                fruitless = 0
            kind = _REGION if self._guess.is_blind else turn % 2 if begun else _UNSURE
            count = int(shares[kind] * len(self._rank))
            if begun and best is not None:
                fixed, values = self._around(np.array(best, dtype=np.int64), count, kind, over)
                turn += 1
            else:
                fixed, values = self._guess.variables[:count], self._guess.values[:count]
            spared = 0 if worker is None or worker.rests else 1
            self._parameters.num_search_workers = 0
            self._parameters.num_workers = max(1, self._workers - spared)
            step = self._solve(best, fixed, values, over)
            yield step
            if over():
                return
            if not begun:
                is_refuted = step.status == cp_model.INFEASIBLE and count > 0
                refuted += is_refuted
                begun = self.answer is not None and not (is_refuted and refuted <= _MOST_TAKEN_BACK)
                if begun:
                    self._patience = how.patience
                    continue
                if count == 0:
                    return
                shares[kind] *= how.widen ** (2 ** (refuted - 1) if is_refuted else 1)
                if not is_refuted:
                    self._patience *= 2
                continue
            fruitless = 0 if step.better else fruitless + 1
            if step.status in (cp_model.OPTIMAL, cp_model.INFEASIBLE):
                if count == 0:
                    return
                shares[kind] = max(0.0, 1 - max(1 - shares[kind], 1 / len(self._rank)) * _WIDE)
            elif not step.better:
                shares[kind] = 1 - (1 - shares[kind]) * _NARROW
                self._patience *= _LONGER

    def _check(self, solution: list[int], stop: Callable[[], bool]) -> bool:
        """Have CP-SAT check a solution, for a moment longer if told to stop; return whether it is the best by now."""
        heard = self.listener()
        parameters = checking_parameters(self._parameters)
        run = CpSatRun(hinted(self._model.model, solution), parameters, solution_callback=heard)
        ends = time.perf_counter() + _GRACE_SECONDS
        run.wait(lambda: stop() and time.perf_counter() >= ends)
        run.response()
        return heard.reached is not None

    def _around(
        self, best: npt.NDArray[np.int64], count: int, kind: int, over: Callable[[], bool]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the variables of the next neighbourhood that are fixed, and their values in the best solution."""
        variables = self._guess.variables
        if kind == _REGION:
            fixed = variables[~self._regions.grow(best, len(variables) - count, over)[variables]]
        else:
            key = self._rank + _NOISE * self._random.random(len(self._rank))
            key[best[variables] != self._guess.values] = np.inf
            fixed = variables[np.argsort(key, kind="stable")[:count]]
        return fixed, best[fixed]

    def _solve(
        self,
        best: list[int] | None,
        variables: npt.NDArray[np.int64],
        values: npt.NDArray[np.int64],
        over: Callable[[], bool],
    ) -> Step:
        started = time.perf_counter()
        model = self._model.model.clone() if best is None else hinted(self._model.model, best)
        for variable, value in zip(variables.tolist(), values.tolist(), strict=True):
            fix(model.proto.variables[variable], value)
        heard = self.listener()
        run = CpSatRun(model, self._parameters, solution_callback=heard)
        run.wait(lambda: over() or time.perf_counter() - heard.found >= self._patience)
        self._parameters.random_seed = (self._parameters.random_seed + 1) % 2**31
        status = run.response().status
        return Step(len(variables), status, heard.reached is not None, time.perf_counter() - started)
