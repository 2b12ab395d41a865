"""The trainer of the study: a fixed number of steps, resumable to the same result; the last weights are measured."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.studies.cl_ste.tasks.task import Task
from benchmarks.studies.cl_ste.tasks.tasks import build_task
from benchmarks.studies.cl_ste.training.config import LossConfig, TaskConfig
from nnsearch.errors import ConfigError
from nnsearch.interrupt import DeferredInterrupt
from training.losses.cnf_ste import ClauseMatrix, bound, cnf_loss, with_facts
from training.running.checkpoint import load_checkpoint, save_checkpoint

_CHECKPOINT_SECONDS = 30.0
_KEYS = frozenset({"config", "step", "seconds", "network", "optimizer", "generator"})


@dataclass(frozen=True)
class Outcome:
    """What a run ended with.

    Attributes:
        measured: shares of right answers on held-out data, by name.
        steps: optimisation steps.
        seconds: wall time of training, data preparation and measuring excluded, over all resumed parts.
        network: the network, in evaluation mode.
    """

    measured: dict[str, float]
    steps: int
    seconds: float
    network: nn.Module


def fit(config: TaskConfig, seed: int, run_dir: Path) -> Outcome:
    """Train one task with one seed, or go on where an earlier call in the same folder stopped.

    Args:
        config: the task.
        seed: of data, weights and the order of examples.
        run_dir: holds ``checkpoint.pt`` until the run is measured elsewhere.

    Raises:
        ConfigError: the folder holds another run, or the config does not fit the task.
        KeyboardInterrupt: Ctrl-C was pressed; the checkpoint holds what was done.
    """
    task = build_task(config, seed)
    clauses = ClauseMatrix.of(task.clauses)
    torch.manual_seed(seed)
    network = task.network()
    optimizer = torch.optim.Adam(network.parameters(), lr=config.train.learning_rate, fused=True)
    batch_size = min(config.train.batch_size, task.num_examples)
    steps_per_epoch = task.num_examples // batch_size
    total = config.train.epochs * steps_per_epoch
    identity = json.dumps([asdict(config), seed])
    run_dir.mkdir(parents=True, exist_ok=True)
    checkpoint = run_dir / "checkpoint.pt"
    step, before = 0, 0.0
    if checkpoint.exists():
        state = load_checkpoint(checkpoint, _KEYS)
        if state["config"] != identity:
            raise ConfigError(f"{run_dir} holds a run with another config; choose another --runs folder, or remove it")
        step, before = state["step"], state["seconds"]
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["generator"])
    started = saved = time.monotonic()

    def save() -> None:
        state: dict[str, Any] = {
            "config": identity,
            "step": step,
            "seconds": before + time.monotonic() - started,
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "generator": torch.get_rng_state(),
        }
        save_checkpoint(state, checkpoint)

    title = f"{config.name}, seed {seed}"
    bar = tqdm(total=total, initial=step, desc=title, unit="step", leave=False, disable=None)
    with DeferredInterrupt() as interrupted, bar:
        while step < total:
            if interrupted():
                save()
                raise KeyboardInterrupt
            if config.train.decay == "cosine":
                rate = 0.5 * config.train.learning_rate * (1 + math.cos(math.pi * step / total))
                optimizer.param_groups[0]["lr"] = rate
            epoch, position = divmod(step, steps_per_epoch)
            generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
            order = torch.randperm(task.num_examples, generator=generator)
            index = order[position * batch_size : (position + 1) * batch_size]
            loss = total_loss(task, network(task.inputs(index)), index, clauses, config.loss)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            step += 1
            bar.update()
            if time.monotonic() - saved > _CHECKPOINT_SECONDS:
                save()
                saved = time.monotonic()
    seconds = before + time.monotonic() - started
    save()
    network.eval()
    with torch.inference_mode():
        measured = task.measure(network)
    return Outcome(measured, step, seconds, network)


def total_loss(task: Task, outputs: Tensor, index: Tensor, clauses: ClauseMatrix, config: LossConfig) -> Tensor:
    """Return the loss of some examples, a scalar.

    Args:
        task: the task.
        outputs: the network's raw outputs for these examples.
        index: int64[B], the examples.
        clauses: the task's clauses.
        config: the weights.
    """
    loss = config.bound * bound(outputs)
    if config.cnf:
        facts = task.facts(index)
        values = with_facts(facts, task.atoms(outputs))
        terms = cnf_loss(values, facts, clauses, open_only=config.open_only)
        loss = loss + config.cnf * terms.total(config.deduce)
    if config.label:
        loss = loss + config.label * task.label_loss(outputs, index)
    return loss
