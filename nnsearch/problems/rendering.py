"""A solution as text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_COLOUR, _PLAIN = "\x1b[36m", "\x1b[0m"


def render_square(
    square: npt.NDArray[np.int64], grid: npt.NDArray[np.int64], colour: bool, box: int | None = None
) -> str:
    """Return the square, one row a line.

    Args:
        square: int[n, n], the values; 0 is printed as a dot.
        grid: int[n, n], the instance: what is 0 there was filled in, and stands out.
        colour: Whether to use ANSI colour for the filled-in cells.
        box: The size of the boxes of a sudoku, which get lines between them; None for a square without boxes.
    """
    n = square.shape[0]
    box = box or n
    width = len(str(n))
    rule = "-+-".join(["-" * (box * (width + 1) - 1)] * (n // box))
    lines = []
    for row, (values, given) in enumerate(zip(square, grid, strict=True)):
        cells = [f"{value or '.':>{width}}" for value in values]
        if colour:
            cells = [cell if g else highlighted(cell) for cell, g in zip(cells, given, strict=True)]
        if row and row % box == 0:
            lines.append(rule)
        lines.append(" | ".join(" ".join(cells[start : start + box]) for start in range(0, n, box)))
    return "\n".join(lines)


def highlighted(text: str) -> str:
    """Return the text in the ANSI colour of what a solver filled in."""
    return f"{_COLOUR}{text}{_PLAIN}"
