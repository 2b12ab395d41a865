from __future__ import annotations

import os
import signal

import numpy as np
import numpy.typing as npt
import pytest
from latin_squares import latin_squares

from nnsearch.errors import PoolError
from nnsearch.problems.latin_square.problem import is_solution
from training.data.pools import jacobson_matthews
from training.data.pools.jacobson_matthews import JacobsonMatthews


def chi_square(squares: npt.NDArray[np.uint8]) -> float:
    """Against the uniform distribution over all squares of the order."""
    order = squares.shape[1]
    every = latin_squares(order)
    counts = {square.tobytes(): 0 for square in every.astype(np.uint8)}
    for square in squares:
        counts[square.tobytes()] += 1
    expected = len(squares) / len(every)
    return float(((np.array(list(counts.values())) - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("order", range(1, 13))
def test_every_draw_is_a_latin_square(order: int) -> None:
    squares = JacobsonMatthews(order, seed=order).sample(20)
    assert squares.dtype == np.uint8
    assert squares.shape == (20, order, order)
    assert all(is_solution(square) for square in squares)
    assert order < 5 or len(np.unique(squares, axis=0)) == 20


# The bounds are the 1e-6 quantiles on both sides. Drawing after raw moves gives 15.8 per degree of freedom at order 4.
@pytest.mark.parametrize(
    ("order", "thinning", "low", "high"),
    [
        (2, None, 0, 24),
        (3, None, 0.4, 49),
        (3, 28, 0.4, 49),
        (4, None, 428, 751),
        (4, 15, 428, 751),
    ],
)
def test_uniform_over_all_squares(order: int, thinning: int | None, low: float, high: float) -> None:
    assert low <= chi_square(JacobsonMatthews(order, seed=11, thinning=thinning).sample(40_000)) < high


def test_uniform_over_the_two_classes_of_order_5() -> None:
    """Of the 56 reduced squares of order 5, the 6 of the cyclic group are those without an intercalate."""
    squares = JacobsonMatthews(5, seed=3).sample(10_000)
    intercalates = np.zeros(len(squares), dtype=np.int64)
    for top, left in np.ndindex(5, 5):
        for bottom, right in np.ndindex(top, left):
            crossed = squares[:, top, left] == squares[:, bottom, right]
            intercalates += crossed & (squares[:, top, right] == squares[:, bottom, left])
    assert set(intercalates) == {0, 4}
    share, expected = (intercalates == 0).mean(), 6 / 56
    assert abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / len(squares))


def test_the_seed_decides() -> None:
    squares = JacobsonMatthews(6, seed=1).sample(30)
    np.testing.assert_array_equal(squares, JacobsonMatthews(6, seed=1).sample(30))
    assert (squares != JacobsonMatthews(6, seed=2).sample(30)).any()


@pytest.mark.parametrize("size", [1, 7, 30, 100])
def test_chunks_are_the_sample_in_parts(size: int) -> None:
    chunks = list(JacobsonMatthews(5, seed=4).chunks(30, size))
    assert [len(chunk) for chunk in chunks] == [size] * (30 // size) + [30 % size] * (30 % size > 0)
    np.testing.assert_array_equal(np.concatenate(chunks), JacobsonMatthews(5, seed=4).sample(30))


def test_draws_go_on_and_stay_as_they_are() -> None:
    sampler = JacobsonMatthews(5, seed=4)
    first = sampler.sample(10)
    kept = first.copy()
    second = sampler.sample(20)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(np.concatenate([first, second]), JacobsonMatthews(5, seed=4).sample(30))


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(PoolError, match="expected a seed of 0 or more, got -1"):
        JacobsonMatthews(4, seed=-1)


@pytest.mark.parametrize("order", [-1, 0, 256])
def test_orders_out_of_range_are_refused(order: int) -> None:
    with pytest.raises(PoolError, match=f"expected an order from 1 to 255, got {order}"):
        JacobsonMatthews(order, seed=0)


def test_compiled_functions_are_not_torn_apart_by_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """To load them LLVM calls Python, where Ctrl-C would be lost."""
    ended = []

    def loaded(*arguments: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        ended.append(len(arguments))

    sampler = JacobsonMatthews(4, 1)
    for name, call in (("_advance", lambda: JacobsonMatthews(4, 1)), ("_draw", lambda: sampler.sample(1))):
        monkeypatch.setattr(jacobson_matthews, name, loaded)
        with pytest.raises(KeyboardInterrupt):
            call()
    assert ended == [3, 4]
