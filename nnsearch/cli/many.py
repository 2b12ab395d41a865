"""``nnsearch solve`` with several instances: a line for each, as it finishes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from nnsearch.errors import NNSearchError, NothingToReadError
from nnsearch.many.solve_many import ManyProgress, ManySolves
from nnsearch.problems.problem import Problem
from nnsearch.result import SolveResult, Status

_SHOW_SECONDS = 0.2

Alone = Callable[[Problem], SolveResult]
Gathered = Callable[[Iterable[Problem]], ManySolves]


class Tally(NamedTuple):
    """What became of many instances.

    Attributes:
        decided: solved, or proved to have no solution.
        undecided: a limit was reached.
        failed: could not be read or solved; a line on standard error said why.
    """

    decided: int
    undecided: int
    failed: int


class Lines:
    """Writes a line for each instance, and on a terminal how far it is.

    Args:
        total: how many instances are expected; None if nobody knows.
        as_json: JSON objects instead of text.
        statistics: makes the text of a result.
    """

    def __init__(self, total: int | None, as_json: bool, statistics: Callable[[SolveResult], str]) -> None:
        self._total, self._as_json, self._statistics = total, as_json, statistics
        self._decided = self._undecided = self._failed = 0
        self._started = self._shown = time.perf_counter()
        self._live = sys.stderr.isatty()

    @property
    def tally(self) -> Tally:
        """What became of the instances so far."""
        return Tally(self._decided, self._undecided, self._failed)

    def solved(self, instance: Problem, result: SolveResult) -> None:
        """Check a result, and write it."""
        if result.solution is not None and not instance.is_solution(result.solution):
            self.failed(f"{instance.name}: the engine returned a wrong solution; please report this")
            return
        decided = result.status is not Status.UNKNOWN
        self._decided += decided
        self._undecided += not decided
        text = as_json(instance, result) if self._as_json else f"{instance.name}: {self._statistics(result)}"
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
        text = f"{sum(self.tally)} instances in {seconds:.1f} s: {self._decided} decided, {self._undecided} not"
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


def solve_each(instances: Iterable[Problem], alone: Alone, lines: Lines) -> None:
    """Solve one instance after the other."""
    for instance in instances:
        try:
            result = alone(instance)
        except NNSearchError as error:
            lines.failed(f"{instance.name}: {error}")
        else:
            lines.solved(instance, result)


def solve_gathered(
    instances: Iterable[Problem],
    gathered: Gathered,
    unread: Callable[[NothingToReadError, Problem], SolveResult],
    lines: Lines,
) -> None:
    """Solve instances side by side.

    Args:
        instances: what to solve.
        gathered: solves them.
        unread: solves one that the network can read nothing of.
        lines: where the results go.

    Raises:
        Exception: of a solve, if it is not one of nnsearch's own.
    """
    open_instances: dict[int, Problem] = {}

    def remembered() -> Iterator[Problem]:
        for index, instance in enumerate(instances):
            open_instances[index] = instance
            yield instance

    with gathered(remembered()) as solves:
        for solved in solves:
            instance, error = open_instances.pop(solved.index), solved.error
            if solved.result is not None:
                lines.solved(instance, solved.result)
            elif isinstance(error, NothingToReadError):
                solve_each([instance], partial(unread, error), lines)
            elif isinstance(error, NNSearchError):
                lines.failed(f"{instance.name}: {error}")
            elif error is not None:
                raise error
        lines.summary(solves.progress)
