"""Sudokus with one solution, minimal ones and easier ones; boxes need not be square, so that 6 x 6 is one too."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnsearch.model.graph import CandidateGraph
from training.data.graph_states import PlantedState, planted_state

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

BOX_SHAPES = {4: (2, 2), 6: (2, 3), 9: (3, 3), 16: (4, 4), 25: (5, 5)}
"""Order -> rows and columns of a box."""


@dataclass(frozen=True, eq=False)
class Puzzle:
    """A sudoku with one solution.

    Attributes:
        solution: int64[n * n], values 1..n.
        given: bool[n * n], the cells that are shown.
    """

    solution: IntArray
    given: BoolArray

    @property
    def order(self) -> int:
        """The number of rows, n."""
        return math.isqrt(len(self.solution))

    def easier(self, share: float, rng: np.random.Generator) -> Puzzle:
        """Return the puzzle with that share of its holes shown as well, any of them with equal probability."""
        return Puzzle(self.solution, self.given | (rng.random(len(self.given)) < share))

    def open_candidates(self) -> BoolArray:
        """Return bool[n * n * n], the candidates that naked and hidden singles leave."""
        return self.planted().alive

    def planted(self) -> PlantedState:
        """Return the state that naked and hidden singles leave, with the solution."""
        return planted_state(candidate_graph(self.order), self.solution, self.given)


@functools.cache
def units(order: int) -> tuple[tuple[int, ...], ...]:
    """Return the cells of every row, column and box."""
    rows, columns = BOX_SHAPES[order]
    cell = np.arange(order**2)
    row, column = cell // order, cell % order
    box = row // rows * (order // columns) + column // columns
    return tuple(tuple(np.flatnonzero(of == index).tolist()) for of in (row, column, box) for index in range(order))


@functools.cache
def candidate_graph(order: int) -> CandidateGraph:
    """Return the graph of the empty sudoku, variables row by row."""
    return CandidateGraph.from_all_different([range(1, order + 1)] * order**2, units(order))


def minimal_puzzle(order: int, rng: np.random.Generator) -> Puzzle:
    """Return a puzzle of which no given value can be spared: cells of a random solution are emptied in random order.

    Not all solutions are equally likely.
    """
    solution = _solve([(1 << order) - 1] * order**2, order, rng)
    assert solution is not None  # the empty sudoku has solutions
    given = np.ones(order**2, dtype=bool)
    for cell in rng.permutation(order**2).tolist():
        given[cell] = False
        # Whatever else solves it without this cell has another value there.
        domains = [mask if shown else (1 << order) - 1 for mask, shown in zip(solution, given, strict=True)]
        domains[cell] &= ~solution[cell]
        given[cell] = _solve(domains, order, rng) is not None
    return Puzzle(np.array([mask.bit_length() for mask in solution], dtype=np.int64), given)


def _solve(domains: list[int], order: int, rng: np.random.Generator) -> list[int] | None:
    """Return a solution within domains, the bits of masks, or None: search on the smallest domain, with singles."""
    domains = _singles(domains, order)
    if not domains:
        return None
    open_cells = [cell for cell, mask in enumerate(domains) if mask & (mask - 1)]
    if not open_cells:
        return domains
    least = min(domains[cell].bit_count() for cell in open_cells)
    smallest = [cell for cell in open_cells if domains[cell].bit_count() == least]
    cell = smallest[int(rng.integers(len(smallest)))]
    for value in rng.permutation([bit for bit in range(order) if domains[cell] >> bit & 1]).tolist():
        found = _solve([*domains[:cell], 1 << value, *domains[cell + 1 :]], order, rng)
        if found is not None:
            return found
    return None


@functools.cache
def _peers(order: int) -> tuple[tuple[int, ...], ...]:
    """Return the cells that share a row, a column or a box with each cell."""
    peers: list[set[int]] = [set() for _ in range(order**2)]
    for unit in units(order):
        for cell in unit:
            peers[cell].update(unit)
    return tuple(tuple(sorted(own - {cell})) for cell, own in enumerate(peers))


def _singles(domains: list[int], order: int) -> list[int]:
    """Return the domains at the fixpoint of naked and hidden singles; empty where a cell or a value has no place."""
    peers = _peers(order)
    domains = domains.copy()
    fixed = [False] * len(domains)
    waiting = [cell for cell, mask in enumerate(domains) if not mask & (mask - 1)]
    while True:
        while waiting:
            cell = waiting.pop()
            mask = domains[cell]
            if not mask:
                return []
            if fixed[cell]:
                continue
            fixed[cell] = True
            for peer in peers[cell]:
                if domains[peer] & mask:
                    domains[peer] &= ~mask
                    rest = domains[peer]
                    if not rest & (rest - 1):
                        waiting.append(peer)
        for unit in units(order):
            once = more = 0
            for cell in unit:
                more |= once & domains[cell]
                once |= domains[cell]
            if once != (1 << order) - 1:
                return []
            once &= ~more
            if not once:
                continue
            for cell in unit:
                hidden = domains[cell] & once
                if hidden and not fixed[cell]:
                    if hidden & (hidden - 1):
                        return []
                    domains[cell] = hidden
                    waiting.append(cell)
        if not waiting:
            return domains
