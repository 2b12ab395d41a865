"""HiGHS and CP-SAT have the same optimal values: one reads what the other does."""

from __future__ import annotations

import numpy as np
import pytest
from ortools.sat.python import cp_model

from nnsearch import highs
from nnsearch.errors import NNSearchError
from nnsearch.result import Status


def linear(seed: int) -> cp_model.CpModel:
    """Return a small random linear model: sums, clauses, negated literals, negative values, an offset."""
    rng = np.random.default_rng(seed)
    model = cp_model.CpModel()
    variables = [model.new_int_var(int(low), int(low) + int(rng.integers(1, 6)), "") for low in rng.integers(-4, 3, 4)]
    flags = [model.new_bool_var("") for _ in range(3)]
    every = [*variables, *flags]
    for _ in range(3):
        model.add(sum(int(weight) * x for weight, x in zip(rng.integers(-5, 6, 7), every, strict=True)) <= 9)
    model.add(variables[0] + variables[1] == int(rng.integers(-9, 9)))  # often there is no solution
    model.add_bool_or(flags[0], ~flags[1])
    model.add_at_most_one(flags[1:])
    value = sum(int(weight) * x for weight, x in zip(rng.integers(-9, 10, 7), every, strict=True)) + int(seed)
    (model.maximize if seed % 2 else model.minimize)(value)
    return model


def test_the_same_optima_as_cp_sat() -> None:
    statuses = set()
    for seed in range(30):
        model = linear(seed)
        program, objective = highs._linear(model)
        solved = highs._solved(highs._solve(program, 1, 1, 20.0), 0.0, program, objective)
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        assert solved.status == Status(solver.status_name(solver.solve(model)))
        statuses.add(solved.status)
        if solved.status is Status.OPTIMAL:
            assert solved.holds
            assert solved.objective_value == solver.objective_value
            assert solved.best_objective_bound == pytest.approx(solver.objective_value)
    assert statuses == {Status.OPTIMAL, Status.INFEASIBLE}


def test_what_nothing_depends_on_has_a_value_in_its_domain() -> None:
    model = cp_model.CpModel()
    most = 2**61
    domains = [(-most, most), (-most, -3), (3, most), (1, 2)]
    variables = [model.new_int_var(*domain, "") for domain in domains]
    x, y = model.new_int_var(0, 9, ""), model.new_bool_var("")
    model.add(2 * x + y <= 7)
    model.maximize(x)
    solved = highs.solve_by_highs(model, seconds=20, workers=1)
    assert solved.value(x) == 3
    assert all(low <= solved.value(variable) <= high for variable, (low, high) in zip(variables, domains, strict=True))


def test_a_solution_that_breaks_a_row_once_it_is_rounded() -> None:
    model = cp_model.CpModel()
    x, y = model.new_int_var(0, 9, ""), model.new_int_var(0, 9, "")
    model.add(2 * x + y == 7)
    model.minimize(x + y)
    program = highs._linear(model)[0]
    assert highs._holds(program, np.array([3.0, 1.0]))
    assert not highs._holds(program, np.array([3.0, 2.0]))
    assert not highs._holds(program, np.array([-1.0, 9.0]))


def test_a_process_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(highs, "_START", "raise MemoryError('all of it')")
    with pytest.raises(NNSearchError, match=r"^HiGHS: expected an answer, got none: MemoryError: all of it$"):
        highs.solve_by_highs(linear(0), seconds=5, workers=1)


def test_one_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(highs, "_START", "import time; time.sleep(60)")
    monkeypatch.setattr(highs, "_GRACE", 0.2)
    with pytest.raises(NNSearchError, match=r"expected an end after .* s, got none 0\.2 s later"):
        highs.solve_by_highs(linear(0), seconds=0.1, workers=1)
