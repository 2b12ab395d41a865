"""History's side of a race: a past solution leads to a start, from which CP-SAT goes on."""

from __future__ import annotations

import math
import time

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.hinted import hinted
from nnsearch.cpsat.parameters import leaves_subsolvers_open
from nnsearch.cpsat.past import PastOf
from nnsearch.cpsat.racing.answers import Answers
from nnsearch.cpsat.racing.options import RaceOptions
from nnsearch.cpsat.racing.report import Winner
from nnsearch.cpsat.racing.standing import SOLVED
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.starts.start import Start

_FOR_CP_SAT = 0.002  # seconds until it is at work
_FOR_SMALL = 0.01  # seconds until it mostly has a solution of a small model
_SMALL = 200  # variables
_SHARE_OF_TURN = 0.1  # of the time so far, that annealing tries at least when neighbourhoods have nothing more
_PATIENCE, _LEAST_PATIENCE = 0.25, 1.0  # of the time so far, and seconds, until neighbourhoods give way to annealing
_POLL_SECONDS = 0.02  # how soon better solutions of CP-SAT are heard of


class Recall:
    """What the past gives beside CP-SAT; without a past, nothing.

    Args:
        past: of the model; None is no history.
        options: of the race.
        answers: of the race.

    Attributes:
        recalled: the start that the past solution led to.
    """

    def __init__(
        self,
        past: PastOf | None,
        options: RaceOptions,
        answers: Answers,
    ) -> None:
        self.recalled: Start | None = None
        self._past, self._options, self._answers = past, options, answers
        self._track, self._callbacks = answers.track, answers.callbacks
        self._standing, self._credit = answers.standing, answers.credit

    def look_back(self, beside: CpSatRun) -> bool:
        """Look for a past solution, and return whether there is one.

        CP-SAT presolves in one thread meanwhile, but both begin in Python, so CP-SAT comes first.
        """
        if self._past is None:
            return False
        is_small = len(self._track.model.proto.variables) < _SMALL
        seconds = min(_FOR_SMALL if is_small else _FOR_CP_SAT, self._options.head_start)
        if self._track.wait(beside, seconds):
            return False
        self._past.look(self._track.out_of_time(beside))
        return self._past.near is not None

    def start(self, beside: CpSatRun) -> cmh.CpSolverResponse | None:
        """Return a start from history in CP-SAT's words; None if there is none that is better than what CP-SAT has.

        The search for one ends as soon as CP-SAT has a solution that is better than the past one promises to be.
        """
        past = self._past
        if past is None:
            return None
        out_of_time = self._track.out_of_time(beside)
        promise, late = past.promise(out_of_time), False

        def over() -> bool:
            nonlocal late
            late = late or (promise is not None and self._standing.is_surpassed(promise))
            return late or out_of_time()

        start = past.start(
            time.perf_counter() + self.grant(),
            over,
            self._track.parameters,
            lambda found: not self._standing.is_ahead(found.objective),
            any_will_do=self._track.wants_any,
        )
        if start is None or past.near is None:
            self._credit.forgotten = past.why_not
            if beside.done.is_set() and not self._track.is_stopped():
                self._credit.forgotten = "CP-SAT answered first"
            elif past.near is not None and late:
                self._credit.forgotten = f"CP-SAT had a better solution than solve {past.near.number} promised"
            return None
        if self._track.leads and not self._standing.is_ahead(start.objective):
            self._credit.forgotten = f"what solve {past.near.number} led to is no better than what CP-SAT had"
            return None
        response = self._answers.check(start.solution, None)
        if response is None:
            self._credit.forgotten = self._answers.why_not_checked()
            return None
        self._credit.giver, self.recalled = "history", start
        response.status = cp_model.OPTIMAL if self._track.objective is None else cp_model.FEASIBLE
        return response

    def go_on_from(self, start: cmh.CpSolverResponse, first: CpSatRun) -> cmh.CpSolverResponse:
        """Begin CP-SAT again from a start, at once where it has something worse, and not where it has something better.

        While CP-SAT has nothing, to begin again would be to presolve again, and the start is improved; so it is where
        CP-SAT's solution is hardly worse, and for a moment where it is hardly better. The moment is at most as long as
        the race has lasted by then.

        Args:
            start: what :meth:`start` has returned.
            first: CP-SAT at work.
        """
        past, found = self._past, self.recalled
        assert past is not None
        assert found is not None
        self._credit.nothing = "history had a start before it began"
        self.note_gift(start)
        self._answers.show(start)
        now = time.perf_counter()
        left, moment = self._track.deadline - now, min(self._track.seconds(), self._options.trial_seconds)
        window = max(self._options.trial_seconds, self._options.start_share * left if math.isfinite(left) else 1.0)

        def over() -> bool:
            if self._track.is_past_help(first) or self._is_clearly_better(start):
                return True
            tried = time.perf_counter() - now >= moment
            hopeless = tried or not self._standing.is_near(start.objective_value)
            return hopeless and self._standing.is_surpassed(start.objective_value)

        for better in past.improved(found, now + min(window, left), over, self._track.parameters):
            start = self._better(better.solution, start)
        trial = self._options.trial_seconds - (time.perf_counter() - now)
        self._track.wait(first, trial, lambda: self._is_clearly_better(start))
        if not self._standing.has_solution():  # and may be about to have a better one
            self._track.wait(first, self._track.seconds(), self._standing.has_solution)
        if self._standing.is_surpassed(start.objective_value):
            self._credit.withdraw("CP-SAT soon had a better solution")
            self._track.wait(first)
        elif self._standing.is_near(start.objective_value):
            self._track.wait(first)  # to begin again would cost more than it gives; the start is kept all the same
        ended = first.done.is_set()
        first.stop()
        before = first.response()
        self._standing.note_bound(before)
        if ended:
            if not self._standing.improves(start, before):
                self._credit.withdraw("CP-SAT had as good a solution by itself")
            return self._answers.better(before, start)
        own = before.status in SOLVED and self._standing.improves(before, start)
        best = before if own else start
        if self._track.is_over() or self._standing.proves(best):
            return self._answers.better(before, start)
        found_by: Winner = "cp-sat" if own else self._credit.giver
        annealers = past.annealers(self._track.parameters, self._track.is_over)
        turn = 0.0 if annealers is None else annealers.turn
        while True:
            before, helps = best, False
            if annealers is not None and turn <= self._track.time_left() / 2:
                self._track.log(f"annealing improves it: objective {best.objective_value:.12g}")
                known = Start(list(best.solution), best.objective_value, None)
                for solution in past.annealed(annealers, known, turn, self._track.workers, self._track.is_over):
                    best = self._better(solution, best)
                helps = best.objective_value != known.objective
                if self._standing.proves(best):
                    return self._answers.finish(best, self._credit.giver)
                found_by = self._credit.giver if helps else found_by
            if self._may_only_improve() and not self._track.is_over():
                last = self._improve_only(best, turn if helps else math.inf, gives_way=annealers is not None)
                self._standing.note_bound(last)
                if self._track.is_over() or last.status in (cp_model.OPTIMAL, cp_model.INFEASIBLE):
                    return self._answers.better(last, best, found_by)
                if last.status in SOLVED and self._standing.improves(last, best):
                    best, found_by = last, "cp-sat"
            if annealers is None or best is before or self._track.is_over():
                break
            turn = max(2 * turn, _SHARE_OF_TURN * self._track.seconds())
        if self._track.is_over():
            return self._answers.finish(best, found_by)
        return self._answers.hand_over(best, found_by)

    def _better(self, solution: list[int], known: cmh.CpSolverResponse) -> cmh.CpSolverResponse:
        """Return a solution in CP-SAT's words, and show it, if it is one and better than what is known, else that."""
        response = self._answers.check(solution, None)
        if response is None or not self._standing.improves(response, known):
            return known
        response.status = cp_model.FEASIBLE
        self.note_gift(response)
        self._answers.show(response)
        return response

    def _is_clearly_better(self, start: cmh.CpSolverResponse) -> bool:
        """Tell whether CP-SAT has a solution, and a start is more than hardly better."""
        reached = start.objective_value
        has_worse = self._standing.has_solution() and self._standing.is_ahead(reached)
        return has_worse and not self._standing.is_near(reached)

    def _may_only_improve(self) -> bool:
        """Tell whether all of CP-SAT's workers may improve solutions; they do so from two workers on."""
        return (
            self._track.workers > 1
            and self._track.parameters.use_lns
            and leaves_subsolvers_open(self._track.parameters)
        )

    def _improve_only(self, best: cmh.CpSolverResponse, turn: float, *, gives_way: bool) -> cmh.CpSolverResponse:
        """Let CP-SAT improve a solution, and prove nothing, as long as better ones come of it.

        It ends when none has come for as long as the race had lasted by the last one: who waits for a proof waits
        twice as long at most.

        Args:
            best: the solution.
            turn: seconds after which it ends in any case.
            gives_way: whether it ends sooner, since there is another way to improve solutions.
        """
        self._track.log(f"CP-SAT improves it: objective {best.objective_value:.12g}")
        run = self._track.start(hinted(self._track.model, list(best.solution)), improves_only=True)
        reached, patience = self._callbacks.incumbent, self._track.seconds()
        ends = patience + turn
        while not self._track.wait(run, _POLL_SECONDS) and self._track.seconds() < ends:
            if self._callbacks.incumbent != reached:
                reached, patience = self._callbacks.incumbent, self._track.seconds()
            in_vain = self._track.seconds() - patience
            if in_vain >= patience or (gives_way and in_vain >= max(_LEAST_PATIENCE, _PATIENCE * patience)):
                break
        run.stop()
        return run.response()

    def note_gift(self, start: cmh.CpSolverResponse) -> None:
        """Note that CP-SAT has history's solution to improve."""
        self._track.log(f"history: start with {self._credit.give(start.objective_value, self._track.seconds())}")

    def grant(self) -> float:
        """Return the seconds that history may take to look for a start."""
        left = self._track.time_left()
        grant = max(self._options.start_seconds, self._options.start_share * left if math.isfinite(left) else 0.0)
        return min(grant, left)
