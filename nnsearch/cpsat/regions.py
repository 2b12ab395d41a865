"""Regions of a model: variables that constraints tie together, around one that costs.

CP-SAT's own neighbourhoods along constraints begin anywhere; these begin where the objective says that there is
something to gain.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnsearch.model.domains import bounds_of
from nnsearch.model.lists import Lists
from nnsearch.model.prepared import PreparedModel

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_MOST = 0.5  # share of all variables that a constraint may tie together; more of them say nothing


class Regions:
    """The regions of a model with V variables.

    Args:
        model: the model.
        random: where regions begin, and how they grow.

    Raises:
        GraphError: the model has no graph; see :meth:`PreparedModel.graph`.
    """

    def __init__(self, model: PreparedModel, random: np.random.Generator) -> None:
        graph = model.graph()
        count = graph.num_variables
        pairs = np.unique(graph.edge_group * count + graph.variable[graph.edge_candidate])
        group, variable = pairs // count, pairs % count
        sizes = np.bincount(group, minlength=graph.num_groups)
        telling = (sizes <= _MOST * count)[group]
        group, variable = group[telling], variable[telling]
        self._members = Lists.from_sizes(np.bincount(group, minlength=graph.num_groups), variable)
        by_variable = np.argsort(variable, kind="stable")
        self._groups = Lists.from_sizes(np.bincount(variable, minlength=count), group[by_variable])
        self._costs, (self._low, self._high) = model.costs, bounds_of(model.domains)
        self._random = random

    def grow(self, solution: IntArray, counted: BoolArray, size: int) -> BoolArray:
        """Return bool[V], the variables of a region.

        It begins with a variable that costs more than it might, the more it costs the more often; where there is none,
        and where it cannot grow, with any that counts.

        Args:
            solution: int64[V], a value for each variable.
            counted: bool[V], the variables that count.
            size: how many of these the region has; there are as many.
        """
        lost = np.where(self._costs > 0, self._costs * (solution - self._low), self._costs * (solution - self._high))
        inside, seen = np.zeros(len(solution), dtype=np.bool_), np.zeros(len(self._members), dtype=np.bool_)
        anywhere = self._random.permutation(np.flatnonzero(counted)).tolist()
        frontier, left = list[int](), size
        first = self._random.choice(len(lost), 1, p=lost / lost.sum()) if lost.any() else np.array([anywhere.pop()])
        new = first[:size]
        while True:
            new = new[~inside[new]]
            inside[new] = True
            left -= int(counted[new].sum())
            if left <= 0:
                return inside
            reached = np.unique(self._groups.items[self._groups.places(new)])
            frontier += reached[~seen[reached]].tolist()
            seen[reached] = True
            if frontier:
                place = int(self._random.integers(len(frontier)))
                frontier[place], frontier[-1] = frontier[-1], frontier[place]
                members = self._members.items[self._members.places(np.array([frontier.pop()]))]
                new = self._random.permutation(members[~inside[members]])[:left]
            else:
                new = np.array([anywhere.pop()])
