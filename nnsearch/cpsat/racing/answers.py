"""What is reported of a race: nothing that CP-SAT would not report, and only what CP-SAT has checked."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.hinted import hinted
from nnsearch.cpsat.parameters import checking_parameters
from nnsearch.cpsat.racing.callbacks import Callbacks
from nnsearch.cpsat.racing.credit import Credit
from nnsearch.cpsat.racing.report import RaceReport, Winner
from nnsearch.cpsat.racing.standing import SOLVED, Standing
from nnsearch.cpsat.racing.track import Track
from nnsearch.plain_solver import plain_solver
from nnsearch.scorers.network import Network

_LOGGER = logging.getLogger("nnsearch")
_CHECK_SECONDS = 0.05  # to check a solution that came in the last moment


class Answers:
    """Solutions on their way to the user, and the answer at the end.

    Args:
        track: of the race.
        callbacks: of the race.
        standing: of the race.
        credit: of the race.
        scorer: of the learned search; None is none.
        decides: whether the learned search decides what is shown, since the model does not.

    Attributes:
        track: the argument; sides of the race read it here, and the next three.
        callbacks: the argument.
        standing: the argument.
        credit: the argument.
        report: what came of the race, once it has ended.
    """

    def __init__(
        self,
        track: Track,
        callbacks: Callbacks,
        standing: Standing,
        credit: Credit,
        scorer: Network | None,
        *,
        decides: bool,
    ) -> None:
        self.report: RaceReport | None = None
        self.track, self.callbacks, self.standing, self.credit = track, callbacks, standing, credit
        self._scorer, self._decides = scorer, decides

    def check(
        self, values: Sequence[int], callback: cp_model.CpSolverSolutionCallback | None
    ) -> cmh.CpSolverResponse | None:
        """Have CP-SAT check a solution and report it in its own words; None if it refuses, or has no time to."""
        model = hinted(self.track.model, values)
        checker = plain_solver()
        checker.parameters.copy_from(checking_parameters(self.track.parameters))
        if callback is None and math.isfinite(self.track.deadline):
            checker.parameters.max_time_in_seconds = max(self.track.time_left(), _CHECK_SECONDS)
        status = checker.solve(model, callback)
        if status in SOLVED:
            return checker.response_proto
        if status != cp_model.UNKNOWN:
            self.report_refusal("a solution")
        return None

    def why_not_checked(self) -> str:
        """Return why :meth:`check` has returned nothing."""
        return (
            "the time was over before its solution was checked"
            if self.track.is_over()
            else "CP-SAT refuses its solution"
        )

    def show(self, response: cmh.CpSolverResponse, again: bool = False) -> None:
        """Let the solution callback read a solution; it is called if this one is strictly better than all before.

        Args:
            response: holds the solution.
            again: only if the callback has read another one since: after the solve, too, it can be asked for values.
        """
        callbacks = self.callbacks
        self.track.has_any = True
        self.standing.know_a_bound()
        if callbacks.solution is None or callbacks.error is not None:
            return
        if callbacks.reads_copies:
            callbacks.show(response, again)
        elif not again or (callbacks.seen is not None and callbacks.seen != response.objective_value):
            self.check(list(response.solution), callbacks.solution)

    def tell(self, response: cmh.CpSolverResponse) -> bool:
        """Let the solution callback read a solution; return whether no other one is wanted."""
        self.track.has_any = True
        self.callbacks.show(response)
        return self.callbacks.over or self.track.wants_any

    def hand_over(self, best: cmh.CpSolverResponse, found_by: Winner) -> cmh.CpSolverResponse:
        """Start CP-SAT again with a solution as a complete hint; it is kept as well, in case the hint is lost.

        Args:
            best: the solution.
            found_by: the winner, unless CP-SAT finds a better one.
        """
        self.track.log(f"CP-SAT begins again with a hint: objective {best.objective_value:.12g}")
        second = self.track.start(hinted(self.track.model, list(best.solution)))
        self.track.wait(second)
        response = second.response()
        self.standing.note_bound(response)
        return self.better(response, best, found_by)

    def better(
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
        if not self.standing.improves(best, response):
            if self.standing.improves(response, best):
                return self.finish(response, "cp-sat")
            response.solution.clear()
            response.solution.extend(list(best.solution))  # callbacks have seen this one
            return self.finish(response, found_by or "cp-sat", confirmed=True)
        best.status = cp_model.FEASIBLE
        if response.status == cp_model.OPTIMAL and self.standing.is_as_good(response, best):
            best.status = cp_model.OPTIMAL
            self.standing.set_bound(best)
        elif response.status in (cp_model.OPTIMAL, cp_model.INFEASIBLE):
            claim = "no solution" if response.status == cp_model.INFEASIBLE else f"{response.objective_value:.12g}"
            self.report_contradiction(claim, best)
        return self.finish(best, found_by or self.credit.giver)

    def finish(self, response: cmh.CpSolverResponse, side: Winner, *, confirmed: bool = False) -> cmh.CpSolverResponse:
        """Return the answer of a side, and say what came of the race.

        Args:
            response: the answer.
            side: whose it is.
            confirmed: CP-SAT says it, too.
        """
        if self.track.objective is not None and response.status == cp_model.FEASIBLE:
            if self.standing.contradicts(response):
                self.report_contradiction(f"{self.callbacks.bound:.12g}", response)
            if self.standing.proves(response):
                response.status = cp_model.OPTIMAL
            self.standing.set_bound(response)
        if self.track.objective is not None and response.status in SOLVED:
            self.show(response, again=True)
        elif self._decides and side == "cp-sat" and response.status in SOLVED:
            self.show(response)  # only now it is the answer
        response.wall_time = self.track.seconds()
        winner: Winner = "nobody" if response.status == cp_model.UNKNOWN else side
        contribution, why = self.credit.contribution(
            "cp-sat" if confirmed else winner, response.status == cp_model.INFEASIBLE
        )
        if winner == "nobody":
            why = f"the end came first; {why}"
        if winner in ("learned", "history") and not confirmed:
            response.solution_info = "history"
            if winner == "learned" and self._scorer is not None:
                response.solution_info = f"learned search ({self._scorer.name})"
            self.track.log(cmh.CpSatHelper.solver_response_stats(response))
        self.report = RaceReport(
            winner,
            contribution,
            why,
            self.credit.learned,
            self.credit.error,
            self.track.seconds(),
            dict(self.callbacks.improvements),
        )
        self.track.log(f"{winner}: {why}")
        if self.callbacks.lines:
            response.solve_log = "".join(line + "\n" for line in self.callbacks.lines)
        return response

    def fail(self, error: BaseException) -> None:
        """Report that an exception ended the race."""
        self.report = RaceReport(
            "nobody", "nothing", repr(error), self.credit.learned, self.credit.error, self.track.seconds()
        )

    def report_refusal(self, what: str) -> None:
        """Say that CP-SAT refuses what was found beside it, which is an error of this package or of CP-SAT."""
        _LOGGER.error("CP-SAT refuses %s that was found beside it; please report this with the model", what)

    def report_contradiction(self, claim: str, known: cmh.CpSolverResponse) -> None:
        """Say that CP-SAT claims what a checked solution disproves, and forget the bounds that led to it."""
        what = "there is no solution"
        if self.track.objective is not None:
            self.standing.forget_bounds()
            what = f"no objective is better than {claim}" if claim != "no solution" else what
        line = f"CP-SAT claims that {what}, but a solution that it has checked"
        line += "" if self.track.objective is None else f" has objective {known.objective_value:.12g}"
        _LOGGER.warning("%s; the solution is returned. Please report the model to OR-Tools", line)
        self.track.log(line)
