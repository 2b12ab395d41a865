"""The half-precision version of a trained network, behind the same float32 inputs and outputs."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from nnsearch.errors import ConfigError
from training.networks.mlp import MLP


def half_precision(network: nn.Module) -> nn.Module:
    """Return a copy of a network, in evaluation mode, that computes in half precision where that is safe.

    An MLP does throughout. Of any other network only the linear layers do, and what lies between them stays in float32:
    belief propagation takes exponentials up to exp(12), for which half precision has no number, and logarithms of
    differences, which it rounds to nothing. Inputs and outputs stay float32.

    Raises:
        ConfigError: the network has no linear layer, so nothing would change.
    """
    copied = copy.deepcopy(network).eval()
    if isinstance(copied, MLP):
        return _Half(copied).eval()
    layers = 0
    for parent in list(copied.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, _Half(child).eval())
                layers += 1
    if not layers:
        raise ConfigError("precision: expected a network with linear layers for fp16, this one has none; leave it out")
    return copied


class _Half(nn.Module):
    """A module in half precision, between float32 inputs and outputs."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module.half().requires_grad_(False)

    def forward(self, features: Tensor) -> Tensor:
        scores: Tensor = self.module(features.half()).float()
        return scores
