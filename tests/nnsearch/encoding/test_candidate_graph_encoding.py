from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from stand_ins import RandomGraphScorer, graph_of, latin_square, models, with_holes

from nnsearch.encoding.candidate_graph import (
    CANDIDATE_FEATURES,
    GraphState,
    disjoint_union,
    encode,
)
from nnsearch.errors import ScoreError
from nnsearch.model.graph import AT_LEAST_ONE, AT_MOST_ONE, EXACTLY_ONE, KINDS, BoolArray, CandidateGraph
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.result import InferenceCount
from nnsearch.scorers.network import ask
from nnsearch.scorers.scorer import FloatArray

FIELDS = ("edge_candidate", "edge_group", "group_features", "candidate_features", "candidate", "identity")


def groups_of(state: GraphState) -> list[tuple[str, list[int]]]:
    """Kind and candidates of every group, the candidates as in the graph."""
    assert state.group_features.sum(axis=1).tolist() == [1] * len(state.group_features)
    kinds = [KINDS[kind] for kind in state.group_features.argmax(axis=1)]
    members: list[list[int]] = [[] for _ in kinds]
    for candidate, group in zip(state.edge_candidate.tolist(), state.edge_group.tolist(), strict=True):
        members[group].append(int(state.candidate[candidate]))
    return list(zip(kinds, members, strict=True))


def clauses() -> CandidateGraph:
    """Candidates a=0, a=1, b=0, ... d=1 and x = 0..2 as 8, 9, 10."""
    model = cp_model.CpModel()
    a, b, c, d = (model.new_bool_var(name) for name in "abcd")
    x = model.new_int_var(0, 2, "x")
    model.add_bool_or([a, b, c])
    model.add_at_most_one([a, b, d])
    model.add_exactly_one([b, c, d])
    model.add(x + 2 * a + 3 * b <= 4)
    return CandidateGraph.from_model(model)


def alive_without(graph: CandidateGraph, *dead: int) -> BoolArray:
    alive = np.ones(graph.num_candidates, dtype=bool)
    alive[list(dead)] = False
    return alive


def test_everything_is_kept_of_an_open_state() -> None:
    graph = clauses()
    state = encode(graph, alive_without(graph))
    assert groups_of(state) == [
        *(("exactly_one", [2 * v, 2 * v + 1]) for v in range(4)),
        ("exactly_one", [8, 9, 10]),
        ("at_least_one", [1, 3, 5]),
        ("at_most_one", [1, 3, 7]),
        ("exactly_one", [3, 5, 7]),
        ("linear", [0, 1, 2, 3, 8, 9, 10]),
    ]
    assert state.candidate_features[:, 0].tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0, 0.5, 1]
    assert not state.identity.any()


def test_what_a_true_literal_leaves() -> None:
    graph = clauses()
    state = encode(graph, alive_without(graph, 0, 3, 7))  # a = 1, so b = d = 0
    assert groups_of(state) == [
        ("exactly_one", [4, 5]),
        ("exactly_one", [8, 9, 10]),
        # the clause holds by a, of the at-most-one group nothing is open
        ("exactly_one", [5]),
        ("linear", [8, 9, 10]),
    ]


def test_what_a_false_literal_leaves() -> None:
    graph = clauses()
    assert groups_of(encode(graph, alive_without(graph, 1)))[4:] == [
        ("at_least_one", [3, 5]),
        ("at_most_one", [3, 7]),
        ("exactly_one", [3, 5, 7]),
        ("linear", [2, 3, 8, 9, 10]),
    ]
    # An at-most-one group of one open candidate says nothing more.
    assert groups_of(encode(graph, alive_without(graph, 1, 7)))[3:] == [
        ("at_least_one", [3, 5]),
        ("exactly_one", [3, 5]),
        ("linear", [2, 3, 8, 9, 10]),
    ]


def test_nothing_is_left_of_a_solution() -> None:
    graph = clauses()
    alive = np.zeros(graph.num_candidates, dtype=bool)
    alive[[1, 2, 5, 6, 8]] = True
    state = encode(graph, alive)
    assert [len(getattr(state, name)) for name in FIELDS] == [0] * len(FIELDS)
    count = InferenceCount()
    assert ask(Counting(), state, count).shape == (0,)
    assert (count.calls, count.states, count.seconds) == (0, 0, 0)


class Counting(RandomGraphScorer):
    """Scores a candidate by the groups that hold it."""

    def __init__(self) -> None:
        super().__init__(name="counting")

    def scores(self, state: GraphState) -> FloatArray:
        scores = np.zeros(state.num_candidates, dtype=np.float32)
        size = np.bincount(state.edge_group, minlength=len(state.group_features))
        weight = state.group_features @ np.arange(1, len(KINDS) + 1) / np.maximum(size, 1)
        np.add.at(scores, state.edge_candidate, weight[state.edge_group].astype(np.float32))
        return scores + state.candidate_features[:, 0] + state.identity


def some_states(model: cp_model.CpModel, masks: list[int]) -> list[GraphState]:
    """States of a model, some of whose candidates are ruled out, at the fixpoint of the singles."""
    graph = graph_of(model)
    states = []
    for mask in masks:
        alive = np.random.default_rng(mask).random(graph.num_candidates) < 0.8
        states.append(encode(graph, graph.propagate(alive)))
    return states


