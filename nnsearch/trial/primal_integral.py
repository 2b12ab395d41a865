"""The primal integral: how far the best solution so far was from the best known one, on average over the time given.

Berthold, T. (2013). Measuring the impact of primal heuristics. Operations Research Letters 41(6).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def relative_gap(objective: float, best: float) -> float:
    """Return how far an objective is from the best one, from 0 (as good) to 1 (opposite signs, or nothing like it)."""
    if objective == best:
        return 0.0
    if objective * best < 0:
        return 1.0
    return min(1.0, abs(objective - best) / max(abs(objective), abs(best)))


def primal_integral(solutions: Sequence[tuple[float, float]], best: float, limit: float) -> float:
    """Return the mean gap over the time, from 0 to 1; it is 1 before the first solution.

    Args:
        solutions: second and objective of each that was better than all before.
        best: the best objective that is known, of whatever run.
        limit: the time given, in seconds; a run that ends sooner keeps its last gap.
    """
    steps = [(0.0, 1.0), *((min(second, limit), relative_gap(value, best)) for second, value in solutions)]
    return sum(gap * (end - begin) for (begin, gap), (end, _) in pairwise([*steps, (limit, 0.0)])) / limit
