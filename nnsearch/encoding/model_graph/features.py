"""What a network is told of items, nodes and edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnsearch.encoding.model_graph.items import CANDIDATE, QUANTITY, Domains, DoubleArray, Items
from nnsearch.encoding.model_graph.nodes import NODE_KINDS, ModelNodes
from nnsearch.encoding.model_graph.state import EDGE_FEATURES, ITEM_FEATURES, NODE_FEATURES
from nnsearch.model.graph import BoolArray
from nnsearch.model.prepared import PreparedModel

FloatArray = npt.NDArray[np.float32]

_AT_BOUND = 1e-6
_ROUNDING = 1e-9
_LOG_OF_LARGEST = 40.0  # no size says more than this


def squashed(numbers: npt.ArrayLike) -> DoubleArray:
    """Return numbers of any size as what grows with their logarithm, and is themselves near 0."""
    return np.asarray(np.arcsinh(np.clip(numbers, -1e17, 1e17)))


@dataclass(frozen=True, eq=False)
class Relaxed:
    """What the linear relaxation of a model says at the root; NaN where it says nothing.

    Attributes:
        values: float64[V].
        reduced_costs: float64[V].
    """

    values: DoubleArray
    reduced_costs: DoubleArray

    @classmethod
    def nothing(cls, num_variables: int) -> Relaxed:
        """Return that there is none."""
        unknown = np.full(num_variables, np.nan)
        return cls(unknown, unknown)


def edge_features(nodes: ModelNodes) -> FloatArray:
    """Return float32[E, Fe]."""
    size = np.abs(nodes.coefficient)
    largest = np.zeros(len(nodes))
    np.maximum.at(largest, nodes.node, size)
    columns = np.empty((len(nodes.node), len(EDGE_FEATURES)), dtype=np.float32)
    columns[:, 0] = squashed(nodes.coefficient / nodes.scale[nodes.node])
    columns[:, 1] = nodes.coefficient / np.where(largest > 0, largest, 1.0)[nodes.node]
    columns[:, 2] = np.sign(nodes.coefficient)
    columns[:, 3] = nodes.negated
    columns[:, 4] = nodes.enforces
    columns[:, 5] = nodes.duration
    return columns


class ItemFeatures:
    """The features of a model's items; what does not change from state to state is computed once."""

    def __init__(self, items: Items, model: PreparedModel, relaxed: Relaxed) -> None:
        self._items = items
        scaled = items.scaled(model.costs)
        size = np.abs(scaled)
        mean = float(size[size > 0].mean()) if (size > 0).any() else 1.0
        self.fixed = np.zeros((len(items), len(ITEM_FEATURES)), dtype=np.float32)
        columns = self.fixed
        columns[np.arange(len(items)), items.kind] = 1
        columns[:, 3] = squashed(scaled / mean)
        columns[:, 4] = scaled / max(float(size.max(initial=0)), 1e-300)
        columns[:, 5] = size > 0
        value, reduced = relaxed.values[items.variable], relaxed.reduced_costs[items.variable]
        known = np.isfinite(value)
        columns[:, 10] = known
        columns[:, 11] = np.where(known, items.levels(relaxed.values), 0.0)
        of_candidate = items.kind == CANDIDATE
        step = np.where(of_candidate, items.value - value, 1.0)
        step = np.where(items.kind == QUANTITY, items.span[items.variable], step)
        columns[:, 12] = squashed(np.where(known & np.isfinite(reduced), reduced * step, 0.0) / mean)
        columns[:, 13] = known & (value <= items.low[items.variable] + _AT_BOUND)
        columns[:, 14] = known & (value >= items.high[items.variable] - _AT_BOUND)
        columns[:, 15] = np.where(known, 2 * np.abs(value - np.round(value)), 0.0)
        past = np.full(len(items.low), np.nan)
        hint = model.proto.solution_hint
        past[np.array(hint.vars[:], dtype=np.int64)] = hint.values[:]
        columns[:, 16] = np.isfinite(past[items.variable])
        columns[:, 17] = np.nan_to_num(items.levels(past))
        self._initial = items.span + 1.0

    def of(self, domains: Domains, chosen: npt.NDArray[np.int64], degree: npt.NDArray[np.int64]) -> FloatArray:
        """Return float32[N', Fi] of some items, with their numbers of edges."""
        items = self._items
        columns = self.fixed[chosen]
        variable = items.variable[chosen]
        low, high, count = domains.low[variable], domains.high[variable], domains.count[variable]
        place = (items.value[chosen] - low) / np.maximum(high - low, 1.0)
        initial = self._initial[variable]
        above = (low - items.low[variable]) / np.maximum(initial - 1.0, 1.0)
        columns[:, 6] = np.where(items.kind[chosen] == QUANTITY, above, place)
        columns[:, 7] = np.minimum(np.log(count), _LOG_OF_LARGEST) / 4
        columns[:, 8] = count / initial
        columns[:, 9] = np.log1p(degree) / 2
        return columns


