"""Sudoku: the network sees boards with holes and the rules, and the solutions of some boards, or never one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.studies.cl_ste.tasks.config import TaskConfig
from benchmarks.studies.cl_ste.tasks.networks import BoardNetwork
from benchmarks.studies.cl_ste.tasks.recurrent_relational import RecurrentRelationalNetwork
from nnsearch.errors import ConfigError
from nnsearch.problems import sudoku
from training.losses.cnf import Cnf, from_model
from training.losses.cnf_ste import Binariser, binarise

IntArray = npt.NDArray[np.int64]

_ROUNDS = 8


@dataclass(frozen=True)
class BoardTask:
    """A :class:`benchmarks.studies.cl_ste.tasks.tasks.LogicTask` on boards.

    Attributes:
        config: the task.
        clauses: of each value in each row, column and box: somewhere, and not twice; atom = cell * n + value - 1.
        boards: int64[S, n * n], 0 = hole.
        test_boards: int64[T, n * n]; no solution of a training board completes one of them.
        solutions: int64[L, n * n], of the first L boards; those of the others are not here.
    """

    config: TaskConfig
    clauses: Cnf
    boards: Tensor
    test_boards: Tensor
    solutions: Tensor

    @property
    def num_examples(self) -> int:
        """S."""
        return len(self.boards)

    @property
    def order(self) -> int:
        """The number of rows, n."""
        return self.config.data.box**2

    def network(self) -> nn.Module:
        """Return a new network: convolutions, or one that passes messages where there are labels."""
        if len(self.solutions):
            return RecurrentRelationalNetwork(self.config.data.box, self.config.train.hidden[0], _ROUNDS)
        return BoardNetwork(self.order, self.config.train.hidden)

    def inputs(self, index: Tensor) -> Tensor:
        """Return float32[B, n, n, n]."""
        return value_planes(self.boards[index], self.order)

    def facts(self, index: Tensor) -> Tensor:
        """Return float32[B, n * n * n], 1 for the given values, 0 for everything else; labels are not facts."""
        return value_planes(self.boards[index], self.order).flatten(2).transpose(1, 2).flatten(1)

    def atoms(self, outputs: Tensor) -> Tensor:
        """Return float32[B, n * n * n] from logits, float32[B, n * n, n]."""
        form = cast(Binariser, self.config.loss.binariser)
        values = torch.softmax(outputs, dim=2) if form == "probability" else outputs
        return binarise(values.flatten(1), form)

    def label_loss(self, outputs: Tensor, index: Tensor) -> Tensor:
        """Return the mean cross-entropy of the cells of labelled boards; 0 when the batch has none."""
        labelled = index < len(self.solutions)
        if not labelled.any():
            return outputs.new_zeros(())
        values = self.solutions[index[labelled]] - 1
        return functional.cross_entropy(outputs[labelled].flatten(0, 1), values.flatten())

    def measure(self, network: nn.Module) -> dict[str, float]:
        """Return the shares of held-out boards that were completed: at once, and one cell after the other."""

        def score(boards: Tensor) -> Tensor:
            return torch.cat([network(value_planes(part, self.order)) for part in torch.split(boards, 256)])

        return {
            "one_shot": self._solved(fill(self.test_boards, score(self.test_boards), cells=None)),
            "iterated": self._solved(iterate(self.test_boards, score)),
        }

    def _solved(self, boards: Tensor) -> float:
        """Return the share of full boards that keep the given values and all rules."""
        right = 0
        for given, board in zip(self.test_boards.numpy(), boards.tolist(), strict=True):
            right += sudoku.Sudoku("", given.reshape(self.order, -1)).is_solution(board)
        return right / len(boards)


def value_planes(boards: Tensor, order: int) -> Tensor:
    """Return float32[B, n, n, n] (value, row, column) of boards, int64[B, n * n] with 0 for holes."""
    return (
        (boards.unsqueeze(1) == torch.arange(1, order + 1).view(1, -1, 1)).float().view(len(boards), order, order, -1)
    )


def fill(boards: Tensor, scores: Tensor, cells: int | None) -> Tensor:
    """Fill the most confident holes of boards int64[B, n * n] by their best values of scores float32[B, n * n, n].

    So many of each board; None is all.
    """
    confidence, value = torch.softmax(scores, dim=2).max(dim=2)  # [B, n * n]
    holes = boards == 0
    if cells is not None:
        ranked = confidence.masked_fill(~holes, -1).topk(cells, dim=1).indices
        holes = holes & torch.zeros_like(holes).scatter(1, ranked, True)
    return torch.where(holes, value + 1, boards)


def iterate(boards: Tensor, score: Callable[[Tensor], Tensor]) -> Tensor:
    """Fill the most confident hole of each board and ask again, until none is left: value ordering, never undone."""
    while (boards == 0).any():
        boards = fill(boards, score(boards), cells=1)
    return boards


def build(config: TaskConfig, seed: int, labelled: float = 0.0) -> BoardTask:
    """Return the task. A quarter of the distinct solutions that are drawn is for testing.

    A test board is a set of holes in a solution that is not a training solution. Where holes leave several solutions,
    any of them counts, also one that a training board has; the label of a board is the one that it was made from.
    Training board i is of the training solution ``i % A``, with and without labels, which a share of the boards shows.

    Raises:
        ConfigError: too few solutions for test boards apart from the training boards, or several widths with labels.
    """
    data = config.data
    if labelled and len(config.train.hidden) != 1:
        raise ConfigError(f"train.hidden: expected one width for all rounds, got {config.train.hidden}")
    training, held_out = split_solutions(config, seed)
    rng = np.random.default_rng([seed, 3])
    order = data.box**2
    blank, _ = sudoku.Sudoku("", np.zeros((order, order), dtype=np.int64)).build()
    shown = max(1, round(labelled * data.examples)) if labelled else 0
    return BoardTask(
        config,
        from_model(blank, one_value=config.loss.binariser != "probability", each_value=True),
        torch.from_numpy(_with_holes(training, data.examples, config, rng)),
        torch.from_numpy(_with_holes(held_out, data.test, config, rng)),
        torch.from_numpy(training[np.arange(shown) % len(training)]),
    )


def split_solutions(config: TaskConfig, seed: int) -> tuple[IntArray, IntArray]:
    """Return the solutions for training, int64[A, n * n], and for testing, int64[B, n * n]; none is in both.

    Raises:
        ConfigError: too few solutions for test boards apart from the training boards.
    """
    data = config.data
    drawn = [solution for _, solution in sudoku.generate(data.box, data.most_holes, data.solutions, seed)]
    solutions = np.array(list(Counter(map(tuple, drawn))), dtype=np.int64)  # distinct, in the order drawn
    held = max(1, len(solutions) // 4)
    if len(solutions) - held < 1:
        raise ConfigError(f"data.solutions: expected enough for a test solution apart, got {data.solutions}")
    return solutions[held:], solutions[:held]


def _with_holes(solutions: IntArray, count: int, config: TaskConfig, rng: np.random.Generator) -> IntArray:
    """Return int64[count, n * n]: solutions in turn, with a number of holes drawn evenly from the range."""
    cells = solutions.shape[1]
    least, most = round(config.data.least_holes * cells), round(config.data.most_holes * cells)
    boards = solutions[np.arange(count) % len(solutions)]
    number = rng.integers(max(1, least), most + 1, size=count)
    rank = rng.random((count, cells)).argsort(1).argsort(1)
    return np.where(rank < number[:, None], 0, boards)
