"""``nnsearch solve`` with several instances: a line for each, as it finishes."""

from __future__ import annotations

import json
import sys
import time
from typing import NamedTuple

from nnsearch.many.solve_many import ManyProgress
from nnsearch.problems.problem import Problem
from nnsearch.result import SolveResult, Status

_SHOW_SECONDS = 0.2


class Tally(NamedTuple):
    """What became of many instances.

    Attributes:
        decided: solved (with an objective: proved the best), or proved to have no solution.
        open: a solution is there, and a better one may be.
        undecided: a limit was reached before any.
        failed: could not be read or solved; a line on standard error said why.
    """

    decided: int
    open: int
    undecided: int
    failed: int


class Lines:
    """Writes a line for each instance, and on a terminal how far it is.

    Args:
        total: how many instances are expected; None if nobody knows.
        as_json: JSON objects instead of text.
    """

    def __init__(self, total: int | None, as_json: bool) -> None:
        self._total, self._as_json = total, as_json
        self._decided = self._open = self._undecided = self._failed = 0
        self._started = self._shown = time.perf_counter()
        self._live = sys.stderr.isatty()

    @property
    def tally(self) -> Tally:
        """What became of the instances so far."""
        return Tally(self._decided, self._open, self._undecided, self._failed)

    def solved(self, instance: Problem, result: SolveResult) -> None:
        """Write a result."""
        self._open += result.status is Status.FEASIBLE
        self._undecided += result.status is Status.UNKNOWN
        self._decided += result.status in (Status.OPTIMAL, Status.INFEASIBLE)
        text = as_json(instance, result) if self._as_json else f"{instance.name}: {result.statistics()}"
        self._wipe()
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        self._show()

    def failed(self, reason: str) -> None:
        """Write why an instance was not solved."""
        self._failed += 1
        self._wipe()
        sys.stderr.write(f"error: {reason}\n")
        self._show()

    def summary(self, progress: ManyProgress | None) -> None:
        """Write what became of all of them, and what gathering their inferences was worth."""
        self._wipe()
        seconds = time.perf_counter() - self._started
        text = f"{sum(self.tally)} instances in {seconds:.1f} s: {self._decided} decided, "
        text += f"{self._open} with a solution that may not be the best, " if self._open else ""
        text += f"{self._undecided} not"
        text += f", {self._failed} failed" if self._failed else ""
        if progress is not None and progress.count.batches:
            count = progress.count
            text += (
                f"; {count.batches} inferences of {count.mean_batch:.1f} states in {count.inference_seconds:.2f} s, "
                f"{count.hit_rate:.1%} of the states were known"
            )
        (sys.stderr if self._as_json else sys.stdout).write(text + "\n")

    def _show(self) -> None:
        now = time.perf_counter()
        if self._live and now > self._shown + _SHOW_SECONDS:
            self._shown = now
            done = sum(self.tally)
            text = f"{done} done"
            if self._total is not None:
                left = (now - self._started) / max(done, 1) * (self._total - done)
                text = f"{done} of {self._total} done, {left:.0f} s left"
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def _wipe(self) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def as_json(instance: Problem, result: SolveResult) -> str:
    """Return one JSON object on one line."""
    return json.dumps({"instance": instance.name, **result.to_dict()})
