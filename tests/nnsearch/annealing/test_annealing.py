"""Simulated annealing: what it finds is feasible and better, and its sums are those of its values after any moves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from stopping import bounded

from nnsearch.annealing.annealing import Annealing
from nnsearch.annealing.arrays import NOTHING, Payments, Program, Records, new_walk, read_program
from nnsearch.compiled.loading import compiled
from nnsearch.errors import NothingToReadError
from nnsearch.linear_program import LinearProgram
from nnsearch.model.stopping import ReadingStoppedError

INF = np.inf


def program(
    bounds: Sequence[tuple[float, float]],
    cost: Sequence[float],
    rows: Sequence[tuple[float, dict[int, float], float]],
) -> LinearProgram:
    """Return a program of rows (lower, {column: coefficient}, upper)."""
    terms = [(row, column, value) for row, (_, of, _) in enumerate(rows) for column, value in sorted(of.items())]
    row, column, value = zip(*terms, strict=True) if terms else ((), (), ())
    low, high = zip(*bounds, strict=True)
    return LinearProgram(
        np.array(low, dtype=float),
        np.array(high, dtype=float),
        np.array(cost, dtype=float),
        np.array([lower for lower, _, _ in rows], dtype=float),
        np.array([upper for _, _, upper in rows], dtype=float),
        np.array(row, dtype=np.int64),
        np.array(column, dtype=np.int64),
        np.array(value, dtype=float),
    )


def is_feasible(source: LinearProgram, values: Sequence[int]) -> bool:
    x = np.array(values)
    activity = np.zeros(len(source.row_lower))
    np.add.at(activity, source.row, source.coefficient * x[source.column])
    within = (source.lower <= x) & (x <= source.upper)
    return bool(within.all() and ((source.row_lower <= activity) & (activity <= source.row_upper)).all())


def best_of(source: LinearProgram) -> float:
    """Return the least cost of all feasible values, ``inf`` if there are none."""
    choices = (range(int(low), int(high) + 1) for low, high in zip(source.lower, source.upper, strict=True))
    costs = [source.cost @ np.array(x) for x in itertools.product(*choices) if is_feasible(source, x)]
    return min(costs, default=INF)


@st.composite
def programs(draw: st.DrawFn) -> LinearProgram:
    """Draw a program of a few columns, with groups, payments, and rows of any kind."""
    size = draw(st.integers(2, 6))
    bounds = [
        (low, low + draw(st.integers(0, 3))) for low in draw(st.lists(st.integers(-2, 1), min_size=size, max_size=size))
    ]
    bounds = [draw(st.sampled_from([pair, (0, 1), (0, 1)])) for pair in bounds]
    cost = draw(st.lists(st.integers(-5, 5), min_size=size, max_size=size))
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        columns = draw(st.sets(st.integers(0, size - 1), min_size=1))
        if draw(st.booleans()):
            rows.append((draw(st.sampled_from([-INF, 1.0])), dict.fromkeys(columns, 1.0), 1.0))
        else:
            of = {column: float(draw(st.sampled_from([-3, -1, 1, 2]))) for column in columns}
            lower = draw(st.sampled_from([-INF, -2.0, 1.0]))
            rows.append((lower, of, draw(st.sampled_from([INF, 2.0, lower])) if lower > -INF else 2.0))
    return program(bounds, cost, rows)


def started(
    source: LinearProgram, seed: int = 0, values: Sequence[int] | None = None
) -> tuple[Program, Payments, Records]:
    """Return a program at the values next to some, or to 0."""
    made, payments = read_program(source)
    state = new_walk(made, seed)
    made.columns["value"][:-1] = 0 if values is None else values
    made.columns["value"] = np.clip(made.columns["value"], made.columns["low"], made.columns["high"])
    compiled().begin(made, state)
    return made, payments, state


def completed(source: LinearProgram, values: np.ndarray, payments: Payments) -> np.ndarray:
    """Return values with the least payments that make the rows good."""
    values = values.copy()
    for column, row, coefficient in zip(*payments, strict=True):
        terms = (source.row == row) & (source.column != column)
        others = source.coefficient[terms] @ values[source.column[terms]]
        short = source.row_lower[row] - others if coefficient > 0 else others - source.row_upper[row]
        values[column] = np.ceil(max(short, 0) / abs(coefficient))
    return values


def check_sums(made: Program, state: Records) -> None:
    """Check what a walk has summed up, and who holds its groups, by the values."""
    columns, rows = made.columns[:-1], made.rows[:-1]
    assert (columns["low"] <= columns["value"]).all()
    assert (columns["value"] <= columns["high"]).all()
    for group in set(columns["group"].tolist()) - {NOTHING}:
        ones = [column for column in np.flatnonzero(columns["group"] == group) if columns["value"][column] == 1]
        assert len([column for column in ones if columns["low"][column] < 1]) <= 1
        assert rows["holder"][group] == (ones[0] if len(ones) == 1 else rows["holder"][group])
        assert ones or rows["holder"][group] == NOTHING
    activity, current, violated = rows["activity"].copy(), float(state["current"][0]), int(state["violated"][0])
    again = new_walk(made, 0)
    compiled().begin(made, again)
    assert rows["activity"] == pytest.approx(activity)
    assert again["current"][0] == pytest.approx(current)
    assert again["violated"][0] == violated


@settings(deadline=None)
@given(programs(), st.integers(0, 5), st.integers(1, 2000), st.lists(st.integers(-2, 4), min_size=6, max_size=6))
def test_sums_are_those_of_the_values_after_any_moves(
    source: LinearProgram, seed: int, moves: int, values: list[int]
) -> None:
    try:
        made, _, state = started(source, seed, values[: len(source.lower)])
    except NothingToReadError:
        return
    state["uphill_rate"] = 0.5
    compiled().try_moves(made, state, moves)
    check_sums(made, state)


@settings(deadline=None, max_examples=200)
@given(programs())
def test_the_best_values_are_feasible_and_cost_what_is_told(source: LinearProgram) -> None:
    try:
        made, payments, state = started(source)
    except NothingToReadError:
        return
    state["uphill_rate"] = 0.1
    compiled().try_moves(made, state, 20_000)
    best = best_of(source)
    if state["best"][0] >= 1e299:
        return
    values = completed(source, made.best, payments)
    assert is_feasible(source, values.astype(int).tolist())
    assert source.cost @ values == pytest.approx(state["best"][0])
    assert source.cost @ values >= best - 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_the_best_of_small_programs_is_found(seed: int) -> None:
    random = np.random.default_rng(seed)
    weights = random.integers(1, 20, (2, 12))
    source = program(
        [(0, 1)] * 12,
        (-random.integers(1, 20, 12)).tolist(),
        [(-INF, dict(enumerate(map(float, row))), float(row.sum() // 2)) for row in weights],
    )
    made, _, state = started(source, seed)
    for rate in np.geomspace(0.1, 1e-4, 20):
        state["uphill_rate"] = rate
        compiled().try_moves(made, state, 5000)
    assert state["best"][0] == best_of(source)


def location(seed: int, form: str) -> LinearProgram:
    """Return 40 customers that are to be served by the nearest of ten places that are worth their rent.

    Args:
        seed: of a place for each.
        form: what is written of customers of places that are not open: a row for "each", or for "all" of a place.
    """
    random = np.random.default_rng(seed)
    num_places, num_customers = 10, 40
    at = random.random((num_places + num_customers, 2))
    far = np.ceil(100 * np.linalg.norm(at[num_places:, None] - at[:num_places], axis=2))
    serves = np.arange(num_places, num_places * (1 + num_customers)).reshape(num_customers, num_places)
    rows: list[tuple[float, dict[int, float], float]] = [(1.0, dict.fromkeys(row, 1.0), 1.0) for row in serves.tolist()]
    for place, served in enumerate(serves.T.tolist()):
        if form == "each":
            rows += [(-INF, {place: -1.0, one: 1.0}, 0.0) for one in served]
        else:
            rows.append((-INF, {place: -float(num_customers), **dict.fromkeys(served, 1.0)}, 0.0))
    cost = np.concatenate([random.integers(150, 300, num_places), far.ravel()])
    return program([(0, 1)] * len(cost), cost.tolist(), rows)


def least_cost_of(location: LinearProgram) -> float:
    """Return the least cost of all sets of ten places, with the nearest one for each customer."""
    rent, far = location.cost[:10], location.cost[10:].reshape(-1, 10)
    subsets = itertools.chain.from_iterable(itertools.combinations(range(10), size) for size in range(1, 11))
    return min(float(rent[list(some)].sum() + far[:, list(some)].min(axis=1).sum()) for some in subsets)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("form", ["each", "all"])
def test_a_place_opens_or_closes_with_all_its_customers(seed: int, form: str) -> None:
    """Not one in ten of these comes out of moves that mend a few rows."""
    source = location(seed, form)
    made, payments, state = started(source, seed)
    assert set(made.hubs.tolist()) == set(range(10))
    for rate in np.geomspace(0.03, 1e-5, 20):
        state["uphill_rate"] = rate
        compiled().try_moves(made, state, 20_000)
    check_sums(made, state)
    assert is_feasible(source, completed(source, made.best, payments).astype(int).tolist())
    assert source.cost @ made.best == least_cost_of(source)


def test_a_hub_in_very_many_rows_leaves_time_for_the_others() -> None:
    """Without a bound, one of 64 moves would take all of the time."""
    size = 20_000
    rows = [(-INF, {0: -1.0, one: 1.0}, 0.0) for one in range(1, size + 1)]
    source = program([(0, 1)] * (size + 1), [50] + [-1] * size, rows)
    made, _, state = started(source)
    assert made.hubs.tolist() == [0]
    state["uphill_rate"] = 0.1
    compiled().try_moves(made, state, 100_000)
    assert 10_000 < state["steps"][0] < 100_000


def test_moves_are_the_same_for_the_same_seed() -> None:
    source = program([(0, 1)] * 6, [-3, -1, -4, -1, -5, -9], [(-INF, dict.fromkeys(range(6), 1.0), 3.0)])
    ends = []
    for seed in (1, 1, 2):
        made, _, state = started(source, seed)
        state["uphill_rate"] = 0.5
        compiled().try_moves(made, state, 1001)
        ends.append((made.columns["value"].tolist(), int(state["random"][0])))
    assert ends[0] == ends[1] != ends[2]


def test_what_is_missing_in_one_row_is_paid_for() -> None:
    """A shift that too few people work: 3 are needed, two may come, and each one that is missing costs 7."""
    source = program(
        [(0, 1), (0, 1), (0, 3), (0, 9)],
        [1, 1, 7, 2],
        [(3.0, {0: 1.0, 1: 1.0, 2: 1.0}, INF), (-INF, {0: 1.0, 1: 1.0, 3: -1.0}, 0.0)],
    )
    _, payments = read_program(source)
    assert payments.column.tolist() == [2, 3]
    *_, last = Annealing(source, 0).better([0, 0, 3, 0], 0.2, lambda: False)
    assert last.tolist() == [1, 1, 1, 2]


def test_a_column_that_cannot_make_up_for_all_pays_for_nothing() -> None:
    source = program([(0, 1), (0, 1), (0, 1)], [1, 1, 7], [(3.0, {0: 1.0, 1: 1.0, 2: 1.0}, INF)])
    assert read_program(source)[1].column.tolist() == []


def test_a_column_of_which_a_unit_makes_up_for_more_pays_for_nothing() -> None:
    """Packs of twelve of which five are needed: one pack is seven too much."""
    source = program([(0, 9), (0, 20), (5, 5)], [3, 2, 0], [(0.0, {0: 12.0, 1: 1.0, 2: -1.0}, 0.0)])
    assert read_program(source)[1].column.tolist() == [1]
    *_, last = Annealing(source, 0).better([1, 0, 5], 0.2, lambda: False)
    assert last.tolist() == [0, 5, 5]


def test_one_that_is_fixed_holds_its_group_whatever_the_values_say() -> None:
    source = program([(0, 1), (1, 1), (0, 1)], [-9, 0, -9], [(1.0, dict.fromkeys(range(3), 1.0), 1.0)])
    made, _, state = started(source, values=[1, 1, 0])
    state["uphill_rate"] = 0.5
    compiled().try_moves(made, state, 1000)
    assert made.columns["value"][:-1].tolist() == [0, 1, 0]


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_prices_of_any_size_are_told_apart(scale: float) -> None:
    source = program([(0, 1)] * 4, [4 * scale, 3 * scale, 2 * scale, scale], [(2.0, dict.fromkeys(range(4), 1.0), INF)])
    *_, last = Annealing(source, 0).better([1, 1, 1, 1], 0.2, lambda: False)
    assert last.tolist() == [0, 0, 1, 1]


def test_one_column_of_a_group_replaces_another() -> None:
    """From a solution every single change violates a row, so only an exchange can lead to the next one."""
    source = program([(0, 1)] * 4, [4, 3, 2, 1], [(1.0, dict.fromkeys(range(4), 1.0), 1.0)])
    made, _ = read_program(source)
    assert set(made.columns["group"][:-1].tolist()) == {0}
    *_, last = Annealing(source, 0).better([1, 0, 0, 0], 0.2, lambda: False)
    assert last.tolist() == [0, 0, 0, 1]


def test_better_solutions_come_from_a_start_that_violates_rows() -> None:
    source = program([(0, 5)] * 3, [1, 2, 3], [(9.0, {0: 1.0, 1: 1.0, 2: 1.0}, INF)])
    found = [source.cost @ values for values in Annealing(source, 0).better([0, 0, 0], 0.2, lambda: False)]
    assert found[-1] == 5 + 2 * 4
    assert all(after < before for before, after in itertools.pairwise(found))


def test_who_is_told_to_stop_stops() -> None:
    source = program([(0, 1)] * 3, [-1, -2, -3], [(-INF, dict.fromkeys(range(3), 1.0), 1.0)])
    with bounded():
        assert list(Annealing(source, 0).better([0, 0, 0], 1e9, lambda: True)) == []
    with pytest.raises(ReadingStoppedError):
        Annealing(source, 0, lambda: True)


@pytest.mark.parametrize(
    ("bounds", "rows"),
    [
        ([(0, INF), (0, 1)], [(0.0, {0: 1.0, 1: 1.0}, 1.0)]),
        ([(0, 2.0**52), (0, 1)], [(0.0, {0: 1.0, 1: 1.0}, 1.0)]),
        ([(0, 2.0**30), (0, 1)], [(0.0, {0: 2.0**30, 1: 1.0}, 1.0)]),
        ([(1, 0), (0, 1)], [(0.0, {0: 1.0, 1: 1.0}, 1.0)]),
        ([(0, 0), (1, 1)], [(0.0, {0: 1.0, 1: 1.0}, 1.0)]),
        ([(0, 1), (0, 1)], []),
    ],
)
def test_what_cannot_be_annealed_is_refused(
    bounds: list[tuple[float, float]], rows: list[tuple[float, dict[int, float], float]]
) -> None:
    with pytest.raises(NothingToReadError, match="expected variables"):
        read_program(program(bounds, [1, 1], rows))
