from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ortools.sat.python import cp_model
from stand_ins import PATIENCE

import nnsearch.cp
from nnsearch import Limits
from nnsearch.cpsat import CpSolver, solve_by_dives
from nnsearch.errors import ConfigError, HistoryError, NothingToReadError
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.variables import all_variables
from nnsearch.scorers.history import HistoryScorer


def rows(n: int, first: int | None = None, name: str = "x") -> cp_model.CpModel:
    model = cp_model.CpModel()
    x = [model.new_int_var(0, n - 1, f"{name}{i}") for i in range(n)]
    model.add_all_different(x)
    if first is not None:
        model.add(x[0] == first)
        for i in range(1, n):
            model.add(x[i] == (first + i) % n)
    return model


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Three solves: twice the identity, once a shift."""
    path = tmp_path / "plans.db"
    for first in (0, 3, 0):
        solver = CpSolver(None, history=path)
        solver.parameters.num_workers = 1
        assert solver.solve(rows(6, first)) == cp_model.OPTIMAL
    return path


def test_scores_are_log_odds_of_agreement(store: Path) -> None:
    graph = PreparedModel(rows(6)).graph()
    prepared = HistoryScorer(store).prepare(graph)
    advice = prepared.advise(np.ones((2, graph.num_candidates), dtype=bool))
    assert advice.scores.shape == (2, graph.num_candidates)
    expected = {0: np.log(2.5 / 1.5), 3: np.log(1.5 / 2.5), 1: np.log(0.5 / 3.5)}
    for value, odds in expected.items():
        place = int(np.flatnonzero((graph.variable == 0) & (graph.values == value))[0])
        assert advice.scores[1, place] == pytest.approx(odds)
    assert advice.target is not None
    assert advice.target[0].tolist() == list(range(6)), "the latest plan's"
    latest = HistoryScorer(store, count=1).prepare(graph)
    assert set(np.round(latest.scores, 4)) == {np.float32(round(np.log(1.5 / 0.5), 4)), np.float32(-1.0986)}


def test_variables_that_no_plan_knows_have_no_score(store: Path) -> None:
    graph = PreparedModel(rows(7)).graph()
    advice = HistoryScorer(store).prepare(graph).advise(np.ones((1, graph.num_candidates), dtype=bool))
    assert (np.isinf(advice.scores[0]) == (graph.variable == 6)).all()
    assert advice.target is not None
    assert np.isnan(advice.target[0]).tolist() == [False] * 6 + [True]


@pytest.mark.parametrize("engine", ["search", "dives", "race", "many"])
def test_it_is_usable_where_a_network_is(engine: str, store: Path) -> None:
    model, scorer = rows(6), HistoryScorer(store, count=1)
    expected = list(range(6))
    if engine == "search":
        result = nnsearch.cp.solve(model, all_variables(model), scorer)
        assert (result.solution, result.failures) == (expected, 0)
    elif engine == "dives":
        result = solve_by_dives(model, [scorer], limits=Limits(seconds=PATIENCE))
        assert result.solution == expected
    elif engine == "many":
        many = nnsearch.solve_many([rows(6), rows(6)], scorer)
        assert [one.result and one.result.solution for one in many] == [expected] * 2
    else:
        solver = CpSolver(scorer)
        assert solver.solve(model) == cp_model.OPTIMAL


def test_what_it_cannot_use(store: Path, tmp_path: Path) -> None:
    with pytest.raises(NothingToReadError, match="shares names of variables"):
        HistoryScorer(store).prepare(PreparedModel(rows(6, name="y")).graph())
    with pytest.raises(NothingToReadError):
        HistoryScorer(store, family="others").prepare(PreparedModel(rows(6)).graph())
    with pytest.raises(HistoryError):
        HistoryScorer(tmp_path / "none.db")
    with pytest.raises(ConfigError, match="count: expected 1 or more, got 0"):
        HistoryScorer(store, count=0)
