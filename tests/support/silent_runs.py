"""Runs of CP-SAT in a race that say nothing, so that the other side answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.racing import track
from nnsearch.cpsat.run import CpSatRun


class SilentRun(CpSatRun):
    """A run that never answers until it is stopped, for the first of a race; the next ones are real."""

    begun: ClassVar[int] = 0

    def __new__(cls, *arguments: object, **options: object) -> Any:
        SilentRun.begun += 1
        return super().__new__(cls) if SilentRun.begun == 1 else CpSatRun(*arguments, **options)  # type: ignore[arg-type]

    def __init__(self, *arguments: object, **options: object) -> None:
        self.done, self.stopped = threading.Event(), False

    @classmethod
    def alone(cls) -> SilentRun:
        """Return one that stands for another run than those of a race."""
        cls.begun = 0
        run: SilentRun = cls()
        return run

    def stop(self) -> None:
        self.stopped = self.stopped or not self.done.is_set()
        self.done.set()

    def response(self) -> cmh.CpSolverResponse:
        assert self.done.is_set()
        return cmh.CpSolverResponse()


def silence(monkeypatch: pytest.MonkeyPatch, run: Callable[..., Any] = SilentRun) -> None:
    """Let the runs of the next race be these."""
    SilentRun.begun = 0
    monkeypatch.setattr(track, "CpSatRun", run)


class Awaited(threading.Event):
    """Set as soon as somebody waits for it, who has nothing else to do by then; to ask is not to wait."""

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is None or timeout > 0:
            self.set()
        return super().wait(timeout)


class LostHint(SilentRun):
    """Runs without an answer, which end as by a limit when the race does nothing but wait: the hint is lost."""

    def __new__(cls, *arguments: object, **options: object) -> Any:
        return object.__new__(cls)

    def __init__(self, *arguments: object, **options: object) -> None:
        self.done, self.stopped = Awaited(), False