class NodeFeatures:
    """The features of a model's nodes, and which of them still matter in a state."""

    def __init__(self, nodes: ModelNodes, items: Items, relaxed: Relaxed) -> None:
        self._nodes, self._items = nodes, items
        level = items.levels(relaxed.values)
        matters = nodes.coefficient != 0
        sums = self._sum(np.where(matters, nodes.coefficient * np.where(matters, level[nodes.item], 0.0), 0.0))
        self._lower, self._upper = np.isfinite(nodes.low), np.isfinite(nodes.high)
        known = np.isfinite(sums) & (self._lower | self._upper)
        self.fixed = np.zeros((len(nodes), len(NODE_KINDS) + len(NODE_FEATURES)), dtype=np.float32)
        self.fixed[np.arange(len(nodes)), nodes.kind] = 1
        columns = self.fixed[:, len(NODE_KINDS) :]
        columns[:, 0] = self._lower
        columns[:, 1] = self._upper
        columns[:, 2] = nodes.low == nodes.high
        columns[:, 10] = known
        columns[:, 11] = squashed(np.where(known & self._lower, sums - nodes.low, 0.0) / nodes.scale)
        columns[:, 12] = squashed(np.where(known & self._upper, nodes.high - sums, 0.0) / nodes.scale)
        self._size = np.bincount(nodes.node, minlength=len(nodes))
        is_choice = np.zeros(len(nodes.node), dtype=bool)  # several edges of one term
        same = nodes.term[1:] == nodes.term[:-1]
        is_choice[1:] |= same
        is_choice[:-1] |= same
        self._choice = np.flatnonzero(is_choice)
        begins = np.concatenate([[True], np.diff(nodes.term[self._choice]) != 0])[: len(self._choice)]
        self._begins = np.flatnonzero(begins)

    def _sum(self, per_edge: npt.NDArray[Any]) -> DoubleArray:
        return np.asarray(np.bincount(self._nodes.node, per_edge, len(self._nodes)), dtype=np.float64)

    def sides(self, domains: Domains) -> tuple[DoubleArray, DoubleArray]:
        """Return float64[M] and float64[M], what is left of the sides of each node for its open items."""
        nodes = self._nodes
        taken = self._sum(nodes.coefficient * domains.level[nodes.item])
        return nodes.low - taken, nodes.high - taken

    def ranges(self, domains: Domains) -> tuple[DoubleArray, DoubleArray]:
        """Return float64[M] and float64[M], the least and the largest sum of each node's open items."""
        nodes, items = self._nodes, self._items
        is_open = domains.is_open[nodes.item]
        least = np.where(is_open, np.minimum(nodes.coefficient, 0.0), 0.0)
        most = np.where(is_open, np.maximum(nodes.coefficient, 0.0), 0.0)
        quantities = np.flatnonzero(is_open & (items.kind[nodes.item] == QUANTITY))
        if len(quantities):
            variable = items.variable[nodes.item[quantities]]
            span = np.maximum(items.span[variable], 1.0)
            ends = [
                nodes.coefficient[quantities] * (bound[variable] - items.low[variable]) / span
                for bound in (domains.low, domains.high)
            ]
            least[quantities], most[quantities] = np.minimum(*ends), np.maximum(*ends)
        if len(self._choice):
            chosen, begins = self._choice, self._begins
            coefficient, open_ = nodes.coefficient[chosen], is_open[chosen]
            for sums, take, empty in ((least, np.minimum, np.inf), (most, np.maximum, -np.inf)):
                best = take.reduceat(np.where(open_, coefficient, empty), begins)
                sums[chosen] = 0.0
                sums[chosen[begins]] = np.where(np.isfinite(best), best, 0.0)
        return self._sum(least), self._sum(most)

    def of(self, domains: Domains) -> tuple[BoolArray, FloatArray]:
        """Return bool[M], the nodes that still tie open items together, and float32[M, Fn]."""
        nodes = self._nodes
        low, high = self.sides(domains)
        least, most = self.ranges(domains)
        is_open = domains.is_open[nodes.item]
        count = self._sum(is_open)
        width = np.maximum(most - least, 1e-9)
        given = self.fixed.copy()
        columns = given[:, len(NODE_KINDS) :]
        with np.errstate(invalid="ignore"):
            columns[:, 3] = np.where(self._lower, np.clip((low - least) / width, -1.0, 2.0), 0.0)
            columns[:, 4] = np.where(self._upper, np.clip((high - least) / width, -1.0, 2.0), 0.0)
            columns[:, 5] = np.where(self._lower, squashed((low - least) / nodes.scale), 0.0)
            columns[:, 6] = np.where(self._upper, squashed((high - least) / nodes.scale), 0.0)
        columns[:, 7] = np.log1p(count) / 2
        columns[:, 8] = count / np.maximum(self._size, 1)
        columns[:, 9] = self._sum(nodes.enforces & is_open)
        fails = nodes.enforces & ~is_open & ((domains.level[nodes.item] > 0.5) == nodes.negated)
        kept = (count > 0) & (self._sum(fails) == 0)
        sense = self._lower | self._upper
        kept &= ~(sense & (low <= least + _ROUNDING) & (high >= most - _ROUNDING))
        return kept, given
