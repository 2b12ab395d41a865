"""A pool of Latin squares in chunks: independent chains that machines can sample side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnsearch.errors import ConfigError
from training.data.pools.jacobson_matthews import JacobsonMatthews

_CHUNKS = 0xC41C  # any constant: these seeds are then a stream of their own


@dataclass(frozen=True)
class Chunk:
    """Squares of one chain.

    Attributes:
        index: its place in the pool.
        order: of the squares.
        solutions: how many, 1 or more.
        seed: of the chain.
    """

    index: int
    order: int
    solutions: int
    seed: int

    def sample(self) -> npt.NDArray[np.uint8]:
        """Return uint8[S, V], values 1..order.

        Raises:
            PoolError: the order or the seed is out of range.
        """
        # By and by, because Ctrl-C is seen between them only.
        pieces = JacobsonMatthews(self.order, self.seed).chunks(self.solutions, max(1, 1_000_000 // self.order**3))
        return np.concatenate([squares.reshape(len(squares), -1) for squares in pieces])


def chunks_of(order: int, solutions: int, seed: int, count: int) -> list[Chunk]:
    """Divide a pool evenly; one chunk is the pool of that seed, and the chains of several have seeds derived from it.

    Raises:
        ConfigError: there are fewer solutions than chunks, or the number of chunks or the seed is out of range.
    """
    if not 1 <= count <= solutions:
        raise ConfigError(f"--chunks: expected 1 to {solutions}, one solution in each or more, got {count}")
    if count == 1:
        return [Chunk(0, order, solutions, seed)]
    if seed < 0:
        raise ConfigError(f"--seed: expected 0 or more, got {seed}")
    sizes = [solutions // count + (index < solutions % count) for index in range(count)]
    seeds = [int(np.random.SeedSequence([seed, _CHUNKS, i]).generate_state(1, np.uint64)[0]) for i in range(count)]
    return [Chunk(index, order, *of) for index, of in enumerate(zip(sizes, seeds, strict=True))]
