"""Bounds propagation of rows against all assignments of small models."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model

from nnsearch.model.prepared import PreparedModel
from training.losses.row_propagation import RowPropagation

IntArray = npt.NDArray[np.int64]

no_deadline = settings(deadline=None)  # a busy machine is not a failure

DOMAINS = [(0, 1), (0, 1), (0, 1), (-2, 3), (1, 4)]


def propagation(model: cp_model.CpModel) -> RowPropagation:
    return RowPropagation(PreparedModel(model).rows, *np.array(DOMAINS).T)


def variables(model: cp_model.CpModel) -> list[cp_model.IntVar]:
    return [model.new_int_var(low, high, f"x{place}") for place, (low, high) in enumerate(DOMAINS)]


def solutions(model: cp_model.CpModel) -> IntArray:
    """All assignments that hold, by CP-SAT's own word."""
    found: list[list[int]] = []

    class Heard(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
        def on_solution_callback(self) -> None:
            found.append(list(self.response_proto.solution))

    solver = cp_model.CpSolver()
    solver.parameters.enumerate_all_solutions = True
    solver.parameters.num_workers = 1
    solver.solve(model, Heard())
    return np.array(found, dtype=np.int64).reshape(-1, len(DOMAINS))


@st.composite
def row_models(draw: st.DrawFn) -> cp_model.CpModel:
    model = cp_model.CpModel()
    x = variables(model)
    literals = x[:3]
    literal = st.sampled_from([*literals, *(~one for one in literals)])
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["sum", "or", "and", "at most one", "exactly one"]))
        if kind == "sum":
            chosen = draw(st.lists(st.sampled_from(range(len(x))), min_size=1, max_size=4, unique=True))
            factors = draw(st.lists(st.integers(-3, 3), min_size=len(chosen), max_size=len(chosen)))
            ends = sorted(draw(st.lists(st.integers(-8, 8), min_size=4, max_size=4)))
            domain = cp_model.Domain.from_intervals(draw(st.sampled_from([[ends[:2], ends[2:]], [ends[1:3]], []])))
            if draw(st.booleans()):
                domain = cp_model.Domain(ends[1], 2**62)
            weighted = cp_model.LinearExpr.weighted_sum([x[place] for place in chosen], factors)
            constraint = model.add_linear_expression_in_domain(weighted, domain)
        else:
            given_literals = draw(st.lists(literal, max_size=3))
            add = {
                "or": model.add_bool_or,
                "and": model.add_bool_and,
                "at most one": model.add_at_most_one,
                "exactly one": model.add_exactly_one,
            }[kind]
            constraint = add(given_literals)
        if kind in ("sum", "or", "and") and draw(st.booleans()):
            constraint.only_enforce_if(draw(st.lists(literal, min_size=1, max_size=2)))
    return model


