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
from nnsearch.schedules.tabu import TabuSearch

_POLL_SECONDS = 0.005
_MOVING = 2.0  # times as long as it takes to complete a schedule
_PATIENCE = 5000.0  # moves in vain that end a turn
_LONGER = 1.1  # times as many after each turn in vain
_MOST_PATIENCE = 1e6
_LEAST_REST = 0.2  # seconds
_LOADING_SECONDS = 0.2  # machine code that has been made is loaded sooner
_MOST_SECONDS = 1.0  # of a completion


class OrderSearch(threading.Thread):
    """One worker that searches orders of tasks. Where tasks share a resource there is none to look for, and it ends.

    In a turn it searches from the best schedule until some thousand moves have been in vain. As soon as somebody else
    has a better schedule, the next turn begins with that, and otherwise with the best one after some moves at random.
    Where it is the only worker, or has run out of moves, it rests between two turns, for as long as all was in vain.

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
        self._begun = self._free_until = self._in_vain_from = -math.inf
        self._patience = _PATIENCE
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
        while not (self._refused or self.told.is_set()):
            self._take_turn()

    def _take_turn(self) -> None:
        """Search from the best solution, and rest if need be."""
        is_first = self._known is None
        graph = self._graph()
        self.rests = False
        if is_first:
            self._in_vain_from = time.perf_counter()
        search = TabuSearch(graph, self._random)

        def goes_on() -> bool:
            if self.told.is_set() or self._is_overtaken(graph.end, search.best):
                return False
            self._pass_on()
            return not self._refused

        if self._patience > _PATIENCE:
            search.wander()
        for found in search.better(round(self._patience), lambda: not goes_on()):
            self._waiting = found
            self._patience, self._in_vain_from = _PATIENCE, time.perf_counter()
        now = time.perf_counter()
        in_vain = max(now - self._in_vain_from, _LEAST_REST)
        self.rests = search.is_out_of_moves or (self._workers() == 1 and now >= self._in_vain_from + _LEAST_REST)
        until = now + in_vain if self.rests else now
        while goes_on() and (self._is_passing_on() or time.perf_counter() < until):
            self.told.wait(_POLL_SECONDS)
        if self.rests:
            self._in_vain_from = time.perf_counter()
        self.rests, self._waiting = False, None
        is_overtaken = self._is_overtaken(graph.end, search.best)
        self._patience = _PATIENCE if is_overtaken else min(self._patience * _LONGER, _MOST_PATIENCE)

    def _is_passing_on(self) -> bool:
        return self._completion is not None or self._waiting is not None

    def _graph(self) -> DisjunctiveGraph:
        """Return the graph of the best solution. The first one may wait until machine code is made, and rests."""
        began = time.perf_counter()

        def stop() -> bool:
            self.rests = time.perf_counter() > began + _LOADING_SECONDS
            return self.told.is_set()

        self._known = self._incumbent.answer
        assert self._known is not None
        done = spans(self._schedule, list(self._known.solution))
        modes = [task.modes.index(span.mode) for task, span in zip(self._schedule.tasks, done, strict=True)]
        return DisjunctiveGraph(self._schedule, modes, [span.begin for span in done], stop)

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
