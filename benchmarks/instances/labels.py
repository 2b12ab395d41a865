"""Exact feasibility labels of larger squares, where a few states would take for ever.

The running time of the labelling search has a heavy tail: most partial squares of order 20 take a tenth of a second,
and one in ten near the phase transition would take minutes or hours. Renaming rows, columns and values of the same
square changes the order of the search and nothing else, so a state that takes long is given up and tried again under
another renaming (Gomes, Selman, Crato and Kautz, "Heavy-tailed phenomena in satisfiability and constraint satisfaction
problems", Journal of Automated Reasoning 24, 2000).
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np
import numpy.typing as npt

from benchmarks.own_process import OwnProcess
from training.data.exact_cover import label_latin_squares

Label = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_] | None]

ATTEMPTS = 10
"""Renamings under which a state is tried."""


@contextmanager
def labeller(seconds: float | None, rng: np.random.Generator) -> Iterator[Label]:
    """Make a function from int64[n, n], 0 = hole, to labels bool[n**3]; with a time limit, None where it is met."""
    if seconds is None:
        yield lambda grid: label_latin_squares(grid[None])[0]
        return
    limit, process = seconds / ATTEMPTS, OwnProcess(label_latin_squares, np.zeros((1, 2, 2), dtype=np.int64))

    def label(grid: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_] | None:
        n = len(grid)
        for attempt in range(ATTEMPTS):
            rows, columns, values = (rng.permutation(n) if attempt else np.arange(n) for _ in range(3))
            renamed = np.concatenate([[0], values + 1])[grid][rows][:, columns]
            with suppress(multiprocessing.TimeoutError):
                found = process.call(label_latin_squares, renamed[None], seconds=limit)[0].reshape(n, n, n)
                labels = np.zeros((n, n, n), dtype=np.bool_)
                labels[np.ix_(rows, columns)] = found[:, :, values]
                return labels.ravel()
        return None

    try:
        yield label
    finally:
        process.close()