@st.composite
def bounds(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    ends = [sorted((draw(st.integers(low, high)), draw(st.integers(low, high)))) for low, high in DOMAINS]
    return [low for low, _ in ends], [high for _, high in ends]


@no_deadline
@given(row_models(), st.lists(bounds(), min_size=1, max_size=3))
def test_no_value_of_a_solution_is_ruled_out_and_a_batch_is_its_states(
    model: cp_model.CpModel, states: list[tuple[list[int], list[int]]]
) -> None:
    low, high = (np.array(side, dtype=np.int64) for side in zip(*states, strict=True))
    least, most = propagation(model)(low, high)
    assert (least >= low).all()
    assert (most <= high).all()
    holding = solutions(model)
    for place in range(len(states)):
        extends = ((holding >= low[place]) & (holding <= high[place])).all(axis=1)
        assert (holding[extends] >= least[place]).all()
        assert (holding[extends] <= most[place]).all()
        alone = propagation(model)(low[place : place + 1], high[place : place + 1])
        assert (alone[0][0] == least[place]).all()
        assert (alone[1][0] == most[place]).all()


@no_deadline
@given(row_models(), bounds())
def test_the_result_is_a_fixpoint_and_a_full_assignment_is_decided(
    model: cp_model.CpModel, state: tuple[list[int], list[int]]
) -> None:
    propagate = propagation(model)
    low, high = (np.array([side]) for side in state)
    least, most = propagate(low, high)
    if (least <= most).all():
        again = propagate(least, most)
        assert (again[0] == least).all()
        assert (again[1] == most).all()
        closer = propagate(least, least)
        if (closer[0] <= closer[1]).all():  # nothing is said against the assignment: but for ranges it is a solution
            ranges = any(len(one.linear.domain) > 2 for one in model.proto.constraints if one.has_linear())
            assert ranges or (solutions(model) == least[0]).all(axis=1).any()


def propagated(model: cp_model.CpModel, low: list[int], high: list[int]) -> tuple[list[int], list[int]]:
    least, most = propagation(model)(np.array([low]), np.array([high]))
    return least[0].tolist(), most[0].tolist()


def test_conditions_sums_and_clauses_pass_on_what_they_know() -> None:
    model = cp_model.CpModel()
    a, b, c, x, y = variables(model)
    model.add(2 * x + 3 * y >= 13).only_enforce_if(a, ~b)  # 2 x >= 13 - 12: x is 1 or more where it has to hold
    model.add_bool_or(b, c)
    model.add_at_most_one(a, c)
    low, high = [1, 0, 0, -2, 1], [1, 1, 1, 3, 4]
    assert propagated(model, low, high) == ([1, 1, 0, -2, 1], [1, 1, 0, 3, 4]), "a excludes c, so b holds"
    model = cp_model.CpModel()
    a, b, c, x, y = variables(model)
    model.add(2 * x + 3 * y >= 13).only_enforce_if(a, ~b)
    assert propagated(model, [1, 0, 0, -2, 1], [1, 0, 1, 3, 4]) == ([1, 0, 0, 1, 3], [1, 0, 1, 3, 4])
    assert propagated(model, [1, 0, 0, -2, 1], [1, 1, 1, 3, 2]) == ([1, 1, 0, -2, 1], [1, 1, 1, 3, 2]), "it cannot hold"


@pytest.mark.parametrize("kind", ["no coefficient", "no range", "no literal"])
@pytest.mark.parametrize("condition", [False, True])
def test_a_row_that_can_never_hold_is_heard(kind: str, condition: bool) -> None:
    model = cp_model.CpModel()
    a, b, _, x, _ = variables(model)
    if kind == "no coefficient":
        constraint = model.add_linear_expression_in_domain(
            cp_model.LinearExpr.weighted_sum([x], [0]), cp_model.Domain(2, 5)
        )
    elif kind == "no range":
        constraint = model.add_linear_expression_in_domain(x, cp_model.Domain.from_intervals([]))
    else:
        constraint = model.add_bool_or([])
    low, high = [0, 0, 0, -2, 1], [1, 1, 1, 3, 4]
    if not condition:
        least, most = propagated(model, low, high)
        assert any(one > other for one, other in zip(least, most, strict=True)), "no assignment holds"
        return
    constraint.only_enforce_if(a, ~b)
    assert propagated(model, low, high) == (low, high), "one of two conditions fails, nobody knows which"
    assert propagated(model, [1, *low[1:]], high) == ([1, 1, *low[2:]], high)
    least, most = propagated(model, [1, *low[1:]], [1, 0, *high[2:]])
    assert any(one > other for one, other in zip(least, most, strict=True)), "both conditions hold"


def test_sums_that_could_overflow_say_nothing() -> None:
    model = cp_model.CpModel()
    x, y = model.new_int_var(0, 2**40, "x"), model.new_int_var(0, 2**40, "y")
    model.add(2**20 * x + 2**20 * y <= 5)
    model.add(x + 3 * y <= 5)
    low, high = np.zeros((1, 2), dtype=np.int64), np.full((1, 2), 2**40)
    least, most = RowPropagation(PreparedModel(model).rows, low[0], high[0])(low, high)
    assert (least.tolist(), most.tolist()) == ([[0, 0]], [[5, 1]])


def test_states_of_another_shape_are_refused() -> None:
    model = cp_model.CpModel()
    variables(model)
    with pytest.raises(ValueError, match=r"expected bounds \[B, V\] twice"):
        propagation(model)(np.zeros(5, dtype=np.int64), np.zeros(5, dtype=np.int64))
