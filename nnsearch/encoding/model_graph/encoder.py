"""The encoder of networks that read rows, coefficients and objectives."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from nnsearch.encoding.encoder import Feed, FloatArray
from nnsearch.encoding.model_graph.features import ItemFeatures, NodeFeatures, Relaxed, edge_features
from nnsearch.encoding.model_graph.items import BOOLEAN, CANDIDATE, QUANTITY, Domains, DoubleArray, Items
from nnsearch.encoding.model_graph.nodes import ModelNodes
from nnsearch.encoding.model_graph.state import ModelGraphState, model_graph_union, padded_model_graph, padded_sizes
from nnsearch.errors import GraphError, NothingToReadError, ScoreError
from nnsearch.limits import STOP
from nnsearch.model.graph import BoolArray, CandidateGraph
from nnsearch.model.lists import ranges
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.relaxation import Relaxation

_log = logging.getLogger("nnsearch")

_RELAXATION_SECONDS = 5.0
_SAME = 1e-6  # more between what a network and the relaxation say is a difference

NEAR = 0.05
"""A target is near a value, both as places in the current domain, where they differ by this at most."""


@dataclass(frozen=True)
class ModelGraphReport:
    """What of a model is read, and how.

    Attributes:
        items: how many Booleans, candidates and quantities.
        nodes: how many nodes of each kind.
        edges: between them.
        objective: how many items are in the objective.
        relaxed: for how many items the linear relaxation has a value.
        past: for how many items there is a hint, a past solution.
    """

    items: Counter[str]
    nodes: Counter[str]
    edges: int
    objective: int
    relaxed: int
    past: int

    def __str__(self) -> str:
        def listed(counts: Counter[str]) -> str:
            return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"

        return (
            f"items: {listed(self.items)}; nodes: {listed(self.nodes)}; {self.edges} edges; "
            f"{self.objective} items in the objective, {self.relaxed} in the linear relaxation, {self.past} hinted"
        )


@dataclass(frozen=True)
class ModelGraphEncoder:
    """The encoder of networks on the model graph.

    Attributes:
        relaxed: solve the linear relaxation of a model when it is read, for the features of it. A network that was
            trained without reads models without.
    """

    relaxed: bool = False

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None, name: str) -> ModelGraphEncoding:
        """Read a model; all of it, whatever variables are asked about.

        Raises:
            GraphError: the graph was not read from a CpModel.
            NothingToReadError: no variable is open, or the model has neither a constraint to read nor an objective.
        """
        if graph.model is None:
            raise GraphError(
                f"{name}: expected a graph of a CpModel, whose rows and objective this network reads, got one that was "
                "made without; use CandidateGraph.from_model, or a network on the candidate graph, for example bp"
            )
        encoding = ModelGraphEncoding(graph, graph.model, relaxed=self.relaxed)
        report = encoding.report
        if not report.edges and not report.objective:
            raise NothingToReadError(
                f"{name}: expected a model with a constraint on open variables or an objective ({report}); a network "
                "has nothing to read here, use none: --model none, scorer=None"
            )
        _log.debug("%s reads %s", name, report)
        return encoding

    def unite(self, states: Sequence[ModelGraphState]) -> Feed:
        """Return the disjoint union of the padded states."""
        return model_graph_union([padded_model_graph(state) for state in states]).inputs

    def split(self, scores: FloatArray, states: Sequence[ModelGraphState]) -> list[FloatArray]:
        """Return the scores of each state's own items, and then their targets, from float32[2, N'] of all."""
        starts = [0, *accumulate(padded_sizes(state)[0] for state in states)]
        if np.shape(scores) != (2, starts[-1]):
            raise ScoreError(f"expected scores and targets of shape {(2, starts[-1])}, got {np.shape(scores)}")
        return [
            scores[:, start : start + state.num_items].ravel() for start, state in zip(starts, states, strict=False)
        ]


def _relaxed(model: PreparedModel) -> Relaxed:
    """Return the linear relaxation of a model; nothing where there is none, or where it is not solved in time."""
    try:
        solution = Relaxation.of(model).solve(_RELAXATION_SECONDS, stop=STOP.get())
    except NothingToReadError:
        return Relaxed.nothing(len(model.names))
    if not solution.optimal:
        return Relaxed.nothing(len(model.names))
    return Relaxed(solution.values, solution.reduced_costs)


class ModelGraphEncoding:
    """A model as networks on the model graph read it.

    Args:
        graph: its candidates.
        model: the model.
        relaxed: solve its linear relaxation.

    Attributes:
        items: what is scored.
        nodes: what ties it together.
    """

    def __init__(self, graph: CandidateGraph, model: PreparedModel, *, relaxed: bool) -> None:
        self.graph = graph
        self.items = Items.of(graph, model.domains)
        self.nodes = ModelNodes.of(model, graph, self.items)
        solved = _relaxed(model) if relaxed else Relaxed.nothing(graph.num_variables)
        self._relaxed = solved.values
        self._item_features = ItemFeatures(self.items, model, solved)
        self._node_features = NodeFeatures(self.nodes, self.items, solved)
        self._edge_features = edge_features(self.nodes)
        names = ("Booleans", "candidates", "quantities")
        counts = np.bincount(self.items.kind, minlength=len(names)).tolist()
        fixed = self._item_features.fixed
        self.report = ModelGraphReport(
            Counter({name: count for name, count in zip(names, counts, strict=True) if count}),
            self.nodes.counts,
            len(self.nodes.node),
            int(fixed[:, 5].sum()),
            int(fixed[:, 10].sum()),
            int(fixed[:, 16].sum()),
        )

    def observed(self, alive: BoolArray) -> BoolArray:
        """Return the candidates that are possible: all of them are read."""
        return alive

    def domains(self, alive: BoolArray) -> Domains:
        """Return the domains of a state."""
        return Domains.of(self.items, self.graph, alive)

    def encode(self, alive: BoolArray) -> ModelGraphState:
        """Return the graph of what is open."""
        return self.encoded(self.domains(alive))[0]

    def encoded(self, domains: Domains) -> tuple[ModelGraphState, BoolArray, BoolArray]:
        """Return a state, and bool[E] and bool[M], the edges and nodes of the model that are in it."""
        kept, node_features = self._node_features.of(domains)
        edges = kept[self.nodes.node] & domains.is_open[self.nodes.item]
        chosen = np.flatnonzero(domains.is_open)
        edge_item = (np.cumsum(domains.is_open) - 1)[self.nodes.item[edges]]
        degree = np.bincount(edge_item, minlength=len(chosen))
        variable = self.items.variable[chosen]
        state = ModelGraphState(
            edge_item,
            (np.cumsum(kept) - 1)[self.nodes.node[edges]],
            self._edge_features[edges],
            self._item_features.of(domains, chosen, degree),
            node_features[kept],
            chosen,
            domains.low[variable],
            domains.high[variable],
        )
        return state, edges, kept

    def sides(self, domains: Domains) -> tuple[DoubleArray, DoubleArray]:
        """Return float64[M] twice, what is left of the lower and upper sides of all nodes for the open items."""
        return self._node_features.sides(domains)

    def decode(self, state: ModelGraphState, scores: FloatArray) -> FloatArray:
        """Return the scores of the open candidates.

        A Boolean's value 0 has the opposite of the score of its value 1. The values of a quantity have its score at the
        target, and lose 1 with every :data:`NEAR` that they are away from it.
        """
        logits, targets = np.split(scores, 2)
        result = np.full(self.graph.num_candidates, -np.inf, dtype=np.float32)
        kind, candidate = self.items.kind[state.item], self.items.candidate[state.item]
        single = kind != QUANTITY
        result[candidate[single]] = logits[single]
        boolean = kind == BOOLEAN
        result[candidate[boolean] - 1] = -logits[boolean]
        offset, variable = self.graph.offset, self.items.variable[state.item]
        listed = np.flatnonzero((kind == QUANTITY) & (offset[variable + 1] > offset[variable]))
        if len(listed):
            first = offset[variable[listed]]
            sizes = offset[variable[listed] + 1] - first
            owner, places = np.repeat(listed, sizes), ranges(first, sizes)
            low, high = state.low[owner], state.high[owner]
            position = (self.graph.values[places] - low) / np.maximum(high - low, 1.0)
            inside = (position >= 0) & (position <= 1)
            distance = np.abs(position - targets[owner])
            result[places[inside]] = (logits[owner] - distance / NEAR)[inside]
        return result

    def targets(self, state: ModelGraphState, scores: FloatArray) -> tuple[DoubleArray, FloatArray]:
        """Return float64[V], the values that quantities should be near, and float32[V], how sure that is.

        The confidence is the score of a quantity, that of the best candidate, and of a Boolean that of its better
        value; 0, the log-odds of no idea, of variables that are not open. Where the linear relaxation has been read,
        those but for quantities of which it says another value, or a fraction, come last: what both say can mostly be
        true at once.
        """
        logits, places = np.split(scores, 2)
        target = np.full(self.graph.num_variables, np.nan)
        kind, variable = self.items.kind[state.item], self.items.variable[state.item]
        quantity = np.flatnonzero(kind == QUANTITY)
        low, high = state.low[quantity], state.high[quantity]
        target[variable[quantity]] = low + places[quantity] * (high - low)
        confidence = np.zeros(self.graph.num_variables, dtype=np.float32)
        confidence[variable[quantity]] = logits[quantity]
        said = np.full(self.graph.num_variables, np.nan)
        booleans = np.flatnonzero(kind == BOOLEAN)
        confidence[variable[booleans]] = np.abs(logits[booleans])
        said[variable[booleans]] = logits[booleans] > 0
        candidates = np.flatnonzero(kind == CANDIDATE)
        best = np.full(self.graph.num_variables, -np.inf, dtype=np.float32)
        np.maximum.at(best, variable[candidates], logits[candidates])
        chosen = candidates[logits[candidates] == best[variable[candidates]]]
        said[variable[chosen]] = self.items.value[state.item[chosen]]
        confidence = np.where(best > -np.inf, best, confidence)
        confidence[np.abs(said - self._relaxed) > _SAME] -= np.ptp(confidence) + 1  # below all others
        return target, confidence
