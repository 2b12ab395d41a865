"""The one training loop: steps, progress, Ctrl-C, checkpoints, processes, measurements, patience.

What a step computes and what is measured are a :class:`Task`'s. A run that was killed and goes on ends with the same
weights as one that was not (on a CPU, with the same number of threads and processes), where the loss of a step is a
function of the step, the weights and torch's generator.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from nnsearch.errors import ConfigError
from nnsearch.interrupt import DeferredInterrupt
from nnsearch.output_file import replacing
from training.running.checkpoint import load_checkpoint, save_checkpoint, weights_of
from training.running.distributed import ALONE, Processes
from training.weight_average import WeightAverage

CHECKPOINT_SECONDS = 30.0
_SHOWN_SECONDS = 0.5
_LINE_SECONDS = 20.0  # where progress is no bar that is drawn anew


@dataclass(frozen=True, eq=False)
class Measurement:
    """What a network was worth at some step.

    Attributes:
        score: the higher, the better; the weights of the best are kept.
        entry: its line in ``metrics.jsonl``.
        scalars: what TensorBoard draws, beside the loss.
        status: what the progress bar says.
    """

    score: float
    entry: dict[str, Any]
    scalars: dict[str, float]
    status: str


@dataclass(frozen=True, eq=False)
class Measuring:
    """How a network is measured while it is trained.

    Attributes:
        measure: (step, mean loss since the last measurement, None before the first step) -> the measurement; called on
            process 0, with the network in evaluation mode.
        every: steps between two measurements; there is one at the end as well.
        at_start: measure before the first step, too.
        patience: measurements without a better score after which the run ends; 0 = it does not.
    """

    measure: Callable[[int, float | None], Measurement]
    every: int
    at_start: bool = False
    patience: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """What is trained.

    Attributes:
        name: of the run, for the progress bar.
        network: what is trained, on its device.
        optimizer: of its parameters.
        rate: step, counted from 0 -> step size.
        steps: the budget.
        loss: (what ``forward`` became, step) -> a scalar, the share of this process in the loss of a step.
        forward: the module whose forward passes ``loss`` makes, for processes to exchange its gradients; None is the
            network itself.
        clip: largest norm of the gradient.
        average: decay of the moving average of the weights, which is what is measured, kept as the best and left in the
            network; 0 = the weights themselves.
        measuring: None where the last weights count.
        identity: what a checkpoint has to have been written for.
        stranger: what a folder holds whose checkpoint is of another identity, and what to do.
        facts: what else the checkpoint tells those who read it.
        unit: what progress counts.
        per_step: how many of it there are in a step.
    """

    name: str
    network: nn.Module
    optimizer: torch.optim.Optimizer
    rate: Callable[[int], float]
    steps: int
    loss: Callable[[nn.Module, int], Tensor]
    forward: nn.Module | None = None
    clip: float = math.inf
    average: float = 0.0
    measuring: Measuring | None = None
    identity: str = ""
    stranger: str = ""
    facts: dict[str, int] = field(default_factory=dict)
    unit: str = "step"
    per_step: int = 1


@dataclass(eq=False)
class TrainingProgress:
    """What a run has reached; its checkpoint holds this, the network, the optimizer and torch's generator.

    ``best`` is the best measurement with its weights (the initial ones before the first), ``stale`` counts those since;
    ``loss_sum`` is of the ``loss_steps`` losses since the last. ``seconds`` is wall time, data preparation excluded,
    over all resumed parts; ``history`` has the lines of ``metrics.jsonl``.
    """

    best: dict[str, Any]
    loss_sum: Tensor
    facts: dict[str, int]
    loss_steps: int = 0
    step: int = 0
    stale: int = 0
    seconds: float = 0.0
    finished: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, checkpoint: dict[str, Any]) -> TrainingProgress:
        """Return the part of a checkpoint that is not the network's, the optimizer's or the generator's."""
        return cls(**{one.name: checkpoint[one.name] for one in fields(cls)})


