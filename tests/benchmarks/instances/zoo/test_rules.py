from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.instances.zoo import BrokenRuleError, rules

spans = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)).map(lambda span: (span[0], sum(span))), max_size=5)


@given(spans)
def test_disjoint_and_peak_count_what_is_used_at_each_time(some: list[tuple[int, int]]) -> None:
    most = max(sum(begin <= at < end for begin, end in some) for at in range(14)) if some else 0
    assert rules.peak([(span, 1) for span in some]) == most
    assert rules.disjoint(some) == (most <= 1)


@given(spans.map(lambda some: list(zip(some[::2], some[1::2], strict=False))))
def test_apart_is_no_place_in_two(some: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    places = [(x, y) for (a, b), (c, d) in some for x in range(a, b) for y in range(c, d)]
    assert rules.apart([one for one in some if one[0][0] < one[0][1] and one[1][0] < one[1][1]]) == (
        len(set(places)) == len(places)
    )


def test_walks() -> None:
    assert rules.walk([(0, 2), (2, 1), (1, 0), (3, 4)], 0) == [0, 2, 1]
    for arcs in ([(0, 1)], [(0, 1), (0, 2), (1, 0)], [(0, 1), (1, 2), (2, 1)]):
        with pytest.raises(BrokenRuleError):
            rules.walk(arcs, 0)
