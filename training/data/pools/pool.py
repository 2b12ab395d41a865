"""A solution pool: full solutions of one problem, without duplicates, split by solution."""

from __future__ import annotations

import csv
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nnsearch.errors import PoolError
from nnsearch.output_file import save_npz


@dataclass(frozen=True)
class Pool:
    """Solutions of one problem, integer[S, V], over ``num_values`` values from ``first_value`` on.

    Raises:
        PoolError: the array has another shape, is empty, or holds a value outside the domain; or D is above 256.
    """

    solutions: npt.NDArray[np.integer]
    first_value: int
    num_values: int

    def __post_init__(self) -> None:
        if self.solutions.ndim != 2 or 0 in self.solutions.shape:
            raise PoolError(f"expected solutions as an array [S, V] that is not empty, got {self.solutions.shape}")
        if not np.issubdtype(self.solutions.dtype, np.integer):
            raise PoolError(f"expected integer values, got {self.solutions.dtype}")
        if not 1 <= self.num_values <= 256:
            raise PoolError(f"expected 1 to 256 values in a domain, got {self.num_values}")
        last = self.first_value + self.num_values - 1
        outside = (self.solutions < self.first_value) | (self.solutions > last)
        if outside.any():
            row, variable = np.argwhere(outside)[0]
            raise PoolError(
                f"solution {row + 1}, variable {variable + 1}: expected a value {self.first_value}..{last}, "
                f"got {self.solutions[row, variable]}"
            )

    def distinct(self) -> npt.NDArray[np.uint8]:
        """Return uint8[S', V]: value indices (from 0) of the solutions without repetition, in order of appearance."""
        index = (self.solutions.astype(np.int64) - self.first_value).astype(np.uint8)
        first = np.sort(np.unique(index, axis=0, return_index=True)[1])
        return index[first]

    def save(self, path: Path) -> None:
        """Write the pool as ``.npz``; an older file is only replaced once the new one is complete."""
        arrays = {"solutions": self.solutions, "first_value": self.first_value, "num_values": self.num_values}
        save_npz(path, arrays)


def read_pool(path: Path, num_variables: int, first_value: int, num_values: int) -> Pool:
    """Read a user's own solutions: ``.npz`` with an array ``solutions``, or ``.csv`` with one solution a line.

    The array is integer[S, V]; [S, n, n] is flattened. A first line of names is allowed.

    Raises:
        PoolError: the file is missing, malformed, or does not fit the problem; the message names file and line.
    """
    if not path.is_file():
        raise PoolError(f"{path}: expected a file of solutions (.npz or .csv), found none")
    if path.suffix == ".npz":
        solutions = _read_npz(path)
    elif path.suffix == ".csv":
        solutions = _read_csv(path, num_variables, range(first_value, first_value + num_values))
    else:
        raise PoolError(f"{path}: expected a file ending in .npz or .csv")
    if solutions.ndim < 2 or solutions.size == 0:
        raise PoolError(f"{path}: expected solutions as an array [S, V] that is not empty, got shape {solutions.shape}")
    solutions = solutions.reshape(len(solutions), -1)
    if solutions.shape[1] != num_variables:
        raise PoolError(f"{path}: expected {num_variables} values per solution, got {solutions.shape[1]}")
    try:
        return Pool(solutions, first_value, num_values)
    except PoolError as error:
        raise PoolError(f"{path}: {error}") from None


def _read_npz(path: Path) -> npt.NDArray[np.integer]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
        if "solutions" in names:
            with np.load(path, allow_pickle=False) as arrays:
                return np.asarray(arrays["solutions"])
    except Exception as error:  # a damaged archive makes zipfile, zlib and numpy raise nearly anything
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise PoolError(
            f"{path}: expected an .npz archive of numpy arrays, got an unreadable file ({reason})"
        ) from None
    raise PoolError(f"{path}: expected an array named 'solutions', found {', '.join(names) or 'none'}")


def _read_csv(path: Path, num_variables: int, domain: range) -> npt.NDArray[np.integer]:
    rows: list[list[int]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for number, fields in enumerate(csv.reader(file), start=1):
                where = f"{path}:{number}"
                if not fields or (number == 1 and not any(map(_is_integer, fields))):
                    continue  # an empty line, or the names of the variables
                if not all(map(_is_integer, fields)):
                    raise PoolError(f"{where}: expected integers separated by commas")
                if len(fields) != num_variables:
                    raise PoolError(f"{where}: expected {num_variables} values, got {len(fields)}")
                outside = [field for field in fields if len(field) > 20 or int(field) not in domain]
                if outside:
                    raise PoolError(f"{where}: expected values {domain[0]}..{domain[-1]}, got {outside[0][:20]}")
                rows.append([int(field) for field in fields])
    except UnicodeDecodeError:
        raise PoolError(f"{path}: expected a text file of comma-separated integers") from None
    except csv.Error as error:
        raise PoolError(f"{path}: expected comma-separated integers ({error})") from None
    if not rows:
        raise PoolError(f"{path}: expected at least one solution, found none")
    return np.array(rows, dtype=np.int64)


def _is_integer(field: str) -> bool:
    return re.fullmatch(r"\s*[+-]?\d+\s*", field, re.ASCII) is not None
