"""N-queens completion: some of n queens are on the board, and the others are to be placed.

Gent, Jefferson and Nightingale, "Complexity of n-Queens Completion" (JAIR 59, 2017). Without queens on the board it is
the n-queens problem, which has a solution for every n but 2 and 3. Rows and columns count from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from nnsearch.errors import ConfigError, InstanceError
from nnsearch.problems.one_size import OneSize
from nnsearch.problems.rendering import highlighted


@dataclass(frozen=True)
class QueensCompletion:
    """Queens to place. Variable i is the column 0..n-1 of the queen in row i.

    Args:
        name: The name for people.
        size: n, the number of rows, of columns and of queens, 1 or more.
        placed: The (row, column) of each queen on the board; no two attack each other.

    Raises:
        InstanceError: The size or a square is out of range, or two queens attack each other.
    """

    name: str
    size: int
    placed: tuple[tuple[int, int], ...] = ()

    problem: ClassVar[str] = "n-queens"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InstanceError(f"expected a board of size 1 or more, got {self.size}")
        for row, column in self.placed:
            if not (0 <= row < self.size and 0 <= column < self.size):
                limit = self.size - 1
                raise InstanceError(f"expected rows and columns 0..{limit}, got a queen in row {row}, column {column}")
        for (row, column), (other_row, other_column) in combinations(self.placed, 2):
            if row == other_row or abs(column - other_column) in (0, abs(row - other_row)):
                got = f"row {row}, column {column} and row {other_row}, column {other_column}"
                raise InstanceError(f"expected placed queens that do not attack each other, got {got}")

    def build(self) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
        """Build the CP-SAT model: columns and both kinds of diagonals are all different.

        Returns:
            The model, and its variables, one per row.
        """
        model = cp_model.CpModel()
        model.name = f"n-queens-{self.size}"
        column_of = dict(self.placed)
        queens = [
            model.new_int_var(column_of.get(row, 0), column_of.get(row, self.size - 1), f"q[{row}]")
            for row in range(self.size)
        ]
        model.add_all_different(queens)
        model.add_all_different([queen + row for row, queen in enumerate(queens)])
        model.add_all_different([queen - row for row, queen in enumerate(queens)])
        return model, queens

    def is_solution(self, values: Sequence[int]) -> bool:
        """Tell whether the values, the column of the queen in each row, are a solution. Independent of any solver."""
        n = self.size
        return (
            len(values) == n
            and set(values) == set(range(n))
            and len({column + row for row, column in enumerate(values)}) == n
            and len({column - row for row, column in enumerate(values)}) == n
            and all(values[row] == column for row, column in self.placed)
        )

    def render(self, values: Sequence[int] | None, colour: bool) -> str:
        """Return the board, ``Q`` for a queen, ``.`` for no queen; see :class:`nnsearch.problems.Problem`."""
        placed = dict(self.placed)
        column_of = placed if values is None else dict(enumerate(values))
        lines = []
        for row in range(self.size):
            squares = ["."] * self.size
            if row in column_of:
                squares[column_of[row]] = "Q" if row in placed or not colour else highlighted("Q")
            lines.append(" ".join(squares))
        return "\n".join(lines)

    def describe(self) -> str:
        """Return the size and the number of queens on the board."""
        return f"{self.size} queens, {len(self.placed)} placed"


@dataclass(frozen=True)
class QueensBoard(OneSize):
    """Boards of n queens, 4 or more. Variable i is the column 0..n-1 of the queen in row i."""

    name = QueensCompletion.problem
    first_value = 0

    def __post_init__(self) -> None:
        if self.order < 4:
            raise ConfigError(f"problem.order: expected 4 or more for n-queens, got {self.order}")

    @property
    def num_variables(self) -> int:
        """V, the number of rows."""
        return self.order

    def groups(self) -> npt.NDArray[np.int64]:
        """Return int64[2 * n + 2 * (2 * n - 3), n]: rows, columns, and the diagonals of two or more squares."""
        n = self.order
        board = np.arange(n * n).reshape(n, n)
        diagonals = [np.diagonal(side, offset) for side in (board, board[:, ::-1]) for offset in range(2 - n, n - 1)]
        return np.concatenate([board, board.T, np.stack([np.resize(diagonal, n) for diagonal in diagonals])])

    def exactly_one(self) -> npt.NDArray[np.bool_]:
        """Return bool[G]: of which groups one has to hold; of a diagonal none needs to."""
        return np.arange(2 * self.order + 2 * (2 * self.order - 3)) < 2 * self.order

    def instance(self, name: str, values: npt.NDArray[np.int64], given: npt.NDArray[np.bool_]) -> QueensCompletion:
        """See :class:`nnsearch.problems.one_size.OneSize`."""
        placed = tuple((int(row), int(values[row])) for row in np.flatnonzero(given))
        return QueensCompletion(name, self.order, placed)