class Training:
    """One run of a task in a folder, or the rest of one that was stopped.

    The folder, which all processes see, receives ``checkpoint.pt``; with measurements also ``metrics.jsonl`` and
    TensorBoard events.

    Raises:
        ConfigError: the folder holds a run of another identity, or its checkpoint is damaged.
    """

    def __init__(self, task: Task, run_dir: Path, processes: Processes = ALONE) -> None:
        self._task, self._run_dir, self._processes = task, run_dir, processes
        self._device = next(task.network.parameters()).device
        self._status = ""
        best = {"score": -math.inf, "step": 0, "entry": {}, "weights": weights_of(task.network)}
        self._progress = TrainingProgress(best, torch.zeros((), device=self._device), task.facts)
        self._average = WeightAverage(task.network, task.average) if task.average else None
        if (run_dir / "checkpoint.pt").exists():
            self._restore(load_checkpoint(run_dir / "checkpoint.pt"))

    def run(self) -> TrainingProgress:
        """Train to the end, to an early stop, or to Ctrl-C; the network keeps its last weights, or their average."""
        task, progress, processes = self._task, self._progress, self._processes
        self._run_dir.mkdir(parents=True, exist_ok=True)
        self._forward = processes.parallel(task.forward or task.network, self._device)
        measuring, before = task.measuring, progress.seconds
        started = saved = shown = time.monotonic()
        with DeferredInterrupt() as interrupted, self._writer() as writer, self._bar() as bar:
            if measuring is not None and measuring.at_start and not progress.history:
                self._measure(measuring, writer)
            while not self._finished() and not processes.any(interrupted()):
                self._step()
                measured = False
                if measuring is not None and (progress.step % measuring.every == 0 or progress.step == task.steps):
                    self._measure(measuring, writer)
                    measured = True
                now = time.monotonic()
                if processes.first and now - shown > _SHOWN_SECONDS:
                    self._show(bar)
                    shown = now
                if processes.first and (measured or now - saved > CHECKPOINT_SECONDS):
                    progress.seconds, progress.finished = before + time.monotonic() - started, self._finished()
                    self._save()
                    saved = time.monotonic()
            progress.seconds, progress.finished = before + time.monotonic() - started, self._finished()
            if processes.first:
                self._save()
                self._show(bar)
            processes.wait()  # for the checkpoint
        if self._average is not None:
            self._average.exchange()
        return progress

    def _finished(self) -> bool:
        progress, measuring = self._progress, self._task.measuring
        out_of_patience = measuring is not None and 0 < measuring.patience <= progress.stale
        return out_of_patience or progress.step >= self._task.steps

    def _step(self) -> None:
        task, progress = self._task, self._progress
        task.optimizer.param_groups[0]["lr"] = task.rate(progress.step)
        loss = task.loss(self._forward, progress.step)
        task.optimizer.zero_grad(set_to_none=True)
        self._processes.backward(loss)
        if math.isfinite(task.clip):
            nn.utils.clip_grad_norm_(task.network.parameters(), task.clip)
        task.optimizer.step()
        if self._average is not None:
            self._average.update(progress.step)
        progress.step += 1
        progress.loss_sum += self._processes.total(loss.detach())
        progress.loss_steps += 1

    def _measure(self, measuring: Measuring, writer: SummaryWriter | None) -> None:
        task, progress = self._task, self._progress
        loss = float(progress.loss_sum) / progress.loss_steps if progress.loss_steps else None
        progress.loss_sum, progress.loss_steps = torch.zeros((), device=self._device), 0

        def measured() -> Measurement:
            with torch.inference_mode():
                return measuring.measure(progress.step, loss)

        with self._average.in_network() if self._average is not None else nullcontext():
            task.network.eval()
            found = self._processes.from_first(measured)
            task.network.train()
            if found.score > progress.best["score"]:
                weights = weights_of(task.network)
                progress.best = {"score": found.score, "step": progress.step, "entry": found.entry, "weights": weights}
                progress.stale = 0
            else:
                progress.stale += 1
        progress.history.append({**found.entry, **self._processes.record()})
        self._status = found.status
        if writer is not None:
            for name, value in (found.scalars | ({} if loss is None else {"loss": loss})).items():
                writer.add_scalar(name, value, progress.step * task.per_step)
            with replacing(self._run_dir / "metrics.jsonl") as file:
                file.writelines(json.dumps(entry).encode() + b"\n" for entry in progress.history)

    def _writer(self) -> AbstractContextManager[SummaryWriter | None]:
        if self._task.measuring is None or not self._processes.first:
            return nullcontext()
        writer: AbstractContextManager[SummaryWriter] = SummaryWriter(
            str(self._run_dir), purge_step=self._progress.step * self._task.per_step
        )
        return writer

    def _bar(self) -> tqdm[Any]:
        terminal = sys.stderr.isatty()
        task, seconds = self._task, 0.1 if terminal else _LINE_SECONDS
        return tqdm(
            disable=not self._processes.first,
            total=task.steps * task.per_step,
            initial=self._progress.step * task.per_step,
            desc=task.name,
            unit=task.unit,
            unit_scale=task.per_step > 1,
            leave=None,  # unless it is under another bar
            file=None if terminal else _Lines(),
            miniters=1,
            mininterval=seconds,
            maxinterval=seconds,
        )

    def _show(self, bar: tqdm[Any]) -> None:
        progress = self._progress
        loss = [f"loss {float(progress.loss_sum) / progress.loss_steps:.3f}"] if progress.loss_steps else []
        bar.set_postfix_str(", ".join([*loss, *([self._status] if self._status else [])]), refresh=False)
        bar.update(progress.step * self._task.per_step - bar.n)

    def _save(self) -> None:
        state = {
            **vars(self._progress),
            "identity": self._task.identity,
            "network": self._task.network.state_dict(),
            "optimizer": self._task.optimizer.state_dict(),
            "generator": torch.get_rng_state(),
        }
        if self._average is not None:
            state["average"] = self._average.weights
        save_checkpoint(state, self._run_dir / "checkpoint.pt")

    def _restore(self, state: dict[str, Any]) -> None:
        task = self._task
        if state["identity"] != task.identity:
            raise ConfigError(f"{self._run_dir} holds {task.stranger}")
        self._progress = TrainingProgress.of(state)
        self._progress.loss_sum = self._progress.loss_sum.to(self._device)
        task.network.load_state_dict(state["network"])
        task.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["generator"])
        if self._average is not None:
            self._average.restore(state["average"])


class _Lines:
    """Writes each state of a progress bar as a line, for files and pipes."""

    def write(self, text: str) -> None:
        if text.startswith("\r") and text.strip():  # the rest of what tqdm writes moves the cursor
            sys.stderr.write(text.strip() + "\n")
