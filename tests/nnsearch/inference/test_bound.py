from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from stand_ins import GRAPH_INPUTS, graph_network, network, saved

from nnsearch.encoding.candidate_graph import GraphState, disjoint_union, encode
from nnsearch.encoding.encoder import Feed
from nnsearch.inference.bound import BoundGraph, BoundOneHot, bucket_of
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.scorers.onnx import OnnxScorer
from nnsearch.scorers.scorer import FloatArray

V, D = 4, 2
N = V * D
LARGEST = 8


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> OnnxScorer:
    return OnnxScorer(saved(network(V, D), tmp_path_factory.mktemp("models") / "small.onnx"), "cpu")


def bound(scorer: OnnxScorer) -> BoundOneHot:
    return BoundOneHot(scorer.session, N, "cpu", largest=LARGEST)


def states(batch: int, seed: int) -> FloatArray:
    return np.random.default_rng(seed).integers(0, 2, (batch, N)).astype(np.float32)


def test_a_bucket_is_the_next_power_of_two() -> None:
    for batch in range(1, 600):
        bucket = bucket_of(batch)
        assert bucket.bit_count() == 1
        assert bucket == 512 or bucket // 2 < batch <= bucket
    assert [bucket_of(batch, 8) for batch in (1, 2, 3, 4, 5, 8, 9, 100)] == [1, 2, 4, 4, 8, 8, 8, 8]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3 * LARGEST), st.integers(0, 9)), min_size=1, max_size=6))
def test_bound_buffers_give_the_scores_of_the_session(scorer: OnnxScorer, calls: list[tuple[int, int]]) -> None:
    """For every batch size, split or padded, whatever the buckets were used for before; what was returned stays."""
    one, kept = bound(scorer), []
    for batch, seed in calls:
        assignment = states(batch, seed)
        before = assignment.copy()
        kept.append((one.run({"assignment": assignment}), scorer.run({"assignment": assignment})))
        np.testing.assert_array_equal(assignment, before)
    for scores, expected in kept:
        assert scores.dtype == np.float32
        assert scores.shape == expected.shape
        np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-6)


def test_any_memory_layout_and_type_of_number(scorer: OnnxScorer) -> None:
    for batch in (3, 4):
        wide = states(2 * batch, 0)
        expected = scorer.run({"assignment": np.ascontiguousarray(wide[::2])})
        doubles: Any = wide[::2].astype(np.float64)
        for given_ in (wide[::2], np.asfortranarray(wide[::2]), doubles):
            np.testing.assert_allclose(bound(scorer).run({"assignment": given_}), expected, rtol=1e-6, atol=1e-6)


def test_padded_rows_are_zeros(tmp_path: Path) -> None:
    """Seen by a network that breaks the rules: it adds up the states of a batch."""
    nodes = [
        helper.make_node("ReduceSum", ["assignment", "axis"], ["total"]),
        helper.make_node("Add", ["assignment", "total"], ["scores"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", N]) for name in ("assignment", "scores")]
    graph = helper.make_graph(nodes, "sum", ends[:1], ends[1:], [numpy_helper.from_array(np.array([0]), "axis")])
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)])
    session = ort.InferenceSession(str(saved(model, tmp_path / "sum.onnx")), providers=["CPUExecutionProvider"])
    one = BoundOneHot(session, N, "cpu", largest=LARGEST)
    for batch in (8, 5, 7, 6, 1, 8, 5):
        assignment = states(batch, batch)
        np.testing.assert_array_equal(one.run({"assignment": assignment}), assignment + assignment.sum(axis=0))


class Recording:
    """A session that notes with which binding and CUDA graph it is run."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self.session = session
        self.runs: list[tuple[Any, str | None]] = []

    def io_binding(self) -> Any:
        return self.session.io_binding()

    def run_with_iobinding(self, binding: Any, options: ort.RunOptions) -> None:
        try:
            number = options.get_run_config_entry("gpu_graph_id")
        except RuntimeError:
            number = None
        self.runs.append((binding, number))
        self.session.run_with_iobinding(binding, options)


@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_each_bucket_has_buffers_and_a_cuda_graph_of_its_own(scorer: OnnxScorer, cuda_graphs: bool) -> None:
    session = Recording(scorer.session)
    one = BoundOneHot(session, N, "cpu", cuda_graphs=cuda_graphs, largest=LARGEST)
    assert not session.runs  # buckets are made on first use
    one.warm_up()
    one.warm_up(100)
    assert len(session.runs) == 2
    for batch in (1, 2, 3, 4, 20, 5):
        np.testing.assert_allclose(
            one.run({"assignment": states(batch, 1)}),
            scorer.run({"assignment": states(batch, 1)}),
            rtol=1e-6,
            atol=1e-6,
        )
    buckets = [1, 8, 1, 2, 4, 4, 8, 8, 4, 8]
    assert [number for _, number in session.runs] == [str(size) if cuda_graphs else None for size in buckets]
    bindings = {size: {id(one) for (one, _), bucket in zip(session.runs, buckets, strict=True) if bucket == size}
                for size in buckets}  # fmt: skip
    assert all(len(ids) == 1 for ids in bindings.values())
    assert len(set.union(*bindings.values())) == 4


@pytest.mark.parametrize("shape", [(N,), (3, N + 1), (3, 1), (1, 3, N)])
def test_states_of_another_shape_are_refused(scorer: OnnxScorer, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"^expected states as \[B, {N}\], got shape "):
        bound(scorer).run({"assignment": np.zeros(shape, dtype=np.float32)})


def test_threads_do_not_mix_up_their_states(scorer: OnnxScorer) -> None:
    one = bound(scorer)

    def right(seed: int) -> bool:
        assignment = states(1 + seed % 11, seed)
        return np.allclose(
            one.run({"assignment": assignment}), scorer.run({"assignment": assignment}), rtol=1e-6, atol=1e-6
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(right, range(200)))


def graph_states(*orders: int) -> list[GraphState]:
    graphs = [CandidateGraph.from_model(LatinSquare(order).build()[0]) for order in orders]
    return [encode(graph, np.ones(graph.num_candidates, dtype=bool)) for graph in graphs]


def unpadded(state: GraphState) -> Feed:
    return {name: getattr(state, name) for name in GRAPH_INPUTS}


def test_graphs_of_any_size(tmp_path: Path) -> None:
    scorer = OnnxScorer(saved(graph_network(), tmp_path / "places.onnx"), "cpu")
    one = BoundGraph(scorer.session, "cpu")
    sizes = graph_states(3, 2, 4, 3)
    for state in [*sizes, disjoint_union(sizes)]:
        scores = one.run(unpadded(state))
        assert scores.dtype == np.float32
        np.testing.assert_array_equal(scores, scorer.score([state])[0])
    together = scorer.encoder.split(one.run(scorer.encoder.unite(sizes)), sizes)
    np.testing.assert_array_equal(np.concatenate(together), np.concatenate(scorer.score(sizes)))


def test_a_graph_without_edges(tmp_path: Path) -> None:
    scorer = OnnxScorer(saved(graph_network(), tmp_path / "places.onnx"), "cpu")
    none = np.zeros(0, dtype=np.int64)
    whole = graph_states(3)[0]
    lonely = GraphState(none, none, whole.group_features[:0], whole.candidate_features, whole.candidate, whole.identity)
    scores = BoundGraph(scorer.session, "cpu").run(unpadded(lonely))
    np.testing.assert_array_equal(scores, scorer.score([whole])[0])
