"""Export of a trained network to ONNX under the metadata contract, checked before the file is kept."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

import nnsearch
from nnsearch.errors import NNSearchError
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.inference.session import OnnxScorer
from nnsearch.problems.latin_square import LatinSquare
from training.config import Config, config_to_table
from training.trainer import Outcome

_PARITY_BATCHES = (1, 3, 64)
_PARITY_TOLERANCE = 1e-4  # of float32 scores of magnitude about 10, relative and absolute


def training_record(config: Config, outcome: Outcome) -> dict[str, Any]:
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
        "versions": {
            "nnsearch": nnsearch.__version__,
            **{name: version(name) for name in ("torch", "numpy", "ortools")},
        },
    }


def export(network: nn.Module, problem: LatinSquare, training: Mapping[str, Any], path: Path) -> None:
    """Write an ``.onnx`` file; an older file is replaced only by one that gives the same scores as torch.

    Args:
        network: float32[B, N] -> float32[B, N], on the CPU, in evaluation mode.
        problem: gives the sizes and the name in the metadata.
        training: see :func:`training_record`.
        path: the file.

    Raises:
        NNSearchError: ONNX Runtime and torch differ by more than the tolerance on random states.
    """
    example = torch.zeros(2, problem.num_candidates)
    with _quiet():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            external_data=False,
            input_names=["assignment"],
            output_names=["scores"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
    assert program is not None
    model = program.model_proto
    _forget_origin(model)
    metadata = ModelMetadata("one_hot", problem.name, problem.num_variables, problem.num_values, training)
    onnx.helper.set_model_props(model, metadata.to_props())
    path.parent.mkdir(parents=True, exist_ok=True)
    candidate = path.with_name(f"{path.stem}.tmp.onnx")
    try:
        candidate.write_bytes(model.SerializeToString())
        _check_parity(network, candidate)
        candidate.replace(path)
    finally:
        candidate.unlink(missing_ok=True)


def _forget_origin(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes, which hold stack traces with the paths of the machine that trained."""
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]


def _check_parity(network: nn.Module, path: Path) -> None:
    scorer = OnnxScorer(path, provider="cpu")
    rng = np.random.default_rng(0)
    shape = (scorer.num_variables, scorer.num_values)
    for batch in _PARITY_BATCHES:
        value = rng.integers(shape[1], size=(batch, shape[0], 1))
        assigned = rng.random((batch, shape[0], 1)) < rng.random((batch, 1, 1))
        state = ((value == np.arange(shape[1])) & assigned).reshape(batch, -1).astype(np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(state)).numpy()
        got = scorer.score(state)
        if not np.allclose(got, expected, rtol=_PARITY_TOLERANCE, atol=_PARITY_TOLERANCE):
            raise NNSearchError(
                f"{path}: expected ONNX Runtime to give torch's scores, they differ by "
                f"{np.abs(got - expected).max():.2g} at batch {batch}; the file was not kept"
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
