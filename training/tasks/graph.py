"""The trainer of networks on the candidate graph: one loop, resumable to the same result.

The weights kept are those with the lowest cross-entropy of the exactly-one groups on held-out solutions, mean over
families.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from nnsearch.errors import ConfigError
from nnsearch.interrupt import DeferredInterrupt
from training.data.graph_source import GraphData, prepare_graph_data
from training.data.graph_states import GraphBatch, batch_of
from training.losses.candidate_graph import (
    candidate_cross_entropy,
    choice_cross_entropy,
    group_cross_entropy,
    refuted_penalty,
)
from training.networks.belief_propagation import NeuralBeliefPropagation
from training.running.checkpoint import load_checkpoint, save_checkpoint, weights_of
from training.running.distributed import ALONE, Processes
from training.running.run_folder import check_claim, claim, write_metrics
from training.tasks.dense import choose_device
from training.tasks.graph_config import GraphConfig, GraphLossConfig
from training.tasks.graph_share import WHOLE, GraphShares, TermShares

_CHECKPOINT_SECONDS = 30.0
_WARM_UP_STEPS = 50
_LEAST_RATE = 0.003  # of the learning rate, at the end of the cosine


@dataclass(frozen=True)
class GraphOutcome:
    """What a run ended with.

    Attributes:
        network: the network with the weights of the best measurement, on the CPU, in evaluation mode.
        data: the states that it was trained on.
        measured: the best measurement, per family; see :func:`measure`.
        steps: steps until the run ended.
        best_step: the step of the best measurement.
        seconds: wall time of training, data preparation excluded, over all resumed parts.
        interrupted: True when Ctrl-C stopped the run before its end.
    """

    network: NeuralBeliefPropagation
    data: GraphData
    measured: dict[str, dict[str, float]]
    steps: int
    best_step: int
    seconds: float
    interrupted: bool


def fit_graph(config: GraphConfig, run_dir: Path, processes: Processes = ALONE) -> GraphOutcome:
    """Train, or go on where an earlier call in the same folder stopped.

    The states of a step are a function of the seed and the step, so a run that was killed and resumed ends with the
    same weights as one that was not (on a CPU, with the same number of threads and processes). Several processes share
    the states of a step; they take the same steps as one, up to the rounding of sums.

    Args:
        config: the run.
        run_dir: receives ``config.toml``, ``pool.npz``, ``checkpoint.pt``, ``metrics.jsonl`` and TensorBoard events.
        processes: those that train together; all see the folder and get the same outcome.

    Raises:
        ConfigError: the folder holds a run with another config, or CUDA is asked for and absent.
        NNSearchError: a file that the config names cannot be used.
    """

    def prepared() -> _Run:
        device = processes.own(choose_device(config.train.device))
        if config.train.threads:
            torch.set_num_threads(config.train.threads)
        check_claim(run_dir, config)
        start = load_weights(Path(config.train.start)) if config.train.start else None
        run_dir.mkdir(parents=True, exist_ok=True)
        data = prepare_graph_data(config, run_dir / "pool.npz")
        if processes.first:
            claim(run_dir, config)  # not before its files were read: a wrong name must not spoil the folder
        return _Run(config, run_dir, data, device, start, processes)

    return processes.in_turn(prepared).train()


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
        ConfigError: the folder holds no measured run.
    """
    checkpoint = run_dir / "checkpoint.pt"
    if not checkpoint.is_file():
        raise ConfigError(f"{run_dir}: expected the folder of a run with a checkpoint, found none")
    weights: dict[str, Tensor] = load_checkpoint(checkpoint, GRAPH_KEYS)["best"]["weights"]
    if not weights:
        raise ConfigError(f"{checkpoint}: expected at least one measurement, found none yet; let the run go on")
    return weights


def block_weights(blocks: int) -> list[float]:
    """Return the weight of each block in the loss: it grows linearly, and the sum is 1."""
    raw = np.linspace(0.1, 1.0, blocks) if blocks > 1 else np.ones(1)
    return [float(weight) for weight in raw / raw.sum()]


