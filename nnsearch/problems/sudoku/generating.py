"""Random sudokus with planted solutions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnsearch.errors import ConfigError
from nnsearch.plain_solver import plain_solver
from nnsearch.problems.latin_square.generating import number_of_holes
from nnsearch.problems.streams import random_streams
from nnsearch.problems.sudoku.problem import Sudoku

Grid = npt.NDArray[np.int64]

# How a random solution is mixed: that share of the cells is emptied and filled in again, that many times. Measured for
# b = 3, 4 and 5: the number of intercalates (2 x 2 subsquares) settles within two rounds, and after five as few cells
# keep their first value as in two unrelated grids.
_MIXED_SHARE = 0.8
_MIXING_ROUNDS = 5


def generate(box: int, holes: float, count: int, seed: int) -> list[tuple[Sudoku, list[int]]]:
    """Generate sudokus with planted solutions: cells of a random solution, any set with equal probability, are emptied.

    Other solutions than the planted one are usual. Depth-first search on the smallest domain fails most often near 65 %
    holes for b = 3 and 4, and near 55 to 60 % for b = 5. See also :class:`nnsearch.problems.ProblemFamily`.

    Args:
        box: b, 2 or more.
        holes: The share of the cells that become holes, above 0 and at most 1; the number is rounded.
        count: The number of instances, 1 or more.
        seed: The seed, 0 or more.

    Raises:
        ConfigError: An argument is out of range.
    """
    number = number_of_holes(box**2, holes)
    planted = []
    for index, rng in enumerate(random_streams(count, seed)):
        solution = random_solution(box, rng)
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
        rng: The only source of randomness; the same state gives the same grid.

    Raises:
        ConfigError: The box size is out of range.
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
    solver = plain_solver()
    solver.parameters.num_workers = 1
    solver.parameters.catch_sigint_signal = False  # it would leave Ctrl-C to the system
    solver.parameters.random_seed = int(rng.integers(2**31 - 1))
    solver.parameters.randomize_search = True
    solver.parameters.cp_model_presolve = False  # it costs time, and would cut the model down to a few solutions
    solver.parameters.linearization_level = 0  # the relaxation costs time and finds nothing here
    solver.parameters.symmetry_level = 0
    solver.solve(model)
    return np.array([solver.value(variable) for variable in variables], dtype=np.int64).reshape(grid.shape)
