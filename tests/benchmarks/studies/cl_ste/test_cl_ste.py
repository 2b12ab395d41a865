from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import benchmarks.__main__ as command_line
from benchmarks.studies.cl_ste.tasks import shortest_path, sudoku_boards
from benchmarks.studies.cl_ste.tasks.config import TaskConfig, read_task, task_names
from benchmarks.studies.cl_ste.tasks.picture_task import PictureTask
from benchmarks.studies.cl_ste.tasks.shortest_path import EDGES, NODES, PathTask
from benchmarks.studies.cl_ste.tasks.sudoku_boards import BoardTask
from benchmarks.studies.cl_ste.tasks.tasks import build_task
from benchmarks.studies.cl_ste.training import train
from nnsearch.errors import ConfigError
from nnsearch.problems.sudoku.problem import Sudoku
from training import loop
from training.config import config_of
from training.losses.cnf_ste import ClauseMatrix, cnf_loss, with_facts

pytestmark = pytest.mark.slow

PICTURE_TASKS = ("add", "add-two-digits", "add2x2", "apply2x2", "member-3", "member-5")
SMALL = {"data.examples": "20", "data.test": "20", "data.solutions": "20"}


def small(name: str, **overrides: str) -> TaskConfig:
    return read_task(name, SMALL | {key.replace("__", "."): value for key, value in overrides.items()})


def test_every_config_names_itself() -> None:
    for name in task_names():
        assert read_task(name).name == name


@pytest.mark.parametrize("binariser", ["probability", "identity"])
@pytest.mark.parametrize("name", PICTURE_TASKS)
def test_the_right_classes_satisfy_the_facts(name: str, binariser: str) -> None:
    pytest.importorskip("sklearn")
    task = build_task(small(name, loss__binariser=binariser), seed=1)
    assert isinstance(task, PictureTask)
    index = torch.arange(task.num_examples)
    clauses = ClauseMatrix.of(task.clauses)
    right = task.digits.classes[task.examples]
    facts = task.facts(index)

    def loss(classes: Tensor) -> list[float]:
        logits = 20.0 * torch.nn.functional.one_hot(classes, task.about.num_classes) - 10
        got = cnf_loss(with_facts(facts, task.atoms(logits)), facts, clauses, open_only=True)
        return (got.deduce + got.unsat + got.keep).tolist()

    assert loss(right) == [0.0] * task.num_examples
    # Every number one higher is another sum, and other operators give another result of most numbers.
    assert max(loss((right + 1) % task.about.num_classes)) > 0


def test_test_pictures_are_in_no_example() -> None:
    pytest.importorskip("sklearn")
    task = build_task(small("add"), seed=1)
    assert isinstance(task, PictureTask)
    train_pictures = set(map(tuple, task.digits.pictures.flatten(1).tolist()))
    assert not train_pictures & set(map(tuple, task.digits.test_pictures.flatten(1).tolist()))
    assert len(train_pictures) > 1000


def edges_of(grid: list[float]) -> dict[int, list[tuple[int, int]]]:
    neighbours: dict[int, list[tuple[int, int]]] = {node: [] for node in range(NODES)}
    for place, (one, other) in enumerate(EDGES):
        if grid[place]:
            neighbours[one].append((other, place))
            neighbours[other].append((one, place))
    return neighbours


@pytest.mark.parametrize("degrees", ["true", "false"])
def test_labels_of_paths_are_shortest_paths(degrees: str) -> None:
    task = build_task(small("shortest-path", data__degrees=degrees), seed=3)
    assert isinstance(task, PathTask)
    assert task.clauses.num_clauses == (68 if degrees == "false" else 68 + 48 + 24 + 24)
    facts = task.facts(torch.arange(task.num_examples))
    values = with_facts(facts, torch.nn.functional.pad(task.paths, (NODES, facts.shape[1] - NODES - len(EDGES))))
    assert task.clauses.satisfied(values.numpy()).all()
    for grid, label in zip(task.grids.tolist(), task.paths.tolist(), strict=True):
        assert sum(grid[: len(EDGES)]) == 16
        start, end = (node for node in range(NODES) if grid[len(EDGES) + node])
        # All simple walks of fewer edges than the label fail to arrive, and the label is one walk.
        neighbours = edges_of(grid)
        level, steps = {start}, 0
        while end not in level:
            level, steps = {other for node in level for other, _ in neighbours[node]}, steps + 1
        assert sum(label) == steps
        node, used = start, set[int]()
        while node != end:
            ((node, place),) = [(n, p) for n, p in neighbours[node] if label[p] and p not in used]
            used.add(place)
        assert used == {place for place, on in enumerate(label) if on}


def test_a_network_that_knows_the_paths_is_right() -> None:
    task = build_task(small("shortest-path"), seed=3)
    assert isinstance(task, PathTask)
    answers = {
        tuple(grid): label
        for grids, paths in ((task.test_grids, task.test_paths), (task.new_grids, task.new_paths))
        for grid, label in zip(grids.tolist(), paths.tolist(), strict=True)
    }

    class Known(torch.nn.Module):
        def forward(self, grids: Tensor) -> Tensor:
            return torch.tensor([answers[tuple(grid)] for grid in grids.tolist()]) - 0.5

    assert set(task.measure(Known()).values()) == {1.0}
    assert task.measure(torch.nn.Sequential(Known(), torch.nn.Hardtanh(-1, -0.1)))["exact"] == 0


