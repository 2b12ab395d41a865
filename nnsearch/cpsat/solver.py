"""The drop-in solver: CP-SAT with a learned search beside it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.keeping import MayCount, check_weight, few_changes
from nnsearch.cpsat.parameters import leaves_subsolvers_open
from nnsearch.cpsat.past import Change, Past, PastOf
from nnsearch.cpsat.racing.options import OnError, RaceOptions
from nnsearch.cpsat.racing.race import Race
from nnsearch.cpsat.racing.report import RaceReport, Winner
from nnsearch.cpsat.racing.stand_aside import reason_to_stand_aside
from nnsearch.errors import ConfigError
from nnsearch.interrupt import DeferredInterrupt
from nnsearch.processors import usable_cpus
from nnsearch.scorers.onnx import load_scorer
from nnsearch.scorers.scorer import Scorer

_LOGGER = logging.getLogger("nnsearch")
_DEAREST = 10**9  # price of a change; sums of larger ones have no exact place in CP-SAT's answers


class CpSolver(cp_model.CpSolver):
    """``cp_model.CpSolver`` with one more argument; everything else stays as it is.

    CP-SAT has all ``num_workers``. A learned search in the CP engine is one more thread, with a bounded share of the
    processors; it looks for any solution as long as CP-SAT has none. The first answer wins, and the other side stops
    at once; with an objective CP-SAT goes on from the solution that was found, unless the parameters ask for the first
    one (``stop_after_first_solution``). Solutions of the learned search are checked by CP-SAT before they are
    reported. Where a race makes no sense (all solutions are asked for, assumptions, limits that are meant to be
    repeatable) CP-SAT has the solve for itself. ``race`` says who answered, and what the learned search gave. As in any
    portfolio of threads, which of several solutions is returned may change from run to run.

    Args:
        scorer: name or path of a network, or a scorer; None leaves all to CP-SAT.
        on_error: what an exception in the learned search does, of the scorer or of anything else in it: ``log`` it and
            let CP-SAT answer, or ``raise`` it.
        options: how the learned search takes part.
        history: store of past solves, a path of a file or a URL of a database. Each solve is kept there. One that finds
            a near one begins from its solution, made complete and feasible: CP-SAT starts at once, and again from that
            solution if it is better than what CP-SAT has by then. A store that cannot be used is a line of warning.
        family: what the models of this solver are called in the store. By default that is the model's name, and all of
            the store for a model without one. Where nothing of the model's name is near, models that are much like it
            count, of the latest 200 solves.
        keep: what every change against the nearest past solution costs, in the units of the objective. It is a part of
            what is minimised, and of ``objective_value`` and the bound; the history keeps the model's own objective.
        keep_only: tells of a variable's name whether a change of it counts; by default all count but sums in the
            objective: variables of it that are no Booleans.
        line_up: run the subsolvers that ``nnsearch history replay --line-up`` has found to be better than CP-SAT's own
            choice, in past instances of the family and with as many workers. Where nothing was found, or the
            parameters name subsolvers, all stays as it is.

    Attributes:
        race: who answered the last solve, and what history and the learned search gave.
        changes: what differs from the nearest past solution, by variable; empty where history was not asked.

    Raises:
        ModelFileError: there is no such network.
        ConfigError: an option is unknown.

    Examples:
        >>> from ortools.sat.python import cp_model
        >>> model = cp_model.CpModel()
        >>> x = [model.new_int_var(1, 3, name) for name in "abc"]
        >>> constraint = model.add_all_different(x)
        >>> solver = nnsearch.cpsat.CpSolver("bp")  # was: cp_model.CpSolver()
        >>> solver.status_name(solver.solve(model))
        'OPTIMAL'
        >>> sorted(solver.value(variable) for variable in x)
        [1, 2, 3]
        >>> solver.race.winner in ("cp-sat", "learned")
        True
    """

    def __init__(
        self,
        scorer: str | Path | Scorer | None = "bp",
        *,
        on_error: OnError = "log",
        options: RaceOptions | None = None,
        history: str | Path | None = None,
        family: str | None = None,
        keep: int | None = None,
        keep_only: MayCount | None = None,
        line_up: bool = False,
    ) -> None:
        super().__init__()
        if on_error not in ("log", "raise"):
            raise ConfigError(f"on_error: expected log or raise, got {on_error!r}")
        for option, given in (("family", family), ("keep", keep), ("line_up", line_up or None)):
            if given is not None and history is None:
                raise ConfigError(f"{option}: expected a history, too, got none; pass history=PATH")
        if keep is not None and (not isinstance(keep, int) or isinstance(keep, bool) or not 1 <= keep <= _DEAREST):
            raise ConfigError(f"keep: expected a whole number from 1 to {_DEAREST}, got {keep!r}")
        if keep_only is not None and keep is None:
            raise ConfigError("keep_only: expected keep, too, got none; pass keep=WEIGHT")
        self._keep, self._keep_only, self._line_up = keep, keep_only, line_up
        self.race: RaceReport | None = None
        self.changes: list[Change] = []
        self._past = None if history is None else Past(history, family)
        self._scorer = None if scorer is None else load_scorer(scorer)
        self._options, self._on_error = options or RaceOptions(), on_error
        self._response: cmh.CpSolverResponse | None = None
        self._answered = False  # by the last solve
        self._stopped = False  # asked to, before the race began
        self._warned = False
        self._race: Race | None = None

    def solve(
        self, model: cp_model.CpModel, solution_callback: cp_model.CpSolverSolutionCallback | None = None
    ) -> cmh.CpSolverStatus:
        """Solve a model; as in CP-SAT, the status is returned, and solutions are passed to the callback.

        Args:
            model: any model; it is not changed.
            solution_callback: told of each solution, as by ``cp_model.CpSolver``.

        Raises:
            Exception: of a callback, and of the learned search with ``on_error="raise"``; there is no answer then.
            ConfigError: ``keep`` has no place in the model's objective.
        """
        started = time.perf_counter()
        self._response, self._answered, self._stopped, self.changes = None, False, False, []
        if self._past is None:
            return self._solve(model, solution_callback, None, started)
        past = self._past.of(model)
        with DeferredInterrupt() as interrupted:
            asked = self._with_wish(model, past, started, interrupted)
        if interrupted() and not self.parameters.catch_sigint_signal:
            raise KeyboardInterrupt
        self._stopped = self._stopped or interrupted()
        status = self._solve(asked, solution_callback, past if asked is model else past.within(asked), started)
        with DeferredInterrupt() as interrupted:
            self._keep_in_mind(model, past, asked)
        if interrupted() and not self.parameters.catch_sigint_signal:
            raise KeyboardInterrupt
        return status

    def _keep_in_mind(self, model: cp_model.CpModel, past: PastOf, asked: cp_model.CpModel) -> None:
        """Record the answer, and say what has changed against the past."""
        if self.race is not None:
            response, size = self.response_proto, len(model.proto.variables)
            for solution in (response.solution, *(other.values for other in response.additional_solutions)):
                if len(solution) > size:
                    values = list(solution)[:size]
                    solution.clear()
                    solution.extend(values)
            if response.status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
                past.look(_never)
                self.changes = past.changes(list(response.solution))
            past.record(
                response,
                self.parameters,
                seconds=self.race.seconds,
                found_by=self.race.winner,
                bounded=asked is model,
                improvements=self.race.improvements,
            )
            if not self.parameters.fill_additional_solutions_in_response:
                response.additional_solutions.clear()

    def _with_wish(
        self, model: cp_model.CpModel, past: PastOf, started: float, interrupted: Callable[[], bool]
    ) -> cp_model.CpModel:
        """Return the model to solve: with the wish for few changes, where there is one and something to keep."""
        if self._keep is None or reason_to_stand_aside(model, self.parameters) is not None:
            return model
        check_weight(model, self._keep)
        ends = started + self.parameters.max_time_in_seconds
        past.look(lambda: self._stopped or interrupted() or time.perf_counter() >= ends)
        return model if past.near is None else few_changes(model, past.near.plan, self._keep, self._keep_only)

    def _solve(
        self,
        model: cp_model.CpModel,
        solution_callback: cp_model.CpSolverSolutionCallback | None,
        past: PastOf | None,
        started: float,
    ) -> cmh.CpSolverStatus:
        reason: str | None = "there is no scorer"
        if self._scorer is not None or past is not None:
            reason = reason_to_stand_aside(model, self.parameters)
        if reason is not None:
            return self._leave_to_cp_sat(model, solution_callback, reason)
        parameters, line_up = self.parameters, self._learned_line_up(past)
        if line_up:
            parameters = cmh.SatParameters()
            parameters.copy_from(self.parameters)
            parameters.subsolvers.extend(line_up)
        race = self._race = Race(
            model,
            parameters,
            self._scorer,
            self._options,
            self._on_error,
            past=past,
            started=started,
            solution_callback=solution_callback,
            log_callback=self.log_callback,
            best_bound_callback=self.best_bound_callback,
        )
        if self._stopped:
            race.stop()
        try:
            self._response = race.run()
        finally:
            self._race = None
            self.race = race.report
        if line_up and self.race is not None:
            self.race = replace(self.race, why=f"{self.race.why}; line-up {' '.join(line_up)}")
        self._answered = True
        if race.misfit is not None and not self._warned:
            self._warned = True
            _LOGGER.warning("the learned search stood aside, CP-SAT solved alone: %s", race.misfit)
        return self._response.status

    def _learned_line_up(self, past: PastOf | None) -> tuple[str, ...]:
        own = self.parameters
        if not self._line_up or past is None or not leaves_subsolvers_open(own):
            return ()
        return past.line_up(own.num_workers or own.num_search_workers or usable_cpus())

    def _leave_to_cp_sat(
        self, model: cp_model.CpModel, solution_callback: cp_model.CpSolverSolutionCallback | None, why: str
    ) -> cmh.CpSolverStatus:
        started = time.perf_counter()
        winner: Winner = "nobody"
        try:
            status = super().solve(model, solution_callback)
            self._answered = True
            winner = "nobody" if status == cp_model.UNKNOWN else "cp-sat"
            return status
        finally:
            self.race = RaceReport(winner, "nothing", why, None, None, time.perf_counter() - started)

    def stop_search(self) -> None:
        """Stop the current solve; it returns the best answer so far."""
        self._stopped = True
        race = self._race  # no lock: a handler of a signal may come here from within the race
        if race is not None:
            race.stop()
        else:
            super().stop_search()

    @property
    def _checked_response(self) -> cmh.CpSolverResponse:
        if not self._answered:
            raise RuntimeError("solve() has not been called, or it raised an exception.")
        return super()._checked_response if self._response is None else self._response


def _never() -> bool:
    return False
