"""Linear programs: the first-order method says what the simplex method says, to its precision."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nnsearch import linear_program
from nnsearch.linear_program import FloatArray, LinearProgram, solve_linear


@contextmanager
def without_simplex() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(linear_program._Simplex, "_solve", lambda method: method.answer)
        yield


@pytest.fixture
def by_first_order() -> Iterator[None]:
    with without_simplex():
        yield


def program(
    cost: Any, matrix: Any, row_lower: Any, row_upper: Any, lower: Any = 0.0, upper: Any = 1.0
) -> LinearProgram:
    rows = np.array(matrix, dtype=np.float64)
    row, column = np.nonzero(rows)
    count = rows.shape[1]

    def many(numbers: Any, length: int) -> FloatArray:
        return np.broadcast_to(np.array(numbers, dtype=np.float64), length)

    return LinearProgram(
        many(lower, count),
        many(upper, count),
        many(cost, count),
        many(row_lower, len(rows)),
        many(row_upper, len(rows)),
        row,
        column,
        rows[row, column],
    )


@st.composite
def programs(draw: st.DrawFn) -> LinearProgram:
    rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    upper = rng.integers(1, 9, columns)
    matrix = rng.integers(-3, 4, (rows, columns))
    middle = matrix @ (upper * rng.random(columns))  # so that there is a solution
    return program(rng.integers(-5, 6, columns), matrix, middle - rng.integers(0, 3, rows), middle + 1, 0, upper)


@given(programs())
def test_it_finds_what_the_simplex_method_finds(drawn: LinearProgram) -> None:
    exact = solve_linear(drawn, 5.0)
    assert exact.optimal
    with without_simplex():
        found = solve_linear(drawn, 5.0)
    assert found.optimal
    span = float(np.abs(drawn.cost) @ (drawn.upper - drawn.lower))
    assert found.objective == pytest.approx(exact.objective, abs=0.02 * span + 1e-3)  # ties are broken by a hundredth
    known = np.isfinite(exact.values)
    assert (np.isfinite(found.values) == known).all()
    values = np.where(known, found.values, 0.0)
    assert (drawn.lower - 1e-9 <= values)[known].all()
    assert (values <= drawn.upper + 1e-9)[known].all()
    sums = np.bincount(drawn.row, drawn.coefficient * values[drawn.column], len(drawn.row_lower))
    assert (drawn.row_lower - 0.05 <= sums).all()
    assert (sums <= drawn.row_upper + 0.05).all()


@given(programs())
def test_reduced_costs_have_the_sign_of_their_bound(drawn: LinearProgram) -> None:
    with without_simplex():
        found = solve_linear(drawn, 5.0)
    assume(found.optimal)
    inside = (found.values > drawn.lower + 0.01) & (found.values < drawn.upper - 0.01)
    usual = float(np.abs(drawn.cost).max(initial=1.0))
    assert (np.abs(found.reduced_costs[inside]) <= 0.05 * usual).all()


@pytest.mark.usefixtures("by_first_order")
def test_ties_are_broken_so_that_values_are_integers() -> None:
    """Of 12 to 12, where all costs are the same, the middle of the vertices is 1/12 everywhere."""
    n = 12
    matrix = np.zeros((2 * n, n * n))
    for i, j in itertools.product(range(n), repeat=2):
        matrix[i, i * n + j] = matrix[n + j, i * n + j] = 1
    found = solve_linear(program(np.ones(n * n), matrix, 1, 1), 5.0)
    assert found.objective == pytest.approx(n, rel=1e-3)
    assert np.isin(found.values, (0, 1)).mean() > 0.95


@pytest.mark.usefixtures("by_first_order")
def test_what_has_no_term_and_no_cost_has_no_value() -> None:
    found = solve_linear(program([1, 0, 0], [[1, 1, 0]], 1, 1), 5.0)
    assert np.isnan(found.values).tolist() == [False, False, True]
    assert found.values[:2].tolist() == [0, 1]


@pytest.mark.usefixtures("by_first_order")
def test_it_says_nothing_of_what_it_takes_for_infeasible() -> None:
    found = solve_linear(program([1, 1], [[1, 1]], 3, 3), 5.0)
    assert np.isnan(found.objective)
    assert not found.optimal


@pytest.mark.usefixtures("by_first_order")
def test_it_stops_when_told() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.random((400, 500)) * (rng.random((400, 500)) < 0.3)
    hard = program(rng.random(500), matrix, matrix.sum(1) / 3, np.inf)
    asked: list[float] = []

    def stop() -> bool:
        asked.append(time.perf_counter())
        return len(asked) > 2

    assert not solve_linear(hard, 60.0, stop=stop).optimal
    assert len(asked) <= 4


@pytest.mark.parametrize("quick", ["_Simplex", "_FirstOrder"])
def test_the_first_answer_ends_the_other(quick: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_program, "_SIMPLEX_SECONDS", 0.0)
    slow = {"_Simplex": linear_program._FirstOrder, "_FirstOrder": linear_program._Simplex}[quick]
    ended: list[bool] = []

    def wait(method: Any) -> Any:
        while not method._interrupter.interrupted:
            time.sleep(0.001)
        ended.append(True)
        return method.answer

    monkeypatch.setattr(slow, "_solve", wait)
    assert solve_linear(program([1, 2], [[1, 1]], 1, 1), 60.0).values == pytest.approx([1, 0], abs=1e-3)
    assert ended in ([], [True])  # the first-order method may not have begun
    if quick == "_FirstOrder":
        assert ended


def test_what_a_solver_raises_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> Any:
        raise MemoryError("no room")

    monkeypatch.setattr(linear_program._Simplex, "_solve", fail)
    with pytest.raises(MemoryError, match="no room"):
        solve_linear(program([1, 2], [[1, 1]], 1, 1), 5.0)
