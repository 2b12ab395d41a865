"""Partial Latin squares (quasigroup completion): order n, n*n variables, values 1..n."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from nnsearch.errors import InstanceError
from nnsearch.problems.one_size import OneSize
from nnsearch.problems.problem import Problem
from nnsearch.problems.rendering import render_square

GroupKind = Literal["cell", "row", "column"]


@dataclass(frozen=True)
class LatinSquare(OneSize):
    """The Latin square problem of one order, 1 or more."""

    name = "latin-square"

    def __post_init__(self) -> None:
        if not isinstance(self.order, int) or self.order < 1:
            raise InstanceError(f"a Latin square has an integer order of 1 or more, not {self.order}")

    def groups(self, *kinds: GroupKind) -> npt.NDArray[np.int64]:
        """Return int64[G, order]: the exactly-one groups of the given kinds, all three kinds when none is given.

        ``cell``: one value per cell; ``row``: one place per value in each row; ``column``: the same in each column.
        """
        n = self.order
        candidate = np.arange(n**3, dtype=np.int64).reshape(n, n, n)
        views = {
            "cell": candidate,
            "row": candidate.transpose(0, 2, 1),
            "column": candidate.transpose(1, 2, 0),
        }
        return np.concatenate([views[kind].reshape(-1, n) for kind in kinds or views])

    def instance(self, name: str, values: npt.NDArray[np.int64], given: npt.NDArray[np.bool_]) -> Problem:
        """See :class:`nnsearch.problems.one_size.OneSize`."""
        return PartialLatinSquare(name, np.where(given, values, 0).reshape(self.order, -1))

    def build(self, grid: npt.ArrayLike | None = None) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
        """Build the CP-SAT model of a partial Latin square.

        Args:
            grid: int[order, order], 0 = hole, else the value of the cell; None is the empty square.

        Returns:
            The model, and its variables row by row (the first ``order**2`` variables of the model).

        Raises:
            InstanceError: The grid has another shape, is not of integers, or has a value outside 0..order.
        """
        n = self.order
        try:
            cells = np.zeros((n, n), dtype=np.int64) if grid is None else np.asarray(grid)
        except ValueError:
            raise InstanceError(f"expected a grid of {n} x {n} cells, got rows of different lengths") from None
        if cells.shape != (n, n):
            raise InstanceError(f"expected a grid of {n} x {n} cells, got shape {cells.shape}")
        check_cells(cells)
        model = cp_model.CpModel()
        model.name = f"{self.name}-{n}"
        variables = [
            model.new_int_var(int(v) or 1, int(v) or n, f"x[{i // n},{i % n}]") for i, v in enumerate(cells.ravel())
        ]
        for i in range(n):
            model.add_all_different(variables[i * n : (i + 1) * n])
            model.add_all_different(variables[i::n])
        return model, variables


@dataclass(frozen=True, eq=False)
class GivenSquare:
    """A square of which some cells are given. Variables are the cells, row by row.

    Args:
        name: The name for people.
        grid: int64[order, order], 0 = hole, else the value 1..order of the cell; no value twice in a row or a column.
    """

    name: str
    grid: npt.NDArray[np.int64]

    problem: ClassVar[str]

    @property
    def order(self) -> int:
        """The number of rows, of columns and of values."""
        return len(self.grid)

    @property
    def box(self) -> int | None:
        """The number of rows, and of columns, of a box; None without boxes."""
        return None

    @property
    def num_holes(self) -> int:
        """The number of cells without a value."""
        return int((self.grid == 0).sum())

    def build(self) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
        """Build the CP-SAT model; its variables are the cells, row by row.

        Raises:
            InstanceError: The grid is not square, is not of integers, or has a value outside 0..order.
        """
        return LatinSquare(self.order).build(self.grid)

    def is_solution(self, values: Sequence[int]) -> bool:
        """Tell whether the values, int[order * order] row by row, complete the square. Independent of any solver."""
        if len(values) != self.order**2:
            return False
        return is_solution(np.asarray(values).reshape(self.order, -1), self.grid)

    def render(self, values: Sequence[int] | None, colour: bool) -> str:
        """Return the square, one row a line; see :class:`nnsearch.problems.Problem`."""
        if values is None:
            return render_square(self.grid, self.grid, colour=False, box=self.box)
        return render_square(np.asarray(values).reshape(self.order, -1), self.grid, colour, self.box)

    def describe(self) -> str:
        """Return the order and the number of holes."""
        return f"order {self.order}, {self.num_holes} holes"


class PartialLatinSquare(GivenSquare):
    """A partial Latin square to complete. Its variables are the cells, row by row.

    Args:
        name: The name for people.
        grid: int64[n, n], 0 = hole, else the value 1..n of the cell; no value is twice in a row or a column.
    """

    problem = LatinSquare.name


def check_cells(grid: npt.NDArray[np.integer]) -> None:
    """Refuse a square grid of anything but values 1..n, and 0 for a hole."""
    if not np.issubdtype(grid.dtype, np.integer):
        raise InstanceError(f"expected integer cells, got {grid.dtype}")
    if grid.min() < 0 or grid.max() > len(grid):
        raise InstanceError(f"expected values 1..{len(grid)}, or 0 for a hole; got {grid.min()}..{grid.max()}")


def is_solution(square: npt.ArrayLike, grid: npt.ArrayLike | None = None) -> bool:
    """Tell whether a square is Latin and keeps every filled cell of a grid. Independent of any solver.

    Args:
        square: int[n, n] of values 1..n.
        grid: int[n, n], 0 = hole; None asks only whether the square is Latin.
    """
    cells = np.asarray(square)
    if cells.ndim != 2 or cells.shape[0] != cells.shape[1] or cells.size == 0:
        return False
    expected = np.arange(1, cells.shape[0] + 1)
    latin = bool((np.sort(cells, axis=0) == expected[:, None]).all() and (np.sort(cells, axis=1) == expected).all())
    if grid is None:
        return latin
    given = np.asarray(grid)
    return latin and given.shape == cells.shape and bool(((given == 0) | (given == cells)).all())
