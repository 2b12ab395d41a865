"""The best solution of a model that solves of its parts have found."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.model.objective import Objective


class Incumbent:
    """What is best so far.

    Args:
        objective: of the model.
        on_solution: called with each solution that is better than all before, one after the other, as CP-SAT answers
            for a part of the model: its bound is none of the model. If it returns true, that solution was the last one.

    Attributes:
        answer: CP-SAT's with the best solution, of a part of the model; None as long as there is none.
        found: when that was noted, of ``time.perf_counter``; before, when this was made.
        proved: whether a solve of the whole model has shown that no solution is better.
        ended: whether who is told of solutions wants no more.
    """

    def __init__(self, objective: Objective, on_solution: Callable[[cmh.CpSolverResponse], bool] | None = None) -> None:
        self._objective, self._on_solution = objective, on_solution
        self._turn = threading.Lock()
        self.answer: cmh.CpSolverResponse | None = None
        self.found = time.perf_counter()
        self.proved = self.ended = False

    @property
    def best(self) -> list[int] | None:
        """The values of all variables in the best solution."""
        return None if self.answer is None else list(self.answer.solution)

    @property
    def reached(self) -> float | None:
        """The objective of the best solution."""
        return None if self.answer is None else float(self.answer.objective_value)

    def listener(self) -> Listener:
        """Return a callback of one solve that notes its solutions, and ends it where no more are wanted."""
        return Listener(self)

    def adopt(self, response: cmh.CpSolverResponse) -> None:
        """Go on from a solution that is known from elsewhere, unless a better one is known by now; nobody is told."""
        with self._turn:
            if self.answer is None or not self._objective.better(self.answer.objective_value, response.objective_value):
                self.answer, self.found = response, time.perf_counter()

    def note(self, response: cmh.CpSolverResponse) -> float | None:
        """Take note of a solution, from any thread; return its objective where it is the best by now, else None."""
        with self._turn:
            answer = cmh.CpSolverResponse()
            answer.copy_from(response)
            answer.status = cp_model.FEASIBLE
            if self._objective.floating:  # on the way CP-SAT tells a rounded sum
                answer.objective_value = self._objective.value_of(list(answer.solution))
            before, reached = self.reached, float(answer.objective_value)
            if self.ended or (before is not None and not self._objective.better(reached, before)):
                return None
            self.answer, self.found = answer, time.perf_counter()
            if self._on_solution is not None:
                self.ended = self._on_solution(answer)
            return reached


class Listener(cp_model.CpSolverSolutionCallback):
    """A callback of one solve among several; see :meth:`Incumbent.listener`.

    Attributes:
        reached: the objective of this solve's last solution that was the best by then; None before.
        found: when it found its last solution, whether that was the best or not, of ``time.perf_counter``; before, when
            this was made.
    """

    def __init__(self, incumbent: Incumbent) -> None:
        super().__init__()
        self._incumbent = incumbent
        self.reached: float | None = None
        self.found = time.perf_counter()

    def on_solution_callback(self) -> None:
        """Note a solution."""
        reached = self._incumbent.note(self.response_proto)
        if reached is not None:
            self.reached = reached
        self.found = time.perf_counter()
        if self._incumbent.ended:
            self.stop_search()
