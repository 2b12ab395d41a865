from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from stand_ins import models

from nnsearch.encoding.model_graph.encoder import ModelGraphEncoder, ModelGraphEncoding
from nnsearch.encoding.model_graph.items import BOOLEAN, CANDIDATE, QUANTITY
from nnsearch.encoding.model_graph.nodes import NODE_KINDS
from nnsearch.encoding.model_graph.state import (
    ITEM_FEATURES,
    NODE_FEATURES,
    ModelGraphState,
    model_graph_union,
    padded_model_graph,
)
from nnsearch.errors import GraphError, NothingToReadError, ScoreError
from nnsearch.model.graph import BoolArray, CandidateGraph


def mixed_model() -> cp_model.CpModel:
    """Booleans a, b, c; x in 0..3, y in 2..4; the quantities q in 0..1000 and r in 0..100000."""
    model = cp_model.CpModel()
    a, b, c = (model.new_bool_var(name) for name in "abc")
    x, y = model.new_int_var(0, 3, "x"), model.new_int_var(2, 4, "y")
    q, r = model.new_int_var(0, 1000, "q"), model.new_int_var(0, 100_000, "r")
    model.add(2 * a + 3 * b + x <= 4)
    model.add_bool_or([a, ~b, c])
    model.add(q + 5 * x >= 7).only_enforce_if(~a)
    model.add_all_different([x, y])
    intervals = [
        model.new_optional_interval_var(q, 10, q + 10, b, "i"),
        model.new_fixed_size_interval_var(r, 20, "j"),
    ]
    model.add_no_overlap(intervals)
    model.add_cumulative(intervals, [2, 3], 4)
    model.add_max_equality(r, [q, x])
    model.minimize(q + 3 * a - 2 * x)
    return model


def read(model: cp_model.CpModel) -> ModelGraphEncoding:
    return ModelGraphEncoder(relaxed=False).prepare(CandidateGraph.from_model(model), None, "net")


def root(encoding: ModelGraphEncoding) -> BoolArray:
    return np.ones(encoding.graph.num_candidates, dtype=bool)


def column(state: ModelGraphState, name: str) -> list[float]:
    """A feature of all items or nodes."""
    if name in NODE_FEATURES:
        features, place = state.node_features, len(NODE_KINDS) + NODE_FEATURES.index(name)
    else:
        features, place = state.item_features, ITEM_FEATURES.index(name)
    return [float(number) for number in features[:, place]]


def kinds(state: ModelGraphState) -> list[str]:
    return [NODE_KINDS[kind] for kind in state.node_features[:, : len(NODE_KINDS)].argmax(axis=1)]


def test_what_is_read_and_how() -> None:
    assert str(read(mixed_model()).report) == (
        "items: 3 Booleans, 7 candidates, 2 quantities; nodes: 2 values, 5 at_most_one, 1 at_least_one, 2 linear, "
        "2 interval, 1 no_overlap, 1 cumulative, 1 lin_max; 46 edges; 5 items in the objective, 0 in the linear "
        "relaxation, 0 hinted"
    )


