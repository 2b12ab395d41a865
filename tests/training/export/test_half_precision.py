from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.errors import ConfigError, NNSearchError
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.scorers.onnx import OnnxScorer
from training.data.families import LatinSquares, latin_square_pool
from training.data.graph_states import tensor_inputs, training_state
from training.export.export import TRAINED_KINDS, export, export_graph
from training.export.half_precision import half_precision
from training.networks.belief_propagation import BeliefPropagation, NeuralBeliefPropagation
from training.networks.mlp import MLP

pytestmark = pytest.mark.slow

METADATA = ModelMetadata("candidate_graph", "any", kinds=TRAINED_KINDS)


def mlp() -> MLP:
    torch.manual_seed(0)
    return MLP(64, (32, 32)).eval()


def neural(scale: float = 0.1) -> NeuralBeliefPropagation:
    torch.manual_seed(0)
    network = NeuralBeliefPropagation(blocks=1, iterations=1, hidden=8)
    for layer in (network.field, network.correction, network.readout):
        nn.init.normal_(layer.weight, std=scale)
    return network.eval()


@pytest.fixture(scope="module")
def states() -> list[GraphState]:
    rng = np.random.default_rng(0)
    family = LatinSquares(latin_square_pool((6, 9), 4, 0))
    drawn = [family.draw(rng, tight=False) for _ in range(6)]
    made = [training_state(one).state for one in drawn]
    return [state for state in made if state.num_candidates]


def operators(path: Path) -> dict[str, list[int]]:
    """The types that the weights of each kind of operator have."""
    graph = onnx.load(path).graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    found: dict[str, list[int]] = {}
    for node in graph.node:
        found.setdefault(node.op_type, []).extend(types[name] for name in node.input if name in types)
    return found


def test_an_mlp_is_half_throughout() -> None:
    network = mlp()
    half = half_precision(network)
    assert {parameter.dtype for parameter in half.parameters()} == {torch.float16}
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}  # the given one stays
    assignment = torch.eye(64)
    scores = half(assignment)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, network(assignment), rtol=1e-2, atol=1e-2)


def test_belief_propagation_stays_in_float32(states: list[GraphState]) -> None:
    """Only the linear layers are half: exp(12) has no half-precision number, and log(1e-5) differences none."""
    network = neural()
    half = half_precision(network)
    linear = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    parts = {f"{name}.{part}" for name, module in linear for part, _ in module.named_parameters()}
    halves = {name for name, parameter in half.named_parameters() if parameter.dtype == torch.float16}
    assert {name.replace(".module.", ".") for name in halves} == parts  # each layer is wrapped
    for state in states:
        inputs = tensor_inputs(state, torch.device("cpu"))
        with torch.inference_mode():
            scores, expected = half(*inputs), network(*inputs)
        assert scores.dtype == torch.float32
        assert (scores - expected).abs().max() <= 0.1 * max(1.0, float(expected.max() - expected.min()))


def test_a_network_without_linear_layers_is_refused(tmp_path: Path, states: list[GraphState]) -> None:
    with pytest.raises(ConfigError, match="expected a network with linear layers for fp16, this one has none"):
        export_graph(BeliefPropagation(), METADATA, states, tmp_path / "bp.onnx", precision="fp16")
    assert [*tmp_path.iterdir()] == []


def test_export_of_an_mlp(tmp_path: Path) -> None:
    for precision in ("fp32", "fp16"):
        export(mlp(), LatinSquare(4), {"seed": 1}, tmp_path / f"{precision}.onnx", precision=precision)
    full, half = (OnnxScorer(tmp_path / f"{precision}.onnx", "cpu") for precision in ("fp32", "fp16"))
    assert full.metadata == ModelMetadata("one_hot", "latin-square", 16, 4, {"seed": 1})
    assert half.metadata == replace(full.metadata, precision="fp16", tolerance=0.02)
    assert set(operators(half.path)["Gemm"]) == {onnx.TensorProto.FLOAT16}
    assignment = np.eye(64, dtype=np.float32)
    scores, expected = half.run({"assignment": assignment}), full.run({"assignment": assignment})
    assert scores.dtype == np.float32
    assert (scores != expected).any()
    span = np.maximum(np.ptp(expected, axis=1, keepdims=True), 1)
    assert (np.abs(scores - expected) <= 0.02 * span).all()


def test_export_of_a_graph_network(tmp_path: Path, states: list[GraphState]) -> None:
    export_graph(neural(), METADATA, states, tmp_path / "fp16.onnx", precision="fp16")
    half = OnnxScorer(tmp_path / "fp16.onnx", "cpu")
    assert half.metadata == replace(METADATA, precision="fp16", tolerance=0.1)
    found = operators(half.path)
    assert onnx.TensorProto.FLOAT16 in found["Gemm"] + found.get("MatMul", []) + found.get("Transpose", [])
    for operator in ("Exp", "Log", "ScatterElements", "ScatterND", "Clip"):
        assert onnx.TensorProto.FLOAT16 not in found.get(operator, [])
    (scores,) = half.score([states[0]])
    assert scores.dtype == np.float32
    assert scores.shape == (states[0].num_candidates,)


def test_a_file_outside_the_tolerance_is_not_kept(tmp_path: Path) -> None:
    """Half precision has no number above 65504; ONNX Runtime on a CPU would not notice, it computes in float32."""
    network = mlp()
    with torch.no_grad():
        for layer, factor in ((0, 4e5), (2, 1e-3), (4, 1e-2)):  # the weights have half-precision numbers, the sums none
            for parameter in network.layers[layer].parameters():
                parameter.mul_(factor)
    with pytest.raises(NNSearchError, match=r"they differ by (inf|nan) at batch .*; the file was not kept"):
        export(network, LatinSquare(4), {}, tmp_path / "net.onnx", precision="fp16")
    assert [*tmp_path.iterdir()] == []
