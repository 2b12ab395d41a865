from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_ins import FixedGraphScorer

import nnsearch
from benchmarks.instances.squares import fresh_quasigroups
from benchmarks.studies.label_free.value_probabilities import ValueProbabilities
from nnsearch.cp.search_options import SearchOptions, VariableOrder
from nnsearch.encoding.candidate_graph import GraphState, disjoint_union, encode
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.result import Status
from nnsearch.scorers.network import Network


def drawn(order: int, seed: int) -> tuple[CandidateGraph, GraphState, FixedGraphScorer]:
    rng = np.random.default_rng(seed)
    graph = CandidateGraph.from_model(LatinSquare(order).build()[0])
    alive = rng.random(order**3) < 0.7
    alive[graph.offset[:-1]] = True  # no variable without a value
    return graph, encode(graph, alive), FixedGraphScorer(rng.normal(scale=30, size=order**3).astype(np.float32))


@settings(max_examples=30, deadline=None)
@given(order=st.integers(3, 6), seed=st.integers(0, 2**16))
def test_scores_are_log_probabilities_within_each_variable(order: int, seed: int) -> None:
    graph, state, fixed = drawn(order, seed)
    got = ValueProbabilities(fixed).score([state])[0]
    assert got.dtype == np.float32
    variable = graph.variable[state.candidate]
    for one in np.unique(variable):
        own = variable == one
        expected = torch.log_softmax(torch.from_numpy(fixed.fixed[state.candidate[own]]), 0).numpy()
        np.testing.assert_allclose(got[own], expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_the_level_of_a_variables_scores_is_gone_and_a_union_is_its_states(seed: int) -> None:
    graph, state, fixed = drawn(5, seed)
    rng = np.random.default_rng(seed)
    level = rng.normal(scale=20, size=25).astype(np.float32)
    moved = FixedGraphScorer(fixed.fixed + level[graph.variable])
    one = ValueProbabilities(fixed).score([state])[0]
    np.testing.assert_allclose(ValueProbabilities(moved).score([state])[0], one, atol=1e-3)
    other = encode(graph, np.ones(125, dtype=bool))
    expected = np.concatenate([one, *ValueProbabilities(fixed).score([other])])
    np.testing.assert_array_equal(np.concatenate(ValueProbabilities(fixed).score([state, other])), expected)
    np.testing.assert_array_equal(ValueProbabilities(fixed).score([disjoint_union([state, other])])[0], expected)


@pytest.mark.parametrize("variable_order", ["min-domain", "most-confident"])
def test_it_drives_a_search_and_orders_the_values_of_a_cell_as_before(variable_order: VariableOrder) -> None:
    (square,) = fresh_quasigroups(8, 0.5, 1, seed=3)
    scorer = FixedGraphScorer(np.random.default_rng(0).normal(size=8**3).astype(np.float32))
    results = [
        nnsearch.cp.solve(*square.build(), read, SearchOptions(variable_order=variable_order))
        for read in list[Network]([scorer, ValueProbabilities(scorer)])
    ]
    assert all(result.status is Status.OPTIMAL for result in results)
    if variable_order == "min-domain":
        assert results[0].branches == results[1].branches
        assert results[0].solution == results[1].solution
