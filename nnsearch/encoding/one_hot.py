"""The one-hot encoding of Silvestri, Lombardi and Milano: candidate j is 1 iff its variable is assigned its value."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def one_hot(values: npt.ArrayLike, num_values: int, first_value: int) -> npt.NDArray[np.float32]:
    """Encode partial assignments.

    Args:
        values: int[B, V]; a value below ``first_value`` marks an unassigned variable.
        num_values: D.
        first_value: the value with index 0.

    Returns:
        float32[B, V * D].

    Raises:
        ValueError: the array is not two-dimensional, or a value is above the last one.
    """
    index = np.asarray(values) - first_value
    if index.ndim != 2:
        raise ValueError(f"expected values as [B, V], got shape {index.shape}; a single state is values[None]")
    if index.size and index.max() >= num_values:
        raise ValueError(f"expected values up to {first_value + num_values - 1}, got {index.max() + first_value}")
    encoded = index[:, :, None] == np.arange(num_values)
    return encoded.reshape(len(index), index.shape[1] * num_values).astype(np.float32)
