from __future__ import annotations

from typing import Any

import pytest
from ortools.sat.python import cp_model
from stand_ins import LinearScorer, RandomGraphScorer

from nnsearch import Limits, SearchOptions, cp, solve_many
from nnsearch.cp import Discrepancies, InferencePolicy, Restarts
from nnsearch.errors import ConfigError


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"variable_order": "random"},
            "variable_order: expected one of min-domain, first, most-confident, got 'random'",
        ),
        ({"restarts": Restarts(), "discrepancies": Discrepancies()}, "two ways to divide a search into runs"),
        ({"restarts": "never"}, "restarts: expected nnsearch.cp.Restarts, None or 'default', got 'never'"),
        ({"limits": 5}, "limits: expected nnsearch.Limits, got int"),
        ({"policy": 3}, r"policy: expected nnsearch\.cp\.InferencePolicy, got int"),
        ({"sampling": 1}, r"sampling: expected nnsearch\.cp\.Sampling, got int"),
        ({"discrepancies": 2}, r"discrepancies: expected nnsearch\.cp\.Discrepancies, got int"),
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SearchOptions(**wrong)


@pytest.mark.parametrize(("wrong", "message"), [({"seconds": "a"}, "time limit"), ({"failures": [1]}, "failure limit")])
def test_limits_that_are_no_numbers_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"{message}: expected 0 or more"):
        Limits(**wrong)


def test_the_defaults_by_scorer() -> None:
    anything, one_size = RandomGraphScorer(), LinearScorer(4, 3)
    graph = SearchOptions("most-confident", InferencePolicy(10, after_failure=True), restarts=Restarts())
    assert SearchOptions().resolved_for(anything) == graph
    assert SearchOptions().resolved_for(one_size) == SearchOptions("min-domain", InferencePolicy(1), restarts=None)
    assert SearchOptions().resolved_for(None) == SearchOptions("min-domain", restarts=None)
    runs = SearchOptions(discrepancies=Discrepancies()).resolved_for(anything)
    assert (runs.restarts, runs.discrepancies) == (None, Discrepancies())
    assert SearchOptions(restarts=None).resolved_for(anything).restarts is None
    assert graph.resolved_for(anything) == graph


def test_what_needs_a_scorer_is_refused_without() -> None:
    wrong: list[SearchOptions] = [
        SearchOptions(policy=InferencePolicy()),
        SearchOptions(restarts=Restarts()),
        SearchOptions(discrepancies=Discrepancies()),
    ]
    for options in wrong:
        with pytest.raises(ConfigError, match="are for a scorer, and there is none; leave them out"):
            options.resolved_for(None)


@pytest.mark.parametrize("options", [Limits(seconds=1), {"restarts": None}, 5])
def test_options_that_are_something_else_are_refused_by_name(options: Any) -> None:
    message = r"options: expected nnsearch\.SearchOptions, got (Limits|dict|int); "
    model = cp_model.CpModel()
    variables = [model.new_bool_var("b")]
    with pytest.raises(ConfigError, match=message):
        cp.solve(model, variables, None, options)
    with pytest.raises(ConfigError, match=message):
        solve_many([], "bp", options)
