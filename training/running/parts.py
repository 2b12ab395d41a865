"""The finished parts of a file that takes long to make: what a killed run has done is not done again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nnsearch.errors import ConfigError
from nnsearch.output_file import save_npz


class Parts:
    """A folder of parts beside the file that they will become, there from the first part until :meth:`remove`.

    Raises:
        ConfigError: the folder holds parts of something else than the claim, JSON values, says.
    """

    def __init__(self, out: Path, claim: Mapping[str, Any]) -> None:
        self.folder = out.with_name(out.name + ".parts")
        self._claim = json.dumps(claim, sort_keys=True)
        file = self.folder / "claim.json"
        if self.folder.exists() and (not file.is_file() or file.read_text(encoding="utf-8") != self._claim):
            raise ConfigError(
                f"{self.folder} holds parts of a run with other options; give those again, choose another --out, or "
                "remove the folder"
            )

    def missing(self, count: int) -> list[int]:
        """Return which of the parts 0..count-1 are not there."""
        return [index for index in range(count) if not self._file(index).exists()]

    def write(self, index: int, arrays: dict[str, Any]) -> None:
        """Write a part, whole or not at all."""
        if not self.folder.exists():
            # Under its own name only once it says what it is for.
            draft = self.folder.with_name(self.folder.name + ".tmp")
            draft.mkdir(parents=True, exist_ok=True)
            (draft / "claim.json").write_text(self._claim, encoding="utf-8")
            draft.replace(self.folder)
        save_npz(self._file(index), arrays)

    def read(self, index: int) -> dict[str, Any]:
        """Return the arrays of a part."""
        with np.load(self._file(index)) as arrays:
            return dict(arrays)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, index: int) -> Path:
        return self.folder / f"{index:06d}.npz"
