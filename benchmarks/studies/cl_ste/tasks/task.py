"""What the trainer of the study asks of a task."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from training.losses.cnf import Cnf


class Task(Protocol):
    """Examples whose labels are facts about clauses, and a measure on data that no example was made from."""

    @property
    def clauses(self) -> Cnf:
        """The knowledge, the same for all examples."""

    @property
    def num_examples(self) -> int:
        """S."""

    def network(self) -> nn.Module:
        """Return a new network; its weights are drawn from torch's generator."""

    def inputs(self, index: Tensor) -> Tensor:
        """Return float[B, ...], what the network reads of some examples, int64[B]."""

    def facts(self, index: Tensor) -> Tensor:
        """Return float[B, n], what is known of some examples: 1 true, -1 false, 0 unknown."""

    def atoms(self, outputs: Tensor) -> Tensor:
        """Return float[B, n], the binarised atoms of the network's outputs; those that are facts may be anything."""

    def label_loss(self, outputs: Tensor, index: Tensor) -> Tensor:
        """Return the mean cross-entropy with the labels of some examples, a scalar; 0 for tasks without labels."""

    def measure(self, network: nn.Module) -> dict[str, float]:
        """Return shares of right answers on held-out data, by name."""
