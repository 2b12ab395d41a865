"""The tasks of the study, by kind, and what training asks of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, nn

from benchmarks.studies.cl_ste.tasks import (
    addition,
    membership,
    operators,
    shortest_path,
    sudoku_boards,
)
from benchmarks.studies.cl_ste.tasks.config import TaskConfig
from nnsearch.errors import ConfigError
from training.losses.cnf import Cnf


class LogicTask(Protocol):
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


TASKS: dict[str, Callable[[TaskConfig, int], LogicTask]] = {
    "add": lambda config, seed: addition.numbers(config, seed, 1),
    "add-two-digits": lambda config, seed: addition.numbers(config, seed, 2),
    "add2x2": addition.grid,
    "apply2x2": operators.apply2x2,
    "member": membership.member,
    "shortest-path": shortest_path.build,
    "sudoku": sudoku_boards.build,
    "sudoku-all-labels": lambda config, seed: sudoku_boards.build(config, seed, 1.0),
    "sudoku-half-labels": lambda config, seed: sudoku_boards.build(config, seed, 0.5),
}
"""Kind -> (config, seed) -> the task."""


def build_task(config: TaskConfig, seed: int) -> LogicTask:
    """Build a task.

    Raises:
        ConfigError: the kind is unknown, or the config does not fit it.
    """
    if config.task not in TASKS:
        raise ConfigError(f"task: expected one of {', '.join(TASKS)}, got {config.task!r}")
    return TASKS[config.task](config, seed)
