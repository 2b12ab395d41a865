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
from nnsearch.cpsat.dives import Dived, solve_by_dives
from nnsearch.cpsat.racing.callbacks import Callbacks
from nnsearch.cpsat.racing.options import RaceOptions
from nnsearch.cpsat.racing.share import Share
from nnsearch.cpsat.racing.stand_aside import too_wide
from nnsearch.errors import TranslationError
from nnsearch.limits import Limits
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.variables import all_variables
from nnsearch.result import SolveResult, Status
from nnsearch.scorers.network import Network

_SEEDS = 2**31  # CP-SAT's own seed may be negative, others may not


class LearnedSide:
    """What a race lets a network do: look for any solution of the model, whatever the objective.

    Args:
        model: The model; it is not changed.
        scorer: A loaded scorer.
        options: Of the race.
        callbacks: Of the race; they take the log.
        random_seed: CP-SAT's; it is added to the seeds of restarts and dives.
        started: When the race began, of ``time.perf_counter``.
    """

    def __init__(
        self,
        model: cp_model.CpModel,
        scorer: Network,
        options: RaceOptions,
        callbacks: Callbacks,
        random_seed: int,
        started: float,
    ) -> None:
        self._model, self._scorer, self._options = model, scorer, options
        self._callbacks, self._random_seed, self._started = callbacks, random_seed, started

    def search(self, ends: float, stop: Callable[[], bool], share: Share) -> SolveResult:
        """Search until there is a solution, or none, until a time of ``time.perf_counter``, or until ``stop`` is true.

        Args:
            ends: The time.
            stop: Asked often.
            share: Of the time until then.

        Raises:
            NNSearchError: This model cannot be searched with this scorer, or its scores are wrong.
            ReadingStoppedError: The model was not read by then.
            Exception: What the scorer raised.
        """

        def over() -> bool:
            share.pause()
            return stop() or time.perf_counter() >= ends

        model = PreparedModel.of(self._model.clone(), stop=over).without_objective(stop=over)
        if (reason := too_wide(model)) is not None:
            raise TranslationError(reason)
        graph = model.graph(stop=over)
        if graph.report.num_encoded == graph.report.num_constraints:
            share.raise_until(self._options.full_failures * graph.num_candidates, self._options.full_grant)
        side = weakref.proxy(self)  # the engine keeps what it calls, and nobody would ever free it

        def limits(failures: int | None) -> Limits:
            return Limits(None if math.isinf(ends) else max(ends - time.perf_counter(), 0.0), failures)

        options = self._options
        how = options.search.resolved_for(self._scorer)
        if isinstance(how.restarts, Restarts):
            how = replace(how, restarts=replace(how.restarts, seed=self._seed(how.restarts.seed)))
        result = solve(
            model,
            all_variables(model.model),
            self._scorer,
            replace(how, limits=limits(None if options.dives is None else options.search_failures)),
            stop=over,
            on_failure=share.note_failures,
            on_progress=(lambda progress: side._tell(progress)) if self._callbacks.logs else None,
        )
        if options.dives is None or result.status is not Status.UNKNOWN or over():
            return result

        def on_dive(dived: Dived) -> None:
            side._tell_dive(dived)
            # Here, since CP-SAT is at work while the dive asks for a stop. The next one will hardly take longer.
            share.pause(dived.seconds, ahead=dived.seconds)

        share.pause(ahead=options.dives.seconds)
        dived = solve_by_dives(
            model,
            [self._scorer],
            dives=replace(options.dives, seed=self._seed(options.dives.seed)),
            policy=how.policy,
            limits=limits(None),
            stop=stop,
            on_dive=on_dive,
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
