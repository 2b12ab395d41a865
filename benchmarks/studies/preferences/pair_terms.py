"""What pairs of values are worth together, as a part of an objective; and how that is counted in a history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

STEPS = 128
"""Of the objective in a nat."""


@dataclass(frozen=True, eq=False)
class PairTerm:
    """What the values of two variables are worth together.

    Attributes:
        first: name of a variable.
        second: name of another.
        first_values: int64[A], values of the first; a solution that has another one is worth 0.
        second_values: int64[B].
        worth: float64[A, B].
    """

    first: str
    second: str
    first_values: npt.NDArray[np.int64]
    second_values: npt.NDArray[np.int64]
    worth: npt.NDArray[np.float64]

    def of(self, first: int, second: int) -> float:
        """Return what two values are worth."""
        return float(self.worth[self.first_values == first][:, self.second_values == second].sum())


def maximise_pairs(model: cp_model.CpModel, variables: Sequence[cp_model.IntVar], terms: Sequence[PairTerm]) -> None:
    """Give a model without an objective the sum of terms to maximise, in nats that are rounded to ``1 / STEPS``."""
    known = {variable.name: variable for variable in variables}
    costs = []
    for term in terms:
        first, second = known[term.first], known[term.second]
        worth = {(a, b): round(STEPS * term.of(a, b)) for a in _values(first) for b in _values(second)}
        cost = model.new_int_var(min(worth.values()), max(worth.values()), "")
        model.add_allowed_assignments([first, second, cost], [(a, b, steps) for (a, b), steps in worth.items()])
        costs.append(cost)
    model.maximize(cp_model.LinearExpr.weighted_sum(costs, [1 / STEPS] * len(costs)))


def _values(variable: cp_model.IntVar) -> list[int]:
    ends = variable.domain.flattened_intervals()
    return [value for low, high in zip(ends[::2], ends[1::2], strict=True) for value in range(low, high + 1)]


def counted_pairs(names: Sequence[str], solutions: npt.NDArray[np.int64]) -> list[PairTerm]:
    """Return what pairs of values are worth beyond their parts: how much more often they occurred than by chance.

    Pairs of variables that depend on each other no more than chance explains (chi-squared, two standard deviations) are
    left out. One occurrence is added on both sides, so that what was never seen together is not forbidden.

    Args:
        names: of V variables.
        solutions: int64[S, V].
    """
    values = [np.unique(column) for column in solutions.T]
    places = [np.searchsorted(known, column) for known, column in zip(values, solutions.T, strict=True)]
    terms = []
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            together = np.zeros((len(values[i]), len(values[j])))
            np.add.at(together, (places[i], places[j]), 1)
            by_chance = np.outer(together.sum(axis=1), together.sum(axis=0)) / len(solutions)
            freedom = (together.shape[0] - 1) * (together.shape[1] - 1)
            if freedom and ((together - by_chance) ** 2 / by_chance).sum() > freedom + 2 * np.sqrt(2 * freedom):
                worth = np.log((together + 1) / (by_chance + 1))
                terms.append(PairTerm(names[i], names[j], values[i], values[j], worth))
    return terms
