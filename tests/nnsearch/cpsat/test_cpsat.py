from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_split import market_split
from ortools.sat.python import cp_model
from stand_ins import (
    FixedGraphScorer,
    FixedScorer,
    Grid,
    LinearScorer,
    RandomGraphScorer,
    brute_force,
    completes,
    domains,
    graph_of,
    latin_square,
    models,
    network,
    satisfies,
    saved,
    with_holes,
)
from stopping import bounded

from nnsearch import cpsat
from nnsearch.errors import GraphError, ModelFileError, NNSearchError, ScoreError
from nnsearch.limits import Limits
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.result import Status
from nnsearch.scorers.onnx import OnnxScorer
from nnsearch.scorers.scorer import FloatArray


def variables_of(model: cp_model.CpModel) -> list[cp_model.IntVar]:
    return [model.get_int_var_from_proto_index(i) for i in range(len(model.proto.variables))]


def hard(order: int) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
    return LatinSquare(order).build(with_holes(latin_square(order, 0), order * order * 42 // 100, 0))


@settings(max_examples=40)
@given(models(), st.integers(0, 99))
def test_solves_or_proves_and_leaves_the_model_alone(model: cp_model.CpModel, seed: int) -> None:
    values = [value for domain in domains(model) for value in domain]
    scorer = LinearScorer(len(model.proto.variables), max(values) - min(values) + 1, seed)
    solutions = brute_force(model)
    before = str(model.proto)
    for result in (
        cpsat.solve(model, variables_of(model), scorer, seed=seed),
        cpsat.solve(model, variables_of(model), None, seed=seed),
    ):
        assert result.status == (Status.OPTIMAL if solutions else Status.INFEASIBLE)
        assert (tuple(result.solution) in solutions) if result.solution is not None else not solutions
    assert str(model.proto) == before


@settings(max_examples=25)
@given(models(max_variables=3), st.integers(0, 99))
def test_an_optimum_stays_one(model: cp_model.CpModel, seed: int) -> None:
    variables = variables_of(model)
    values = [value for domain in domains(model) for value in domain]

    def profit(solution: Sequence[int]) -> int:
        return sum((3 - i) * value for i, value in enumerate(solution))

    model.maximize(sum((3 - i) * variable for i, variable in enumerate(variables)))
    result = cpsat.solve(model, variables, LinearScorer(len(variables), max(values) - min(values) + 1, seed))
    assert (result.solution and profit(result.solution)) == max(map(profit, brute_force(model)), default=None)


def test_the_fields_of_a_result() -> None:
    grid = with_holes(latin_square(8, 1), 40, 1)
    scorer = LinearScorer(64, 8)
    result = cpsat.solve(*LatinSquare(8).build(grid), scorer)
    assert (result.status, result.engine, result.model) == (Status.OPTIMAL, "cp-sat", "linear")
    assert result.solution is not None
    assert completes(result.solution, grid)
    assert result.inference.calls == result.inference.states == len(scorer.shown) == 1
    assert 0 < result.inference.seconds < result.wall_seconds
    state = scorer.shown[0].reshape(64, 8)
    np.testing.assert_array_equal(state.argmax(1) + state.any(1), grid.ravel())


def test_without_a_network_nothing_is_scored() -> None:
    result = cpsat.solve(*LatinSquare(4).build(), None)
    assert (result.status, result.model, result.inference.calls, result.inference.states) == ("OPTIMAL", "none", 0, 0)
    assert result.inference.seconds == 0


@pytest.mark.parametrize("scorer", [None, FixedScorer(np.zeros((576, 24)))], ids=["none", "fixed"])
@pytest.mark.parametrize("limits", [Limits(seconds=0), Limits(failures=3)], ids=str)
def test_a_limit_is_not_a_proof(scorer: FixedScorer | None, limits: Limits) -> None:
    result = cpsat.solve(*hard(24), scorer, limits=limits)
    assert (result.status, result.solution) == (Status.UNKNOWN, None)


def test_a_time_limit_is_kept() -> None:
    model = market_split(False)
    with bounded():
        result = cpsat.solve(model, variables_of(model), None, limits=Limits(seconds=0.3))
    assert result.status is Status.UNKNOWN


def knows(square: Grid) -> FixedScorer:
    """Scores that put one square first; the others are in no order."""
    scores = np.random.default_rng(0).random((square.size, len(square)))
    scores[np.arange(square.size), square.ravel() - 1] += 1
    return FixedScorer(scores)


@pytest.mark.parametrize(("hints", "strategy"), [(True, False), (False, True), (True, True)])
def test_a_network_that_knows_the_solution_is_followed(hints: bool, strategy: bool) -> None:
    square = latin_square(6, 1)
    model, variables = LatinSquare(6).build()
    cpsat.guide(model, variables, knows(square), hints=hints, strategy=strategy)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.symmetry_level = 0  # else presolve may keep only another of the symmetric solutions
    if strategy:
        solver.parameters.search_branching = cp_model.FIXED_SEARCH
    assert solver.solve(model) == cp_model.OPTIMAL
    assert solver.values(variables).tolist() == square.ravel().tolist()
    assert solver.num_conflicts == 0


def test_one_worker_follows_the_network() -> None:
    square = latin_square(6, 1)
    assert cpsat.solve(*LatinSquare(6).build(), knows(square)).solution == square.ravel().tolist()


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_and_other_variables(workers: int) -> None:
    model, variables = LatinSquare(5).build()
    total = model.new_int_var(0, 1000, "total")
    model.add(total == sum((i + 1) * v for i, v in enumerate(variables)))
    result = cpsat.solve(model, variables, LinearScorer(25, 5), workers=workers, seed=3)
    assert result.solution is not None
    assert completes(result.solution[:25], np.zeros((5, 5), dtype=np.int64))
    assert satisfies(model, result.solution)


def guided(**options: bool) -> cp_model.CpModel:
    """v0 in 1..3, v1 = 2 fixed, v2 in {1, 3}."""
    model = cp_model.CpModel()
    variables = [
        model.new_int_var(1, 3, "v0"),
        model.new_int_var(2, 2, "v1"),
        model.new_int_var_from_domain(cp_model.Domain.from_values([1, 3]), "v2"),
    ]
    scores = np.array([[1, 2, 3], [9, 9, 9], [2.5, 8, -1]])
    cpsat.guide(model, variables, FixedScorer(scores), **options)
    return model


def test_hints_are_the_best_scored_values() -> None:
    proto = guided(strategy=False).proto
    hints = dict(zip(proto.solution_hint.vars, proto.solution_hint.values, strict=True))
    assert hints == {0: 3, 2: 1}
    assert len(proto.variables) == 3
    assert not proto.search_strategy


def test_the_strategy_takes_pairs_best_first() -> None:
    model = guided(hints=False)
    assert not model.proto.solution_hint.vars
    (strategy,) = model.proto.search_strategy
    literals = [model.proto.variables[e.vars[0]].name for e in strategy.exprs]
    assert literals == ["v0=3", "v2=1", "v0=2", "v0=1", "v2=3"]
    solver = cp_model.CpSolver()
    for index, (variable, value) in zip(
        [e.vars[0] for e in strategy.exprs], [(0, 3), (2, 1), (0, 2), (0, 1), (2, 3)], strict=True
    ):
        for chosen in (0, 1):  # a literal is true if and only if the variable has the value
            fixed = model.clone()
            fixed.add(fixed.get_int_var_from_proto_index(index) == chosen)
            fixed.add(
                fixed.get_int_var_from_proto_index(variable) != value
                if chosen
                else fixed.get_int_var_from_proto_index(variable) == value
            )
            assert solver.solve(fixed) == cp_model.INFEASIBLE


def test_a_solved_model_needs_no_guidance() -> None:
    model, variables = LatinSquare(3).build(square := latin_square(3, 0))
    assert cpsat.solve(model, variables, LinearScorer(9, 3)).solution == square.ravel().tolist()


@pytest.mark.parametrize("as_given", [str, Path, OnnxScorer])
def test_two_lines_plug_it_into_a_model(tmp_path: Path, as_given: type) -> None:
    path = saved(network(16, 4), tmp_path / "four.onnx")
    model, variables = LatinSquare(4).build()
    solver = cp_model.CpSolver()

    cost = cpsat.guide(model, variables, as_given(path))
    solver.parameters.search_branching = cp_model.FIXED_SEARCH

    assert solver.solve(model) == cp_model.OPTIMAL
    assert completes(solver.values(variables).tolist(), np.zeros((4, 4), dtype=np.int64))
    assert (cost.calls, cost.states) == (1, 1)
    assert cost.seconds > 0


@pytest.mark.parametrize(
    ("num_variables", "num_values", "message"),
    [
        (15, 4, r"^linear: expected 15 variables, the problem has 16; use none \(--model none, scorer=None\)"),
        (16, 3, r"^linear: expected values 1\.\.3 \(3 of them\), the domains span 1\.\.4$"),
    ],
)
def test_a_wrong_size_is_refused(num_variables: int, num_values: int, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        cpsat.guide(*LatinSquare(4).build(), LinearScorer(num_variables, num_values))


def test_first_value_aligns_the_network() -> None:
    for first_value, best_index, hint in ((1, 2, 3), (2, 0, 2), (None, 1, 3)):
        model = cp_model.CpModel()
        variables = [model.new_int_var(2, 3, name) for name in "xy"]
        scores = np.zeros((2, 3))
        scores[:, best_index] = 1
        cpsat.guide(model, variables, FixedScorer(scores, first_value))
        assert list(model.proto.solution_hint.values) == [hint, hint]


def test_a_negated_boolean_is_refused() -> None:
    model = cp_model.CpModel()
    b = model.new_bool_var("b")
    for call in (cpsat.solve, cpsat.guide):
        with pytest.raises(NNSearchError, match="negation"):
            call(model, [~b], LinearScorer(1, 2))


class Answers(LinearScorer):
    answer: FloatArray

    def scores(self, assignment: FloatArray) -> FloatArray:
        return self.answer


def test_scores_of_a_wrong_shape_are_refused() -> None:
    scorer = Answers(16, 4)
    scorer.answer = np.zeros((1, 63), dtype=np.float32)
    with pytest.raises(ScoreError, match=r"^linear: expected scores of shape \(64,\), got \(63,\)$"):
        cpsat.guide(*LatinSquare(4).build(), scorer)


def test_scores_that_are_not_numbers_are_refused() -> None:
    scorer = Answers(16, 4)
    scorer.answer = np.full((1, 64), np.nan, dtype=np.float32)
    with pytest.raises(ScoreError, match="linear"):
        cpsat.guide(*LatinSquare(4).build(), scorer)


def test_hints_of_the_user_are_kept() -> None:
    model, variables = LatinSquare(4).build()
    model.add_hint(variables[5], 2)
    assert cpsat.solve(model, variables, FixedScorer(np.eye(16, 4))).status is Status.OPTIMAL
    cpsat.guide(model, variables, FixedScorer(np.eye(16, 4)))
    hints = sorted(zip(model.proto.solution_hint.vars, model.proto.solution_hint.values, strict=True))
    assert [index for index, _ in hints] == list(range(16))
    assert hints[5] == (5, 2)


@pytest.mark.parametrize(
    ("upper", "coefficient", "workers", "scorer", "phrase"),
    [
        (2, 1, 1, None, "no domain"),
        (2, 1, 1, LinearScorer(1, 3), "domain"),
        (5, 2**62, 1, None, "overflow"),
        (5, 1, -1, None, "num_workers"),
    ],
    ids=["empty-domain", "empty-domain-guided", "overflow", "workers"],
)
def test_what_cp_sat_calls_invalid_is_refused(
    upper: int, coefficient: int, workers: int, scorer: LinearScorer | None, phrase: str
) -> None:
    model = cp_model.CpModel()
    variable = model.new_int_var(3, upper, "x")
    model.add(coefficient * variable >= 0)
    with pytest.raises(NNSearchError, match=phrase) as caught:
        cpsat.solve(model, [variable], scorer, workers=workers)
    assert "\n" not in str(caught.value)


def test_a_result_is_one_json_object() -> None:
    result = cpsat.solve(*LatinSquare(2).build(), None)
    assert json.loads(json.dumps(result.to_dict()))["solution"] == result.solution


# -- scorers that read graphs


@settings(max_examples=40)
@given(models(), st.integers(0, 99))
def test_solves_or_proves_by_graph_and_leaves_the_model_alone(model: cp_model.CpModel, seed: int) -> None:
    solutions = brute_force(model)
    variables = variables_of(model)
    before = str(model.proto)
    for some in (variables, variables[::-2]):
        if not graph_of(model).report.num_constraints:
            with pytest.raises(GraphError):
                cpsat.solve(model, some, "bp")
            continue
        result = cpsat.solve(model, some, RandomGraphScorer(seed), seed=seed)
        assert result.status == (Status.OPTIMAL if solutions else Status.INFEASIBLE)
        assert (tuple(result.solution) in solutions) if result.solution is not None else not solutions
        assert str(model.proto) == before


def guided_by_graph(which: Sequence[int], **options: bool) -> tuple[cp_model.CpModel, RandomGraphScorer]:
    """v0 in 1..3, v1 = 2 fixed, v2 in {1, 3}, v3 in 0..2; v0 != v1 rules out one value."""
    model = cp_model.CpModel()
    variables = [
        model.new_int_var(1, 3, "v0"),
        model.new_int_var(2, 2, "v1"),
        model.new_int_var_from_domain(cp_model.Domain.from_values([1, 3]), "v2"),
        model.new_int_var(0, 2, "v3"),
    ]
    model.add(variables[0] != variables[1])
    model.add(variables[2] + variables[3] <= 4)
    scorer = FixedGraphScorer([1, 9, 3, 9, 2.5, 8, 4, 6, 5])
    cost = cpsat.guide(model, [variables[i] for i in which], scorer, **options)
    assert (cost.calls, cost.states) == (1, 1)
    return model, scorer


@pytest.mark.parametrize("which", [[0, 1, 2, 3], [3, 2, 0], [2], [0, 1], []], ids=str)
def test_hints_follow_the_scores_of_a_graph(which: list[int]) -> None:
    model, scorer = guided_by_graph(which, strategy=False)
    hints = dict(zip(model.proto.solution_hint.vars, model.proto.solution_hint.values, strict=True))
    best = {0: 3, 2: 3, 3: 1}  # v0 = 2 is gone, v1 is fixed
    assert hints == {i: best[i] for i in which if i in best}
    assert len(model.proto.variables) == 4
    assert not model.proto.search_strategy
    assert scorer.shown[0].candidate.tolist() == [0, 2, 4, 5, 6, 7, 8]  # a network reads the whole model


@pytest.mark.parametrize("which", [[0, 1, 2, 3], [3, 2, 0], [2, 3]], ids=str)
def test_the_strategy_follows_the_scores_of_a_graph(which: list[int]) -> None:
    model, _ = guided_by_graph(which, hints=False)
    assert not model.proto.solution_hint.vars
    (strategy,) = model.proto.search_strategy
    literals = [model.proto.variables[e.vars[0]].name for e in strategy.exprs]
    best_first = ["v2=3", "v3=1", "v3=2", "v3=0", "v0=3", "v2=1", "v0=1"]
    assert literals == [text for text in best_first if int(text[1]) in which]
    assert {v.name for v in model.proto.variables} == {"v0", "v1", "v2", "v3", *literals}


def test_a_boolean_is_its_own_literal() -> None:
    model = cp_model.CpModel()
    b, c = model.new_bool_var("b"), model.new_int_var(0, 1, "c")
    model.add_at_most_one(b, c)
    cpsat.guide(model, [b, c], FixedGraphScorer([7, 2, 1, 8]))
    assert len(model.proto.variables) == 2
    assert len(model.proto.constraints) == 1
    (strategy,) = model.proto.search_strategy
    terms = [(e.vars[0], e.coeffs[0], e.offset) for e in strategy.exprs]
    assert terms == [(1, 1, 0), (0, -1, 1)]  # c, then the negation of b
    solver = cp_model.CpSolver()
    solver.parameters.search_branching = cp_model.FIXED_SEARCH
    solver.parameters.num_workers = 1
    solver.parameters.cp_model_presolve = False
    assert solver.solve(model) == cp_model.OPTIMAL
    assert (solver.value(b), solver.value(c)) == (0, 1)


def test_no_strategy_where_scores_tie() -> None:
    model = cp_model.CpModel()
    x = [model.new_int_var(0, 2, name) for name in "xyz"]
    model.add_all_different(x)
    cpsat.guide(model, x, FixedGraphScorer([3, 3, 3, 1, 1, 1, 5, 5, 5]))
    assert (len(model.proto.variables), len(model.proto.search_strategy)) == (3, 0)
    cpsat.guide(model, x, FixedGraphScorer([3, 3, 3, 1, 2, 1, 5, 5, 5]))
    assert (len(model.proto.variables), len(model.proto.search_strategy)) == (12, 1)


def test_one_worker_follows_the_network_by_graph() -> None:
    square = latin_square(6, 1)
    model, variables = LatinSquare(6).build()
    scorer = FixedGraphScorer(knows(square).bias)
    assert cpsat.solve(model, variables, scorer).solution == square.ravel().tolist()


def test_what_a_graph_scorer_cannot_guide_is_refused() -> None:
    model = cp_model.CpModel()
    x = model.new_int_var(0, 3, "x")
    with pytest.raises(GraphError, match="a network has nothing to read here, use none: --model none, scorer=None"):
        cpsat.guide(model, [x], "bp")
    y = model.new_int_var(3, 2, "y")
    model.add(x != y)
    for variables in ([y], [x]):
        with pytest.raises(NNSearchError, match="variable y: expected at least one value, its domain is empty"):
            cpsat.guide(model, variables, RandomGraphScorer())


def test_scores_of_a_graph_scorer_are_checked() -> None:
    model, variables = LatinSquare(3).build()
    for wrong in (np.nan, np.inf):
        with pytest.raises(ScoreError, match=r"^fixed: expected finite scores"):
            cpsat.guide(model, variables, FixedGraphScorer(np.full(27, wrong)))
    assert not model.proto.solution_hint.vars
    assert len(model.proto.variables) == 9
