from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from latin_squares import latin_squares, solutions

from nnsearch.errors import ConfigError, PoolError
from nnsearch.problems.latin_square.problem import LatinSquare
from training.config import config_of
from training.data.deconstruction import Examples, deconstruct
from training.data.pools.jacobson_matthews import JacobsonMatthews
from training.data.pools.latin_squares import sample_pool
from training.data.pools.pool import Pool, read_pool
from training.tasks.dense_config import DenseConfig
from training.tasks.dense_examples import ExampleBatches, TrainingData, prepare_dense_data

CPU = torch.device("cpu")


def config(order: int = 4, **tables: Any) -> DenseConfig:
    table: dict[str, Any] = {
        "problem": {"order": order},
        "pool": {"solutions": 1000},
        "data": {"validation_states": 32 * order**2},
    }
    for name, values in tables.items():
        table[name] = {**table.get(name, {}), **values} if isinstance(values, dict) else values
    return config_of(DenseConfig, table)


def write_pool(path: Path, squares: Any) -> str:
    Pool(np.asarray(squares).reshape(len(squares), -1), 1, int(np.max(squares))).save(path)
    return str(path)


def sources(data: TrainingData) -> set[bytes]:
    """The solutions behind the validation states with a single hole, which has a single value."""
    last = data.validation.filled == data.problem.num_variables - 1
    complete = data.validation.assignment[last] | data.validation.labels[last]
    values = complete.reshape(last.sum(), data.problem.num_variables, -1)
    assert (values.sum(axis=2) == 1).all()
    return {row.tobytes() for row in values.argmax(axis=2).astype(np.uint8)}


def same(a: TrainingData, b: TrainingData) -> bool:
    arrays = [
        (getattr(x, name), getattr(y, name))
        for x, y, names in (
            (a.examples, b.examples, ("solutions", "solution", "assigned", "target")),
            (a.validation, b.validation, ("assignment", "labels", "filled")),
        )
        for name in names
    ]
    return all(np.array_equal(x, y) for x, y in arrays)


@pytest.mark.parametrize("held_out", [0.1, 0.25, 0.9])
def test_no_solution_is_on_both_sides_of_the_split(held_out: float, tmp_path: Path) -> None:
    file = write_pool(tmp_path / "mine.npz", np.concatenate([latin_squares(4)] * 2))  # every solution twice
    data = prepare_dense_data(
        config(pool={"file": file, "solutions": 2000}, data={"held_out": held_out}), tmp_path / "unused.npz"
    )
    training = {row.tobytes() for row in data.examples.solutions}
    behind_validation = sources(data)
    assert data.num_solutions == 576
    assert len(training) == len(data.examples.solutions) == 576 - round(576 * held_out)
    assert len(behind_validation) > 15
    assert not behind_validation & training
    assert {row.tobytes() for row in solutions(4)} >= behind_validation | training
    assert not (tmp_path / "unused.npz").exists()


def test_each_training_solution_is_deconstructed_in_every_pass(tmp_path: Path) -> None:
    data = prepare_dense_data(config(order=5, pool={"solutions": 40}, data={"passes": 3}), tmp_path / "pool.npz")
    level = data.examples.assigned_mask().sum(axis=1)
    assert set(data.examples.solution.tolist()) == set(range(30))
    assert set(level.tolist()) == set(range(25))
    assert (level == 12).sum() == 3 * 30
    assert (level == 0).sum() <= 125  # duplicates are removed


def test_validation_states_are_spread_over_the_fill_levels(tmp_path: Path) -> None:
    data = prepare_dense_data(config(data={"validation_states": 16 * 5 + 3}), tmp_path / "pool.npz")
    counts = np.bincount(data.validation.filled, minlength=16)
    assert counts.tolist() == [6] * 3 + [5] * 13
    np.testing.assert_array_equal(data.validation.assignment.sum(axis=1), data.validation.filled)


def test_the_same_config_gives_the_same_data_from_a_fresh_pool_and_from_the_kept_one(tmp_path: Path) -> None:
    kept = tmp_path / "a.npz"
    first = prepare_dense_data(config(), kept)
    written = kept.read_bytes()
    assert same(first, prepare_dense_data(config(), kept))
    assert kept.read_bytes() == written
    assert same(first, prepare_dense_data(config(), tmp_path / "b.npz"))