def test_items_edges_and_sides_of_rows() -> None:
    model = cp_model.CpModel()
    a, b = model.new_bool_var("a"), model.new_bool_var("b")
    x, q = model.new_int_var(1, 3, "x"), model.new_int_var(0, 100, "q")
    model.add_linear_constraint(4 * a - 2 * b + 3 * x + q, 5, 20)
    model.add_bool_or([~a, b]).only_enforce_if(a)
    model.maximize(7 * b + x)
    encoding = read(model)
    assert encoding.items.kind.tolist() == [BOOLEAN, BOOLEAN, CANDIDATE, CANDIDATE, CANDIDATE, QUANTITY]
    assert encoding.items.value.tolist() == [1, 1, 1, 2, 3, 0]
    nodes = encoding.nodes
    # Items go from 0 to 1: a quantity by its whole range, the least value of x is a constant.
    assert nodes.item.tolist() == [2, 3, 4, 0, 1, 2, 3, 4, 5, 0, 1, 0]
    assert nodes.node.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2]
    assert nodes.coefficient.tolist() == [1, 1, 1, 4, -2, 0, 3, 6, 100, -1, 1, 0]
    assert (nodes.low.tolist(), nodes.high.tolist()) == ([1, 2, 0], [1, 17, np.inf])
    assert nodes.negated.tolist() == 9 * [False] + [True, False, False]
    assert nodes.enforces.tolist() == 11 * [False] + [True]
    state = encoding.encode(root(encoding))
    assert kinds(state) == ["values", "linear", "at_least_one"]
    assert column(state, "has an upper side") == [1, 1, 0]
    assert column(state, "open conditions") == [0, 0, 1]
    # To be minimised is -7 b - x; of x's candidates the first costs nothing.
    assert column(state, "in the objective") == [0, 1, 0, 1, 1, 0]
    assert column(state, "objective / largest") == pytest.approx([0, -1, 0, -1 / 7, -2 / 7, 0])
    assert column(state, "place in the current domain") == [1, 1, 0, 0.5, 1, 0]
    width = 4 + 6 + 100 + 2  # the sums go from -2 to 110
    assert column(state, "lower side in the range of sums")[1] == pytest.approx((2 + 2) / width)
    assert column(state, "upper side in the range of sums")[1] == pytest.approx((17 + 2) / width)


def test_a_state_below_the_root() -> None:
    encoding = read(mixed_model())
    graph = encoding.graph
    alive = root(encoding)
    alive[graph.values[:2].argmax()] = False  # a = 0
    x = graph.offset[3]
    alive[x + 3] = False  # x <= 2
    state = encoding.encode(alive)
    assert state.num_items == 12 - 1 - 1
    assert column(state, "place in the current domain")[2:5] == [0, 0.5, 1]
    assert column(state, "share of the domain that is left")[2:5] == [0.75] * 3
    # "a enforces" is decided: its row holds without a condition; the clause has two literals left.
    assert column(state, "open conditions")[kinds(state).index("linear") + 1] == 0
    assert column(state, "share that is open")[kinds(state).index("at_least_one")] == pytest.approx(2 / 3)


def test_the_row_of_a_false_condition_is_gone() -> None:
    encoding = read(mixed_model())
    alive = root(encoding)
    alive[0] = False  # a = 1
    state = encoding.encode(alive)
    assert kinds(state).count("linear") == 1
    assert "at_least_one" not in kinds(state)  # it holds


def test_scores_and_targets_come_back_to_candidates_and_variables() -> None:
    encoding = read(mixed_model())
    state = encoding.encode(root(encoding))
    answers = np.concatenate([np.arange(1, 13), np.full(12, 0.25)]).astype(np.float32)
    scores = encoding.decode(state, answers)
    assert scores[:6].tolist() == [-1, 1, -2, 2, -3, 3]
    assert scores[6:13].tolist() == [4, 5, 6, 7, 8, 9, 10]
    quantity = scores[13 : 13 + 1001]
    assert quantity.argmax() == 250
    assert quantity[250] == 11
    assert quantity[300] == pytest.approx(10)
    target, confidence = encoding.targets(state, answers)
    assert np.isnan(target[:5]).all()
    assert target[5:].tolist() == [250, 25_000]
    assert confidence.tolist() == [1, 2, 3, 7, 10, 11, 12]


