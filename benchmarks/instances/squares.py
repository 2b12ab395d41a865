"""Latin squares, these with holes, and solutions of other problems, that no training pool was sampled with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from nnsearch.errors import ConfigError
from nnsearch.problems import PartialLatinSquare, latin_square
from nnsearch.problems.latin_square.generating import Pattern
from nnsearch.problems.latin_square.problem import LatinSquare
from training.data.dense_problems import DenseProblem, random_solutions
from training.data.pools.jacobson_matthews import JacobsonMatthews

_BENCHMARKS = 0xBE9C  # any constant: a training pool with the same --seed is then another stream


def fresh_squares(order: int, count: int, seed: int) -> npt.NDArray[np.uint8]:
    """Sample uniform Latin squares, uint8[count, n, n] of values 1..n, from a stream of their own.

    The seed of the sampler is derived from ``seed``, so a training pool of the same seed holds other squares (at small
    orders squares repeat by chance). A larger count begins with the same squares.

    Raises:
        ConfigError: An argument is out of range.
    """
    for name, value, least in (("order", order, 2), ("squares", count, 1), ("seed", seed, 0)):
        if value < least:
            raise ConfigError(f"{name}: expected {least} or more, got {value}")
    sampler = JacobsonMatthews(order, _stream(seed))
    # In chunks of about half a second, because Ctrl-C is seen between them only.
    return np.concatenate(list(sampler.chunks(count, size=max(1, 4_000_000 // order**4))))


def fresh_quasigroups(
    order: int, holes: float, count: int, seed: int, pattern: Pattern = "balanced"
) -> list[PartialLatinSquare]:
    """Return :func:`fresh_squares` with holes, see :func:`nnsearch.problems.latin_square.generate`."""
    return [one for one, _ in latin_square.generate(order, holes, count, seed, fresh_squares, pattern)]


def fresh_solutions(problem: DenseProblem, count: int, seed: int) -> npt.NDArray[np.uint8]:
    """Sample solutions, uint8[count, n, n] of the values of a square or uint8[count, n, 1] of n queens.

    They come from a stream of their own as :func:`fresh_squares` do, which those of a Latin square are; others are
    random, but not uniform.
    """
    if isinstance(problem, LatinSquare):
        return fresh_squares(problem.order, count, seed)
    drawn = tqdm(random_solutions(problem, count, _stream(seed)), total=count, disable=None, desc="test", leave=False)
    return np.stack(list(drawn)).reshape(count, problem.order, -1)


def _stream(seed: int) -> int:
    return int(np.random.SeedSequence([seed, _BENCHMARKS]).generate_state(1, np.uint64)[0])
