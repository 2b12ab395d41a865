"""Problem families to train on: an endless stream of states with a planted solution, a function of the generator alone.

Latin squares and sudokus are drawn from a pool of solutions, whose rows, columns and values are permuted afresh (the
solutions of a split never meet those of the other, whatever the permutation); queens and colourings are drawn afresh.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from nnsearch.errors import ConfigError
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems import PartialLatinSquare, Problem, graph_colouring, n_queens, sudoku
from nnsearch.problems.latin_square.generating import balanced_holes
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.problems.sudoku.problem import Sudoku
from training.data.graph_states import PlantedState, planted_state
from training.data.pools.jacobson_matthews import JacobsonMatthews

_COLOURS = {3: 4.69, 4: 8.90, 5: 13.67}  # colours -> mean degree at which random graphs stop being colourable


class Family(Protocol):
    """A stream of planted states."""

    name: str

    def draw(self, rng: np.random.Generator, tight: bool) -> PlantedState:
        """Draw a state: tight ones near the phase transition, as a search first sees them; others of any depth."""
        ...


Pool = Mapping[int, npt.NDArray[np.int64]]
"""size -> int64[S, V], solutions."""


def latin_square_pool(orders: Sequence[int], solutions: int, seed: int) -> Pool:
    """Sample uniform Latin squares (Jacobson-Matthews), values 1..n."""
    pool = {}
    for order in tqdm(orders, desc="Latin squares", unit="order", leave=False, disable=None):
        squares = JacobsonMatthews(order, seed).sample(solutions).astype(np.int64)
        pool[order] = squares.reshape(solutions, -1) - squares.min() + 1
    return pool


def sudoku_pool(boxes: Sequence[int], solutions: int, seed: int) -> Pool:
    """Sample sudoku solutions, values 1..n."""

    def solution(box: int, index: int) -> list[int]:
        return sudoku.random_solution(box, np.random.default_rng([seed, box, index]))

    return {
        box: np.array(
            [
                solution(box, index)
                for index in tqdm(range(solutions), desc=f"sudokus of box {box}", leave=False, disable=None)
            ]
        )
        for box in boxes
    }


@dataclass(frozen=True, eq=False)
class LatinSquares:
    """Partial Latin squares. Tight: 33 to 46 % holes from order 15 on, more below, balanced or not."""

    pool: Pool
    name = "latin-square"

    def draw(self, rng: np.random.Generator, tight: bool) -> PlantedState:
        """See :class:`Family`."""
        order = int(rng.choice(list(self.pool)))
        square = _permuted(self._any(order, rng), rng)
        low, high = (0.33, 0.46) if order >= 15 else (0.38, 0.65)
        holes = rng.uniform(low, high) if tight else rng.uniform(0.15, high)
        number = 1 + int(holes * (order**2 - 1))
        if rng.random() < 0.5:
            empty = np.argsort(np.argsort(rng.random(order**2))) < number
        else:
            empty = balanced_holes(_permuted(self._any(order, rng), rng), number, rng.random(order)).ravel()
        return planted_state(_latin_square_graph(order), square.ravel(), ~empty)

    def _any(self, order: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        squares = self.pool[order]
        return squares[rng.integers(len(squares))].reshape(order, order)


@dataclass(frozen=True, eq=False)
class Sudokus:
    """Sudokus. Tight: 50 to 70 % holes for boxes up to 4, 52 to 62 % above."""

    pool: Pool
    name = "sudoku"

    def draw(self, rng: np.random.Generator, tight: bool) -> PlantedState:
        """See :class:`Family`."""
        box = int(rng.choice(list(self.pool)))
        solutions = self.pool[box]
        grid = _permuted_sudoku(solutions[rng.integers(len(solutions))].reshape(box**2, box**2), box, rng)
        low, high = (0.50, 0.70) if box <= 4 else (0.52, 0.62)
        holes = rng.uniform(low, high) if tight else rng.uniform(0.3, high)
        return planted_state(_sudoku_graph(box), grid.ravel(), rng.random(box**4) > holes)


@dataclass(frozen=True, eq=False)
class Queens:
    """n-queens completion. Tight: up to a quarter of the queens placed."""

    sizes: tuple[int, ...]
    name = "n-queens"

    def draw(self, rng: np.random.Generator, tight: bool) -> PlantedState:
        """See :class:`Family`."""
        size = int(rng.choice(self.sizes))
        columns = n_queens.random_solution(size, rng)
        placed = rng.uniform(0, 0.25) if tight else rng.uniform(0, 0.7)
        return planted_state(_queens_graph(size), columns, rng.random(size) < placed)


@dataclass(frozen=True, eq=False)
class Colourings:
    """Planted colourings. Tight: near the threshold and few vertices coloured; two are, lest all colours look alike."""

    colours: tuple[int, ...]
    name = "graph-colouring"

    def draw(self, rng: np.random.Generator, tight: bool) -> PlantedState:
        """See :class:`Family`."""
        colours = int(rng.choice(self.colours))
        vertices = int(rng.integers(20, 140))
        degree = _COLOURS[colours] * (rng.uniform(0.85, 1.05) if tight else rng.uniform(0.6, 1.2))
        instance, solution = graph_colouring.generate(
            vertices, colours, min(degree, 0.8 * vertices * (1 - 1 / colours)), 1, int(rng.integers(2**31))
        )[0]
        graph = CandidateGraph.from_model(instance.build()[0])
        share = rng.uniform(0, 0.2) if tight else rng.uniform(0, 0.7)
        assigned = rng.random(vertices) < share
        assigned[rng.integers(vertices, size=2)] = True
        return planted_state(graph, solution, assigned)


@functools.cache
def _latin_square_graph(order: int) -> CandidateGraph:
    return CandidateGraph.from_model(LatinSquare(order).build()[0])


@functools.cache
def _sudoku_graph(box: int) -> CandidateGraph:
    empty = np.zeros((box**2, box**2), dtype=np.int64)
    return CandidateGraph.from_model(Sudoku("empty", empty).build()[0])


@functools.cache
def _queens_graph(size: int) -> CandidateGraph:
    return CandidateGraph.from_model(n_queens.QueensCompletion("empty", size, ()).build()[0])


def _permuted(square: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    order = len(square)
    values = rng.permutation(order) + 1
    renamed: npt.NDArray[np.int64] = values[square - 1][rng.permutation(order)][:, rng.permutation(order)]
    return renamed.T if rng.random() < 0.5 else renamed


def _permuted_sudoku(grid: npt.NDArray[np.int64], box: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    def lines() -> npt.NDArray[np.int64]:
        return np.concatenate([band * box + rng.permutation(box) for band in rng.permutation(box)])

    values = rng.permutation(box**2) + 1
    renamed: npt.NDArray[np.int64] = values[grid - 1][lines()][:, lines()]
    return renamed.T if rng.random() < 0.5 else renamed


def planted_instances(spec: str, seed: int) -> list[tuple[Problem, npt.NDArray[np.int64]]]:
    """Generate instances with planted solutions from ``FAMILY:SIZE:HOLES:COUNT``.

    The family is ``latin-square`` (balanced holes) or ``sudoku`` (size is the box).

    Raises:
        ConfigError: the text is not of this form.
    """
    match = re.fullmatch(r"(latin-square|sudoku):(\d{1,2}):(0?\.\d*[1-9]\d*):([1-9]\d{0,5})", spec)
    if match is None:
        raise ConfigError(
            "instances: expected FAMILY:SIZE:HOLES:COUNT, such as latin-square:25:0.4:50 or sudoku:5:0.56:20, "
            f"got {spec!r}"
        )
    family, size, holes, count = match[1], int(match[2]), float(match[3]), int(match[4])
    most = 5 if family == "sudoku" else 60
    if not 2 <= size <= most:
        raise ConfigError(f"instances: expected a size of 2 to {most} for {family}, got {size}")
    if family == "sudoku":
        return [(one, np.array(solution)) for one, solution in sudoku.generate(size, holes, count, seed)]
    pool = latin_square_pool([size], 2 * count, seed)[size].reshape(-1, size, size)
    instances: list[tuple[Problem, npt.NDArray[np.int64]]] = []
    rng = np.random.default_rng(seed)
    for index in range(count):
        planted, other = pool[2 * index], pool[2 * index + 1]
        number = round(holes * size**2)
        grid = np.where(balanced_holes(other, number, rng.random(size)), 0, planted)
        name = f"latin-square-{size}-{number}-{seed}-{index}"
        instances.append((PartialLatinSquare(name, grid), planted.ravel()))
    return instances
