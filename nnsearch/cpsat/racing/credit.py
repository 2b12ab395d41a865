"""What history or the learned search gave in a race, in words."""

from __future__ import annotations

from typing import Literal

from nnsearch.cpsat.past import PastOf
from nnsearch.cpsat.racing.report import Contribution, Winner
from nnsearch.model.objective import Objective
from nnsearch.scorers.network import Network


class Credit:
    """What those beside CP-SAT gave, or why they gave nothing.

    Args:
        scorer: Of the learned search; None is none.
        past: Of the model; None is no history.
        objective: Of the model; None is none.
    """

    def __init__(self, scorer: Network | None, past: PastOf | None, objective: Objective | None) -> None:
        self.giver: Literal["learned", "history"] = "learned"
        """Whose solution the race holds beside CP-SAT's."""
        self.nothing = ""
        """Why the learned search gave nothing."""
        self.forgotten = ""
        """Why history gave nothing."""
        self._scorer, self._past, self._objective = scorer, past, objective
        self._gift: str | None = None

    def give(self, objective: float, seconds: float) -> str:
        """Note that CP-SAT was given a solution to improve; return that in words.

        Args:
            objective: Of the solution.
            seconds: Since the race began.
        """
        self._gift = f"objective {objective:.12g} after {seconds:.2f} s"
        return self._gift

    def withdraw(self, why: str) -> None:
        """Note that history's solution was of no use, and why."""
        self._gift, self.forgotten = None, why

    def give_nothing(self, why: str) -> None:
        """Note why neither history nor the learned search gave anything."""
        self.nothing = self.forgotten = why

    def contribution(self, winner: Winner, proof: bool) -> tuple[Contribution, str]:
        """Return what was added to CP-SAT, and that in words.

        Args:
            winner: Whose answer is returned.
            proof: It is that there is no solution.
        """
        contribution: Contribution = "nothing"
        giver = "the learned search"
        purpose = None if self._scorer is None else self._scorer.purpose
        if self.giver == "history" and self._past is not None and self._past.near is not None:
            giver = f"solve {self._past.near.number} of the history"
        if winner == "learned" and proof:
            contribution, why = "proof", "the learned search proved that there is no solution"
        elif winner in ("learned", "history"):
            contribution, why = "solution", f"{giver} {'led to' if winner == 'history' else 'found'} the solution"
        elif self._gift is not None and self.giver == "history":
            contribution, why = "start", f"{giver} led to the start"
        elif self._gift is not None and purpose == "objective":
            contribution, why = "start", "the learned search found what CP-SAT went on from"
        elif self._gift is not None:
            contribution, why = "first solution", "the learned search found the first solution"
        else:
            parts = [] if self._past is None else [f"history gave nothing: {self.forgotten}"]
            if self._scorer is not None:
                parts.append(f"the learned search gave nothing: {self.nothing}")
            why = "; ".join(parts)
        if self._gift is not None:
            why += f", {self._gift}"
        if self._objective is not None and purpose == "preferences":
            why += "; its network knows preferences, and the objective decides"
        return contribution, why
