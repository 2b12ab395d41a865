"""Learned search and CP-SAT side by side: the first answer wins, and nothing is reported that CP-SAT would not report.

CP-SAT gives Python no hook at its search nodes, so the learned search runs in the CP engine, beside it. What it finds
is checked by CP-SAT before anybody sees it, with every variable fixed.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Sequence

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.callbacks import Callbacks
from nnsearch.cpsat.hinted import hinted
from nnsearch.cpsat.learned_side import LearnedSide
from nnsearch.cpsat.race_options import OnError, RaceOptions
from nnsearch.cpsat.race_report import RaceReport, Winner
from nnsearch.cpsat.run import CpSatRun
from nnsearch.errors import ModelFileError, NNSearchError, ScoreError
from nnsearch.interrupt import DeferredInterrupt
from nnsearch.model.objective import read_objective
from nnsearch.result import SolveResult, Status
from nnsearch.scorers.network import Network

_LOGGER = logging.getLogger("nnsearch")
_KEEP_FROM = 4  # workers beside the learned search from which one more is not worth starting CP-SAT again
_POLL_SECONDS = 0.02  # how soon a stop is heard while the calling thread waits
_PROVED = (cp_model.OPTIMAL, cp_model.INFEASIBLE, cp_model.MODEL_INVALID)
_SOLVED = (cp_model.OPTIMAL, cp_model.FEASIBLE)


class Race:
    """One solve of one model by both sides.

    Args:
        model: the model; it is not changed.
        parameters: the user's; both sides keep to the time limit and together to the number of workers.
        scorer: a loaded scorer.
        options: how to share.
        on_error: what an exception in the learned search does, of the scorer or of anything else in it: ``log`` it and
            let CP-SAT answer, or ``raise`` it.
        solution_callback: called for solutions of either side that are strictly better than all before.
        log_callback: receives log lines.
        best_bound_callback: receives bounds that are strictly tighter than all before.
    """

    def __init__(
        self,
        model: cp_model.CpModel,
        parameters: cmh.SatParameters,
        scorer: Network,
        options: RaceOptions,
        on_error: OnError,
        *,
        solution_callback: cp_model.CpSolverSolutionCallback | None = None,
        log_callback: Callable[[str], None] | None = None,
        best_bound_callback: Callable[[float], None] | None = None,
    ) -> None:
        self.report: RaceReport | None = None
        self.misfit: ModelFileError | None = None
        """What the network cannot read in this model, if that was why the learned search stood aside."""
        self._started = time.perf_counter()
        self._model, self._scorer, self._options, self._on_error = model, scorer, options, on_error
        self._parameters = cmh.SatParameters()
        self._parameters.copy_from(parameters)
        self._deadline = self._started + parameters.max_time_in_seconds
        self._workers = parameters.num_workers or parameters.num_search_workers or _num_processors()
        self._objective = read_objective(model.proto)
        self._callbacks = Callbacks(self._objective, parameters, solution_callback, log_callback, best_bound_callback)
        self._side = LearnedSide(
            model, scorer, options, self._objective, self._callbacks, parameters.random_seed, self._started
        )
        self._stopped = False
        self._interrupted: Callable[[], bool] = _never
        self._running: CpSatRun | None = None
        self._learned: SolveResult | None = None
        self._error: BaseException | None = None
        self._aside: str | None = None  # why the learned search did not take part
        # Left to itself CP-SAT catches Ctrl-C, and the learned search would not hear of it.
        self._own_interrupt = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )

    def stop(self) -> None:
        """End the race; the best answer so far is returned. For other threads, callbacks and handlers of signals."""
        # No more than this: a handler may interrupt the calling thread at any place, with any lock in its hands.
        self._stopped = True

    def run(self) -> cmh.CpSolverResponse:
        """Race, and return the answer in CP-SAT's words.

        Raises:
            BaseException: what a callback of the user raised, or, with ``on_error="raise"``, the learned search.
            KeyboardInterrupt: Ctrl-C where the parameters say that CP-SAT shall not catch it, or a second one.
        """
        try:
            with DeferredInterrupt() as self._interrupted, self._callbacks:
                try:
                    response = self._run()
                finally:
                    if self._running is not None:
                        self._running.stop()
                if self._callbacks.error is not None:
                    raise self._callbacks.error
                if self._interrupted() and not self._parameters.catch_sigint_signal:
                    raise KeyboardInterrupt
                return response
        except BaseException as error:
            self.report = RaceReport("nobody", repr(error), self._learned, self._error, self._seconds())
            raise

    def _run(self) -> cmh.CpSolverResponse:
        beside = self._workers - 1
        first = self._start(max(beside, 1), self._model)
        if self._wait(first, self._options.head_start):
            return self._answer_of(first, "before the learned search began")
        if not beside:
            first.stop()
            if first.response().status in _PROVED:
                return self._answer_of(first, "before the learned search began")
        answer = self._learn(first if beside else None)
        if answer is None and beside >= _KEEP_FROM and self._side.best is None:
            self._wait(first)
        first.stop()
        before = first.response()
        if before.status in _PROVED:
            return self._answer_of(first, "it answered first")
        self._note_bound(before)
        if answer is not None and (response := self._learned_answer(answer, before)) is not None:
            return response
        best, winner = self._best_of(before)
        if not first.stopped or self._is_over() or self._proved(best):
            return self._finish(best, winner, "its answer was the best when the end came")
        return self._hand_over(best, winner)

    def _start(self, workers: int, model: cp_model.CpModel) -> CpSatRun:
        parameters = cmh.SatParameters()
        parameters.copy_from(self._parameters)
        parameters.clear_num_search_workers()  # the old name of the same; both together are refused
        parameters.num_workers = workers
        if self._own_interrupt:
            parameters.catch_sigint_signal = False
        if math.isfinite(self._deadline):
            parameters.max_time_in_seconds = max(self._time_left(), 0.0)
        self._running = CpSatRun(
            model,
            parameters,
            solution_callback=self._callbacks.solution_callback(),
            log_callback=self._callbacks.log_callback(),
            best_bound_callback=self._callbacks.bound_callback(),
        )
        return self._running

    def _wait(self, run: CpSatRun, seconds: float = math.inf) -> bool:
        """Wait for the end of a run, for some time; return whether it has ended. A stop ends it."""
        ends = time.perf_counter() + seconds
        while not run.done.wait(min(max(ends - time.perf_counter(), 0.0), _POLL_SECONDS)):
            if self._is_stopped():
                run.stop()
                return True
            if time.perf_counter() >= ends:
                return False
        return True

    def _is_stopped(self) -> bool:
        return self._stopped or self._callbacks.over or self._interrupted()

    def _is_over(self) -> bool:
        return self._is_stopped() or self._time_left() <= 0

    def _time_left(self) -> float:
        return self._deadline - time.perf_counter()

    def _seconds(self) -> float:
        return time.perf_counter() - self._started

    def _learn(self, beside: CpSatRun | None) -> SolveResult | None:
        """Search until there is an answer, which is returned, or until something else ends it; None then."""
        self._log(f"learned search begins: {self._scorer.name}")
        try:
            result = self._learned = self._search(beside)
            if result is None:
                return None
        except Exception as error:
            if isinstance(error, NNSearchError) and not isinstance(error, ScoreError):  # not a model for this scorer
                self.misfit = error if isinstance(error, ModelFileError) else None
                self._stand_aside(str(error))
                return None
            self._error = error
            if self._on_error == "raise":
                raise
            traceback.clear_frames(error.__traceback__)  # the report keeps the error, not the engine as well
            _LOGGER.warning("the learned search failed; CP-SAT goes on alone", exc_info=error)
            self._log(f"the learned search failed, CP-SAT goes on alone: {error!r}")
            return None
        self._log(
            f"learned search ends: {result.status}"
            + ("" if result.objective_value is None else f", objective {result.objective_value:g}")
            + f", {result.branches} branches, {result.failures} failures, "
            f"{result.inference.calls} inferences in {result.inference.seconds:.3f}s"
        )
        proved = result.status in (Status.OPTIMAL, Status.INFEASIBLE) or result.best_objective_bound is not None
        return result if proved else None

    def _stand_aside(self, reason: str) -> None:
        self._aside = reason
        self._log(f"the learned search stands aside: {reason}")

    def _search(self, beside: CpSatRun | None) -> SolveResult | None:
        ends = self._deadline
        if self._objective is not None or beside is None:
            ends = min(ends, time.perf_counter() + self._options.slice_seconds)
        # The engine keeps what it calls. This race leads to an error of the scorer, that to the frames of the search,
        # and these to the engine: a circle that nobody would ever free.
        race = weakref.proxy(self)

        def stop() -> bool:
            return race._is_stopped() or (beside is not None and beside.done.is_set())

        result = self._side.search(ends, stop)
        if result is None and not stop() and not self._is_over():
            self._stand_aside("it would take longer than its slice to read the model")
        return result

    def _learned_answer(self, answer: SolveResult, before: cmh.CpSolverResponse) -> cmh.CpSolverResponse | None:
        """Return a proof or a solution of the learned search in CP-SAT's words, None if CP-SAT refuses it.

        Args:
            answer: of the learned search.
            before: what CP-SAT had found until then.
        """
        why = "it answered first"
        if answer.status is not Status.OPTIMAL and answer.best_objective_bound is not None:
            return self._proof_for_cp_sat(answer, answer.best_objective_bound, before)
        if answer.solution is None:
            if before.status in _SOLVED:
                self._report_refusal("a proof of infeasibility")
                return None
            infeasible = cmh.CpSolverResponse()
            infeasible.status = cp_model.INFEASIBLE
            infeasible.num_branches, infeasible.num_conflicts = answer.branches, answer.failures
            return self._finish(infeasible, "learned", why)
        if self._objective is None:
            response = self._check(answer.solution, self._callbacks.solution)
            if response is None:
                return None
        else:
            response = self._check(answer.solution, None)
            if response is None:
                return None
            seen = before.status in _SOLVED and before.objective_value == response.objective_value
            if seen:
                response = before  # callbacks have had this one
            elif before.status in _SOLVED and self._objective.better(before.objective_value, response.objective_value):
                self._report_refusal("a proof of optimality")
                return None
            self._show(response, again=seen)
            self._callbacks.pass_bound(response.objective_value)
            self._set_bound(response)
        response.status = cp_model.OPTIMAL
        response.num_branches, response.num_conflicts = answer.branches, answer.failures
        return self._finish(response, "learned", why)

    def _proof_for_cp_sat(
        self, answer: SolveResult, bound: float, before: cmh.CpSolverResponse
    ) -> cmh.CpSolverResponse | None:
        """Return CP-SAT's solution as the best: the learned search looked for all that are better, and has ended."""
        if before.status not in _SOLVED or self._objective is None:
            return None
        above = self._objective.in_engine_units(before.objective_value) - self._objective.in_engine_units(bound)
        if above:
            if above < 0:
                self._report_refusal("a proof of optimality")
            return None
        self._callbacks.pass_bound(bound)
        self._set_bound(before)
        before.status = cp_model.OPTIMAL
        before.num_branches, before.num_conflicts = answer.branches, answer.failures
        return self._finish(before, "learned", "it proved that CP-SAT's solution is the best")

    def _best_of(self, before: cmh.CpSolverResponse) -> tuple[cmh.CpSolverResponse, Winner]:
        """Return the better of CP-SAT's solution and the learned one, with the best bound."""
        best, winner = before, _side(before)
        learned = None if self._side.best is None else self._check(self._side.best, None)
        if learned is not None and (
            best.status not in _SOLVED
            or self._objective is None
            or self._objective.better(learned.objective_value, best.objective_value)
        ):
            best, winner = learned, "learned"
            best.status = cp_model.FEASIBLE
            self._show(best)
        return best, winner

    def _hand_over(self, best: cmh.CpSolverResponse, winner: Winner) -> cmh.CpSolverResponse:
        """Give all workers to CP-SAT, and the best solution as a hint."""
        hint = list(best.solution) if best.status in _SOLVED else None
        self._log(f"CP-SAT goes on with {self._workers} workers" + (" and a hint" if hint else ""))
        second = self._start(self._workers, self._model if hint is None else hinted(self._model, hint))
        self._wait(second)
        response = second.response()
        self._note_bound(response)
        if response.status not in _SOLVED:
            if hint is None or response.status in _PROVED:
                return self._answer_of(second, "the learned search had ended")
            return self._finish(best, winner, "its solution was the best when the end came")
        if hint and self._objective and not self._objective.better(response.objective_value, best.objective_value):
            if response.status == cp_model.FEASIBLE:
                return self._finish(best, winner, "its solution was the best when the end came")
            if response.objective_value != best.objective_value:  # a limit on the gap, which holds for a better one too
                best.status = cp_model.OPTIMAL
                self._set_bound(best)
                return self._finish(best, winner, "its solution was the best when the gap was small enough")
            response.solution.clear()
            response.solution.extend(hint)  # callbacks have seen this one
        return self._finish(response, "cp-sat", "the learned search had ended")

    def _answer_of(self, run: CpSatRun, why: str) -> cmh.CpSolverResponse:
        response = run.response()
        return self._finish(response, _side(response), why)

    def _finish(self, response: cmh.CpSolverResponse, winner: Winner, why: str) -> cmh.CpSolverResponse:
        if self._objective is not None and response.status == cp_model.FEASIBLE:
            if self._proved(response):
                response.status = cp_model.OPTIMAL
            self._set_bound(response)
        if self._objective is not None and response.status in _SOLVED:
            self._show(response, again=True)
        response.wall_time = self._seconds()
        if winner == "nobody":
            why = "the end came first"
        if self._aside is not None:
            why += f"; the learned search stood aside: {self._aside}"
        if winner == "learned":
            response.solution_info = f"learned search ({self._scorer.name})"
            self._log(cmh.CpSatHelper.solver_response_stats(response))
        self.report = RaceReport(winner, why, self._learned, self._error, self._seconds())
        self._log(f"{winner}: {why}")
        if self._callbacks.lines:
            response.solve_log = "".join(line + "\n" for line in self._callbacks.lines)
        return response

    def _note_bound(self, response: cmh.CpSolverResponse) -> None:
        """Take note of the bound of a response; without a solution it may be a zero that says nothing."""
        if self._objective is not None and response.status in _SOLVED:
            self._callbacks.pass_bound(response.best_objective_bound)

    def _set_bound(self, response: cmh.CpSolverResponse) -> None:
        bound = response.best_objective_bound = self._callbacks.bound
        if self._objective is not None and not self._objective.floating and math.isfinite(bound):
            response.inner_objective_lower_bound = self._objective.in_engine_units(bound)

    def _proved(self, response: cmh.CpSolverResponse) -> bool:
        """Tell whether the best bound proves that no solution is better; with floating point only CP-SAT knows."""
        return (
            self._objective is not None
            and not self._objective.floating
            and response.status in _SOLVED
            and not self._objective.better(self._callbacks.bound, response.objective_value)
        )

    def _show(self, response: cmh.CpSolverResponse, again: bool = False) -> None:
        """Let the solution callback read a solution; it is called if this one is strictly better than all before.

        Args:
            response: holds the solution.
            again: only if the callback has read another one since: after the solve, too, it can be asked for values.
        """
        callbacks = self._callbacks
        if self._objective is not None and callbacks.bound == self._objective.no_bound:
            callbacks.bound = self._objective.bound_of_domains(self._model.proto)
        if callbacks.solution is None or callbacks.error is not None:
            return
        if not again or (callbacks.seen is not None and callbacks.seen != response.objective_value):
            self._check(list(response.solution), callbacks.solution)

    def _check(
        self, values: Sequence[int], callback: cp_model.CpSolverSolutionCallback | None
    ) -> cmh.CpSolverResponse | None:
        """Have CP-SAT check a solution and report it in its own words; None if it refuses."""
        checker = cp_model.CpSolver()
        checker.parameters.num_workers = 1
        checker.parameters.fix_variables_to_their_hinted_value = True
        checker.parameters.catch_sigint_signal = False
        if checker.solve(hinted(self._model, values), callback) in _SOLVED:
            return checker.response_proto
        self._report_refusal("a solution")
        return None

    def _report_refusal(self, what: str) -> None:
        _LOGGER.error("CP-SAT refuses %s of the learned search; please report this with the model", what)

    def _log(self, text: str) -> None:
        self._callbacks.log_line(self._started, text)


def _side(response: cmh.CpSolverResponse) -> Winner:
    return "nobody" if response.status == cp_model.UNKNOWN else "cp-sat"


def _num_processors() -> int:
    """Return what CP-SAT takes when the parameters leave it open: all processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _never() -> bool:
    return False
