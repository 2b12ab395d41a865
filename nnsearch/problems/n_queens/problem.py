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
from ortools.sat.python import cp_model

from nnsearch.errors import ConfigError, InstanceError
from nnsearch.problems.rendering import highlighted
from nnsearch.problems.streams import random_streams


@dataclass(frozen=True)
class QueensCompletion:
    """Queens to place. Variable i is the column 0..n-1 of the queen in row i.

    Args:
        name: for people.
        size: n, the number of rows, of columns and of queens, 1 or more.
        placed: (row, column) of each queen on the board; no two attack each other.

    Raises:
        InstanceError: the size or a square is out of range, or two queens attack each other.
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


def generate(size: int, placed: int, count: int, seed: int) -> list[tuple[QueensCompletion, list[int]]]:
    """Generate instances with planted solutions: some of the queens of a random solution stay on the board.

    Depth-first search on the smallest domain fails most often with 10 to 40 % of the queens placed, and seldom more
    than a hundred times for 20 or 50 queens: hard instances of this problem are rare.

    Args:
        size: n, 1 or 4 or more.
        placed: number of queens on the board, 0..n, any set of them with equal probability.
        count: number of instances, 1 or more; a larger count begins with the same ones.
        seed: 0 or more.

    Returns:
        The instances, named by these arguments and their position, each with the values of its variables.

    Raises:
        ConfigError: an argument is out of range.
    """
    if not 0 <= placed <= size:
        raise ConfigError(f"placed: expected 0..{size} queens on the board, got {placed}")
    planted = []
    for index, rng in enumerate(random_streams(count, seed)):
        solution = random_solution(size, rng)
        rows = sorted(rng.permutation(size)[:placed].tolist())
        name = f"n-queens-{size}-{placed}-{seed}-{index}"
        planted.append((QueensCompletion(name, size, tuple((row, solution[row]) for row in rows)), solution))
    return planted


def random_solution(size: int, rng: np.random.Generator) -> list[int]:
    """Return a random solution: the column of the queen in each row.

    Local search from a random permutation: columns of two queens are exchanged while that removes attacks, and the
    search starts again where no exchange does. Sosic and Gu, "A polynomial time algorithm for the n-queens problem"
    (SIGART Bulletin 1(3), 1990). Every solution can come out; not all are equally likely.

    Args:
        size: n, 1 or 4 or more.
        rng: the only source of randomness; the same state gives the same solution.

    Raises:
        ConfigError: there is no solution of that size.
    """
    if size < 1 or size in (2, 3):
        raise ConfigError(f"size: expected 1, or 4 or more queens (2 and 3 have no solution), got {size}")
    while True:
        columns: list[int] = rng.permutation(size).tolist()
        if _repaired(columns, rng):
            return columns


def _repaired(columns: list[int], rng: np.random.Generator) -> bool:
    """Exchange columns until no queen is attacked; false where no exchange helps any more."""
    n = len(columns)
    rising, falling = [0] * (2 * n - 1), [0] * (2 * n - 1)  # queens on each diagonal

    def put(row: int, change: int) -> None:
        rising[row + columns[row]] += change
        falling[row - columns[row] + n - 1] += change

    def attacks(row: int) -> int:
        return rising[row + columns[row]] + falling[row - columns[row] + n - 1] - 2

    def exchange(row: int, other: int) -> bool:
        """Exchange two columns if that leaves fewer attacks."""
        # Taken off one by one and put back one by one, so that an attack between the two counts once.
        before = attacks(row)
        put(row, -1)
        before += attacks(other)
        put(other, -1)
        columns[row], columns[other] = columns[other], columns[row]
        put(other, 1)
        after = attacks(other)
        put(row, 1)
        after += attacks(row)
        if after < before:
            return True
        put(row, -1)
        put(other, -1)
        columns[row], columns[other] = columns[other], columns[row]
        put(row, 1)
        put(other, 1)
        return False

    for row in range(n):
        put(row, 1)
    improved = True
    while improved:
        improved = False
        for row in rng.permutation(n).tolist():
            if attacks(row):
                others = rng.permutation(n).tolist()
                improved |= any(other != row and exchange(row, other) for other in others)
    return not any(attacks(row) for row in range(n))
