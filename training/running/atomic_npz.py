"""Arrays on disk, never half written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def save_npz(path: Path, arrays: dict[str, Any]) -> None:
    """Write a compressed ``.npz``; an older file is only replaced once the new one is complete."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    temporary.replace(path)
