"""Export of the best weights of a run in its folder, finished or not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nnsearch.errors import ConfigError
from training.export.export import export, export_graph, graph_metadata, training_record
from training.tasks.dense import stored_outcome
from training.tasks.dense_config import DenseConfig
from training.tasks.graph import stored_graph_outcome
from training.tasks.graph_config import GraphConfig, GraphNetworkConfig


def export_stored_dense(config: DenseConfig, folder: Path, out: Path, *, precision: str) -> float:
    """Export a network of one size; return its validation feasibility.

    Raises:
        ConfigError: the run has measured nothing yet.
    """
    checkpoint = _checkpoint(folder)
    outcome = stored_outcome(config, folder)
    if not outcome.best_presentations:
        raise ConfigError(f"{checkpoint}: expected at least one measurement, found none yet; let the run go on")
    export(outcome.network, config.problem.dense(), training_record(config, outcome), out, precision=precision)
    return outcome.feasibility


def export_stored_graph(
    config: GraphConfig, folder: Path, out: Path, *, precision: str, **chosen: int
) -> tuple[GraphNetworkConfig, int]:
    """Export a network on the candidate graph, perhaps with other ``blocks`` or ``iterations`` than in training.

    Returns:
        What was exported, and the step of its weights.

    Raises:
        ConfigError: there is nothing to export.
    """
    _checkpoint(folder)
    network = dataclasses.replace(config.network, **chosen)  # type: ignore[arg-type]
    outcome = stored_graph_outcome(config, folder, network)
    metadata = graph_metadata(config, outcome, network)
    export_graph(outcome.network, metadata, outcome.data.parity_states(), out, precision=precision)
    return network, outcome.best_step


def _checkpoint(folder: Path) -> Path:
    checkpoint = folder / "checkpoint.pt"
    if not checkpoint.is_file():
        raise ConfigError(f"{folder}: expected a checkpoint, found none; start with: python -m training fit")
    return checkpoint
