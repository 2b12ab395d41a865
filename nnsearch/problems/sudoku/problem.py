"""Sudokus of any box size b: order n = b * b, n * n variables, values 1..n."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from nnsearch.errors import ConfigError, InstanceError
from nnsearch.problems.latin_square.problem import GivenSquare, LatinSquare, check_cells
from nnsearch.problems.one_size import OneSize

Grid = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sudoku(GivenSquare):
    """A sudoku to complete; no value is given twice in a row, a column or a box.

    Raises:
        InstanceError: The grid is none of a sudoku.
    """

    problem = "sudoku"

    def __post_init__(self) -> None:
        n = self.grid.shape[0] if self.grid.ndim == 2 else 0
        if n == 0 or self.grid.shape != (n, n) or math.isqrt(n) ** 2 != n:
            raise InstanceError(f"expected b*b rows of b*b cells for a box size b, got shape {self.grid.shape}")
        check_cells(self.grid)
        for kind, units in (("row", self.grid), ("column", self.grid.T), ("box", _boxes(self.grid))):
            for number, unit in enumerate(units, start=1):
                values, counts = np.unique(unit[unit > 0], return_counts=True)
                if (counts > 1).any():
                    got = f"the value {values[counts.argmax()]} {counts.max()} times"
                    raise InstanceError(f"expected distinct values in {kind} {number}, got {got}")

    @property
    def box(self) -> int:
        """The number of rows, and of columns, of a box."""
        return math.isqrt(self.order)

    def build(self) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
        """Build the CP-SAT model: every row, column and box is all different.

        Returns:
            The model, and its variables row by row.
        """
        model, variables = super().build()
        model.name = f"sudoku-{self.order}"
        for box in _boxes(np.arange(self.order**2).reshape(self.order, -1)):
            model.add_all_different([variables[cell] for cell in box])
        return model, variables

    def is_solution(self, values: Sequence[int]) -> bool:
        """Tell whether the values, int[n * n] row by row, solve the sudoku. Independent of any solver."""
        if not super().is_solution(values):
            return False
        boxes = _boxes(np.asarray(values).reshape(self.order, -1))
        return bool((np.sort(boxes, axis=1) == np.arange(1, self.order + 1)).all())


@dataclass(frozen=True)
class SudokuGrid(OneSize):
    """Sudokus of one order, the square of a box size of 2 or more."""

    name = Sudoku.problem

    def __post_init__(self) -> None:
        if self.order < 4 or math.isqrt(self.order) ** 2 != self.order:
            raise ConfigError(f"problem.order: expected a square number from 4 on for sudoku, got {self.order}")

    def groups(self) -> Grid:
        """Return int64[4 * n * n, n]: cells, values in rows, in columns and in boxes; exactly one holds of each."""
        n, b = self.order, math.isqrt(self.order)
        boxes = np.arange(n**3).reshape(b, b, b, b, n).transpose(0, 2, 4, 1, 3).reshape(-1, n)
        return np.concatenate([LatinSquare(n).groups(), boxes])

    def instance(self, name: str, values: Grid, given: npt.NDArray[np.bool_]) -> Sudoku:
        """See :class:`nnsearch.problems.one_size.OneSize`."""
        return Sudoku(name, np.where(given, values, 0).reshape(self.order, -1))


def _boxes(square: Grid) -> Grid:
    """Return int[n, n]: the cells of one box in each row."""
    box = math.isqrt(len(square))
    return square.reshape(box, box, box, box).transpose(0, 2, 1, 3).reshape(len(square), -1)
