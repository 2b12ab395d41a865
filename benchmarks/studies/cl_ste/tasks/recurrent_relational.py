"""A recurrent relational network for square boards (Palm, Paquet and Winther, NeurIPS 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RecurrentRelationalNetwork(nn.Module):
    """Cells send messages to the cells of their row, column and box, in rounds that share their weights.

    The message of cell j to cell i is a function of both hidden states; each cell adds up what it hears and updates its
    state by a gated recurrent unit that reads its given value again. Differences from the original: a message has one
    hidden layer instead of four, a cell does not know its row and column, and only the last round is trained.
    """

    def __init__(self, box: int, hidden: int, rounds: int) -> None:
        super().__init__()
        order = box**2
        self.rounds = rounds
        self.given = nn.Linear(order, hidden)
        self.to_self = nn.Linear(hidden, hidden)
        self.to_others = nn.Linear(hidden, hidden, bias=False)
        self.update = nn.GRUCell(2 * hidden, hidden)
        self.readout = nn.Linear(hidden, order)
        self.register_buffer("others", others(box), persistent=False)

    def forward(self, boards: Tensor) -> Tensor:
        """Score boards, one-hot float32[B, n, n, n] (value, row, column); return logits, float32[B, n * n, n]."""
        given = torch.relu(self.given(boards.flatten(2).transpose(1, 2)))  # [B, n * n, H]
        state = given
        for _ in range(self.rounds):
            heard = self.to_others(state)[:, self.others]  # [B, n * n, P, H]
            messages = torch.relu(self.to_self(state).unsqueeze(2) + heard).sum(2)  # [B, n * n, H]
            read = torch.cat([given, messages], dim=2)
            state = self.update(read.flatten(0, 1), state.flatten(0, 1)).view_as(state)
        logits: Tensor = self.readout(state)
        return logits


def others(box: int) -> Tensor:
    """Return int64[n * n, P], the cells that share a row, a column or a box with each cell."""
    order = box**2
    cell = torch.arange(order**2)
    row, column = cell // order, cell % order
    place = row // box * box + column // box
    shares = torch.zeros(order**2, order**2, dtype=torch.bool)
    for line in (row, column, place):
        shares |= line.unsqueeze(1) == line.unsqueeze(0)
    shares.fill_diagonal_(False)
    return shares.nonzero()[:, 1].view(order**2, -1)
