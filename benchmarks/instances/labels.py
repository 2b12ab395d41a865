"""Exact feasibility labels of larger squares, where those of a few states would take for ever."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np
import numpy.typing as npt

from benchmarks.own_process import OwnProcess
from training.data.exact_cover import label_latin_squares

Label = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_] | None]


@contextmanager
def labeller(seconds: float | None) -> Iterator[Label]:
    """Make a function from int64[n, n], 0 = hole, to labels bool[n**3]; with a time limit, None where it is met."""
    if seconds is None:
        yield lambda grid: label_latin_squares(grid[None])[0]
        return
    process = OwnProcess(label_latin_squares, np.zeros((1, 2, 2), dtype=np.int64))

    def label(grid: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_] | None:
        with suppress(multiprocessing.TimeoutError):
            labels: npt.NDArray[np.bool_] = process.call(label_latin_squares, grid[None], seconds=seconds)[0]
            return labels
        return None

    try:
        yield label
    finally:
        process.close()
