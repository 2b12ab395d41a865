"""``nnsearch inspect``."""

from __future__ import annotations

import sys
from json import dumps
from pathlib import Path
from typing import Annotated, Any, TextIO

from cyclopts import App

from nnsearch.cli.search_flags import SWITCH
from nnsearch.inference.providers import Provider
from nnsearch.scorers.latency import HEADER, Latency, measure, recommend
from nnsearch.scorers.onnx import OnnxScorer

app = App(name="inspect")


@app.default
def inspect(
    model: str,
    /,
    *,
    latency: Annotated[bool, SWITCH] = False,
    provider: Provider = "auto",
    json: Annotated[bool, SWITCH] = False,
) -> int:
    """Say what a network is for, how it was made, where it runs.

    Args:
        model: name of a pretrained network, or an .onnx file
        latency: also measure it on this machine, by batch size, on every provider or the one given, and recommend one
        provider: where the network runs; auto: CUDA where there is a GPU, else the CPU
        json: print one JSON object
    """
    scorer = OnnxScorer(model, provider)
    metadata = scorer.metadata
    description = {
        "file": str(scorer.path),
        "bytes": scorer.path.stat().st_size,
        "encoder": metadata.encoder,
        "problem": metadata.problem,
        "num_variables": "any" if metadata.num_variables is None else metadata.num_variables,
        "num_values": "any" if metadata.num_values is None else metadata.num_values,
        "precision": metadata.precision,
        **({} if metadata.tolerance is None else {"tolerance": metadata.tolerance}),
        "provider": scorer.provider,
        "training": metadata.training,
    }
    if json:
        if latency:
            description["latency"] = _measure_latency(scorer.path, provider, sys.stderr)
        sys.stdout.write(dumps(description) + "\n")
        return 0
    for key, value in description.items():
        if key == "training":
            sys.stdout.write("training\n")
            for inner, detail in metadata.training.items():
                sys.stdout.write(f"  {inner}: {dumps(detail)}\n")
        else:
            sys.stdout.write(f"{key}: {value}\n")
    if latency:
        _measure_latency(scorer.path, provider, sys.stdout)
    return 0


def _measure_latency(path: Path, provider: Provider, progress: TextIO) -> dict[str, Any]:
    """Write each row as soon as it is measured, and return all of them."""
    rows: list[Latency] = []
    for row in measure(path, provider):
        progress.write(f"{row}\n" if rows else f"latency\n{HEADER}\n{row}\n")
        progress.flush()
        rows.append(row)
    alone, together = recommend(rows)
    progress.write(
        f"one state alone: {alone.milliseconds:.3f} ms on {alone.setting}\n"
        f"recommended for many: {together.states} at once on {together.setting}, "
        f"{together.states_per_second:,.0f} states/s\n"
    )
    return {
        "rows": [row.to_dict() for row in rows],
        "one_state": alone.to_dict(),
        "recommended": together.to_dict(),
    }
