from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from extendable import is_extendable
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.studies.sbr.backtracking import GAVE_UP, INFEASIBLE, SOLVED, BacktrackingResult, backtrack
from benchmarks.suites.feasibility import QUESTIONS
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.problems.n_queens.problem import QueensBoard
from nnsearch.problems.sudoku.problem import SudokuGrid
from training.data.dense_problems import DenseProblem
from training.data.feasibility import propagators_of

PROBLEMS: tuple[DenseProblem, ...] = (LatinSquare(3), LatinSquare(4), SudokuGrid(4), QueensBoard(5), QueensBoard(6))
ASKED = [
    (problem, name, question) for problem in PROBLEMS for name in propagators_of(problem) for question in QUESTIONS
]


def fixed_scores(problem: DenseProblem, seed: int) -> npt.NDArray[np.float32]:
    """Scores that depend on the state, by a random linear layer, so that a node and its child differ."""
    weights = np.random.default_rng(seed).normal(size=(problem.num_candidates + 1, problem.num_candidates))
    return weights.astype(np.float32)


def asks(weights: npt.NDArray[np.float32]) -> Any:
    # One row at a time: a product of matrices rounds differently for another number of rows.
    return lambda instances, assignment: np.stack([weights[:-1].T @ row + weights[-1] for row in assignment])


def random_states(problem: DenseProblem, count: int, seed: int) -> npt.NDArray[np.bool_]:
    """Consistent partial assignments, many of which have no completion."""
    rng = np.random.default_rng(seed)
    groups = problem.groups()
    states = np.zeros((count, problem.num_candidates), dtype=np.bool_)
    for state in states:
        for candidate in rng.permutation(problem.num_candidates)[: rng.integers(problem.num_candidates)]:
            others = groups[(groups == candidate).any(axis=1)]
            if rng.random() < 0.2 and not state[others].any():
                state[candidate] = True
    return states


