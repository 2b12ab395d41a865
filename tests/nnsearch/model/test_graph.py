from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from stand_ins import Solution, all_solutions, brute_force, domains, latin_square, models, wiped_out, with_holes

from nnsearch import load_scorer
from nnsearch.errors import GraphError, NothingToReadError
from nnsearch.model.graph import (
    AT_LEAST_ONE,
    AT_MOST_ONE,
    EXACTLY_ONE,
    KINDS,
    LINEAR,
    MAX_VALUES,
    TABLE,
    BoolArray,
    CandidateGraph,
)
from nnsearch.problems.latin_square.problem import LatinSquare
from training.losses.propagation import SinglesPropagation

Assignments = npt.NDArray[np.int64]


def holding(graph: CandidateGraph, assignments: Assignments) -> BoolArray:
    """bool[A, N]: which candidates hold in each assignment int64[A, V]."""
    held: BoolArray = assignments[:, graph.variable] == graph.values
    return held


def satisfied(graph: CandidateGraph, assignments: Assignments) -> BoolArray:
    """bool[A, G]: which groups are satisfied; those of variables without candidates and of other kinds always are."""
    held = holding(graph, assignments)
    count = np.zeros((len(assignments), graph.num_groups), dtype=np.int64)
    for candidate, group in zip(graph.edge_candidate, graph.edge_group, strict=True):
        count[:, group] += held[:, candidate]
    rule = {EXACTLY_ONE: count == 1, AT_MOST_ONE: count <= 1, AT_LEAST_ONE: count >= 1}
    result = np.ones_like(count, dtype=bool)
    for kind, fulfilled in rule.items():
        of_kind = graph.group_kind == kind
        result[:, of_kind] = fulfilled[:, of_kind]
    result[:, : graph.num_variables] |= np.diff(graph.offset) == 0
    return result


def check_encoding(model: cp_model.CpModel) -> CandidateGraph:
    """Compare the groups of a model with its solutions, by CP-SAT; return the graph."""
    assert model.validate() == ""
    solutions = np.array(all_solutions(model), dtype=np.int64).reshape(-1, len(model.proto.variables))
    graph = CandidateGraph.from_model(model)
    assert satisfied(graph, solutions).all()
    report = graph.report
    assert report.num_constraints == len(model.proto.constraints)
    assert report.num_encoded + len(report.connected) + len(report.ignored) == report.num_constraints
    if report.num_encoded == report.num_constraints and not report.too_large:
        assignments = np.array(list(product(*domains(model))), dtype=np.int64)
        allowed = assignments[satisfied(graph, assignments).all(axis=1)]
        assert {tuple(row) for row in allowed.tolist()} == {tuple(row) for row in solutions.tolist()}
    return graph


value_sets = st.sets(st.integers(-2, 4), min_size=1, max_size=4)
spans = st.one_of(
    value_sets.map(lambda values: cp_model.Domain.from_values(sorted(values))),
    st.integers(-3, 5).map(lambda value: cp_model.Domain(value, value).complement()),
    st.integers(-3, 5).map(lambda low: cp_model.Domain(low, cp_model.INT_MAX)),
    st.integers(-3, 5).map(lambda high: cp_model.Domain(cp_model.INT_MIN, high)),
    st.tuples(st.integers(-3, 5), st.integers(1, 3), st.integers(1, 3)).map(  # one value is missing, within bounds
        lambda hole: cp_model.Domain.from_intervals(
            [[hole[0] - hole[1], hole[0] - 1], [hole[0] + 1, hole[0] + hole[2]]]
        )
    ),
    st.tuples(st.integers(-2, 3), st.integers(0, 3)).map(lambda ends: cp_model.Domain(ends[0], ends[0] + ends[1])),
)