def test_boards_of_different_solutions() -> None:
    task = build_task(small("sudoku-4"), seed=2)
    assert isinstance(task, BoardTask)
    assert task.clauses.num_clauses == 12 * 4 * 7
    for board in torch.cat([task.boards, task.test_boards]).numpy():
        Sudoku("", board.reshape(4, 4))  # refuses a value that stands twice
        assert 4 <= (board == 0).sum() <= 10
    solution = torch.tensor([1, 2, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 1])
    atoms = sudoku_boards.value_planes(solution[None], 4).flatten(2).transpose(1, 2).flatten(1)
    assert task.clauses.satisfied(atoms.numpy()).all()


def test_filling_follows_confidence_and_keeps_givens() -> None:
    board = torch.tensor([[0, 2, 0, 1]])
    scores = torch.zeros(1, 4, 4)
    scores[0, 0, 3], scores[0, 2, 0], scores[0, 1, 3] = 2.0, 1.0, 9.0
    assert sudoku_boards.fill(board, scores, cells=1).tolist() == [[4, 2, 0, 1]]
    assert sudoku_boards.fill(board, scores, cells=None).tolist() == [[4, 2, 1, 1]]
    asked: list[Any] = []

    def score(boards: Tensor) -> Tensor:
        asked.append(boards.tolist())
        return scores

    assert sudoku_boards.iterate(board, score).tolist() == [[4, 2, 1, 1]]
    assert asked == [[[0, 2, 0, 1]], [[4, 2, 0, 1]]]


def test_an_interrupted_run_ends_like_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = small("shortest-path", train__epochs="3", train__batch_size="4", train__hidden="[8]")
    whole = train.fit(config, 1, tmp_path / "whole")

    class Interrupted:
        presses = itertools.count()

        def __enter__(self) -> Interrupted:
            return self

        def __exit__(self, *_: object) -> None: ...

        def __call__(self) -> bool:
            return next(self.presses) == 7

    with monkeypatch.context() as patched:
        patched.setattr(loop, "DeferredInterrupt", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            train.fit(config, 1, tmp_path / "parts")
    parts = train.fit(config, 1, tmp_path / "parts")
    assert parts.steps == whole.steps == 15
    assert parts.measured == whole.measured
    for one, other in zip(parts.network.state_dict().values(), whole.network.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    with pytest.raises(ConfigError, match="holds a run with another config"):
        train.fit(config, 2, tmp_path / "parts")


class Killed(BaseException):
    """Stands for a process that is gone: nothing catches it."""


@pytest.mark.parametrize("step", [1, 8, 14])
def test_a_killed_run_ends_like_one_that_was_not(step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    config = small("shortest-path", train__epochs="3", train__batch_size="4", train__hidden="[8]")
    whole = train.fit(config, 1, tmp_path / "whole")
    total_loss, calls = train.task_loss, itertools.count()

    def dying(*arguments: Any) -> Tensor:
        if next(calls) == step:
            raise Killed
        return total_loss(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(train, "task_loss", dying)
        with pytest.raises(Killed):
            train.fit(config, 1, tmp_path / "parts")
    parts = train.fit(config, 1, tmp_path / "parts")
    assert (parts.steps, parts.measured) == (whole.steps, whole.measured)
    for one, other in zip(parts.network.state_dict().values(), whole.network.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_a_task_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    output = tmp_path / "results.jsonl"
    command = ["study", "cl-ste", "--task", "add", "--seeds", "1", "2", "--output", str(output)]
    command += ["--runs", str(tmp_path / "runs"), "--set", "data.examples=1000", "--set", "train.decay=none"]
    assert command_line.main(command) == 0
    shown = capsys.readouterr().out
    assert "(aim 0.95)" in shown
    records = [json.loads(line) for line in output.read_text().splitlines()]
    assert [record["config"]["seed"] for record in records] == [1, 2]
    # Ten classes from sums alone, after 500 steps: far above a tenth, which is chance.
    assert all(record["result"]["measured"]["accuracy"] > 0.6 for record in records)
    assert all(record["result"]["steps"] == 500 for record in records)
    assert command_line.main(command) == 0  # nothing is measured again
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "chess"], "--task: expected a .toml file or one of add, "),
        (["--task", "add", "--set", "train.epochs=0"], "train.epochs: expected 1 or more, got 0"),
        (["--task", "add", "--set", "train"], "--set: expected KEY=VALUE, got 'train'"),
        (["--task", "add", "--seeds", "-1"], "--seeds: expected 0 to 4294967295, got -1"),
        (["--task", "add", "--set", "task=chess"], "task: expected one of add, "),
        (["--task", "add", "--set", "loss.binariser=sign"], "loss.binariser: expected one of probability, "),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    output = ["--output", str(tmp_path / "r.jsonl"), "--runs", str(tmp_path)]
    assert command_line.main(["study", "cl-ste", *arguments, *output]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "results" not in line]
    assert message in line


def test_a_task_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\ntask = "member"\n[data]\nimages = 2\n')
    assert read_task(str(path)) == config_of(
        TaskConfig, {"name": "mine", "task": "member", "data": {"images": 2}}, path
    )


def test_paths_do_not_depend_on_global_randomness() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    one = shortest_path.build(small("shortest-path"), 5)
    np.random.seed(1)  # noqa: NPY002
    other = shortest_path.build(small("shortest-path"), 5)
    assert torch.equal(one.grids, other.grids)
