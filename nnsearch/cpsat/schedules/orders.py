"""The worker that goes on from the best schedule that anybody has, by tabu search, in turns."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from random import Random

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.incumbent import Incumbent
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.schedules.window import spans
from nnsearch.errors import CompilerError, NothingToReadError
from nnsearch.model.stopping import ReadingStoppedError
from nnsearch.schedules.disjunctive import DisjunctiveGraph
from nnsearch.schedules.generation import Generated
from nnsearch.schedules.reading import Schedule
from nnsearch.schedules.tabu import better_orders, wander

_POLL_SECONDS = 0.005
_MOVING = 2.0  # times as long as it takes to complete a schedule
_LEAST_PATIENCE = 0.2  # seconds
_MOST_SECONDS = 1.0  # of a completion


class OrderSearch(threading.Thread):
    """One worker that searches orders of tasks. Where tasks share a resource there is none to look for, and it ends.

    In a turn it searches from the best schedule until nothing has come for as long as all before took. As soon as
    somebody else has a better schedule, the next turn begins with that, and otherwise with the same schedule after some
    moves at random, and the least time that it searches in vain is twice as long. Where it is the only worker, or has
    run out of moves, it rests between two turns, as long as it has searched in vain.

    Args:
        schedule: the schedule.
        incumbent: with a solution; the search begins with the best one again and again.
        complete: begins to make a solution of a schedule; None where that cannot go. The search goes on meanwhile, and
            ends where it does not go: then the model says more.
        workers: says how many there are, this one among them.
        seed: of the choice among equals.

    Attributes:
        told: ends the search.
        rests: whether its worker may do something else.
        failed: the error that ended it; None where there was none.
    """

    def __init__(
        self,
        schedule: Schedule,
        incumbent: Incumbent,
        complete: Callable[[Generated], CpSatRun | None],
        workers: Callable[[], int],
        seed: int,
    ) -> None:
        super().__init__(daemon=True)
        self.told = threading.Event()
        self.rests = False
        self.failed: BaseException | None = None
        self._schedule, self._incumbent, self._complete = schedule, incumbent, complete
        self._workers = workers
        self._random = Random(seed)
        self._known: cmh.CpSolverResponse | None = None
        self._waiting: Generated | None = None
        self._completion: CpSatRun | None = None
        self._begun = self._free_until = -math.inf
        self._refused = False

    def run(self) -> None:
        """Search until told, or until there is no use for it."""
        try:
            self._search()
        except (NothingToReadError, CompilerError, ReadingStoppedError):
            pass
        except BaseException as error:
            self.failed = error
        finally:
            if self._completion is not None:
                self._completion.stop()

    def _search(self) -> None:
        again = 0
        while not (self._refused or self.told.is_set()):
            again = 0 if self._take_turn(again) else again + 1

    def _take_turn(self, again: int) -> bool:
        """Search from the best solution, and rest if need be; return whether somebody has a better one.

        Args:
            again: how many turns in a row have ended with nobody else ahead. Then all has been tried from here, so that
                some moves at random come first, and the least patience has doubled each time.
        """
        self.rests = self._known is None
        graph = self._graph()
        self.rests = False
        best = graph.length
        patience = _LEAST_PATIENCE * 2**again

        def goes_on() -> bool:
            if self.told.is_set() or self._is_overtaken(graph.end, best):
                return False
            self._pass_on()
            return not self._refused

        if again:
            wander(graph, self._random)
        began = improved = time.perf_counter()

        def over() -> bool:
            return time.perf_counter() - improved > max(improved - began, patience) or not goes_on()

        for found in better_orders(graph, self._random, over, best):
            best, improved = graph.length, time.perf_counter()
            self._waiting = found
        has_run_out_of_moves = not over()
        self.rests = self._workers() == 1 or has_run_out_of_moves
        now = time.perf_counter()
        rested = now + max(now - improved, patience) if self.rests else now
        while goes_on() and (self._is_passing_on() or time.perf_counter() < rested):
            self.told.wait(_POLL_SECONDS)
        self.rests, self._waiting = False, None
        return self._is_overtaken(graph.end, best)

    def _is_passing_on(self) -> bool:
        return self._completion is not None or self._waiting is not None

    def _graph(self) -> DisjunctiveGraph:
        """Return the graph of the best solution. The first one may wait for what it needs."""
        self._known = self._incumbent.answer
        assert self._known is not None
        done = spans(self._schedule, list(self._known.solution))
        modes = [task.modes.index(span.mode) for task, span in zip(self._schedule.tasks, done, strict=True)]
        return DisjunctiveGraph(self._schedule, modes, [span.begin for span in done], self.told.is_set)

    def _pass_on(self) -> None:
        """Have the last schedule completed, one after the other; between two the processors are for moves."""
        now = time.perf_counter()
        if self._completion is not None and now > self._begun + _MOST_SECONDS:
            self._completion.stop()  # what is left is too much to decide each time
        if self._completion is not None and self._completion.done.is_set():
            self._refused = self._completion.stopped or self._completion.response().status == cp_model.INFEASIBLE
            self._completion = None
            self._free_until = now + _MOVING * (now - self._begun)
        if self._completion is None and self._waiting is not None and now >= self._free_until:
            self._begun = now
            self._completion = None if self._refused else self._complete(self._waiting)
            self._refused = self._completion is None
            self._waiting = None

    def _is_overtaken(self, end: int, length: int) -> bool:
        """Tell whether somebody else has an earlier end."""
        answer = self._incumbent.answer
        return answer is not None and answer is not self._known and answer.solution[end] < length
