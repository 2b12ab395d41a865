"""Checkpoints: written atomically, read without executing anything."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from nnsearch.errors import ConfigError


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint; a crash at any moment leaves the previous file or the new one, never a part.

    Args:
        state: nested dicts and lists of tensors, numbers and strings.
        path: the file.
    """
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises:
        ConfigError: the file is not a checkpoint of this trainer.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path}: expected a checkpoint ({reason}); remove it to start afresh") from None
    return state
