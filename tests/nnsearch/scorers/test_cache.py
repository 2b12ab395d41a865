from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from stand_ins import DirectScorer, LinearScorer, RandomGraphScorer, graph_of, models

import nnsearch
from nnsearch import Limits, ScoreCache, cached
from nnsearch.cp import Restarts
from nnsearch.cp.search_options import SearchOptions
from nnsearch.encoding.candidate_graph import encode
from nnsearch.encoding.one_hot import OneHotState
from nnsearch.errors import ConfigError
from nnsearch.model.graph import CandidateGraph
from nnsearch.result import InferenceCount
from nnsearch.scorers.cache import Cached, key_of
from nnsearch.scorers.scorer import FloatArray


def rows(count: int, width: int, seed: int) -> FloatArray:
    return (np.random.default_rng(seed).random((count, width)) < 0.3).astype(np.float32)


@given(width=st.integers(1, 40), seed=st.integers(0, 1000))
def test_states_of_one_size_are_equal_if_their_keys_are(width: int, seed: int) -> None:
    states = rows(12, width, seed)
    for one in states:
        for other in states:
            assert (key_of(OneHotState(one)) == key_of(OneHotState(other))) == np.array_equal(one, other)


@given(model=models(), seed=st.integers(0, 1000))
def test_graphs_are_equal_if_their_keys_are(model: cp_model.CpModel, seed: int) -> None:
    graph = graph_of(model)
    rng = np.random.default_rng(seed)
    states = [encode(graph, rng.random(graph.num_candidates) < 0.8) for _ in range(8)]
    for one in states:
        for other in states:
            same = all(map(np.array_equal, one.arrays, other.arrays))
            assert (key_of(one) == key_of(other)) == same


def test_what_was_used_longest_ago_is_forgotten() -> None:
    scores = np.zeros(1000, dtype=np.float32)  # 4,000 bytes each
    cache = ScoreCache(megabytes=0.04)
    for name in b"abcdefghi":
        cache.note(bytes([name]), scores + name)
        assert cache.recall(b"a") is not None
    assert len(cache) == 9
    cache.note(b"j", scores)
    assert cache.recall(b"b") is None
    kept = cache.recall(b"a")
    assert kept is not None
    assert (kept == ord("a")).all()


def test_what_is_kept_cannot_be_changed() -> None:
    cache, scores = ScoreCache(1), np.zeros(3, dtype=np.float32)
    cache.note(b"a", scores)
    scores[0] = 1
    kept = cache.recall(b"a")
    assert kept is not None
    assert kept[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1


def test_more_than_there_is_room_for_is_not_kept() -> None:
    cache = ScoreCache(0.001)
    cache.note(b"a", np.zeros(10_000, dtype=np.float32))
    assert len(cache) == 0
    cache.note(b"b", np.zeros(10, dtype=np.float32))
    assert len(cache) == 1


def test_room_is_needed() -> None:
    with pytest.raises(ConfigError, match="expected a number of megabytes above 0, got 0"):
        ScoreCache(0)


@given(picks=st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_each_state_is_scored_once(picks: list[int]) -> None:
    states, scorer = rows(6, 12, seed=1), LinearScorer(4, 3)
    remembering = Cached(scorer)
    expected = LinearScorer(4, 3).scores(states)
    for start in range(0, len(picks), 4):
        chosen = picks[start : start + 4]
        scores = remembering.score([OneHotState(state) for state in states[chosen]])
        assert np.allclose(scores, expected[chosen], atol=1e-5)
    distinct = len({states[pick].tobytes() for pick in picks})
    assert distinct <= len(scorer.shown) <= len(picks)
    assert remembering.recalled + len(scorer.shown) == len(picks)


@pytest.mark.parametrize("kind", ["one size", "graph"])
def test_a_search_is_the_same_and_counts_what_was_known(kind: str) -> None:
    model = cp_model.CpModel()
    variables = [model.new_int_var(0, 4, f"x{i}") for i in range(6)]
    for one, other in combinations(variables, 2):
        model.add(one != other)
    restarts, limits = Restarts(3, growth=1.01), Limits(failures=40)
    scorer = LinearScorer(6, 5) if kind == "one size" else RandomGraphScorer()
    plain = nnsearch.cp.solve(model, variables, scorer, SearchOptions(restarts=restarts, limits=limits))
    asked = len(scorer.shown)
    scorer.shown.clear()
    remembering = cached(scorer)
    assert isinstance(remembering, Cached)
    result = nnsearch.cp.solve(model, variables, remembering, SearchOptions(restarts=restarts, limits=limits))
    assert (result.status, result.solution, result.branches) == (plain.status, plain.solution, plain.branches)
    assert len(scorer.shown) == result.inference.states == result.inference.calls
    assert result.inference.recalled + result.inference.states == asked == plain.inference.states
    assert result.inference.recalled > 0
    assert plain.inference.recalled == 0


def test_a_cache_that_two_scorers_share_tells_their_models_apart() -> None:
    cache = ScoreCache()
    graphs = [CandidateGraph.from_all_different([range(3)] * 2, [[0, 1]] * times) for times in (1, 2)]
    alive = np.ones(6, dtype=bool)
    for seed, graph in enumerate(graphs):
        remembering = cached(DirectScorer(seed), cache)
        prepared = remembering.prepare(graph)
        expected = DirectScorer(seed).prepare(graph).advise(alive[None]).scores[0]
        for _ in range(2):
            np.testing.assert_array_equal(prepared.score(alive, InferenceCount()), expected)
        assert remembering.recalled == 1


@pytest.mark.parametrize("scorer", ["lp", "automaton-rosters"])
def test_what_a_scorer_says_beside_its_scores_is_handed_on(scorer: str) -> None:
    model = cp_model.CpModel()
    taken = [model.new_bool_var(f"x{i}") for i in range(6)]
    amount = model.new_int_var(0, 1000, "amount")
    model.add(sum((i + 2) * one for i, one in enumerate(taken)) + amount >= 300)
    model.minimize(sum((7 * i + 30) * one for i, one in enumerate(taken)) + 5 * amount)
    graph = CandidateGraph.from_model(model)
    alive = np.ones((1, graph.num_candidates), dtype=bool)
    plain, remembering = (one.prepare(graph).advise(alive) for one in (nnsearch.load_scorer(scorer), cached(scorer)))
    assert plain.target is not None
    for expected, got in zip(plain, remembering, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_network_is_asked_for_advice_once() -> None:
    model = cp_model.CpModel()
    x = [model.new_bool_var(f"x{i}") for i in range(4)]
    model.add(x[0] + 2 * x[1] + 3 * x[2] + 4 * x[3] >= 5)
    model.minimize(sum((i + 1) * one for i, one in enumerate(x)))
    graph = CandidateGraph.from_model(model)
    remembering = cached("automaton-rosters")
    prepared = remembering.prepare(graph)
    alive = np.ones((1, graph.num_candidates), dtype=bool)
    for _ in range(3):
        assert prepared.advise(alive).target is not None
    assert remembering.recalled == 2
