"""Training of a network on the candidate graph: states drawn afresh for each step.

The weights kept are those with the lowest cross-entropy of the exactly-one groups on held-out solutions, mean over
families.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from nnsearch.errors import ConfigError
from training.data.graph_states import GraphBatch, batch_of
from training.loop import Measurement, Measuring, Task, TrainingProgress
from training.losses.candidate_graph import (
    candidate_binary_cross_entropy,
    choice_cross_entropy,
    group_cross_entropy,
    refuted_penalty,
)
from training.networks.belief_propagation import NeuralBeliefPropagation
from training.running.checkpoint import load_checkpoint
from training.running.distributed import ALONE, Processes
from training.schedule import warmed_cosine
from training.tasks.graph_config import GraphConfig, GraphLossConfig, GraphNetworkConfig
from training.tasks.graph_run import Outcome, run_in_folder
from training.tasks.graph_share import WHOLE, GraphShares, TermShares
from training.tasks.graph_source import GraphData, prepare_graph_data

GraphOutcome = Outcome[NeuralBeliefPropagation, GraphData, dict[str, dict[str, float]]]
"""What a run ended with, measured per family, see :func:`measure`."""


def fit_graph(config: GraphConfig, run_dir: Path, processes: Processes = ALONE) -> GraphOutcome:
    """Train, or go on where an earlier call in the same folder stopped; see :func:`training.tasks.dense.fit`.

    Several processes share the states of a step.

    Raises:
        ConfigError: the folder holds a run with another config, or CUDA is asked for and absent.
        NNSearchError: a file that the config names cannot be used.
    """
    start: dict[str, Tensor] | None = None

    def prepare() -> GraphData:
        nonlocal start
        start = load_weights(Path(config.train.start)) if config.train.start else None
        run_dir.mkdir(parents=True, exist_ok=True)
        return prepare_graph_data(config, run_dir / "pool.npz")

    def new_network(data: GraphData) -> NeuralBeliefPropagation:
        network = make_network(config, data)
        if start is not None:
            try:
                network.load_state_dict(start)
            except RuntimeError:
                raise ConfigError(
                    f"train.start: expected a run of a network of the same width, {config.train.start} has another"
                ) from None
        return network

    def task_of(data: GraphData, network: NeuralBeliefPropagation, device: torch.device) -> Task:
        return _task(config, data, network, device, processes)

    return GraphOutcome.of(*run_in_folder(config, run_dir, processes, prepare, new_network, task_of))


def stored_graph_outcome(config: GraphConfig, run_dir: Path, network: GraphNetworkConfig) -> GraphOutcome:
    """Return what the run in a folder, which is only read, has reached.

    The network is that of the config, or one with other blocks and iterations, whose weights are the same.

    Raises:
        ConfigError: the folder holds no checkpoint of such a run.
    """
    progress = TrainingProgress.of(load_checkpoint(run_dir / "checkpoint.pt"))
    data = prepare_graph_data(config, run_dir / "pool.npz")
    return GraphOutcome.of(make_network(replace(config, network=network), data), data, progress)


def make_network(config: GraphConfig, data: GraphData) -> NeuralBeliefPropagation:
    """Return the untrained network of a config."""
    network = config.network
    identities = 0
    if data.user_model is not None:
        identities = sum(len(values) for values in data.user_model.identities.values())
    return NeuralBeliefPropagation(
        network.blocks, network.iterations, network.hidden, network.damping, network.reads_place, identities
    )


def load_weights(run_dir: Path) -> dict[str, Tensor]:
    """Return the best weights of a run.

    Raises:
        ConfigError: the folder holds no run.
    """
    checkpoint = run_dir / "checkpoint.pt"
    if not checkpoint.is_file():
        raise ConfigError(f"{run_dir}: expected the folder of a run with a checkpoint, found none")
    weights: dict[str, Tensor] = load_checkpoint(checkpoint)["best"]["weights"]
    return weights


def block_weights(blocks: int) -> list[float]:
    """Return the weight of each block in the loss: it grows linearly, and the sum is 1."""
    raw = np.linspace(0.1, 1.0, blocks) if blocks > 1 else np.ones(1)
    return [float(weight) for weight in raw / raw.sum()]


def block_loss(blocks: Sequence[Tensor], loss: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the weighted sum of the losses of the scores of all blocks, float32[N] each."""
    weights = block_weights(len(blocks))
    return torch.stack([weight * loss(scores) for scores, weight in zip(blocks, weights, strict=True)]).sum()


