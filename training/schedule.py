"""Step sizes and the order of examples: functions of the step alone, so that a resumed run goes on alike."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def cosine(largest: float, steps: int, *, least: float = 0.0, warm_up: int = 0) -> Callable[[int], float]:
    """Return the step size of each step, counted from 0: it falls from the largest as a cosine, to 0 after ``steps``.

    It does not fall below ``least``, a share of the largest, and rises linearly in the first ``warm_up`` steps.
    """

    def rate(step: int) -> float:
        decayed = largest * max(least, 0.5 * (1 + math.cos(math.pi * step / steps)))
        return decayed * min(1.0, (step + 1) / warm_up) if warm_up else decayed

    return rate


def warmed_cosine(largest: float, steps: int) -> Callable[[int], float]:
    """Return the step sizes of networks on graphs: a cosine to .003 of the largest, after 50 steps of warming up."""
    return cosine(largest, steps, least=0.003, warm_up=50)


class ExampleOrder:
    """The examples of each step: a fresh permutation each epoch, without what is left of it after whole batches.

    A batch has at most all examples.
    """

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        self.batch_size = min(batch_size, count)
        self.steps_per_epoch = count // self.batch_size
        self._count, self._seed, self._epoch = count, seed, -1

    def at(self, step: int) -> Tensor:
        """Return int64[batch_size], the examples of a step."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
            self._order, self._epoch = torch.randperm(self._count, generator=generator), epoch
        return self._order[position * self.batch_size : (position + 1) * self.batch_size]
