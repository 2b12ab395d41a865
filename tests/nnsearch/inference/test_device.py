from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from stand_ins import graph_network, network, saved

from nnsearch.encoding.candidate_graph import disjoint_union, encode
from nnsearch.encoding.one_hot import OneHotState
from nnsearch.errors import ModelFileError, ScoreError
from nnsearch.inference import device
from nnsearch.inference.bound import BoundGraph, BoundOneHot
from nnsearch.inference.opening import open_session
from nnsearch.inference.pretrained import pretrained_models
from nnsearch.inference.providers import CPU, CUDA, TENSORRT, gpu_count
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.scorers import onnx as session
from nnsearch.scorers.latency import random_assignments
from nnsearch.scorers.onnx import OnnxScorer

V, D = 4, 2
STATES = np.eye(3, V * D, dtype=np.float32)

needs_gpu = pytest.mark.skipif(gpu_count() == 0, reason="no GPU is visible to the NVIDIA driver")


class Gpu:
    """A GPU whose memory is the CPU's: notes the options of each session, and fails where it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened: list[dict[str, dict[str, str]]] = []
        self.has_libraries, self.captures, self.fails = True, True, False
        monkeypatch.setattr(device, "open_session", self.open)
        monkeypatch.setattr(device, "BoundOneHot", partial(BoundOneHot, device="cpu"))
        monkeypatch.setattr(device, "BoundGraph", partial(BoundGraph, device="cpu"))
        monkeypatch.setattr(session, "choose_providers", self.choose)

    def choose(self, provider: str) -> list[str]:
        return {"cpu": [CPU], "tensorrt": [TENSORRT, CUDA, CPU]}.get(provider, [CUDA, CPU])

    def open(self, path: Path, providers: Mapping[str, Mapping[str, str]], threads: int) -> Any:
        self.opened.append({name: dict(options) for name, options in providers.items()})
        real = open_session(path, {CPU: {}}, threads)
        return Session(self, real, [*providers] if self.has_libraries else [CPU], self.opened[-1].get(CUDA, {}))


class Session:
    def __init__(self, gpu: Gpu, real: ort.InferenceSession, providers: list[str], options: dict[str, str]) -> None:
        self.gpu, self.real, self.providers, self.options = gpu, real, providers, options

    def get_providers(self) -> list[str]:
        return self.providers

    def io_binding(self) -> Any:
        return self.real.io_binding()

    def run_with_iobinding(self, binding: Any, options: ort.RunOptions | None = None) -> None:
        if self.gpu.fails:
            raise RuntimeError("[ONNXRuntimeError] : 6 : EP_FAIL : out of memory\nstack of calls")
        if "enable_cuda_graph" in self.options and not self.gpu.captures:
            raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : operation not permitted when stream is capturing")
        self.real.run_with_iobinding(binding, options)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    return Gpu(monkeypatch)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(network(V, D), tmp_path / "small.onnx")


@pytest.fixture
def graph_model(tmp_path: Path) -> Path:
    return saved(graph_network(), tmp_path / "places.onnx")


@pytest.mark.parametrize("provider", ["auto", "cuda"])
def test_cuda(gpu: Gpu, model: Path, caplog: pytest.LogCaptureFixture, provider: Any) -> None:
    scorer = OnnxScorer(model, provider)
    assert scorer.provider == CUDA
    assert gpu.opened == [{CUDA: {"use_tf32": "0", "enable_cuda_graph": "1"}, CPU: {}}]
    np.testing.assert_allclose(
        scorer.run({"assignment": STATES}), OnnxScorer(model, "cpu").run({"assignment": STATES}), rtol=1e-6, atol=1e-6
    )
    assert not caplog.messages


def test_without_cuda_graphs_where_they_cannot_be_captured(
    gpu: Gpu, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.captures = False
    with caplog.at_level(logging.WARNING, "nnsearch"):
        scorer = OnnxScorer(model, "cuda")
    assert scorer.provider == CUDA
    assert [options[CUDA].get("enable_cuda_graph") for options in gpu.opened] == ["1", None]
    assert caplog.messages == [
        f"{model}: runs on CUDA without CUDA graphs, which it does not fit "
        "(operation not permitted when stream is capturing)"
    ]
    np.testing.assert_allclose(
        scorer.run({"assignment": STATES}), OnnxScorer(model, "cpu").run({"assignment": STATES}), rtol=1e-6, atol=1e-6
    )


def test_graphs_of_any_size_have_no_cuda_graph(gpu: Gpu, graph_model: Path) -> None:
    scorer = OnnxScorer(graph_model)
    assert scorer.provider == CUDA
    assert gpu.opened == [{CUDA: {"use_tf32": "0"}, CPU: {}}]
    graph = CandidateGraph.from_model(LatinSquare(3).build()[0])
    state = encode(graph, np.ones(graph.num_candidates, dtype=bool))
    np.testing.assert_array_equal(scorer.score([state])[0], OnnxScorer(graph_model, "cpu").score([state])[0])


@pytest.mark.parametrize("trouble", ["libraries", "memory"])
@pytest.mark.parametrize("which", ["model", "graph_model"])
def test_auto_falls_back_to_the_cpu_with_one_line(
    gpu: Gpu, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, trouble: str, which: str
) -> None:
    path: Path = request.getfixturevalue(which)
    gpu.has_libraries, gpu.fails = trouble != "libraries", trouble == "memory"
    if which == "graph_model" and trouble == "memory":
        return  # it first runs when it is asked
    reason = {"libraries": "its libraries could not be loaded", "memory": "out of memory"}[trouble]
    line = (
        f"{path}: expected to run on a GPU, which is there, but ONNX Runtime cannot use it ({reason}); "
        "CUDA's libraries come, in the clone, with: pip install '.[cuda]'"
    )
    with caplog.at_level(logging.WARNING, "nnsearch"):
        assert OnnxScorer(path).provider == CPU
    assert caplog.messages == [f"{line}; running on the CPU"]
    with pytest.raises(ModelFileError) as caught:
        OnnxScorer(path, "cuda")
    assert str(caught.value) == line


@pytest.mark.parametrize("which", ["model", "graph_model"])
def test_what_goes_wrong_on_the_device_is_one_line(gpu: Gpu, request: pytest.FixtureRequest, which: str) -> None:
    path: Path = request.getfixturevalue(which)
    scorer = OnnxScorer(path)
    gpu.fails = True
    graph = CandidateGraph.from_model(LatinSquare(3).build()[0])
    state = encode(graph, np.ones(graph.num_candidates, dtype=bool))
    with pytest.raises(ScoreError) as caught:
        scorer.score([OneHotState(STATES[0])] if which == "model" else [state])
    assert str(caught.value) == f"{path}: expected scores, {CUDA} failed: out of memory"


def test_a_damaged_file_is_not_taken_to_the_device(gpu: Gpu, tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(network(V, D).SerializeToString()[:-3])
    with pytest.raises(ModelFileError, match="expected a complete ONNX model"):
        OnnxScorer(path)
    assert not gpu.opened


def test_tensorrt(gpu: Gpu, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cache_folder", lambda: tmp_path / "cache")
    scorer = OnnxScorer(model, "tensorrt")
    assert scorer.provider == TENSORRT
    [opened] = gpu.opened
    assert [*opened] == [TENSORRT, CUDA, CPU]
    options = opened[TENSORRT]
    assert options["trt_profile_min_shapes"] == "assignment:1x8"
    assert options["trt_profile_max_shapes"] == "assignment:512x8"
    folder = Path(options["trt_engine_cache_path"])
    assert folder.is_dir()
    assert folder.is_relative_to(tmp_path / "cache")
    # The same content has the same folder wherever it lies, other weights have another one.
    copied = saved(network(V, D), tmp_path / "copy.onnx")
    assert device.tensorrt_options(copied, 8) == options
    other = saved(network(V, D, bias=np.zeros(V * D, dtype=np.float32)), tmp_path / "other.onnx")
    assert device.tensorrt_options(other, 8)["trt_engine_cache_path"] != str(folder)


def test_tensorrt_does_not_run_graphs(gpu: Gpu, graph_model: Path) -> None:
    with pytest.raises(ModelFileError) as caught:
        OnnxScorer(graph_model, "tensorrt")
    assert str(caught.value) == (
        f"{graph_model}: expected a network of one size, because TensorRT prepares for a range of sizes and graphs "
        "have any; use --provider cuda"
    )
    assert not gpu.opened


def test_the_cache_is_where_the_system_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert device.cache_folder().is_relative_to(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("LOCALAPPDATA")
    assert device.cache_folder().is_relative_to(Path.home())


# -- on a GPU; float32 differs from the CPU's by sums in another order alone, which belief propagation amplifies

ONE_HOT_TOLERANCE, GRAPH_TOLERANCE = 1e-4, 1e-2  # of the range of a state's scores, at least 1


def close(scores: Any, expected: Any, tolerance: float) -> bool:
    span = np.maximum(np.ptp(expected, axis=-1, keepdims=True), 1)
    return bool((np.abs(scores - expected) <= tolerance * span).all())


@needs_gpu
@pytest.mark.parametrize("cuda_graphs", [False, True])
@pytest.mark.parametrize("name", ["small", "pls-10-full"])
def test_cuda_gives_the_scores_of_the_cpu(
    name: str, cuda_graphs: bool, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_graphs(path: Path, providers: Mapping[str, Mapping[str, str]], threads: int) -> Any:
        if "enable_cuda_graph" in providers.get(CUDA, {}):
            raise RuntimeError("operation not permitted when stream is capturing")
        return open_session(path, providers, threads)

    path = model if name == "small" else pretrained_models()[name]
    if not cuda_graphs:
        monkeypatch.setattr(device, "open_session", no_graphs)
    cuda, cpu = OnnxScorer(path, "cuda"), OnnxScorer(path, "cpu")
    assert cuda.provider == CUDA
    assert OnnxScorer(path).provider == CUDA
    assert isinstance(cuda._bound, BoundOneHot)
    assert cuda._bound.cuda_graphs == cuda_graphs
    assignment = random_assignments(cpu.metadata.num_variables or 0, cpu.metadata.num_values or 0, 1200)
    for _ in range(2):  # captured, then replayed with other buckets between
        for batch in (1, 2, 3, 4, 7, 8, 16, 31, 32, 64, 128, 256, 300, 512, 513, 1200, 0):
            given = assignment[-batch:] if batch else assignment[:0]
            assert close(cuda.run({"assignment": given}), cpu.run({"assignment": given}), ONE_HOT_TOLERANCE), batch


@needs_gpu
@pytest.mark.parametrize("name", ["bp", "universal"])
def test_cuda_gives_the_scores_of_the_cpu_for_graphs(name: str) -> None:
    cuda, cpu = OnnxScorer(name, "cuda"), OnnxScorer(name, "cpu")
    assert cuda.provider == CUDA
    states = []
    for order in (3, 9, 5, 12):
        graph = CandidateGraph.from_model(LatinSquare(order).build()[0])
        alive = np.ones(graph.num_candidates, dtype=bool)
        alive[1:order] = False  # the first cell is bound
        states.append(encode(graph, graph.propagate(alive)))
    for state in [*states, disjoint_union(states)]:
        assert close(cuda.score([state])[0], cpu.score([state])[0], GRAPH_TOLERANCE), state.num_candidates
