"""When a search gives up, the same for every engine, and the clock that it is charged by."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np

from nnsearch.errors import ConfigError

CLOCK: ContextVar[Callable[[], float]] = ContextVar("nnsearch_clock", default=time.perf_counter)
"""Seconds since some moment, of the search that runs in this context: the wall's, unless several share a processor.

Limits, results and the cost of inference are all read from it. Searches that take turns in one thread set it to a clock
that stands still while another one runs; see :class:`nnsearch.many.gathering.Gathering`.
"""

STOP: ContextVar[Callable[[], bool] | None] = ContextVar("nnsearch_stop", default=None)
"""Tells whether the search that runs in this context is to end, for scorers that take long; None where nobody knows."""


@dataclass(frozen=True)
class Limits:
    """When to give up.

    Args:
        seconds: wall time; None is no limit.
        failures: dead ends (conflicts of CP-SAT); None is no limit. With an objective the CP engine may count one more,
            see :class:`nnsearch.result.SolveResult`.

    Raises:
        ConfigError: a limit is negative, or beyond what the engines count.
    """

    seconds: float | None = None
    failures: int | None = None

    def __post_init__(self) -> None:
        if not _is_limit(self.seconds):
            raise ConfigError(f"time limit: expected 0 or more seconds, got {self.seconds!r}")
        if not _is_limit(self.failures) or (self.failures or 0) >= 2**63:
            raise ConfigError(f"failure limit: expected 0 or more failures (63 bits), got {self.failures!r}")


def _is_limit(value: object) -> bool:
    return value is None or (isinstance(value, int | float | np.number) and bool(value >= 0))