def reference(
    problem: DenseProblem, state: npt.NDArray[np.bool_], score: Any, propagation: str, question: str
) -> tuple[str, npt.NDArray[np.bool_], int, int]:
    """Depth-first search as one would write it by hand: recursive, one state, sets of groups."""
    groups = [set(group.tolist()) for group in problem.groups()]
    rows = {"none": 0, "rows": 2 * problem.order**2, "full": len(groups)}[propagation]
    failures = decisions = 0

    def clashes(assigned: set[int], candidate: int, among: list[set[int]]) -> bool:
        return any(candidate in group and group & assigned for group in among)

    def cells(assigned: set[int]) -> list[list[int]]:
        d = problem.num_values
        held = {candidate // d for candidate in assigned}
        return [
            [c for c in range(v * d, v * d + d) if not clashes(assigned, c, groups[:rows])] if v not in held else []
            for v in range(problem.num_variables)
        ]

    def wiped_out(assigned: set[int]) -> bool:
        held = {candidate // problem.num_values for candidate in assigned}
        return any(not left for v, left in enumerate(cells(assigned)) if v not in held)

    def visit(assigned: set[int]) -> set[int] | None:
        nonlocal failures, decisions
        if len(assigned) == problem.num_variables:
            return assigned
        row = np.zeros((1, problem.num_candidates), dtype=np.float32)
        row[0, list(assigned)] = 1
        scores = score(None, row)[0]
        left = [cell for cell in cells(assigned) if cell]
        if question == "free choice":
            chosen = max(left, key=lambda cell: max(scores[c] for c in cell))
        else:
            chosen = min(left, key=len)
        for candidate in sorted(chosen, key=lambda c: -scores[c]):
            decisions += 1
            if clashes(assigned, candidate, groups) or wiped_out(assigned | {candidate}):
                failures += 1
                continue
            found = visit(assigned | {candidate})
            if found is not None:
                return found
        return None

    given_ = set(np.flatnonzero(state).tolist())
    found = None if wiped_out(given_) else visit(given_)
    solution = np.zeros(problem.num_candidates, dtype=np.bool_)
    solution[list(found or ())] = True
    return INFEASIBLE if found is None else SOLVED, solution, failures, decisions


def one_hot(problem: DenseProblem, values: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    result: npt.NDArray[np.bool_] = (values[:, None] == np.arange(problem.num_values)).ravel()
    return result


@pytest.mark.parametrize(("problem", "propagation", "question"), ASKED)
def test_the_searches_are_those_of_the_textbook(problem: DenseProblem, propagation: str, question: str) -> None:
    states = random_states(problem, 6, 1)
    score = asks(fixed_scores(problem, 2))
    searches = backtrack(problem, states, score, propagation, question, 1_000_000)
    for index, state in enumerate(states):
        status, solution, failures, decisions = reference(problem, state, score, propagation, question)
        assert searches.status[index] == status
        assert (searches.failures[index], searches.decisions[index]) == (failures, decisions)
        np.testing.assert_array_equal(one_hot(problem, searches.values[index]), solution)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(ASKED), st.integers(0, 10_000))
def test_sound_and_complete(asked: tuple[DenseProblem, str, str], seed: int) -> None:
    problem, propagation, question = asked
    states = random_states(problem, 3, seed)
    searches = backtrack(problem, states, asks(fixed_scores(problem, seed)), propagation, question, 1_000_000)
    none = np.zeros(problem.num_variables, dtype=np.int64)
    empty = problem.instance("", none, none > 0)
    model, variables = empty.build()
    for state, status, values in zip(states, searches.status, searches.values, strict=True):
        fixed = {
            variables[candidate // problem.num_values].index: candidate % problem.num_values + problem.first_value
            for candidate in np.flatnonzero(state).tolist()
        }
        assert status == (SOLVED if is_extendable(model, fixed) else INFEASIBLE)
        if status == SOLVED:
            assert empty.is_solution((values + problem.first_value).tolist())
            assert (one_hot(problem, values) >= state).all()


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(ASKED), st.integers(0, 10_000), st.integers(1, 30))
def test_many_searches_are_those_of_each_alone(asked: tuple[DenseProblem, str, str], seed: int, limit: int) -> None:
    problem, propagation, question = asked
    states = random_states(problem, 5, seed)
    score = asks(fixed_scores(problem, seed))
    together = backtrack(problem, states, score, propagation, question, limit)
    alone = [backtrack(problem, state[None], score, propagation, question, limit) for state in states]
    assert together.status == tuple(one.status[0] for one in alone)
    for name in ("values", "failures", "decisions", "states"):
        np.testing.assert_array_equal(getattr(together, name), np.concatenate([getattr(one, name) for one in alone]))
    assert together.failures.max() <= limit
    assert all((together.failures == limit) <= (np.array(together.status) != SOLVED))


def search(state: list[int], limit: int, propagation: str = "none") -> BacktrackingResult:
    """Fill a Latin square of order 2 whose values are given, -1 for none, smallest value first."""
    assignment = one_hot(LatinSquare(2), np.array(state))[None]

    def smallest(instances: Any, assignment: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.tile(np.array([1, 0], dtype=np.float32), (len(assignment), 4))

    return backtrack(LatinSquare(2), assignment, smallest, propagation, "fixed cell", limit)


def test_counts_by_hand() -> None:
    empty = search([-1, -1, -1, -1], 100)
    assert (empty.status, empty.failures.tolist(), empty.decisions.tolist()) == ((SOLVED,), [2], [6])
    assert empty.values.tolist() == [[0, 1, 1, 0]]  # the second and the third cell fail with 0
    assert search([-1, -1, -1, -1], 100, "full").failures.tolist() == [0]


def test_the_failure_limit_ends_a_search_and_a_full_square_needs_none() -> None:
    assert search([-1, -1, -1, -1], 1).status == (GAVE_UP,)
    full = search([0, 1, 1, 0], 1)
    assert (full.status, full.decisions.tolist(), full.values.tolist()) == ((SOLVED,), [0], [[0, 1, 1, 0]])
    assert search([0, -1, -1, 1], 100).status == (INFEASIBLE,)
    assert search([0, -1, -1, 1], 100, "full").decisions.tolist() == [0]
