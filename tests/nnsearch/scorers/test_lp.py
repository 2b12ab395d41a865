"""The linear relaxation as a scorer: what it says by hand, and that searches with it stay complete."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ortools.sat.python import cp_model

from nnsearch import cp, solve_many
from nnsearch.cpsat import CpSolver, solve_by_dives
from nnsearch.errors import ConfigError, ModelFileError, NothingToReadError
from nnsearch.inference import pretrained
from nnsearch.limits import STOP
from nnsearch.model.graph import CandidateGraph
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.variables import all_variables
from nnsearch.result import Status
from nnsearch.scorers.lp import LpScorer
from nnsearch.scorers.onnx import load_scorer


def knapsack() -> cp_model.CpModel:
    """Of the relaxation: a = 1, b = 0, c = 1/2, with reduced costs -2, 1.5, 0."""
    model = cp_model.CpModel()
    a, b, c = (model.new_bool_var(name) for name in "abc")
    model.new_int_var(0, 2, "outside")
    model.add(4 * a + 3 * b + 2 * c <= 5)
    model.maximize(8 * a + 3 * b + 3 * c)
    return model


def test_scores_targets_and_confidence_by_hand() -> None:
    graph = PreparedModel(knapsack()).graph()
    advice = LpScorer().prepare(graph).advise(np.ones((1, graph.num_candidates), dtype=np.bool_))
    a0, a1, b0, b1, c0, c1, *outside = advice.scores[0].tolist()
    assert a1 > b0 > c0 == c1 > b1 > a0
    assert outside == [-np.inf] * 3
    assert advice.target is not None
    assert advice.confidence is not None
    np.testing.assert_allclose(advice.target[0], [1, 0, 0.5, np.nan])
    a, b, c, unknown = advice.confidence[0].tolist()
    assert a > b > 1 > c
    assert unknown == 0


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("factor", "expected"), [(1, [19, 16]), (0.5, [14.75, 13])])
def test_the_bound_is_that_of_the_relaxation_in_the_units_of_the_model(
    sign: int, factor: float, expected: list[float]
) -> None:
    """That is 9.5, and 6 where a is 0; the model's objective is a whole number if its coefficients are integers."""
    model = knapsack()
    a, b, c = (model.get_int_var_from_proto_index(place) for place in range(3))
    gain = sign * (factor * (8 * a + 3 * b + 3 * c) + 10)
    (model.maximize if sign > 0 else model.minimize)(gain)
    graph = PreparedModel(model).graph()
    alive = np.ones((2, graph.num_candidates), dtype=np.bool_)
    alive[1, 1] = False
    advice = LpScorer().prepare(graph).advise(alive)
    assert advice.bound is not None
    np.testing.assert_allclose(advice.bound, sign * np.array(expected))


def test_a_state_is_asked_from_its_own_bounds() -> None:
    graph = PreparedModel(knapsack()).graph()
    alive = np.ones((2, graph.num_candidates), dtype=np.bool_)
    alive[1, 1] = False  # a = 0
    advice = LpScorer().prepare(graph).advise(alive)
    assert advice.target is not None
    np.testing.assert_allclose(advice.target, [[1, 0, 0.5, np.nan], [0, 1, 1, np.nan]])


def test_it_goes_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scorer = load_scorer("lp")
    assert (scorer.name, scorer.purpose) == ("lp", "objective")
    with pytest.raises(ModelFileError, match="found none"):
        load_scorer(Path("lp"))
    (tmp_path / "lp.onnx").touch()
    monkeypatch.setattr(pretrained, "models_dir", lambda: tmp_path)
    with pytest.raises(ModelFileError, match="a network has it, too"):
        load_scorer("lp")


def test_what_has_nothing_to_read() -> None:
    model = cp_model.CpModel()
    model.add_all_different([model.new_int_var(0, 3, f"x{i}") for i in range(3)])
    with pytest.raises(NothingToReadError, match="expected an objective"):
        LpScorer().prepare(PreparedModel(model).graph())
    with pytest.raises(NothingToReadError, match="read from a model"):
        LpScorer().prepare(CandidateGraph.from_all_different([[0, 1]], []))
    with pytest.raises(ConfigError, match="seconds"):
        LpScorer(0)


def test_without_a_solution_in_time_it_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    graph = PreparedModel(knapsack()).graph()
    before = STOP.set(lambda: True)
    try:
        prepared = LpScorer(1e-9).prepare(graph)
    finally:
        STOP.reset(before)
    assert "the relaxation was not solved" in caplog.text
    assert np.isneginf(prepared.advise(np.ones((1, graph.num_candidates), dtype=np.bool_)).scores).all()


def test_searches_with_it_are_complete() -> None:
    model = knapsack()
    results = [
        cp.solve(model, all_variables(model), "lp"),
        solve_by_dives(model, ["lp"]),
        *(solved.result for solved in solve_many([model], "lp")),
    ]
    assert [(one.status, one.objective_value) for one in results if one] == [(Status.OPTIMAL, 8)] * 3


def test_a_race_with_it() -> None:
    solver = CpSolver("lp")
    solver.parameters.num_workers = 2
    assert solver.solve(knapsack()) == cp_model.OPTIMAL
    assert solver.objective_value == 8


def test_a_search_for_any_solution_lets_scorers_read_the_objective() -> None:
    model = PreparedModel(knapsack())
    aimless = model.without_objective()
    assert aimless.objective is None
    assert aimless.graph().model is model
    assert LpScorer().prepare(aimless.graph()).root.optimal