@given(models(), st.integers(0, 99))
def test_a_state_by_definition(model: cp_model.CpModel, seed: int) -> None:
    graph = graph_of(model)
    alive = graph.propagate(np.random.default_rng(seed).random(graph.num_candidates) < 0.8)
    state = encode(graph, alive)
    count = graph.count(alive)
    variable = graph.variable.tolist()
    kept = [c for c in range(graph.num_candidates) if alive[c] and count[variable[c]] > 1]
    assert state.candidate.tolist() == kept
    expected = []
    for group, kind in enumerate(graph.group_kind.tolist()):
        members = graph.edge_candidate[graph.edge_group == group].tolist()
        open_members = [c for c in members if c in kept]
        held = any(alive[c] and count[variable[c]] == 1 for c in members)
        if len(open_members) > (kind == AT_MOST_ONE) and not (kind == AT_LEAST_ONE and held):
            expected.append((KINDS[kind], open_members))
    assert groups_of(state) == expected
    np.testing.assert_array_equal(state.candidate_features, graph.place[kept][:, None])
    assert [getattr(state, name).dtype for name in FIELDS] == [np.int64] * 2 + [np.float32] * 2 + [np.int64] * 2
    assert state.group_features.shape == (len(expected), len(KINDS))
    assert state.candidate_features.shape == (len(kept), CANDIDATE_FEATURES)


def test_a_latin_square_needs_no_groups_that_are_done() -> None:
    grid = with_holes(latin_square(6, 0), 15, 0)
    graph = CandidateGraph.from_model(LatinSquare(6).build()[0])
    alive = (grid.reshape(-1, 1) == 0) | (grid.reshape(-1, 1) == np.arange(1, 7))
    alive = graph.propagate(alive.ravel())
    state = encode(graph, alive)
    left = np.bincount(state.edge_group, minlength=len(state.group_features))
    assert (state.group_features[:, EXACTLY_ONE] == 1).all()
    assert left.min(initial=2) >= 2  # at the fixpoint a single is bound
    unbound = int((graph.count(alive) > 1).sum())
    assert len(left) == 3 * unbound  # as many values miss in the rows as cells are open, the same in the columns


def test_identities_come_from_the_graph() -> None:
    graph = clauses().identified({"x": [2, 0], "b": [1]})
    state = encode(graph, alive_without(graph, 0, 9))
    assert dict(zip(state.candidate.tolist(), state.identity.tolist(), strict=True)) == {
        **dict.fromkeys((2, 4, 5, 6, 7), 0),
        3: 3,
        8: 2,
        10: 1,
    }


@settings(max_examples=50)
@given(st.lists(models(), min_size=1, max_size=3), st.lists(st.integers(0, 99), min_size=1, max_size=3))
def test_a_union_is_scored_as_its_states_one_by_one(some_models: list[cp_model.CpModel], masks: list[int]) -> None:
    states = [state for model in some_models for state in some_states(model, masks)]
    union = disjoint_union(states)
    assert [getattr(union, name).dtype for name in FIELDS] == [getattr(states[0], name).dtype for name in FIELDS]
    assert union.num_candidates == sum(state.num_candidates for state in states)
    assert groups_by_position(union) == [
        (kind, [position + start for position in members])
        for state, start in zip(states, starts(states), strict=True)
        for kind, members in groups_by_position(state)
    ]
    scores = Counting().scores(union)
    np.testing.assert_array_equal(scores, np.concatenate(Counting().score(states)))


def starts(states: list[GraphState]) -> list[int]:
    return [sum(state.num_candidates for state in states[:i]) for i in range(len(states))]


def groups_by_position(state: GraphState) -> list[tuple[int, list[int]]]:
    members: list[list[int]] = [[] for _ in state.group_features]
    for candidate, group in zip(state.edge_candidate.tolist(), state.edge_group.tolist(), strict=True):
        members[group].append(candidate)
    return list(zip(state.group_features.argmax(axis=1).tolist(), members, strict=True))


@pytest.mark.parametrize("wrong", ["longer", "flat", "nan"])
def test_wrong_scores_are_refused(wrong: str) -> None:
    class Wrong(Counting):
        def scores(self, state: GraphState) -> FloatArray:
            scores = super().scores(state)
            if wrong == "nan":
                scores[3] = np.nan
                return scores
            return scores[:, None] if wrong == "flat" else np.concatenate([scores, scores])

    graph = clauses()
    count = InferenceCount()
    with pytest.raises(ScoreError, match=r"^counting: expected (finite scores|scores of shape \(11,\)), got"):
        ask(Wrong(), encode(graph, alive_without(graph)), count)
    assert (count.calls, count.states) == (1, 1)


def test_a_state_is_counted() -> None:
    graph = clauses()
    count = InferenceCount()
    for dead in range(4):
        Counting().prepare(graph).score(alive_without(graph, dead), count)
    assert (count.calls, count.states) == (4, 4)
    assert count.seconds > 0


@given(models(), st.integers(0, 99))
def test_advice_of_states_in_any_order_is_that_of_each(model: cp_model.CpModel, seed: int) -> None:
    graph = graph_of(model)
    rng = np.random.default_rng(seed)
    alive = np.stack([graph.propagate(rng.random(graph.num_candidates) < 0.8) for _ in range(4)])
    together = Counting().prepare(graph).advise(alive)
    for row, scores in zip(alive, together.scores, strict=True):
        state = encode(graph, row)
        expected = np.full(graph.num_candidates, -np.inf, dtype=np.float32)
        expected[state.candidate] = Counting().scores(state)
        np.testing.assert_array_equal(scores, expected)


@given(models(), st.integers(0, 99))
def test_states_can_be_sent(model: cp_model.CpModel, seed: int) -> None:
    graph = graph_of(model)
    state = encode(graph, np.random.default_rng(seed).random(graph.num_candidates) < 0.8)
    again = pickle.loads(pickle.dumps(state))
    assert all(map(np.array_equal, again.arrays, state.arrays))
