"""Arrays in memory that two processes see."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Layout = list[tuple[str, tuple[int, ...], int]]
"""dtype, shape and offset of each array: all that has to be sent."""

_ALIGNMENT = 64


class SharedArrays:
    """One writer's arrays, seen by one reader; the next :meth:`put` overwrites them.

    Args:
        descriptor: of a file without a name, see :func:`new_memory`. :meth:`close` closes it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = 0
        self._map: mmap.mmap | None = None

    def put(self, arrays: Sequence[npt.NDArray[Any]]) -> Layout:
        """Write arrays; return where the reader finds them."""
        if not arrays:
            return []
        layout: Layout = []
        end = 0
        for array in arrays:
            layout.append((array.dtype.str, array.shape, end))
            end += -(-max(array.nbytes, 1) // _ALIGNMENT) * _ALIGNMENT
        if end > os.fstat(self._descriptor).st_size:
            os.ftruncate(self._descriptor, 2 * end)
        for array, place in zip(arrays, self.get(layout), strict=True):
            place[...] = array
        return layout

    def get(self, layout: Layout) -> list[npt.NDArray[Any]]:
        """Return the arrays, valid until the writer's next :meth:`put`."""
        size = os.fstat(self._descriptor).st_size
        if self._map is None or size != self._size:  # the old map goes with the last array that looks into it
            self._map, self._size = mmap.mmap(self._descriptor, size), size
        return [np.ndarray(shape, dtype, self._map, offset) for dtype, shape, offset in layout]

    def close(self) -> None:
        """Let the memory go."""
        self._map = None
        os.close(self._descriptor)


def new_memory() -> int:
    """Return the descriptor of a nameless file, in memory where the system has that; it goes with its last user."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("nnsearch")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
