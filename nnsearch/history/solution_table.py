"""Past solutions as a file of comma-separated values."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from nnsearch.errors import PoolError


def read_solution_table(path: Path, names: Sequence[str] | None = None) -> list[tuple[int, dict[str, int]]]:
    """Read solutions: the first line names variables, each other line gives their values in one solution.

    Args:
        path: the file.
        names: of the variables that may be there; None is any.

    Returns:
        The number of the line and the values by name, for each solution.

    Raises:
        PoolError: the file is malformed, or names another variable; the message names file and line.
    """
    if not path.is_file():
        raise PoolError(f"{path}: expected a .csv file of solutions, found none")
    rows: list[tuple[int, dict[str, int]]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [field.strip() for field in next(reader, [])]
            known = set(header if names is None else names)
            unknown = [name for name in header if name not in known]
            if not header or unknown:
                got = repr(unknown[0][:40]) if unknown else "an empty file"
                shown = "" if names is None else f" ({', '.join(names[:3])}, ...)"
                raise PoolError(f"{path}:1: expected the names of the model's variables{shown}, got {got}")
            if len(set(header)) < len(header):
                raise PoolError(f"{path}:1: expected every variable once, got one twice")
            for fields in reader:
                line = reader.line_num
                if not fields:
                    continue
                if len(fields) != len(header):
                    raise PoolError(f"{path}:{line}: expected {len(header)} values, got {len(fields)}")
                wrong = [field for field in fields if not re.fullmatch(r"\s*[+-]?\d{1,18}\s*", field, re.ASCII)]
                if wrong:
                    raise PoolError(f"{path}:{line}: expected integers, got {wrong[0][:20]!r}")
                rows.append((line, dict(zip(header, map(int, fields), strict=True))))
    except (UnicodeDecodeError, csv.Error):
        raise PoolError(f"{path}: expected a text file of comma-separated integers") from None
    if not rows:
        raise PoolError(f"{path}: expected at least one solution below the line of names, found none")
    return rows
