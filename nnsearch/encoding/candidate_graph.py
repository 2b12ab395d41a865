"""The encoding of a search state as the graph of its open candidates, whatever the model and its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from nnsearch.model.graph import AT_LEAST_ONE, AT_MOST_ONE, KINDS, CandidateGraph

CANDIDATE_FEATURES = 1
"""Columns of ``candidate_features``: the place of the value in its variable's initial domain, from 0 to 1."""


@dataclass(frozen=True, eq=False)
class GraphState:
    """One search state, or the disjoint union of several: N candidates, G groups, E incidences.

    Attributes:
        edge_candidate: int64[E].
        edge_group: int64[E].
        group_features: float32[G, len(KINDS)], one-hot kind.
        candidate_features: float32[N, CANDIDATE_FEATURES].
        candidate: int64[N], where each candidate was in the graph that was encoded. In a search that is the model's
            graph cut down at the root; what a scorer knows a candidate by is its identity.
        identity: int64[N], see :class:`nnsearch.model.graph.CandidateGraph`; 0 everywhere when the graph has none.
    """

    edge_candidate: npt.NDArray[np.int64]
    edge_group: npt.NDArray[np.int64]
    group_features: npt.NDArray[np.float32]
    candidate_features: npt.NDArray[np.float32]
    candidate: npt.NDArray[np.int64]
    identity: npt.NDArray[np.int64]

    @property
    def num_candidates(self) -> int:
        """N."""
        return len(self.candidate)


LANES = 16
"""No processor computes more float32 numbers at once."""

_ONE_HOT = np.eye(len(KINDS), dtype=np.float32)


def encode(graph: CandidateGraph, alive: npt.NDArray[np.bool_]) -> GraphState:
    """Encode a state as the graph of what is still open.

    Kept are the candidates of variables with two or more values left, and the groups that still tie candidates
    together. The candidate of a bound variable is gone, and so are an at-most-one group that has one candidate left and
    an at-least-one group that a bound variable satisfies.

    Args:
        graph: the structure of the model.
        alive: bool[N], the candidates that are still possible; a bound variable has one. The state should be at a
            fixpoint in which no open candidate excludes that of a bound variable, as search nodes are.
    """
    is_open = alive & (graph.count(alive) > 1)[graph.variable]
    edges = is_open[graph.edge_candidate]
    edge_candidate, edge_group = graph.edge_candidate[edges], graph.edge_group[edges]
    size = np.bincount(edge_group, minlength=graph.num_groups)
    kept = size > (graph.group_kind == AT_MOST_ONE)
    clauses = graph.group_kind == AT_LEAST_ONE
    if clauses.any():
        held = (alive & ~is_open)[graph.edge_candidate]
        kept[graph.edge_group[held & clauses[graph.edge_group]]] = False
    edges = kept[edge_group]
    candidate = np.flatnonzero(is_open)
    new_candidate = np.cumsum(is_open) - 1
    new_group = np.cumsum(kept) - 1
    return GraphState(
        new_candidate[edge_candidate[edges]],
        new_group[edge_group[edges]],
        _ONE_HOT[graph.group_kind[kept]],
        graph.place[candidate][:, None],
        candidate,
        np.zeros(len(candidate), dtype=np.int64) if graph.identity is None else graph.identity[candidate],
    )


def arrays_of(state: GraphState) -> list[npt.NDArray[Any]]:
    """Return the arrays of a state in the order of its attributes."""
    return [getattr(state, field.name) for field in fields(GraphState)]


def padded(state: GraphState) -> GraphState:
    """Return a state whose N, G and E are multiples of :data:`LANES`; its own candidates are the first ones.

    The last numbers of an array, those that fill no vector register, are rounded differently from the others. Between
    padded states nothing is such a remainder, so each has bitwise the same scores alone and in any union (on one
    thread of a CPU). What is added hangs together with nothing.
    """
    sizes = state.num_candidates, len(state.group_features), len(state.edge_group)
    missing = [-size % LANES for size in sizes]
    if not any(missing):
        return state
    candidates, groups, edges = missing
    if edges:  # they need something to connect
        candidates, groups = candidates or LANES, groups or LANES
    zeros = np.zeros(candidates, dtype=np.int64)
    return GraphState(
        np.concatenate([state.edge_candidate, np.full(edges, sizes[0])]),
        np.concatenate([state.edge_group, np.full(edges, sizes[1])]),
        np.concatenate([state.group_features, np.tile(_ONE_HOT[0], (groups, 1))]),
        np.concatenate([state.candidate_features, np.zeros((candidates, CANDIDATE_FEATURES), dtype=np.float32)]),
        np.concatenate([state.candidate, zeros]),
        np.concatenate([state.identity, zeros]),
    )


def disjoint_union(states: Sequence[GraphState]) -> GraphState:
    """Return one graph that holds several states; their scores follow each other in the same order."""
    candidates = np.cumsum([0] + [state.num_candidates for state in states])
    groups = np.cumsum([0] + [len(state.group_features) for state in states])
    return GraphState(
        np.concatenate([state.edge_candidate + start for state, start in zip(states, candidates, strict=False)]),
        np.concatenate([state.edge_group + start for state, start in zip(states, groups, strict=False)]),
        np.concatenate([state.group_features for state in states]),
        np.concatenate([state.candidate_features for state in states]),
        np.concatenate([state.candidate for state in states]),
        np.concatenate([state.identity for state in states]),
    )
