"""How arms are compared: they take turns, and in pairs of one model and one seed each run has a cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from nnsearch.trial.arms import TrialRun
from nnsearch.trial.primal_integral import primal_integral

Arm = TypeVar("Arm")

SECONDS_SLACK, INTEGRAL_SLACK = 0.05, 0.01
"""Added to both sides of a ratio, so that tiny ones are not noise."""


def rotated(arms: Sequence[Arm], turn: int) -> list[Arm]:
    """Return the arms in the order of a turn, each turn with another one first: the machine's speed changes."""
    first = turn % len(arms)
    return [*arms[first:], *arms[:first]]


def paired_costs(one: TrialRun, other: TrialRun, best: float | None, limit: float) -> tuple[float, float, float]:
    """Return what both runs of a pair cost, and the slack of such costs.

    Seconds where either run has decided the model, or no objective is known: one that has not counts with the limit.
    Else primal integrals.
    """
    if one.decided or other.decided or best is None:
        mine, theirs = (run.seconds if run.decided else limit for run in (one, other))
        return mine, theirs, SECONDS_SLACK
    mine, theirs = (primal_integral(run.solutions, best, limit) for run in (one, other))
    return mine, theirs, INTEGRAL_SLACK
