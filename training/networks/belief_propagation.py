"""Sum-product belief propagation on the candidate graph, and the network that learns what it misses."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from nnsearch.encoding.candidate_graph import CANDIDATE_FEATURES
from nnsearch.model.graph import AT_MOST_ONE, EXACTLY_ONE, KINDS

_MESSAGE_LIMIT = 12.0  # log-odds; exp(12) times the float32 epsilon is still below 1
_LEAST_REST = 1e-5
_CERTAIN = 8.0  # log-odds at which beliefs saturate in the scores


class BeliefPropagation(nn.Module):
    r"""Sum-product message passing for exactly-one and at-most-one groups, nothing to train.

    With log-odds messages (Kschischang, Frey and Loeliger 2001, for factors that allow one or no candidate):

    .. math:: m_{g \to i} = -\log\Bigl(a_g + \sum_{j \in g, j \ne i} \exp(q_{j \to g})\Bigr), \quad
        q_{i \to g} = \sum_{h \ni i, h \ne g} m_{h \to i}

    where :math:`a_g` is 1 for at-most-one and 0 for exactly-one groups; messages are damped. Groups of other kinds send
    nothing.

    Args:
        iterations: rounds of messages.
        damping: share of the old message that is kept, from 0 to below 1.
    """

    def __init__(self, iterations: int = 20, damping: float = 0.5) -> None:
        super().__init__()
        self.iterations, self.damping = iterations, damping

    def forward(
        self, edge_candidate: Tensor, edge_group: Tensor, group_features: Tensor, candidate_features: Tensor
    ) -> Tensor:
        """Return float32[N], the log-odds of each candidate; of their features only the length is used."""
        factors = _Factors(edge_candidate, edge_group, group_features, candidate_features.shape[0], self.damping)
        message = torch.zeros_like(factors.active)
        for _ in range(self.iterations):
            message = factors.update(message, factors.belief(message))
        return factors.belief(message)


class _Factors:
    """One round of messages; what stays the same in all rounds is computed once."""

    def __init__(
        self, edge_candidate: Tensor, edge_group: Tensor, group_features: Tensor, num_candidates: int, damping: float
    ) -> None:
        self.edge_candidate, self.edge_group = edge_candidate, edge_group
        self.zero_candidates = group_features.new_zeros(num_candidates)  # [N]
        self.zero_groups = torch.zeros_like(group_features[:, 0])  # [G]
        at_most = group_features[:, AT_MOST_ONE]
        self.none_holds = at_most.gather(0, edge_group)  # [E]
        self.active = (group_features[:, EXACTLY_ONE] + at_most).gather(0, edge_group)  # [E]
        self.keep = damping

    def belief(self, message: Tensor) -> Tensor:
        """float32[E] -> float32[N]."""
        return self.zero_candidates.scatter_add(0, self.edge_candidate, message)

    def update(
        self, message: Tensor, belief: Tensor, gain: Tensor | float = 1.0, correction: Tensor | float = 0.0
    ) -> Tensor:
        """float32[E], float32[N] -> float32[E]; the fresh message is multiplied by the gain, the correction added."""
        query = belief.gather(0, self.edge_candidate) - message  # [E]
        odds = query.clamp(-_MESSAGE_LIMIT, _MESSAGE_LIMIT).exp() * self.active
        total = self.zero_groups.scatter_add(0, self.edge_group, odds)  # [G]
        rest = total.gather(0, self.edge_group) - odds + self.none_holds
        fresh = correction - gain * self.active * rest.clamp(min=_LEAST_REST).log()
        return self.keep * message + (1 - self.keep) * fresh


class NeuralBeliefPropagation(nn.Module):
    r"""Belief propagation in blocks; between them a recurrent network reads the messages and corrects them.

    A block is some rounds of sum-product followed by one exchange of hidden states, candidates to groups and back. The
    exchange yields a field on every candidate, and a gain and a correction of every message. Before training these are
    0, 1 and 0, so an untrained network orders candidates as belief propagation does (after Satorras and Welling 2021,
    "Neural enhanced belief propagation on factor graphs"). Beliefs are squashed before the network adds its own
    opinion, because belief propagation is at its most certain where it does not converge. All blocks share their
    weights: the number of blocks is free, as is the size of the graph. Permuting candidates, groups or edges permutes
    the scores.

    Args:
        blocks: number of blocks.
        iterations: rounds of messages in each block.
        hidden: H, width of the hidden states.
        damping: see :class:`BeliefPropagation`.
        reads_place: give the place of a value in its domain to the network. Problems whose values are mere names must
            not; those with linear constraints or preferences should.
        identities: candidates of one model that the network knows by name, each with a state and a field of its own;
            0 for a network that serves any model.
    """

    def __init__(
        self,
        blocks: int = 8,
        iterations: int = 2,
        hidden: int = 16,
        damping: float = 0.5,
        reads_place: bool = False,
        identities: int = 0,
    ) -> None:
        super().__init__()
        self.blocks, self.iterations, self.damping, self.reads_place = blocks, iterations, damping, reads_place
        self.start_candidate = nn.Linear(CANDIDATE_FEATURES, hidden)
        self.start_group = nn.Linear(len(KINDS), hidden)
        self.edge_scalars = nn.Linear(3, hidden)
        self.to_edge = nn.Linear(hidden, hidden, bias=False)
        self.group_update = nn.Linear(3 * hidden + 1, 2 * hidden)
        self.from_group = nn.Linear(hidden, hidden, bias=False)
        self.from_edge = nn.Linear(hidden, hidden)
        self.candidate_update = nn.Linear(2 * hidden + 1, 2 * hidden)
        self.field = nn.Linear(hidden, 1, bias=False)
        self.correction = nn.Linear(hidden, 2, bias=False)
        self.readout = nn.Linear(hidden, 2, bias=False)
        for layer in (self.field, self.correction, self.readout):
            nn.init.zeros_(layer.weight)
        self.known = nn.Embedding(identities + 1, hidden + 1, padding_idx=0) if identities else None
        if self.known is not None:
            nn.init.zeros_(self.known.weight)

    def forward(
        self,
        edge_candidate: Tensor,
        edge_group: Tensor,
        group_features: Tensor,
        candidate_features: Tensor,
        candidate_identity: Tensor | None = None,
    ) -> Tensor:
        """Return float32[N], the scores after the last block; arguments as for :meth:`all_blocks`."""
        inputs = (edge_candidate, edge_group, group_features, candidate_features)
        return self.all_blocks(*inputs, candidate_identity)[-1]

    def all_blocks(
        self,
        edge_candidate: Tensor,
        edge_group: Tensor,
        group_features: Tensor,
        candidate_features: Tensor,
        candidate_identity: Tensor | None = None,
        *,
        blocks: int | None = None,
    ) -> list[Tensor]:
        """Return the scores after each block, float32[N] each, for training every one of them.

        Args:
            edge_candidate: int64[E].
            edge_group: int64[E].
            group_features: float32[G, len(KINDS)].
            candidate_features: float32[N, CANDIDATE_FEATURES].
            candidate_identity: int64[N], 0 = unknown; of networks with ``identities`` only.
            blocks: another number of blocks than the network's own.
        """
        num_candidates = candidate_features.shape[0]
        factors = _Factors(edge_candidate, edge_group, group_features, num_candidates, self.damping)
        size = factors.zero_groups.scatter_add(0, edge_group, torch.ones_like(factors.active))
        size = size.clamp(min=1).unsqueeze(1)  # [G, 1]
        features = candidate_features if self.reads_place else torch.zeros_like(candidate_features)
        start = self.start_candidate(features)
        prior = factors.zero_candidates  # [N]
        if self.known is not None and candidate_identity is not None:
            own = self.known(candidate_identity)  # [N, H + 1]
            start, prior = start + own[:, 1:], own[:, 0]
        candidate = torch.tanh(start)  # [N, H]
        group = torch.tanh(self.start_group(group_features))  # [G, H]
        zero_hidden = torch.zeros_like(group)  # [G, H]
        message = torch.zeros_like(factors.active)  # [E]
        gain, correction = torch.ones_like(message), torch.zeros_like(message)
        field = prior  # [N]
        scores = []
        for _ in range(self.blocks if blocks is None else blocks):
            for _ in range(self.iterations):
                message = factors.update(message, factors.belief(message) + field, gain, correction)
            belief = factors.belief(message) + field
            query = (belief.gather(0, edge_candidate) - message).clamp(-_MESSAGE_LIMIT, _MESSAGE_LIMIT)
            odds = query.exp()
            total = factors.zero_groups.scatter_add(0, edge_group, odds)
            share = odds / (total.gather(0, edge_group) + factors.none_holds)  # [E], the probability within the group
            # ONNX Runtime copies rows of three numbers one by one, and rows of E numbers at once.
            scalars = torch.stack([query / 4, message / 4, share], dim=0).t()  # [E, 3]
            edge = functional.relu(
                self.to_edge(candidate).index_select(0, edge_candidate) + self.edge_scalars(scalars)
            )  # [E, H]
            mean = zero_hidden.index_add(0, edge_group, edge) / size
            expectation = zero_hidden.index_add(0, edge_group, edge * share.unsqueeze(1))
            group = gated(
                group, self.group_update(torch.cat([group, mean, expectation, (total.log1p() / 4).unsqueeze(1)], dim=1))
            )
            back = functional.relu(self.from_group(group).index_select(0, edge_group) + self.from_edge(edge))  # [E, H]
            turn, correction = self.correction(back).unbind(1)  # [E], [E]
            gain = 1 + turn.tanh()
            received = torch.zeros_like(candidate).index_add(0, edge_candidate, back)  # [N, H]
            candidate = gated(
                candidate, self.candidate_update(torch.cat([candidate, received, (belief / 8).unsqueeze(1)], dim=1))
            )
            field = prior + self.field(candidate).squeeze(1)
            weight, opinion = self.readout(candidate).unbind(1)
            squashed = _CERTAIN * torch.tanh(belief / _CERTAIN)
            scores.append((1 + weight) * squashed + opinion + prior)
        return scores


def gated(state: Tensor, update: Tensor) -> Tensor:
    """Return a state float[N, H] moved as far as the gates of its update, float[N, 2 H], say."""
    gate, value = update.chunk(2, dim=1)
    return state + gate.sigmoid() * (value.tanh() - state)
