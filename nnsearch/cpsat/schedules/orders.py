"""Tabu search beside neighbourhoods: from the best schedule that anybody has, for as long as better ones come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from random import Random

from nnsearch.cpsat.incumbent import Incumbent
from nnsearch.cpsat.schedules.window import spans
from nnsearch.errors import NothingToReadError
from nnsearch.schedules.disjunctive import DisjunctiveGraph
from nnsearch.schedules.generation import Generated
from nnsearch.schedules.reading import Schedule
from nnsearch.schedules.tabu import better_orders

_MOVING = 3.0  # times as long as a solution takes to be shown
_LEAST_PATIENCE = 0.1  # seconds


class OrderSearch(threading.Thread):
    """One worker that searches orders of tasks. Where tasks share a resource there is none to look for, and it ends.

    Args:
        schedule: the schedule.
        incumbent: with a solution; the search begins with the best one again and again.
        show: makes a solution of a schedule, and returns false where that does not go: then the model says more.
        seed: of the choice among equals.
        alone: whether other workers wait for it: then it ends when nothing has come for as long as all before took.

    Attributes:
        told: ends the search.
    """

    def __init__(
        self,
        schedule: Schedule,
        incumbent: Incumbent,
        show: Callable[[Generated, Callable[[], bool]], bool],
        seed: int,
        *,
        alone: bool,
    ) -> None:
        super().__init__(daemon=True)
        self.told = threading.Event()
        self._schedule, self._incumbent, self._show, self._alone = schedule, incumbent, show, alone
        self._random = Random(seed)
        self._known = incumbent.answer
        self._waiting: Generated | None = None
        self._shown_from = 0.0  # when the next solution is shown
        self._refused = False

    def run(self) -> None:
        """Search until told, or until there is no use for it."""
        began = improved = time.perf_counter()
        end, length = 0, 0

        def over() -> bool:
            now = time.perf_counter()
            if self._waiting is not None and now >= self._shown_from:
                self._pass_on()
            idle = self._alone and now - improved > max(improved - began, _LEAST_PATIENCE)
            return self.told.is_set() or self._refused or idle or self._is_overtaken(end, length)

        overtaken = True
        while overtaken:
            try:
                graph = self._graph()
            except NothingToReadError:
                return
            end, length = graph.end, graph.length
            for found in better_orders(graph, self._random, over):
                length, improved = graph.length, time.perf_counter()
                self._waiting = found
            if self._waiting is not None and not self.told.is_set():
                self._pass_on()
            overtaken = not self.told.is_set() and not self._refused and self._is_overtaken(end, length)

    def _graph(self) -> DisjunctiveGraph:
        """Return the best solution."""
        self._known = self._incumbent.answer
        best = self._incumbent.best
        assert best is not None
        done = spans(self._schedule, best)
        modes = [task.modes.index(span.mode) for task, span in zip(self._schedule.tasks, done, strict=True)]
        return DisjunctiveGraph(self._schedule, modes, [span.begin for span in done])

    def _pass_on(self) -> None:
        """Show the solution that waits for it."""
        assert self._waiting is not None
        made, self._waiting = self._waiting, None
        before = time.perf_counter()
        self._refused = not self._show(made, self.told.is_set)
        now = time.perf_counter()
        self._shown_from = now + _MOVING * (now - before)

    def _is_overtaken(self, end: int, length: int) -> bool:
        """Tell whether somebody else has an earlier end."""
        answer = self._incumbent.answer
        return answer is not None and answer is not self._known and answer.solution[end] < length
