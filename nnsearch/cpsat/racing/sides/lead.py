"""A race in which a scorer that knows objectives, or a past schedule, leads a search beside CP-SAT."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.guess import Guess
from nnsearch.cpsat.hinted import hinted
from nnsearch.cpsat.neighbourhoods import NeighbourhoodSearch
from nnsearch.cpsat.past import PastOf
from nnsearch.cpsat.racing.answers import Answers
from nnsearch.cpsat.racing.options import RaceOptions
from nnsearch.cpsat.racing.sides.recall import Recall
from nnsearch.cpsat.racing.standing import SOLVED
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.schedules.search import ScheduleSearch
from nnsearch.cpsat.starts.annealers import Annealers
from nnsearch.errors import NothingToReadError
from nnsearch.history.matching import Plan
from nnsearch.limits import STOP
from nnsearch.model.graph import CandidateGraph
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.stopping import ReadingStoppedError
from nnsearch.schedules.reading import Schedule
from nnsearch.scorers.network import Network
from nnsearch.scorers.scorer import Advice

_POLL_SECONDS = 0.01
_ADVICE_SECONDS = 0.3  # in which most scorers have said what they think, which then leads to more than annealing
_FIRST_SHARE = 0.05  # of the time left, that annealing may take before the scorer is asked
_ASKED_SHARE = 0.25  # of the time left, in which a scorer has to say how to lead
_AGAIN = 2  # times as long as CP-SAT has had for no solution, so that to begin again is worth its while


class Lead:
    """The search of neighbourhoods beside CP-SAT, and the trials in which one of the two stops.

    Args:
        scorer: that leads; None, or another one, leaves the lead to a past schedule.
        past: of the model; None is no history.
        recall: what it gives.
        options: of the race.
        answers: of the race.
    """

    def __init__(
        self,
        scorer: Network | None,
        past: PastOf | None,
        recall: Recall,
        options: RaceOptions,
        answers: Answers,
    ) -> None:
        self._scorer, self._past, self._recall = scorer, past, recall
        self._options, self._answers = options, answers
        self._track, self._callbacks = answers.track, answers.callbacks
        self._standing, self._credit = answers.standing, answers.credit
        self._read: PreparedModel | None = None
        self._bound = math.nan  # what the scorer takes for one
        self._followed: float | None = None  # the objective of CP-SAT's solution that the search went on from
        self._latest: cmh.CpSolverResponse | None = None  # CP-SAT's last solution before that
        if past is not None or answers.track.leads:
            answers.callbacks.follow = self._remember  # until it is known whether there is a schedule to search

    def schedule_search(self, beside: CpSatRun) -> ScheduleSearch | None:
        """Return the search of a schedule, with a first solution: in the past order, or else in that of priority rules.

        The rules are for a scorer that leads. None is another model, or one in which the past order leads to nothing.
        """
        search = self._schedule_search(beside)
        if search is None:
            self._callbacks.follow = None
        return search

    def _schedule_search(self, beside: CpSatRun) -> ScheduleSearch | None:
        near = None if self._past is None or self._past.keeps else self._past.near
        if self._track.objective is None or (near is None and not self._track.leads):
            return None
        self._standing.know_a_bound()
        stop = self._track.out_of_time(beside)
        search: ScheduleSearch | None = None
        try:
            model = self._prepared(stop)
            schedule = Schedule.of(model, stop=stop)
            search = ScheduleSearch(
                model,
                self._track.objective,
                schedule,
                self._track.parameters,
                self._track.workers_left,
                self._answers.tell,
            )
            if near is not None and self._past is not None:
                self._begin_by_past(search, self._past, near.plan, stop)
            if self._track.leads and self._credit.giver != "history":
                self._track.wait_until(beside, self._options.head_start)
                search.begin_by_rules(stop)
        except (NothingToReadError, ReadingStoppedError):
            pass
        except Exception as error:
            self._fail(error)
        return search if search is not None and search.answer is not None else None

    def run(
        self, first: CpSatRun, schedule: ScheduleSearch | None, start: cmh.CpSolverResponse | None
    ) -> cmh.CpSolverResponse:
        """Let a past schedule or a scorer that knows objectives lead a search of neighbourhoods beside CP-SAT.

        A scorer's search begins when CP-SAT has had its chance, that of a past schedule at once. At the end of a trial
        the one that is behind stops, but CP-SAT goes on for two more while it has no solution, or beside a past
        schedule that is hardly better, and is not stopped at all where it has none and too little time to begin again.
        Where CP-SAT stops, it begins again from the best solution after as long as the race has lasted by then, and
        there is another trial. Beside the search of a schedule CP-SAT leaves it one of several workers then, and both
        go on at the end of the trial unless the search is ahead. With one worker it ends if CP-SAT is ahead; other
        searches end unless they are ahead, and CP-SAT that has begun again unless it is. A search whose scorer knows a
        much worse bound than CP-SAT's first run ends at once, unless it began with a past solution.

        Args:
            first: CP-SAT at work.
            schedule: the search of a schedule, with a first solution.
            start: from history, where it is none of the schedule's search; the search begins with it.
        """
        self._standing.know_a_bound()
        if schedule is not None and self._credit.giver == "history" and self._recall.recalled is None:
            start = schedule.answer
        needless = self._track.wants_any and start is not None
        search = self._leader(first, schedule, start) if self._track.leads and not needless else schedule
        if isinstance(search, ScheduleSearch):
            self._follow(search)
        if start is not None and self._recall.recalled is not None:
            if search is None:
                return self._recall.go_on_from(start, first)
            self._recall.note_gift(start)
            self._answers.show(start)
            search.adopt(start)
        if self._track.wants_any and search is not None and search.answer is not None:
            if start is None:
                self._credit.giver = "learned"
            return self._first_of(first, search.answer, search.found)
        # A past schedule does not leave CP-SAT a chance first.
        chance = self._options.lead_after if schedule is None or start is None else 0.0
        if search is None or self._track.wait_until(first, chance):
            self._credit.nothing = self._credit.nothing or "CP-SAT answered first"
            if start is not None:
                self._credit.withdraw("the end came first" if self._track.is_stopped() else "CP-SAT answered first")
            self._track.wait(first)
            known = start if search is None else search.answer
            if known is not None and known is not start and self._track.leads:
                self._credit.giver = "learned"
            return (
                self._answers.finish(first.response(), "cp-sat")
                if known is None
                else self._answers.better(first.response(), known)
            )
        left = self._track.time_left()
        trial = max(self._options.lead_trial, self._options.start_share * left if math.isfinite(left) else 0.0)
        shares = isinstance(search, ScheduleSearch)
        run, ends, knows_more = first, time.perf_counter() + trial, False
        patience = ends + 2 * trial  # for CP-SAT's presolve, or its proof of what history had at once

        def over() -> bool:
            nonlocal run, ends, knows_more
            if search.answer is not None and self._standing.proves(search.answer):
                run.stop()  # it may have the bound without the solution
                return True
            may_know = run is first and start is None
            knows_more = knows_more or (may_know and self._standing.knows_more(self._bound, search.reached))
            if knows_more:
                return True
            if time.perf_counter() >= ends and not self._track.is_over():
                if not run.done.is_set():
                    reached = search.reached
                    behind = self._is_behind(search)
                    if not self._standing.is_ahead(reached):
                        if run is first or (behind and (not shares or self._track.workers == 1)):
                            return True
                        if shares:
                            ends = time.perf_counter() + self._track.seconds()
                            return False
                    is_early = time.perf_counter() < patience
                    is_near = start is not None and reached is not None and self._standing.is_near(reached)
                    waits = is_early and (is_near or not self._standing.has_solution())
                    if run is first and (waits or self._presolves_too_long()):
                        ends = time.perf_counter() + trial
                        return False
                    run.stop()
                    self._standing.note_bound(run.response())
                    ends = time.perf_counter() + self._track.seconds()
                elif run.stopped and (best := search.best) is not None:
                    self._track.log("CP-SAT is tried again")
                    run = self._track.start(hinted(self._track.model, best), spares_one=shares)
                    ends = time.perf_counter() + trial
            return self._track.is_over() or (run.done.is_set() and not run.stopped)

        leader = (
            f"learned search begins: {self._scorer.name}" if self._track.leads and self._scorer else "history leads: it"
        )
        self._track.log(f"{leader} has {search.size} {search.things} in order")
        self._take_steps(search, over)
        self._callbacks.follow = None
        answer = search.answer
        if answer is not None and search.proved:
            run.stop()
            self._callbacks.pass_bound(answer.objective_value)
        elif answer is not None and not knows_more:
            if run is first and self._presolves_too_long():
                self._track.wait(run, enough=lambda: self._standing.has_solution() or self._standing.proves(answer))
            reached = answer.objective_value
            is_better = self._standing.is_ahead(reached) and not self._standing.is_near(reached)
            has_spared_one = shares and run is not first and self._track.workers > 1
            if is_better or self._standing.proves(answer) or has_spared_one:
                run.stop()  # the search had nothing more to try; CP-SAT goes on from the best, with all workers
        if not run.stopped:
            if run is first:
                self._credit.withdraw("CP-SAT had as good a solution by itself")
            self._track.wait(run)
            if not self._track.leads:
                self._credit.nothing = "history had a start before it began"
            elif knows_more:
                self._credit.nothing = "CP-SAT's bound was better than what it expected"
            else:
                self._credit.nothing = "CP-SAT was ahead" if self._standing.has_solution() else "it found no solution"
        last = run.response()
        self._standing.note_bound(last)
        if answer is None:
            return self._answers.finish(last, "cp-sat")
        if self._track.leads and (start is None or self._standing.improves(answer, start)):
            self._credit.giver = "learned"
        if run is not first or self._standing.improves(answer, last):
            self._credit.give(answer.objective_value, search.found - self._track.started)
        is_cp_sats = answer.objective_value == self._followed
        if self._track.is_over() or self._standing.proves(answer) or not run.stopped:
            # Of the first run an equal solution is its own; a later one began with the best that was known.
            own = run is first or is_cp_sats
            return self._answers.better(last, answer, None if own else self._credit.giver)
        if last.status in SOLVED and self._standing.improves(last, answer):
            return self._answers.hand_over(last, "cp-sat")  # it was found after the search had ended
        return self._answers.hand_over(answer, "cp-sat" if is_cp_sats else self._credit.giver)

    def _leader(
        self, beside: CpSatRun, schedule: ScheduleSearch | None, start: cmh.CpSolverResponse | None
    ) -> NeighbourhoodSearch | ScheduleSearch | None:
        """Return the search that the scorer leads; None if it has nothing to say, or CP-SAT has answered.

        Args:
            beside: CP-SAT.
            schedule: the search of a schedule, for which the scorer may have a better order.
            start: from history.
        """
        assert self._scorer is not None
        assert self._track.objective is not None
        search, leader = schedule, None
        if self._credit.error is not None:
            return search
        self._track.wait_until(beside, self._options.head_start)
        asked = max(self._options.lead_trial, _ASKED_SHARE * self._track.time_left())
        stop = self._track.out_of_time(beside, time.perf_counter() + asked)
        before = STOP.set(stop)  # for scorers that take long
        try:
            model = self._prepared(stop)
            graph = model.graph(stop=stop)
            if search is not None:
                targets = self._advice(graph).target
                if targets is not None:
                    search.begin_by_targets(targets[0], stop)
                return search
            leader = self._blind_search(model, stop)
            if start is None:
                leader.anneal_once(_FIRST_SHARE * self._track.time_left(), stop)
            if self._track.is_past_help(beside):
                return leader
            stop = self._track.out_of_time(beside, time.perf_counter() + asked)
            STOP.set(stop)
            try:
                with leader.annealing(_ADVICE_SECONDS):
                    guess = Guess.of(self._advice(graph), graph)
                self._bound = guess.bound
                leader.follow(guess)
            except NothingToReadError:
                if leader.answer is None:
                    self._anneal_alone(leader, beside)
                if leader.answer is None:
                    raise
            return leader
        except ReadingStoppedError:
            answered = self._track.is_past_help(beside)
            if leader is not None and leader.answer is not None and not answered:
                return leader
            self._credit.nothing = "CP-SAT answered first" if answered else "the model was not read in time"
        except Exception as error:
            if search is None or not isinstance(error, NothingToReadError):
                self._credit.fail(error)
            if leader is not None and leader.answer is not None:  # which was told
                return leader
        finally:
            STOP.reset(before)
        return search

    def _advice(self, graph: CandidateGraph) -> Advice:
        """Return what the scorer thinks when everything is possible."""
        assert self._scorer is not None
        return self._scorer.prepare(graph).advise(np.ones((1, graph.num_candidates), dtype=np.bool_))

    def _anneal_alone(self, leader: NeighbourhoodSearch, beside: CpSatRun) -> None:
        """Anneal until there is a solution, or some turns were in vain, though the scorer may have had all its time."""
        over = self._track.out_of_time(beside)
        with leader.annealing(0.0) as worker:
            while not (worker is None or worker.in_vain or leader.answer is not None or over()):
                time.sleep(_POLL_SECONDS)

    def _blind_search(self, model: PreparedModel, stop: Callable[[], bool]) -> NeighbourhoodSearch:
        """Return a search that waits for a guess, and does without if there is none and the model can be annealed."""
        assert self._track.objective is not None
        how, parameters = self._options.neighbourhoods, self._track.parameters
        annealers = Annealers.at_hand(model, parameters.random_seed, stop)
        return NeighbourhoodSearch(
            model, self._track.objective, Guess.blind(model), how, parameters, annealers, self._answers.tell
        )

    def _is_behind(self, search: NeighbourhoodSearch | ScheduleSearch) -> bool:
        """Tell whether CP-SAT has found a better solution than the search, which may have gone on from that."""
        reached = search.reached
        return reached is None or self._followed == reached or self._standing.is_surpassed(reached)

    def _follow(self, search: ScheduleSearch) -> None:
        """Let a search go on from CP-SAT's solutions where they are better."""

        def follow(response: cmh.CpSolverResponse) -> None:
            reached = search.note(response)
            if reached is not None:
                self._followed = reached

        self._callbacks.follow = follow
        if self._latest is not None:
            follow(self._latest)

    def _remember(self, response: cmh.CpSolverResponse) -> None:
        """Keep a copy of CP-SAT's solution."""
        latest = cmh.CpSolverResponse()
        latest.copy_from(response)
        self._latest = latest

    def _take_steps(self, search: NeighbourhoodSearch | ScheduleSearch, over: Callable[[], bool]) -> None:
        """Search neighbourhoods to the end; what it has found stays where it fails."""
        try:
            for step in search.steps(over):
                self._track.log(
                    f"{step.fixed} of {search.size} {search.things} fixed, CP-SAT: {step.status.name} in "
                    f"{step.seconds:.2f} s" + (f", objective {search.reached:.12g}" if step.better else "")
                )
        except Exception as error:
            self._fail(error)

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
            self._credit.give(known.objective_value, found - self._track.started)
        else:
            self._credit.give_nothing("CP-SAT had a solution first")
        return self._answers.better(own, known)

    def _presolves_too_long(self) -> bool:
        """Tell whether CP-SAT has no solution yet, and could hardly presolve once more if it began again with one."""
        return not self._standing.has_solution() and self._track.time_left() <= _AGAIN * self._track.seconds()

    def _begin_by_past(self, search: ScheduleSearch, past: PastOf, plan: Plan, stop: Callable[[], bool]) -> None:
        """Look for a schedule in a past order of tasks, and note whether it is better than CP-SAT's by now.

        If it is not, the search goes on from it all the same: windows and tabu search soon do more than CP-SAT.
        """
        ends = time.perf_counter() + self._recall.grant()
        try:
            target = np.where(plan.known, plan.values, np.nan)
            search.begin_by_targets(target, lambda: stop() or time.perf_counter() >= ends)
        except Exception as error:
            past.fail(error)
        if search.answer is None:
            return
        ahead = self._standing.is_ahead(search.reached)
        if ahead:
            self._recall.note_gift(search.answer)
        else:  # unless the search finds something better
            self._credit.forgotten = "what the past order of tasks led to is no better than what CP-SAT had"
        if ahead or not self._track.leads:
            self._credit.giver = "history"

    def _prepared(self, stop: Callable[[], bool]) -> PreparedModel:
        """Return the model as it was read, once for everybody."""
        if self._read is None:
            self._read = (
                PreparedModel(self._track.model, stop=stop) if self._past is None else self._past.prepared(stop)
            )
        return self._read

    def _fail(self, error: Exception) -> None:
        """Note what failed in a search, by whoever leads it: the scorer, or history."""
        if self._track.leads:
            self._credit.fail(error)
        elif self._past is not None:
            self._past.fail(error)
