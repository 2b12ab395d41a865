"""Training of one task: a fixed number of steps; the last weights are measured."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.studies.cl_ste.tasks.config import TaskConfig, TaskLossConfig
from benchmarks.studies.cl_ste.tasks.tasks import LogicTask, build_task
from training import loop
from training.loop import Training
from training.losses.cnf_ste import ClauseMatrix, bound, cnf_loss, with_facts
from training.schedule import ExampleOrder, cosine


@dataclass(frozen=True)
class TaskOutcome:
    """What a run ended with: shares of right answers on held-out data, and the seconds of training alone."""

    measured: dict[str, float]
    steps: int
    seconds: float
    network: nn.Module


def fit(config: TaskConfig, seed: int, run_dir: Path) -> TaskOutcome:
    """Train one task with one seed, or go on where an earlier call in the same folder stopped.

    Raises:
        ConfigError: the folder holds another run, or the config does not fit the task.
        KeyboardInterrupt: Ctrl-C was pressed; the checkpoint holds what was done.
    """
    task = build_task(config, seed)
    clauses = ClauseMatrix.of(task.clauses)
    torch.manual_seed(seed)
    network = task.network()
    train = config.train
    order = ExampleOrder(task.num_examples, train.batch_size, seed)
    steps = train.epochs * order.steps_per_epoch

    def loss(forward: nn.Module, step: int) -> Tensor:
        index = order.at(step)
        return task_loss(task, forward(task.inputs(index)), index, clauses, config.loss)

    trained = Training(
        loop.Task(
            name=f"{config.name}, seed {seed}",
            network=network,
            optimizer=torch.optim.Adam(network.parameters(), lr=train.learning_rate, fused=True),
            rate=cosine(train.learning_rate, steps) if train.decay == "cosine" else lambda _: train.learning_rate,
            steps=steps,
            loss=loss,
            identity=json.dumps([asdict(config), seed]),
            stranger="a run with another config; choose another --runs folder, or remove it",
        ),
        run_dir,
    ).run()
    if not trained.finished:
        raise KeyboardInterrupt
    network.eval()
    with torch.inference_mode():
        measured = task.measure(network)
    return TaskOutcome(measured, trained.step, trained.seconds, network)


def task_loss(task: LogicTask, outputs: Tensor, index: Tensor, clauses: ClauseMatrix, config: TaskLossConfig) -> Tensor:
    """Return the loss of some examples, int64[B], from the network's raw outputs for them, a scalar."""
    loss = config.bound * bound(outputs)
    if config.cnf:
        facts = task.facts(index)
        values = with_facts(facts, task.atoms(outputs))
        terms = cnf_loss(values, facts, clauses, open_only=config.open_only)
        loss = loss + config.cnf * terms.total(config.deduce)
    if config.label:
        loss = loss + config.label * task.label_loss(outputs, index)
    return loss
