"""The encoding of a search state as the graph of its open candidates, whatever the model and its size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from nnsearch.encoding.encoder import Feed, FloatArray
from nnsearch.errors import ModelFileError, NothingToReadError, ScoreError
from nnsearch.model.graph import AT_LEAST_ONE, AT_MOST_ONE, KINDS, BoolArray, CandidateGraph

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
        candidate: int64[N], where each candidate was in the graph that was encoded.
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

    num_scores = num_candidates

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """The attributes in their order."""
        return tuple(getattr(self, field.name) for field in fields(self))


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


def padded(state: GraphState) -> GraphState:
    """Return a state whose N, G and E are multiples of :data:`LANES`; its own candidates are the first ones.

    The last numbers of an array, those that fill no vector register, are rounded differently from the others. Between
    padded states nothing is such a remainder, so each has bitwise the same scores alone and in any union (on one
    thread of a CPU). What is added hangs together with nothing.
    """
    sizes = state.num_candidates, len(state.group_features), len(state.edge_group)
    candidates, groups, edges = (goal - size for goal, size in zip(_padded_sizes(state), sizes, strict=True))
    if not (candidates or groups or edges):
        return state
    edge_ends, zeros = np.zeros(edges, dtype=np.int64), np.zeros(candidates, dtype=np.int64)
    features = np.zeros((candidates, CANDIDATE_FEATURES), dtype=np.float32)
    padding = GraphState(edge_ends, edge_ends, np.tile(_ONE_HOT[0], (groups, 1)), features, zeros, zeros)
    return disjoint_union([state, padding])


def _padded_sizes(state: GraphState) -> tuple[int, int, int]:
    """Return N, G and E of the padded state."""
    candidates, groups, edges = state.num_candidates, len(state.group_features), len(state.edge_group)
    more_edges = -edges % LANES
    least = LANES if more_edges else 0  # they need something to connect
    return candidates + (-candidates % LANES or least), groups + (-groups % LANES or least), edges + more_edges


def disjoint_union(states: Sequence[GraphState]) -> GraphState:
    """Return one graph that holds several states; their scores follow each other in the same order."""
    if len(states) == 1:
        return states[0]
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


@dataclass(frozen=True)
class CandidateGraphEncoder:
    """The encoder of networks that read the candidate graph of any model.

    Attributes:
        kinds: the kinds of groups that the network reads, of :data:`nnsearch.model.graph.KINDS`.
        identities: name of a variable -> the values that the network knows of it by name; None of a network for any
            model.
    """

    kinds: tuple[str, ...] = KINDS
    identities: Mapping[str, Sequence[int]] | None = None

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None, name: str) -> GraphEncoding:
        """Keep what the network reads of a model; it reads all variables, whatever is asked about.

        Raises:
            ModelFileError: the network was trained for one model, and this one shares no variable with it.
            NothingToReadError: the network knows no variable by name, and the model has no group that it reads: the
                scores of a variable's values could not tell one from another.
        """
        read = graph.only(self.kinds)
        if self.identities is not None:
            if not set(self.identities) & set(graph.names):
                raise ModelFileError(
                    f"{name}: expected a model with the variables {', '.join(list(self.identities)[:3])}, ... of its "
                    f"training, got {', '.join(graph.names[:3])}, ...; use a network for any model, for example bp"
                )
            return GraphEncoding(read.identified(self.identities))
        if read.num_groups == graph.num_variables:
            raise NothingToReadError(
                f"{name}: expected a model with at least one constraint that ties candidates together as "
                f"{' or '.join(self.kinds)} ({graph.report}); a network has nothing to read here, use none: "
                "--model none, scorer=None"
            )
        return GraphEncoding(read)

    def unite(self, states: Sequence[GraphState]) -> Feed:
        """Return the disjoint union of the padded states; see :func:`padded` for what that is good for."""
        whole = disjoint_union([padded(state) for state in states])
        feed: Feed = {
            "edge_candidate": whole.edge_candidate,
            "edge_group": whole.edge_group,
            "group_features": whole.group_features,
            "candidate_features": whole.candidate_features,
        }
        if self.identities is not None:
            feed["candidate_identity"] = whole.identity
        return feed

    def split(self, scores: FloatArray, states: Sequence[GraphState]) -> list[FloatArray]:
        """Return the scores of each state's own candidates."""
        starts = [0, *accumulate(_padded_sizes(state)[0] for state in states)]
        if np.shape(scores) != (starts[-1],):
            raise ScoreError(f"expected scores of shape {(starts[-1],)}, got {np.shape(scores)}")
        return [scores[start : start + state.num_scores] for start, state in zip(starts, states, strict=False)]


class GraphEncoding:
    """A model's graph as a network reads it.

    States of one search lie below its root, where propagation has ruled out many candidates for good. The graph is cut
    down to the candidates of the first state of a search, and again when a state has others.

    Args:
        graph: with the groups that the network reads.
    """

    def __init__(self, graph: CandidateGraph) -> None:
        self.graph = graph
        self._root = np.zeros(graph.num_candidates, dtype=bool)
        self._cut, self._origin = graph.restrict(self._root)

    def observed(self, alive: BoolArray) -> BoolArray:
        """Return the candidates that are possible: all of them are read."""
        return alive

    def encode(self, alive: BoolArray) -> GraphState:
        """Return the graph of what is open; its ``candidate`` counts in the whole graph."""
        if (alive > self._root).any():
            self._root = alive.copy()
            self._cut, self._origin = self.graph.restrict(alive)
        state = encode(self._cut, alive[self._origin])
        return replace(state, candidate=self._origin[state.candidate])

    def decode(self, state: GraphState, scores: FloatArray) -> FloatArray:
        """Return the scores of the open candidates."""
        result = np.full(self.graph.num_candidates, -np.inf, dtype=np.float32)
        result[state.candidate] = scores
        return result