def graph_loss(scores: Tensor, batch: GraphBatch, config: GraphLossConfig, shares: TermShares = WHOLE) -> Tensor:
    """Return the weighted sum of the terms for the scores of one block.

    Args:
        scores: float32[N].
        batch: the states.
        config: the weights.
        shares: what the batch weighs in the step; the losses of all parts of a step add up to that of the whole.
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
        loss = loss + config.candidate * shares.right * candidate_cross_entropy(scores, batch.holds)
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


GRAPH_KEYS = frozenset({"step", "seconds", "history", "best", "loss_sum", "loss_steps", "network", "optimizer"})
"""What a checkpoint of this trainer holds."""


class _AllBlocks(nn.Module):
    """A network whose forward pass is that of training, for what wraps forward passes."""

    def __init__(self, network: NeuralBeliefPropagation) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: GraphBatch, depth: int) -> list[Tensor]:
        return self.network.all_blocks(*batch.inputs, batch.identity, blocks=depth)


class _Run:
    """The state of one run between steps; everything in it is in the checkpoint or follows from the config."""

    def __init__(
        self,
        config: GraphConfig,
        run_dir: Path,
        data: GraphData,
        device: torch.device,
        start: dict[str, Tensor] | None,
        processes: Processes,
    ) -> None:
        self.config, self.run_dir, self.data, self.device, self.processes = config, run_dir, data, device, processes
        torch.manual_seed(config.seed)
        self.network = make_network(config, data).to(device)
        if start is not None:
            try:
                self.network.load_state_dict(start)
            except RuntimeError:
                raise ConfigError(
                    f"train.start: expected a run of a network of the same width, {config.train.start} has another"
                ) from None
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.train.learning_rate)
        self.shares = GraphShares(data, processes)
        self.validation = {name: batch_of(states, device) for name, states in data.validation.items()}
        self.step = 0
        self.seconds = 0.0
        self.loss_sum = torch.zeros((), device=device)  # since the last measurement
        self.loss_steps = 0
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {"loss": math.inf, "step": 0, "measured": {}, "weights": {}}
        checkpoint = run_dir / "checkpoint.pt"
        if checkpoint.exists():
            self._restore(load_checkpoint(checkpoint, GRAPH_KEYS))

    def train(self) -> GraphOutcome:
        """Run the loop to the end or to Ctrl-C."""
        train = self.config.train
        checkpoint = self.run_dir / "checkpoint.pt"
        first = self.processes.first
        self.all_blocks = self.processes.parallel(_AllBlocks(self.network), self.device)
        if not self.history:
            self._evaluate()  # belief propagation itself, or the start
        bar = tqdm(disable=not first, total=train.steps, initial=self.step, desc=self.config.name, unit="step")
        started = saved = time.monotonic()
        before = self.seconds
        with DeferredInterrupt() as interrupted, self._writer() as writer, bar:
            while self.step < train.steps and not self.processes.any(interrupted()):
                self.loss_sum += self._train_step()
                self.loss_steps += 1
                bar.update()
                evaluated = self.step % train.evaluate_every == 0 or self.step == train.steps
                if evaluated:
                    self._evaluate()
                    if writer is not None:
                        for family, values in self.history[-1]["measured"].items():
                            for name, value in values.items():
                                writer.add_scalar(f"{family}/{name}", value, self.step)
                    bar.set_postfix_str(self._status(), refresh=False)
                if first and (evaluated or time.monotonic() - saved > _CHECKPOINT_SECONDS):
                    self.seconds = before + time.monotonic() - started
                    save_checkpoint(self._state(), checkpoint)
                    saved = time.monotonic()
            self.seconds = before + time.monotonic() - started
            if first:
                save_checkpoint(self._state(), checkpoint)
            self.processes.wait()  # for the checkpoint
        self.network.load_state_dict(self.best["weights"])
        return GraphOutcome(
            network=self.network.cpu().eval(),
            data=self.data,
            measured=self.best["measured"],
            steps=self.step,
            best_step=self.best["step"],
            seconds=self.seconds,
            interrupted=self.step < train.steps,
        )

    def _train_step(self) -> Tensor:
        train = self.config.train
        cosine = 0.5 * (1 + math.cos(math.pi * self.step / train.steps))
        rate = train.learning_rate * max(_LEAST_RATE, cosine) * min(1.0, (self.step + 1) / _WARM_UP_STEPS)
        self.optimizer.param_groups[0]["lr"] = rate
        share = self.shares.at(self.step)
        batch = batch_of(share.states, self.device)
        depth = self.config.network.blocks
        if train.least_blocks:
            depth = int(np.random.default_rng([self.config.seed, self.step, 1]).integers(train.least_blocks, depth + 1))
        blocks = self.all_blocks(batch, depth)
        loss = torch.stack(
            [
                weight * graph_loss(scores, batch, self.config.loss, share.shares)
                for scores, weight in zip(blocks, block_weights(depth), strict=True)
            ]
        ).sum()
        self.optimizer.zero_grad(set_to_none=True)
        self.processes.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), train.clip)
        self.optimizer.step()
        self.step += 1
        return self.processes.total(loss.detach())

    def _writer(self) -> AbstractContextManager[SummaryWriter | None]:
        if not self.processes.first:
            return nullcontext()
        writer: AbstractContextManager[SummaryWriter] = SummaryWriter(str(self.run_dir), purge_step=self.step)
        return writer

    def _measure(self) -> dict[str, dict[str, float]]:
        measured: dict[str, dict[str, float]] = {}
        self.network.eval()
        with torch.inference_mode():
            for name, batch in self.validation.items():
                measured[name] = measure(self.network(*batch.inputs, batch.identity), batch)
        self.network.train()
        return measured

    def _evaluate(self) -> None:
        measured = self.processes.from_first(self._measure)
        loss = 0.0
        for values in measured.values():
            # The other terms are ruled by a few states that a network is sure of and wrong about.
            loss += values["group"] / len(measured)
        training_loss = float(self.loss_sum) / self.loss_steps if self.loss_steps else None
        self.loss_sum, self.loss_steps = torch.zeros((), device=self.device), 0
        self.history.append(
            {"step": self.step, "training_loss": training_loss, "loss": loss, "measured": measured}
            | self.processes.record()
        )
        if loss < self.best["loss"]:
            self.best = {"loss": loss, "step": self.step, "measured": measured, "weights": weights_of(self.network)}
        if self.processes.first:
            write_metrics(self.run_dir, self.history)

    def _status(self) -> str:
        values: Sequence[str] = [f"{name} {entry['group']:.3f}" for name, entry in self.history[-1]["measured"].items()]
        return ", ".join(values)

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "best": self.best,
            "loss_sum": self.loss_sum,
            "loss_steps": self.loss_steps,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.step, self.seconds = state["step"], state["seconds"]
        self.history, self.best = state["history"], state["best"]
        self.loss_sum, self.loss_steps = state["loss_sum"].to(self.device), state["loss_steps"]
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
