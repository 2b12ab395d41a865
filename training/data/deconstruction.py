"""Deconstruction: examples (partial assignment -> the pair just removed) out of full solutions.

Silvestri, Lombardi and Milano (2021), Algorithm 1: unset one random assigned variable after the other; each step gives
one example. A pass over a solution of V variables gives V examples, from V - 1 assigned variables down to none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Examples:
    """M examples, bit-packed: about V / 8 + 6 bytes each, whatever the number of values.

    Attributes:
        solutions: uint8[S, V] of value indices 0..D-1, the solutions that the examples come from.
        solution: int32[M], the row of ``solutions`` of each example.
        assigned: uint8[M, ceil(V / 8)], bit ``v`` (little-endian) is set iff variable ``v`` is assigned.
        target: int16[M], the variable just unset; its value is the solution's.
    """

    solutions: npt.NDArray[np.uint8]
    solution: npt.NDArray[np.int32]
    assigned: npt.NDArray[np.uint8]
    target: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.solution)

    @property
    def num_variables(self) -> int:
        """V."""
        return self.solutions.shape[1]

    def assigned_mask(self) -> npt.NDArray[np.bool_]:
        """Return bool[M, V], True where a variable is assigned."""
        bits = np.unpackbits(self.assigned, axis=1, count=self.num_variables, bitorder="little")
        return bits.astype(np.bool_)

    def take(self, index: npt.NDArray[np.integer]) -> Examples:
        """Return the examples at ``index``."""
        return Examples(self.solutions, self.solution[index], self.assigned[index], self.target[index])


def deconstruct(solutions: npt.NDArray[np.uint8], passes: int, rng: np.random.Generator, chunk: int = 2000) -> Examples:
    """Deconstruct every solution ``passes`` times and remove duplicate examples.

    Two examples are duplicates when both their partial assignment and their target pair are equal, whatever solution
    they come from (near the empty assignment this happens often). They are recognised by a 64-bit Zobrist hash: among a
    million examples the probability that any two different ones collide is about 3e-8, and then one is lost.

    Args:
        solutions: uint8[S, V] of value indices 0..D-1.
        passes: deconstructions of each solution, each in a fresh random order.
        rng: source of the orders.
        chunk: solutions handled at a time, which bounds the memory.

    Returns:
        The examples, in order of pass, solution and decreasing number of assigned variables.
    """
    num_solutions, num_variables = solutions.shape
    num_values = int(solutions.max()) + 1
    zobrist = np.random.default_rng(0).integers(0, 2**64, (2, num_variables, num_values), dtype=np.uint64)
    variable = np.arange(num_variables)
    parts = []
    for _ in range(passes):
        for start in range(0, num_solutions, chunk):
            block = solutions[start : start + chunk]
            rows = np.arange(len(block))[:, None]
            # order[s, k]: the variable that is assigned k-th, so the one unset when k variables remain.
            order = rng.permuted(np.broadcast_to(variable, block.shape), axis=1)
            rank = np.empty_like(order)
            rank[rows, order] = variable
            keys = zobrist[0][order, block[rows, order]]
            before = np.bitwise_xor.accumulate(keys, axis=1) ^ keys
            identity = before ^ zobrist[1][order, block[rows, order]]
            remaining = variable[::-1]  # k = V-1 .. 0, the order of removal
            assigned = np.packbits(rank[:, None, :] < remaining[:, None], axis=2, bitorder="little")
            parts.append(
                (
                    np.repeat(np.arange(start, start + len(block), dtype=np.int32), num_variables),
                    assigned.reshape(-1, assigned.shape[2]),
                    order[:, remaining].astype(np.int16).ravel(),
                    identity[:, remaining].ravel(),
                )
            )
    solution, assigned, target, identity = (np.concatenate(column) for column in zip(*parts, strict=True))
    first = np.sort(np.unique(identity, return_index=True)[1])
    return Examples(solutions, solution[first], assigned[first], target[first])
