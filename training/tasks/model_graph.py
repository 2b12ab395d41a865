"""Training of a network on the model graph: states of solved models, drawn afresh for each step.

The weights kept are those with the lowest loss of decisions and targets on held-out models.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from nnsearch.encoding.model_graph.items import BOOLEAN, CANDIDATE, QUANTITY
from training.data.model_states import ModelBatch, ModelState, model_batch_of
from training.loop import Measurement, Measuring, Task, TrainingProgress
from training.networks.model_graph import ModelGraphNetwork
from training.running.checkpoint import load_checkpoint
from training.running.distributed import ALONE, Processes
from training.schedule import warmed_cosine
from training.tasks.graph_run import Outcome, run_in_folder
from training.tasks.model_graph_config import ModelGraphConfig, ModelLossConfig
from training.tasks.model_graph_loss import (
    decision_cross_entropy,
    row_violation,
    ruled_out_penalty,
    straight_through,
    target_loss,
)
from training.tasks.model_graph_source import SolvedModels, prepare_models

_CONFIDENT = 0.8
"""The share of the decisions whose agreement with the best solution is measured, the surest: what dives fix."""


ModelGraphOutcome = Outcome[ModelGraphNetwork, SolvedModels, dict[str, float]]
"""What a run ended with, measured as by :func:`measure`."""


def fit_model_graph(config: ModelGraphConfig, run_dir: Path, processes: Processes = ALONE) -> ModelGraphOutcome:
    """Train, or go on where an earlier call in the same folder stopped; see :func:`training.tasks.dense.fit`.

    Several processes share the states of a step.

    Raises:
        ConfigError: the folder holds a run with another config or of other models, or CUDA is asked for and absent.
        NNSearchError: a file that the config names cannot be used.
    """

    def task_of(data: SolvedModels, network: ModelGraphNetwork, device: torch.device) -> Task:
        return _task(config, data, network, device, processes)

    def new_network(data: SolvedModels) -> ModelGraphNetwork:
        return new_model_graph_network(config)

    def prepare() -> SolvedModels:
        return prepare_models(config)

    return ModelGraphOutcome.of(*run_in_folder(config, run_dir, processes, prepare, new_network, task_of))


def stored_model_graph_outcome(config: ModelGraphConfig, run_dir: Path) -> ModelGraphOutcome:
    """Return what the run in a folder, which is only read, has reached.

    Raises:
        ConfigError: the folder holds no checkpoint of such a run.
    """
    progress = TrainingProgress.of(load_checkpoint(run_dir / "checkpoint.pt"))
    return ModelGraphOutcome.of(new_model_graph_network(config), prepare_models(config), progress)


def new_model_graph_network(config: ModelGraphConfig) -> ModelGraphNetwork:
    """Return the untrained network of a config."""
    return ModelGraphNetwork(config.network.rounds, config.network.hidden, config.network.messages)


def model_graph_loss(scores: Tensor, targets: Tensor, batch: ModelBatch, config: ModelLossConfig) -> Tensor:
    """Return the weighted sum of the terms; those of all parts of a step add up to that of the whole."""
    loss = decision_cross_entropy(scores, batch)
    if config.target:
        loss = loss + config.target * target_loss(scores, targets, batch)
    if config.rows:
        loss = loss + config.rows * row_violation(scores, targets, batch)
    if config.straight_through:
        loss = loss + config.straight_through * straight_through(scores, targets, batch)
    if config.refuted:
        loss = loss + config.refuted * ruled_out_penalty(scores, batch)
    return loss


def measure(scores: Tensor, targets: Tensor, batch: ModelBatch) -> dict[str, float]:
    """Measure against good solutions.

    Returns:
        ``decisions``: their cross-entropy; ``right``: the share of decisions that are as in most good solutions;
        ``confident``: that of the surest 80 %; ``targets``: the mean distance of targets, in the current domain. NaN of
        what there is none of.
    """
    kind = batch.inputs[3][:, : QUANTITY + 1].argmax(1)
    boolean, quantity = kind == BOOLEAN, kind == QUANTITY
    agrees = [((scores > 0) == (batch.label > 0.5))[boolean]]
    sure = [scores[boolean].abs()]
    candidates = torch.nonzero(kind == CANDIDATE).squeeze(1)
    if batch.num_choices:
        choice = batch.choice[candidates]
        own, label = scores[candidates], batch.label[candidates]
        top = torch.full((batch.num_choices,), -torch.inf, device=own.device)
        best, most = top.scatter_reduce(0, choice, own, "amax"), top.scatter_reduce(0, choice, label, "amax")
        both = ((own == best[choice]) & (label == most[choice])).float()
        right = torch.zeros_like(top).scatter_reduce(0, choice, both, "amax")
        agrees.append(right > 0)
        sure.append(best)
    agreement, confidence = torch.cat(agrees).float(), torch.cat(sure)
    kept = confidence.argsort(descending=True, stable=True)[: max(1, round(_CONFIDENT * len(confidence)))]
    return {
        "decisions": float(decision_cross_entropy(scores, batch)),
        "right": float(agreement.mean()),
        "confident": float(agreement[kept].mean()),
        "targets": float((targets - batch.label)[quantity].abs().mean()),
    }


def _task(
    config: ModelGraphConfig,
    data: SolvedModels,
    network: ModelGraphNetwork,
    device: torch.device,
    processes: Processes,
) -> Task:
    train = config.train
    validation = [model_batch_of([one], device, len(data.validation)) for one in data.validation]

    def loss(forward: nn.Module, step: int) -> Tensor:
        states = data.step(step)
        batch = model_batch_of(_share(states, processes), device, len(states))
        scores, targets = forward(*batch.inputs)
        return model_graph_loss(scores, targets, batch, config.loss)

    def measured(step: int, training_loss: float | None) -> Measurement:
        total, found = 0.0, []
        for batch in validation:
            scores, targets = network(*batch.inputs)
            total += float(
                decision_cross_entropy(scores, batch) + config.loss.target * target_loss(scores, targets, batch)
            )
            found.append(measure(scores, targets, batch))
        means = {name: _mean([one[name] for one in found]) for name in found[0]}
        means["decisions"] *= len(found)  # each is a share of the mean
        shown = {name: value for name, value in means.items() if value == value}
        return Measurement(
            score=-total,
            entry={"step": step, "training_loss": training_loss, "loss": total, "measured": shown},
            scalars={f"held out/{name}": value for name, value in shown.items()},
            status=f"held out {total:.4f}, confident {means['confident']:.3f}",
        )

    return Task(
        name=config.name,
        network=network,
        optimizer=torch.optim.Adam(network.parameters(), lr=train.learning_rate),
        rate=warmed_cosine(train.learning_rate, train.steps),
        steps=train.steps,
        loss=loss,
        clip=train.clip,
        measuring=Measuring(measured, train.evaluate_every, patience=train.patience),
        identity=data.digest,
        stranger="a run on other models; choose another folder with --out, or remove it to start afresh",
    )


def _share(states: Sequence[ModelState], processes: Processes) -> Sequence[ModelState]:
    """Return the states of this process, one that weighs nothing where there are too few."""
    own = states[processes.rank :: processes.count]
    return own or [states[0].weightless()]


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else float("nan")
