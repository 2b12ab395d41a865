"""Inference latency by batch size, and of one large state: ``pytest benchmarks/test_latency.py``."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.instances.qwh import generate
from benchmarks.suites.latency import root_state
from nnsearch.encoding.candidate_graph import encode
from nnsearch.encoding.one_hot import one_hot
from nnsearch.inference.pretrained import pretrained_models
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.scorers.onnx import OnnxGraphScorer, OnnxScorer, open_network

_LARGEST = 256


@pytest.fixture(scope="module")
def scorer() -> OnnxScorer:
    one_hot_networks = [one for one in map(open_network, pretrained_models()) if isinstance(one, OnnxScorer)]
    latin = [one for one in one_hot_networks if one.metadata.problem == LatinSquare.name]
    if not latin:
        pytest.skip("there is no pretrained network for Latin squares in models/")
    return latin[0]


@pytest.mark.parametrize("batch", [1, 4, 16, 64, _LARGEST])
def test_latency(benchmark: BenchmarkFixture, scorer: OnnxScorer, batch: int) -> None:
    order = scorer.num_values
    squares = generate(order, holes=0.5, count=batch, seed=1, pattern="uniform")
    states = one_hot(np.stack([square.grid.ravel() for square in squares]), order, first_value=1)
    benchmark.extra_info.update(model=scorer.name, provider=scorer.provider)

    scores = benchmark(scorer.score, states)

    assert scores.shape == states.shape
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    singles = np.concatenate([scorer.score(state[None]) for state in states])
    np.testing.assert_allclose(scores, singles, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", pretrained_models())
def test_latency_of_a_large_state(benchmark: BenchmarkFixture, name: str) -> None:
    network = open_network(name)
    if not isinstance(network, OnnxGraphScorer):
        pytest.skip("a network of one size")
    graph, alive = root_state(order=50, holes=0.42, seed=1)
    state = encode(network.prepare(graph), alive)
    benchmark.extra_info.update(model=network.name, provider=network.provider, candidates=state.num_candidates)

    scores = benchmark(network.score_graph, state)

    assert scores.shape == (state.num_candidates,)
    assert np.isfinite(scores).all()
