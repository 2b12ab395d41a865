from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model
from stand_ins import Collector, Solution, brute_force, domains, engine_solutions, enumerated, models

from nnsearch.cp.translate import Translation, translate
from nnsearch.errors import TranslationError
from nnsearch.model.graph import CandidateGraph
from nnsearch.model.stopping import ReadingStoppedError


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
    assert engine_solutions(translate(model)) == brute_force(model)


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
    assert engine_solutions(translate(model)) == brute_force(model)


@example(-(2**60), 2**60)
@settings(max_examples=40)
@given(st.integers(-(2**60), -(2**59)), st.integers(2**59, 2**60))
def test_large_domains(low: int, high: int) -> None:
    model = cp_model.CpModel()
    x, y = model.new_int_var(low, high, "x"), model.new_int_var(low, high, "y")
    model.add(x - y >= high - low - 1)
    model.add(x != y + high - low)
    assert engine_solutions(translate(model)) == [(high - 1, low), (high, low + 1)]


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
    assert engine_solutions(translate(cp_model.CpModel())) == [()]
    model = cp_model.CpModel()
    x = model.new_int_var(0, 1, "x")
    model.add(x - x <= 0)
    model.add_all_different([x])
    assert engine_solutions(translate(model)) == [(0,), (1,)]
    model.add(x - x >= 1)
    assert engine_solutions(translate(model)) == []


def test_constants_without_variables() -> None:
    model = cp_model.CpModel()
    model.add_all_different([1, 2])
    assert engine_solutions(translate(model)) == [()]


def test_an_empty_domain_is_refused() -> None:
    model = cp_model.CpModel()
    model.new_int_var(0, 1, "x")
    model.new_int_var(3, 2, "y")
    with pytest.raises(TranslationError, match="y"):
        translate(model)


def small_model() -> tuple[cp_model.CpModel, cp_model.IntVar, cp_model.IntVar]:
    """With x in {0, 2, 3} and y in 0..3."""
    model = cp_model.CpModel()
    return (
        model,
        model.new_int_var_from_domain(cp_model.Domain.from_values([0, 2, 3]), "x"),
        model.new_int_var(0, 3, "y"),
    )


Change = Callable[[cp_model.CpModel, cp_model.IntVar, cp_model.IntVar], object]

TOO_LARGE = "which could overflow in the CP engine; leave this model to CP-SAT"

