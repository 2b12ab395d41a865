"""Inference latency by batch size, and of one large state: ``pytest benchmarks/test_latency.py``."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.instances.squares import fresh_quasigroups
from benchmarks.suites.latency import root_state
from nnsearch.encoding.one_hot import OneHot, one_hot
from nnsearch.inference.pretrained import pretrained_models
from nnsearch.model.graph import BoolArray, CandidateGraph
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.scorers.onnx import OnnxScorer

_LARGEST = 256


@pytest.fixture(scope="module")
def scorer() -> OnnxScorer:
    one_hot_networks = [one for one in map(OnnxScorer, pretrained_models()) if isinstance(one.encoder, OneHot)]
    latin = [one for one in one_hot_networks if one.metadata.problem == LatinSquare.name]
    if not latin:
        pytest.skip("there is no pretrained network for Latin squares in models/")
    return latin[0]


@pytest.mark.parametrize("batch", [1, 4, 16, 64, _LARGEST])
def test_latency(benchmark: BenchmarkFixture, scorer: OnnxScorer, batch: int) -> None:
    order = scorer.metadata.num_values or 0
    squares = fresh_quasigroups(order, holes=0.5, count=batch, seed=1, pattern="uniform")
    states = one_hot(np.stack([square.grid.ravel() for square in squares]), order, first_value=1)
    benchmark.extra_info.update(model=scorer.name, provider=scorer.provider)

    scores = benchmark(scorer.run, {"assignment": states})

    assert scores.shape == states.shape
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    singles = np.concatenate([scorer.run({"assignment": state[None]}) for state in states])
    np.testing.assert_allclose(scores, singles, rtol=1e-3, atol=1e-3)


@pytest.fixture(scope="module")
def large(request: pytest.FixtureRequest) -> tuple[CandidateGraph, BoolArray]:
    """A state of order 50 where it is measured, of order 20, which is sampled in no time, where it is only tried."""
    return root_state(order=20 if request.config.getoption("benchmark_disable") else 50, holes=0.42, seed=1)


@pytest.mark.parametrize("name", pretrained_models())
def test_latency_of_a_large_state(
    benchmark: BenchmarkFixture, large: tuple[CandidateGraph, BoolArray], name: str
) -> None:
    network = OnnxScorer(name)
    if isinstance(network.encoder, OneHot):
        pytest.skip("a network of one size")
    graph, alive = large
    state = network.prepare(graph).encoding.encode(alive)
    benchmark.extra_info.update(model=network.name, provider=network.provider, candidates=state.num_scores)

    (scores,) = benchmark(network.score, [state])

    assert scores.shape == (state.num_scores,)
    assert np.isfinite(scores).all()
