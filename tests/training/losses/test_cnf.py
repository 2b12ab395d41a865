from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model

from nnsearch.problems.sudoku.problem import Sudoku
from training.losses.cnf import Cnf, CnfError, from_model

few = settings(max_examples=30, deadline=None)


class Solutions(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
    def __init__(self, variables: list[cp_model.IntVar]) -> None:
        super().__init__()
        self.variables = variables
        self.found: set[tuple[int, ...]] = set()

    def on_solution_callback(self) -> None:
        self.found.add(tuple(int(self.value(variable)) for variable in self.variables))


def solutions(model: cp_model.CpModel) -> set[tuple[int, ...]]:
    count = len(model.proto.variables)
    variables = [model.get_int_var_from_proto_index(index) for index in range(count)]
    solver = cp_model.CpSolver()
    solver.parameters.enumerate_all_solutions = True
    solver.parameters.num_workers = 1
    solver.parameters.cp_model_presolve = False  # with it, CP-SAT 9.15 aborts on some elements
    callback = Solutions(variables)
    status = solver.solve(model, callback)
    assert status in (cp_model.OPTIMAL, cp_model.INFEASIBLE)
    return callback.found


def all_atoms(count: int) -> npt.NDArray[np.bool_]:
    """bool[2 ** n, n]."""
    atoms: npt.NDArray[np.bool_] = (np.arange(2**count)[:, None] >> np.arange(count)) & 1 == 1
    return atoms


def models(cnf: Cnf) -> set[tuple[bool, ...]]:
    atoms = all_atoms(cnf.num_atoms)
    return set(map(tuple, atoms[cnf.satisfied(atoms).all(1)].tolist()))


def check_same(model: cp_model.CpModel) -> None:
    expected = solutions(model)
    for each_value in (False, True):
        cnf = from_model(model, each_value=each_value)
        assert models(cnf) == {tuple(cnf.holds(solution).tolist()) for solution in expected}
    # Without the clauses on values, the models with one value for each variable are the solutions.
    cnf = from_model(model, one_value=False)
    for values in itertools.product(*_domains(model)):
        assert cnf.satisfied(cnf.holds(values)[None]).all() == (values in expected)


def _domains(model: cp_model.CpModel) -> list[list[int]]:
    result = []
    for variable in model.proto.variables:
        ends = list(variable.domain)
        result.append([v for low, high in zip(ends[::2], ends[1::2], strict=True) for v in range(low, high + 1)])
    return result


Adder = Callable[[st.DrawFn, cp_model.CpModel, list[cp_model.IntVar], list[cp_model.IntVar]], cp_model.Constraint]


def literals(draw: st.DrawFn, flags: list[cp_model.IntVar], least: int = 1) -> list[cp_model.BoolVarT]:
    chosen = draw(st.lists(st.tuples(st.sampled_from(flags), st.booleans()), min_size=least, max_size=4))
    return [flag if sign else ~flag for flag, sign in chosen]


def affine(draw: st.DrawFn, numbers: list[cp_model.IntVar]) -> cp_model.LinearExprT:
    return draw(st.sampled_from(numbers)) * draw(st.sampled_from([1, -1, 2])) + draw(st.integers(-1, 1))


def linear(
    draw: st.DrawFn, model: cp_model.CpModel, numbers: list[cp_model.IntVar], flags: list[cp_model.IntVar]
) -> cp_model.Constraint:
    terms = draw(st.lists(st.tuples(st.sampled_from(numbers + flags), st.integers(-2, 2)), min_size=1, max_size=4))
    low = draw(st.integers(-4, 4))
    intervals = [[low, low + draw(st.integers(0, 3))]]
    if draw(st.booleans()):
        intervals.append([intervals[0][1] + 2, intervals[0][1] + 5])
    domain = cp_model.Domain.from_intervals(intervals)
    return model.add_linear_expression_in_domain(sum(c * x for x, c in terms), domain)


def count(
    draw: st.DrawFn, model: cp_model.CpModel, numbers: list[cp_model.IntVar], flags: list[cp_model.IntVar]
) -> cp_model.Constraint:
    signs = [draw(st.sampled_from([1, -1])) for _ in flags]
    low = draw(st.integers(-3, 3))
    return model.add_linear_constraint(
        sum(sign * flag for sign, flag in zip(signs, flags, strict=True)), low, low + draw(st.integers(0, 3))
    )


def table(
    draw: st.DrawFn, model: cp_model.CpModel, numbers: list[cp_model.IntVar], flags: list[cp_model.IntVar]
) -> cp_model.Constraint:
    columns = [affine(draw, numbers), draw(st.sampled_from(numbers))]
    forbidden = draw(st.booleans())
    rows = draw(st.lists(st.tuples(st.integers(-2, 4), st.integers(-2, 4)), max_size=5))
    if rows and forbidden:
        return model.add_forbidden_assignments(columns, rows)
    return model.add_allowed_assignments(columns, rows or [(0, 0)])


ADDERS: dict[str, Adder] = {
    "all different": lambda draw, model, numbers, flags: model.add_all_different(
        [affine(draw, numbers) for _ in range(draw(st.integers(1, 3)))]
    ),
    "permutation": lambda draw, model, numbers, flags: model.add_all_different(numbers),
    "not equal": lambda draw, model, numbers, flags: model.add(affine(draw, numbers) != affine(draw, numbers)),
    "linear": linear,
    "count": count,
    "or": lambda draw, model, numbers, flags: model.add_bool_or(literals(draw, flags)),
    "and": lambda draw, model, numbers, flags: model.add_bool_and(literals(draw, flags)),
    "xor": lambda draw, model, numbers, flags: model.add_bool_xor(literals(draw, flags)),
    "exactly one": lambda draw, model, numbers, flags: model.add_exactly_one(literals(draw, flags)),
    "at most one": lambda draw, model, numbers, flags: model.add_at_most_one(literals(draw, flags)),
    "implication": lambda draw, model, numbers, flags: model.add_implication(*literals(draw, flags, 2)[:2]),
    "table": table,
    "element": lambda draw, model, numbers, flags: model.add_element(
        draw(st.sampled_from(numbers)), [affine(draw, numbers), 1, numbers[0]], draw(st.sampled_from(numbers))
    ),
    "product": lambda draw, model, numbers, flags: model.add_multiplication_equality(
        numbers[0], [affine(draw, numbers), draw(st.sampled_from(numbers))]
    ),
    "maximum": lambda draw, model, numbers, flags: model.add_max_equality(
        affine(draw, numbers), [affine(draw, numbers), draw(st.sampled_from(numbers))]
    ),
    "inverse": lambda draw, model, numbers, flags: model.add_inverse(numbers, numbers[::-1]),
}
ENFORCEABLE = {"linear", "not equal", "count", "or", "and"}


@st.composite
def small_models(draw: st.DrawFn, kind: str) -> cp_model.CpModel:
    model = cp_model.CpModel()
    domains = [[0, 1, 2], [-1, 0, 2], [1, 2], [2], [0, 1]]
    numbers = [
        model.new_int_var_from_domain(cp_model.Domain.from_values(draw(st.sampled_from(domains))), f"x{i}")
        for i in range(3)
    ]
    flags = [model.new_bool_var(f"b{i}") for i in range(3)]
    for name in (kind, draw(st.sampled_from(sorted(ADDERS)))):
        constraint = ADDERS[name](draw, model, numbers, flags)
        if name in ENFORCEABLE and draw(st.booleans()):
            constraint.only_enforce_if(literals(draw, flags))
    return model


@pytest.mark.parametrize("kind", sorted(ADDERS))
@few
@given(data=st.data())
def test_models_are_the_solutions(kind: str, data: st.DataObject) -> None:
    model = data.draw(small_models(kind))
    if model.validate():  # such as an implication with itself as enforcement: CP-SAT refuses it, and so may we
        return
    check_same(model)


def test_sudoku_has_the_clauses_of_the_paper() -> None:
    model, _ = Sudoku("", np.zeros((9, 9), dtype=np.int64)).build()
    cnf = from_model(model, one_value=False, each_value=True)
    assert (cnf.num_atoms, cnf.num_clauses) == (729, 8991)
    assert np.unique(cnf.width, return_counts=True)[1].tolist() == [27 * 9 * 36, 27 * 9]
    assert from_model(model).num_clauses == 27 * 9 * 36 + 81 * 37


def test_a_long_sum_of_literals_has_clauses() -> None:
    model = cp_model.CpModel()
    flags = [model.new_bool_var("") for _ in range(40)]
    model.add(sum(flags) == 1)
    assert from_model(model, limit=100).num_clauses == 1 + 40 * 39 // 2


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (
            lambda model, x: model.add(sum(x) == 7).with_name("total"),
            r"constraint 0 \(total\): expected at most 1,000 combinations of values, got 100,000 of 5 variables",
        ),
        (lambda model, x: model.add_all_different([x[0] + x[1], x[2]]), "constraint 0: expected expressions of one"),
        (lambda model, x: model.add_division_equality(x[0], x[1], 2), "constraint 0: int_div has no clause form"),
        (lambda model, x: model.add_circuit([(0, 1, True), (1, 0, True)]), "constraint 0: circuit has no clause form"),
        (lambda model, x: model.add_assumption(model.new_bool_var("")), "without assumptions"),
        (lambda model, x: model.new_int_var(0, 5000, "wide"), "variable wide: expected 1 to 1,000 values, got 5,001"),
    ],
)
def test_what_has_no_clauses_is_named(
    add: Callable[[cp_model.CpModel, list[cp_model.IntVar]], object], message: str
) -> None:
    model = cp_model.CpModel()
    add(model, [model.new_int_var(0, 9, f"x{i}") for i in range(5)])
    with pytest.raises(CnfError, match=message):
        from_model(model, limit=1000)


def test_the_model_is_not_changed() -> None:
    model = cp_model.CpModel()
    x = [model.new_int_var(0, 2, "") for _ in range(3)]
    model.add_element(x[0], [x[1], x[2]], 1)
    before = str(model.proto)
    from_model(model)
    assert str(model.proto) == before


def test_clauses_are_normalised() -> None:
    cnf = Cnf.from_clauses(3, [[1, 1, -2], [3, -3], [], [2, -1], [2, -1]])
    assert list(cnf.clauses()) == [[1, -2], [], [2, -1], [2, -1]]
    assert cnf.satisfied([[True, False, False]]).tolist() == [[True, False, False, False]]
    with pytest.raises(CnfError, match=r"expected literals 1\.\.3 or their opposites, got 4"):
        Cnf.from_clauses(3, [[4]])
