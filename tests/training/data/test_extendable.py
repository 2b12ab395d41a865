from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from extendable import is_extendable
from latin_squares import latin_squares
from ortools.sat.python import cp_model

from nnsearch.errors import NNSearchError
from nnsearch.problems.latin_square.problem import LatinSquare
from training.data.exact_cover import label_latin_squares
from training.data.pools.jacobson_matthews import JacobsonMatthews

Grids = npt.NDArray[np.int64]


def consistent(grid: Grids) -> bool:
    return all(len(line[line > 0]) == len(set(line[line > 0])) for line in (*grid, *grid.T))


def random_consistent_grid(order: int, filled: int, rng: np.random.Generator) -> Grids:
    """Cells in random order get any value that clashes with none yet: seldom extendable when many are filled."""
    grid = np.zeros((order, order), dtype=np.int64)
    for cell in rng.permutation(order**2):
        r, c = divmod(int(cell), order)
        free = sorted(set(range(1, order + 1)) - set(grid[r]) - set(grid[:, c]))
        if free and (grid > 0).sum() < filled:
            grid[r, c] = rng.choice(free)
    return grid


def slow_labels(grids: Grids) -> npt.NDArray[np.bool_]:
    """By comparison with every Latin square of the order."""
    order = grids.shape[1]
    squares = latin_squares(order)
    labels = np.zeros((len(grids), order, order, order), dtype=np.bool_)
    for grid, label in zip(grids, labels, strict=True):
        completions = squares[((grid == 0) | (squares == grid)).all(axis=(1, 2))]
        label |= (completions[..., None] == np.arange(1, order + 1)).any(axis=0) & (grid == 0)[..., None]
    return labels.reshape(len(grids), -1)


def test_every_partial_latin_square_of_order_3() -> None:
    every = np.array(list(product(range(4), repeat=9))).reshape(-1, 3, 3)
    pairs = [
        (a, b) for line in (*np.arange(9).reshape(3, 3), *np.arange(9).reshape(3, 3).T) for a in line for b in line
    ]
    flat = every.reshape(-1, 9)
    clash = np.any([(flat[:, a] == flat[:, b]) & (flat[:, a] > 0) for a, b in pairs if a < b], axis=0)
    grids = every[~clash]
    assert len(grids) == 11_776  # OEIS A155998
    np.testing.assert_array_equal(label_latin_squares(grids), slow_labels(grids))


@pytest.mark.parametrize("failure_limit", [0, 1, 5])
def test_restarts_change_no_label(failure_limit: int) -> None:
    rng = np.random.default_rng(3)
    grids = np.array([random_consistent_grid(7, 14, rng) for _ in range(60)])
    expected = label_latin_squares(grids, failure_limit=10**9)
    np.testing.assert_array_equal(label_latin_squares(grids, failure_limit), expected)


def test_order_4_against_all_576_squares() -> None:
    rng = np.random.default_rng(0)
    extendable = [s * (rng.random((4, 4)) < rng.random()) for s in latin_squares(4)]
    any_consistent = [random_consistent_grid(4, int(rng.integers(17)), rng) for _ in range(400)]
    grids = np.array(extendable + any_consistent)
    labels = label_latin_squares(grids)
    np.testing.assert_array_equal(labels, slow_labels(grids))
    dead = ~labels.any(axis=1) & (grids == 0).any(axis=(1, 2))
    assert 100 < dead.sum() < 400  # both kinds are there
    assert not dead[: len(extendable)].any()


@pytest.mark.parametrize("order", [5, 6, 7])
def test_both_labellers_agree(order: int) -> None:
    rng = np.random.default_rng(order)
    squares = JacobsonMatthews(order, seed=order).sample(5).astype(np.int64)
    grids = [square * (rng.random((order, order)) < 0.55) for square in squares]
    grids += [random_consistent_grid(order, int(order**2 * share), rng) for share in (0.4, 0.5, 0.6, 0.7, 0.8)]
    labels = label_latin_squares(np.array(grids))
    model, _ = LatinSquare(order).build()
    answers = []
    for grid, label in zip(grids, labels, strict=True):
        fixed = {i: int(v) for i, v in enumerate(grid.ravel()) if v}
        holes = np.flatnonzero(grid == 0)
        for cell, value in zip(rng.choice(holes, 8), rng.integers(1, order + 1, 8), strict=True):
            answers.append(is_extendable(model, {**fixed, int(cell): int(value)}))
            assert answers[-1] == label[cell * order + value - 1], (grid, cell, value)
    assert {True, False} == set(answers)


