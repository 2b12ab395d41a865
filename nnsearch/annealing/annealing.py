"""Simulated annealing from a solution of an integer program to better ones.

The work is done in :mod:`nnsearch.annealing.walk`, which says whose ideas it follows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from copy import copy

import numpy as np

from nnsearch.annealing.arrays import new_walk, read_program
from nnsearch.compiled.loading import compiled
from nnsearch.linear_program import LinearProgram
from nnsearch.model.lists import IntArray

_HOT, _COLD = 0.03, 1e-5  # of the moves that are tried are accepted although they cost more, at first and at last
_TERMS = 200_000  # that moves between two looks at the clock change: some milliseconds


class Annealing:
    """A walk on an integer program.

    Args:
        program: what is minimised, over integers.
        seed: of the walk.
        stop: asked from time to time; true ends the reading.

    Raises:
        CompilerError: there is no machine code; see :func:`nnsearch.compiled.loading.compiled`.
        NothingToReadError: a bound is missing or too large, or nothing is free.
        ReadingStoppedError: ``stop`` said so.
    """

    def __init__(self, program: LinearProgram, seed: int, stop: Callable[[], bool] | None = None) -> None:
        self._source = program
        self._program, self._payments = read_program(program, stop)
        self._state = new_walk(self._program, seed)
        self._moves = max(1, _TERMS * len(program.lower) // (4 * len(program.row)))
        self._compiled = compiled(stop)

    def another(self, seed: int) -> Annealing:
        """Return another walk on the same program, beside this one.

        Args:
            seed: of the walk.
        """
        other, program = copy(self), self._program
        other._program = program._replace(
            columns=program.columns.copy(),
            rows=program.rows.copy(),
            steps=program.steps.copy(),
            pending=program.pending.copy(),
            best=program.best.copy(),
        )
        other._state = new_walk(other._program, seed)
        return other

    def better(self, values: Sequence[int], seconds: float, stop: Callable[[], bool]) -> Iterator[IntArray]:
        """Cool down once, and yield better and better solutions; the first one may be no better than ``values``.

        Args:
            values: to begin with, of all columns; they may violate rows.
            seconds: of a processor until it is cold, more than 0.
            stop: asked every few milliseconds; true ends it.
        """
        program, state = self._program, self._state
        columns = program.columns["value"]
        columns[:-1] = values
        columns[self._payments.column] = 0.0
        np.clip(columns, program.columns["low"], program.columns["high"], out=columns)
        self._compiled.begin(program, state)
        begun = time.thread_time()  # beside others it gets less of a processor, and would be cold before it is good
        while True:
            passed = (time.thread_time() - begun) / seconds
            if passed >= 1 or stop():
                return
            state["uphill_rate"] = _HOT * (_COLD / _HOT) ** passed
            if self._compiled.try_moves(program, state, self._moves):
                yield self._completed()

    def _completed(self) -> IntArray:
        """Return the best values with what is paid."""
        source, best = self._source, self._program.best.copy()
        activity = np.bincount(source.row, source.coefficient * best[source.column], len(source.row_lower))
        column, row, coefficient = self._payments
        short = np.where(coefficient > 0, source.row_lower[row] - activity[row], activity[row] - source.row_upper[row])
        best[column] = np.maximum(short, 0)
        return np.rint(best).astype(np.int64)
