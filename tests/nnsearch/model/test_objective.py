from __future__ import annotations

import math

import pytest
from ortools.sat.python import cp_model

from nnsearch.errors import TranslationError
from nnsearch.model.objective import read_objective


@pytest.mark.parametrize("maximise", [False, True])
@pytest.mark.parametrize("expression", [lambda x, b: 3 * x - 2 * ~b + 4, lambda x, b: 3.0 * x - 2 * b + 0.5])
def test_the_sum_and_its_value_in_the_model(expression: object, maximise: bool) -> None:
    model = cp_model.CpModel()
    x, b = model.new_int_var(-2, 5, "x"), model.new_bool_var("b")
    (model.maximize if maximise else model.minimize)(expression(x, b))  # type: ignore[operator]
    before = str(model.proto)
    objective = read_objective(model.proto)
    assert str(model.proto) == before
    assert objective is not None
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.solve(model)
    assert objective.in_model_units(objective.of(solver.response_proto.solution)) == solver.objective_value
    sums = [objective.of([value, one]) for value in range(-2, 6) for one in (0, 1)]
    assert objective.of(solver.response_proto.solution) == min(sums)
    assert objective.bound_of_domains(model.proto) == solver.objective_value, "each variable is free to be at its best"


def test_without_an_objective_there_is_none() -> None:
    model = cp_model.CpModel()
    assert read_objective(model.proto) is None
    assert not model.has_objective()


def test_fractions_are_refused() -> None:
    model = cp_model.CpModel()
    model.minimize(0.5 * model.new_bool_var("b"))
    objective = read_objective(model.proto)
    assert objective is not None
    with pytest.raises(TranslationError, match="expected integer coefficients, got fractional ones"):
        assert objective.coefficients


def test_a_negative_reference_is_the_opposite_of_a_variable() -> None:
    model = cp_model.CpModel()
    model.minimize(2.0 * model.new_int_var(0, 3, "x") + 0.5)
    model.proto.floating_point_objective.vars[0] = ~0  # CP-SAT allows it in this objective only
    objective = read_objective(model.proto)
    assert objective is not None
    assert (objective.variables, objective.coefficients) == ((0,), (-2,))
    assert objective.in_model_units(objective.of([3])) == -5.5


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (-1.0, 2.0), (0.25, 1.0), (-3.0, 0.5)])
def test_what_cp_sat_reports_inexactly_is_made_exact(scale: float, offset: float) -> None:
    model = cp_model.CpModel()
    model.minimize(model.new_int_var(-99, 99, "x"))
    model.proto.objective.scaling_factor, model.proto.objective.offset = scale, offset
    objective = read_objective(model.proto)
    assert objective is not None
    for total in (-7, 0, 1, 55):
        value = objective.in_model_units(total)
        assert objective.exact(math.nextafter(math.nextafter(value, math.inf), math.inf)) == value
        assert objective.exact(math.nextafter(value, -math.inf)) == value
    assert objective.exact(math.inf) == math.inf
    floating = cp_model.CpModel()
    floating.minimize(0.1 * floating.new_int_var(-99, 99, "x"))
    exact = read_objective(floating.proto)
    assert exact is not None
    assert exact.exact(0.30000000000000004) == 0.30000000000000004
