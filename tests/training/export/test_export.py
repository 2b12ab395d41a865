from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from torch import Tensor, nn

import nnsearch
from nnsearch.encoding.encoder import Feed
from nnsearch.errors import NNSearchError
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.scorers.onnx import OnnxScorer
from training.config import config_of, config_to_table
from training.export.export import export, training_record
from training.networks.mlp import MLP
from training.tasks.dense import DenseOutcome
from training.tasks.dense_config import DenseConfig

ORDER = 4
PROBLEM = LatinSquare(ORDER)
RECORD = {"config": {"name": "x", "loss": {"weight": 0.1}}, "examples": 12, "note": "é \N{GRINNING FACE} \u2028"}

FloatArray = npt.NDArray[np.float32]


def network(order: int = ORDER, hidden: tuple[int, ...] = (16, 16)) -> MLP:
    torch.manual_seed(0)
    return MLP(order**3, hidden).eval()


def states(batch: int, seed: int, order: int = ORDER) -> FloatArray:
    """One-hot assignments of any fill level, the values at random."""
    rng = np.random.default_rng(seed)
    value = rng.integers(-1, order, (batch, order**2, 1))
    assignment: FloatArray = (value == np.arange(order)).reshape(batch, order**3).astype(np.float32)
    return assignment


@pytest.fixture(scope="module")
def export_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The file, and what torch's exporter gave: it takes seconds, so tests of other parts use it again."""
    path = tmp_path_factory.mktemp("export") / "deep" / "net.onnx"
    program: Any = None
    torch_export = torch.onnx.export

    def remembered(*arguments: Any, **options: Any) -> Any:
        nonlocal program
        program = torch_export(*arguments, **options)
        return program

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.onnx, "export", remembered)
        export(network(), PROBLEM, RECORD, path)
    return path, program


@pytest.fixture
def exported(export_once: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: export_once[1])
    return export_once[0]


@pytest.mark.parametrize("batch", [0, 1, 2, 3, 64, 200])
def test_onnx_runtime_gives_the_scores_of_torch(batch: int, exported: Path) -> None:
    scorer = OnnxScorer(exported, provider="cpu")
    for seed in range(5):
        assignment = states(batch, seed)
        with torch.inference_mode():
            expected = network()(torch.from_numpy(assignment)).numpy()
        scores = scorer.run({"assignment": assignment})
        assert (scores.dtype.name, scores.shape) == ("float32", (batch, ORDER**3))
        np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_only_the_file_is_left(exported: Path) -> None:
    assert [path.name for path in exported.parent.iterdir()] == ["net.onnx"]


def test_the_file_is_a_plain_model_with_a_dynamic_batch(exported: Path) -> None:
    model = onnx.load(exported, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert all(not tensor.external_data for tensor in model.graph.initializer)
    for value, name in ((model.graph.input[0], "assignment"), (model.graph.output[0], "scores")):
        batch, size = value.type.tensor_type.shape.dim
        assert (value.name, size.dim_value, value.type.tensor_type.elem_type) == (name, 64, onnx.TensorProto.FLOAT)
        assert batch.dim_param
        assert not batch.dim_value


def test_the_metadata_comes_back(exported: Path) -> None:
    scorer = OnnxScorer(exported, provider="cpu")
    assert (scorer.name, scorer.metadata.num_variables, scorer.metadata.num_values) == ("net", 16, 4)
    metadata = scorer.metadata
    assert (metadata.encoder, metadata.problem) == ("one_hot", "latin-square")
    assert metadata.training == RECORD
    props = {prop.key: prop.value for prop in onnx.load(exported).metadata_props}
    assert props == metadata.to_props()
    assert props["nnsearch.format"] == "1"


def test_another_size_and_a_linear_network_in_silence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    order, small = 5, network(5, ())
    export(small, LatinSquare(order), {}, tmp_path / "net.onnx")
    assert capfd.readouterr() == ("", "")
    scorer = OnnxScorer(tmp_path / "net.onnx", provider="cpu")
    assert (scorer.metadata.num_variables, scorer.metadata.num_values, scorer.metadata.training) == (
        order**2,
        order,
        {},
    )
    assignment = states(64, 1, order)
    np.testing.assert_allclose(
        scorer.run({"assignment": assignment}), small(torch.from_numpy(assignment)).detach(), rtol=1e-4, atol=1e-5
    )


def test_exporting_again_replaces_the_file(tmp_path: Path, exported: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(exported.read_bytes())
    export(network(), PROBLEM, {}, path)
    assert OnnxScorer(path, provider="cpu").metadata.training == {}
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_a_file_that_differs_from_torch_is_not_kept(
    batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exported: Path
) -> None:
    """At one candidate of one state of one batch size is enough."""
    right = OnnxScorer.run

    def slightly_wrong(self: OnnxScorer, feed: Feed) -> FloatArray:
        scores = right(self, feed)
        if len(feed["assignment"]) == batch:
            scores[-1, -1] += 0.01
        return scores

    old, new = tmp_path / "old.onnx", tmp_path / "new.onnx"
    old.write_bytes(exported.read_bytes())
    monkeypatch.setattr(OnnxScorer, "run", slightly_wrong)
    for path in (old, new):
        with pytest.raises(NNSearchError, match=rf"they differ by 0\.01 at batch {batch}; the file was not kept"):
            export(network(), PROBLEM, {}, path)
    assert old.read_bytes() == exported.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["old.onnx"]


@pytest.mark.usefixtures("exported")
def test_a_network_that_is_damaged_is_not_kept(tmp_path: Path) -> None:
    damaged = network()
    with torch.no_grad():
        next(damaged.parameters())[0, 0] = torch.nan
    with pytest.raises(NNSearchError, match="they differ by nan at batch 1; the file was not kept"):
        export(damaged, PROBLEM, {}, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_any_module_of_the_right_shape(tmp_path: Path) -> None:
    class CountOpen(nn.Module):
        def forward(self, assignment: Tensor) -> Tensor:
            taken = assignment.reshape(-1, ORDER**2, ORDER).sum(1, keepdim=True)
            return (0 * assignment.reshape(-1, ORDER**2, ORDER) - taken).flatten(1)

    export(CountOpen(), PROBLEM, {}, tmp_path / "count.onnx")
    assignment = states(3, 0)
    scores = OnnxScorer(tmp_path / "count.onnx", provider="cpu").run({"assignment": assignment})
    taken = assignment.reshape(3, ORDER**2, ORDER).sum(axis=1)
    np.testing.assert_array_equal(scores, -np.tile(taken, ORDER**2))


def test_the_training_record() -> None:
    config = config_of(DenseConfig, {"pool": {"file": "/home/someone/secret/history.csv"}, "seed": 3})
    outcome = DenseOutcome(
        network=network(),
        feasibility=0.123456,
        presentations=100,
        best_presentations=50,
        num_examples=20,
        num_solutions=4,
        seconds=1.5,
        interrupted=False,
    )
    record: dict[str, Any] = training_record(config, outcome)
    assert json.loads(json.dumps(record)) == record
    versions = record.pop("versions")
    assert versions["nnsearch"] == nnsearch.__version__
    assert {"torch", "numpy", "ortools"} < versions.keys()
    expected = config_to_table(config)
    expected["pool"]["file"] = "history.csv"
    assert record == {
        "config": expected,
        "solutions": 4,
        "examples": 20,
        "presentations": 100,
        "best_presentations": 50,
        "validation_feasibility": 0.1235,
    }
