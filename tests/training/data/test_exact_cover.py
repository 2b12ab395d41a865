from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from extendable import is_extendable

from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.problems.n_queens.problem import QueensBoard
from nnsearch.problems.sudoku.problem import SudokuGrid
from training.data.dense_problems import GroupedProblem
from training.data.exact_cover import label_by_groups, label_latin_squares
from training.data.pools.jacobson_matthews import JacobsonMatthews


def test_latin_squares_have_the_labels_of_their_own_search() -> None:
    rng = np.random.default_rng(0)
    problem = LatinSquare(6)
    grids = JacobsonMatthews(6, 1).sample(40).astype(np.int64) * (rng.random((40, 6, 6)) < rng.random((40, 1, 1)))
    grids[::4, 0, 0] = rng.integers(1, 7, 10)  # most of these are inconsistent or have no completion
    assignment = (grids[..., None] == np.arange(1, 7)).reshape(40, -1)
    labels = label_by_groups(problem.groups(), np.ones(len(problem.groups()), dtype=np.bool_), assignment)
    np.testing.assert_array_equal(labels, label_latin_squares(grids))


def test_six_queens_against_all_permutations() -> None:
    board = QueensBoard(6)
    solutions = [
        p for p in permutations(range(6)) if all(abs(p[i] - p[j]) != j - i for j in range(6) for i in range(j))
    ]
    assert len(solutions) == 4
    one_hot = np.array([np.eye(6, dtype=np.bool_)[list(p)].ravel() for p in solutions])
    rng = np.random.default_rng(0)
    states = rng.random((60, 36)) < 0.05
    expected = np.array([one_hot[(one_hot >= state).all(axis=1)].any(axis=0) & ~state for state in states])
    # A row whose queen stands is closed, its other squares clash.
    np.testing.assert_array_equal(label_by_groups(board.groups(), board.exactly_one(), states), expected)
    assert expected.any()


@pytest.mark.parametrize("problem", [SudokuGrid(4), QueensBoard(8)])
def test_against_cp_sat(problem: GroupedProblem) -> None:
    rng = np.random.default_rng(1)
    none = np.zeros(problem.num_variables, dtype=np.int64)
    model, variables = problem.instance("", none, none > 0).build()
    states = np.zeros((6, problem.num_candidates), dtype=np.bool_)
    for state in states:
        state[rng.integers(problem.num_candidates, size=rng.integers(3))] = True
    labels = label_by_groups(problem.groups(), problem.exactly_one(), states)
    d = problem.num_values
    for state, label in zip(states, labels, strict=True):
        assigned = np.flatnonzero(state).tolist()
        fixed = {variables[c // d].index: c % d + problem.first_value for c in assigned}
        if len(fixed) < len(assigned):  # a variable with two values
            assert not label.any()
            continue
        for candidate in rng.permutation(problem.num_candidates)[:12].tolist():
            index = variables[candidate // d].index
            expected = index not in fixed and is_extendable(model, fixed | {index: candidate % d + problem.first_value})
            assert label[candidate] == expected
