"""Sudokus of any box size b: order n = b * b, n * n variables, values 1..n."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from nnsearch.errors import ConfigError, InstanceError
from nnsearch.problems.latin_square import problem as latin_square
from nnsearch.problems.rendering import render_square
from nnsearch.problems.streams import random_streams

Grid = npt.NDArray[np.int64]

# How a random solution is mixed: that share of the cells is emptied and filled in again, that many times. Measured for
# b = 3, 4 and 5: the number of intercalates (2 x 2 subsquares) settles within two rounds, and after five as few cells
# keep their first value as in two unrelated grids.
_MIXED_SHARE = 0.8
_MIXING_ROUNDS = 5


@dataclass(frozen=True, eq=False)
class Sudoku:
    """A sudoku to complete. Variables are the cells, row by row.

    Args:
        name: for people.
        grid: int64[n, n], 0 = hole, else the value 1..n of the cell; no value twice in a row, a column or a box.

    Raises:
        InstanceError: the grid is none of a sudoku.
    """

    name: str
    grid: Grid

    problem: ClassVar[str] = "sudoku"

    def __post_init__(self) -> None:
        n = self.grid.shape[0] if self.grid.ndim == 2 else 0
        if n == 0 or self.grid.shape != (n, n) or math.isqrt(n) ** 2 != n:
            raise InstanceError(f"expected b*b rows of b*b cells for a box size b, got shape {self.grid.shape}")
        if not np.issubdtype(self.grid.dtype, np.integer):
            raise InstanceError(f"expected integer cells, got {self.grid.dtype}")
        if self.grid.min() < 0 or self.grid.max() > n:
            raise InstanceError(f"expected values 1..{n}, or 0 for a hole; got {self.grid.min()}..{self.grid.max()}")
        for kind, units in (("row", self.grid), ("column", self.grid.T), ("box", _boxes(self.grid))):
            for number, unit in enumerate(units, start=1):
                values, counts = np.unique(unit[unit > 0], return_counts=True)
                if (counts > 1).any():
                    got = f"the value {values[counts.argmax()]} {counts.max()} times"
                    raise InstanceError(f"expected distinct values in {kind} {number}, got {got}")

    @property
    def order(self) -> int:
        """The number of rows, of columns, of boxes and of values."""
        return len(self.grid)

    @property
    def box(self) -> int:
        """The number of rows, and of columns, of a box."""
        return math.isqrt(self.order)

    @property
    def num_holes(self) -> int:
        """The number of cells without a value."""
        return int((self.grid == 0).sum())

    def build(self) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
        """Build the CP-SAT model: every row, column and box is all different.

        Returns:
            The model, and its variables row by row.
        """
        model, variables = latin_square.LatinSquare(self.order).build(self.grid)
        model.name = f"sudoku-{self.order}"
        for box in _boxes(np.arange(self.order**2).reshape(self.order, -1)):
            model.add_all_different([variables[cell] for cell in box])
        return model, variables

    def is_solution(self, values: Sequence[int]) -> bool:
        """Tell whether the values, int[n * n] row by row, solve the sudoku. Independent of any solver."""
        if len(values) != self.order**2:
            return False
        square = np.asarray(values).reshape(self.order, -1)
        distinct = (np.sort(_boxes(square), axis=1) == np.arange(1, self.order + 1)).all()
        return bool(distinct) and latin_square.is_solution(square, self.grid)

    def render(self, values: Sequence[int] | None, colour: bool) -> str:
        """Return the grid, one row a line, with lines between the boxes; see :class:`nnsearch.problems.Problem`."""
        if values is None:
            return render_square(self.grid, self.grid, colour=False, box=self.box)
        return render_square(np.asarray(values).reshape(self.order, -1), self.grid, colour, self.box)

    def describe(self) -> str:
        """Return the order and the number of holes."""
        return f"order {self.order}, {self.num_holes} holes"


def generate(box: int, holes: float, count: int, seed: int) -> list[tuple[Sudoku, list[int]]]:
    """Generate sudokus with planted solutions: cells of a random solution, any set with equal probability, are emptied.

    Other solutions than the planted one are usual. Depth-first search on the smallest domain fails most often near 65 %
    holes for b = 3 and 4, and near 55 to 60 % for b = 5.

    Args:
        box: b, 2 or more.
        holes: share of the cells that become holes, above 0 and at most 1; the number is rounded.
        count: number of sudokus, 1 or more; a larger count begins with the same ones.
        seed: 0 or more.

    Returns:
        The sudokus, named by these arguments and their position, each with the values of its variables.

    Raises:
        ConfigError: an argument is out of range.
    """
    if not 0 < holes <= 1:
        raise ConfigError(f"holes: expected a share above 0 and at most 1, got {holes}")
    planted = []
    for index, rng in enumerate(random_streams(count, seed)):
        solution = random_solution(box, rng)
        number = round(holes * len(solution))
        empty = rng.permutation(len(solution)) < number
        grid = np.where(empty, 0, solution).reshape(box**2, -1)
        planted.append((Sudoku(f"sudoku-{box**2}-{number}-{seed}-{index}", grid), solution))
    return planted


def random_solution(box: int, rng: np.random.Generator) -> list[int]:
    """Return a random full sudoku grid, row by row.

    A pattern under random symmetries, of which most of the cells are emptied and filled in again by CP-SAT, several
    times. Every grid can come out; not all are equally likely.

    Args:
        box: b, 2 or more; a grid takes 0.03 s for b = 3, 0.25 s for b = 4 and 1.5 s for b = 5 on one core.
        rng: the only source of randomness; the same state gives the same grid.

    Raises:
        ConfigError: the box size is out of range.
    """
    if box < 2:
        raise ConfigError(f"box: expected a box size of 2 or more, got {box}")
    square = _shuffled_pattern(box, rng)
    for _ in range(_MIXING_ROUNDS):
        square = _complete(np.where(rng.random(square.shape) < _MIXED_SHARE, 0, square), rng)
    return [int(value) for value in square.ravel()]


def _shuffled_pattern(box: int, rng: np.random.Generator) -> Grid:
    """Return int64[n, n]: the cyclic sudoku with bands, stacks, rows, columns and values permuted."""
    n = box**2
    line = np.arange(n)
    pattern = (box * (line[:, None] % box) + line[:, None] // box + line) % n
    rows, columns = (
        np.concatenate([band * box + rng.permutation(box) for band in rng.permutation(box)]) for _ in range(2)
    )
    return (rng.permutation(n) + 1)[pattern[rows][:, columns]]


def _complete(grid: Grid, rng: np.random.Generator) -> Grid:
    """Fill in the holes of an extendable grid at random."""
    model, variables = Sudoku("", grid).build()
    for variable in variables:
        # A hint of a random value, wrong for most cells, only makes the search start elsewhere.
        model.add_hint(variable, int(rng.integers(1, len(grid) + 1)))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.catch_sigint_signal = False  # it would leave Ctrl-C to the system
    solver.parameters.random_seed = int(rng.integers(2**31 - 1))
    solver.parameters.randomize_search = True
    solver.parameters.cp_model_presolve = False  # it costs time, and would cut the model down to a few solutions
    solver.parameters.linearization_level = 0  # the relaxation costs time and finds nothing here
    solver.parameters.symmetry_level = 0
    solver.solve(model)
    return np.array([solver.value(variable) for variable in variables], dtype=np.int64).reshape(grid.shape)


def _boxes(square: Grid) -> Grid:
    """Return int[n, n]: the cells of one box in each row."""
    box = math.isqrt(len(square))
    return square.reshape(box, box, box, box).transpose(0, 2, 1, 3).reshape(len(square), -1)
