"""Training of one network of the study: a fixed number of steps; the last weights count."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.studies.label_free.training.config import LabelFreeConfig, LabelFreeNetworkConfig
from benchmarks.studies.label_free.training.knowledge import batch_loss
from benchmarks.studies.label_free.training.message_passing import MessagePassing
from benchmarks.studies.label_free.training.partial_squares import draw_batch, draw_squares
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.problems.latin_square.problem import LatinSquare
from training.data.graph_states import TrainingState, batch_of
from training.export.export import TRAINED_KINDS, export_graph
from training.loop import Task, Training
from training.networks.belief_propagation import NeuralBeliefPropagation
from training.schedule import warmed_cosine
from training.tasks.graph import block_loss

_EXAMPLES = 3  # states on which the exported network is compared with torch

GraphNetwork = MessagePassing | NeuralBeliefPropagation


@dataclass(frozen=True)
class LabelFreeOutcome:
    """What a training ended with: the exported network, how many numbers were trained, and the seconds of all parts."""

    file: Path
    parameters: int
    steps: int
    seconds: float


def untrained_network(config: LabelFreeNetworkConfig) -> GraphNetwork:
    """Return an untrained network; its weights are drawn from torch's generator."""
    if config.start == "bp":
        return NeuralBeliefPropagation(config.blocks, config.rounds, config.hidden)
    return MessagePassing(config.blocks, config.rounds, config.hidden)


def fit(config: LabelFreeConfig, run_dir: Path, name: str) -> LabelFreeOutcome:
    """Train a network and export it, or go on where an earlier call in the same folder stopped.

    Raises:
        ConfigError: the folder holds another training.
        NNSearchError: the exported network differs from torch.
        KeyboardInterrupt: Ctrl-C was pressed; the checkpoint holds what was done.
    """
    torch.manual_seed(config.seed)
    network = untrained_network(config.network)
    train = config.train
    states: list[TrainingState] = []

    def loss(_: nn.Module, step: int) -> Tensor:
        rng = np.random.default_rng([config.seed, 2, step])  # a resumed training draws the same
        drawn = draw_batch(states, train.candidates_per_step, rng)
        batch = batch_of(drawn, torch.device("cpu"))
        return block_loss(network.all_blocks(*batch.inputs), batch_loss(config.loss, drawn, batch, rng))

    training = Training(
        Task(
            name=name,
            network=network,
            optimizer=torch.optim.Adam(network.parameters(), lr=train.learning_rate),
            rate=warmed_cosine(train.learning_rate, train.steps),
            steps=train.steps,
            loss=loss,
            clip=train.clip,
            identity=json.dumps(asdict(config)),
            stranger="another training; choose another --runs folder, or remove it",
        ),
        run_dir,
    )
    states += draw_squares(config)  # takes a while: only now is it known that the folder holds no other training
    trained = training.run()
    if not trained.finished:
        raise KeyboardInterrupt
    file = run_dir / f"{name}.onnx"
    metadata = ModelMetadata(
        "candidate_graph",
        LatinSquare.name,
        training={"config": json.loads(json.dumps(asdict(config))), "steps": trained.step},
        kinds=TRAINED_KINDS,
    )
    export_graph(network.eval(), metadata, [one.state for one in states[:_EXAMPLES]], file)
    return LabelFreeOutcome(
        file, sum(parameter.numel() for parameter in network.parameters()), trained.step, trained.seconds
    )
