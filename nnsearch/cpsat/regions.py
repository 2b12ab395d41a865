"""Regions of a model: variables that constraints tie together, around those that cost.

CP-SAT's own neighbourhoods along constraints begin anywhere; these begin where the objective says that there is
something to gain.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from random import Random

import numpy as np
import numpy.typing as npt

from nnsearch.model.domains import bounds_of
from nnsearch.model.lists import BoolArray, IntArray, Lists
from nnsearch.model.other_groups import scope
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.rows import LINEAR_ROW, variables_of

_MOST = 0.5  # share of all variables that a constraint may tie together; more of them say nothing


class Regions:
    """The regions of a model with V variables.

    Args:
        model: the model.
        counted: the variables that count, by their indices.
        seed: of where regions begin, and how they grow.
    """

    def __init__(self, model: PreparedModel, counted: IntArray, seed: int) -> None:
        count = len(model.names)
        self._counted = np.isin(np.arange(count), counted)
        rows = model.rows.entries.followed_by(model.rows.enforcement)
        others = (list(scope(body, kind, model.proto.constraints)) for _, kind, body in model.others if kind)
        self._members = [
            members
            for members in chain(Lists(rows.offset, variables_of(rows.items)), others)
            if 1 < len(members) <= _MOST * count
        ]
        self._constraints: list[list[int]] = [[] for _ in range(count)]  # of each variable
        for number, members in enumerate(self._members):
            for variable in members:
                self._constraints[variable].append(number)
        self._costs, (self._low, self._high) = _costs_of(model), bounds_of(model.domains)
        self._random, self._choice = Random(seed), np.random.default_rng(seed)

    def grow(self, solution: IntArray, size: int, over: Callable[[], bool]) -> BoolArray:
        """Return bool[V], the variables of a region.

        It begins with a variable that costs more than it might, the more it costs the more often, and so it does again
        where it can grow no more; where there is none left, with any that counts.

        Args:
            solution: int64[V], a value for each variable.
            size: how many variables that count the region has, not more than there are.
            over: asked often; true ends it, with fewer.
        """
        inside, counts, left = bytearray(len(solution)), bytearray(self._counted), size
        seen = bytearray(len(self._members))
        beginnings = iter(self._beginnings(solution).tolist())
        frontier = list[int]()
        while left > 0 and not over():
            if frontier:
                place = self._random.randrange(len(frontier))
                frontier[place], frontier[-1] = frontier[-1], frontier[place]
                members = self._members[frontier.pop()]
                if len(members) > left:
                    members = self._random.sample(members, len(members))
            else:
                members = [next(beginnings)]
            for variable in members:
                if inside[variable]:
                    continue
                inside[variable] = 1
                for constraint in self._constraints[variable]:
                    if not seen[constraint]:
                        seen[constraint] = 1
                        frontier.append(constraint)
                left -= counts[variable]
                if not left:
                    break
        return np.frombuffer(inside, dtype=np.bool_)

    def _beginnings(self, solution: IntArray) -> IntArray:
        """Return the variables with which a region may begin, in an order at random, those that cost first."""
        lost = np.where(self._costs > 0, self._costs * (solution - self._low), self._costs * (solution - self._high))
        costly = np.flatnonzero(lost > 0)
        # To sort exponential variables of these rates is to draw one after the other, by what each loses.
        drawn = costly[np.argsort(self._choice.exponential(size=len(costly)) / lost[costly])]
        return np.concatenate([drawn, self._choice.permutation(np.flatnonzero(self._counted & (lost <= 0)))])


def _costs_of(model: PreparedModel) -> npt.NDArray[np.float64]:
    """Return float64[V], what each variable costs: where the objective is one that a row defines, those of the row."""
    costs, rows = model.costs, model.rows
    priced = np.flatnonzero(costs)
    if len(priced) != 1:
        return costs
    linear = (rows.kind == LINEAR_ROW)[rows.entries.owner]
    places = np.flatnonzero(linear & (rows.entries.items == priced[0]))
    if len(places) != 1 or rows.enforcement.sizes[rows.entries.owner[places[0]]]:
        return costs
    row = rows.entries.places(rows.entries.owner[places])
    behind = np.zeros(len(costs))
    share = -costs[priced[0]] / rows.coefficients[places[0]]
    np.add.at(behind, rows.entries.items[row], share * rows.coefficients[row])
    behind[priced[0]] = 0
    return behind