@pytest.mark.parametrize("other", [{"seed": 1}, {"pool": {"seed": 7}}, {"data": {"passes": 2}}])
def test_seeds_and_settings_change_the_data(other: dict[str, Any], tmp_path: Path) -> None:
    assert not same(
        prepare_dense_data(config(), tmp_path / "a.npz"), prepare_dense_data(config(**other), tmp_path / "b.npz")
    )


def identities(examples: Examples) -> set[tuple[bytes, bytes, int]]:
    squares = examples.solutions[examples.solution]
    mask = examples.assigned_mask()
    assigned = np.where(mask, squares, 255).astype(np.uint8)
    value = squares[np.arange(len(examples)), examples.target]
    return {(a.tobytes(), bytes([v]), int(t)) for a, v, t in zip(assigned, value, examples.target, strict=True)}


def test_a_split_by_example_leaves_parts_of_a_solution_on_both_sides(tmp_path: Path) -> None:
    split = config(order=5, pool={"solutions": 40}, data={"split": "example", "held_out": 0.25})
    data = prepare_dense_data(split, tmp_path / "pool.npz")
    assert data.held_out is not None
    whole = len(data.examples) + len(data.held_out)
    assert len(data.held_out) == round(whole * 0.25)
    assert not identities(data.examples) & identities(data.held_out)
    assert len(set(data.examples.solution.tolist()) & set(data.held_out.solution.tolist())) > 30
    # The validation states are partial solutions of the held-out examples.
    assigned = data.validation.assignment.reshape(-1, 25, 5)
    squares = np.where(assigned.any(axis=2), assigned.argmax(axis=2), 255).astype(np.uint8)
    assert {row.tobytes() for row in squares} <= {identity[0] for identity in identities(data.held_out)}
    assert same(data, prepare_dense_data(split, tmp_path / "pool.npz"))
    assert prepare_dense_data(config(order=5, pool={"solutions": 40}), tmp_path / "pool.npz").held_out is None


@pytest.mark.parametrize("split", ["solution", "example"])
def test_examples_are_a_random_part_of_all(split: str, tmp_path: Path) -> None:
    settings = {"passes": 3, "split": split}
    whole = prepare_dense_data(config(order=5, pool={"solutions": 40}, data=settings), tmp_path / "pool.npz")
    part = prepare_dense_data(
        config(order=5, pool={"solutions": 40}, data={**settings, "examples": 200}), tmp_path / "pool.npz"
    )
    assert len(part.examples) == len(identities(part.examples)) == 200
    assert identities(part.examples) < identities(whole.examples)
    assert set(part.examples.assigned_mask().sum(axis=1).tolist()) == set(range(25))
    assert len(set(part.examples.solution.tolist())) >= 25
    too_many = config(order=5, pool={"solutions": 40}, data={**settings, "examples": 10_000})
    with pytest.raises(ConfigError, match=r"^data\.examples: expected \d+ or fewer, got 10000$"):
        prepare_dense_data(too_many, tmp_path / "pool.npz")


def test_the_pool_is_cut_after_duplicates_are_removed(tmp_path: Path) -> None:
    file = write_pool(tmp_path / "mine.npz", latin_squares(4)[[0, 0, 1, 2, 3, 4, 5, 6]])
    data = prepare_dense_data(config(pool={"file": file, "solutions": 6}), tmp_path / "unused.npz")
    used = {row.tobytes() for row in data.examples.solutions} | sources(data)
    assert data.num_solutions == 6
    assert used == {row.tobytes() for row in solutions(4)[:6]}


