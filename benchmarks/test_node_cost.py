"""The cost of a search node outside inference: ``pytest benchmarks/test_node_cost.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.suites.nodes import ARMS, Nodes, Walk, check_same_tree, prepare

_NODES = Nodes(branches=5_000)


@pytest.mark.parametrize("arm", ARMS)
def test_node_cost(benchmark: BenchmarkFixture, arm: str) -> None:
    grid = _NODES.grid()

    def fresh() -> tuple[tuple[Callable[[], Walk]], dict[str, Any]]:
        return (prepare(arm, grid, _NODES.branches),), {}

    walked: Walk = benchmark.pedantic(lambda walk: walk(), setup=fresh, rounds=5)  # type: ignore[no-untyped-call]

    benchmark.extra_info.update(branches=walked.branches, us_per_branch=walked.microseconds_per_branch)
    assert walked.branches == _NODES.branches
    assert walked.solutions > 0
    assert (walked.calls == 0) == (arm == "native")
    if arm == "value-phase":
        check_same_tree(prepare("native", grid, _NODES.branches)(), walked)
