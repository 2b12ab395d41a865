"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nnsearch.errors import ConfigError
from nnsearch.output_file import check_output_file

Ray = Annotated[str | None, Parameter(metavar="ADDRESS|auto")]
"""A Ray cluster to work on; auto is the one that this machine is part of, else a new one on this machine alone."""

OnnxFile = Annotated[Path, Parameter(metavar="FILE.onnx")]
NpzFile = Annotated[Path, Parameter(metavar="FILE.npz")]


def check_out(out: Path, ending: str) -> None:
    """Raise a ``ConfigError`` unless a file to write has the ending, and can be written."""
    if out.suffix != ending:
        raise ConfigError(f"--out: expected a file ending in {ending}, got {out}")
    check_output_file(out, "--out")
