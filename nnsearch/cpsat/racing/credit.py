"""What history or the learned search gave in a race, or why it gave nothing, in words."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Literal

from nnsearch.cpsat.past import PastOf
from nnsearch.cpsat.racing.options import OnError
from nnsearch.cpsat.racing.report import Contribution, Winner
from nnsearch.errors import ModelFileError, NNSearchError, NothingToReadError, ScoreError
from nnsearch.model.objective import Objective
from nnsearch.result import SolveResult
from nnsearch.scorers.network import Network

_LOGGER = logging.getLogger("nnsearch")


class Credit:
    """What those beside CP-SAT gave, or why they gave nothing.

    Args:
        scorer: of the learned search; None is none.
        past: of the model; None is no history.
        objective: of the model; None is none.
        on_error: what an exception of the scorer does.
        log: takes a line.

    Attributes:
        giver: whose solution the race holds beside CP-SAT's.
        nothing: why the learned search gave nothing.
        forgotten: why history gave nothing.
        learned: what the learned search did; None when it did not begin or did not end in order.
        error: the exception that ended the learned search.
        misfit: what the network cannot read in this model, if that was why the learned search stood aside.
    """

    def __init__(
        self,
        scorer: Network | None,
        past: PastOf | None,
        objective: Objective | None,
        on_error: OnError,
        log: Callable[[str], None],
    ) -> None:
        self.giver: Literal["learned", "history"] = "learned"
        self.nothing = self.forgotten = ""
        self.learned: SolveResult | None = None
        self.error: BaseException | None = None
        self.misfit: ModelFileError | None = None
        self._scorer, self._past, self._objective = scorer, past, objective
        self._on_error, self._log = on_error, log
        self._gift: str | None = None

    def give(self, objective: float, seconds: float) -> str:
        """Note that CP-SAT was given a solution to improve; return that in words.

        Args:
            objective: of the solution.
            seconds: since the race began.
        """
        self._gift = f"objective {objective:.12g} after {seconds:.2f} s"
        return self._gift

    def withdraw(self, why: str) -> None:
        """Note that history's solution was of no use, and why."""
        self._gift, self.forgotten = None, why

    def give_nothing(self, why: str) -> None:
        """Note why neither history nor the learned search gave anything."""
        self.nothing = self.forgotten = why

    def fail(self, error: Exception) -> None:
        """Say why the learned search stands aside or what is wrong with it.

        Args:
            error: what it raised; it is raised again where the user wants to know.
        """
        if isinstance(error, NNSearchError) and not isinstance(error, ScoreError):  # not a model for this scorer
            self.misfit = error if isinstance(error, ModelFileError) else None
            self.nothing = str(error)
            if isinstance(error, NothingToReadError) and self._scorer is not None:
                self.nothing = f"{self._scorer.name} has nothing to say about this model"
            self._log(f"the learned search stands aside: {error}")
            return
        self.error, self.nothing = error, f"it failed: {error!r}"
        if self._on_error == "raise":
            raise error
        traceback.clear_frames(error.__traceback__)  # the report keeps the error, not the engine as well
        _LOGGER.warning("the learned search failed; CP-SAT goes on alone", exc_info=error)
        self._log(f"the learned search failed, CP-SAT goes on alone: {error!r}")

    def contribution(self, winner: Winner, proof: bool) -> tuple[Contribution, str]:
        """Return what was added to CP-SAT, and that in words.

        Args:
            winner: whose answer is returned.
            proof: whether it is that there is no solution.
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
