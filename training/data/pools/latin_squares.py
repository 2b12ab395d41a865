"""Pools of uniform Latin squares: one chain, or independent chains that machines can sample side by side."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from nnsearch.errors import ConfigError
from training.data.pools.jacobson_matthews import JacobsonMatthews
from training.data.pools.pool import Pool
from training.running.fan_out import fan_out
from training.running.parts import Parts

_CHUNKS = 0xC41C  # any constant: these seeds are then a stream of their own


@dataclass(frozen=True)
class Chunk:
    """Squares of one chain, and their place in the pool."""

    index: int
    order: int
    solutions: int
    seed: int

    def sample(self, *, progress: bool = False) -> npt.NDArray[np.uint8]:
        """Return uint8[S, V], values 1..order.

        Raises:
            PoolError: the order or the seed is out of range.
        """
        # By and by, because Ctrl-C is seen between them only.
        pieces = JacobsonMatthews(self.order, self.seed).chunks(self.solutions, max(1, 1_000_000 // self.order**3))
        parts = []
        with tqdm(total=self.solutions, desc="pool", unit=" squares", disable=not progress) as bar:
            for squares in pieces:
                parts.append(squares.reshape(len(squares), -1))
                bar.update(len(squares))
        return np.concatenate(parts)


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


def sample_pool(order: int, count: int, seed: int) -> Pool:
    """Sample one chain with a progress bar."""
    return Pool(Chunk(0, order, count, seed).sample(progress=True), first_value=1, num_values=order)


def save_chunks(chunks: list[Chunk], out: Path, ray: str | None) -> Pool:
    """Sample chunks with a progress bar, and write them as one pool; what was finished before a stop is kept.

    Raises:
        ConfigError: there are parts of another pool beside the file, or the cluster cannot be reached.
    """
    parts = Parts(out, {"pool": [asdict(chunk) for chunk in chunks]})
    missing = [chunks[index] for index in parts.missing(len(chunks))]
    with closing(fan_out(Chunk.sample, missing, ray=ray)) as sampled:
        done = len(chunks) - len(missing)
        for chunk, solutions in tqdm(sampled, total=len(chunks), initial=done, desc="pool", unit=" chunks"):
            parts.write(chunk.index, {"solutions": solutions})
    solutions = np.concatenate([parts.read(chunk.index)["solutions"] for chunk in chunks])
    pool = Pool(solutions, first_value=1, num_values=chunks[0].order)
    pool.save(out)
    parts.remove()
    return pool
