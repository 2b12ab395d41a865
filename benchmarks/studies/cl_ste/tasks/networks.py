"""The networks of the study, at the size of its pictures and boards."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class PictureNetwork(nn.Module):
    """A small convolutional classifier of 8 x 8 pictures, the counterpart of LeNet on MNIST."""

    def __init__(self, channels: Sequence[int], num_classes: int) -> None:
        super().__init__()
        first, second = channels
        self.layers = nn.Sequential(
            nn.Conv2d(1, first, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(first, second, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * second, 64),
            nn.ReLU(),
            nn.Linear(64, num_classes),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Classify pictures, float32[B, I, 1, 8, 8]; return logits, float32[B, I, K]."""
        logits: Tensor = self.layers(pictures.flatten(0, 1))
        return logits.view(*pictures.shape[:2], -1)


class BoardNetwork(nn.Module):
    """3 x 3 convolutions with batch normalisation over a square board, then one score per cell and value.

    The authors' network (that of K. Park) has nine of 512 channels and reads digits as numbers; this one reads them as
    one-hot channels.
    """

    def __init__(self, order: int, channels: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise([order, *channels]):
            layers += [nn.Conv2d(fan_in, fan_out, 3, padding=1, bias=False), nn.BatchNorm2d(fan_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[-1], order, 1))

    def forward(self, boards: Tensor) -> Tensor:
        """Score boards, one-hot float32[B, n, n, n] (value, row, column); return logits, float32[B, n * n, n]."""
        logits: Tensor = self.layers(boards)
        return logits.flatten(2).transpose(1, 2)
