"""``nnsearch demo``: one large quasigroup, solved by the drop-in solver and then by CP-SAT alone."""

from __future__ import annotations

import math
import os
import string
import sys
import threading
import time
from collections.abc import Callable
from importlib.resources import files
from types import TracebackType
from typing import Annotated

import numpy as np
from cyclopts import App, Parameter
from ortools.sat.python import cp_model

from nnsearch.cpsat.solver import CpSolver
from nnsearch.errors import ConfigError, NNSearchError
from nnsearch.inference.pretrained import DEFAULT_MODEL
from nnsearch.problems import PartialLatinSquare, read_latin_square
from nnsearch.problems.rendering import highlighted
from nnsearch.trial.timed_solve import timed_solve

_WORKERS = 2
_FRAMES_SECONDS = 0.1
_SYMBOLS = string.digits[1:] + string.ascii_uppercase + string.ascii_lowercase


app = App(name="demo")


@app.default
def demo(*, time_limit: Annotated[float, Parameter(metavar="S")] = 12.0) -> int:
    """Solve a quasigroup of order 50 by the drop-in solver, and by CP-SAT with its defaults.

    Args:
        time_limit: seconds for each
    """

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    if not 0 < time_limit < math.inf:
        raise ConfigError(f"--time-limit: expected a number of seconds above 0, got {time_limit:g}")
    terminal = sys.stdout.isatty()
    colour = terminal and "NO_COLOR" not in os.environ
    run_demo(DEFAULT_MODEL, time_limit, write=write, live=terminal, colour=colour)
    return 0


def run_demo(model: str, time_limit: float, *, write: Callable[[str], object], live: bool, colour: bool) -> None:
    """Solve the instance that comes with the package twice, and put the numbers side by side.

    Args:
        model: name of the network.
        time_limit: seconds for each solver.
        write: takes text.
        live: show progress on a line that is written over; for terminals.
        colour: use ANSI colours.

    Raises:
        NNSearchError: a solution is wrong.
    """
    instance = read_latin_square(str(files("nnsearch") / "demo.dzn"))
    cells = instance.order**2
    write(
        f"A quasigroup of order {instance.order}: {instance.num_holes} of {cells} cells are empty "
        f"({instance.num_holes / cells:.0%}, where completing it is hardest).\n"
        f"Both solvers get {_WORKERS} workers and {time_limit:g} s.\n\n"
    )
    rows = []
    solvers: list[tuple[str, cp_model.CpSolver]] = [
        (f'nnsearch.cpsat.CpSolver("{model}")', CpSolver(model)),
        ("cp_model.CpSolver()", cp_model.CpSolver()),
    ]
    for name, solver in solvers:
        seconds, status, values = _solve(instance, solver, time_limit, name if live else None)
        if values is not None:
            if not instance.is_solution(values):
                raise NNSearchError(f"{name}: the solver returned a wrong solution; please report this")
            write(draw(np.reshape(values, instance.grid.shape), instance.grid, colour) + "\n\n")
        by = ""
        if isinstance(solver, CpSolver) and solver.race is not None:
            learned = solver.race.learned
            by = f"by {'learned search' if solver.race.winner == 'learned' else solver.race.winner}"
            if learned is not None:
                by += f", {learned.failures} failures, {learned.inference.calls} inferences"
        row = f"{name:34}{status:>9} {seconds:6.1f} s  {by}".rstrip()
        rows.append(row)
        write(row + "\n")
    write("\nNext: nnsearch solve FILE; nnsearch models; nnsearch solve --help\n")


def draw(
    square: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    grid: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    colour: bool,
) -> str:
    """Return a square of up to 61 values with one character for each value, so that it fits into 122 columns.

    Args:
        square: int[n, n], values 1..n.
        grid: int[n, n], 0 = the cell was empty; it stands out.
        colour: use ANSI colours.
    """
    lines = []
    for values, given in zip(square.tolist(), grid.tolist(), strict=True):
        symbols = [_SYMBOLS[value - 1] for value in values]
        if colour:
            symbols = [s if g else highlighted(s) for s, g in zip(symbols, given, strict=True)]
        lines.append(" ".join(symbols))
    return "\n".join(lines)


def _solve(
    instance: PartialLatinSquare, solver: cp_model.CpSolver, time_limit: float, live: str | None
) -> tuple[float, str, list[int] | None]:
    model, variables = instance.build()
    solver.parameters.num_workers = _WORKERS
    solver.parameters.max_time_in_seconds = time_limit
    started = time.perf_counter()
    with _Live(live) as shown:
        if live is not None:
            solver.parameters.log_search_progress = True
            solver.parameters.log_to_stdout = False
            solver.log_callback = shown.take
        if isinstance(solver, CpSolver):
            status = solver.solve(model)
        else:  # Ctrl-C ends the demo, and not this solve alone
            status, _ = timed_solve(solver, model)
    seconds = time.perf_counter() - started
    solved = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    return seconds, solver.status_name(status), [solver.value(v) for v in variables] if solved else None


class _Live:
    """A line with the clock and the last line of the log, written over until the end."""

    def __init__(self, name: str | None) -> None:
        self._name, self._last = name, ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def take(self, text: str) -> None:
        """Take a piece of the log."""
        lines = [line for line in text.splitlines() if line.startswith("#")]
        if lines:
            self._last = lines[-1].removeprefix("#nnsearch ")

    def _show(self) -> None:
        started = time.perf_counter()
        while not self._ended.wait(_FRAMES_SECONDS):
            text = f"{self._name}  {time.perf_counter() - started:5.1f} s  {self._last}"
            sys.stdout.write(f"\r\x1b[K{text[:100]}")
            sys.stdout.flush()
        sys.stdout.write("\r\x1b[K")

    def __enter__(self) -> _Live:
        if self._name is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._name is not None:
            self._thread.join()
