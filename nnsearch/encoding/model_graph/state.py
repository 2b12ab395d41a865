"""A search state as a network on the model graph reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from nnsearch.encoding.candidate_graph import LANES

EDGE_FEATURES = (
    "coefficient / mean",
    "coefficient / largest",
    "sign",
    "negated",
    "enforces",
    "duration",
)
ITEM_FEATURES = (
    "Boolean",
    "candidate",
    "quantity",
    "objective / mean",
    "objective / largest",
    "in the objective",
    "place in the current domain",
    "log of the domain's size",
    "share of the domain that is left",
    "log of the degree",
    "LP known",
    "LP value",
    "LP reduced cost / mean objective",
    "LP at the lower bound",
    "LP at the upper bound",
    "LP fractionality",
    "past known",
    "past value",
)
NODE_FEATURES = (
    "has a lower side",
    "has an upper side",
    "is an equation",
    "lower side in the range of sums",
    "upper side in the range of sums",
    "lower side from the least sum / mean coefficient",
    "upper side from the least sum / mean coefficient",
    "log of the size",
    "share that is open",
    "open conditions",
    "LP known",
    "LP slack of the lower side / mean coefficient",
    "LP slack of the upper side / mean coefficient",
)
"""The columns of ``node_features`` after those of ``NODE_KINDS``."""


@dataclass(frozen=True, eq=False)
class ModelGraphState:
    """One search state, or the disjoint union of several: N' open items, M nodes, E edges.

    Attributes:
        edge_item: int64[E].
        edge_node: int64[E], ascending in one state.
        edge_features: float32[E, Fe], the columns are ``EDGE_FEATURES``.
        item_features: float32[N', Fi], the columns are ``ITEM_FEATURES``.
        node_features: float32[M, Fn], the columns are ``NODE_KINDS`` and ``NODE_FEATURES``.
        item: int64[N'], which items of the model these are.
        low: float64[N'], the least value that is left of the item's variable.
        high: float64[N'], the largest.
    """

    edge_item: npt.NDArray[np.int64]
    edge_node: npt.NDArray[np.int64]
    edge_features: npt.NDArray[np.float32]
    item_features: npt.NDArray[np.float32]
    node_features: npt.NDArray[np.float32]
    item: npt.NDArray[np.int64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]

    @property
    def num_items(self) -> int:
        """N'."""
        return len(self.item)

    @property
    def num_scores(self) -> int:
        """2 N': a score and a target for each item."""
        return 2 * len(self.item)

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """The attributes in their order."""
        return tuple(getattr(self, field.name) for field in fields(self))

    @property
    def inputs(self) -> dict[str, npt.NDArray[Any]]:
        """The inputs of a network by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)[:5]}


def model_graph_union(states: Sequence[ModelGraphState]) -> ModelGraphState:
    """Return one graph that holds several states, whose items follow each other in the same order."""
    if len(states) == 1:
        return states[0]
    items = [0, *accumulate(state.num_items for state in states)]
    nodes = [0, *accumulate(len(state.node_features) for state in states)]
    edge_item = [state.edge_item + start for state, start in zip(states, items, strict=False)]
    edge_node = [state.edge_node + start for state, start in zip(states, nodes, strict=False)]
    others: list[npt.NDArray[Any]] = [
        np.concatenate(arrays) for arrays in zip(*(state.arrays[2:] for state in states), strict=True)
    ]
    return ModelGraphState(np.concatenate(edge_item), np.concatenate(edge_node), *others)


def padded_sizes(state: ModelGraphState) -> tuple[int, int, int]:
    """Return N', M and E of the padded state."""
    items, nodes, edges = state.num_items, len(state.node_features), len(state.edge_node)
    more_edges = -edges % LANES
    least = LANES if more_edges else 0  # they need something to connect
    return items + (-items % LANES or least), nodes + (-nodes % LANES or least), edges + more_edges


def padded_model_graph(state: ModelGraphState) -> ModelGraphState:
    """Return a state whose N', M and E are multiples of ``LANES``; its own items are the first ones.

    It is good for what :func:`nnsearch.encoding.candidate_graph.padded` is good for.
    """
    items, nodes, edges = padded_sizes(state)
    items, nodes, edges = items - state.num_items, nodes - len(state.node_features), edges - len(state.edge_node)
    if not (items or nodes or edges):
        return state
    ends, zeros = np.zeros(edges, dtype=np.int64), np.zeros(items)
    rows = ((edges, state.edge_features), (items, state.item_features), (nodes, state.node_features))
    of_edges, of_items, of_nodes = (np.zeros((count, array.shape[1]), dtype=np.float32) for count, array in rows)
    padding = ModelGraphState(ends, ends, of_edges, of_items, of_nodes, zeros.astype(np.int64), zeros, zeros)
    return model_graph_union([state, padding])
