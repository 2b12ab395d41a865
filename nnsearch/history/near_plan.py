"""The past solution that is nearest to a model."""

from __future__ import annotations

from typing import NamedTuple

from nnsearch.history.matching import Plan, match
from nnsearch.history.nearness import Hashes, nearness
from nnsearch.history.store import Store

_LEAST_SHARE = 0.05  # of the variables
_ALIKE_SHARE, _ALIKE_NEARNESS = 0.5, 0.25  # of models that nobody said are of one kind
_STEP = 1 / 16  # estimates that differ by less are equal, and the later solve is nearer


class NearPlan(NamedTuple):
    """A past solution in the words of a model.

    Attributes:
        plan: its values.
        number: of the past solve in the store.
        nearness: the estimated share of parts that both models have in common.
        objective: of the past solution, None without one.
    """

    plan: Plan
    number: int
    nearness: float
    objective: float | None


def near_plan(
    store: Store, family: str | None, names: tuple[str, ...], sketch: Hashes, *, alike: bool = False
) -> NearPlan | None:
    """Return the best solution of the solve whose model is nearest, of equals the latest; None if nothing is near.

    Args:
        store: the past solves, of which the latest are looked at.
        family: whose solves count; None is all.
        names: V names of the model's variables, ``""`` where there is none.
        sketch: the model's, see :func:`nnsearch.history.nearness.sketch`.
        alike: whether only models count that have much in common with this one.

    Raises:
        HistoryError: the store cannot be read.
    """
    share, least = (_ALIKE_SHARE, _ALIKE_NEARNESS) if alike else (_LEAST_SHARE, 0.0)
    estimates = [
        (estimate, past.number)
        for past in store.sketches(family)
        if (estimate := nearness(sketch, past.sketch)) >= least
    ]
    for estimate, number in sorted(estimates, key=lambda one: -(one[0] // _STEP)):  # stable: the latest come first
        solve = store.load(number)
        matched = match(solve.names, names)
        if (matched >= 0).sum() >= max(1, share * len(names)):
            best = solve.solutions[0]
            return NearPlan(Plan.of(best.values, matched), number, estimate, best.objective)
    return None
