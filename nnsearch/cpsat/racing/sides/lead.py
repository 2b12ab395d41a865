"""A race in which a scorer that knows objectives, or a past schedule, leads a search beside CP-SAT."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.guess import Guess
from nnsearch.cpsat.neighbourhoods import NeighbourhoodSearch
from nnsearch.cpsat.past import PastOf
from nnsearch.cpsat.racing.answers import Answers
from nnsearch.cpsat.racing.options import RaceOptions
from nnsearch.cpsat.racing.sides.recall import Recall
from nnsearch.cpsat.racing.sides.trials import Trials
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


class Lead:
    """The search of neighbourhoods beside CP-SAT, and what comes of it.

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

        A scorer's search begins when CP-SAT has had its chance, that of a past schedule at once; see
        :class:`nnsearch.cpsat.racing.sides.trials.Trials` for what follows.

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
            return self._without_search(first, start, None if search is None else search.answer)
        trials = Trials(
            search,
            first,
            start=start,
            bound=self._bound,
            is_behind=lambda: self._is_behind(search),
            options=self._options,
            track=self._track,
            standing=self._standing,
        )
        leader = (
            f"learned search begins: {self._scorer.name}" if self._track.leads and self._scorer else "history leads: it"
        )
        self._track.log(f"{leader} has {search.size} {search.things} in order")
        self._take_steps(search, trials.over)
        self._callbacks.follow = None
        self._end_cp_sat(trials, search)
        return self._outcome(trials, search, start)

    def _without_search(
        self, first: CpSatRun, start: cmh.CpSolverResponse | None, known: cmh.CpSolverResponse | None
    ) -> cmh.CpSolverResponse:
        """Leave the rest to CP-SAT, and return the better one of its answer and what is known by then."""
        self._credit.nothing = self._credit.nothing or "CP-SAT answered first"
        if start is not None:
            self._credit.withdraw("the end came first" if self._track.is_stopped() else "CP-SAT answered first")
        self._track.wait(first)
        known = start if known is None else known
        if known is None:
            return self._answers.finish(first.response(), "cp-sat")
        if known is not start and self._track.leads:
            self._credit.giver = "learned"
        return self._answers.better(first.response(), known)

    def _end_cp_sat(self, trials: Trials, search: NeighbourhoodSearch | ScheduleSearch) -> None:
        """Stop CP-SAT where the search, which has ended, leaves it nothing to do or has more; else wait for its end."""
        answer, run = search.answer, trials.run
        if answer is not None and search.proved:
            run.stop()
            self._callbacks.pass_bound(answer.objective_value)
        elif answer is not None and not trials.knows_more:
            if trials.is_first and trials.presolves_too_long():
                self._track.wait(run, enough=lambda: self._standing.has_solution() or self._standing.proves(answer))
            reached = answer.objective_value
            is_better = self._standing.is_ahead(reached) and not self._standing.is_near(reached)
            has_spared_one = trials.shares and not trials.is_first and self._track.workers > 1
            if is_better or self._standing.proves(answer) or has_spared_one:
                run.stop()  # the search had nothing more to try; CP-SAT goes on from the best, with all workers
        if run.stopped:
            return
        if trials.is_first:
            self._credit.withdraw("CP-SAT had as good a solution by itself")
        self._track.wait(run)
        if not self._track.leads:
            self._credit.nothing = "history had a start before it began"
        elif trials.knows_more:
            self._credit.nothing = "CP-SAT's bound was better than what it expected"
        else:
            self._credit.nothing = "CP-SAT was ahead" if self._standing.has_solution() else "it found no solution"

    def _outcome(
        self, trials: Trials, search: NeighbourhoodSearch | ScheduleSearch, start: cmh.CpSolverResponse | None
    ) -> cmh.CpSolverResponse:
        """Return the better one of what the search and CP-SAT have found, or hand it to CP-SAT where time is left."""
        answer, run = search.answer, trials.run
        last = run.response()
        self._standing.note_bound(last)
        if answer is None:
            return self._answers.finish(last, "cp-sat")
        if self._track.leads and (start is None or self._standing.improves(answer, start)):
            self._credit.giver = "learned"
        if not trials.is_first or self._standing.improves(answer, last):
            self._credit.give(answer.objective_value, search.found - self._track.started)
        is_cp_sats = answer.objective_value == self._followed
        if self._track.is_over() or self._standing.proves(answer) or not run.stopped:
            # Of the first run an equal solution is its own; a later one began with the best that was known.
            own = trials.is_first or is_cp_sats
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
