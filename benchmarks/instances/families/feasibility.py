"""Models whose first solution is the hard part: squares with holes and costs, shift rosters after Curtois."""

from __future__ import annotations

from itertools import product
from random import Random

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from benchmarks.instances.streams.rosters import random_shift_roster
from benchmarks.instances.streams.shift_rosters import shift_roster_model
from benchmarks.instances.zoo.rules import require
from benchmarks.instances.zoo.zoo_model import Value, ZooModel
from nnsearch.problems import latin_square
from nnsearch.problems.latin_square.problem import is_solution

_HOLES = 0.42
"""Of the cells; squares with more are easier, and so are those with fewer (C. P. Gomes and B. Selman, 1997)."""


def draw_quasigroup(order: int, rng: Random) -> ZooModel:
    """Return a Latin square with balanced holes, and a price for each cell that its number is multiplied by."""
    ((square, _),) = latin_square.generate(order, _HOLES, 1, rng.randrange(2**31), _shuffled_squares)
    cost = {cell: rng.randint(1, 20) for cell in product(range(order), repeat=2)}
    model = cp_model.CpModel()
    number = {cell: model.new_int_var(0, order - 1, f"cell[{cell[0]},{cell[1]}]") for cell in cost}
    lines = [[(i, j) for j in range(order)] for i in range(order)]
    lines += [[(i, j) for i in range(order)] for j in range(order)]
    for line in lines:
        model.add_all_different(number[cell] for cell in line)
    given = {cell: int(square.grid[cell]) - 1 for cell in cost if square.grid[cell]}
    for cell, value in given.items():
        model.add(number[cell] == value)
    model.minimize(sum(cost[cell] * number[cell] for cell in cost))

    def check(value: Value) -> int:
        filled = {cell: value(number[cell]) for cell in cost}
        cells = np.array([*filled.values()]).reshape(order, order)
        require(is_solution(cells + 1, square.grid), "what is given stays, and each number comes once in a line")
        return sum(cost[cell] * filled[cell] for cell in cost)

    return ZooModel(model, check)


def _shuffled_squares(order: int, count: int, seed: int) -> npt.NDArray[np.uint8]:
    """Return addition tables whose rows, columns and numbers are shuffled: uniform squares take minutes to sample."""
    rng = np.random.default_rng(seed)
    tables = [
        rng.permutation(order)[np.add.outer(rng.permutation(order), rng.permutation(order)) % order] + 1
        for _ in range(count)
    ]
    return np.array(tables, dtype=np.uint8)


def draw_shift_roster(people: int, shifts: int, rng: Random) -> ZooModel:
    """Return four weeks of contracts with hard rules for lengths of work and rest; see :class:`ShiftRoster`."""
    return shift_roster_model(random_shift_roster(people, shifts, rng))