def test_what_the_relaxation_says_otherwise_comes_last() -> None:
    model = cp_model.CpModel()
    a, b, c, d = (model.new_bool_var(name) for name in "abcd")
    x = model.new_int_var(0, 3, "x")
    model.add(a + b >= 1)
    model.add(3 * c + 2 * d >= 2)
    model.add(x <= 2 + d)
    model.minimize(2 * a + b + c + 4 * d - x)
    encoding = ModelGraphEncoder(relaxed=True).prepare(CandidateGraph.from_model(model), None, "net")
    state = encoding.encode(root(encoding))

    def sure(*scores: float) -> list[float]:
        answers = np.array([*scores, *[0.0] * len(scores)], dtype=np.float32)
        return [float(one) for one in encoding.targets(state, answers)[1]]

    # It says 0, 1, two thirds, 0 and 2.
    assert sure(-5, 4, 3, -2, 0, 0, 7, 0) == [5, 4, 3 - 6, 2, 7]
    assert sure(5, -4, -3, -200, 0, 7, 0, 0) == [5 - 198, 4 - 198, 3 - 198, 200, 7 - 198]
    alone = read(model)
    assert alone.targets(alone.encode(root(alone)), np.ones(16, dtype=np.float32))[1].tolist() == [1] * 5


@given(models(), st.integers(0, 99))
def test_any_model_encodes_and_no_open_item_is_lost(model: cp_model.CpModel, seed: int) -> None:
    graph = CandidateGraph.from_model(model)
    try:
        encoding = ModelGraphEncoder(relaxed=False).prepare(graph, None, "net")
    except NothingToReadError:
        return
    alive = np.random.default_rng(seed).random(graph.num_candidates) < 0.8
    alive[graph.offset[:-1]] |= graph.count(alive) == 0
    state = encoding.encode(alive)
    assert all(np.isfinite(array).all() for array in state.arrays)
    variables = set(np.flatnonzero(graph.count(alive) > 1).tolist())
    assert set(encoding.items.variable[state.item].tolist()) == variables
    answers = np.zeros(state.num_scores, dtype=np.float32)
    scored = encoding.decode(state, answers) > -np.inf
    assert (scored >= (alive & (graph.count(alive) > 1)[graph.variable])).all()


def test_a_union_keeps_states_apart() -> None:
    encoding = read(mixed_model())
    alive = root(encoding)
    alive[0] = False
    states = [encoding.encode(alive), encoding.encode(root(encoding))]
    both = model_graph_union(states)
    assert both.edge_item[len(states[0].edge_item) :].tolist() == (states[1].edge_item + states[0].num_items).tolist()
    assert both.num_items == sum(state.num_items for state in states)
    encoder = ModelGraphEncoder()
    feed = encoder.unite(states)
    assert {len(feed[name]) % 16 for name in feed} == {0}
    total = len(feed["item_features"])
    numbers = np.stack([np.arange(total), np.arange(total) + 1000]).astype(np.float32)
    first, second = encoder.split(numbers, states)
    assert first.tolist() == [*range(11), *range(1000, 1011)]
    begin = len(padded_model_graph(states[0]).item_features)
    assert second.tolist() == [*range(begin, begin + 12), *range(1000 + begin, 1000 + begin + 12)]
    with pytest.raises(ScoreError, match="expected scores and targets of shape"):
        encoder.split(numbers[:, 1:], states)


def test_a_state_can_be_sent() -> None:
    state = read(mixed_model()).encode(np.ones(1014, dtype=bool))
    again = pickle.loads(pickle.dumps(state))
    assert all((one == other).all() for one, other in zip(state.arrays, again.arrays, strict=True))


def test_a_hint_is_a_past_solution() -> None:
    model = mixed_model()
    for index, value in ((0, 1), (3, 2), (5, 250)):
        model.add_hint(model.get_int_var_from_proto_index(index), value)
    encoding = read(model)
    state = encoding.encode(root(encoding))
    assert column(state, "past known") == [1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0]
    assert column(state, "past value") == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0.25, 0]


def test_a_graph_without_its_model_is_refused() -> None:
    graph = dataclasses.replace(CandidateGraph.from_model(mixed_model()), model=None)
    with pytest.raises(GraphError, match="net: expected a graph of a CpModel, whose rows and objective"):
        ModelGraphEncoder().prepare(graph, None, "net")


def test_a_model_with_nothing_to_read_is_refused() -> None:
    model = cp_model.CpModel()
    model.new_bool_var("a")
    with pytest.raises(NothingToReadError, match="net: expected a model with a constraint on open variables"):
        read(model)
