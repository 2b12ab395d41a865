"""Problems for networks of one size, see :class:`nnsearch.problems.one_size.OneSize`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

import numpy as np
import numpy.typing as npt

from nnsearch.problems import FAMILIES, n_queens, sudoku
from nnsearch.problems.latin_square import LatinSquare
from nnsearch.problems.n_queens import QueensBoard
from nnsearch.problems.streams import random_streams
from nnsearch.problems.sudoku import SudokuGrid

GroupedProblem = SudokuGrid | QueensBoard
"""Problems whose solutions are not sampled uniformly."""

DenseProblem = LatinSquare | GroupedProblem

_OF_ORDER = {name: family.one_size for name, family in FAMILIES.items() if family.one_size is not None}

KINDS = tuple(_OF_ORDER)


def dense_problem(kind: str, order: int) -> DenseProblem:
    """Return a problem by its kind, one of :data:`KINDS`.

    Raises:
        ConfigError: There is none of that order.
    """
    return cast(DenseProblem, _OF_ORDER[kind](order))


def random_solutions(problem: GroupedProblem, count: int, seed: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Return random solutions, uint8[V] of values; a larger count begins with the same ones.

    Every solution can come out, and not all are equally likely: see ``random_solution`` of
    :mod:`nnsearch.problems.sudoku` and :mod:`nnsearch.problems.n_queens`.

    Raises:
        ConfigError: The count or the seed is out of range.
    """
    for rng in random_streams(count, seed):
        if isinstance(problem, SudokuGrid):
            values = sudoku.random_solution(math.isqrt(problem.order), rng)
        else:
            values = n_queens.random_solution(problem.order, rng)
        yield np.array(values, dtype=np.uint8)
