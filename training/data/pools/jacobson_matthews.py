"""Uniform random Latin squares: the Markov chain of Jacobson and Matthews (1996).

A square is a 0/1 incidence cube ``cube[row, column, value]`` with one 1 on every axis-parallel line. A move adds +1 and
-1 at the corners of a sub-cube; it may leave one cell at -1 (an improper square), from which the next move must start.
The chain restricted to its *proper* squares has the uniform stationary distribution, so squares are drawn after a
number of proper squares visited. Drawing after a number of raw moves is biased.
"""

from __future__ import annotations

from collections.abc import Iterator

import numba
import numpy as np
import numpy.typing as npt

from nnsearch.errors import PoolError
from nnsearch.interrupt import uninterrupted

_BURN_IN = 10  # draws thrown away before the first, so that nothing is left of the cyclic start


@numba.njit(cache=True)
def _other_one(cube, axis, i, j, k, rng):  # type: ignore[no-untyped-def]
    """Return a uniform index along ``axis`` through (i, j, k) where the cube is 1 (one such, or two if improper)."""
    n = cube.shape[0]
    found = 0
    chosen = -1
    for t in range(n):
        if axis == 0:
            one = cube[t, j, k] == 1
        elif axis == 1:
            one = cube[i, t, k] == 1
        else:
            one = cube[i, j, t] == 1
        if one:
            found += 1
            if found == 1 or rng.random() < 0.5:
                chosen = t
    return chosen


@numba.njit(cache=True)
def _advance(cube, proper_squares, rng):  # type: ignore[no-untyped-def]
    """Move the chain in place until it has visited ``proper_squares`` more proper squares."""
    n = cube.shape[0]
    visited = 0
    i = j = k = 0
    proper = True
    while visited < proper_squares:
        if proper:
            while True:
                i, j, k = int(rng.random() * n), int(rng.random() * n), int(rng.random() * n)
                if cube[i, j, k] == 0:
                    break
        i2 = _other_one(cube, 0, i, j, k, rng)
        j2 = _other_one(cube, 1, i, j, k, rng)
        k2 = _other_one(cube, 2, i, j, k, rng)
        cube[i, j, k] += 1
        cube[i, j2, k2] += 1
        cube[i2, j, k2] += 1
        cube[i2, j2, k] += 1
        cube[i2, j, k] -= 1
        cube[i, j2, k] -= 1
        cube[i, j, k2] -= 1
        cube[i2, j2, k2] -= 1
        proper = cube[i2, j2, k2] >= 0
        if proper:
            visited += 1
        else:
            i, j, k = i2, j2, k2


@numba.njit(cache=True)
def _draw(cube, squares, thinning, rng):  # type: ignore[no-untyped-def]
    """Fill ``squares`` (uint8[S, n, n], values 1..n), ``thinning`` proper squares apart."""
    n = cube.shape[0]
    for s in range(squares.shape[0]):
        # At order 2 every move flips between the two squares: the number of moves has to be random.
        _advance(cube, thinning + (int(rng.random() * 2) if n == 2 else 0), rng)
        for i in range(n):
            for j in range(n):
                for k in range(n):
                    if cube[i, j, k] == 1:
                        squares[s, i, j] = k + 1


class JacobsonMatthews:
    """A sampler of uniform Latin squares of order 1 to 255, ``thinning`` proper squares apart (default: ``order**3``).

    Raises:
        PoolError: the order, the seed or the thinning is out of range.
    """

    def __init__(self, order: int, seed: int, thinning: int | None = None) -> None:
        if not 1 <= order <= 255:
            raise PoolError(f"expected an order from 1 to 255, got {order}")
        if seed < 0:
            raise PoolError(f"expected a seed of 0 or more, got {seed}")
        if thinning is not None and thinning < 1:
            raise PoolError(f"expected a thinning of 1 or more, got {thinning}")
        self.order = order
        self.thinning = order**3 if thinning is None else thinning
        self._rng = np.random.default_rng(seed)
        index = np.arange(order)
        self._cube = np.zeros((order, order, order), dtype=np.int8)
        self._cube[index[:, None], index, (index[:, None] + index) % order] = 1
        for _ in range(_BURN_IN if order > 1 else 0):  # one by one, because Ctrl-C is seen between calls only
            uninterrupted(_advance, self._cube, self.thinning, self._rng)

    def sample(self, count: int) -> npt.NDArray[np.uint8]:
        """Return the next ``count`` squares, uint8[count, order, order] of values 1..order."""
        squares = np.ones((count, self.order, self.order), dtype=np.uint8)
        if self.order > 1:
            uninterrupted(_draw, self._cube, squares, self.thinning, self._rng)
        return squares

    def chunks(self, count: int, size: int = 1000) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield ``count`` squares in chunks of at most ``size``, for progress and interruption."""
        for start in range(0, count, size):
            yield self.sample(min(size, count - start))
