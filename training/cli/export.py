"""``python -m training export``."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from nnsearch.cli.command_line import DONE
from nnsearch.errors import ConfigError
from training.cli.command_line import OnnxFile, check_out
from training.export.export import export as export_dense
from training.export.export import (
    export_graph,
    export_model_graph,
    graph_metadata,
    model_graph_metadata,
    training_record,
)
from training.tasks.dense import stored_outcome
from training.tasks.graph import stored_graph_outcome
from training.tasks.graph_config import GraphConfig
from training.tasks.model_graph import stored_model_graph_outcome
from training.tasks.model_graph_config import ModelGraphConfig
from training.tasks.run_folder import read_claim

app = App(name="export")

Number = Annotated[int | None, Parameter(metavar="N")]


@app.default
def export(
    folder: Annotated[Path, Parameter(metavar="FOLDER")],
    /,
    *,
    out: OnnxFile,
    blocks: Number = None,
    iterations: Number = None,
    precision: Literal["fp32", "fp16"] = "fp32",
) -> int:
    """Export the best weights so far of a run (finished or not) to ONNX.

    fit does this at its end by itself. The file is kept only if ONNX Runtime gives torch's scores.

    Args:
        folder: folder of a run
        out: the file to write
        blocks: candidate graph: another number of blocks than in training
        iterations: candidate graph: another number of rounds in each block
        precision: fp16: compute in half precision where that is safe, for GPUs; inputs and output stay float32, and the
            scores are checked within a tolerance that the file records
    """
    check_out(out, ".onnx")
    config = read_claim(folder)
    checkpoint = folder / "checkpoint.pt"
    if not checkpoint.is_file():
        raise ConfigError(f"{folder}: expected a checkpoint, found none; start with: python -m training fit")
    chosen = {name: value for name, value in (("blocks", blocks), ("iterations", iterations)) if value is not None}
    if isinstance(config, GraphConfig):
        network = dataclasses.replace(config.network, **chosen)  # type: ignore[arg-type]
        trained = stored_graph_outcome(config, folder, network)
        metadata = graph_metadata(config, trained, network)
        export_graph(trained.network, metadata, trained.data.parity_states(), out, precision=precision)
        made = f"{network.blocks} blocks of {network.iterations} rounds, weights of step {trained.best_step:,}"
    elif isinstance(config, ModelGraphConfig):
        if chosen or precision != "fp32":
            raise ConfigError("--blocks, --iterations and --precision are not for networks on the model graph")
        reached = stored_model_graph_outcome(config, folder)
        export_model_graph(reached.network, model_graph_metadata(config, reached), reached.data.parity_states(), out)
        made = f"weights of step {reached.best_step:,}"
    elif chosen:
        raise ConfigError(f"--{next(iter(chosen))} is for networks on the candidate graph; this run is of one size")
    else:
        outcome = stored_outcome(config, folder)
        if not outcome.best_presentations:
            raise ConfigError(f"{checkpoint}: expected at least one measurement, found none yet; let the run go on")
        record = training_record(config, outcome)
        export_dense(outcome.network, config.problem.dense(), record, out, precision=precision)
        made = f"validation feasibility {outcome.feasibility:.4f}"
    sys.stdout.write(f"{out}: {made}\n")
    return DONE
