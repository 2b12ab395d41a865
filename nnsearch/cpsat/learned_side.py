"""The learned side of a race: depth-first search with restarts, then dives."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable
from dataclasses import replace

from ortools.sat.python import cp_model

from nnsearch.cp.restarts import Restarts
from nnsearch.cp.search import Progress, solve
from nnsearch.cpsat.callbacks import Callbacks
from nnsearch.cpsat.dives import Dived, solve_by_dives
from nnsearch.cpsat.race_options import RaceOptions
from nnsearch.cpsat.stand_aside import too_wide
from nnsearch.errors import TranslationError
from nnsearch.limits import Limits
from nnsearch.model.objective import Objective
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.stopping import ReadingStoppedError
from nnsearch.model.variables import all_variables
from nnsearch.result import SolveResult, Status
from nnsearch.scorers.network import Network

_SOLUTION_LOG_SECONDS = 0.1  # between two lines about solutions; first ones are improved within a millisecond
_SEEDS = 2**31  # CP-SAT's own seed may be negative, others may not


class LearnedSide:
    """What a race lets a network do.

    Args:
        model: the model; it is not changed.
        scorer: a loaded scorer.
        options: of the race.
        objective: of the model; None if it has none.
        callbacks: of the race; they know CP-SAT's best solution, and take the log.
        random_seed: CP-SAT's; it is added to the seeds of restarts and dives.
        started: when the race began, of ``time.perf_counter``.
    """

    def __init__(
        self,
        model: cp_model.CpModel,
        scorer: Network,
        options: RaceOptions,
        objective: Objective | None,
        callbacks: Callbacks,
        random_seed: int,
        started: float,
    ) -> None:
        self.best: list[int] | None = None
        """Values of the best solution so far, of a model with an objective."""
        self._model, self._scorer, self._options = model, scorer, options
        self._objective, self._callbacks = objective, callbacks
        self._random_seed, self._started = random_seed, started
        self._logged = started

    def search(self, ends: float, stop: Callable[[], bool]) -> SolveResult | None:
        """Search until there is an answer, until a time of ``time.perf_counter``, or until ``stop`` is true.

        Returns:
            The result; None if the model was not read by then.

        Raises:
            NNSearchError: this model cannot be searched with this scorer, or its scores are wrong.
            Exception: what the scorer raised.
        """
        try:
            model = PreparedModel.of(self._model, stop=lambda: time.perf_counter() >= ends or stop())
        except ReadingStoppedError:
            return None
        if (reason := too_wide(model)) is not None:
            raise TranslationError(reason)
        result = self._search(model, ends, stop)
        begun = result.inference.calls or result.inference.recalled or result.branches
        ended = result.status is not Status.UNKNOWN or result.best_objective_bound is not None
        return result if begun or ended or time.perf_counter() < ends else None

    def _search(self, model: PreparedModel, ends: float, stop: Callable[[], bool]) -> SolveResult:
        options = self._options
        optimising, bounded = self._objective is not None, self._objective is not None and not self._objective.floating
        side = weakref.proxy(self)  # the engine keeps what it calls, and nobody would ever free it

        def limits(failures: int | None) -> Limits:
            return Limits(None if math.isinf(ends) else max(ends - time.perf_counter(), 0.0), failures)

        how = options.search.resolved_for(self._scorer)
        if isinstance(how.restarts, Restarts):
            how = replace(how, restarts=replace(how.restarts, seed=self._seed(how.restarts.seed)))
        dives = options.dives and replace(options.dives, seed=self._seed(options.dives.seed))
        if optimising:
            dives = None
        result = solve(
            model,
            all_variables(self._model),
            self._scorer,
            replace(how, limits=limits(None if dives is None else options.search_failures)),
            stop=stop,
            on_progress=(lambda progress: side._tell(progress)) if self._callbacks.logs else None,
            on_solution=(lambda values, objective: side._keep(values, objective)) if optimising else None,
            upper_bound=(lambda: side._upper_bound()) if bounded else None,
        )
        if dives is None or result.status is not Status.UNKNOWN or stop() or time.perf_counter() >= ends:
            return result
        dived = solve_by_dives(
            model,
            [self._scorer],
            dives=dives,
            policy=how.policy,
            limits=limits(None),
            stop=stop,
            on_dive=lambda dived: side._tell_dive(dived),
        )
        return replace(
            dived,
            branches=result.branches + dived.branches,
            failures=result.failures + dived.failures,
            inference=result.inference + dived.inference,
            wall_seconds=result.wall_seconds + dived.wall_seconds,
        )

    def _seed(self, seed: int) -> int:
        return (seed + self._random_seed) % _SEEDS

    def _upper_bound(self) -> int | None:
        """Return the objective of CP-SAT's best solution as the engine counts it."""
        best = self._callbacks.incumbent
        return None if best is None or self._objective is None else self._objective.in_engine_units(best)

    def _keep(self, values: list[int], objective: int | None) -> None:
        self.best = values
        now = time.perf_counter()
        if self._objective is not None and self._callbacks.logs and now >= self._logged + _SOLUTION_LOG_SECONDS:
            self._logged = now
            self._log(f"learned search: objective {self._objective.in_model_units(objective or 0):g}")

    def _tell(self, progress: Progress) -> None:
        self._log(
            f"learned search: {progress.branches} branches, {progress.failures} failures, "
            f"{progress.restarts} restarts, {progress.inference_calls} inferences in {progress.inference_seconds:.3f}s"
        )

    def _tell_dive(self, dived: Dived) -> None:
        self._log(
            f"dive {dived.dive}: {dived.prefix} of {dived.decisions} decisions fixed, CP-SAT: {dived.status} in "
            f"{dived.seconds:.2f}s"
        )

    def _log(self, text: str) -> None:
        self._callbacks.log_line(self._started, text)
