from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model
from stand_ins import FixedGraphScorer, FixedScorer, LinearScorer, Solution, brute_force, domains, enumerated, models

from nnsearch.cp import Discrepancies, InferencePolicy, Restarts, ValuePhase
from nnsearch.cp.search_options import VARIABLE_ORDERS, SearchOptions, VariableOrder
from nnsearch.cp.translate import translate
from nnsearch.errors import ConfigError
from nnsearch.model.graph import CandidateGraph

every_order = pytest.mark.parametrize("order", VARIABLE_ORDERS)


def leaves(count: int, num_values: int, most: int) -> list[Solution]:
    """All assignments with at most so many discrepancies, where the value is its rank: as many right branches."""
    return [ranks for ranks in product(range(num_values), repeat=count) if sum(ranks) <= most]


@every_order
@pytest.mark.parametrize("graph", [False, True], ids=["one-hot", "graph"])
@pytest.mark.parametrize(("step", "most"), [(1, None), (2, None), (1, 2), (3, 0)])
def test_the_leaves_of_every_run(order: VariableOrder, graph: bool, step: int, most: int | None) -> None:
    solver = pywrapcp.Solver("independent")
    variables = [solver.IntVar(0, 2, f"v{i}") for i in range(3)]
    scores = -np.repeat(np.arange(3.0)[None], 3, axis=0)  # best first: 0, 1, 2
    phase = ValuePhase(
        solver,
        variables,
        FixedGraphScorer(scores.ravel()) if graph else FixedScorer(scores),
        SearchOptions(variable_order=order, policy=InferencePolicy(1), discrepancies=Discrepancies(step, most)),
        graph=CandidateGraph.from_all_different([range(3)] * 3, []) if graph else None,
    )
    allowed, highest = [0], 6  # 3 variables, ranks up to 2
    while allowed[-1] < highest:
        allowed.append(allowed[-1] + step if most is None or allowed[-1] < most else highest)
    found = enumerated(solver, variables, phase)
    start = 0
    for run, limit in enumerate(allowed):
        expected = leaves(3, 3, limit)
        part = found[start : start + len(expected)]
        assert sorted(part) == expected, f"run {run}"
        start += len(expected)
    assert start == len(found)
    assert phase.num_restarts == len(allowed) - 1


@every_order
def test_the_best_leaf_first_and_again_in_another_search(order: VariableOrder) -> None:
    solver = pywrapcp.Solver("independent")
    variables = [solver.IntVar(0, 1, f"v{i}") for i in range(3)]
    phase = ValuePhase(
        solver, variables, FixedScorer([[0, 1]] * 3), SearchOptions(variable_order=order, discrepancies=Discrepancies())
    )
    first = enumerated(solver, variables, phase)
    assert first[0] == (1, 1, 1)
    assert {sum(values) for values in first[1:5]} == {2, 3}
    assert enumerated(solver, variables, phase) == first


@settings(max_examples=60)
@given(
    models(),
    st.sampled_from(VARIABLE_ORDERS),
    st.builds(Discrepancies, st.integers(1, 3), st.none() | st.integers(0, 3)),
    st.integers(0, 99),
)
def test_complete_and_sound(
    model: cp_model.CpModel, order: VariableOrder, discrepancies: Discrepancies, seed: int
) -> None:
    translation = translate(model)
    solver, variables = translation.solver, translation.variables
    values = [value for domain in domains(model) for value in domain]
    scorer = LinearScorer(len(variables), max(values) - min(values) + 1, seed)
    phase = ValuePhase(solver, variables, scorer, SearchOptions(variable_order=order, discrepancies=discrepancies))
    # What one run found, the next one finds again.
    assert sorted(set(enumerated(solver, variables, phase))) == brute_force(model)


def test_wrong_discrepancies_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^Discrepancies\.step: expected 1 or more, got 0$"):
        Discrepancies(step=0)
    with pytest.raises(ConfigError, match=r"^Discrepancies\.most: expected 0 or more, got -1$"):
        Discrepancies(most=-1)
    solver = pywrapcp.Solver("one variable")
    variables = [solver.IntVar(0, 1, "v0")]
    with pytest.raises(ConfigError, match=r"restarts and discrepancies are two ways .* choose one"):
        ValuePhase(
            solver, variables, FixedScorer([[0, 1]]), SearchOptions(restarts=Restarts(), discrepancies=Discrepancies())
        )
