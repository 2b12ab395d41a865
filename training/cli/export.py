"""``python -m training export``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from nnsearch.cli.command_line import DONE
from nnsearch.errors import ConfigError
from training.cli.command_line import OnnxFile, check_out
from training.export.stored_run import export_stored_dense, export_stored_graph
from training.tasks.graph_config import GraphConfig
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
    chosen = {name: value for name, value in (("blocks", blocks), ("iterations", iterations)) if value is not None}
    if isinstance(config, GraphConfig):
        network, best_step = export_stored_graph(config, folder, out, precision=precision, **chosen)
        made = f"{network.blocks} blocks of {network.iterations} rounds, weights of step {best_step:,}"
    elif chosen:
        raise ConfigError(f"--{next(iter(chosen))} is for networks on the candidate graph; this run is of one size")
    else:
        made = f"validation feasibility {export_stored_dense(config, folder, out, precision=precision):.4f}"
    sys.stdout.write(f"{out}: {made}\n")
    return DONE
