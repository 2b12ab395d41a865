from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from stand_ins import LinearScorer, graph_of, models

import nnsearch
from nnsearch.encoding.candidate_graph import LANES, CandidateGraphEncoder, GraphEncoding, GraphState, encode, padded
from nnsearch.encoding.one_hot import OneHotState
from nnsearch.errors import ScoreError
from nnsearch.scorers.batching import BatchedScorer
from nnsearch.scorers.network import Network
from nnsearch.scorers.scorer import FloatArray

BP = nnsearch.load_scorer("bp", "cpu")
UNIVERSAL = nnsearch.load_scorer("universal", "cpu")
MLP = nnsearch.load_scorer("pls-10-full", "cpu")


def kinds_of(scorer: Network) -> tuple[str, ...]:
    assert isinstance(scorer.encoder, CandidateGraphEncoder)
    return scorer.encoder.kinds


def drawn(model: cp_model.CpModel, rng: np.random.Generator, scorer: Network) -> GraphState:
    graph = graph_of(model)
    encoding = GraphEncoding(graph.only(kinds_of(scorer)))
    return encoding.encode(rng.random(graph.num_candidates) < 0.8)


@given(
    problems=st.lists(models(), min_size=1, max_size=8),
    seed=st.integers(0, 100),
    network=st.sampled_from([BP, UNIVERSAL]),
)
@settings(max_examples=30)
def test_graphs_have_bitwise_the_same_scores_alone_and_together(
    problems: list[cp_model.CpModel], seed: int, network: Any
) -> None:
    rng = np.random.default_rng(seed)
    states = [state for model in problems if (state := drawn(model, rng, network)).num_candidates]
    if states:
        together = BatchedScorer(network).score(states)
        for state, scores in zip(states, together, strict=True):
            assert np.array_equal(cast(FloatArray, scores), network.score([state])[0])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 64, 65])
def test_rows_have_bitwise_the_same_scores_alone_and_together(size: int) -> None:
    rows = (np.random.default_rng(size).random((size, 1000)) < 0.05).astype(np.float32)
    states = [OneHotState(row) for row in rows]
    for state, scores in zip(states, BatchedScorer(MLP).score(states), strict=True):
        assert np.array_equal(cast(FloatArray, scores), MLP.score([state])[0])


@given(model=models(), seed=st.integers(0, 100))
def test_padding_adds_only_what_hangs_together_with_nothing(model: cp_model.CpModel, seed: int) -> None:
    graph = graph_of(model)
    state = encode(graph, np.random.default_rng(seed).random(graph.num_candidates) < 0.8)
    whole = padded(state)
    n, g, e = state.num_candidates, len(state.group_features), len(state.edge_group)
    assert [whole.num_candidates % LANES, len(whole.group_features) % LANES, len(whole.edge_group) % LANES] == [0, 0, 0]
    assert padded(whole) is whole
    assert (whole.edge_candidate[e:] >= n).all()
    assert (whole.edge_group[e:] >= g).all()
    assert whole.group_features.sum(axis=1).tolist() == [1] * len(whole.group_features)
    for name, size in (("edge_candidate", e), ("edge_group", e), ("group_features", g), ("candidate_features", n)):
        assert np.array_equal(getattr(whole, name)[:size], getattr(state, name))
    assert np.array_equal(whole.identity[:n], state.identity)


class Choosy(LinearScorer):
    """Refuses batches that hold a row with its first candidate, in one of several ways."""

    how = "raises"

    def scores(self, assignment: FloatArray) -> FloatArray:
        scores = super().scores(assignment)
        if assignment[:, 0].any():
            if self.how == "raises":
                raise LookupError("not this one")
            return scores[:-1]
        return scores


@pytest.mark.parametrize(("how", "kind"), [("raises", LookupError), ("another shape", ScoreError)])
def test_trouble_is_found_state_by_state(how: str, kind: type[Exception]) -> None:
    scorer = Choosy(3, 2)
    scorer.how = how
    rows = (np.random.default_rng(5).random((9, 6)) < 0.5).astype(np.float32)
    assert 0 < rows[:, 0].sum() < 9
    batched = BatchedScorer(scorer)
    for row, scores in zip(rows, batched.score([OneHotState(row) for row in rows]), strict=True):
        if row[0]:
            assert isinstance(scores, kind)
        else:
            assert np.array_equal(cast(FloatArray, scores), scorer.score([OneHotState(row)])[0])
    assert (batched.batches, batched.states) == (1, 9)
    assert batched.seconds > 0
