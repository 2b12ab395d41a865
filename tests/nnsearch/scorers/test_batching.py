from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from stand_ins import LinearScorer, graph_of, models

import nnsearch
from nnsearch.encoding.candidate_graph import LANES, GraphState, encode, padded
from nnsearch.errors import ScoreError
from nnsearch.scorers.batching import BatchedScorer
from nnsearch.scorers.scorer import FloatArray, GraphScorer, Scorer

BP = nnsearch.load_scorer("bp", "cpu")
UNIVERSAL = nnsearch.load_scorer("universal", "cpu")
MLP = nnsearch.load_scorer("pls-10-full", "cpu")


def drawn(model: cp_model.CpModel, rng: np.random.Generator, scorer: GraphScorer) -> GraphState:
    graph = scorer.prepare(graph_of(model))
    return encode(graph, rng.random(graph.num_candidates) < 0.8)


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
            assert np.array_equal(cast(FloatArray, scores), network.score_graph(state))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 64, 65])
def test_rows_have_bitwise_the_same_scores_alone_and_together(size: int) -> None:
    rows = (np.random.default_rng(size).random((size, 1000)) < 0.05).astype(np.float32)
    together = BatchedScorer(MLP).score([row[None] for row in rows])
    for row, scores in zip(rows, together, strict=True):
        assert np.array_equal(cast(FloatArray, scores), MLP.score(row[None]))  # type: ignore[union-attr]


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

    def score(self, assignment: FloatArray) -> FloatArray:
        scores = super().score(assignment)
        if assignment[:, 0].any():
            if self.how == "raises":
                raise LookupError("not this one")
            return scores[:-1]
        return scores


@pytest.mark.parametrize(("how", "kind"), [("raises", LookupError), ("another shape", ScoreError)])
def test_trouble_is_found_state_by_state(how: str, kind: type[Exception]) -> None:
    scorer: Scorer = Choosy(3, 2)
    scorer.how = how  # type: ignore[attr-defined]
    rows = (np.random.default_rng(5).random((9, 6)) < 0.5).astype(np.float32)
    assert 0 < rows[:, 0].sum() < 9
    batched = BatchedScorer(scorer)
    for row, scores in zip(rows, batched.score([row[None] for row in rows]), strict=True):
        if row[0]:
            assert isinstance(scores, kind)
        else:
            assert np.array_equal(cast(FloatArray, scores), scorer.score(row[None]))
    assert (batched.batches, batched.states) == (1, 9)
    assert batched.seconds > 0
