"""Learned search and CP-SAT side by side: the first answer wins, and nothing is reported that CP-SAT would not report.

CP-SAT gives Python no hook at its search nodes, so the learned search runs in the CP engine, beside it. What it finds
is checked by CP-SAT before anybody sees it, with every variable fixed.
"""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.past import PastOf
from nnsearch.cpsat.racing.answers import Answers
from nnsearch.cpsat.racing.callbacks import Callbacks
from nnsearch.cpsat.racing.credit import Credit
from nnsearch.cpsat.racing.options import OnError, RaceOptions
from nnsearch.cpsat.racing.prompt_threads import PromptThreads
from nnsearch.cpsat.racing.report import RaceReport
from nnsearch.cpsat.racing.share import Share
from nnsearch.cpsat.racing.sides.lead import Lead
from nnsearch.cpsat.racing.sides.learned_side import LearnedSide
from nnsearch.cpsat.racing.sides.recall import Recall
from nnsearch.cpsat.racing.standing import SOLVED, Standing
from nnsearch.cpsat.racing.track import Track
from nnsearch.cpsat.run import CpSatRun
from nnsearch.errors import ModelFileError
from nnsearch.interrupt import DeferredInterrupt
from nnsearch.model.objective import is_constant, read_objective
from nnsearch.model.stopping import ReadingStoppedError
from nnsearch.result import SolveResult, Status
from nnsearch.scorers.network import Network

_FOR_A_SOLUTION = 10  # times the head start


