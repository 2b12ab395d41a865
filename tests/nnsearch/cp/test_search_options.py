from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_type_hints

import pytest

from nnsearch import Limits, SearchOptions, cp, solve_many
from nnsearch.cp import Discrepancies, InferencePolicy, Restarts, Sampling
from nnsearch.cp.search_options import SearchKeywords
from nnsearch.errors import ConfigError

SEARCHES = [cp.solve, solve_many]


def test_the_keywords_are_the_fields() -> None:
    assert get_type_hints(SearchKeywords) == get_type_hints(SearchOptions)


@pytest.mark.parametrize("search", SEARCHES)
def test_help_lists_the_options(search: Callable[..., Any]) -> None:
    shown = inspect.signature(search).parameters
    for field in fields(SearchOptions):
        assert (shown[field.name].kind, shown[field.name].default) == (inspect.Parameter.KEYWORD_ONLY, None)
    assert "options" not in shown
    described = inspect.getdoc(search) or ""
    for field in fields(SearchOptions):
        assert f"\n    {field.name}: " in described
    assert "**options" not in described
    assert described.count("\n\nRaises:") == 1


def test_the_decision_builder_has_the_same_names_and_defaults() -> None:
    taken = inspect.signature(cp.ValuePhase).parameters
    for field in fields(SearchOptions):
        if field.name != "limits":  # the engine's own, for a search by hand
            assert taken[field.name].default == field.default


def test_options_as_keywords() -> None:
    options = SearchOptions("first", InferencePolicy(3), Sampling(1), Restarts(5), None, Limits(failures=3))
    assert SearchOptions(**options.as_keywords()) == options


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"variable_order": "random"},
            "variable_order: expected one of min-domain, first, most-confident, got 'random'",
        ),
        ({"restarts": Restarts(), "discrepancies": Discrepancies()}, "two ways to divide a search into runs"),
        ({"limits": 5}, "limits: expected nnsearch.Limits, got int"),
    ],
)
def test_wrong_options_are_refused_before_the_search(wrong: dict[str, Any], message: str) -> None:
    for search, arguments in ((SearchOptions, ()), (cp.solve, (None, None, None)), (solve_many, ([], "bp"))):
        with pytest.raises(ConfigError, match=message):
            search(*arguments, **wrong)


def test_an_unknown_option_is_named() -> None:
    wrong: Any = {"restart": Restarts()}
    for search, arguments in ((cp.solve, (None, None, None)), (solve_many, ([], "bp"))):
        with pytest.raises(TypeError, match="unexpected keyword argument 'restart'"):
            search(*arguments, **wrong)
