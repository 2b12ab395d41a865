"""Latin squares that no training pool was sampled with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnsearch.errors import ConfigError
from training.pools.jacobson_matthews import JacobsonMatthews

_BENCHMARKS = 0xBE9C  # any constant: a training pool with the same --seed is then another stream


def fresh_squares(order: int, count: int, seed: int) -> npt.NDArray[np.uint8]:
    """Sample uniform Latin squares from a stream of their own.

    The seed of the sampler is derived from ``seed``, so a training pool of the same seed holds other squares (at small
    orders squares repeat by chance). A larger count begins with the same squares.

    Args:
        order: n, 2 or more.
        count: S, 1 or more.
        seed: 0 or more.

    Returns:
        uint8[S, n, n] of values 1..n.

    Raises:
        ConfigError: an argument is out of range.
    """
    for name, value, least in (("order", order, 2), ("squares", count, 1), ("seed", seed, 0)):
        if value < least:
            raise ConfigError(f"{name}: expected {least} or more, got {value}")
    derived = np.random.SeedSequence([seed, _BENCHMARKS]).generate_state(1, np.uint64)
    sampler = JacobsonMatthews(order, int(derived[0]))
    # In chunks of about half a second, because Ctrl-C is seen between them only.
    return np.concatenate(list(sampler.chunks(count, size=max(1, 4_000_000 // order**4))))
