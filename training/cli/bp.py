"""``python -m training bp``."""

from __future__ import annotations

import sys

import numpy as np
from cyclopts import App

from nnsearch.cli.command_line import DONE
from nnsearch.errors import ConfigError
from nnsearch.inference.metadata import ModelMetadata
from training.cli.command_line import OnnxFile, check_out
from training.data.families import Colourings, LatinSquares, Queens, latin_square_pool
from training.data.graph_states import training_state
from training.export.export import TRAINED_KINDS, export_graph
from training.networks.belief_propagation import BeliefPropagation

app = App(name="bp")


@app.default
def bp(*, out: OnnxFile, iterations: int = 20, damping: float = 0.5) -> int:
    """Export training-free belief propagation as a network for any model.

    Args:
        out: the file to write
        iterations: rounds of messages
        damping: share of the old message that is kept
    """
    check_out(out, ".onnx")
    if iterations < 1 or not 0 <= damping < 1:
        raise ConfigError("expected 1 or more --iterations and a --damping from 0 to below 1")
    training = {"algorithm": "belief propagation", "iterations": iterations, "damping": damping}
    metadata = ModelMetadata("candidate_graph", "any", training=training, kinds=TRAINED_KINDS)
    rng = np.random.default_rng(0)
    families = (LatinSquares(latin_square_pool((6, 9), 4, 0)), Queens((8,)), Colourings((3,)))
    drawn = [family.draw(rng, tight=True) for family in families for _ in range(3)]
    states = [training_state(one).state for one in drawn]
    network = BeliefPropagation(iterations, damping).eval()
    export_graph(network, metadata, [state for state in states if state.num_candidates], out)
    sys.stdout.write(f"{out}: belief propagation, {iterations} rounds\n")
    return DONE
