"""Messages between the items of a model and what ties them together, the network on the model graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nnsearch.encoding.model_graph.nodes import NODE_KINDS
from nnsearch.encoding.model_graph.state import EDGE_FEATURES, ITEM_FEATURES, NODE_FEATURES

_STEEPEST = 20.0  # log-odds; no label of a pool is surer


class ModelGraphNetwork(nn.Module):
    r"""Rounds of messages on a bipartite graph, items to nodes and back (after Gasse et al. 2019).

    A message is a linear function of its sender, :math:`W h`, times one of the features of its edge, so that a
    coefficient can scale it. What arrives is added up and divided by the root of the degree:

    .. math:: h_n \leftarrow h_n +
        \mathrm{relu}\Bigl(U\bigl[h_n, |n|^{-1/2} \sum_{i \in n} g_{in} \odot W h_i\bigr]\Bigr)

    Edges are many and nodes are few, so messages are narrower than states, and all that is not linear is done at their
    ends. Permuting items, nodes or edges permutes the outputs.

    Args:
        rounds: R, of messages to the nodes and back; each has weights of its own.
        hidden: H, width of the states.
        messages: K, width of the messages.
    """

    def __init__(self, rounds: int = 3, hidden: int = 32, messages: int = 16) -> None:
        super().__init__()
        num_node_features = len(NODE_KINDS) + len(NODE_FEATURES)
        self.start_item = nn.Sequential(nn.Linear(len(ITEM_FEATURES), hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self.start_node = nn.Sequential(nn.Linear(num_node_features, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self.gate_to_node = nn.Linear(len(EDGE_FEATURES), messages)
        self.gate_to_item = nn.Linear(len(EDGE_FEATURES), messages)
        self.from_item = nn.ModuleList(nn.Linear(hidden, messages) for _ in range(rounds))
        self.from_node = nn.ModuleList(nn.Linear(hidden, messages) for _ in range(rounds))
        self.node_update = nn.ModuleList(nn.Linear(hidden + messages, hidden) for _ in range(rounds))
        self.item_update = nn.ModuleList(nn.Linear(hidden + messages, hidden) for _ in range(rounds))
        self.readout = nn.Sequential(nn.Linear(hidden + len(ITEM_FEATURES), hidden), nn.ReLU(), nn.Linear(hidden, 2))

    def forward(
        self,
        edge_item: Tensor,
        edge_node: Tensor,
        edge_features: Tensor,
        item_features: Tensor,
        node_features: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return float32[N'] and float32[N'], the scores and the targets.

        Args:
            edge_item: int64[E].
            edge_node: int64[E].
            edge_features: float32[E, Fe].
            item_features: float32[N', Fi].
            node_features: float32[M, Fn].
        """
        item = torch.relu(self.start_item(item_features))  # [N', H]
        node = torch.relu(self.start_node(node_features))  # [M, H]
        to_node, to_item = self.gate_to_node(edge_features), self.gate_to_item(edge_features)  # [E, K]
        width = to_node.shape[1]
        one = torch.ones_like(edge_features[:, 0])  # [E]
        node_share = torch.zeros_like(node[:, 0]).scatter_add(0, edge_node, one).clamp(min=1).rsqrt().unsqueeze(1)
        item_share = torch.zeros_like(item[:, 0]).scatter_add(0, edge_item, one).clamp(min=1).rsqrt().unsqueeze(1)
        no_node = torch.zeros_like(node[:, :1]).repeat(1, width)  # [M, K]
        no_item = torch.zeros_like(item[:, :1]).repeat(1, width)  # [N', K]
        for from_item, from_node, node_update, item_update in zip(
            self.from_item, self.from_node, self.node_update, self.item_update, strict=True
        ):
            sent = from_item(item).index_select(0, edge_item) * to_node  # [E, K]
            received = no_node.index_add(0, edge_node, sent) * node_share  # [M, K]
            node = node + torch.relu(node_update(torch.cat([node, received], dim=1)))
            sent = from_node(node).index_select(0, edge_node) * to_item  # [E, K]
            received = no_item.index_add(0, edge_item, sent) * item_share  # [N', K]
            item = item + torch.relu(item_update(torch.cat([item, received], dim=1)))
        score, target = self.readout(torch.cat([item, item_features], dim=1)).unbind(1)  # [N'], [N']
        return _STEEPEST * torch.tanh(score / _STEEPEST), torch.sigmoid(target)