class Race:
    """One solve of one model by both sides.

    Args:
        model: the model; it is not changed.
        parameters: the user's; both sides keep to the time limit and together to the number of workers.
        scorer: a loaded scorer; None is no learned search.
        options: how to share.
        on_error: what an exception in the learned search does, of the scorer or of anything else in it: ``log`` it and
            let CP-SAT answer, or ``raise`` it.
        past: the past of the model, where the solver has a history.
        started: when the solve began, of ``time.perf_counter``; None is now.
        solution_callback: called for solutions of either side that are strictly better than all before.
        log_callback: receives log lines.
        best_bound_callback: receives bounds that are strictly tighter than all before.
    """

    def __init__(
        self,
        model: cp_model.CpModel,
        parameters: cmh.SatParameters,
        scorer: Network | None,
        options: RaceOptions,
        on_error: OnError,
        *,
        past: PastOf | None = None,
        started: float | None = None,
        solution_callback: cp_model.CpSolverSolutionCallback | None = None,
        log_callback: Callable[[str], None] | None = None,
        best_bound_callback: Callable[[float], None] | None = None,
    ) -> None:
        started = time.perf_counter() if started is None else started
        objective = None if is_constant(model.proto) else read_objective(model.proto)
        self._scorer, self._options = scorer, options
        leads = objective is not None and scorer is not None and scorer.purpose == "objective"
        self._callbacks = Callbacks(
            objective,
            parameters,
            solution_callback,
            log_callback,
            best_bound_callback,
            beside_cp_sat=past is not None or leads,
        )
        decides = objective is None and not parameters.stop_after_first_solution
        self._decides = decides and scorer is not None and scorer.purpose == "preferences"
        self._track = Track(
            model,
            objective,
            parameters,
            self._callbacks,
            started,
            pools=past is not None,
            silent=self._decides,
            leads=leads,
        )
        self._standing = Standing(model.proto, objective, self._callbacks, self._track.parameters)
        self._credit = Credit(scorer, past, objective, on_error, self._track.log)
        self._answers = Answers(
            self._track, self._callbacks, self._standing, self._credit, scorer, decides=self._decides
        )
        self._recall = Recall(past, options, self._answers)
        self._lead = Lead(scorer, past, self._recall, options, self._answers)
        self._answered: float | None = None  # when CP-SAT's answer was heard, where that is not the end

    @property
    def report(self) -> RaceReport | None:
        """What came of the race, once it has ended."""
        return self._answers.report

    @property
    def misfit(self) -> ModelFileError | None:
        """What the network cannot read in this model, if that was why the learned search stood aside."""
        return self._credit.misfit

    def stop(self) -> None:
        """End the race; the best answer so far is returned. For other threads, callbacks and handlers of signals."""
        # No more than this: a handler may interrupt the calling thread at any place, with any lock in its hands.
        self._track.stopped = True

    def run(self) -> cmh.CpSolverResponse:
        """Race, and return the answer in CP-SAT's words.

        Raises:
            BaseException: what a callback of the user raised, or, with ``on_error="raise"``, the learned search.
            KeyboardInterrupt: Ctrl-C where the parameters say that CP-SAT shall not catch it, or a second one.
        """
        try:
            with DeferredInterrupt() as self._track.interrupted, PromptThreads(), self._callbacks:
                try:
                    response = self._run()
                finally:
                    self._callbacks.follow = None  # it leads back to the search
                    if self._track.running is not None:
                        self._track.running.stop()
                if self._callbacks.error is not None:
                    raise self._callbacks.error
                if self._track.interrupted() and not self._track.parameters.catch_sigint_signal:
                    raise KeyboardInterrupt
                return response
        except BaseException as error:
            self._answers.fail(error)
            raise

    def _run(self) -> cmh.CpSolverResponse:
        first = self._track.start(self._track.model)
        answer = None
        # A start soon pays for its time; the learned search leaves easy models alone.
        at_once = self._recall.look_back(first) or self._decides
        if not at_once and self._track.wait_until(first, self._options.head_start):
            self._credit.give_nothing(self._why_not_begun(first))
        else:
            search = self._lead.schedule_search(first)
            if self._credit.giver != "history" and not self._credit.forgotten:
                answer = self._recall.start(first)
            if self._track.leads or search is not None:
                return self._lead.run(first, search, answer)
            if answer is None and self._scorer is not None and not self._is_forestalled(first):
                answer = self._learn(first, self._scorer)
        if answer is None:
            self._track.wait(first)
            return self._answers.finish(first.response(), "cp-sat")
        if self._recall.recalled is not None and self._track.objective is not None:
            return self._recall.go_on_from(answer, first)
        if self._track.objective is not None and answer.status != cp_model.INFEASIBLE and not self._track.wants_any:
            # Where CP-SAT is about to have one of its own, it would lose more by another presolve than this one gives.
            self._track.wait(first, self._options.trial_seconds, self._standing.has_solution)
            if self._standing.has_solution():
                self._credit.give_nothing("CP-SAT had a solution soon after")
                self._track.wait(first)
                return self._answers.better(first.response(), answer)
        first.stop()
        before = first.response()
        if answer.status == cp_model.INFEASIBLE:
            if before.status in SOLVED:
                self._answers.report_refusal("a proof of infeasibility")
                return self._answers.finish(before, "cp-sat")
            return self._answers.finish(answer, self._credit.giver)
        self._standing.note_bound(before)
        if self._track.objective is None:
            if before.status == cp_model.INFEASIBLE:
                self._answers.report_contradiction("no solution", answer)
            self._answers.show(answer)  # only now: nobody else may be reading through the callback
            return self._answers.finish(answer, self._credit.giver)
        if not self._standing.improves(answer, before) or (self._track.wants_any and before.status in SOLVED):
            self._credit.give_nothing("CP-SAT had a solution first")
            if not first.stopped or self._track.wants_any or self._track.is_over():
                return self._answers.finish(before, "cp-sat")
            return self._answers.hand_over(before, "cp-sat")
        self._answers.show(answer)
        self._credit.give(answer.objective_value, self._track.seconds())
        if not first.stopped or self._track.is_over() or self._standing.proves(answer):
            return self._answers.better(before, answer)
        return self._answers.hand_over(answer, self._credit.giver)

    def _learn(self, beside: CpSatRun, scorer: Network) -> cmh.CpSolverResponse | None:
        """Search until there is an answer, which is returned in CP-SAT's words, or until there is no use for one."""
        # The engine keeps what it calls. This race leads to an error of the scorer, that to the frames of the search,
        # and these to the engine: a circle that nobody would ever free.
        race = weakref.proxy(self)

        def stop() -> bool:
            return race._track.is_stopped() or race._standing.has_solution() or race._is_too_late(beside)

        options = self._options
        grant = math.inf if self._decides else options.grant
        share = Share.beside(self._track.workers, grant, options.share, lambda: stop() or race._track.is_over())
        self._track.log(f"learned search begins: {scorer.name}")
        side = LearnedSide(
            self._track.model, scorer, options, self._callbacks, self._track.parameters.random_seed, self._track.started
        )
        try:
            result = self._credit.learned = side.search(self._track.deadline, stop, share)
        except ReadingStoppedError:
            self._credit.nothing = self._end_of(beside) or "the model was not read by then"
            return None
        except Exception as error:
            self._credit.fail(error)
            return None
        self._track.log(
            f"learned search ends: {result.status}, {result.branches} branches, {result.failures} failures, "
            f"{result.inference.calls} inferences in {result.inference.seconds:.3f}s"
        )
        return self._in_cp_sats_words(result, beside)

    def _is_too_late(self, beside: CpSatRun) -> bool:
        """Tell whether CP-SAT's answer leaves the learned search nothing to say."""
        if not beside.done.is_set():
            return False
        if not self._decides or beside.response().status not in SOLVED:
            return True
        self._answered = self._answered or time.perf_counter()
        return time.perf_counter() >= self._answered + self._options.patience

    def _is_forestalled(self, beside: CpSatRun) -> bool:
        """Tell whether CP-SAT leaves no first solution to find; with an objective it has a longer head start."""
        if self._decides:
            return False
        times = 1 if self._track.objective is None else _FOR_A_SOLUTION
        ended = self._track.wait_until(beside, times * self._options.head_start, self._standing.has_solution)
        if ended or self._standing.has_solution():
            self._credit.nothing = self._why_not_begun(beside)
            return True
        return False

    def _why_not_begun(self, beside: CpSatRun) -> str:
        if self._track.is_stopped():
            return "it had not begun"
        return f"CP-SAT {'answered' if beside.done.is_set() else 'had a solution'} before it began"

    def _end_of(self, beside: CpSatRun) -> str | None:
        """Return what ended the learned search, None if nothing did."""
        if self._standing.has_solution():
            return "CP-SAT had a solution first"
        if self._answered is not None:
            return f"it found no solution in its order within {self._options.patience:g} s of CP-SAT's"
        return "CP-SAT answered first" if beside.done.is_set() else None

    def _in_cp_sats_words(self, result: SolveResult, beside: CpSatRun) -> cmh.CpSolverResponse | None:
        """Return the answer of the learned search; None if it has none, or if CP-SAT refuses it."""
        response: cmh.CpSolverResponse | None = None
        if result.status is Status.INFEASIBLE:
            response = cmh.CpSolverResponse()
            response.status = cp_model.INFEASIBLE
        elif result.solution is not None:
            response = self._answers.check(result.solution, None)
            self._credit.nothing = self._answers.why_not_checked()
            if response is not None:
                response.status = cp_model.OPTIMAL if self._track.objective is None else cp_model.FEASIBLE
        else:
            self._credit.nothing = self._end_of(beside) or f"it found no solution, with {result.failures} failures"
        if response is not None:
            response.num_branches, response.num_conflicts = result.branches, result.failures
        return response
