"""Export of a trained network to ONNX under the metadata contract, checked before the file is kept."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

import nnsearch
from nnsearch.encoding.candidate_graph import GraphState, disjoint_union
from nnsearch.encoding.model_graph.state import ModelGraphState, model_graph_union
from nnsearch.errors import NNSearchError
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.model.graph import KINDS
from nnsearch.scorers.onnx import OnnxScorer
from nnsearch.scorers.scorer import FloatArray
from training.config import config_to_table
from training.data.dense_problems import DenseProblem
from training.data.graph_states import tensor_inputs
from training.data.user_model import UserModel
from training.export.half_precision import half_precision
from training.tasks.dense import DenseOutcome
from training.tasks.dense_config import DenseConfig
from training.tasks.graph import GraphOutcome
from training.tasks.graph_config import GraphConfig, GraphNetworkConfig
from training.tasks.model_graph import ModelGraphOutcome
from training.tasks.model_graph_config import ModelGraphConfig

TRAINED_KINDS = ("exactly_one", "at_most_one")
"""The kinds of groups in the built-in problem families, and those that belief propagation reads."""

_PARITY_BATCHES = (1, 3, 64)
_GRAPH_PARITY_TOLERANCE = 1e-2  # dozens of rounds of messages amplify the rounding of sums taken in another order
_PARITY_TOLERANCE = 1e-4  # of float32 scores of magnitude about 10, relative and absolute

_HALF_TOLERANCE = 0.02
"""Of fp16 MLPs, as a share of the range of a state's scores. The four pretrained ones stay below 0.005 on 16,000 random
states; 0.02 leaves room for other sizes and for the order in which a GPU adds up."""
_HALF_GRAPH_TOLERANCE = 0.1
"""Of fp16 networks on the candidate graph, likewise. The pretrained one stays below 0.04 on 570 states of four
families, the worst of them sudokus on which belief propagation does not converge; its best candidate was never more
than 0.0002 below the best of float32."""


def training_record(config: DenseConfig, outcome: DenseOutcome) -> dict[str, Any]:
    """Return what goes into ``nnsearch.training``: how the network was made, as plain values."""
    table = config_to_table(config)
    table["pool"]["file"] = Path(config.pool.file).name  # the name alone: a path says nothing elsewhere
    return {
        "config": table,
        "solutions": outcome.num_solutions,
        "examples": outcome.num_examples,
        "presentations": outcome.presentations,
        "best_presentations": outcome.best_presentations,
        "validation_feasibility": round(outcome.feasibility, 4),
        "versions": _versions(),
    }


def graph_metadata(
    config: GraphConfig, outcome: GraphOutcome, exported: GraphNetworkConfig | None = None
) -> ModelMetadata:
    """Return the metadata of a trained network: it reads what it was trained on.

    Where the blocks or iterations of the exported network were chosen at export, they are recorded as
    ``exported_blocks`` and ``exported_iterations``; the config stays that of the training, with which ``validation``
    was measured.
    """
    table = config_to_table(config)
    for key in ("cp_model", "history", "labels"):
        table["data"][key] = Path(table["data"][key]).name  # the name alone: a path says nothing elsewhere
    table["train"]["start"] = Path(config.train.start).name
    record: dict[str, Any] = {
        "config": table,
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "validation": {
            family: {name: round(value, 4) for name, value in values.items()}
            for family, values in outcome.measured.items()
        },
        "versions": _versions(),
    }
    for name in ("blocks", "iterations"):
        if exported is not None and getattr(exported, name) != getattr(config.network, name):
            record[f"exported_{name}"] = getattr(exported, name)
    data = outcome.data
    problem = "cp-model" if data.user_model else "any" if len(data.families) > 1 else data.families[0].name
    return ModelMetadata(
        "candidate_graph",
        problem,
        training=record,
        kinds=tuple(KINDS) if data.user_model else TRAINED_KINDS,
        identities=data.user_model.identities if data.user_model else None,
        purpose=_purpose(data.user_model),
    )


def model_graph_metadata(config: ModelGraphConfig, outcome: ModelGraphOutcome) -> ModelMetadata:
    """Return the metadata of a network on the model graph."""
    table = config_to_table(config)
    for key in ("models", "history"):
        table["data"][key] = Path(table["data"][key]).name  # the name alone: a path, or a URL, says nothing elsewhere
    data = outcome.data
    solved = [*data.training, *data.held_out]
    record = {
        "config": table,
        "models": len(solved),
        "solutions": sum(len(one.solutions) for one in solved),
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "validation": {name: round(value, 4) for name, value in outcome.measured.items()},
        "versions": _versions(),
    }
    has_objective = any(one.encoding.graph.model.objective for one in solved if one.encoding.graph.model is not None)
    return ModelMetadata(
        "model_graph",
        config.name,
        training=record,
        relaxation=config.data.relaxed,
        purpose="objective" if has_objective else "feasibility",
    )


def _purpose(model: UserModel | None) -> str:
    """Say what the solutions of a history were chosen for: the model's objective, or what the model does not hold."""
    if model is None:
        return "feasibility"
    return "objective" if model.model.has_objective() else "preferences"