REFUSED: dict[str, tuple[Change, str]] = {
    "assumptions": (
        lambda m, x, y: m.add_assumptions([m.new_bool_var("b")]),
        "assumptions have no translation to the CP engine; leave this model to CP-SAT",
    ),
    "fractional objective": (
        lambda m, x, y: m.minimize(1.5 * x),
        "objective: expected integer coefficients, got fractional ones, which have no translation to the CP engine; "
        "scale them to integers or leave this model to CP-SAT",
    ),
    "large objective": (
        lambda m, x, y: m.minimize(2**60 * x + 2**61 * y),
        f"objective: expected values within 2^62, got expressions of up to {9 * 2**60}, {TOO_LARGE}",
    ),
    "large domain": (
        lambda m, x, y: m.new_int_var(-5, 2**62, "wide"),
        f"variable wide: expected a domain within 2^62, got -5..{2**62}, {TOO_LARGE}",
    ),
    "large sum": (
        lambda m, x, y: m.add(2**60 * x - 2**60 * y >= 1),
        f"constraint 0: expected values within 2^62, got expressions of up to {6 * 2**60}, {TOO_LARGE}",
    ),
    "large enforced sum": (
        lambda m, x, y: m.add(2**60 * x - 2**60 * y >= 1).only_enforce_if(m.new_bool_var("b")),
        f"constraint 0: expected values within 2^62, got expressions of up to {6 * 2**60}, {TOO_LARGE}",
    ),
    "large expression": (
        lambda m, x, y: m.add_all_different([2**61 * x, y]),
        f"constraint 0: expected values within 2^62, got expressions of up to {3 * 2**61}, {TOO_LARGE}",
    ),
    "large product": (
        lambda m, x, y: m.add_multiplication_equality(x, [2**30 * x, 2**30 * y, y + 1]).with_name("all\nof it"),
        f"constraint 0 (all of it): expected values within 2^62, got expressions of up to {9 * 2**60}, {TOO_LARGE}",
    ),
    "large capacity": (
        lambda m, x, y: m.add_cumulative([m.new_fixed_size_interval_var(x, 2, "")] * 2, [2**61, 2**61], 2**61),
        f"constraint 1: expected values within 2^62, got expressions of up to {3 * 2**61}, {TOO_LARGE}",
    ),
    "division by zero": (
        lambda m, x, y: m.add_division_equality(x, y, x),
        "constraint 0: expected a divisor that cannot be 0, its domain contains it",
    ),
    "remainder of zero": (
        lambda m, x, y: m.add_modulo_equality(x, y, x),
        "constraint 0: expected a divisor that cannot be 0, its domain contains it",
    ),
    "unknown kind": (
        lambda m, x, y: m.proto.constraints.add().dummy_constraint.vars.append(0),
        "constraint 0: dummy_constraint has no translation to the CP engine; leave this model to CP-SAT",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_translation_is_refused_by_name(change: Change, message: str) -> None:
    change(*(small := small_model()))
    with pytest.raises(TranslationError) as refusal:
        translate(small[0])
    assert str(refusal.value) == message


def best(translation: Translation) -> Solution | None:
    """The last solution of a search for the minimum."""
    solver = translation.solver
    phase = solver.Phase(translation.variables, solver.CHOOSE_FIRST_UNBOUND, solver.ASSIGN_MAX_VALUE)
    found = enumerated(solver, translation.variables, phase, [solver.Minimize(translation.objective, 1)])
    return found[-1] if found else None


def test_the_objective_is_minimised_without_its_offset() -> None:
    model, x, y = small_model()
    model.add(x + y >= 2)
    model.minimize(2 * x + 3 * y + 100)
    assert best(translation := translate(model)) == (2, 0)
    assert translation.objective is not None
    assert (translation.objective.Min(), translation.objective.Max()) == (0, 15)


def test_maximisation_negates_the_coefficients() -> None:
    model, x, y = small_model()
    model.add(x + y <= 4)
    model.maximize(2 * x + y)
    assert best(translate(model)) == (3, 1)


@pytest.mark.parametrize("maximize", [False, True])
def test_an_integral_objective_of_floats_is_converted(maximize: bool) -> None:
    model, x, y = small_model()
    (model.maximize if maximize else model.minimize)(2.0 * x - 1.0 * y + 0.5)
    assert model.proto.has_floating_point_objective()
    assert best(translate(model)) == ((3, 0) if maximize else (0, 3))


def test_a_constant_objective_leaves_all_solutions_equal() -> None:
    model, x, _ = small_model()
    model.minimize(0 * x + 7)
    assert best(translate(model)) == (3, 3)


def test_the_objective_keeps_its_domain() -> None:
    model, x, y = small_model()
    model.minimize(x + y)
    model.proto.objective.domain.extend([1, 1, 4, 5])
    assert engine_solutions(translate(model)) == [(0, 1), (2, 2), (2, 3), (3, 1), (3, 2)]


def test_hints_within_their_domains_are_taken_over() -> None:
    model, x, y = small_model()
    b = model.new_bool_var("b")
    assert translate(model).hint == {}
    model.add_hint(x, 2)
    model.add_hint(y, 4)
    model.add_hint(~b, True)
    assert translate(model).hint == {0: 2, 2: 0}
    model.clear_hints()
    model.add_hint(x, 1)
    assert translate(model).hint == {}


def test_a_permutation_has_a_dual() -> None:
    model = cp_model.CpModel()
    model.add_all_different([model.new_int_var(0, 2, name) for name in "xyz"])
    assert translate(model).solver.Constraints() == 2


@pytest.mark.parametrize("enforced", [False, True])
def test_multiples_of_a_boolean(enforced: bool) -> None:
    """The engine on its own takes 2 b == 3 - 2 b for satisfied by b = 1."""
    model = cp_model.CpModel()
    b = model.new_bool_var("b")
    constraints = [
        model.add_max_equality(2 * b, [3 - 2 * b]),
        model.add_multiplication_equality(3 - 2 * b, [b, 2]),
        model.add_element(0, [2 * b], 3 - 2 * b),
    ]
    for constraint in constraints if enforced else []:
        constraint.only_enforce_if(model.new_bool_var(""))
    assert engine_solutions(translate(model)) == ([(0, 0, 0, 0), (1, 0, 0, 0)] if enforced else [])


def test_an_enforced_domain_with_its_bounds_out_of_reach() -> None:
    model, x, _ = small_model()
    ranges = cp_model.Domain.from_intervals([[-9, -1], [1, 2], [7, 9]])
    b = model.new_bool_var("b")
    model.add_linear_expression_in_domain(x, ranges).only_enforce_if(b)
    assert sorted({(x, b) for x, _, b in engine_solutions(translate(model))}) == [(0, 0), (2, 0), (2, 1), (3, 0)]


@pytest.mark.parametrize("enforced", [False, True])
def test_wide_domains(enforced: bool) -> None:
    """What would need a bit or an entry for every value in between is avoided: the engine would abort the process."""
    wide = 2**60
    model = cp_model.CpModel()
    x = model.new_int_var_from_domain(cp_model.Domain.from_values([-wide, 0, wide]), "x")
    y = model.new_int_var(-wide, wide, "y")
    index = model.new_int_var(0, 2, "index")
    constraints = [
        model.add_linear_expression_in_domain(x, cp_model.Domain.from_intervals([[-wide, 5], [wide - 1, wide]])),
        model.add(y != 7),
        model.add_allowed_assignments([x, y], [(-wide, wide), (0, 7), (wide, 1), (wide, -wide)]),
        model.add_forbidden_assignments([y], [(1,), (2,)]),
        model.add_automaton([x, y], 0, [2], [(0, -wide, 1), (0, wide, 1), (1, wide, 2), (1, -wide, 2)]),
        model.add_element(index, [0, -wide, wide], y),
    ]
    for constraint in constraints if enforced else []:
        constraint.only_enforce_if(model.new_constant(1))
    found = engine_solutions(translate(model))
    assert [solution[:3] for solution in found] == [(-wide, wide, 2), (wide, -wide, 1)]


def test_the_time_of_a_resource_may_be_long() -> None:
    half = 2**60
    model = cp_model.CpModel()
    starts = [model.new_int_var_from_domain(cp_model.Domain.from_values([0, half]), name) for name in "xy"]
    tasks = [model.new_fixed_size_interval_var(start, half, "") for start in starts]
    model.add_cumulative(tasks, [half, half], half + 1)
    assert engine_solutions(translate(model)) == [(0, half), (half, 0)]
    model.proto.constraints.clear()
    tasks = [model.new_fixed_size_interval_var(start, half, "") for start in starts]
    model.add_no_overlap(tasks)
    assert engine_solutions(translate(model)) == [(0, half), (half, 0)]


def test_a_negative_reference_is_the_opposite_of_a_variable() -> None:
    model, x, y = small_model()
    model.minimize(1.0 * x + 2.5)
    model.proto.floating_point_objective.vars[0] = ~y.index  # CP-SAT allows it nowhere else
    assert best(translate(model)) == (3, 3)


def no_start(model: cp_model.CpModel, x: cp_model.IntVar, y: cp_model.IntVar) -> None:
    model.new_interval_var(x, 2, x + 2, "")
    model.proto.constraints[0].interval.clear_start()


def negation(model: cp_model.CpModel, x: cp_model.IntVar, y: cp_model.IntVar) -> None:
    model.add(x + y >= 5)
    model.proto.constraints[0].linear.vars[1] = ~y.index


def two_hints(model: cp_model.CpModel, x: cp_model.IntVar, y: cp_model.IntVar) -> None:
    model.add_hint(x, 2)
    model.add_hint(x, 3)


def out_of_range(model: cp_model.CpModel, x: cp_model.IntVar, y: cp_model.IntVar) -> None:
    model.add(x + y >= 5)
    model.proto.constraints[0].linear.vars[1] = 99


def torn_table(model: cp_model.CpModel, x: cp_model.IntVar, y: cp_model.IntVar) -> None:
    model.add_allowed_assignments([x, y], [(0, 1)])
    model.proto.constraints[0].table.values.append(2)


@pytest.mark.parametrize("change", [no_start, negation, two_hints, out_of_range, torn_table])
def test_what_cp_sat_refuses_is_refused_in_one_line(change: Change) -> None:
    change(*(small := small_model()))
    with pytest.raises(TranslationError, match=r"\ACP-SAT refuses the model: .+\Z"):
        translate(small[0])


def test_a_stop_is_asked_for_every_constraint() -> None:
    model, x, y = small_model()
    for _ in range(10):
        model.add(x + y >= 1)
    asked: list[bool] = []

    def stop() -> bool:
        asked.append(len(asked) == 3)
        return asked[-1]

    for read in (translate, CandidateGraph.from_model):
        with pytest.raises(ReadingStoppedError):
            read(model, stop=stop)
        assert len(asked) == 4
        asked.clear()
    translate(model, stop=lambda: bool(asked.append(False)))  # type: ignore[func-returns-value]
    assert len(asked) == 10


def optional_tasks(model: cp_model.CpModel, starts: list[cp_model.IntVar]) -> list[cp_model.IntervalVar]:
    present = model.new_bool_var("present")
    return [model.new_optional_interval_var(start, 1, start + 1, present, "") for start in starts]


LARGE: dict[str, Callable[[cp_model.CpModel, list[cp_model.IntVar]], object]] = {
    "no_overlap": lambda m, xs: m.add_no_overlap(optional_tasks(m, xs)),
    "no_overlap_2d": lambda m, xs: m.add_no_overlap_2d(optional_tasks(m, xs), optional_tasks(m, xs)),
    "cumulative": lambda m, xs: m.add_cumulative(optional_tasks(m, xs), [1] * len(xs), 3),
    "reservoir": lambda m, xs: m.add_reservoir_constraint(xs, [1] * len(xs), 0, 99),
}


@pytest.mark.parametrize("add", LARGE.values(), ids=LARGE)
def test_a_stop_is_heard_within_large_constraints(
    add: Callable[[cp_model.CpModel, list[cp_model.IntVar]], object],
) -> None:
    model = cp_model.CpModel()
    starts = [model.new_int_var(0, 99, f"s{i}") for i in range(40)]
    add(model, starts)
    asked: list[bool] = []
    translate(model, stop=lambda: bool(asked.append(False)))  # type: ignore[func-returns-value]
    assert len(asked) > len(model.proto.constraints)


def test_an_empty_constraint_always_holds() -> None:
    model, *_ = small_model()
    model.add_all_different([])
    model.proto.constraints.add()
    assert len(engine_solutions(translate(model))) == 12
