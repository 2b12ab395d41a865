"""A solved square as text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_COLOUR, _PLAIN = "\x1b[36m", "\x1b[0m"


def render_square(square: npt.NDArray[np.int64], grid: npt.NDArray[np.int64], colour: bool) -> str:
    """Return the square, one row a line.

    Args:
        square: int[n, n], the values; 0 is printed as a dot.
        grid: int[n, n], the instance: what is 0 there was filled in, and stands out.
        colour: use ANSI colour for the filled-in cells.
    """
    width = len(str(square.shape[0]))
    lines = []
    for values, given in zip(square, grid, strict=True):
        cells = [f"{value or '.':>{width}}" for value in values]
        if colour:
            cells = [cell if g else f"{_COLOUR}{cell}{_PLAIN}" for cell, g in zip(cells, given, strict=True)]
        lines.append(" ".join(cells))
    return "\n".join(lines)
