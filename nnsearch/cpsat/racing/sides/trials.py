"""Trials of a search beside CP-SAT: at the end of each the one that is behind stops."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.hinted import hinted
from nnsearch.cpsat.neighbourhoods import NeighbourhoodSearch
from nnsearch.cpsat.racing.options import RaceOptions
from nnsearch.cpsat.racing.standing import Standing
from nnsearch.cpsat.racing.track import Track
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.schedules.search import ScheduleSearch

_AGAIN = 2  # times as long as CP-SAT has had for no solution, so that to begin again is worth its while


class Trials:
    """Who goes on: a search, CP-SAT beside it, or both.

    At the end of a trial the one that is behind stops, but CP-SAT goes on for two more while it has no solution, or
    beside a past schedule that is hardly better, and is not stopped at all where it has none and too little time to
    begin again. Where CP-SAT stops, it begins again from the best solution after as long as the race has lasted by
    then, and there is another trial. Beside the search of a schedule CP-SAT leaves it one of several workers then, and
    both go on at the end of the trial unless the search is ahead. With one worker it ends if CP-SAT is ahead; other
    searches end unless they are ahead, and CP-SAT that has begun again unless it is. A search whose scorer knows a much
    worse bound than CP-SAT's first run ends at once, unless it began with a past solution.

    Args:
        search: beside CP-SAT.
        first: CP-SAT at work.
        start: from history, with which the search began; None is none.
        bound: what the scorer takes for one; NaN is none.
        is_behind: tells whether CP-SAT has found a better solution than the search, which may have gone on from that.
        options: of the race.
        track: of the race.
        standing: of the race.

    Attributes:
        run: CP-SAT, at work or stopped.
        is_first: whether that is the run which the race began with.
        shares: whether CP-SAT that begins again leaves the search a worker.
        knows_more: whether CP-SAT's first run knows a much better bound than the scorer.
    """

    def __init__(
        self,
        search: NeighbourhoodSearch | ScheduleSearch,
        first: CpSatRun,
        *,
        start: cmh.CpSolverResponse | None,
        bound: float,
        is_behind: Callable[[], bool],
        options: RaceOptions,
        track: Track,
        standing: Standing,
    ) -> None:
        self._search, self._start, self._bound, self._is_behind = search, start, bound, is_behind
        self._track, self._standing = track, standing
        self.run, self.is_first = first, True
        self.shares = isinstance(search, ScheduleSearch)
        self.knows_more = False
        left = track.time_left()
        self._seconds = max(options.lead_trial, options.start_share * left if math.isfinite(left) else 0.0)
        self._ends = time.perf_counter() + self._seconds
        self._patience = self._ends + 2 * self._seconds  # for CP-SAT's presolve, or its proof of what history had

    def over(self) -> bool:
        """Tell whether the search has to end, and stop CP-SAT or start it again where that is due."""
        search = self._search
        if search.answer is not None and self._standing.proves(search.answer):
            self.run.stop()  # it may have the bound without the solution
            return True
        if self.is_first and self._start is None and self._standing.knows_more(self._bound, search.reached):
            self.knows_more = True
        if self.knows_more:
            return True
        if time.perf_counter() >= self._ends and not self._track.is_over():
            if not self.run.done.is_set():
                if self._search_ends():
                    return True
            elif self.run.stopped and (best := search.best) is not None:
                self._track.log("CP-SAT is tried again")
                self.run = self._track.start(hinted(self._track.model, best), spares_one=self.shares)
                self.is_first = False
                self._ends = time.perf_counter() + self._seconds
        return self._track.is_over() or (self.run.done.is_set() and not self.run.stopped)

    def _search_ends(self) -> bool:
        """Tell whether the search ends at the end of a trial; if not, stop CP-SAT, or let both go on."""
        reached, is_behind = self._search.reached, self._is_behind()
        if not self._standing.is_ahead(reached):
            if self.is_first or (is_behind and (not self.shares or self._track.workers == 1)):
                return True
            if self.shares:
                self._ends = time.perf_counter() + self._track.seconds()
                return False
        if self.is_first and (self._is_worth_waiting_for(reached) or self.presolves_too_long()):
            self._ends = time.perf_counter() + self._seconds
            return False
        self.run.stop()
        self._standing.note_bound(self.run.response())
        self._ends = time.perf_counter() + self._track.seconds()
        return False

    def _is_worth_waiting_for(self, reached: float | None) -> bool:
        """Tell whether CP-SAT may be about to find a first solution, or to prove what history had at once."""
        is_near = self._start is not None and reached is not None and self._standing.is_near(reached)
        return time.perf_counter() < self._patience and (is_near or not self._standing.has_solution())

    def presolves_too_long(self) -> bool:
        """Tell whether CP-SAT has no solution yet, and could hardly presolve once more if it began again with one."""
        return not self._standing.has_solution() and self._track.time_left() <= _AGAIN * self._track.seconds()