class Drawing:
    """One random model in the making."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw, self.model = draw, cp_model.CpModel()
        self.integers = [
            self.model.new_int_var_from_domain(cp_model.Domain.from_values(sorted(values)), f"x{i}")
            for i, values in enumerate(draw(st.lists(value_sets, min_size=1, max_size=3)))
        ]
        bounds = draw(st.lists(st.sampled_from([(0, 1), (0, 1), (0, 1), (0, 0), (1, 1)]), min_size=1, max_size=4))
        self.booleans = [self.model.new_int_var(*ends, f"b{i}") for i, ends in enumerate(bounds)]

    def integer(self) -> cp_model.IntVar:
        return self.draw(st.sampled_from([*self.integers, *self.booleans]))

    def literal(self) -> cp_model.LiteralT:
        one = self.draw(st.sampled_from(self.booleans))
        return self.draw(st.sampled_from([one, one, one, one, ~one, ~one, ~one, ~one, True, False]))

    def literals(self, most: int = 4) -> list[cp_model.LiteralT]:
        return [self.literal() for _ in range(self.draw(st.integers(0, most)))]

    def affine(self) -> cp_model.LinearExprT:
        if self.draw(st.integers(0, 9)) == 0:
            return self.draw(st.integers(-2, 4))
        return self.draw(st.sampled_from([1, 1, 1, -1, 2, -3, 0])) * self.integer() + self.draw(st.integers(-2, 2))

    def affines(self, least: int, most: int) -> list[cp_model.LinearExprT]:
        return [self.affine() for _ in range(self.draw(st.integers(least, most)))]

    def perhaps_enforced(self, constraint: cp_model.Constraint) -> None:
        if self.draw(st.booleans()):
            constraint.only_enforce_if(self.literals(2))

    # -- constraints, by name

    def all_different(self) -> None:
        whole = self.draw(st.booleans())
        self.perhaps_enforced(self.model.add_all_different(self.integers if whole else self.affines(0, 4)))

    def not_equal(self) -> None:
        x, y = self.integer(), self.integer()
        a, b = (self.draw(st.sampled_from([1, -1, 2, -3])) for _ in range(2))
        self.perhaps_enforced(self.model.add(a * x + b * y != self.draw(st.integers(-4, 6))))

    def exactly_one(self) -> None:
        self.perhaps_enforced(self.model.add_exactly_one(self.literals()))

    def at_most_one(self) -> None:
        self.perhaps_enforced(self.model.add_at_most_one(self.literals()))

    def bool_or(self) -> None:
        self.perhaps_enforced(self.model.add_bool_or(self.literals()))

    def bool_and(self) -> None:
        self.perhaps_enforced(self.model.add_bool_and(self.literals()))

    def bool_xor(self) -> None:
        self.model.add_bool_xor(self.literals())

    def count(self) -> None:
        signs = [self.draw(st.sampled_from([1, 1, 1, -1])) for _ in self.booleans]
        total = sum(sign * one for sign, one in zip(signs, self.booleans, strict=True))
        if isinstance(total, int):
            return
        low, size = self.draw(st.integers(-4, 4)), self.draw(st.integers(0, 4))
        self.perhaps_enforced(self.model.add_linear_expression_in_domain(total, cp_model.Domain(low, low + size)))

    def one_variable(self) -> None:
        factor = self.draw(st.sampled_from([1, 1, -1, 2, 0]))
        self.perhaps_enforced(self.model.add_linear_expression_in_domain(factor * self.integer() + 0, self.draw(spans)))

    def channel(self) -> None:
        x, literal = self.integer(), self.literal()
        value = self.draw(st.integers(-2, 4) | st.sampled_from(list(x.domain.flattened_intervals())))
        self.model.add(x == value).only_enforce_if(literal)
        if isinstance(literal, bool):
            return
        self.model.add(x != value).only_enforce_if(~literal)

    def linear(self) -> None:
        total = sum(self.draw(st.integers(-3, 3)) * x for x in self.integers) + 0 * self.integers[0]
        self.perhaps_enforced(self.model.add_linear_expression_in_domain(total, self.draw(spans)))

    def as_loaded(self) -> None:
        """A linear constraint as files may hold it and the modelling layer never writes it: repetitions and zeros."""
        body = self.model.proto.constraints.add().linear
        for _ in range(self.draw(st.integers(0, 3))):
            body.vars.append(self.integer().index)
            body.coeffs.append(self.draw(st.sampled_from([1, 1, -1, 0, 2])))
        body.domain.extend(self.draw(spans).flattened_intervals())

    def circuit(self) -> None:
        pairs = self.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=3, max_size=7))
        loops = {tail for tail, head in pairs if tail == head}  # CP-SAT takes one for each node
        arcs = [pair for pair in pairs if pair[0] != pair[1]] + [(node, node) for node in sorted(loops)]
        self.model.add_circuit([(tail, head, self.literal()) for tail, head in arcs])

    def inverse(self) -> None:
        xs = [self.integer() for _ in range(self.draw(st.integers(1, 3)))]
        self.model.add_inverse(xs, [self.integer() for _ in xs])

    def table(self) -> None:
        xs = self.affines(1, 2)
        rows = st.lists(st.integers(-2, 4), min_size=len(xs), max_size=len(xs))
        add = self.draw(st.sampled_from([self.model.add_allowed_assignments, self.model.add_forbidden_assignments]))
        add(xs, self.draw(st.lists(rows, min_size=1, max_size=6)))

    def element(self) -> None:
        self.model.add_element(self.integer(), self.affines(1, 4), self.affine())

    def arithmetic(self) -> None:
        add: list[Callable[..., object]] = [
            self.model.add_max_equality,
            self.model.add_min_equality,
            self.model.add_multiplication_equality,
        ]
        self.draw(st.sampled_from(add))(self.affine(), self.affines(1, 2))

    def no_overlap(self) -> None:
        intervals = [
            self.model.new_fixed_size_interval_var(self.integer(), self.draw(st.integers(0, 2)), f"i{i}")
            for i in range(2)
        ]
        self.model.add_no_overlap(intervals)


ENCODED_IN_FULL = [
    "all_different",
    "not_equal",
    "exactly_one",
    "at_most_one",
    "bool_or",
    "bool_and",
    "count",
    "one_variable",
    "channel",
    "as_loaded",
]
OTHERS = ["bool_xor", "linear", "circuit", "inverse", "table", "element", "arithmetic", "no_overlap"]


@st.composite
def any_models(draw: st.DrawFn, names: list[str]) -> cp_model.CpModel:
    """Models of up to three kinds of constraints; many are infeasible."""
    drawing = Drawing(draw)
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)):
        getattr(drawing, name)()
    return drawing.model


@settings(max_examples=150)
@given(any_models(ENCODED_IN_FULL))
def test_groups_say_what_the_report_says(model: cp_model.CpModel) -> None:
    check_encoding(model)


@settings(max_examples=100)
@given(any_models(ENCODED_IN_FULL + OTHERS))
def test_groups_hold_in_every_solution(model: cp_model.CpModel) -> None:
    check_encoding(model)


def groups_of(model: cp_model.CpModel | CandidateGraph) -> list[tuple[str, set[tuple[str, int]]]]:
    """Kind and (variable, value) pairs of every group after those of the variables."""
    graph = model if isinstance(model, CandidateGraph) else CandidateGraph.from_model(model)
    pairs = [(graph.names[v], value) for v, value in zip(graph.variable.tolist(), graph.values.tolist(), strict=True)]
    groups: list[tuple[str, set[tuple[str, int]]]] = [(KINDS[kind], set()) for kind in graph.group_kind]
    for candidate, group in zip(graph.edge_candidate.tolist(), graph.edge_group.tolist(), strict=True):
        assert pairs[candidate] not in groups[group][1]
        groups[group][1].add(pairs[candidate])
    assert (np.diff(graph.edge_group) >= 0).all()
    own = [(KINDS[EXACTLY_ONE], {pair for pair in pairs if pair[0] == name}) for name in graph.names]
    assert groups[: graph.num_variables] == own
    return groups[graph.num_variables :]


class Letters:
    """x and y in 0..2, Booleans a, b and c."""

    def __init__(self) -> None:
        self.model = cp_model.CpModel()
        self.x, self.y = (self.model.new_int_var(0, 2, name) for name in "xy")
        self.a, self.b, self.c = (self.model.new_bool_var(name) for name in "abc")


Encoding = list[tuple[str, set[tuple[str, int]]]]


@pytest.mark.parametrize(
    ("add", "expected"),
    [
        (
            lambda m: m.model.add_all_different([m.x, m.y]),
            [("at_most_one", {("x", v), ("y", v)}) for v in range(3)],
        ),
        (
            lambda m: m.model.add_all_different([m.x, 2 * m.y + 1]),
            [
                ("at_most_one", {("x", 0)}),
                ("at_most_one", {("x", 1), ("y", 0)}),
                ("at_most_one", {("x", 2)}),
                ("at_most_one", {("y", 1)}),
                ("at_most_one", {("y", 2)}),
            ],
        ),
        (
            lambda m: m.model.add_all_different([m.a, 1 - m.b]),  # as many values as expressions
            [("exactly_one", {("a", 0), ("b", 1)}), ("exactly_one", {("a", 1), ("b", 0)})],
        ),
        (
            lambda m: m.model.add(2 * m.x - m.y != 1),
            [("at_most_one", {("x", 1), ("y", 1)})],
        ),
        (lambda m: m.model.add(m.x + m.y != 17), []),
        (
            lambda m: m.model.add(m.x - 2 == -1).only_enforce_if(m.a),
            [("at_most_one", {("a", 1), ("x", 0), ("x", 2)})],
        ),
        (
            lambda m: m.model.add_exactly_one([m.a, ~m.b, m.c]),
            [("exactly_one", {("a", 1), ("b", 0), ("c", 1)})],
        ),
        (lambda m: m.model.add_bool_or([m.a, ~m.b]), [("at_most_one", {("a", 0), ("b", 1)})]),
        (
            lambda m: m.model.add_bool_or([m.a, ~m.b, m.c]),
            [("at_least_one", {("a", 1), ("b", 0), ("c", 1)})],
        ),
        (
            lambda m: m.model.add_implication(m.a, ~m.b),
            [("at_most_one", {("a", 1), ("b", 1)})],
        ),
        (
            lambda m: m.model.add_bool_and([m.a, m.b]).only_enforce_if(m.c),
            [("at_most_one", {("c", 1), ("a", 0)}), ("at_most_one", {("c", 1), ("b", 0)})],
        ),
        (lambda m: m.model.add(m.a <= m.b), [("at_most_one", {("a", 1), ("b", 0)})]),
        (lambda m: m.model.add(m.a + m.b >= 1), [("at_most_one", {("a", 0), ("b", 0)})]),
        (
            lambda m: m.model.add(m.a + m.b + m.c >= 2),
            [("at_most_one", {("a", 0), ("b", 0), ("c", 0)})],
        ),
        (
            lambda m: m.model.add(m.a + m.b - m.c == 0),
            [("exactly_one", {("a", 1), ("b", 1), ("c", 0)})],
        ),
        (
            lambda m: m.model.add(m.x == 1).only_enforce_if(~m.a),
            [("at_most_one", {("a", 0), ("x", 0), ("x", 2)})],
        ),
    ],
)
def test_how_constraints_become_groups(add: Callable[[Letters], object], expected: Encoding) -> None:
    letters = Letters()
    add(letters)
    assert groups_of(letters.model) == expected
    graph = check_encoding(letters.model)
    assert str(graph.report) == "encoded 1 of 1 constraints"


def test_one_missing_value_is_a_difference_only_if_the_rest_is_allowed() -> None:
    for low, high, encoded in ((0, 4, True), (-9, 99, True), (1, 4, False), (0, 3, False)):
        letters = Letters()
        domain = cp_model.Domain.from_intervals([[low, 1], [3, high]])
        letters.model.add_linear_expression_in_domain(letters.x + letters.y, domain)
        groups = groups_of(letters.model)
        pairs = [("at_most_one", {("x", x), ("y", 2 - x)}) for x in range(3)]
        assert groups == pairs if encoded else [kind for kind, _ in groups] == ["linear"]
        check_encoding(letters.model)


def test_a_circuit_leaves_and_enters_every_node_once() -> None:
    model = cp_model.CpModel()
    arcs = [(i, j, model.new_bool_var(f"{i}{j}")) for i in range(3) for j in range(3) if i != j]
    model.add_circuit(arcs)
    graph = CandidateGraph.from_model(model)
    assert graph.report.connected == (("constraint 0", "circuit"),)
    leave = [("exactly_one", {(f"{i}{j}", 1) for j in range(3) if i != j}) for i in range(3)]
    enter = [("exactly_one", {(f"{i}{j}", 1) for i in range(3) if i != j}) for j in range(3)]
    every = ("other", {(f"{i}{j}", value) for i, j, _ in arcs for value in (0, 1)})
    assert groups_of(graph) == [*leave, *enter, every]


def test_one_variable_narrows_its_domain() -> None:
    model = cp_model.CpModel()
    x = model.new_int_var(0, 9, "x")
    y = model.new_int_var(0, 1, "y")
    model.add_linear_expression_in_domain(-2 * x, cp_model.Domain.from_intervals([[-13, -9], [-3, 0]]))
    model.add(x != 1)
    model.add(x != y)
    graph = CandidateGraph.from_model(model)
    assert graph.values[: graph.offset[1]].tolist() == [0, 5, 6]
    np.testing.assert_allclose(graph.place, [0, 0.5, 1, 0, 1])
    assert graph.report.num_encoded == 3


def test_the_report_counts_everything() -> None:
    model = cp_model.CpModel()
    x, y = model.new_int_var(0, 3, "x"), model.new_int_var(0, 3, "y")
    far = model.new_int_var(0, MAX_VALUES, "far")
    near = model.new_int_var(1, MAX_VALUES, "near")
    b = model.new_bool_var("b")
    model.add(x != y)
    model.add(x + y <= 4).with_name("the\nsum")
    model.add(x + 2 * y <= 7)
    model.add_allowed_assignments([x, y], [(0, 1), (1, 2)])
    model.add_element(x, [y, near, 3], near)
    model.add_max_equality(near, [x, y])
    model.add(far == x + y)
    model.add_bool_xor([b, b])
    graph = CandidateGraph.from_model(model)
    report = graph.report
    assert (report.num_constraints, report.num_encoded) == (8, 1)
    assert report.connected == (
        ("constraint 1 (the sum)", "linear"),
        ("constraint 2", "linear"),
        ("constraint 3", "table"),
        ("constraint 4", "element"),
        ("constraint 5", "lin_max"),
    )
    assert report.ignored == (
        ("constraint 6", "linear on a variable without candidates"),
        ("constraint 7", "bool_xor"),
    )
    assert report.too_large == ("far",)
    assert str(report) == (
        "encoded 1 of 8 constraints; connected only: 2 linear, 1 table, 1 element, 1 lin_max; "
        "ignored: 1 linear on a variable without candidates, 1 bool_xor; "
        f"without candidates, for more than {MAX_VALUES} values: 1 variables"
    )
    assert np.diff(graph.offset).tolist() == [4, 4, 0, MAX_VALUES, 2]
    assert [KINDS[kind] for kind in graph.group_kind[-5:]] == ["linear", "linear", "table", "element", "other"]


def test_the_largest_numbers() -> None:
    model = cp_model.CpModel()
    low, high = -(2**60), 2**60
    x = model.new_int_var_from_domain(cp_model.Domain.from_values([low, 0, high]), "x")
    y = model.new_int_var_from_domain(cp_model.Domain.from_values([low, 1, high - 1]), "y")
    wide = model.new_int_var(low, high, "wide")
    model.add(x != y)
    model.add_all_different([x, y])
    model.add(x <= 0)
    model.add(wide >= 5)
    graph = check_encoding_of_two(model)
    assert graph.report.too_large == ("wide",)
    pair = ("at_most_one", {("x", low), ("y", low)})
    alone = [("at_most_one", {one}) for one in (("x", 0), ("y", 1), ("y", high - 1))]
    assert groups_of(graph) == [pair, pair, *alone]


def check_encoding_of_two(model: cp_model.CpModel) -> CandidateGraph:
    """The third variable is too large for an enumeration: soundness on x and y alone."""
    graph = CandidateGraph.from_model(model)
    solver = cp_model.CpSolver()
    assert solver.solve(model) == cp_model.OPTIMAL
    solution = np.array([[solver.value(model.get_int_var_from_proto_index(i)) for i in range(3)]])
    assert satisfied(graph, solution).all()
    return graph


@settings(max_examples=50)
@given(any_models(ENCODED_IN_FULL + OTHERS), st.integers(-2, 2))
def test_variables_with_too_many_values_stay_outside(model: cp_model.CpModel, factor: int) -> None:
    first = model.get_int_var_from_proto_index(0)
    far = model.new_int_var(-(10**9), 10**9, "far")
    model.add(far == 1000 * factor * first)
    model.add_all_different([far, first, 7])
    graph = check_encoding(model)
    assert graph.report.too_large == ("far",)
    assert [reason for _, reason in graph.report.ignored][-2:] == [
        "linear on a variable without candidates",
        "all_diff on a variable without candidates",
    ]


def test_nothing_to_read_is_one_clear_error() -> None:
    model = cp_model.CpModel()
    with pytest.raises(
        NothingToReadError,
        match=r"at least one constraint .* \(encoded 0 of 0 constraints\); .* use none: --model none, scorer=None$",
    ):
        load_scorer("bp", "cpu").prepare(CandidateGraph.from_model(model))
    far = model.new_int_var(0, 10**6, "far")
    b = model.new_bool_var("b")
    model.add(far >= 3 * b)
    model.add_bool_xor([b, b])
    with pytest.raises(NothingToReadError) as caught:
        load_scorer("bp", "cpu").prepare(CandidateGraph.from_model(model))
    assert str(caught.value) == (
        "bp: expected a model with at least one constraint that ties candidates together as exactly_one or at_most_one "
        "(encoded 0 of 2 constraints; "
        "ignored: 1 linear on a variable without candidates, 1 bool_xor; "
        f"without candidates, for more than {MAX_VALUES} values: 1 variables); "
        "a network has nothing to read here, use none: --model none, scorer=None"
    )


def test_a_declared_empty_domain_is_named() -> None:
    model = cp_model.CpModel()
    model.new_int_var(0, 1, "full")
    model.new_int_var(3, 2, "hollow")
    with pytest.raises(GraphError, match=r"^variable hollow: expected at least one value, its domain is empty$"):
        CandidateGraph.from_model(model)


def test_a_constraint_that_leaves_no_value_is_a_wipe_out() -> None:
    model = cp_model.CpModel()
    x = model.new_int_var(0, 5, "x")
    model.add(x >= 3)
    model.add(2 * x <= 5)
    nothing = model.proto.constraints.add().linear  # names no variable
    nothing.domain.extend([1, 3])
    graph = CandidateGraph.from_model(model)
    assert graph.values.tolist() == [3, 4, 5]
    assert groups_of(graph) == [("exactly_one", set()), ("exactly_one", set())]
    assert str(graph.report) == "encoded 3 of 3 constraints"
    assert wiped_out(graph, np.ones(3, dtype=bool))


def test_a_constraint_that_names_its_variable_twice_does_not_narrow() -> None:
    model = cp_model.CpModel()
    x = model.new_int_var(0, 5, "x")
    twice = model.proto.constraints.add().linear
    twice.vars.extend([x.index, x.index])
    twice.coeffs.extend([2, 1])
    twice.domain.extend([6, 12])
    graph = CandidateGraph.from_model(model)
    assert graph.values.tolist() == [0, 1, 2, 3, 4, 5]
    assert groups_of(graph) == [("exactly_one", {("x", value) for value in (2, 3, 4)})]
    assert str(graph.report) == "encoded 1 of 1 constraints"


def test_hand_written_models() -> None:
    graph = CandidateGraph.from_all_different([range(3), [2, 1, 2], {0}], [[0, 1], [2, 0]], ["x", "y", "z"])
    assert graph.names == ("x", "y", "z")
    assert graph.offset.tolist() == [0, 3, 5, 6]
    assert graph.values.tolist() == [0, 1, 2, 1, 2, 0]
    assert groups_of(graph) == [
        ("at_most_one", {("x", 0)}),
        ("at_most_one", {("x", 1), ("y", 1)}),
        ("at_most_one", {("x", 2), ("y", 2)}),
        ("at_most_one", {("x", 0), ("z", 0)}),
        ("at_most_one", {("x", 1)}),
        ("at_most_one", {("x", 2)}),
    ]
    assert str(graph.report) == "encoded 2 of 2 constraints"
    assert CandidateGraph.from_all_different([[1]], []).names == ("v0",)


@given(st.lists(value_sets, min_size=1, max_size=4), st.data())
def test_hand_written_models_are_like_others(value_lists: list[set[int]], data: st.DataObject) -> None:
    indices = st.lists(st.integers(0, len(value_lists) - 1), min_size=1, unique=True)
    groups = data.draw(st.lists(indices, min_size=1, max_size=3))
    model = cp_model.CpModel()
    variables = [
        model.new_int_var_from_domain(cp_model.Domain.from_values(sorted(values)), f"v{i}")
        for i, values in enumerate(value_lists)
    ]
    for group in groups:
        model.add_all_different([variables[i] for i in group])
    expected, got = CandidateGraph.from_model(model), CandidateGraph.from_all_different(value_lists, groups)
    assert (got.names, got.report) == (expected.names, expected.report)
    for name in ("offset", "values", "place", "edge_candidate", "edge_group", "group_kind"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))


@pytest.mark.parametrize(
    ("value_lists", "groups", "names", "message"),
    [
        ([[1], []], [[0, 1]], None, "variable v1: expected at least one value, its domain is empty"),
        ([[1], []], [], ["x", "y"], "variable y: expected at least one value, its domain is empty"),
        ([[1], [2]], [[0, 1]], ["x"], "expected 2 names, one per domain, got 1"),
        ([[1], [2]], [[0], [1, 2]], None, "group 1: expected distinct variables 0..1, got variable 2"),
        ([[1], [2]], [[-1]], None, "group 0: expected distinct variables 0..1, got variable -1"),
        ([[1], [2]], [[1, 0, 1]], None, "group 0: expected distinct variables 0..1, got a variable twice"),
    ],
)
def test_wrong_hand_written_models_are_refused(
    value_lists: list[list[int]], groups: list[list[int]], names: list[str] | None, message: str
) -> None:
    with pytest.raises(GraphError) as caught:
        CandidateGraph.from_all_different(value_lists, groups, names)
    assert str(caught.value) == message


def test_a_large_latin_square() -> None:
    n = 60
    graph = CandidateGraph.from_model(LatinSquare(n).build()[0])
    assert (graph.num_variables, graph.num_candidates, graph.num_groups) == (n**2, n**3, 3 * n**2)
    assert len(graph.edge_candidate) == 3 * n**3
    assert (graph.group_kind == EXACTLY_ONE).all()
    assert str(graph.report) == f"encoded {2 * n} of {2 * n} constraints"


# -- what is made of a graph


def mixed() -> CandidateGraph:
    """Exactly-one, at-most-one, at-least-one, linear and table groups."""
    letters = Letters()
    letters.model.add(letters.x + letters.y <= 3)
    letters.model.add(letters.x != letters.y)
    letters.model.add_bool_or([letters.a, letters.b, letters.c])
    letters.model.add_allowed_assignments([letters.x, letters.a], [(0, 1), (2, 0)])
    return CandidateGraph.from_model(letters.model)


def test_only_the_kinds_that_a_network_reads() -> None:
    graph = mixed()
    assert [kind for kind, _ in groups_of(graph)] == ["linear", *["at_most_one"] * 3, "at_least_one", "table"]
    for kinds in (["exactly_one"], ["table", "exactly_one"], ["exactly_one", "at_most_one", "linear"], KINDS):
        kept = graph.only(kinds)
        assert groups_of(kept) == [group for group in groups_of(graph) if group[0] in kinds]
        np.testing.assert_array_equal(kept.values, graph.values)
    assert {AT_MOST_ONE, LINEAR, TABLE} < set(graph.group_kind.tolist())
    for kinds in ([], ["at_most_one"], ["exactly_one", "sum"]):
        with pytest.raises(GraphError, match=r"expected exactly_one and others of exactly_one, at_most_one, .*, got"):
            graph.only(kinds)


def test_identities_number_the_table() -> None:
    graph = mixed()
    assert graph.identity is None
    known = graph.identified({"y": [7, 0, 2], "nobody": [1, 2], "a": [1], "x": [2]})
    names = [graph.names[v] for v in graph.variable]
    assert known.identity is not None
    assert known.identity.dtype == np.int64
    rows = {(n, v): row for n, v, row in zip(names, graph.values.tolist(), known.identity.tolist(), strict=True) if row}
    assert rows == {("y", 0): 2, ("y", 2): 3, ("a", 1): 6, ("x", 2): 7}
    alive = np.arange(graph.num_candidates) % 2 == 0
    restricted, kept = known.restrict(alive)
    assert restricted.identity is not None
    np.testing.assert_array_equal(restricted.identity, known.identity[kept])


@st.composite
def states(draw: st.DrawFn) -> tuple[CandidateGraph, BoolArray, list[Solution]]:
    """A graph, some of its candidates, and the solutions of the model."""
    model = draw(any_models(ENCODED_IN_FULL + OTHERS))
    graph = CandidateGraph.from_model(model)
    dead = draw(st.sets(st.integers(0, graph.num_candidates - 1), max_size=graph.num_candidates // 2))
    alive = np.ones(graph.num_candidates, dtype=bool)
    alive[list(dead)] = False
    return graph, alive, all_solutions(model)


@settings(max_examples=50)
@given(states())
def test_a_restricted_graph_is_the_rest(state: tuple[CandidateGraph, BoolArray, list[Solution]]) -> None:
    graph, alive, solutions = state
    whole, kept = graph.restrict(np.ones(graph.num_candidates, dtype=bool))
    assert groups_of(whole) == groups_of(graph)
    np.testing.assert_array_equal(kept, np.arange(graph.num_candidates))
    small, kept = graph.restrict(alive)
    np.testing.assert_array_equal(kept, np.flatnonzero(alive))
    np.testing.assert_array_equal(small.values, graph.values[kept])
    np.testing.assert_array_equal(small.variable, graph.variable[kept])
    np.testing.assert_array_equal(small.place, graph.place[kept])
    np.testing.assert_array_equal(np.diff(small.offset), graph.count(alive))
    left = {(graph.names[graph.variable[c]], int(graph.values[c])) for c in kept}
    assert groups_of(small) == [(kind, pairs & left) for kind, pairs in groups_of(graph)]
    some = np.arange(len(kept)) % 3 > 0
    again, once_more = small.restrict(some)
    at_once = alive.copy()
    at_once[kept[~some]] = False
    directly, positions = graph.restrict(at_once)
    np.testing.assert_array_equal(kept[once_more], positions)
    assert groups_of(again) == groups_of(directly)
    for solution in solutions[:5]:
        before, after = graph.candidates_of(solution), small.candidates_of(solution)
        there = alive[before] & (before >= 0)
        np.testing.assert_array_equal(kept[after[there]], before[there])
        assert (after[~there] == -1).all()


def test_candidates_of_a_solution() -> None:
    graph = CandidateGraph.from_all_different([[1, 3], [3, 5]], [[0, 1]])
    assert graph.candidates_of([3, 5]).tolist() == [1, 3]
    assert graph.candidates_of(np.array([2, 3])).tolist() == [-1, 2]
    for wrong in ([1], [1, 3, 5], [[1, 3]]):
        with pytest.raises(GraphError, match="expected 2 values, got shape"):
            graph.candidates_of(wrong)


@settings(max_examples=100)
@given(states(), st.data())
def test_propagation(state: tuple[CandidateGraph, BoolArray, list[Solution]], data: st.DataObject) -> None:
    graph, alive, solutions = state
    before = alive.copy()
    after = graph.propagate(alive)
    np.testing.assert_array_equal(alive, before)
    assert not (after & ~alive).any()
    np.testing.assert_array_equal(graph.propagate(after), after)
    held = holding(graph, np.array(solutions, dtype=np.int64).reshape(-1, graph.num_variables))
    possible = held[(held <= alive).all(axis=1)]
    assert (possible <= after).all()
    if len(possible):  # where all is lost anyway, more candidates may be seen to be lost
        assert not wiped_out(graph, after)
        less = alive.copy()
        less[data.draw(st.lists(st.integers(0, graph.num_candidates - 1), max_size=3))] = False
        less[possible.any(axis=0) & alive] = True
        assert (graph.propagate(less) <= after).all()


@settings(max_examples=30)
@given(st.integers(0, 40), st.integers(0, 99), st.integers(2, 5))
def test_propagation_of_latin_squares(holes: int, seed: int, order: int) -> None:
    problem = LatinSquare(order)
    grid = with_holes(latin_square(order, seed), min(holes, order**2), seed)
    graph = CandidateGraph.from_model(problem.build()[0])
    alive = (grid.reshape(-1, 1) == 0) | (grid.reshape(-1, 1) == np.arange(1, order + 1))
    assignment = (grid.reshape(1, -1, 1) == np.arange(1, order + 1)).reshape(1, -1)
    assigned, possible = SinglesPropagation(problem.groups(), problem.num_candidates)(assignment)
    np.testing.assert_array_equal(graph.propagate(alive.ravel()), (assigned | possible)[0])


def test_a_wipe_out_is_seen() -> None:
    graph = CandidateGraph.from_all_different([[1, 2], [1, 2], [1, 2, 3]], [[0, 1, 2]])
    alive = np.ones(7, dtype=bool)
    assert not wiped_out(graph, alive)
    assert graph.propagate(alive).tolist() == [True, True, True, True, False, False, True]  # 3 has one place
    alive[:2] = False
    assert wiped_out(graph, alive)
    graph = CandidateGraph.from_all_different([[1], [1, 2], [2]], [[0, 1, 2]])
    assert graph.propagate(np.ones(4, dtype=bool)).tolist() == [True, False, False, True]
    assert wiped_out(graph, graph.propagate(np.ones(4, dtype=bool)))


def test_two_that_hold_and_exclude_each_other_are_a_wipe_out() -> None:
    graph = CandidateGraph.from_all_different([[1], [1]], [[0, 1]])
    assert wiped_out(graph, graph.propagate(np.ones(2, dtype=bool)))


def test_a_group_without_candidates_is_a_wipe_out() -> None:
    model = cp_model.CpModel()
    model.add_exactly_one([model.new_int_var(0, 0, name) for name in "ab"])
    graph = CandidateGraph.from_model(model)
    assert wiped_out(graph, np.ones(2, dtype=bool))


def test_a_wipe_out_survives_restriction() -> None:
    graph = CandidateGraph.from_all_different([[1, 2], [1]], [[0, 1]])
    alive = np.array([True, True, False])
    assert wiped_out(graph, alive)
    small, _ = graph.restrict(alive)
    assert wiped_out(small, np.ones(2, dtype=bool))


@settings(max_examples=50)
@given(models())
def test_models_of_the_cp_engine(model: cp_model.CpModel) -> None:
    assert all_solutions(model) == brute_force(model)  # two independent judges
    check_encoding(model)
