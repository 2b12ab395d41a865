"""Training states of networks on the model graph: a state on the way to a good solution, and what good ones have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nnsearch.encoding.model_graph.items import BOOLEAN, CANDIDATE, QUANTITY, Domains
from nnsearch.encoding.model_graph.state import ModelGraphState, model_graph_union
from training.data.solved_models import DoubleArray, SolvedModel

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ModelState:
    """One state with its labels: N' items, M nodes, E edges.

    Attributes:
        state: as a network sees it.
        label: float32[N'], the share of the good solutions of the state that have the item; of a quantity its place in
            the current domain, in one of them.
        weight: float32[N'], what the item counts; over the decisions of a state, which are its Booleans and its
            variables with candidates, the sum is 1, and over its quantities, too.
        choice: int64[N'], the variable of a candidate among those of the state, counted from 0; -1 of other items.
        forced: float32[N'], 1 where the bounds of the rows leave the item alone, -1 where they rule it out, else 0; 0
            everywhere without that knowledge.
        coefficient: float32[E], in the mean of the node's.
        low: float32[M], what is left of the lower side of the node in the same unit; ``-inf`` without one.
        high: float32[M]; ``inf`` without one.
    """

    state: ModelGraphState
    label: FloatArray
    weight: FloatArray
    choice: npt.NDArray[np.int64]
    forced: FloatArray
    coefficient: FloatArray
    low: FloatArray
    high: FloatArray

    def weightless(self) -> ModelState:
        """Return the state for a process that has none of a step: it adds nothing to any loss."""
        without = np.full_like(self.low, -np.inf), np.full_like(self.high, np.inf)
        return replace(self, weight=np.zeros_like(self.weight), low=without[0], high=without[1])


@dataclass(frozen=True)
class Drawing:
    """How states are drawn.

    Attributes:
        temperature: see :meth:`training.data.solved_models.SolvedModel.weights`.
        root: share of the states in which nothing is decided.
        deepest: the others have a random share of the variables decided, up to this.
        negatives: how much more an item counts that all worse solutions have otherwise than the good ones.
        knows_rows: whether states say what the bounds of the rows rule out.
    """

    temperature: float
    root: float
    deepest: float
    negatives: float
    knows_rows: bool

    def draw(self, model: SolvedModel, rng: np.random.Generator) -> ModelState:
        """Decide some variables as in a good solution, look what follows of it, and label the rest."""
        weights = model.weights(self.temperature)
        chosen = int(rng.choice(len(weights), p=weights))
        graph = model.encoding.graph
        assigned = np.zeros(graph.num_variables, dtype=bool)
        if rng.random() >= self.root:
            assigned = rng.random(graph.num_variables) < rng.uniform(0, self.deepest)
            assigned &= np.diff(graph.offset) > 0
        return labelled(model, chosen, assigned, weights, self.negatives, knows_rows=self.knows_rows)


def labelled(
    model: SolvedModel,
    chosen: int,
    assigned: npt.NDArray[np.bool_],
    weights: DoubleArray,
    negatives: float,
    *,
    knows_rows: bool = False,
) -> ModelState:
    """Label the state in which variables (bool[V]) are decided as in a solution (its number); see :class:`Drawing`."""
    encoding, solution = model.encoding, model.solutions[chosen]
    graph, items = encoding.graph, encoding.items
    # Propagation of groups is sound, so nothing is ruled out that the solution has.
    alive = graph.propagate(~assigned[graph.variable] | graph.holds(solution))
    domains = encoding.domains(alive)
    state, edges, nodes = encoding.encoded(domains)
    kind, variable = items.kind[state.item], items.variable[state.item]
    fits = (model.solutions[:, assigned] == solution[assigned]).all(axis=1)
    share = np.where(fits, weights, 0.0)
    share /= share.sum()
    holds = model.solutions[:, variable] == items.value[state.item]  # [S, N']
    label = share @ holds
    place = (solution[variable] - state.low) / np.maximum(state.high - state.low, 1.0)
    label = np.where(kind == QUANTITY, np.clip(place, 0.0, 1.0), label)
    weight = np.ones(state.num_items)
    if negatives:
        worse = 1.0 - weights / weights.max()
        against = worse @ np.abs(holds - label) / max(float(worse.sum()), 1e-9)
        weight += np.where(kind == QUANTITY, 0.0, negatives * against)
    choice = np.full(state.num_items, -1, dtype=np.int64)
    candidates = np.flatnonzero(kind == CANDIDATE)
    choice[candidates] = np.unique(variable[candidates], return_inverse=True)[1]
    if len(candidates):  # a variable's candidates count as it does
        number = int(choice.max()) + 1
        sums = np.bincount(choice[candidates], weight[candidates], number)
        of_choice = sums / np.bincount(choice[candidates], minlength=number)
        weight[candidates] = of_choice[choice[candidates]]
        decisions = weight[kind == BOOLEAN].sum() + of_choice.sum()
    else:
        decisions = weight[kind == BOOLEAN].sum()
    quantities = max(int((kind == QUANTITY).sum()), 1)
    weight = np.where(kind == QUANTITY, 1 / quantities, weight / max(decisions, 1e-9))
    scale = encoding.nodes.scale
    low, high = encoding.sides(domains)
    forced = _forced(model, domains)[state.item] if knows_rows else np.zeros(state.num_items)
    return ModelState(
        state,
        label.astype(np.float32),
        weight.astype(np.float32),
        choice,
        forced.astype(np.float32),
        (encoding.nodes.coefficient[edges] / scale[encoding.nodes.node[edges]]).astype(np.float32),
        (low / scale)[nodes].astype(np.float32),
        (high / scale)[nodes].astype(np.float32),
    )


def _forced(model: SolvedModel, domains: Domains) -> DoubleArray:
    """Return float64[I], 1 where the bounds of the rows leave an item alone, -1 where they rule it out, else 0."""
    items = model.encoding.items
    least, most = model.row_propagation(domains.low.astype(np.int64)[None], domains.high.astype(np.int64)[None])
    low, high = least[0][items.variable], most[0][items.variable]
    ruled_out = (items.kind != QUANTITY) & ((items.value < low) | (items.value > high))
    alone = (items.kind != QUANTITY) & (low == high) & (items.value == low)
    return np.where(ruled_out, -1.0, np.where(alone, 1.0, 0.0))


@dataclass(frozen=True, eq=False)
class ModelBatch:
    """The disjoint union of B states as tensors.

    Attributes:
        inputs: what a network takes, see :meth:`training.networks.model_graph.ModelGraphNetwork.forward`.
        label: float32[N'], see :class:`ModelState`, as the following.
        weight: float32[N'], divided by B.
        choice: int64[N'], counted through.
        forced: float32[N'].
        coefficient: float32[E].
        low: float32[M].
        high: float32[M].
        state_of: int64[N'].
        state_of_node: int64[M].
        node_share: float32[M], 1 / (nodes of the state * B).
        num_states: those of the batch.
        share: 1 / B; where the batch is a part of a step, B is that of the whole.
        num_choices: variables with candidates.
    """

    inputs: tuple[Tensor, ...]
    label: Tensor
    weight: Tensor
    choice: Tensor
    forced: Tensor
    coefficient: Tensor
    low: Tensor
    high: Tensor
    state_of: Tensor
    state_of_node: Tensor
    node_share: Tensor
    num_states: int
    share: float
    num_choices: int


def model_batch_of(states: Sequence[ModelState], device: torch.device, total: int | None = None) -> ModelBatch:
    """Return the union of states on a device; they are a share of ``total`` states, None is all."""
    count = len(states) if total is None else total
    union = model_graph_union([one.state for one in states])
    starts = np.cumsum([0] + [int(one.choice.max(initial=-1)) + 1 for one in states])
    choice = [np.where(one.choice >= 0, one.choice + start, -1) for one, start in zip(states, starts, strict=False)]
    nodes = [len(one.low) for one in states]

    def tensor(arrays: Sequence[npt.NDArray[np.generic]]) -> Tensor:
        return torch.from_numpy(np.concatenate(arrays)).to(device, non_blocking=True)

    return ModelBatch(
        inputs=tuple(torch.from_numpy(array).to(device) for array in union.inputs.values()),
        label=tensor([one.label for one in states]),
        weight=tensor([one.weight for one in states]) / count,
        choice=tensor(choice),
        forced=tensor([one.forced for one in states]),
        coefficient=tensor([one.coefficient for one in states]),
        low=tensor([one.low for one in states]),
        high=tensor([one.high for one in states]),
        state_of=tensor([np.full(one.state.num_items, place) for place, one in enumerate(states)]),
        state_of_node=tensor([np.full(n, place) for place, n in enumerate(nodes)]),
        node_share=tensor([np.full(n, 1 / max(n * count, 1), dtype=np.float32) for n in nodes]),
        num_states=len(states),
        share=1 / count,
        num_choices=int(starts[-1]),
    )
