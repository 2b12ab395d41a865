"""The trainer: one loop, resumable to the same result, early stopping on feasibility."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from nnsearch.errors import ConfigError
from nnsearch.interrupt import DeferredInterrupt
from training.data.dense_examples import ExampleBatches, TrainingData, prepare
from training.data.dense_problems import DenseProblem
from training.data.feasibility import (
    FeasibilityStates,
    fixed_cell,
    forward_checking,
    free_choice,
    possible_candidates,
    score_states,
)
from training.losses.cross_entropy import candidate_cross_entropy
from training.losses.sbr import SBRForm, semantic_based_regularisation
from training.networks.mlp import MLP
from training.running.checkpoint import load_checkpoint, save_checkpoint, weights_of
from training.running.distributed import ALONE, Processes
from training.running.run_folder import check_claim, claim, write_metrics
from training.tasks.dense_config import Config, LossConfig, TrainConfig

Propagator = Callable[[Tensor], Tensor]
"""assignment float32[B, N] -> [B, N], non-zero where the candidate is still a possible next decision."""

_CHECKPOINT_SECONDS = 30.0


@dataclass(frozen=True)
class Outcome:
    """What a run ended with.

    Attributes:
        network: the network with the weights of the best measurement, on the CPU, in evaluation mode.
        feasibility: its validation feasibility (free choice; no propagation, unless the loss has a mask).
        presentations: examples shown until the run ended.
        best_presentations: examples shown until the best measurement.
        num_examples: distinct training examples.
        num_solutions: distinct solutions in the pool, held-out ones included.
        seconds: wall time of training, data preparation excluded, over all resumed parts.
        interrupted: True when Ctrl-C stopped the run before its end.
    """

    network: MLP
    feasibility: float
    presentations: int
    best_presentations: int
    num_examples: int
    num_solutions: int
    seconds: float
    interrupted: bool


def fit(config: Config, run_dir: Path, processes: Processes = ALONE) -> Outcome:
    """Train, or go on where an earlier call in the same folder stopped.

    The order of examples is a function of the seed and the step, so a run that was killed and resumed ends with the
    same weights as one that was not (on a CPU, with the same number of threads and processes). Several processes split
    each batch; they take the same steps as one, up to the rounding of sums.

    Args:
        config: the run.
        run_dir: receives ``config.toml``, ``pool.npz``, ``checkpoint.pt``, ``metrics.jsonl`` and TensorBoard events.
        processes: those that train together; all see the folder and get the same outcome.

    Raises:
        ConfigError: the folder holds a run with another config, or CUDA is asked for and absent.
    """

    def prepared() -> _Run:
        device = processes.own(choose_device(config.train.device))
        if config.train.threads:
            torch.set_num_threads(config.train.threads)
        propagator = load_propagator(config.loss.propagator, config.problem.dense())
        check_claim(run_dir, config)
        if processes.first and not config.pool.file:
            claim(run_dir, config)  # before the sampled pool is written there
        data = prepare(config, run_dir / "pool.npz")
        if processes.first:
            claim(run_dir, config)
        return _Run(config, run_dir, data, device, propagator, processes)

    return processes.in_turn(prepared).train()


def stored_outcome(config: Config, run_dir: Path) -> Outcome:
    """Return what the run in a folder has reached; ``interrupted`` tells that it is not at its end.

    Args:
        config: of the run.
        run_dir: its folder, which is only read.

    Raises:
        ConfigError: the folder holds no checkpoint of such a run.
    """
    state = load_checkpoint(run_dir / "checkpoint.pt")
    network = MLP(config.problem.dense().num_candidates, config.network.hidden)
    network.load_state_dict(state["best"]["weights"])
    return Outcome(
        network=network.eval(),
        feasibility=state["best"]["feasibility"],
        presentations=state["presentations"],
        best_presentations=state["best"]["presentations"],
        num_examples=state["num_examples"],
        num_solutions=state["num_solutions"],
        seconds=state["seconds"],
        interrupted=not is_finished(config.train, state["num_examples"], state["step"], state["stale"]),
    )


def is_finished(train: TrainConfig, num_examples: int, step: int, stale: int) -> bool:
    """Tell whether a run has spent its budget, or its patience.

    Args:
        train: the budget.
        num_examples: distinct training examples.
        step: steps taken.
        stale: measurements since the best one.
    """
    total = max(1, train.presentations // min(train.batch_size, num_examples))
    return step >= total or 0 < train.patience <= stale


def choose_device(name: str) -> torch.device:
    """Resolve ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ConfigError: CUDA is asked for and torch sees none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("train.device: expected a CUDA device, torch sees none; use --device cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def load_propagator(name: str, problem: DenseProblem) -> Propagator | None:
    """Return the propagator of a config: None for ``none``, a built-in, or the user's ``module:function``.

    Raises:
        ConfigError: the module cannot be imported, or has no such function.
    """
    if name == "none":
        return None
    if ":" not in name:
        return forward_checking(problem, name)
    module, _, attribute = name.partition(":")
    try:
        propagator = getattr(importlib.import_module(module), attribute)
        if not callable(propagator):
            raise TypeError(f"{attribute} is not a function")
        return cast(Propagator, propagator)
    except Exception as error:  # the user's module may raise anything
        raise ConfigError(
            f"loss.propagator: expected module:function that can be imported, got {name!r} ({error})"
        ) from None


def total_loss(
    scores: Tensor,
    assignment: Tensor,
    target: Tensor,
    config: LossConfig,
    propagator: Propagator | None,
    mask: Propagator | None = None,
) -> Tensor:
    """Cross-entropy + weight * SBR (Silvestri et al. 2021, eq. 5); without a propagator the cross-entropy alone.

    With a mask, the softmax is over what it leaves possible; a target is always possible.
    """
    # Not -inf, which is no number once multiplied by a target of 0.
    allowed = scores if mask is None else scores.masked_fill(mask(assignment) == 0, -1e9)
    loss = candidate_cross_entropy(allowed, target)
    if propagator is not None:
        possible = propagator(assignment)
        shape = tuple(possible.shape) if isinstance(possible, Tensor) else type(possible).__name__
        if shape != tuple(scores.shape):
            raise ConfigError(f"loss.propagator: expected it to return shape {tuple(scores.shape)}, got {shape}")
        loss = loss + config.weight * semantic_based_regularisation(scores, possible, cast(SBRForm, config.form))
    return loss


def measure(
    network: torch.nn.Module, states: FeasibilityStates, device: torch.device, propagation: str = "none"
) -> dict[str, float]:
    """Measure a network on labelled states: free choice after a propagation, fixed cell after full propagation."""

    def score(assignment: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            scores: npt.NDArray[np.float32] = network(torch.from_numpy(assignment).to(device)).cpu().numpy()
        return scores

    scores = score_states(score, states)
    free = states.by_level(free_choice(states, scores, possible_candidates(states, propagation)))
    fixed = states.by_level(fixed_cell(states, scores, possible_candidates(states, "full")))
    return {"free_choice": float(np.nanmean(free)), "fixed_cell_full": float(np.nanmean(fixed))}


class _Run:
    """The state of one run between steps; everything in it is in the checkpoint or follows from the config."""

    def __init__(
        self,
        config: Config,
        run_dir: Path,
        data: TrainingData,
        device: torch.device,
        propagator: Propagator | None,
        processes: Processes,
    ) -> None:
        self.config, self.run_dir, self.data, self.device, self.processes = config, run_dir, data, device, processes
        torch.manual_seed(config.seed)
        self.network = MLP(data.problem.num_candidates, config.network.hidden).to(device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.train.learning_rate, fused=True)
        self.batches = ExampleBatches(data.examples, data.problem.num_values, config.loss.target, device)
        self.propagator = propagator
        self.mask = load_propagator(config.loss.mask, data.problem)
        self.batch_size = min(config.train.batch_size, len(self.batches))
        self.steps_per_epoch = len(self.batches) // self.batch_size
        self.total_steps = max(1, config.train.presentations // self.batch_size)
        evaluate_every = config.train.evaluate_every or min(250_000, config.train.presentations // 10)
        self.evaluate_steps = max(1, evaluate_every // self.batch_size)
        self.step = 0
        self.stale = 0
        self.seconds = 0.0
        self.loss_sum = torch.zeros((), device=device)  # since the last measurement
        self.loss_steps = 0
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] = {"feasibility": -1.0, "presentations": 0, "weights": weights_of(self.network)}
        checkpoint = run_dir / "checkpoint.pt"
        if checkpoint.exists():
            self._restore(load_checkpoint(checkpoint))

    def train(self) -> Outcome:
        """Run the loop to the end, to an early stop, or to Ctrl-C."""
        checkpoint = self.run_dir / "checkpoint.pt"
        first = self.processes.first
        self.parallel = self.processes.parallel(self.network, self.device)
        bar = tqdm(
            disable=not first,
            total=self.total_steps * self.batch_size,
            initial=self.step * self.batch_size,
            desc=self.config.name,
            unit="ex",
            unit_scale=True,
        )
        started = saved = shown = time.monotonic()
        before = self.seconds
        with DeferredInterrupt() as interrupted, self._writer() as writer, bar:
            while not self.finished and not self.processes.any(interrupted()):
                self.loss_sum += self._train_step()
                self.loss_steps += 1
                now = time.monotonic()
                if first and now - shown > 0.5:
                    bar.update(self.step * self.batch_size - bar.n)
                    bar.set_postfix_str(self._status(), refresh=False)
                    shown = now
                evaluated = self.step % self.evaluate_steps == 0 or self.step == self.total_steps
                if evaluated:
                    self._evaluate(writer)
                if first and (evaluated or now - saved > _CHECKPOINT_SECONDS):
                    self.seconds = before + time.monotonic() - started
                    save_checkpoint(self._state(), checkpoint)
                    saved = time.monotonic()
            self.seconds = before + time.monotonic() - started
            if first:
                save_checkpoint(self._state(), checkpoint)
            bar.update(self.step * self.batch_size - bar.n)
            self.processes.wait()  # for the checkpoint
        self.network.load_state_dict(self.best["weights"])
        return Outcome(
            network=self.network.cpu().eval(),
            feasibility=self.best["feasibility"],
            presentations=self.step * self.batch_size,
            best_presentations=self.best["presentations"],
            num_examples=len(self.batches),
            num_solutions=self.data.num_solutions,
            seconds=self.seconds,
            interrupted=not self.finished,
        )

    @property
    def finished(self) -> bool:
        """The budget is spent, or patience is."""
        return is_finished(self.config.train, len(self.batches), self.step, self.stale)

    def _train_step(self) -> Tensor:
        train = self.config.train
        if train.decay == "cosine":
            rate = 0.5 * train.learning_rate * (1 + math.cos(math.pi * self.step / self.total_steps))
            self.optimizer.param_groups[0]["lr"] = rate
        index, share = self.processes.part(self._batch_index())
        assignment, target = self.batches.batch(index)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=train.precision == "bf16"):
            scores = self.parallel(assignment)
        # Every term is a mean over the examples.
        loss = share * total_loss(scores, assignment, target, self.config.loss, self.propagator, self.mask)
        self.optimizer.zero_grad(set_to_none=True)
        self.processes.backward(loss)
        self.optimizer.step()
        self.step += 1
        return self.processes.total(loss.detach())

    def _batch_index(self) -> Tensor:
        """The examples of the next step: a fresh permutation each epoch, a function of seed and step alone."""
        epoch, position = divmod(self.step, self.steps_per_epoch)
        if position == 0 or not hasattr(self, "_order"):
            generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + epoch)
            self._order = torch.randperm(len(self.batches), generator=generator).to(self.device)
        return self._order[position * self.batch_size : (position + 1) * self.batch_size]

    def _writer(self) -> AbstractContextManager[SummaryWriter | None]:
        if not self.processes.first:
            return nullcontext()
        writer: AbstractContextManager[SummaryWriter] = SummaryWriter(
            str(self.run_dir), purge_step=self.step * self.batch_size
        )
        return writer

    def _evaluate(self, writer: SummaryWriter | None) -> None:
        loss = float(self.loss_sum) / self.loss_steps
        self.loss_sum, self.loss_steps = torch.zeros((), device=self.device), 0
        self.network.eval()
        mask = self.config.loss.mask
        measured = self.processes.from_first(lambda: measure(self.network, self.data.validation, self.device, mask))
        self.network.train()
        presentations = self.step * self.batch_size
        self.history.append({"presentations": presentations, "loss": loss, **measured, **self.processes.record()})
        if measured["free_choice"] > self.best["feasibility"]:
            self.best = {
                "feasibility": measured["free_choice"],
                "presentations": presentations,
                "weights": weights_of(self.network),
            }
            self.stale = 0
        else:
            self.stale += 1
        if writer is not None:
            writer.add_scalar("loss", loss, presentations)
            for name, value in measured.items():
                writer.add_scalar(f"feasibility/{name}", value, presentations)
            write_metrics(self.run_dir, self.history)

    def _status(self) -> str:
        loss = float(self.loss_sum) / self.loss_steps
        feasibility = f"{self.history[-1]['free_choice']:.3f}" if self.history else "-"
        return f"loss {loss:.3f}, feasibility {feasibility}"

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "presentations": self.step * self.batch_size,
            "num_examples": len(self.batches),
            "num_solutions": self.data.num_solutions,
            "solutions_sha256": self.data.solutions_sha256,
            "stale": self.stale,
            "seconds": self.seconds,
            "history": self.history,
            "best": self.best,
            "loss_sum": self.loss_sum,
            "loss_steps": self.loss_steps,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        if state["solutions_sha256"] != self.data.solutions_sha256:
            raise ConfigError(
                f"{self.run_dir} holds a run on other solutions (has the pool file changed?); "
                "choose another folder with --out, or remove it to start afresh"
            )
        self.step, self.stale, self.seconds = state["step"], state["stale"], state["seconds"]
        self.history, self.best = state["history"], state["best"]
        self.loss_sum, self.loss_steps = state["loss_sum"].to(self.device), state["loss_steps"]
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
