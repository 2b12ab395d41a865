"""What is left of a model's clauses in a search state: the rules of its groups, on its open candidates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.model.graph import AT_MOST_ONE, EXACTLY_ONE
from training.losses.cnf import Cnf


def variable_group(state: GraphState) -> npt.NDArray[np.int64]:
    """Return int64[N], the group of its variable for each candidate of a state, or of a union."""
    # Edges are sorted by group, and the groups of variables come first.
    first = np.unique(state.edge_candidate, return_index=True)[1]
    return state.edge_group[first]


def clauses_of(state: GraphState) -> Cnf:
    """Return the clauses over the N candidates of a state: one of each exactly-one group, no two of a group.

    Of a model of all-different constraints at the fixpoint of propagation, these are the clauses of the direct encoding
    (:func:`training.losses.cnf.from_model`, with ``each_value``) that the facts of the state leave open, without the
    literals that are false there. So a loss on them is the loss on the open ones of all clauses, given these facts.
    """
    order = np.argsort(state.edge_group, kind="stable")
    literal = state.edge_candidate[order] + 1  # literals count from 1
    group = state.edge_group[order]
    kind = state.group_features.astype(bool)
    one_of = kind[group, EXACTLY_ONE]
    # Each member of a group with each of those behind it.
    position = np.arange(len(group))
    end = np.searchsorted(group, group, side="right")
    behind = np.where(one_of | kind[group, AT_MOST_ONE], end - position - 1, 0)
    first = np.repeat(position, behind)
    second = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(behind) - behind, behind)
    pairs = -np.stack([literal[first], literal[second]], axis=1)
    width = np.bincount(group[one_of], minlength=len(kind))
    widths = np.concatenate([width[width > 0], np.full(len(pairs), 2)])
    none = np.zeros(0, dtype=np.int64)
    return Cnf(
        state.num_candidates,
        np.concatenate([literal[one_of], pairs.ravel()]),
        np.concatenate([[0], np.cumsum(widths)]),
        none,
        none,
    )