def _versions() -> dict[str, str]:
    return {"nnsearch": nnsearch.__version__, **{name: version(name) for name in ("torch", "numpy", "ortools")}}


def export(
    network: nn.Module, problem: DenseProblem, training: Mapping[str, Any], path: Path, *, precision: str = "fp32"
) -> None:
    """Write an ``.onnx`` file; an older file is replaced only by one that gives the same scores as torch.

    The network is float32[B, N] -> float32[B, N], on the CPU, in evaluation mode; see :func:`training_record` and, for
    ``fp16``, :func:`training.export.half_precision.half_precision`.

    Raises:
        NNSearchError: ONNX Runtime and torch, which computes in float32, differ by more than the tolerance on random
            states.
        ConfigError: nothing in the network can be fp16.
    """
    example = torch.zeros(2, problem.num_candidates)
    metadata = _with_precision(
        ModelMetadata("one_hot", problem.name, problem.num_variables, problem.num_values, training),
        precision,
        _HALF_TOLERANCE,
    )
    batch = ({0: torch.export.Dim("batch")},)
    _write(network, (example,), ["assignment"], batch, metadata, path, _check_parity)


def export_graph(
    network: nn.Module,
    metadata: ModelMetadata,
    states: Sequence[GraphState],
    path: Path,
    *,
    precision: str = "fp32",
) -> None:
    """Write the ``.onnx`` file of a network on the candidate graph, as :func:`export` does.

    Args:
        network: takes ``edge_candidate``, ``edge_group``, ``group_features``, ``candidate_features`` and, when the
            metadata has identities, ``candidate_identity``; returns float32[N]; on the CPU, in evaluation mode.
        metadata: of encoder ``candidate_graph``.
        states: on which ONNX Runtime must agree with torch, one by one and as one union; not empty.
        path: the file.
        precision: see :func:`export`.

    Raises:
        NNSearchError: ONNX Runtime and torch differ by more than the tolerance.
        ConfigError: nothing in the network can be fp16.
    """
    metadata = _with_precision(metadata, precision, _HALF_GRAPH_TOLERANCE)
    names = ["edge_candidate", "edge_group", "group_features", "candidate_features"]
    edges, groups, candidates = (torch.export.Dim(name) for name in ("edges", "groups", "candidates"))
    shapes: list[dict[int, torch.export.Dim]] = [{0: edges}, {0: edges}, {0: groups}, {0: candidates}]
    if metadata.identities is not None:
        names.append("candidate_identity")
        shapes.append({0: candidates})

    def inputs(state: GraphState) -> tuple[Tensor, ...]:
        identity = (torch.from_numpy(state.identity),) if metadata.identities is not None else ()
        return (*tensor_inputs(state, torch.device("cpu")), *identity)

    def check(network: nn.Module, exported: nn.Module, file: Path) -> None:
        scorer = OnnxScorer(file, provider="cpu")
        for state in [*states, disjoint_union(states)]:
            expected = _scores(network, inputs(state))
            where = f"{state.num_candidates} candidates"
            for got in (*scorer.score([state]), _scores(exported, inputs(state))):
                _compare(got, expected, file, where, _GRAPH_PARITY_TOLERANCE, scorer.metadata.tolerance)

    _write(network, inputs(states[0]), names, tuple(shapes), metadata, path, check)


