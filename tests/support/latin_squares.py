"""Every Latin square of a small order, independent of the package."""

from __future__ import annotations

from functools import cache
from itertools import permutations

import numpy as np
import numpy.typing as npt


@cache
def latin_squares(order: int) -> npt.NDArray[np.int64]:
    """int64[S, n, n] of values 1..n, by appending any row that clashes with no row above."""
    squares: list[tuple[tuple[int, ...], ...]] = [()]
    for _ in range(order):
        squares = [
            (*square, row)
            for square in squares
            for row in permutations(range(1, order + 1))
            if all(a != b for above in square for a, b in zip(above, row, strict=True))
        ]
    array = np.array(squares)
    array.flags.writeable = False
    return array


def solutions(order: int) -> npt.NDArray[np.uint8]:
    """uint8[S, V] of value indices."""
    return (latin_squares(order).reshape(-1, order**2) - 1).astype(np.uint8)
