"""Depth-first search with a chosen amount of propagation, on many instances at once, in numpy.

The textbook algorithms (Haralick and Elliott, "Increasing tree search efficiency for constraint satisfaction problems",
Artificial Intelligence 14, 1980), which no engine for OR-Tools models can be switched down to:

- ``none``: chronological backtracking. A constraint is looked at only when a value is assigned, and only on cells that
  have one.
- ``full``: forward checking. A value that an assigned cell forbids is never tried, and a cell without a value is a dead
  end.
- ``rows``: forward checking of the rows of a square; the other constraints are looked at as without propagation.

Values that are left alone are not assigned: that is the next decision's to do. Branching is d-way: a node has a cell,
and tries all its values before it is left. Every instance is a search of its own; they take turns so that a network is
asked about the new nodes of all of them in one batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from benchmarks.suites.feasibility import QUESTIONS
from training.data.dense_problems import DenseProblem
from training.data.feasibility import PROPAGATORS, BoolArray, forward_checking

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
Number = TypeVar("Number", np.bool_, np.float32)

Score = Callable[[IntArray, FloatArray], FloatArray]
"""(instances int64[B], assignment float32[B, N]) -> float32[B, N], finite; higher = try earlier."""

SOLVED, INFEASIBLE, GAVE_UP = "solved", "infeasible", "gave up"
STATUSES = (SOLVED, INFEASIBLE, GAVE_UP)


@dataclass(frozen=True)
class BacktrackingResult:
    """What the searches on I instances ended with.

    Attributes:
        status: of each instance, of :data:`STATUSES`: with a solution; the whole tree was searched, so there is none;
            at the failure limit.
        values: int64[I, V], value indices; of a solution where the instance is solved, else -1.
        failures: int64[I], values that were tried and violated a constraint or, as far as there is propagation, left a
            cell without a value.
        decisions: int64[I], values that were tried.
        states: int64[I], nodes at which scores were asked for.
    """

    status: tuple[str, ...]
    values: IntArray
    failures: IntArray
    decisions: IntArray
    states: IntArray


def backtrack(
    problem: DenseProblem,
    assignment: BoolArray,
    score: Score,
    propagation: str,
    question: str,
    failure_limit: int,
    title: str = "",
) -> BacktrackingResult:
    """Search for one solution of every instance.

    Args:
        problem: of all instances.
        assignment: bool[I, N], the given values; no two may violate a constraint.
        score: orders the candidates. It is asked once at every node, and never about an assigned cell.
        propagation: ``none``, ``rows`` or ``full``.
        question: ``free choice``: the cell of the best-scored candidate is next; ``fixed cell``: the first of the cells
            that propagation leaves the fewest values (so without any, the first that has none assigned).
        failure_limit: of each instance, 1 or more.
        title: of the progress bar.

    Returns:
        The same for every instance, whatever the others are, if the scores are.
    """
    assert propagation in PROPAGATORS
    assert question in QUESTIONS
    run = _Run(problem, assignment, propagation, question)
    with tqdm(total=len(assignment), disable=None, desc=title, leave=False, unit=" instances") as bar:
        while len(run.running):
            run.open_nodes(score)
            run.try_values()
            run.stop(failure_limit)
            bar.update(len(assignment) - len(run.running) - bar.n)
    return BacktrackingResult(tuple(run.status), run.values, run.failures, run.decisions, run.states)


class _Run:
    """The stacks of all searches; a frame is a cell with the scores of the values that are still to be tried."""

    def __init__(self, problem: DenseProblem, assignment: BoolArray, propagation: str, question: str) -> None:
        count, num_variables, num_values = len(assignment), problem.num_variables, problem.num_values
        self.problem, self.propagation, self.question = problem, propagation, question
        self.forward_checking = forward_checking(problem, "full")
        self.propagator = None if propagation == "none" else forward_checking(problem, propagation)
        self.assignment = assignment.copy()
        self.open_cells: BoolArray = np.logical_not(self._by_cell(assignment).any(axis=2))  # bool[I, V]
        self.status = [GAVE_UP] * count
        self.values = np.full((count, num_variables), -1)
        self.failures, self.decisions, self.states = (np.zeros(count, dtype=np.int64) for _ in range(3))
        self.depth = np.zeros(count, dtype=np.int64)
        self.cell = np.zeros((count, num_variables), dtype=np.int64)
        self.value = np.zeros((count, num_variables), dtype=np.int64)  # under trial in each frame
        self.left = np.full((count, num_variables, num_values), -np.inf, dtype=np.float32)
        self.violates = np.zeros((count, num_variables, num_values), dtype=np.bool_)
        self.running = np.arange(count)
        self.new = self._enter(self.running)  # instances whose next node is to be opened
        for instance in np.setdiff1d(self.running, self.new):
            if self.open_cells[instance].any():
                self.status[instance] = INFEASIBLE
            else:
                self._solve(instance)
        self.running = self.new

    def open_nodes(self, score: Score) -> None:
        """Ask for scores at the new nodes, and choose their cells."""
        new = self.new
        if not len(new):
            return
        state = self.assignment[new]
        scores = self._by_cell(score(new, state.astype(np.float32)))
        consistent = self.forward_checking(state)
        left = self._by_cell(self._left(new, state))
        open_ = np.where(left, scores, np.float32(-np.inf))
        if self.question == "free choice":
            cell = open_.max(axis=2).argmax(axis=1)
        else:
            size = np.where(self.open_cells[new], left.sum(axis=2), self.problem.num_values + 1)
            cell = size.argmin(axis=1)
        rows, depth = np.arange(len(new)), self.depth[new]
        self.cell[new, depth] = cell
        self.left[new, depth] = open_[rows, cell]
        self.violates[new, depth] = np.logical_not(self._by_cell(consistent)[rows, cell])
        self.depth[new] += 1
        self.states[new] += 1

    def try_values(self) -> None:
        """Try the next value of the last node of every search, or leave the node."""
        running = self.running
        top = self.depth[running] - 1
        left = self.left[running, top]
        value = left.argmax(axis=1)
        exhausted = left[np.arange(len(running)), value] == -np.inf
        self._leave(running[exhausted])
        searches, top, value = running[~exhausted], top[~exhausted], value[~exhausted]
        self.left[searches, top, value] = -np.inf
        self.decisions[searches] += 1
        violates = self.violates[searches, top, value]
        self.failures[searches[violates]] += 1
        searches, top, value = searches[~violates], top[~violates], value[~violates]
        self.value[searches, top] = value
        self._set(searches, top, assigned=True)
        self.new = self._enter(searches)
        solved = ~self.open_cells[searches].any(axis=1)
        for instance in searches[solved]:
            self._solve(instance)
        failed = ~solved & ~np.isin(searches, self.new)
        self.failures[searches[failed]] += 1
        self._set(searches[failed], top[failed], assigned=False)

    def stop(self, failure_limit: int) -> None:
        """Go on with those searches that have neither an answer nor spent their failures."""
        unanswered = np.array([self.status[instance] == GAVE_UP for instance in self.running], dtype=np.bool_)
        self.running = self.running[unanswered & (self.failures[self.running] < failure_limit)]
        self.new = np.intersect1d(self.new, self.running)

    def _enter(self, searches: IntArray) -> IntArray:
        """Return those whose state has cells to assign, and as far as propagation sees a value for each."""
        open_cells = self.open_cells[searches]
        left = self._by_cell(self._left(searches, self.assignment[searches])).any(axis=2)
        return searches[open_cells.any(axis=1) & (left | ~open_cells).all(axis=1)]

    def _left(self, searches: IntArray, state: BoolArray) -> BoolArray:
        """Return bool[B, N]: the candidates that propagation leaves."""
        if self.propagator is None:
            return np.repeat(self.open_cells[searches], self.problem.num_values, axis=1)
        left: BoolArray = self.propagator(state)
        return left

    def _solve(self, instance: int) -> None:
        self.status[instance] = SOLVED
        self.values[instance] = self._by_cell(self.assignment[instance][None])[0].argmax(axis=1)

    def _leave(self, searches: IntArray) -> None:
        """Go back to the node before, whose value has failed as a whole."""
        self.depth[searches] -= 1
        for instance in searches[self.depth[searches] == 0]:
            self.status[instance] = INFEASIBLE
        searches = searches[self.depth[searches] > 0]
        self._set(searches, self.depth[searches] - 1, assigned=False)

    def _set(self, searches: IntArray, frame: IntArray, *, assigned: bool) -> None:
        """Assign the value under trial in a frame, or take it back."""
        cell, value = self.cell[searches, frame], self.value[searches, frame]
        self.assignment[searches, cell * self.problem.num_values + value] = assigned
        self.open_cells[searches, cell] = not assigned

    def _by_cell(self, candidates: npt.NDArray[Number]) -> npt.NDArray[Number]:
        return candidates.reshape(len(candidates), self.problem.num_variables, self.problem.num_values)
