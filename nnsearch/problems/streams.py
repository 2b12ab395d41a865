"""Random streams of the instance generators."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nnsearch.errors import ConfigError


def random_streams(count: int, seed: int) -> Iterator[np.random.Generator]:
    """Return one generator of random numbers per instance; a larger count begins with the same ones.

    Raises:
        ConfigError: The count is below 1, or the seed below 0.
    """
    if count < 1:
        raise ConfigError(f"count: expected 1 or more instances, got {count}")
    if seed < 0:
        raise ConfigError(f"seed: expected 0 or more, got {seed}")
    return (np.random.default_rng([seed, index]) for index in range(count))