@pytest.mark.parametrize(("order", "holes"), [(8, 0.6), (10, 0.5), (10, 0.6)])
def test_every_pair_of_the_square_behind_a_grid_is_extendable(order: int, holes: float) -> None:
    """Here the search has to undo wrong choices; at small orders it hardly ever makes one."""
    squares = JacobsonMatthews(order, seed=1).sample(200).astype(np.int64)
    hole = np.random.default_rng(0).random(squares.shape) < holes
    labels = label_latin_squares(squares * ~hole).reshape(*squares.shape, order)
    own = np.take_along_axis(labels, squares[..., None] - 1, axis=3)[..., 0]
    np.testing.assert_array_equal(own, hole)
    assert labels[hole].mean() < 0.5  # most pairs are not


@pytest.mark.parametrize(
    "grid",
    [
        [[1, 2, 0], [0, 0, 3], [0, 0, 0]],  # consistent, but the cell of row 1, column 3 has no value
        [[1, 1, 0], [0, 0, 0], [0, 0, 0]],  # inconsistent
        [[1, 0, 0], [1, 0, 0], [0, 0, 0]],
        ([[1, 1, 0], [2, 3, 1], [3, 2, 2]]),
    ],
)
def test_a_square_without_a_completion_has_no_extendable_pair(grid: list[list[int]]) -> None:
    assert not label_latin_squares(np.array([grid])).any()
    assert not is_extendable(LatinSquare(3).build()[0], {i: v for i, v in enumerate(np.ravel(grid).tolist()) if v})


def test_small_empty_and_full_squares() -> None:
    assert label_latin_squares(np.zeros((1, 1, 1), np.int64)).tolist() == [[True]]
    assert label_latin_squares(np.zeros((2, 6, 6), np.uint8)).all()
    assert not label_latin_squares(latin_squares(4)).any()
    assert label_latin_squares(np.zeros((0, 3, 3), np.int64)).shape == (0, 27)


def test_the_grids_are_left_alone() -> None:
    grids = latin_squares(4)[:20] * (np.arange(16).reshape(4, 4) % 3 == 0)
    before = grids.copy()
    label_latin_squares(grids)
    np.testing.assert_array_equal(grids, before)


def test_order_64_fills_the_machine_word_and_65_is_refused() -> None:
    index = np.arange(64)
    square = (index[:, None] + index) % 64 + 1
    holed = square.copy()
    holed[[3, 3, 63], [5, 63, 63]] = 0  # each hole has one value
    labels = label_latin_squares(holed[None]).reshape(64, 64, 64)
    assert {(r, c, v + 1) for r, c, v in np.argwhere(labels).tolist()} == {
        (r, c, int(square[r, c])) for r, c in ((3, 5), (3, 63), (63, 63))
    }
    with pytest.raises(NNSearchError, match="up to order 64, got 65"):
        label_latin_squares(np.zeros((1, 65, 65), np.int64))


def test_is_extendable_on_a_model_of_another_kind() -> None:
    model = cp_model.CpModel()
    x, y, z = (model.new_int_var(0, 4, name) for name in "xyz")
    model.add(x + 2 * y == z)
    model.add_all_different(x, y, z)
    before = str(model.proto)
    triples = [t for t in product(range(5), repeat=3) if t[0] + 2 * t[1] == t[2] and len(set(t)) == 3]
    for index, value in product(range(3), range(-1, 6)):
        assert is_extendable(model, {index: value}) == any(t[index] == value for t in triples)
    for a, b in product(range(5), repeat=2):
        assert is_extendable(model, {0: a, 1: b}) == any(t[:2] == (a, b) for t in triples)
    assert is_extendable(model, {})
    assert str(model.proto) == before


def test_no_answer_in_time_is_an_error_and_no_guess() -> None:
    with pytest.raises(NNSearchError, match=r"CP-SAT said UNKNOWN within 0 s; raise the time limit"):
        is_extendable(LatinSquare(12).build()[0], {}, time_limit=0)
