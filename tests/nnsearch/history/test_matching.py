from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nnsearch.history.matching import Plan, match

NAMES = st.lists(st.sampled_from(["", "a", "b", "c", "d"]), max_size=8)


@given(NAMES, NAMES)
def test_each_variable_is_matched_with_at_most_one_of_its_name(past: list[str], present: list[str]) -> None:
    matched = match(past, present)
    for name, place in zip(present, matched.tolist(), strict=True):
        assert place == -1 or past[place] == name
        assert (place == -1) == (past.count(name) != present.count(name))
    known = matched[matched >= 0].tolist()
    assert len(set(known)) == len(known)


@given(NAMES)
def test_a_model_matches_itself_in_order(names: list[str]) -> None:
    assert match(names, names).tolist() == list(range(len(names)))


def test_unnamed_variables_match_where_there_are_equally_many() -> None:
    assert match(["", "x", ""], ["x", "", ""]).tolist() == [1, 0, 2]
    assert match(["", "x", ""], ["x", ""]).tolist() == [1, -1]


def test_a_plan_knows_what_was_matched() -> None:
    plan = Plan.of(np.array([5, 7]), match(["a", "b"], ["b", "new", "a"]))
    assert plan.known.tolist() == [True, False, True]
    assert plan.values[plan.known].tolist() == [7, 5]
    assert not Plan.of(np.zeros(0, dtype=np.int64), match([], ["a"])).known.any()
