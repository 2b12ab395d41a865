"""Plain message passing on the candidate graph: nothing in it knows belief propagation before it is trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from nnsearch.model.graph import KINDS
from training.networks.belief_propagation import gated

_SCORE_LIMIT = 12.0  # exp(12) times the largest group is far inside float32


class MessagePassing(nn.Module):
    """A recurrent graph network whose rounds share their weights; scores are read out, and trained, after each block.

    In a round, each candidate tells its groups its hidden state; a group reads the mean of what it hears, the mean
    weighted by the softmax of its candidates' scores, and how many candidates it has; each candidate then reads the sum
    of its groups' answers. Both states are gated (after Palm, Paquet and Winther 2018, "Recurrent relational
    networks"). All candidates start alike, so what tells them apart is the graph: permuting candidates, groups or edges
    permutes the scores. Inputs are those of every network on the candidate graph, and so is the number of rounds free.
    """

    def __init__(self, blocks: int = 3, rounds: int = 4, hidden: int = 24) -> None:
        super().__init__()
        self.blocks, self.rounds = blocks, rounds
        self.start_candidate = nn.Parameter(torch.zeros(hidden))
        self.start_group = nn.Linear(len(KINDS), hidden)
        self.to_edge = nn.Linear(hidden, hidden)
        self.group_to_edge = nn.Linear(hidden, hidden, bias=False)
        self.group_update = nn.Linear(3 * hidden + 1, 2 * hidden)
        self.from_group = nn.Linear(hidden, hidden)
        self.from_edge = nn.Linear(hidden, hidden, bias=False)
        self.candidate_update = nn.Linear(2 * hidden, 2 * hidden)
        self.readout = nn.Linear(hidden, 1)

    def forward(
        self, edge_candidate: Tensor, edge_group: Tensor, group_features: Tensor, candidate_features: Tensor
    ) -> Tensor:
        """Return float32[N], the scores after the last block; arguments as for :meth:`all_blocks`."""
        return self.all_blocks(edge_candidate, edge_group, group_features, candidate_features)[-1]

    def all_blocks(
        self,
        edge_candidate: Tensor,
        edge_group: Tensor,
        group_features: Tensor,
        candidate_features: Tensor,
        *,
        blocks: int | None = None,
    ) -> list[Tensor]:
        """Return the scores after each block, float32[N] each.

        Args:
            edge_candidate: int64[E].
            edge_group: int64[E].
            group_features: float32[G, len(KINDS)].
            candidate_features: float32[N, CANDIDATE_FEATURES]; only the length is used, values are mere names.
            blocks: another number of blocks than the network's own.
        """
        none = torch.zeros_like(candidate_features[:, :1])  # [N, 1]
        candidate = none + torch.tanh(self.start_candidate)  # [N, H]
        group = torch.tanh(self.start_group(group_features))  # [G, H]
        zero_candidates, zero_groups = torch.zeros_like(candidate), torch.zeros_like(group)
        empty = torch.zeros_like(group_features[:, 0])  # [G]
        size = empty.scatter_add(0, edge_group, torch.ones_like(edge_group, dtype=empty.dtype)).clamp(min=1)
        size = size.unsqueeze(1)  # [G, 1]
        score = none.squeeze(1)  # [N]
        scores = []
        for _ in range(self.blocks if blocks is None else blocks):
            for _ in range(self.rounds):
                weight = score.clamp(-_SCORE_LIMIT, _SCORE_LIMIT).exp().gather(0, edge_candidate)  # [E]
                total = empty.scatter_add(0, edge_group, weight)  # [G]
                share = weight / total.gather(0, edge_group)  # [E]
                edge = functional.relu(
                    self.to_edge(candidate).index_select(0, edge_candidate)
                    + self.group_to_edge(group).index_select(0, edge_group)
                )  # [E, H]
                mean = zero_groups.index_add(0, edge_group, edge) / size
                expectation = zero_groups.index_add(0, edge_group, edge * share.unsqueeze(1))
                group = gated(group, self.group_update(torch.cat([group, mean, expectation, size.log()], dim=1)))
                back = functional.relu(self.from_group(group).index_select(0, edge_group) + self.from_edge(edge))
                received = zero_candidates.index_add(0, edge_candidate, back)  # [N, H]
                candidate = gated(candidate, self.candidate_update(torch.cat([candidate, received], dim=1)))
                score = self.readout(candidate).squeeze(1)
            scores.append(score)
        return scores
