"""How the variables of an instance lie on paper, for the page that replays a trace."""

from __future__ import annotations

from typing import Any

from nnsearch.problems.problem import Problem
from nnsearch.problems.sudoku.problem import Sudoku


def layout_of(instance: Problem) -> dict[str, Any]:
    """Return what the header of a trace says about an instance; squares come with their grid.

    Args:
        instance: of any family.

    Returns:
        ``instance``, its name, and of Latin squares and sudokus ``grid``: ``order``, ``box`` (of a sudoku, else null),
        ``given`` (rows of values, 0 is a hole) and ``cell``, the name of a variable with places for row and column.
    """
    header: dict[str, Any] = {"instance": instance.name}
    grid = getattr(instance, "grid", None)
    if instance.problem in ("latin-square", "sudoku") and grid is not None:
        box = round(len(grid) ** 0.5) if isinstance(instance, Sudoku) else None
        header["grid"] = {"order": len(grid), "box": box, "given": grid.tolist(), "cell": "x[{row},{column}]"}
    return header
