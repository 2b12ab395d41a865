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
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np
import numpy.typing as npt

from training.data.exact_cover import label_latin_squares

Label = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_] | None]

ATTEMPTS = 10
"""Renamings under which a state is tried."""


class Labeller:
    """Labels partial Latin squares in a process of its own, which is ended when a state takes too long."""

    def __init__(self, seconds: float, rng: np.random.Generator) -> None:
        self._seconds, self._rng = seconds, rng
        methods = multiprocessing.get_all_start_methods()
        # A fork server that has loaded the labeller makes the next process in no time.
        self._context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if "forkserver" in methods:
            self._context.set_forkserver_preload([__name__])
        self._running: tuple[Connection, BaseProcess] | None = None

    def label(self, grid: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_] | None:
        """Return labels bool[n**3] of int64[n, n], 0 = hole, as ``label_latin_squares`` does; None if out of time."""
        n = len(grid)
        for attempt in range(ATTEMPTS):
            rows, columns, values = (self._rng.permutation(n) if attempt else np.arange(n) for _ in range(3))
            renamed = np.concatenate([[0], values + 1])[grid][rows][:, columns]
            connection = self._process()
            connection.send(renamed)
            if connection.poll(self._seconds / ATTEMPTS):
                labels = np.zeros((n, n, n), dtype=np.bool_)
                labels[np.ix_(rows, columns)] = connection.recv().reshape(n, n, n)[:, :, values]
                return labels.ravel()
            self.close()
        return None

    def close(self) -> None:
        """End the process."""
        if self._running is not None:
            connection, process = self._running
            connection.close()
            process.kill()
            process.join()
            self._running = None

    def _process(self) -> Connection:
        if self._running is None:
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=_serve, args=(theirs,), daemon=True)  # type: ignore[attr-defined]
            process.start()
            theirs.close()
            if not ours.poll(120) or ours.recv() != "ready":
                raise RuntimeError("the labelling process did not start")
            self._running = ours, process
        return self._running[0]


@contextmanager
def labeller(seconds: float | None, rng: np.random.Generator) -> Iterator[Label]:
    """Make a function from int64[n, n], 0 = hole, to labels bool[n**3]; with a time limit, None where it is met."""
    if seconds is None:
        yield lambda grid: label_latin_squares(grid[None])[0]
        return
    made = Labeller(seconds, rng)
    try:
        yield made.label
    finally:
        made.close()


def _serve(connection: Connection) -> None:
    """Label what comes until the other end closes."""
    label_latin_squares(np.zeros((1, 2, 2), dtype=np.int64))  # loads the compiled search
    connection.send("ready")
    try:
        while True:
            connection.send(label_latin_squares(connection.recv()[None])[0])
    except (EOFError, KeyboardInterrupt, BrokenPipeError):
        return
