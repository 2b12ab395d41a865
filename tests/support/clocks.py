"""Clocks for searches whose tests must not depend on how fast a machine is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nnsearch.limits import CLOCK


@contextmanager
def ticking(seconds: float = 1e-4) -> Iterator[None]:
    """Charge searches by how often they ask for the time: so much passes from one question to the next."""
    questions = itertools.count()
    clock: Callable[[], float] = lambda: seconds * next(questions)  # noqa: E731
    before = CLOCK.set(clock)
    try:
        yield
    finally:
        CLOCK.reset(before)
