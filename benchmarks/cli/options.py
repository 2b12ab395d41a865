"""Options that several verbs have."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Models = Annotated[list[str] | None, Parameter(metavar="MODEL")]
"""Names or .onnx files of networks; None is all pretrained ones that are for any solution."""

Pair = Annotated[tuple[str, str] | None, Parameter(metavar="NAME")]

PlotFile = Annotated[Path | None, Parameter(metavar="FILE")]


def warn(lines: Sequence[str]) -> None:
    """Write lines to stderr."""
    for line in lines:
        sys.stderr.write(line + "\n")
