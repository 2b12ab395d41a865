"""Linear programs: the first-order method says what the simplex method says, to its precision."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stand_ins import PATIENCE

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
    assert found.objective == pytest.approx(exact.objective, abs=0.01 * span + 1e-2)  # ties are broken by a hundredth
    known = np.isfinite(exact.values)
    assert (np.isfinite(found.values) == known).all()
    values = np.where(known, found.values, 0.0)
    assert (drawn.lower - 1e-9 <= values)[known].all()
    assert (values <= drawn.upper + 1e-9)[known].all()
    sums = np.bincount(drawn.row, drawn.coefficient * values[drawn.column], len(drawn.row_lower))
    assert (drawn.row_lower - 0.05 <= sums).all()
    assert (sums <= drawn.row_upper + 0.05).all()


@pytest.mark.usefixtures("by_first_order")
def test_a_knapsack_by_hand() -> None:
    """The weights are 2, 4 and 3, the worths 5, 6 and 1; there is room for 4."""
    found = solve_linear(program([-5, -6, -1], [[2, 4, 3]], 0, 4), 5.0)
    assert found.values == pytest.approx([1, 0.5, 0], abs=1e-3)
    assert found.reduced_costs == pytest.approx([-2, 0, 3.5], abs=0.05)
    assert found.reduced_costs[1] == 0, "between its bounds"
    assert found.objective == pytest.approx(-8, rel=1e-3)


@pytest.mark.usefixtures("by_first_order")
def test_cheap_columns_beside_dear_ones_are_not_drowned() -> None:
    """Of 200 times three columns of cost 1, 2 and 3 the cheapest is taken, though most columns cost 1000."""
    groups, dear = 200, 700
    matrix = np.zeros((groups, 3 * groups + dear))
    for group in range(groups):
        matrix[group, 3 * group : 3 * group + 3] = 1
    costs = [*([1, 2, 3] * groups), *([1000] * dear)]
    assert solve_linear(program(costs, matrix, 1, 1), 10.0).objective == pytest.approx(groups, rel=5e-3)


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


def test_what_presolve_takes_for_infeasible_or_unbounded_is_infeasible_where_costs_have_bounds() -> None:
    rows = [[1, 0, -1, 0, -1, 0], [1, 0, 0, 0, 0, -1], [0, 0, -1, 0, 1, 0], [0, 0, 1, 0, -2, 0], [1, 0, 0, 0, 1, 0]]
    found = solve_linear(program([0, 0, 0, 0, 0, -1], rows, [-1, 0, 0, 1, 0], np.inf, 0, [0, 0, 2, 1, 1, 1]), PATIENCE)
    assert found.objective == np.inf
    assert not found.optimal


@pytest.mark.usefixtures("by_first_order")
def test_it_says_nothing_of_what_it_takes_for_infeasible() -> None:
    found = solve_linear(program([1, 1], [[1, 1]], 3, 3), 5.0)
    assert np.isnan(found.objective)
    assert not found.optimal


def waiting(method: Any) -> Any:
    """Stand in for a solver that ends when it is told to."""
    told = threading.Event()
    method.interrupter.add_interruption_callback(told.set)
    assert told.wait(PATIENCE), "not interrupted"
    return method.answer


def running() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "nnsearch-linear-program"]


SMALL = program([1, 2], [[1, 1]], 1, 1)


@pytest.mark.parametrize("slow", ["_Simplex", "_FirstOrder"])
def test_the_first_answer_ends_the_other(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_program, "_SIMPLEX_SECONDS", 0.0)
    monkeypatch.setattr(getattr(linear_program, slow), "_solve", waiting)
    found = solve_linear(SMALL, 60.0)
    assert found.values == pytest.approx([1, 0], abs=1e-3)
    assert running() == []


def test_it_stops_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_program, "_SIMPLEX_SECONDS", 0.0)
    for method in (linear_program._Simplex, linear_program._FirstOrder):
        monkeypatch.setattr(method, "_solve", waiting)
    asked: list[int] = []

    def stop() -> bool:
        asked.append(len(running()))
        return len(asked) > 3

    assert not solve_linear(SMALL, 60.0, stop=stop).optimal
    assert asked[-1] == 2
    assert running() == []


def test_a_helper_that_knows_nothing_is_waited_for_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_program, "_SIMPLEX_SECONDS", 0.0)
    monkeypatch.setattr(linear_program._Simplex, "_solve", waiting)
    monkeypatch.setattr(linear_program._FirstOrder, "_solve", lambda method: method.answer)
    began, asked = time.perf_counter(), []

    def stop() -> bool:
        asked.append(0)
        return time.perf_counter() > began + 0.3

    solve_linear(SMALL, 60.0, stop=stop)
    assert len(asked) < 100, "asked again and again without a pause"


def fail(_: Any) -> Any:
    raise MemoryError("no room")


@pytest.mark.parametrize("terms", [0, 10**6])
def test_an_error_is_raised_if_neither_solver_does_without(terms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_program, "_MANY_TERMS", terms)
    for method in (linear_program._Simplex, linear_program._FirstOrder):
        monkeypatch.setattr(method, "_solve", fail)
    with pytest.raises(MemoryError, match="no room"):
        solve_linear(SMALL, 5.0)


@pytest.mark.parametrize("terms", [0, 10**6])
@pytest.mark.parametrize("failing", ["_Simplex", "_FirstOrder"])
def test_one_solver_stands_in_for_another_that_fails(failing: str, terms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_program, "_MANY_TERMS", terms)
    monkeypatch.setattr(getattr(linear_program, failing), "_solve", fail)
    assert solve_linear(SMALL, 60.0).optimal


def test_an_answer_counts_more_than_the_error_of_a_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    simplex = linear_program._Simplex._solve

    def late(method: Any) -> Any:
        time.sleep(0.1)
        return simplex(method)

    monkeypatch.setattr(linear_program, "_SIMPLEX_SECONDS", 0.0)
    monkeypatch.setattr(linear_program._Simplex, "_solve", late)
    monkeypatch.setattr(linear_program._FirstOrder, "_solve", fail)
    assert solve_linear(SMALL, 5.0).values.tolist() == [1, 0]


def test_the_first_order_method_helps_a_slow_simplex_method_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_program._Simplex, "_solve", waiting)
    assert solve_linear(SMALL, 60.0).optimal


@pytest.mark.parametrize("knows", [True, False])
def test_a_large_program_is_left_to_the_first_order_method_unless_that_gives_up(
    knows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    for method in (linear_program._Simplex, linear_program._FirstOrder):

        def noted(one: Any, name: str = method.__name__, solve: Any = method._solve) -> Any:
            asked.append(name)
            return one.answer if name == "_FirstOrder" and not knows else solve(one)

        monkeypatch.setattr(method, "_solve", noted)
    monkeypatch.setattr(linear_program, "_MANY_TERMS", 1)
    monkeypatch.setattr(linear_program, "_SIMPLEX_SECONDS", 0.0)
    assert solve_linear(SMALL, 60.0).optimal
    assert asked == (["_FirstOrder"] if knows else ["_FirstOrder", "_Simplex"])
