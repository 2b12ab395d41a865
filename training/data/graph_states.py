"""Training states of networks on the candidate graph: a search state, what holds in it, and what cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nnsearch.encoding.candidate_graph import GraphState, disjoint_union, encode
from nnsearch.model.graph import EXACTLY_ONE, CandidateGraph

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PlantedState:
    """A state of an instance and one of its solutions; ``alive`` and ``holds`` are bool[N] of the graph."""

    graph: CandidateGraph
    alive: BoolArray
    holds: BoolArray


@dataclass(frozen=True, eq=False)
class TrainingState:
    """One state with its labels.

    Attributes:
        state: the state as a network sees it.
        holds: bool[N], the candidates of one solution of the state.
        possible: bool[N], False where it is proved that no solution of the state has the candidate.
    """

    state: GraphState
    holds: BoolArray
    possible: BoolArray


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """The disjoint union of B training states as tensors: N candidates, G groups, E incidences in all.

    Attributes:
        inputs: what a network takes: edge_candidate int64[E], edge_group int64[E], group_features float32[G, F],
            candidate_features float32[N, F'].
        identity: int64[N], for networks that know candidates by name.
        state_of: int64[N], the state of each candidate, 0..B-1.
        exactly_one: bool[G].
        holds: float32[N].
        possible: float32[N].
        num_states: B.
    """

    inputs: tuple[Tensor, Tensor, Tensor, Tensor]
    identity: Tensor
    state_of: Tensor
    exactly_one: Tensor
    holds: Tensor
    possible: Tensor
    num_states: int


def batch_of(states: Sequence[TrainingState], device: torch.device) -> GraphBatch:
    """Return the union of states on a device; those without an open candidate are left out."""
    kept = [one for one in states if one.state.num_candidates]
    union = disjoint_union([one.state for one in kept])

    def tensor(array: npt.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(device, non_blocking=True)

    return GraphBatch(
        inputs=tensor_inputs(union, device),
        identity=tensor(union.identity),
        state_of=tensor(np.repeat(np.arange(len(kept)), [one.state.num_candidates for one in kept])),
        exactly_one=tensor(union.group_features[:, EXACTLY_ONE] > 0),
        holds=tensor(np.concatenate([one.holds for one in kept]).astype(np.float32)),
        possible=tensor(np.concatenate([one.possible for one in kept]).astype(np.float32)),
        num_states=len(kept),
    )


def tensor_inputs(state: GraphState, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the four inputs that every network on the candidate graph takes."""
    arrays = (state.edge_candidate, state.edge_group, state.group_features, state.candidate_features)
    first, second, third, fourth = (torch.from_numpy(array).to(device) for array in arrays)
    return first, second, third, fourth


def planted_state(graph: CandidateGraph, solution: npt.ArrayLike, assigned: BoolArray) -> PlantedState:
    """Assign the variables bool[V] as in a solution, int[V] values, and propagate the singles of the groups."""
    holds = graph.holds(solution)
    return PlantedState(graph, graph.propagate(~assigned[graph.variable] | holds), holds)


def training_state(planted: PlantedState, possible: BoolArray | None = None) -> TrainingState:
    """Encode a state; what is known to be ``possible`` is bool[N] of the graph."""
    state = encode(planted.graph, planted.alive)
    known = np.ones(state.num_candidates, dtype=bool) if possible is None else possible[state.candidate]
    return TrainingState(state, planted.holds[state.candidate], known)