def test_a_pool_of_anything_but_solutions_is_refused(tmp_path: Path) -> None:
    squares = latin_squares(4)[:20].copy()
    squares[13, 2] = squares[13, 1]
    squares[17] = squares[17, ::-1, :1]  # right columns, wrong rows
    file = write_pool(tmp_path / "mine.npz", squares)
    with pytest.raises(PoolError) as error:
        prepare_dense_data(config(pool={"file": file}), tmp_path / "unused.npz")
    message = str(error.value)
    assert message.startswith(f"{file}: expected Latin squares of order 4; 2 of 20 distinct solutions are not")
    assert message.endswith(f"the first is {squares[13].tolist()}")
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("squares", [[[[1, 2], [2, 1]]], [[[1, 2, 3], [2, 3, 1], [3, 1, 2]]] * 5])
def test_too_few_distinct_solutions_are_refused(squares: list[list[list[int]]], tmp_path: Path) -> None:
    file = write_pool(tmp_path / "mine.npz", squares)
    with pytest.raises(ConfigError, match=r"^1 distinct solutions cannot be split .* one side is empty"):
        prepare_dense_data(config(order=len(squares[0]), pool={"file": file}), tmp_path / "unused.npz")


def test_a_pool_of_another_size_is_refused(tmp_path: Path) -> None:
    file = write_pool(tmp_path / "mine.npz", latin_squares(3))
    with pytest.raises(PoolError, match=r"mine\.npz: expected 16 values per solution, got 9"):
        prepare_dense_data(config(pool={"file": file}), tmp_path / "unused.npz")


@pytest.mark.parametrize("count", [1, 10, 20_000])
def test_sample_pool_is_the_sampler_with_a_progress_bar(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    pool = sample_pool(4, count, seed=9)
    np.testing.assert_array_equal(pool.solutions, JacobsonMatthews(4, seed=9).sample(count).reshape(count, 16))
    output = capsys.readouterr()
    assert output.out == ""
    assert f"{count}/{count}" in output.err


def test_a_sampled_pool_can_be_given_back_as_a_file(tmp_path: Path) -> None:
    prepare_dense_data(config(), tmp_path / "pool.npz")
    pool = read_pool(tmp_path / "pool.npz", 16, 1, 4)
    np.testing.assert_array_equal(pool.solutions, sample_pool(4, 1000, seed=1).solutions)


def slow_batch(examples: Examples, num_values: int, target: str, index: list[int]) -> tuple[list[Any], list[Any]]:
    inputs, targets = [], []
    for m in index:
        values = examples.solutions[examples.solution[m]].tolist()
        assigned = [bool(examples.assigned[m, v // 8] >> (v % 8) & 1) for v in range(len(values))]
        left = assigned.count(False)
        x = [[0.0] * num_values for _ in values]
        t = [[0.0] * num_values for _ in values]
        for variable, value in enumerate(values):
            if assigned[variable]:
                x[variable][value] = 1.0
            elif target == "solution":
                t[variable][value] = 1 / left
        if target == "single":
            removed = int(examples.target[m])
            t[removed][values[removed]] = 1.0
        inputs.append([cell for row in x for cell in row])
        targets.append([cell for row in t for cell in row])
    return inputs, targets


@pytest.mark.parametrize("target", ["single", "solution"])
@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_batches(order: int, target: str) -> None:
    pool = JacobsonMatthews(order, seed=0, thinning=order**3 + 1).sample(12).reshape(12, -1) - np.uint8(1)
    examples = deconstruct(pool, 2, np.random.default_rng(order))
    batches = ExampleBatches(examples, order, target, CPU)
    assert len(batches) == len(examples)
    index = torch.randint(len(examples), (60,), generator=torch.Generator().manual_seed(1))
    assignment, targets = batches.batch(index)
    inputs, expected = slow_batch(examples, order, target, index.tolist())
    assert assignment.dtype == targets.dtype == torch.float32
    assert assignment.tolist() == inputs
    torch.testing.assert_close(targets, torch.tensor(expected))
    torch.testing.assert_close(targets.sum(1), torch.ones(60))
    assert (targets >= 0).all()
    assert not (targets * assignment).any()
    single, _ = batches.batch(index[:1])
    assert torch.equal(single, assignment[:1])


def test_an_order_two_problem_can_be_trained_on(tmp_path: Path) -> None:
    file = write_pool(tmp_path / "mine.npz", latin_squares(2))
    data = prepare_dense_data(config(order=2, pool={"file": file}, data={"held_out": 0.5}), tmp_path / "unused.npz")
    assert (len(data.examples), data.problem) == (4, LatinSquare(2))
