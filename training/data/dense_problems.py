"""Problems for networks of one size: V variables of D values each, and groups of candidates of which at most one holds.

A candidate ``(variable, value index)`` has the index ``variable * D + value index``. A Latin square of some order is
:class:`nnsearch.problems.latin_square.problem.LatinSquare`; the others are here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnsearch.errors import ConfigError
from nnsearch.problems import PartialLatinSquare, Problem, n_queens, sudoku
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.problems.streams import random_streams

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SudokuGrid:
    """Sudokus of one order. Variables are the cells, row by row; values are 1..order.

    Args:
        order: n = b * b for a box size b of 2 or more.
    """

    order: int

    name = "sudoku"
    first_value = 1

    def __post_init__(self) -> None:
        if self.order < 4 or math.isqrt(self.order) ** 2 != self.order:
            raise ConfigError(f"problem.order: expected a square number from 4 on for sudoku, got {self.order}")

    @property
    def num_variables(self) -> int:
        """V, the number of cells."""
        return self.order**2

    @property
    def num_values(self) -> int:
        """D, the number of values of every cell."""
        return self.order

    @property
    def num_candidates(self) -> int:
        """N = V * D."""
        return self.order**3

    def groups(self) -> IntArray:
        """Return int64[4 * n * n, n]: cells, values in rows, in columns and in boxes; exactly one holds of each."""
        n, b = self.order, math.isqrt(self.order)
        boxes = np.arange(n**3).reshape(b, b, b, b, n).transpose(0, 2, 4, 1, 3).reshape(-1, n)
        return np.concatenate([LatinSquare(n).groups(), boxes])

    def exactly_one(self) -> npt.NDArray[np.bool_]:
        """Return bool[G]: of which groups one has to hold."""
        return np.ones(4 * self.order**2, dtype=np.bool_)


@dataclass(frozen=True)
class QueensBoard:
    """Boards of n queens. Variable i is the column 0..n-1 of the queen in row i.

    Args:
        order: n, 4 or more.
    """

    order: int

    name = "n-queens"
    first_value = 0

    def __post_init__(self) -> None:
        if self.order < 4:
            raise ConfigError(f"problem.order: expected 4 or more for n-queens, got {self.order}")

    @property
    def num_variables(self) -> int:
        """V, the number of rows."""
        return self.order

    @property
    def num_values(self) -> int:
        """D, the number of columns."""
        return self.order

    @property
    def num_candidates(self) -> int:
        """N = V * D, the squares of the board."""
        return self.order**2

    def groups(self) -> IntArray:
        """Return int64[2 * n + 2 * (2 * n - 3), n]: rows, columns, and the diagonals of two or more squares."""
        n = self.order
        board = np.arange(n * n).reshape(n, n)
        diagonals = [np.diagonal(side, offset) for side in (board, board[:, ::-1]) for offset in range(2 - n, n - 1)]
        return np.concatenate([board, board.T, np.stack([np.resize(diagonal, n) for diagonal in diagonals])])

    def exactly_one(self) -> npt.NDArray[np.bool_]:
        """Return bool[G]: of which groups one has to hold; of a diagonal none needs to."""
        return np.arange(2 * self.order + 2 * (2 * self.order - 3)) < 2 * self.order


GroupedProblem = SudokuGrid | QueensBoard
"""Problems whose solutions are not sampled uniformly, and that have no labeller of their own."""

DenseProblem = LatinSquare | GroupedProblem

KINDS = (LatinSquare.name, SudokuGrid.name, QueensBoard.name)


def dense_problem(kind: str, order: int) -> DenseProblem:
    """Return a problem by its kind, one of :data:`KINDS`.

    Raises:
        ConfigError: there is none of that order.
    """
    if kind == LatinSquare.name:
        return LatinSquare(order)
    return SudokuGrid(order) if kind == SudokuGrid.name else QueensBoard(order)


def random_solutions(problem: GroupedProblem, count: int, seed: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Return random solutions, uint8[V] of values; a larger count begins with the same ones.

    Every solution can come out, and not all are equally likely: see ``random_solution`` of
    :mod:`nnsearch.problems.sudoku.problem` and :mod:`nnsearch.problems.n_queens.problem`.

    Raises:
        ConfigError: the count or the seed is out of range.
    """
    for rng in random_streams(count, seed):
        if isinstance(problem, SudokuGrid):
            values = sudoku.random_solution(math.isqrt(problem.order), rng)
        else:
            values = n_queens.random_solution(problem.order, rng)
        yield np.array(values, dtype=np.uint8)


def instance_of(problem: DenseProblem, name: str, values: IntArray, given: npt.NDArray[np.bool_]) -> Problem:
    """Return the instance that gives some values of a solution.

    Args:
        problem: the problem.
        name: of the instance.
        values: int64[V].
        given: bool[V].
    """
    if isinstance(problem, QueensBoard):
        placed = tuple((int(row), int(values[row])) for row in np.flatnonzero(given))
        return n_queens.QueensCompletion(name, problem.order, placed)
    grid = np.where(given, values, 0).reshape(problem.order, problem.order)
    return sudoku.Sudoku(name, grid) if isinstance(problem, SudokuGrid) else PartialLatinSquare(name, grid)