def export_model_graph(
    network: nn.Module, metadata: ModelMetadata, states: Sequence[ModelGraphState], path: Path
) -> None:
    """Write the ``.onnx`` file of a network on the model graph, as :func:`export` does.

    Args:
        network: see :meth:`training.networks.model_graph.ModelGraphNetwork.forward`; on the CPU, in evaluation mode.
        metadata: of encoder ``model_graph``.
        states: on which ONNX Runtime must agree with torch, one by one and as one union; not empty.
        path: the file.

    Raises:
        NNSearchError: ONNX Runtime and torch differ by more than the tolerance.
    """
    edges, items, nodes = (torch.export.Dim(name) for name in ("edges", "items", "nodes"))
    shapes: tuple[dict[int, torch.export.Dim], ...] = ({0: edges}, {0: edges}, {0: edges}, {0: items}, {0: nodes})

    def inputs(state: ModelGraphState) -> tuple[Tensor, ...]:
        return tuple(torch.from_numpy(array) for array in state.inputs.values())

    def check(network: nn.Module, exported: nn.Module, file: Path) -> None:
        scorer = OnnxScorer(file, provider="cpu")
        for state in [*states, model_graph_union(states)]:
            with torch.inference_mode():
                expected = torch.cat(network(*inputs(state))).numpy()
            got = scorer.score([state])[0]
            _compare(got, expected, file, f"{state.num_items} items", _PARITY_TOLERANCE, None)

    _write(
        network, inputs(states[0]), list(states[0].inputs), shapes, metadata, path, check, outputs=["scores", "targets"]
    )


def _with_precision(metadata: ModelMetadata, precision: str, tolerance: float) -> ModelMetadata:
    return dataclasses.replace(metadata, precision=precision, tolerance=tolerance if precision == "fp16" else None)


def _write(
    network: nn.Module,
    example: tuple[Tensor, ...],
    names: list[str],
    dynamic_shapes: tuple[Any, ...],
    metadata: ModelMetadata,
    path: Path,
    check: Callable[[nn.Module, nn.Module, Path], None],
    outputs: Sequence[str] = ("scores",),
) -> None:
    """Export, add the metadata, check, and only then put the file in its place.

    The check takes the network, the one in its precision that is exported, and the file. Both of the latter have to
    agree with the first: on a CPU ONNX Runtime computes in float32 what the file says in half precision, and would miss
    numbers that are too large for it; torch rounds as a GPU does.
    """
    exported = half_precision(network) if metadata.precision == "fp16" else network
    with _quiet():
        program = torch.onnx.export(
            exported,
            example,
            dynamo=True,
            external_data=False,
            input_names=names,
            output_names=list(outputs),
            dynamic_shapes=dynamic_shapes,
        )
    assert program is not None
    model = program.model_proto
    _forget_origin(model)
    onnx.helper.set_model_props(model, metadata.to_props())
    path.parent.mkdir(parents=True, exist_ok=True)
    candidate = path.with_name(f"{path.stem}.tmp.onnx")
    try:
        candidate.write_bytes(model.SerializeToString())
        check(network, exported, candidate)
        candidate.replace(path)
    finally:
        candidate.unlink(missing_ok=True)


def _forget_origin(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes, which hold stack traces with the paths of the machine that trained."""
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]


def _check_parity(network: nn.Module, exported: nn.Module, path: Path) -> None:
    scorer = OnnxScorer(path, provider="cpu")
    rng = np.random.default_rng(0)
    shape = (scorer.metadata.num_variables or 0, scorer.metadata.num_values or 0)
    for batch in _PARITY_BATCHES:
        value = rng.integers(shape[1], size=(batch, shape[0], 1))
        assigned = rng.random((batch, shape[0], 1)) < rng.random((batch, 1, 1))
        state = ((value == np.arange(shape[1])) & assigned).reshape(batch, -1).astype(np.float32)
        inputs = (torch.from_numpy(state),)
        expected = _scores(network, inputs)
        for got in (scorer.run({"assignment": state}), _scores(exported, inputs)):
            _compare(got, expected, path, f"batch {batch}", _PARITY_TOLERANCE, scorer.metadata.tolerance)


def _scores(network: nn.Module, inputs: tuple[Tensor, ...]) -> FloatArray:
    with torch.inference_mode():
        scores: FloatArray = network(*inputs).numpy()
    return scores


def _compare(
    got: FloatArray, expected: FloatArray, path: Path, where: str, tolerance: float, share: float | None
) -> None:
    """Compare float32[..., N] with a tolerance, relative and absolute, or with a share of the range of each row."""
    if share is None:
        close = np.allclose(got, expected, rtol=tolerance, atol=tolerance)
    else:
        span = np.maximum(np.ptp(expected, axis=-1, keepdims=True), 1)
        close = bool((np.abs(got - expected) <= share * span).all())
    if not close:
        raise NNSearchError(
            f"{path}: expected ONNX Runtime to give torch's scores, they differ by "
            f"{np.abs(got - expected).max():.2g} at {where}; the file was not kept"
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress messages and third-party deprecation notices from the user."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logger = logging.getLogger("torch.onnx")
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
