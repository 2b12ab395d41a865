"""Sudoku with the solutions of some boards: what do the rules add on the boards whose solution is not shown?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.studies.cl_ste.tasks import sudoku_boards
from benchmarks.studies.cl_ste.tasks.sudoku_boards import BoardTask
from benchmarks.studies.cl_ste.training.config import TaskConfig
from benchmarks.studies.cl_ste.training.recurrent_relational import RecurrentRelationalNetwork
from nnsearch.errors import ConfigError
from training.losses.cnf import Cnf

_ROUNDS = 8


@dataclass(frozen=True)
class LabelledBoardTask:
    """A :class:`benchmarks.studies.cl_ste.tasks.task.Task` on the boards of a :class:`BoardTask`, by a graph network.

    Attributes:
        boards: the boards and rules.
        solutions: int64[L, n * n], of the first L boards; those of the others are not here.
    """

    boards: BoardTask
    solutions: Tensor

    @property
    def clauses(self) -> Cnf:
        """The rules."""
        return self.boards.clauses

    @property
    def num_examples(self) -> int:
        """S, labelled or not."""
        return self.boards.num_examples

    def network(self) -> nn.Module:
        """Return a new network."""
        config = self.boards.config
        return RecurrentRelationalNetwork(config.data.box, config.train.hidden[0], _ROUNDS)

    def inputs(self, index: Tensor) -> Tensor:
        """Return float32[B, n, n, n]."""
        return self.boards.inputs(index)

    def facts(self, index: Tensor) -> Tensor:
        """Return float32[B, n * n * n], 1 for the given values, 0 for everything else; labels are not facts."""
        return self.boards.facts(index)

    def atoms(self, outputs: Tensor) -> Tensor:
        """Return float32[B, n * n * n] from logits, float32[B, n * n, n]."""
        return self.boards.atoms(outputs)

    def label_loss(self, outputs: Tensor, index: Tensor) -> Tensor:
        """Return the mean cross-entropy of the cells of labelled boards; 0 when the batch has none."""
        labelled = index < len(self.solutions)
        if not labelled.any():
            return outputs.new_zeros(())
        values = self.solutions[index[labelled]] - 1
        return functional.cross_entropy(outputs[labelled].flatten(0, 1), values.flatten())

    def measure(self, network: nn.Module) -> dict[str, float]:
        """Return the shares of held-out boards that were completed, see :meth:`BoardTask.measure`."""
        return self.boards.measure(network)


def build(config: TaskConfig, seed: int, labelled: float) -> LabelledBoardTask:
    """Return the task. Boards are those of the task without labels, and so is their split by solution.

    A board with several solutions has the one that it was made from as its label; any of them counts when measured.

    Args:
        config: the task; ``train.hidden`` is one number, the width of the states.
        seed: of the boards.
        labelled: share of the training boards whose solution is shown, above 0 and at most 1.

    Raises:
        ConfigError: the config does not fit.
    """
    if len(config.train.hidden) != 1:
        raise ConfigError(f"train.hidden: expected one width for all rounds, got {config.train.hidden}")
    training, held_out = sudoku_boards.split_solutions(config, seed)
    boards = sudoku_boards.of_solutions(config, training, held_out, seed)
    shown = training[np.arange(max(1, round(labelled * boards.num_examples))) % len(training)]
    return LabelledBoardTask(boards, torch.from_numpy(shown))
