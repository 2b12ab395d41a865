from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ortools.constraint_solver import pywrapcp
from stand_ins import FixedGraphScorer, FixedScorer

from nnsearch.cp import InferencePolicy, ValuePhase
from nnsearch.cp.search_options import VARIABLE_ORDERS, SearchOptions, VariableOrder
from nnsearch.errors import ConfigError
from nnsearch.model.graph import CandidateGraph


def asked(policy: InferencePolicy, failures: list[int]) -> list[int]:
    """The nodes at which the policy asks, given the failures so far at each; the phase itself asks at the first."""
    schedule = policy.schedule()
    nodes = []
    for node, count in enumerate(failures):
        if node == 0 or schedule.is_due(count):
            schedule.asked(count)
            nodes.append(node)
    return nodes


def test_fixed_points() -> None:
    quiet = [0] * 10
    failing = [0, 0, 1, 1, 1, 2, 3, 3, 3, 3]
    assert asked(InferencePolicy(1), quiet) == list(range(10))
    assert asked(InferencePolicy(4), quiet) == [0, 4, 8]
    assert asked(InferencePolicy(0), failing) == [0]
    assert asked(InferencePolicy(0, after_failure=True), failing) == [0, 2, 5, 6]
    assert asked(InferencePolicy(3, after_failure=True), failing) == [0, 2, 5, 6, 9]


@pytest.mark.parametrize("order", VARIABLE_ORDERS)
@pytest.mark.parametrize("graph", [False, True], ids=["one-hot", "graph"])
@pytest.mark.parametrize(("below", "inferences"), [(None, 1), (0.73, 1), (0.74, 4), (1.0, 4)])
def test_asks_where_the_confidence_is_low(
    order: VariableOrder, graph: bool, below: float | None, inferences: int
) -> None:
    solver = pywrapcp.Solver("independent")
    variables = [solver.IntVar(0, 1, f"v{i}") for i in range(4)]
    scores = np.array([[0.0, 1.0]] * 4)  # a probability of 0.731
    phase = ValuePhase(
        solver,
        variables,
        FixedGraphScorer(scores.ravel()) if graph else FixedScorer(scores),
        SearchOptions(variable_order=order, policy=InferencePolicy(0, below=below)),
        graph=CandidateGraph.from_all_different([range(2)] * 4, []) if graph else None,
    )
    assert solver.Solve(phase)
    assert phase.inference.calls == inferences


def test_wrong_policies_are_refused() -> None:
    wrong: list[tuple[type, dict[str, Any], str]] = [
        (
            InferencePolicy,
            {"below": 0.0},
            r"^InferencePolicy\.below: expected a probability above 0 and up to 1, got 0",
        ),
        (InferencePolicy, {"below": 1.5}, "below"),
        (InferencePolicy, {"below": float("nan")}, "below"),
    ]
    for policy, options, message in wrong:
        with pytest.raises(ConfigError, match=message):
            policy(**options)
