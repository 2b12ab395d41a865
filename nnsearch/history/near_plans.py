"""The past solutions that are nearest to a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nnsearch.history.matching import Plan, match
from nnsearch.history.nearness import Hashes, nearness
from nnsearch.history.store import Store

_LEAST_SHARE = 0.05  # of the variables
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


def near_plans(
    store: Store, family: str | None, names: tuple[str, ...], sketch: Hashes, count: int
) -> Iterator[NearPlan]:
    """Return the best solutions of the solves whose models are nearest, the nearest first; of equals the latest.

    Each is read from the store when it is asked for. A solution that is the same as one before does not count.

    Args:
        store: the past solves.
        family: whose solves count; None is all.
        names: V names of the model's variables, ``""`` where there is none.
        sketch: the model's, see :func:`nnsearch.history.nearness.sketch`.
        count: how many at most; solves that know less than a twentieth of the variables do not count.

    Raises:
        HistoryError: the store cannot be read.
    """
    estimates = [(nearness(sketch, past.sketch), past.number) for past in store.sketches(family)]
    plans: list[Plan] = []
    for estimate, number in sorted(estimates, key=lambda one: -(one[0] // _STEP)):  # stable: the latest come first
        if len(plans) == count:
            return
        solve = store.load(number)
        matched = match(solve.names, names)
        if (matched >= 0).sum() < max(1, _LEAST_SHARE * len(names)):
            continue
        best = solve.solutions[0]
        plan = Plan.of(best.values, matched)
        if not any(plan.is_like(other) for other in plans):
            plans.append(plan)
            yield NearPlan(plan, number, estimate, best.objective)