def graph_loss(scores: Tensor, batch: GraphBatch, config: GraphLossConfig, shares: TermShares = WHOLE) -> Tensor:
    """Return the weighted sum of the terms for the scores of one block, float32[N].

    The losses of all parts of a step, which weigh their shares, add up to that of the whole.
    """
    loss = scores.new_zeros(())
    if config.group:
        loss = loss + config.group * shares.groups * group_cross_entropy(
            scores, batch.holds, batch.inputs[0], batch.inputs[1], batch.exactly_one
        )
    if config.choice:
        choice = choice_cross_entropy(scores, batch.holds, batch.state_of, batch.num_states)
        loss = loss + config.choice * shares.states * choice
    if config.candidate:
        loss = loss + config.candidate * shares.right * candidate_binary_cross_entropy(scores, batch.holds)
    if config.refuted:
        loss = loss + config.refuted * shares.states * refuted_penalty(scores, batch.possible, batch.num_states)
    return loss


def measure(scores: Tensor, batch: GraphBatch) -> dict[str, float]:
    """Measure scores against planted solutions.

    Returns:
        ``group``: cross-entropy of exactly-one groups; ``choice``: share of states whose best-scored pair is in the
        planted solution; ``value``: share of exactly-one groups whose best-scored candidate is. Ties count in part.
    """
    cross_entropy = group_cross_entropy(scores, batch.holds, batch.inputs[0], batch.inputs[1], batch.exactly_one)
    edge_scores = scores[batch.inputs[0]]
    value = _share_of_best_right(edge_scores, batch.holds[batch.inputs[0]], batch.inputs[1], len(batch.exactly_one))
    choice = _share_of_best_right(scores, batch.holds, batch.state_of, batch.num_states)
    return {
        "group": float(cross_entropy),
        "choice": float(choice.mean()),
        "value": float(value[batch.exactly_one].mean()),
    }


def _share_of_best_right(scores: Tensor, holds: Tensor, segment: Tensor, count: int) -> Tensor:
    """Return float32[count], the share of a segment's best-scored entries that are right; more than one at ties."""
    top = torch.full((count,), -torch.inf, device=scores.device).scatter_reduce(0, segment, scores, "amax")
    best = (scores == top[segment]).float()
    zeros = torch.zeros(count, device=scores.device)
    return zeros.scatter_add(0, segment, best * holds) / zeros.scatter_add(0, segment, best).clamp(min=1)


class _AllBlocks(nn.Module):
    """A network whose forward pass is that of training, for what wraps forward passes."""

    def __init__(self, network: NeuralBeliefPropagation) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: GraphBatch, depth: int) -> list[Tensor]:
        return self.network.all_blocks(*batch.inputs, batch.identity, blocks=depth)


def _task(
    config: GraphConfig, data: GraphData, network: NeuralBeliefPropagation, device: torch.device, processes: Processes
) -> Task:
    train = config.train
    shares = GraphShares(data, processes)
    validation = {name: batch_of(states, device) for name, states in data.validation.items()}

    def loss(forward: nn.Module, step: int) -> Tensor:
        share = shares.at(step)
        batch = batch_of(share.states, device)
        depth = config.network.blocks
        if train.least_blocks:
            depth = int(np.random.default_rng([config.seed, step, 1]).integers(train.least_blocks, depth + 1))
        return block_loss(forward(batch, depth), lambda scores: graph_loss(scores, batch, config.loss, share.shares))

    def measured(step: int, training_loss: float | None) -> Measurement:
        found = {name: measure(network(*batch.inputs, batch.identity), batch) for name, batch in validation.items()}
        # The other terms are ruled by a few states that a network is sure of and wrong about.
        mean = 0.0
        for values in found.values():
            mean += values["group"] / len(found)
        return Measurement(
            score=-mean,
            entry={"step": step, "training_loss": training_loss, "loss": mean, "measured": found},
            scalars={f"{family}/{name}": value for family, values in found.items() for name, value in values.items()},
            status=", ".join(f"{family} {values['group']:.3f}" for family, values in found.items()),
        )

    return Task(
        name=config.name,
        network=network,
        optimizer=torch.optim.Adam(network.parameters(), lr=train.learning_rate),
        rate=warmed_cosine(train.learning_rate, train.steps),
        steps=train.steps,
        loss=loss,
        forward=_AllBlocks(network),
        clip=train.clip,
        measuring=Measuring(measured, train.evaluate_every, at_start=True),  # of belief propagation, or the start
    )
