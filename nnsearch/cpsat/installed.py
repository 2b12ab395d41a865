"""The drop-in solver in programs and libraries that make their own ``cp_model.CpSolver``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnsearch.cpsat.racing.options import OnError, RaceOptions
from nnsearch.cpsat.solver import CpSolver
from nnsearch.errors import ConfigError
from nnsearch.plain_solver import PLAIN
from nnsearch.scorers.onnx import load_scorer
from nnsearch.scorers.scorer import Scorer

_installed: list[type[CpSolver]] = []  # the last one is in force


def install(
    scorer: str | Path | Scorer | None = "bp", *, on_error: OnError = "log", options: RaceOptions | None = None
) -> None:
    """From now on, let ``cp_model.CpSolver()`` make a drop-in solver, in all threads of this process.

    It does not matter how a library has imported the class, or when. Solvers that are there already, and subclasses of
    the class, stay as they are.

    Args:
        scorer: As for :class:`nnsearch.cpsat.CpSolver`; it is loaded once.
        on_error: As there.
        options: As there.

    Raises:
        ModelFileError: There is no such network.
        ConfigError: An option is unknown.
    """
    loaded = None if scorer is None else load_scorer(scorer)

    class InstalledSolver(CpSolver):
        def __init__(self) -> None:
            super().__init__(loaded, on_error=on_error, options=options)

    InstalledSolver()  # refuses what it cannot take here, where the caller can see it
    _installed.append(InstalledSolver)
    # It stays there: a class that has lost its own __new__ does not get back that of object with all its rules.
    PLAIN.__new__ = _new


def uninstall() -> None:
    """Undo the last :func:`install`.

    Raises:
        ConfigError: Nothing is installed.
    """
    if not _installed:
        raise ConfigError("uninstall: expected an installed solver, there is none; call nnsearch.cpsat.install() first")
    _installed.pop()


@contextmanager
def installed(
    scorer: str | Path | Scorer | None = "bp", *, on_error: OnError = "log", options: RaceOptions | None = None
) -> Iterator[None]:
    """:func:`install` for the length of a ``with`` block.

    ```python
    with nnsearch.cpsat.installed():
        model.solve(solver="ortools")  # of CPMpy; PyJobShop, or any library on top of CP-SAT, in the same way
    ```

    Args:
        scorer: As for :class:`nnsearch.cpsat.CpSolver`; it is loaded once.
        on_error: As there.
        options: As there.

    Raises:
        ModelFileError: There is no such network.
        ConfigError: An option is unknown.
    """
    install(scorer, on_error=on_error, options=options)
    solver = _installed[-1]
    try:
        yield
    finally:
        _installed.remove(solver)


def _new(cls: type[Any], *arguments: object, **options: object) -> Any:
    return object.__new__(_installed[-1] if cls is PLAIN and _installed else cls)
