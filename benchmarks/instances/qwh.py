"""Quasigroups with holes: a uniform Latin square, some of whose cells are emptied. Always satisfiable.

Achlioptas, Gomes, Kautz and Selman, "Generating satisfiable problem instances" (AAAI 2000).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from benchmarks.instances.squares import fresh_squares
from nnsearch.errors import ConfigError
from nnsearch.problems import PartialLatinSquare
from nnsearch.problems.latin_square.problem import balanced_holes

Pattern = Literal["balanced", "uniform"]
PATTERNS: tuple[Pattern, ...] = ("balanced", "uniform")


def generate(
    order: int, holes: float, count: int, seed: int, pattern: Pattern = "balanced"
) -> list[PartialLatinSquare]:
    """Generate instances; a larger count begins with the same ones.

    Args:
        order: n, 2 or more.
        holes: share of the cells that become holes, above 0 and at most 1; the number is rounded.
        count: number of instances, 1 or more.
        seed: 0 or more.
        pattern: ``balanced``: the numbers of holes of two rows, or of two columns, differ by at most one (harder near
            the phase transition); ``uniform``: any set of cells with equal probability.

    Returns:
        The instances, named by these arguments and their position.

    Raises:
        ConfigError: an argument is out of range.
    """
    if not 0 < holes <= 1:
        raise ConfigError(f"holes: expected a share above 0 and at most 1, got {holes}")
    if pattern not in PATTERNS:
        raise ConfigError(f"pattern: expected {' or '.join(PATTERNS)}, got {pattern!r}")
    squares = fresh_squares(order, 2 * count, seed).astype(np.int64)
    rng = np.random.default_rng(seed)
    number = round(holes * order**2)
    instances = []
    for index in range(count):
        planted, pattern_square = squares[2 * index : 2 * index + 2]
        if pattern == "uniform":
            empty = (rng.permutation(order**2) < number).reshape(order, order)
        else:
            empty = balanced_holes(pattern_square, number, rng.permutation(order))
        name = f"qwh-{order}-{number}-{pattern}-{seed}-{index}"
        instances.append(PartialLatinSquare(name, np.where(empty, 0, planted)))
    return instances
