"""Which side of a race won, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nnsearch.result import SolveResult

Winner = Literal["learned", "cp-sat", "nobody"]


@dataclass(frozen=True)
class RaceReport:
    """Which side won, and why.

    Attributes:
        winner: the side whose answer was returned; ``nobody`` when a limit or an exception came first.
        why: one line; it also says if the learned search stood aside.
        learned: what the learned search did; None when it did not begin or did not end in order.
        error: what the scorer, or anything else in the learned search, raised.
        seconds: wall time of the race.
    """

    winner: Winner
    why: str
    learned: SolveResult | None
    error: BaseException | None
    seconds: float

    def __str__(self) -> str:
        return f"{self.winner} after {self.seconds:.1f} s: {self.why}"
