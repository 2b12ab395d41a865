"""Training of one network of a study: a fixed number of steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.studies.label_free.training.config import (
    LabelFreeConfig,
    LabelFreeNetworkConfig,
    LabelFreeTrainConfig,
)
from benchmarks.studies.label_free.training.knowledge import batch_loss
from benchmarks.studies.label_free.training.message_passing import MessagePassing
from benchmarks.studies.label_free.training.partial_squares import draw_batch, draw_squares
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.problems.latin_square.problem import LatinSquare
from training.data.graph_states import GraphBatch, TrainingState, batch_of
from training.export.export import TRAINED_KINDS, export_graph
from training.loop import Measuring, Task, Training
from training.networks.belief_propagation import NeuralBeliefPropagation
from training.running.network_file import file_digest
from training.schedule import warmed_cosine
from training.tasks.graph import block_loss

_EXAMPLES = 3  # states on which the exported network is compared with torch

GraphNetwork = MessagePassing | NeuralBeliefPropagation


@dataclass(frozen=True)
class LabelFreeOutcome:
    """What a training ended with.

    Attributes:
        file: the exported network.
        parameters: how many numbers were trained.
        steps: of the training.
        kept: the step whose weights were exported.
        seconds: of all its parts.
    """

    file: Path
    parameters: int
    steps: int
    kept: int
    seconds: float

    @property
    def record(self) -> dict[str, Any]:
        """What a record says about it."""
        return {
            "steps": self.steps,
            "kept_step": self.kept,
            "seconds": round(self.seconds, 1),
            "parameters": self.parameters,
            "model_sha256": file_digest(self.file),
            "torch": torch.__version__,
        }


def untrained_network(config: LabelFreeNetworkConfig) -> GraphNetwork:
    """Return an untrained network; its weights are drawn from torch's generator."""
    if config.start == "bp":
        return NeuralBeliefPropagation(config.blocks, config.rounds, config.hidden)
    return MessagePassing(config.blocks, config.rounds, config.hidden)


def fit(config: LabelFreeConfig, run_dir: Path, name: str) -> LabelFreeOutcome:
    """Train a network on partial squares and export it; see :func:`fit_network`."""
    torch.manual_seed(config.seed)
    network = untrained_network(config.network)

    def loss(drawn: list[TrainingState], batch: GraphBatch, rng: np.random.Generator) -> Tensor:
        return block_loss(network.all_blocks(*batch.inputs), batch_loss(config.loss, drawn, batch, rng))

    return fit_network(
        network,
        loss,
        lambda: draw_squares(config),
        config.train,
        asdict(config),
        LatinSquare.name,
        run_dir,
        name,
    )


def fit_network(
    network: GraphNetwork,
    loss: Callable[[list[TrainingState], GraphBatch, np.random.Generator], Tensor],
    draw: Callable[[], list[TrainingState]],
    train: LabelFreeTrainConfig,
    settings: dict[str, Any],
    problem: str,
    run_dir: Path,
    name: str,
    measuring: Measuring | None = None,
    average: float = 0.0,
) -> LabelFreeOutcome:
    """Train a network and export it, or go on where an earlier call in the same folder stopped.

    Exported are the last weights, or where something is measured, the best ones.

    Args:
        network: untrained.
        loss: of the states of one step, their batch, and the randomness of the step.
        draw: draws the states to learn from; called once it is known that the folder holds no other training.
        train: the optimisation.
        settings: the whole config, whose ``seed`` is that of the batches.
        problem: for the metadata.
        run_dir: the folder.
        name: of the run, for its progress and the exported file.
        measuring: what is looked at on the way.
        average: decay of the moving average of the weights, see :class:`training.loop.Task`.

    Raises:
        ConfigError: the folder holds another training, or there is nothing to draw.
        NNSearchError: the exported network differs from torch.
        KeyboardInterrupt: Ctrl-C was pressed; the checkpoint holds what was done.
    """
    states: list[TrainingState] = []

    def step_loss(_: nn.Module, step: int) -> Tensor:
        rng = np.random.default_rng([settings["seed"], 2, step])  # a resumed training draws the same
        drawn = draw_batch(states, train.candidates_per_step, rng)
        return loss(drawn, batch_of(drawn, torch.device("cpu")), rng)

    training = Training(
        Task(
            name=name,
            network=network,
            optimizer=torch.optim.Adam(network.parameters(), lr=train.learning_rate),
            rate=warmed_cosine(train.learning_rate, train.steps),
            steps=train.steps,
            loss=step_loss,
            clip=train.clip,
            average=average,
            measuring=measuring,
            identity=json.dumps(settings),
            stranger="another training; choose another --runs folder, or remove it",
        ),
        run_dir,
    )
    states += draw()
    trained = training.run()
    if not trained.finished:
        raise KeyboardInterrupt
    kept = trained.step
    if measuring is not None:
        network.load_state_dict(trained.best["weights"])
        kept = trained.best["step"]
    metadata = ModelMetadata(
        "candidate_graph",
        problem,
        training={"config": json.loads(json.dumps(settings)), "steps": kept},
        kinds=TRAINED_KINDS,
    )
    file = run_dir / f"{name}.onnx"
    export_graph(network.eval(), metadata, [one.state for one in states[:_EXAMPLES]], file)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return LabelFreeOutcome(file, parameters, trained.step, kept, trained.seconds)
