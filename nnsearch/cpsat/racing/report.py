"""Which side of a race answered, and what the learned search gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nnsearch.result import SolveResult

Winner = Literal["learned", "history", "cp-sat", "nobody"]
"""Whose answer was returned; see :class:`RaceReport`."""

Contribution = Literal["nothing", "start", "first solution", "solution", "proof"]
"""What history or the learned search gave; see :class:`RaceReport`."""


@dataclass(frozen=True)
class RaceReport:
    """Which side answered, and what the learned search gave.

    Attributes:
        winner: The side whose answer was returned; ``nobody`` when a limit or an exception came first. Of an objective
            that both sides have, the one that had it first: CP-SAT, unless it went on from the other's solution.
        contribution: What history or the learned search gave: the ``solution`` that was returned, the ``proof`` that
            there is none, the ``start`` (history, a scorer that knows objectives) or the ``first solution`` (another
            learned search) from which CP-SAT went on, to a better one or to a proof, or ``nothing``.
        why: One line: what it gave and when, or why nothing.
        learned: What the learned search did; None when it did not begin or did not end in order.
        error: What the scorer, or anything else in the learned search, raised.
        seconds: Wall time of the race.
        improvements: How many of CP-SAT's better solutions each of its subsolvers brought, as far as was watched.
    """

    winner: Winner
    contribution: Contribution
    why: str
    learned: SolveResult | None
    error: BaseException | None
    seconds: float
    improvements: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.winner} after {self.seconds:.1f} s: {self.why}"
