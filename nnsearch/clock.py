"""The clock that a search is charged by: the wall, unless several searches share a processor."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar

CLOCK: ContextVar[Callable[[], float]] = ContextVar("nnsearch_clock", default=time.perf_counter)
"""Seconds since some moment, of the search that runs in this context.

Limits, results and the cost of inference are all read from it. Searches that take turns in one thread set it to a clock
that stands still while another one runs; see :class:`nnsearch.many.gathering.Gathering`.
"""
