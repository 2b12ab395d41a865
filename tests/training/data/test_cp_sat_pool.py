from __future__ import annotations

import numpy as np
import pytest
from ortools.sat.python import cp_model

from nnsearch.errors import PoolError
from nnsearch.problems.latin_square.problem import LatinSquare, is_solution
from training.data.pools.cp_sat import sample_solutions


def test_every_sample_is_a_solution_of_the_grid() -> None:
    grid = np.array([[0, 2, 0, 0], [0, 0, 0, 0], [3, 0, 0, 0], [0, 0, 0, 1]])
    model, variables = LatinSquare(4).build(grid)
    before = str(model.proto)
    samples = list(sample_solutions(model, variables, count=25, seed=1))
    assert len(samples) == 25
    assert all(is_solution(sample.reshape(4, 4), grid) for sample in samples)
    assert len({tuple(sample) for sample in samples}) > 5
    assert str(model.proto) == before


def test_the_seed_decides_and_a_longer_run_starts_with_a_shorter() -> None:
    model, variables = LatinSquare(4).build()
    samples = np.array(list(sample_solutions(model, variables, count=12, seed=5)))
    np.testing.assert_array_equal(samples[:6], list(sample_solutions(model, variables, count=6, seed=5)))
    assert (samples[:6] != list(sample_solutions(model, variables, count=6, seed=6))).any()
    assert list(sample_solutions(model, variables, count=0, seed=5)) == []


def test_any_model_and_any_choice_of_its_variables() -> None:
    model = cp_model.CpModel()
    x = model.new_int_var_from_domain(cp_model.Domain.from_values([-7, 2, 40]), "x")
    y = model.new_int_var(-50, 50, "y")
    b = model.new_bool_var("b")
    model.add(x + y == 5)
    model.add(x == 2).only_enforce_if(b)
    model.add_hint(x, 40)
    before = str(model.proto)
    samples = [tuple(map(int, sample)) for sample in sample_solutions(model, [b, x], count=40, seed=2)]
    assert set(samples) == {(0, -7), (0, 2), (1, 2), (0, 40)}
    assert str(model.proto) == before


def test_a_model_without_a_solution_is_refused() -> None:
    model, variables = LatinSquare(3).build([[1, 1, 0], [0, 0, 0], [0, 0, 0]])
    with pytest.raises(PoolError, match="the model has no solution"):
        next(sample_solutions(model, variables, count=1, seed=0))


def test_a_search_that_runs_into_its_limit_is_an_error() -> None:
    model, variables = LatinSquare(12).build()
    with pytest.raises(PoolError, match=r"^search 1 of 3: .* raise the time limit$"):
        next(sample_solutions(model, variables, count=3, seed=0, time_limit=0.0))
