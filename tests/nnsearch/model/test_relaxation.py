"""The linear relaxation: it cuts off no solution, and says what can be worked out by hand."""

from __future__ import annotations

import time
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from random_constraints import KINDS
from random_constraints import models as models_with
from stand_ins import all_solutions, domains

from nnsearch.errors import NothingToReadError
from nnsearch.linear_program import LinearProgram
from nnsearch.model.objective import without_objective
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.relaxation import Relaxation
from nnsearch.model.stopping import ReadingStoppedError

READ = ["linear", "bool_or", "bool_and", "at_most_one", "exactly_one", "interval", "lin_max", "abs", "all_diff"]
READ += ["circuit", "routes"]


def of(model: cp_model.CpModel) -> Relaxation:
    return Relaxation.of(PreparedModel(model))


def allows(program: LinearProgram, values: tuple[int, ...]) -> bool:
    x = np.array(values, dtype=np.float64)
    sums = np.bincount(program.row, program.coefficient * x[program.column], len(program.row_lower))
    return bool(
        ((program.lower <= x) & (x <= program.upper)).all()
        and ((program.row_lower <= sums + 1e-9) & (sums - 1e-9 <= program.row_upper)).all()
    )


@pytest.mark.parametrize("kind", [*READ, *sorted(KINDS.keys() - READ)])
@settings(max_examples=25)
@given(data=st.data())
def test_no_solution_is_cut_off(kind: str, data: st.DataObject) -> None:
    model = data.draw(models_with(kind))
    try:
        relaxation = of(model)
    except NothingToReadError:
        return
    solutions = set(all_solutions(without_objective(model)))
    assert all(allows(relaxation.program, solution) for solution in solutions)
    if relaxation.exact:
        assert solutions == {values for values in product(*domains(model)) if allows(relaxation.program, values)}
    objective = PreparedModel(model).objective
    assert objective is not None
    relaxed = relaxation.solve(5.0)
    if relaxed.optimal:
        assert all(relaxed.objective <= objective.of(solution) + 1e-6 for solution in solutions)
    else:
        assert relaxed.objective == np.inf
        assert not solutions


def knapsack(maximise: bool = True) -> cp_model.CpModel:
    model = cp_model.CpModel()
    x = [model.new_bool_var(name) for name in "abc"]
    model.new_int_var(0, 9, "outside")
    model.add(4 * x[0] + 3 * x[1] + 2 * x[2] <= 5)
    (model.maximize if maximise else model.minimize)((8 * x[0] + 3 * x[1] + 3 * x[2]) * (1 if maximise else -1) + 7)
    return model


@pytest.mark.parametrize("maximise", [False, True])
def test_a_knapsack_by_hand(maximise: bool) -> None:
    relaxed = of(knapsack(maximise)).solve(5.0)
    assert relaxed.optimal
    assert relaxed.objective == pytest.approx(-9.5)  # in the units of the engines: minimised, without the constant
    np.testing.assert_allclose(relaxed.values, [1, 0, 0.5, np.nan])
    np.testing.assert_allclose(relaxed.reduced_costs, [-2, 1.5, 0, np.nan], atol=1e-9)


def test_a_state_has_its_own_bounds() -> None:
    relaxation = of(knapsack())
    lower, upper = np.zeros(4), np.array([0.0, 1, 1, 9])
    relaxed = relaxation.solve(5.0, lower=lower, upper=upper)
    np.testing.assert_allclose(relaxed.values, [0, 1, 1, np.nan])
    assert relaxation.solve(5.0).objective == pytest.approx(-9.5)
    nothing = relaxation.solve(5.0, lower=np.array([1.0, 1, 0, 0]))
    assert (nothing.objective, nothing.optimal) == (np.inf, False)
    assert np.isnan(nothing.values).all()
    assert relaxation.solve(5.0, lower=np.array([2.0, 0, 0, 0])).objective == np.inf


def test_a_floating_objective() -> None:
    model = cp_model.CpModel()
    x, y = model.new_int_var(0, 10, "x"), model.new_int_var(-10, 10, "y")
    model.add(2 * x - y <= 5)
    model.maximize(0.5 * x - 0.25 * y)
    relaxed = of(model).solve(5.0)
    np.testing.assert_allclose(relaxed.values, [0, -5], atol=1e-9)
    assert relaxed.objective == pytest.approx(-1.25)


def test_a_condition_gives_way_by_what_the_domains_allow() -> None:
    model = cp_model.CpModel()
    x = model.new_int_var(0, 10, "x")
    on, off = model.new_bool_var("on"), model.new_bool_var("off")
    model.add(x >= 5).only_enforce_if(on, ~off)
    model.add(x <= 8).only_enforce_if(off)
    model.minimize(4 * x - 10 * on - 3 * off)
    relaxed = of(model).solve(5.0)
    # x >= 5 - 5 (1 - on) - 5 off, x <= 8 + 2 (1 - off)
    np.testing.assert_allclose(relaxed.values, [0, 1, 1], atol=1e-9)
    assert of(model).solve(5.0, upper=np.array([10.0, 1, 0])).values == pytest.approx([0, 0, 0], abs=1e-9)


def test_a_condition_that_would_take_too_much_is_left_out() -> None:
    model = cp_model.CpModel()
    x, on = model.new_int_var(0, 10**9, "x"), model.new_bool_var("on")
    model.add(x >= 10**8).only_enforce_if(on)
    model.add(x + on >= 1)
    model.minimize(x - on)
    relaxation = of(model)
    assert not relaxation.exact
    assert len(relaxation.program.row_lower) == 1


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda model, x: model.add(sum(x) >= 1), "expected an objective"),
        (lambda model, x: model.minimize(0 * x[0] + 3), "expected an objective"),
        (lambda model, x: model.minimize(sum(x)), "expected a linear constraint"),
        (lambda model, x: (model.add(x[0] + x[1] >= 1), model.minimize(x[2])), "expected a linear constraint"),
    ],
)
def test_nothing_to_read(build: object, words: str) -> None:
    model = cp_model.CpModel()
    build(model, [model.new_bool_var("") for _ in range(3)])  # type: ignore[operator]
    with pytest.raises(NothingToReadError, match=words):
        of(model)


def cover(rows: int, columns: int, seed: int) -> cp_model.CpModel:
    rng = np.random.default_rng(seed)
    model = cp_model.CpModel()
    x = [model.new_bool_var(f"x{i}") for i in range(columns)]
    for row in rng.random((rows, columns)) < 0.02:
        model.add_bool_or([x[i] for i in np.flatnonzero(row)])
    model.minimize(cp_model.LinearExpr.weighted_sum(x, rng.integers(1, 100, columns).tolist()))
    return model


def test_it_ends_when_it_has_to() -> None:
    model = PreparedModel(cover(1000, 2000, 0))
    with pytest.raises(ReadingStoppedError):
        Relaxation.of(model, stop=lambda: True)
    relaxation = Relaxation.of(model)
    for relaxed in (relaxation.solve(0.0), relaxation.solve(60.0, stop=lambda: True)):
        assert np.isnan(relaxed.values).all()
        assert np.isnan(relaxed.objective)
        assert not relaxed.optimal
    began = time.perf_counter()
    relaxation.solve(60.0, stop=lambda: time.perf_counter() - began > 0.03)
