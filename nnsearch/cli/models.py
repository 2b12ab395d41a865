"""``nnsearch models``."""

from __future__ import annotations

import sys

from cyclopts import App

from nnsearch.errors import NNSearchError
from nnsearch.inference import pretrained
from nnsearch.inference.pretrained import LP, pretrained_models
from nnsearch.scorers.onnx import OnnxScorer

app = App(name="models")


@app.default
def models() -> int:
    """List the pretrained networks, and what else orders values by a name."""
    known = pretrained_models()
    if not known:
        raise NNSearchError(
            f"expected pretrained networks in {pretrained.models_dir()}, found none; install nnsearch again"
        )
    sys.stdout.write(f"{'name':20} {'problem':18} {'variables x values':>18}  how it was made\n")
    for name, path in known.items():
        metadata = OnnxScorer(path, "cpu").metadata
        size = "any" if metadata.num_variables is None else f"{metadata.num_variables} x {metadata.num_values}"
        sys.stdout.write(f"{name:20} {metadata.problem:18} {size:>18}  {metadata.how_made}\n")
    sys.stdout.write(
        f"{LP:20} {'any':18} {'any':>18}  linear relaxation of a model with an objective, nothing trained\n"
    )
    sys.stdout.write("what each was measured to do: models/README.md\n")
    return 0
