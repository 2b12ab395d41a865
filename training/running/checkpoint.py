"""Checkpoints: written atomically, read without executing anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from nnsearch.errors import ConfigError
from nnsearch.output_file import replacing

KEYS = frozenset(
    {
        *("identity", "facts", "step", "seconds", "finished", "stale", "history", "best", "loss_sum", "loss_steps"),
        *("network", "optimizer", "generator"),
    }
)
"""What a checkpoint of the training loop holds."""


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a network's weights, on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint; a crash at any moment leaves the previous file or the new one, never a part."""
    with replacing(path) as file:
        torch.save(state, file)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises:
        ConfigError: the file is not a checkpoint of the training loop, or one of another layout.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes torch, pickle and zipfile raise nearly anything
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ConfigError(f"{path}: expected a checkpoint ({reason}); remove it to start afresh") from None
    missing = KEYS - state.keys() if isinstance(state, dict) else KEYS
    if missing:
        raise ConfigError(
            f"{path}: expected a checkpoint (it lacks {', '.join(sorted(missing))}); remove it to start afresh"
        )
    return cast(dict[str, Any], state)
