from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model
from stand_ins import Solution, brute_force, domains, enumerated, models

from nnsearch.cp.translate import Translation, translate
from nnsearch.errors import TranslationError


def solutions(translation: Translation) -> list[Solution]:
    solver = translation.solver
    phase = solver.Phase(translation.variables, solver.CHOOSE_FIRST_UNBOUND, solver.ASSIGN_MIN_VALUE)
    return enumerated(solver, translation.variables, phase)


class Collector(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
    def __init__(self, variables: list[cp_model.IntVar]) -> None:
        super().__init__()
        self.variables = variables
        self.found: list[Solution] = []

    def on_solution_callback(self) -> None:
        self.found.append(tuple(self.value(variable) for variable in self.variables))


def cp_sat_solutions(model: cp_model.CpModel) -> list[Solution]:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.enumerate_all_solutions = True
    collector = Collector([model.get_int_var_from_proto_index(i) for i in range(len(model.proto.variables))])
    assert solver.solve(model, collector) in (cp_model.OPTIMAL, cp_model.INFEASIBLE), model.validate()
    return sorted(collector.found)


@given(models())
def test_the_engine_finds_exactly_the_solutions(model: cp_model.CpModel) -> None:
    # In ascending order, because it assigns the first variable its smallest value first.
    assert solutions(translate(model)) == brute_force(model)


@settings(max_examples=60)
@given(models(max_variables=3))
def test_cp_sat_agrees(model: cp_model.CpModel) -> None:
    assert cp_sat_solutions(model) == brute_force(model)


@settings(max_examples=30)
@given(models())
def test_domains_keep_their_holes(model: cp_model.CpModel) -> None:
    model.proto.constraints.clear()
    translation = translate(model)  # the solver owns the variables: without it, reading them crashes
    assert [list(v.DomainIterator()) for v in translation.variables] == domains(model)


@settings(max_examples=60)
@given(st.data())
def test_large_coefficients(data: st.DataObject) -> None:
    model = cp_model.CpModel()
    variables = [model.new_int_var(-1, 2, f"v{i}") for i in range(3)]
    coefficients = data.draw(st.lists(st.integers(-(2**59), 2**59), min_size=3, max_size=3))
    value = data.draw(st.lists(st.integers(-1, 2), min_size=3, max_size=3))
    low = sum(c * v for c, v in zip(coefficients, value, strict=True)) + data.draw(st.integers(0, 2))
    high = data.draw(st.sampled_from([low, low + 2**60, cp_model.INT_MAX]))
    total = sum(c * x for c, x in zip(coefficients, variables, strict=True))
    model.add_linear_expression_in_domain(total, cp_model.Domain(low, high))
    assert solutions(translate(model)) == brute_force(model)


@example(-(2**61), 2**61)
@settings(max_examples=40)
@given(st.integers(-(2**61), -(2**59)), st.integers(2**59, 2**61))
def test_large_domains(low: int, high: int) -> None:
    model = cp_model.CpModel()
    x, y = model.new_int_var(low, high, "x"), model.new_int_var(low, high, "y")
    model.add(x - y >= high - low - 1)
    model.add(x != y + high - low)
    assert solutions(translate(model)) == [(high - 1, low), (high, low + 1)]


@pytest.mark.parametrize("offset", [-7, 0, 3])
def test_a_permutation_finds_hidden_singles(offset: int) -> None:
    model = cp_model.CpModel()
    x = model.new_int_var(0, 2, "x")
    ends = [model.new_int_var_from_domain(cp_model.Domain.from_values([0, 2]), name) for name in "yz"]
    model.add_all_different([v + offset for v in (x, *ends)])
    solver, variables = (translation := translate(model)).solver, translation.variables
    bound_at_root: list[int] = []

    class Look(pywrapcp.SearchMonitor):  # type: ignore[misc]
        def EndInitialPropagation(self) -> None:
            bound_at_root.extend(variables[0].DomainIterator())

    phase = solver.Phase(variables, solver.CHOOSE_FIRST_UNBOUND, solver.ASSIGN_MIN_VALUE)
    assert enumerated(solver, variables, phase, [Look(solver)]) == [(1, 0, 2), (1, 2, 0)]
    assert bound_at_root == [1]


def test_small_models() -> None:
    assert solutions(translate(cp_model.CpModel())) == [()]
    model = cp_model.CpModel()
    x = model.new_int_var(0, 1, "x")
    model.add(x - x <= 0)
    model.add_all_different([x])
    assert solutions(translate(model)) == [(0,), (1,)]
    model.add(x - x >= 1)
    assert solutions(translate(model)) == []


def test_constants_without_variables() -> None:
    model = cp_model.CpModel()
    model.add_all_different([1, 2])
    assert solutions(translate(model)) == [()]


def test_an_empty_domain_is_refused() -> None:
    model = cp_model.CpModel()
    model.new_int_var(0, 1, "x")
    model.new_int_var(3, 2, "y")
    with pytest.raises(TranslationError, match="y"):
        translate(model)


Build = Callable[[cp_model.CpModel, cp_model.IntVar, cp_model.BoolVarT], object]


REFUSED: list[tuple[str, Build]] = [
    ("bool_or", lambda m, x, b: m.add_bool_or(b, ~b)),
    ("bool_and", lambda m, x, b: m.add_bool_and(b)),
    ("bool_xor", lambda m, x, b: m.add_bool_xor(b, ~b)),
    ("at_most_one", lambda m, x, b: m.add_at_most_one(b)),
    ("exactly_one", lambda m, x, b: m.add_exactly_one(b, ~b)),
    ("element", lambda m, x, b: m.add_element(x, [1, 2, 3, 4], x)),
    ("table", lambda m, x, b: m.add_allowed_assignments([x], [(1,)])),
    ("automaton", lambda m, x, b: m.add_automaton([x], 0, [1], [(0, 1, 1)])),
    ("inverse", lambda m, x, b: m.add_inverse([x], [x])),
    ("circuit", lambda m, x, b: m.add_circuit([(0, 0, b)])),
    ("routes", lambda m, x, b: m.add_multiple_circuit([(0, 1, b), (1, 0, b)])),
    ("int_div", lambda m, x, b: m.add_division_equality(x, x, 2)),
    ("int_mod", lambda m, x, b: m.add_modulo_equality(x, x, 2)),
    ("int_prod", lambda m, x, b: m.add_multiplication_equality(x, [x, x])),
    ("lin_max", lambda m, x, b: m.add_max_equality(x, [x, 2])),
    ("interval", lambda m, x, b: m.new_fixed_size_interval_var(x, 2, "")),
    ("no_overlap", lambda m, x, b: m.add_no_overlap([])),
    ("no_overlap_2d", lambda m, x, b: m.add_no_overlap_2d([], [])),
    ("cumulative", lambda m, x, b: m.add_cumulative([], [], 1)),
    ("reservoir", lambda m, x, b: m.add_reservoir_constraint([x], [1], 0, 2)),
    ("enforcement literals", lambda m, x, b: m.add(x == 1).only_enforce_if(b)),
]


@pytest.mark.parametrize(("kind", "build"), REFUSED, ids=[kind for kind, _ in REFUSED])
def test_what_is_not_covered_is_refused_by_name(kind: str, build: Build) -> None:
    model = cp_model.CpModel()
    x, b = model.new_int_var(0, 3, "x"), model.new_bool_var("b")
    model.add(x >= 1)
    build(model, x, b)
    with pytest.raises(TranslationError, match=rf"^constraint 1: .*\b{kind}\b.*use cp-sat$"):
        translate(model)


def test_a_named_constraint_is_named() -> None:
    model = cp_model.CpModel()
    model.add_bool_or(model.new_bool_var("b")).with_name("at least one shift")
    with pytest.raises(TranslationError, match=r"^constraint 0 \(at least one shift\): "):
        translate(model)


@pytest.mark.parametrize("objective", [lambda x: x, lambda x: 1.5 * x, lambda x: 0 * x])
def test_an_objective_is_refused(objective: Callable[[cp_model.IntVar], cp_model.LinearExprT]) -> None:
    model = cp_model.CpModel()
    model.minimize(objective(model.new_int_var(0, 3, "x")))
    with pytest.raises(TranslationError, match="without an objective"):
        translate(model)


def test_assumptions_are_refused() -> None:
    model = cp_model.CpModel()
    model.add_assumptions([model.new_bool_var("b")])
    with pytest.raises(TranslationError, match="assumptions"):
        translate(model)
