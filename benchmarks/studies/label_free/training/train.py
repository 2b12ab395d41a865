"""The trainer of the study: a fixed number of steps, resumable to the same result; the last weights count."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.studies.label_free.training.config import LabelFreeConfig, NetworkConfig
from benchmarks.studies.label_free.training.knowledge import batch_loss
from benchmarks.studies.label_free.training.message_passing import MessagePassing
from benchmarks.studies.label_free.training.partial_squares import draw_batch, draw_squares
from nnsearch.errors import ConfigError
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.interrupt import DeferredInterrupt
from nnsearch.problems.latin_square.problem import LatinSquare
from training.data.graph_states import batch_of
from training.export.export import TRAINED_KINDS, export_graph
from training.networks.belief_propagation import NeuralBeliefPropagation
from training.running.checkpoint import load_checkpoint, save_checkpoint
from training.tasks.graph import block_weights

_CHECKPOINT_SECONDS = 30.0
_WARM_UP_STEPS = 50
_LEAST_RATE = 0.003  # of the learning rate, at the end of the cosine
_EXAMPLES = 3  # states on which the exported network is compared with torch
_KEYS = frozenset({"config", "step", "seconds", "network", "optimizer"})

Network = MessagePassing | NeuralBeliefPropagation


@dataclass(frozen=True)
class Outcome:
    """What a training ended with.

    Attributes:
        file: the exported network.
        parameters: how many numbers were trained.
        steps: optimisation steps.
        seconds: wall time of the steps, over all resumed parts.
    """

    file: Path
    parameters: int
    steps: int
    seconds: float


def make_network(config: NetworkConfig) -> Network:
    """Return an untrained network; its weights are drawn from torch's generator."""
    if config.start == "bp":
        return NeuralBeliefPropagation(config.blocks, config.rounds, config.hidden)
    return MessagePassing(config.blocks, config.rounds, config.hidden)


def fit(config: LabelFreeConfig, run_dir: Path, name: str) -> Outcome:
    """Train a network and export it, or go on where an earlier call in the same folder stopped.

    Args:
        config: the training.
        run_dir: receives ``checkpoint.pt`` and the exported network.
        name: of the exported network.

    Raises:
        ConfigError: the folder holds another training.
        NNSearchError: the exported network differs from torch.
        KeyboardInterrupt: Ctrl-C was pressed; the checkpoint holds what was done.
    """
    torch.manual_seed(config.seed)
    network = make_network(config.network)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.train.learning_rate)
    identity = json.dumps(asdict(config))
    checkpoint = run_dir / "checkpoint.pt"
    step, before = 0, 0.0
    if checkpoint.exists():
        saved_state = load_checkpoint(checkpoint, _KEYS)
        if saved_state["config"] != identity:
            raise ConfigError(f"{run_dir} holds another training; choose another --runs folder, or remove it")
        step, before = saved_state["step"], saved_state["seconds"]
        network.load_state_dict(saved_state["network"])
        optimizer.load_state_dict(saved_state["optimizer"])
    states = draw_squares(config)
    run_dir.mkdir(parents=True, exist_ok=True)
    started = saved = time.monotonic()

    def save() -> None:
        state: dict[str, Any] = {
            "config": identity,
            "step": step,
            "seconds": before + time.monotonic() - started,
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        save_checkpoint(state, checkpoint)

    bar = tqdm(total=config.train.steps, initial=step, desc=name, unit="step", leave=False, disable=None)
    with DeferredInterrupt() as interrupted, bar:
        while step < config.train.steps:
            if interrupted():
                save()
                raise KeyboardInterrupt
            optimizer.param_groups[0]["lr"] = learning_rate(config, step)
            rng = np.random.default_rng([config.seed, 2, step])  # a resumed training draws the same
            drawn = draw_batch(states, config.train.candidates_per_step, rng)
            batch = batch_of(drawn, torch.device("cpu"))
            loss_of = batch_loss(config.loss, drawn, batch, rng)
            blocks: list[Tensor] = network.all_blocks(*batch.inputs)
            weights = block_weights(len(blocks))
            loss = torch.stack([w * loss_of(scores) for w, scores in zip(weights, blocks, strict=True)]).sum()
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(network.parameters(), config.train.clip)
            optimizer.step()
            step += 1
            bar.update()
            if time.monotonic() - saved > _CHECKPOINT_SECONDS:
                save()
                saved = time.monotonic()
    seconds = before + time.monotonic() - started
    save()
    file = run_dir / f"{name}.onnx"
    metadata = ModelMetadata(
        "candidate_graph",
        LatinSquare.name,
        training={"config": json.loads(identity), "steps": step},
        kinds=TRAINED_KINDS,
    )
    export_graph(network.eval(), metadata, [one.state for one in states[:_EXAMPLES]], file)
    return Outcome(file, sum(parameter.numel() for parameter in network.parameters()), step, seconds)


def learning_rate(config: LabelFreeConfig, step: int) -> float:
    """Return Adam's step size at a step, counted from 0."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / config.train.steps))
    return config.train.learning_rate * max(_LEAST_RATE, cosine) * min(1.0, (step + 1) / _WARM_UP_STEPS)
