"""Learned search and CP-SAT side by side: the first answer wins, and nothing is reported that CP-SAT would not report.

CP-SAT gives Python no hook at its search nodes, so the learned search runs in the CP engine, beside it. What it finds
is checked by CP-SAT before anybody sees it, with every variable fixed.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Sequence

import numpy as np
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.guess import Guess
from nnsearch.cpsat.hinted import hinted
from nnsearch.cpsat.neighbourhoods import NeighbourhoodSearch
from nnsearch.cpsat.parameters import leaves_subsolvers_open
from nnsearch.cpsat.past import PastOf
from nnsearch.cpsat.racing.callbacks import Callbacks
from nnsearch.cpsat.racing.credit import Credit
from nnsearch.cpsat.racing.learned_side import LearnedSide
from nnsearch.cpsat.racing.options import OnError, RaceOptions
from nnsearch.cpsat.racing.prompt_threads import PromptThreads
from nnsearch.cpsat.racing.report import RaceReport, Winner
from nnsearch.cpsat.racing.share import Share
from nnsearch.cpsat.racing.standing import SOLVED, Standing
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.schedules.search import ScheduleSearch
from nnsearch.cpsat.start import Start
from nnsearch.errors import ModelFileError, NNSearchError, NothingToReadError, ScoreError
from nnsearch.history.matching import Plan
from nnsearch.interrupt import DeferredInterrupt
from nnsearch.limits import STOP
from nnsearch.model.objective import is_constant, read_objective
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.stopping import ReadingStoppedError
from nnsearch.plain_solver import plain_solver
from nnsearch.processors import usable_cpus
from nnsearch.result import SolveResult, Status
from nnsearch.schedules.reading import Schedule
from nnsearch.scorers.network import Network

_LOGGER = logging.getLogger("nnsearch")
_POLL_SECONDS = 0.02  # how soon a stop is heard while the calling thread waits
_FOR_A_SOLUTION = 10  # times the head start
_ASKED_SHARE = 0.25  # of the time left, in which a scorer has to say how to lead
_AGAIN = 2  # times as long as CP-SAT has had for no solution, so that to begin again is worth its while
_CHECK_SECONDS = 0.05  # to check a solution that came in the last moment


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
        self.report: RaceReport | None = None
        self.misfit: ModelFileError | None = None
        """What the network cannot read in this model, if that was why the learned search stood aside."""
        self._started = time.perf_counter() if started is None else started
        self._model, self._scorer, self._options, self._on_error = model, scorer, options, on_error
        self._past = past
        self._parameters = cmh.SatParameters()
        self._parameters.copy_from(parameters)
        self._wants_any = parameters.stop_after_first_solution  # the first solution, whatever its objective
        self._deadline = self._started + parameters.max_time_in_seconds
        self._workers = parameters.num_workers or parameters.num_search_workers or usable_cpus()
        self._objective = None if is_constant(model.proto) else read_objective(model.proto)
        self._leads = self._objective is not None and scorer is not None and scorer.purpose == "objective"
        self._callbacks = Callbacks(
            self._objective,
            parameters,
            solution_callback,
            log_callback,
            best_bound_callback,
            beside_cp_sat=past is not None or self._leads,
        )
        self._standing = Standing(model.proto, self._objective, self._callbacks, self._parameters)
        self._stopped = self._has_any = False
        self._interrupted: Callable[[], bool] = _never
        self._running: CpSatRun | None = None
        decides = self._objective is None and not self._wants_any
        self._decides = decides and scorer is not None and scorer.purpose == "preferences"
        self._answered: float | None = None  # when CP-SAT's answer was heard, where that is not the end
        self._learned: SolveResult | None = None
        self._error: BaseException | None = None
        self._credit = Credit(scorer, past, self._objective)
        self._recalled: Start | None = None
        self._read: PreparedModel | None = None
        self._followed: float | None = None  # the objective of CP-SAT's solution that a search went on from
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
            with DeferredInterrupt() as self._interrupted, PromptThreads(), self._callbacks:
                try:
                    response = self._run()
                finally:
                    self._callbacks.follow = None  # it leads back to this race
                    if self._running is not None:
                        self._running.stop()
                if self._callbacks.error is not None:
                    raise self._callbacks.error
                if self._interrupted() and not self._parameters.catch_sigint_signal:
                    raise KeyboardInterrupt
                return response
        except BaseException as error:
            self.report = RaceReport("nobody", "nothing", repr(error), self._learned, self._error, self._seconds())
            raise

    def _run(self) -> cmh.CpSolverResponse:
        first = self._start(self._model)
        answer = None
        self._look_back(first)
        if not self._decides and self._wait(first, self._options.head_start - self._seconds()):
            self._credit.give_nothing(self._why_not_begun(first))
        else:
            search = self._schedule_search(first)
            answer = None
            if self._credit.giver != "history" and not self._credit.forgotten:
                answer = self._recall(first, self._past)
            if self._leads or search is not None:
                return self._lead(first, search, answer)
            if answer is None and self._scorer is not None and not self._is_forestalled(first):
                answer = self._learn(first, self._scorer)
        if answer is None:
            self._wait(first)
            return self._finish(first.response(), "cp-sat")
        if self._past is not None and self._recalled is not None and self._objective is not None:
            return self._go_on_from(answer, self._past, self._recalled, first)
        if self._objective is not None and answer.status != cp_model.INFEASIBLE and not self._wants_any:
            # Where CP-SAT is about to have one of its own, it would lose more by another presolve than this one gives.
            self._wait(first, self._options.trial_seconds, self._standing.has_solution)
            if self._standing.has_solution():
                self._credit.give_nothing("CP-SAT had a solution soon after")
                self._wait(first)
                return self._better(first.response(), answer)
        first.stop()
        before = first.response()
        if answer.status == cp_model.INFEASIBLE:
            if before.status in SOLVED:
                self._report_refusal("a proof of infeasibility")
                return self._finish(before, "cp-sat")
            return self._finish(answer, self._credit.giver)
        self._standing.note_bound(before)
        if self._objective is None:
            if before.status == cp_model.INFEASIBLE:
                self._report_contradiction("no solution", answer)
            self._show(answer)  # only now: nobody else may be reading through the callback
            return self._finish(answer, self._credit.giver)
        if not self._standing.improves(answer, before) or (self._wants_any and before.status in SOLVED):
            self._credit.give_nothing("CP-SAT had a solution first")
            if not first.stopped or self._wants_any:
                return self._finish(before, "cp-sat")
            return self._finish(before, "cp-sat") if self._is_over() else self._hand_over(before, "cp-sat")
        self._show(answer)
        self._credit.give(answer.objective_value, self._seconds())
        if not first.stopped or self._is_over() or self._standing.proves(answer):
            return self._better(before, answer)
        return self._hand_over(answer, self._credit.giver)

    def _go_on_from(
        self, start: cmh.CpSolverResponse, past: PastOf, found: Start, first: CpSatRun
    ) -> cmh.CpSolverResponse:
        """Improve a start for a while, and begin CP-SAT again from it unless CP-SAT has a better solution.

        Where CP-SAT has one at once that is hardly better, the start is improved all the same for a moment, which is at
        most as long as the race has lasted by then.
        """
        self._credit.nothing = "history had a start"
        self._note_gift(start)
        self._show(start)
        now = time.perf_counter()
        left, moment = self._deadline - now, min(self._seconds(), self._options.trial_seconds)
        window = max(self._options.trial_seconds, self._options.start_share * left if math.isfinite(left) else 1.0)

        def over() -> bool:
            tried = time.perf_counter() - now >= moment
            hopeless = tried or not self._standing.is_near(start.objective_value)
            return self._is_past_help(first) or (hopeless and self._standing.is_surpassed(start.objective_value))

        for better in past.improved(found, now + min(window, left), over, self._parameters):
            response = self._check(better.solution, None)
            if response is not None and self._standing.improves(response, start):
                start = response
                start.status = cp_model.FEASIBLE
                self._note_gift(start)
                self._show(start)
        self._wait(first, self._options.trial_seconds - (time.perf_counter() - now))
        if not self._standing.has_solution():  # and may be about to have a better one
            self._wait(first, self._seconds(), self._standing.has_solution)
        if self._standing.is_surpassed(start.objective_value):
            self._credit.withdraw("CP-SAT soon had a better solution")
            self._wait(first)
        elif self._standing.is_near(start.objective_value):
            self._wait(first)  # to begin again would cost more than it gives; the start is kept all the same
        ended = first.done.is_set()
        first.stop()
        before = first.response()
        self._standing.note_bound(before)
        if ended:
            if not self._standing.improves(start, before):
                self._credit.withdraw("CP-SAT had as good a solution by itself")
            return self._better(before, start)
        own = before.status in SOLVED and self._standing.improves(before, start)
        best = before if own else start
        if self._is_over() or self._standing.proves(best):
            return self._better(before, start)
        found_by: Winner = "cp-sat" if own else self._credit.giver
        if self._may_search_neighbourhoods():
            last = self._search_neighbourhoods(best)
            self._standing.note_bound(last)
            if self._is_over() or last.status in (cp_model.OPTIMAL, cp_model.INFEASIBLE):
                return self._better(last, best, found_by)
            if last.status in SOLVED and self._standing.improves(last, best):
                best, found_by = last, "cp-sat"
        return self._hand_over(best, found_by)

    def _may_search_neighbourhoods(self) -> bool:
        """Tell whether CP-SAT may give all its workers to neighbourhoods; it does so from two workers on."""
        return self._workers > 1 and self._parameters.use_lns and leaves_subsolvers_open(self._parameters)

    def _search_neighbourhoods(self, best: cmh.CpSolverResponse) -> cmh.CpSolverResponse:
        """Let CP-SAT search large neighbourhoods of a solution and nothing else, as long as better ones come of it.

        It ends when none has come for as long as the race had lasted by the last one: who waits for a proof waits
        twice as long at most.
        """
        self._log(f"CP-SAT searches neighbourhoods: objective {best.objective_value:.12g}")
        run = self._start(hinted(self._model, list(best.solution)), neighbourhoods_only=True)
        reached, patience = self._callbacks.incumbent, self._seconds()
        while not self._wait(run, _POLL_SECONDS) and self._seconds() < 2 * patience:
            if self._callbacks.incumbent != reached:
                reached, patience = self._callbacks.incumbent, self._seconds()
        run.stop()
        return run.response()

    def _lead(
        self, first: CpSatRun, schedule: ScheduleSearch | None, start: cmh.CpSolverResponse | None
    ) -> cmh.CpSolverResponse:
        """Let a past schedule or a scorer that knows objectives lead a search of neighbourhoods beside CP-SAT.

        The search begins when CP-SAT has had its chance; at the end of a trial the one that is behind stops, but CP-SAT
        goes on for two more while it has no solution, or beside a past schedule that is hardly better, and is not
        stopped at all where it has none and too little time to begin again. Where CP-SAT stops, it begins again from
        the best solution after as long as the race has lasted by then, and there is another trial.

        Args:
            first: CP-SAT at work.
            schedule: the search of a schedule, with a first solution.
            start: from history by a replay; the search begins with it.
        """
        self._standing.know_a_bound()
        if schedule is not None and self._credit.giver == "history" and self._recalled is None:
            start = schedule.answer
        needless = self._wants_any and start is not None
        search = self._leader(first, schedule) if self._leads and not needless else schedule
        if isinstance(search, ScheduleSearch):
            self._follow(search)
        if start is not None and self._past is not None and self._recalled is not None:
            if search is None:
                return self._go_on_from(start, self._past, self._recalled, first)
            self._note_gift(start)
            self._show(start)
            search.adopt(start)
        if self._wants_any and search is not None and search.answer is not None:
            if start is None:
                self._credit.giver = "learned"
            return self._first_of(first, search.answer, search.found)
        # CP-SAT has had its chance when history has a better schedule.
        chance = self._options.lead_after - self._seconds() if schedule is None or start is None else 0.0
        if search is None or self._wait(first, chance):
            self._credit.nothing = self._credit.nothing or "CP-SAT answered first"
            if start is not None:
                self._credit.withdraw("the end came first" if self._is_stopped() else "CP-SAT answered first")
            self._wait(first)
            known = start if search is None else search.answer
            if known is not None and known is not start and self._leads:
                self._credit.giver = "learned"
            return self._finish(first.response(), "cp-sat") if known is None else self._better(first.response(), known)
        left = self._time_left()
        trial = max(self._options.lead_trial, self._options.start_share * left if math.isfinite(left) else 0.0)
        run, ends = first, time.perf_counter() + trial
        patience = ends + 2 * trial  # for CP-SAT's presolve, or its proof of what history had at once

        def over() -> bool:
            nonlocal run, ends
            if search.answer is not None and self._standing.proves(search.answer):
                run.stop()  # it may have the bound without the solution
                return True
            if time.perf_counter() >= ends and not self._is_over():
                if not run.done.is_set():
                    reached = search.reached
                    if not self._standing.is_ahead(reached):
                        return True
                    is_early = time.perf_counter() < patience
                    is_near = start is not None and reached is not None and self._standing.is_near(reached)
                    waits = is_early and (is_near or not self._standing.has_solution())
                    if run is first and (waits or self._presolves_too_long()):
                        ends = time.perf_counter() + trial
                        return False
                    run.stop()
                    self._standing.note_bound(run.response())
                    ends = time.perf_counter() + self._seconds()
                elif run.stopped and (best := search.best) is not None:
                    self._log("CP-SAT is tried again")
                    run, ends = self._start(hinted(self._model, best)), time.perf_counter() + trial
            return self._is_over() or (run.done.is_set() and not run.stopped)

        leader = f"learned search begins: {self._scorer.name}" if self._leads and self._scorer else "history leads: it"
        self._log(f"{leader} has {search.size} {search.things} in order")
        self._take_steps(search, over)
        self._callbacks.follow = None
        answer = search.answer
        if answer is not None and search.proved:
            run.stop()
            self._callbacks.pass_bound(answer.objective_value)
        elif answer is not None:
            if run is first and self._presolves_too_long():
                self._wait(run, enough=lambda: self._standing.has_solution() or self._standing.proves(answer))
            reached = answer.objective_value
            is_better = self._standing.is_ahead(reached) and not self._standing.is_near(reached)
            if is_better or self._standing.proves(answer):
                run.stop()  # the search had nothing more to try, and CP-SAT would go on from a worse solution
        if not run.stopped:
            if run is first:
                self._credit.withdraw("CP-SAT had as good a solution by itself")
            self._wait(run)
            self._credit.nothing = "CP-SAT was ahead" if self._standing.has_solution() else "it found no solution"
        last = run.response()
        self._standing.note_bound(last)
        if answer is None:
            return self._finish(last, "cp-sat")
        if self._leads and (start is None or self._standing.improves(answer, start)):
            self._credit.giver = "learned"
        if run is not first or self._standing.improves(answer, last):
            self._credit.give(answer.objective_value, search.found - self._started)
        if self._is_over() or self._standing.proves(answer) or not run.stopped:
            # Of the first run an equal solution is its own; a later one began with the best that was known.
            own = run is first or answer.objective_value == self._followed
            return self._better(last, answer, None if own else self._credit.giver)
        return self._hand_over(answer, self._credit.giver)

    def _presolves_too_long(self) -> bool:
        """Tell whether CP-SAT has no solution yet, and could hardly presolve once more if it began again with one."""
        return not self._standing.has_solution() and self._time_left() <= _AGAIN * self._seconds()

    def _first_of(self, beside: CpSatRun, known: cmh.CpSolverResponse, found: float) -> cmh.CpSolverResponse:
        """End the solve with a first solution, or with that of CP-SAT where it is as good.

        Args:
            beside: CP-SAT.
            known: the solution.
            found: when, of ``time.perf_counter``.
        """
        beside.stop()
        own = beside.response()
        if self._standing.improves(known, own):
            self._credit.give(known.objective_value, found - self._started)
        else:
            self._credit.give_nothing("CP-SAT had a solution first")
        return self._better(own, known)

    def _take_steps(self, search: NeighbourhoodSearch | ScheduleSearch, over: Callable[[], bool]) -> None:
        """Search neighbourhoods to the end; what it has found stays where it fails."""
        try:
            for step in search.steps(over):
                self._log(
                    f"{step.fixed} of {search.size} {search.things} fixed, CP-SAT: {step.status.name} in "
                    f"{step.seconds:.2f} s" + (f", objective {search.reached:.12g}" if step.better else "")
                )
        except Exception as error:
            self._note_failure_of_search(error)

    def _tell(self, response: cmh.CpSolverResponse) -> bool:
        """Let the solution callback read a solution; return whether no other one is wanted."""
        self._has_any = True
        self._callbacks.show(response)
        return self._callbacks.over or self._wants_any

    def _leader(self, beside: CpSatRun, schedule: ScheduleSearch | None) -> NeighbourhoodSearch | ScheduleSearch | None:
        """Return the search that the scorer leads; None if it has nothing to say, or CP-SAT has answered.

        Args:
            beside: CP-SAT.
            schedule: the search of a schedule, for which the scorer may have a better order.
        """
        assert self._scorer is not None
        assert self._objective is not None
        search: ScheduleSearch | None = schedule
        if self._error is not None:
            return search
        asked_until = time.perf_counter() + max(self._options.lead_trial, _ASKED_SHARE * self._time_left())
        stop = self._out_of_time(beside, asked_until)
        before = STOP.set(stop)  # for scorers that take long
        try:
            graph = self._prepared(stop).graph(stop=stop)
            advice = self._scorer.prepare(graph).advise(np.ones((1, graph.num_candidates), dtype=np.bool_))
            if search is None:
                guess, how = Guess.of(advice, graph), self._options.neighbourhoods
                return NeighbourhoodSearch(self._model, self._objective, guess, how, self._parameters, self._tell)
            if advice.target is not None:
                search.begin_by_targets(advice.target[0], stop)
        except ReadingStoppedError:
            answered = self._is_past_help(beside)
            self._credit.nothing = "CP-SAT answered first" if answered else "the model was not read in time"
        except Exception as error:
            if search is None or not isinstance(error, NothingToReadError):
                self._note_failure(error, self._scorer)
        finally:
            STOP.reset(before)
        return search

    def _schedule_search(self, beside: CpSatRun) -> ScheduleSearch | None:
        """Return the search of a schedule, with a first solution: in the past order, or else in that of priority rules.

        The rules are for a scorer that leads. None is another model, or one in which the past order leads to nothing.
        """
        near = None if self._past is None or self._past.keeps else self._past.near
        if self._objective is None or (near is None and not self._leads):
            return None
        self._standing.know_a_bound()
        stop = self._out_of_time(beside)
        search: ScheduleSearch | None = None
        try:
            model = self._prepared(stop)
            schedule = Schedule.of(model, stop=stop)
            search = ScheduleSearch(
                model, self._objective, schedule, self._parameters, self._workers_left, self._tell
            )
            if near is not None and self._past is not None:
                self._begin_by_past(search, self._past, near.plan, stop)
            if self._leads and self._credit.giver != "history":
                search.begin_by_rules(stop)
        except (NothingToReadError, ReadingStoppedError):
            pass
        except Exception as error:
            self._note_failure_of_search(error)
        useful = search is not None and search.answer is not None and (self._leads or self._credit.giver == "history")
        return search if useful else None

    def _workers_left(self) -> int:
        """Return how many workers CP-SAT leaves; beside it there is one."""
        is_alone = self._running is None or self._running.done.is_set()
        return self._workers if is_alone else 1

    def _begin_by_past(self, search: ScheduleSearch, past: PastOf, plan: Plan, stop: Callable[[], bool]) -> None:
        """Look for a schedule in a past order of tasks, and note whether it is better than CP-SAT's."""
        ends = time.perf_counter() + self._grant_of_past()
        try:
            target = np.where(plan.known, plan.values, np.nan)
            search.begin_by_targets(target, lambda: stop() or time.perf_counter() >= ends)
        except Exception as error:
            past.fail(error)
        if search.answer is None:
            return
        if not self._standing.is_ahead(search.reached):
            self._credit.forgotten = "what the past order of tasks led to is no better than what CP-SAT had"
        else:
            self._credit.giver = "history"
            self._note_gift(search.answer)

    def _follow(self, search: ScheduleSearch) -> None:
        """Let a search go on from CP-SAT's solutions where they are better."""

        def follow(response: cmh.CpSolverResponse) -> None:
            before = search.reached
            search.note(response)
            if search.reached != before:
                self._followed = search.reached

        self._callbacks.follow = follow

    def _prepared(self, stop: Callable[[], bool]) -> PreparedModel:
        """Return the model as it was read, once for everybody."""
        if self._read is None:
            self._read = PreparedModel(self._model, stop=stop) if self._past is None else self._past.prepared(stop)
        return self._read

    def _out_of_time(self, beside: CpSatRun, ends: float = math.inf) -> Callable[[], bool]:
        """Return what tells whether an answer would be too late: after CP-SAT's, the end of the solve, or ``ends``."""
        until = min(self._deadline, ends)
        return lambda: self._is_past_help(beside) or time.perf_counter() >= until

    def _note_gift(self, start: cmh.CpSolverResponse) -> None:
        self._log(f"history: start with {self._credit.give(start.objective_value, self._seconds())}")

    def _hand_over(self, best: cmh.CpSolverResponse, found_by: Winner) -> cmh.CpSolverResponse:
        """Start CP-SAT again with a solution as a complete hint; it is kept as well, in case the hint is lost.

        Args:
            best: the solution.
            found_by: the winner, unless CP-SAT finds a better one.
        """
        self._log(f"CP-SAT begins again with a hint: objective {best.objective_value:.12g}")
        second = self._start(hinted(self._model, list(best.solution)))
        self._wait(second)
        response = second.response()
        self._standing.note_bound(response)
        return self._better(response, best, found_by)

    def _better(
        self, response: cmh.CpSolverResponse, best: cmh.CpSolverResponse, found_by: Winner | None = None
    ) -> cmh.CpSolverResponse:
        """Return the last answer of CP-SAT, or the solution that was known before where that is better.

        CP-SAT may claim less than is known: it can stop at a gap that is small enough, and it can be wrong.

        Args:
            response: What CP-SAT answered.
            best: Of the model with an objective, checked.
            found_by: Whose that solution is, where CP-SAT went on from it: an equal one is none of its own then. None
                is the learned search or history, beside which CP-SAT has searched by itself.
        """
        if not self._standing.improves(best, response):
            if self._standing.improves(response, best):
                return self._finish(response, "cp-sat")
            response.solution.clear()
            response.solution.extend(list(best.solution))  # callbacks have seen this one
            return self._finish(response, found_by or "cp-sat", confirmed=True)
        best.status = cp_model.FEASIBLE
        if response.status == cp_model.OPTIMAL and self._standing.is_as_good(response, best):
            best.status = cp_model.OPTIMAL
            self._standing.set_bound(best)
        elif response.status in (cp_model.OPTIMAL, cp_model.INFEASIBLE):
            claim = "no solution" if response.status == cp_model.INFEASIBLE else f"{response.objective_value:.12g}"
            self._report_contradiction(claim, best)
        return self._finish(best, found_by or self._credit.giver)

    def _start(self, model: cp_model.CpModel, *, neighbourhoods_only: bool = False) -> CpSatRun:
        parameters = cmh.SatParameters()
        parameters.copy_from(self._parameters)
        parameters.use_lns_only = parameters.use_lns_only or neighbourhoods_only
        parameters.fill_additional_solutions_in_response = self._past is not None
        if self._own_interrupt:
            parameters.catch_sigint_signal = False
        if math.isfinite(self._deadline):
            parameters.max_time_in_seconds = max(self._time_left(), 0.0)
        self._running = CpSatRun(
            model,
            parameters,
            solution_callback=None if self._decides else self._callbacks.solution_callback(),
            log_callback=self._callbacks.log_callback(),
            best_bound_callback=self._callbacks.bound_callback(),
        )
        return self._running

    def _wait(self, run: CpSatRun, seconds: float = math.inf, enough: Callable[[], bool] | None = None) -> bool:
        """Wait for the end of a run, for some time or until it is enough; return whether it has ended.

        A stop ends it.
        """
        ends = time.perf_counter() + seconds
        while not run.done.wait(min(max(ends - time.perf_counter(), 0.0), _POLL_SECONDS)):
            if self._is_stopped():
                run.stop()
                return True
            if time.perf_counter() >= ends or (enough is not None and enough()):
                return False
        return True

    def _is_stopped(self) -> bool:
        return self._stopped or self._callbacks.over or (self._wants_any and self._has_any) or self._interrupted()

    def _is_over(self) -> bool:
        return self._is_stopped() or self._time_left() <= 0

    def _time_left(self) -> float:
        return self._deadline - time.perf_counter()

    def _seconds(self) -> float:
        return time.perf_counter() - self._started

    def _look_back(self, beside: CpSatRun) -> None:
        """Look for a past solution while CP-SAT has its head start, but not at once: both begin in Python."""
        if self._past is not None and not self._wait(beside, self._options.head_start / 2, self._standing.has_solution):
            self._past.look(self._out_of_time(beside))

    def _is_past_help(self, beside: CpSatRun) -> bool:
        return self._is_stopped() or beside.done.is_set()

    def _grant_of_past(self) -> float:
        """Return the seconds that history may take to look for a start."""
        left = self._time_left()
        grant = max(self._options.start_seconds, self._options.start_share * left if math.isfinite(left) else 0.0)
        return min(grant, left)

    def _recall(self, beside: CpSatRun, past: PastOf | None) -> cmh.CpSolverResponse | None:
        """Return a start from history in CP-SAT's words; None if there is none that is better than what CP-SAT has."""
        if past is None:
            return None
        start = past.start(
            time.perf_counter() + self._grant_of_past(),
            self._out_of_time(beside),
            self._parameters,
            lambda found: self._wants_any or not self._standing.is_ahead(found.objective),
        )
        if start is None or past.near is None:
            answered = beside.done.is_set() and not self._is_stopped()
            self._credit.forgotten = "CP-SAT answered first" if answered else past.why_not
            return None
        if self._leads and not self._standing.is_ahead(start.objective):
            self._credit.forgotten = f"what solve {past.near.number} led to is no better than what CP-SAT had"
            return None
        response = self._check(start.solution, None)
        if response is None:
            self._credit.forgotten = self._why_not_checked()
            return None
        self._credit.giver, self._recalled = "history", start
        response.status = cp_model.OPTIMAL if self._objective is None else cp_model.FEASIBLE
        return response

    def _learn(self, beside: CpSatRun, scorer: Network) -> cmh.CpSolverResponse | None:
        """Search until there is an answer, which is returned in CP-SAT's words, or until there is no use for one."""
        # The engine keeps what it calls. This race leads to an error of the scorer, that to the frames of the search,
        # and these to the engine: a circle that nobody would ever free.
        race = weakref.proxy(self)

        def stop() -> bool:
            return race._is_stopped() or race._standing.has_solution() or race._is_too_late(beside)

        options = self._options
        grant = math.inf if self._decides else options.grant
        share = Share.beside(self._workers, grant, options.share, lambda: stop() or race._is_over())
        self._log(f"learned search begins: {scorer.name}")
        side = LearnedSide(self._model, scorer, options, self._callbacks, self._parameters.random_seed, self._started)
        try:
            result = self._learned = side.search(self._deadline, stop, share)
        except ReadingStoppedError:
            self._credit.nothing = self._end_of(beside) or "the model was not read by then"
            return None
        except Exception as error:
            self._note_failure(error, scorer)
            return None
        self._log(
            f"learned search ends: {result.status}, {result.branches} branches, {result.failures} failures, "
            f"{result.inference.calls} inferences in {result.inference.seconds:.3f}s"
        )
        return self._in_cp_sats_words(result, beside)

    def _note_failure_of_search(self, error: Exception) -> None:
        """Note what failed in a search of neighbourhoods, by whom leads it: the scorer, or history."""
        if self._leads and self._scorer is not None:
            self._note_failure(error, self._scorer)
        elif self._past is not None:
            self._past.fail(error)

    def _note_failure(self, error: Exception, scorer: Network) -> None:
        """Say why the learned search stands aside or what is wrong with it; raise that where the user wants to know."""
        if isinstance(error, NNSearchError) and not isinstance(error, ScoreError):  # not a model for this scorer
            self.misfit = error if isinstance(error, ModelFileError) else None
            self._credit.nothing = (
                f"{scorer.name} has nothing to read in this model"
                if isinstance(error, NothingToReadError)
                else str(error)
            )
            self._log(f"the learned search stands aside: {error}")
            return
        self._error, self._credit.nothing = error, f"it failed: {error!r}"
        if self._on_error == "raise":
            raise error
        traceback.clear_frames(error.__traceback__)  # the report keeps the error, not the engine as well
        _LOGGER.warning("the learned search failed; CP-SAT goes on alone", exc_info=error)
        self._log(f"the learned search failed, CP-SAT goes on alone: {error!r}")

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
        if self._objective is None:
            return False
        seconds = _FOR_A_SOLUTION * self._options.head_start - self._seconds()
        ended = self._wait(beside, seconds, self._standing.has_solution)
        if ended or self._standing.has_solution():
            self._credit.nothing = self._why_not_begun(beside)
            return True
        return False

    def _why_not_begun(self, beside: CpSatRun) -> str:
        if self._is_stopped():
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
            response = self._check(result.solution, None)
            self._credit.nothing = self._why_not_checked()
            if response is not None:
                response.status = cp_model.OPTIMAL if self._objective is None else cp_model.FEASIBLE
        else:
            self._credit.nothing = self._end_of(beside) or f"it found no solution, with {result.failures} failures"
        if response is not None:
            response.num_branches, response.num_conflicts = result.branches, result.failures
        return response

    def _finish(self, response: cmh.CpSolverResponse, side: Winner, *, confirmed: bool = False) -> cmh.CpSolverResponse:
        """Return the answer of a side, and say what came of the race.

        Args:
            response: the answer.
            side: whose it is.
            confirmed: CP-SAT says it, too.
        """
        if self._objective is not None and response.status == cp_model.FEASIBLE:
            if self._standing.contradicts(response):
                self._report_contradiction(f"{self._callbacks.bound:.12g}", response)
            if self._standing.proves(response):
                response.status = cp_model.OPTIMAL
            self._standing.set_bound(response)
        if self._objective is not None and response.status in SOLVED:
            self._show(response, again=True)
        elif self._decides and side == "cp-sat" and response.status in SOLVED:
            self._show(response)  # only now it is the answer
        response.wall_time = self._seconds()
        winner: Winner = "nobody" if response.status == cp_model.UNKNOWN else side
        contribution, why = self._credit.contribution(
            "cp-sat" if confirmed else winner, response.status == cp_model.INFEASIBLE
        )
        if winner == "nobody":
            why = f"the end came first; {why}"
        if winner in ("learned", "history") and not confirmed:
            response.solution_info = "history"
            if winner == "learned" and self._scorer is not None:
                response.solution_info = f"learned search ({self._scorer.name})"
            self._log(cmh.CpSatHelper.solver_response_stats(response))
        self.report = RaceReport(
            winner, contribution, why, self._learned, self._error, self._seconds(), dict(self._callbacks.improvements)
        )
        self._log(f"{winner}: {why}")
        if self._callbacks.lines:
            response.solve_log = "".join(line + "\n" for line in self._callbacks.lines)
        return response

    def _show(self, response: cmh.CpSolverResponse, again: bool = False) -> None:
        """Let the solution callback read a solution; it is called if this one is strictly better than all before.

        Args:
            response: holds the solution.
            again: only if the callback has read another one since: after the solve, too, it can be asked for values.
        """
        callbacks = self._callbacks
        self._has_any = True
        self._standing.know_a_bound()
        if callbacks.solution is None or callbacks.error is not None:
            return
        if callbacks.reads_copies:
            callbacks.show(response, again)
        elif not again or (callbacks.seen is not None and callbacks.seen != response.objective_value):
            self._check(list(response.solution), callbacks.solution)

    def _check(
        self, values: Sequence[int], callback: cp_model.CpSolverSolutionCallback | None
    ) -> cmh.CpSolverResponse | None:
        """Have CP-SAT check a solution and report it in its own words; None if it refuses, or has no time to."""
        model = hinted(self._model, values)
        checker = plain_solver()
        checker.parameters.num_workers = 1
        checker.parameters.max_memory_in_mb = self._parameters.max_memory_in_mb
        checker.parameters.fix_variables_to_their_hinted_value = True
        checker.parameters.cp_model_presolve = False  # which takes longer than all the rest
        checker.parameters.cp_model_probing_level = 0
        checker.parameters.symmetry_level = 0
        checker.parameters.linearization_level = 0
        checker.parameters.catch_sigint_signal = False
        if callback is None and math.isfinite(self._deadline):
            checker.parameters.max_time_in_seconds = max(self._time_left(), _CHECK_SECONDS)
        status = checker.solve(model, callback)
        if status in SOLVED:
            return checker.response_proto
        if status != cp_model.UNKNOWN:
            self._report_refusal("a solution")
        return None

    def _why_not_checked(self) -> str:
        return "the time was over before its solution was checked" if self._is_over() else "CP-SAT refuses its solution"

    def _report_refusal(self, what: str) -> None:
        _LOGGER.error("CP-SAT refuses %s that was found beside it; please report this with the model", what)

    def _report_contradiction(self, claim: str, known: cmh.CpSolverResponse) -> None:
        """Say that CP-SAT claims what a checked solution disproves, and forget the bounds that led to it."""
        what = "there is no solution"
        if self._objective is not None:
            self._standing.forget_bounds()
            what = f"no objective is better than {claim}" if claim != "no solution" else what
        line = f"CP-SAT claims that {what}, but a solution that it has checked"
        line += "" if self._objective is None else f" has objective {known.objective_value:.12g}"
        _LOGGER.warning("%s; the solution is returned. Please report the model to OR-Tools", line)
        self._log(line)

    def _log(self, text: str) -> None:
        self._callbacks.log_line(self._started, text)


def _never() -> bool:
    return False
