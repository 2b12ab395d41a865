"""A moving average of weights: what a network is worth then hangs less on the batches of its last steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    r"""The exponential moving average of a network's parameters (after Polyak and Juditsky 1992).

    After step t, counted from 0, :math:`\bar w \leftarrow d_t \bar w + (1 - d_t) w` with
    :math:`d_t = \min(d, (1 + t) / (10 + t))`, so that the first weights are soon forgotten.

    Args:
        network: whose parameters are averaged; its buffers are not.
        decay: d.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._network, self._decay = network, decay
        self.weights = [parameter.detach().clone() for parameter in network.parameters()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights that a step ended with."""
        rate = 1 - min(self._decay, (1 + step) / (10 + step))
        for mean, parameter in zip(self.weights, self._network.parameters(), strict=True):
            mean.lerp_(parameter, rate)

    @contextmanager
    def in_network(self) -> Iterator[None]:
        """Let the network have the average for a while."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    @torch.no_grad()
    def exchange(self) -> None:
        """Give the network the average, and keep what it had."""
        for mean, parameter in zip(self.weights, self._network.parameters(), strict=True):
            own = parameter.clone()
            parameter.copy_(mean)
            mean.copy_(own)

    @torch.no_grad()
    def restore(self, weights: list[Tensor]) -> None:
        """Take the average out of a checkpoint."""
        for mean, stored in zip(self.weights, weights, strict=True):
            mean.copy_(stored)
