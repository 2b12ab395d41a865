from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ortools.constraint_solver import pywrapcp
from stand_ins import FixedGraphScorer, FixedScorer

from nnsearch.cp import AdaptivePolicy, InferencePolicy, ValuePhase
from nnsearch.cp.policy import Policy
from nnsearch.cp.value_phase import VARIABLE_ORDERS, VariableOrder
from nnsearch.errors import ConfigError
from nnsearch.model.graph import CandidateGraph


def asked(policy: Policy, failures: list[int]) -> list[int]:
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


def test_adaptive_as_fixed_without_failures() -> None:
    assert asked(AdaptivePolicy(every=4), [0] * 20) == asked(InferencePolicy(4), [0] * 20)


def test_adaptive_asks_less_and_less_while_the_search_thrashes() -> None:
    every_node_fails = list(range(200))
    gaps = np.diff(asked(AdaptivePolicy(every=10, most=32), every_node_fails))
    assert gaps.tolist() == [1, 2, 4, 8, 16, 32, 32, 32, 32, 32]
    assert np.diff(asked(AdaptivePolicy(wait=5, growth=1), every_node_fails)).tolist() == [5] * 39


def test_adaptive_recovers_when_the_search_advances() -> None:
    thrashing, advancing = list(range(16)), [15] * 10
    nodes = asked(AdaptivePolicy(every=5), [*thrashing, *advancing, 16, 17, 18])
    # Waits of 1, 2, 4, 8; five decisions without a failure at 20 and 25; then the wait is 1 again.
    assert nodes == [0, 1, 3, 7, 15, 20, 25, 26, 28]


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
        variable_order=order,
        policy=InferencePolicy(0, below=below),
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
        (AdaptivePolicy, {"every": 0}, r"^AdaptivePolicy\.every: expected 1 or more decisions, got 0$"),
        (AdaptivePolicy, {"growth": 0.5}, "growth: expected 1 or more"),
        (AdaptivePolicy, {"wait": 0}, "wait: expected 1 to 1000"),
        (AdaptivePolicy, {"wait": 9, "most": 8}, r"wait: expected 1 to 8 \(most\) decisions, got 9"),
    ]
    for policy, options, message in wrong:
        with pytest.raises(ConfigError, match=message):
            policy(**options)
