from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.studies.cl_ste.tasks import sudoku_boards
from benchmarks.studies.cl_ste.tasks.config import TaskConfig, read_task
from benchmarks.studies.cl_ste.tasks.recurrent_relational import RecurrentRelationalNetwork, others
from benchmarks.studies.cl_ste.tasks.sudoku_boards import BoardTask
from benchmarks.studies.cl_ste.tasks.tasks import build_task
from nnsearch.errors import ConfigError

HALF, CLAUSES, ALL = "sudoku-4-half", "sudoku-4-half-clauses", "sudoku-4-all"
SMALL = {"data.examples": "20", "data.test": "10", "data.solutions": "40"}


def build(name: str, seed: int = 1) -> BoardTask:
    task = build_task(read_task(name, SMALL), seed)
    assert isinstance(task, BoardTask)
    return task


def test_arms_differ_in_labels_and_clauses_alone() -> None:
    def rest(config: TaskConfig) -> TaskConfig:
        return replace(config, name="", task="", loss=read_task(HALF).loss)

    half, clauses, every = read_task(HALF), read_task(CLAUSES), read_task(ALL)
    assert rest(half) == rest(clauses) == rest(every)
    assert half.task == clauses.task == "sudoku-half-labels"
    assert half.loss == every.loss == replace(clauses.loss, cnf=0.0, open_only=half.loss.open_only)
    assert clauses.loss.cnf > 0


def test_labels_are_the_solutions_of_the_first_boards() -> None:
    half, every = build(HALF), build(ALL)
    assert (len(half.solutions), len(every.solutions), half.num_examples) == (10, 20, 20)
    assert torch.equal(half.solutions, every.solutions[:10])
    for board, solution in zip(every.boards, every.solutions, strict=True):
        assert bool(((board == 0) | (board == solution)).all())
    atoms = sudoku_boards.value_planes(every.solutions, 4).flatten(2).transpose(1, 2).flatten(1)
    assert every.clauses.satisfied(atoms.numpy()).all()


def test_boards_are_those_of_the_task_without_labels() -> None:
    half = build(HALF)
    without = sudoku_boards.build(half.config, 1)
    assert torch.equal(half.boards, without.boards)
    assert torch.equal(half.test_boards, without.test_boards)
    training, held_out = sudoku_boards.split_solutions(half.config, 1)
    assert not set(map(tuple, training.tolist())) & set(map(tuple, held_out.tolist()))


def test_only_labelled_boards_have_a_label_loss() -> None:
    half = build(HALF)
    outputs = torch.randn(20, 16, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    index = torch.arange(20).flip(0)
    gradient = torch.autograd.grad(half.label_loss(outputs, index), outputs)[0].abs().sum((1, 2))
    assert (gradient > 0).tolist() == [False] * 10 + [True] * 10
    assert half.label_loss(outputs[:10], index[:10]).item() == 0
    right = 20 * torch.nn.functional.one_hot(half.solutions - 1, 4).float()
    assert half.label_loss(right, torch.arange(10)).item() < 1e-6


@torch.no_grad()
def test_a_network_that_knows_the_rules_alone_does_not_know_rows_from_columns() -> None:
    torch.manual_seed(0)
    network = RecurrentRelationalNetwork(box=2, hidden=8, rounds=3)
    boards = sudoku_boards.value_planes(build(HALF).boards, 4)
    scores = network(boards).view(-1, 4, 4, 4)
    turned = network(boards.transpose(2, 3)).view(-1, 4, 4, 4)
    torch.testing.assert_close(turned, scores.transpose(1, 2))
    swapped = network(boards[:, :, [1, 0, 2, 3]]).view(-1, 4, 4, 4)  # two rows of a band
    torch.testing.assert_close(swapped, scores[:, [1, 0, 2, 3]])
    across = network(boards[:, :, [0, 2, 1, 3]]).view(-1, 4, 4, 4)  # rows of two bands
    assert not torch.allclose(across, scores[:, [0, 2, 1, 3]])


@pytest.mark.parametrize(("box", "count"), [(2, 7), (3, 20)])
def test_cells_hear_their_row_column_and_box(box: int, count: int) -> None:
    heard = others(box)
    assert heard.shape == (box**4, count)
    for cell, row in enumerate(heard.tolist()):
        assert cell not in row
        assert len(set(row)) == count
        assert all(cell in heard[other].tolist() for other in row)
    assert np.array_equal(heard[0, : box**2 - 1], range(1, box**2))


def test_one_width_is_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"train.hidden: expected one width for all rounds, got \(8, 8\)"):
        build_task(read_task(HALF, SMALL | {"train.hidden": "[8, 8]"}), 1)
