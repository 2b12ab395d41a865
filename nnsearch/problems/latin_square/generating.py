"""Quasigroups with holes: Latin squares, some of whose cells are emptied. Always satisfiable.

Achlioptas, Gomes, Kautz and Selman, "Generating satisfiable problem instances" (AAAI 2000).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from nnsearch.errors import ConfigError
from nnsearch.problems.latin_square.problem import PartialLatinSquare

Pattern = Literal["balanced", "uniform"]
PATTERNS: tuple[Pattern, ...] = ("balanced", "uniform")

SampleSquares = Callable[[int, int, int], npt.NDArray[np.integer]]
"""``(order, count, seed)`` to int[count, order, order] of values 1..order; a larger count begins with the same."""


def generate(
    order: int, holes: float, count: int, seed: int, sample: SampleSquares, pattern: Pattern = "balanced"
) -> list[tuple[PartialLatinSquare, list[int]]]:
    """Generate instances with planted solutions, see also :class:`nnsearch.problems.ProblemFamily`.

    Args:
        order: n, 2 or more.
        holes: The share of the cells that become holes, above 0 and at most 1; the number is rounded.
        count: The number of instances, 1 or more.
        seed: The seed, 0 or more.
        sample: Where the squares come from. A uniform sampler needs compiled code, which ``training`` has.
        pattern: ``balanced``: the numbers of holes of two rows, or of two columns, differ by at most one (harder near
            the phase transition); ``uniform``: any set of cells with equal probability.

    Raises:
        ConfigError: An argument is out of range.
    """
    number = number_of_holes(order, holes)
    if pattern not in PATTERNS:
        raise ConfigError(f"pattern: expected {' or '.join(PATTERNS)}, got {pattern!r}")
    squares = sample(order, 2 * count, seed).astype(np.int64)
    rng = np.random.default_rng(seed)
    planted = []
    for index, (solution, other) in enumerate(squares.reshape(count, 2, order, order)):
        if pattern == "uniform":
            empty = (rng.permutation(order**2) < number).reshape(order, order)
        else:
            empty = balanced_holes(other, number, rng.permutation(order))
        name = f"qwh-{order}-{number}-{pattern}-{seed}-{index}"
        planted.append((PartialLatinSquare(name, np.where(empty, 0, solution)), solution.ravel().tolist()))
    return planted


def number_of_holes(order: int, holes: float) -> int:
    """Return the number of holes in a square, of which a share is given.

    Raises:
        ConfigError: The share is not above 0 and at most 1.
    """
    if not 0 < holes <= 1:
        raise ConfigError(f"holes: expected a share above 0 and at most 1, got {holes}")
    return round(holes * order**2)


def balanced_holes(square: npt.NDArray[np.integer], number: int, row_keys: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return bool[n, n], where to make holes: their numbers in two rows, or in two columns, differ by at most one.

    A value of a Latin square has one place in every row and in every column. The cells of the smallest values become
    holes, and of the next value those in the rows with the smallest keys.

    Kautz, Ruan, Achlioptas, Gomes, Selman and Stickel, "Balance and filtering in structured satisfiable problems"
    (IJCAI 2001).

    Args:
        square: int[n, n], a Latin square of values 1..n; not the one that gets the holes, or they tell its values.
        number: The number of holes, 0 to n * n.
        row_keys: The n distinct numbers in random order.
    """
    whole, rest = divmod(number, len(square))
    chosen = np.argsort(np.argsort(row_keys)) < rest
    holes: npt.NDArray[np.bool_] = (square <= whole) | ((square == whole + 1) & chosen[:, None])
    return holes
