"""The paper's network: a multi-layer perceptron on the one-hot assignment, fixed to one size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class MLP(nn.Module):
    """Fully connected layers with ReLU between (Silvestri et al. 2021: three hidden layers of 512).

    Input and output have the N = V * D candidates, unless another length of the output is given.
    """

    def __init__(self, num_candidates: int, hidden: Sequence[int], num_outputs: int | None = None) -> None:
        super().__init__()
        widths = [num_candidates, *hidden, num_outputs or num_candidates]
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(widths):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, assignment: Tensor) -> Tensor:
        """Return float32[B, N], logits (higher = assign earlier), of assignments float32[B, N], 1 iff assigned."""
        scores: Tensor = self.layers(assignment)
        return scores.to(torch.float32)
