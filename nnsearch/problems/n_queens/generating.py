"""Random placements of queens, of which some are given."""

from __future__ import annotations

import numpy as np

from nnsearch.errors import ConfigError
from nnsearch.problems.n_queens.problem import QueensCompletion
from nnsearch.problems.streams import random_streams


def generate(size: int, placed: int, count: int, seed: int) -> list[tuple[QueensCompletion, list[int]]]:
    """Generate instances with planted solutions: some of the queens of a random solution stay on the board.

    Depth-first search on the smallest domain fails most often with 10 to 40 % of the queens placed, and seldom more
    than a hundred times for 20 or 50 queens: hard instances of this problem are rare. See also
    :class:`nnsearch.problems.ProblemFamily`.

    Args:
        size: n, 1 or 4 or more.
        placed: The number of queens on the board, 0..n; any set of them with equal probability.
        count: The number of instances, 1 or more.
        seed: The seed, 0 or more.

    Raises:
        ConfigError: An argument is out of range.
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
        rng: The only source of randomness; the same state gives the same solution.

    Raises:
        ConfigError: There is no solution of that size.
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

    def exchange(row: int, other: int) -> int:
        """Exchange two columns, and return how many attacks that adds."""
        added = 0
        # Taken off one by one and put back one by one, so that an attack between the two counts once.
        for queen in (row, other):
            added -= attacks(queen)
            put(queen, -1)
        columns[row], columns[other] = columns[other], columns[row]
        for queen in (other, row):
            put(queen, 1)
            added += attacks(queen)
        return added

    def helps(row: int, other: int) -> bool:
        """Exchange two columns if that leaves fewer attacks."""
        if exchange(row, other) < 0:
            return True
        exchange(row, other)
        return False

    for row in range(n):
        put(row, 1)
    improved = True
    while improved:
        improved = False
        for row in rng.permutation(n).tolist():
            if attacks(row):
                others = rng.permutation(n).tolist()
                improved |= any(other != row and helps(row, other) for other in others)
    return not any(attacks(row) for row in range(n))
