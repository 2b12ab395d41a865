"""Training of a dense network: batches of examples, early stopping on feasibility."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nnsearch.errors import ConfigError
from training.data.dense_problems import DenseProblem
from training.data.feasibility import (
    FeasibilityStates,
    fixed_cell,
    forward_checking,
    free_choice,
    possible_candidates,
    score_states,
)
from training.loop import Measurement, Measuring, Task, Training, TrainingProgress
from training.losses.dense import SBRForm, candidate_cross_entropy, semantic_based_regularisation
from training.networks.mlp import MLP
from training.running.checkpoint import load_checkpoint
from training.running.distributed import ALONE, Processes
from training.running.threads import set_threads
from training.schedule import ExampleOrder, cosine
from training.tasks.dense_config import DenseConfig, DenseLossConfig
from training.tasks.dense_examples import ExampleBatches, TrainingData, prepare_dense_data
from training.tasks.run_folder import check_claim, claim

Propagator = Callable[[Tensor], Tensor]
"""assignment float32[B, N] -> [B, N], non-zero where the candidate is still a possible next decision."""


@dataclass(frozen=True)
class DenseOutcome:
    """What a run ended with: the network with the weights of the best measurement, on the CPU, in evaluation mode.

    ``feasibility`` is that of the validation (free choice; no propagation, unless the loss has a mask); presentations
    are examples shown, examples and solutions distinct ones, held-out solutions included; ``seconds`` is wall time of
    training, data preparation excluded, over all resumed parts; ``interrupted``: Ctrl-C stopped the run before its end.
    """

    network: MLP
    feasibility: float
    presentations: int
    best_presentations: int
    num_examples: int
    num_solutions: int
    seconds: float
    interrupted: bool


def fit(config: DenseConfig, run_dir: Path, processes: Processes = ALONE) -> DenseOutcome:
    """Train, or go on where an earlier call in the same folder stopped; see :mod:`training.loop`.

    Several processes split each batch; they take the same steps as one, up to the rounding of sums; all see the folder
    and get the same outcome. It receives ``config.toml``, ``pool.npz``, ``checkpoint.pt``, ``metrics.jsonl`` and
    TensorBoard events.

    Raises:
        ConfigError: the folder holds a run with another config, or CUDA is asked for and absent.
    """

    def prepared() -> tuple[MLP, Training]:
        device = processes.own(choose_device(config.train.device))
        set_threads(config.train.threads)
        propagator = load_propagator(config.loss.propagator, config.problem.dense())
        check_claim(run_dir, config)
        if processes.first and not config.pool.file:
            claim(run_dir, config)  # before the sampled pool is written there
        data = prepare_dense_data(config, run_dir / "pool.npz")
        if processes.first:
            claim(run_dir, config)
        torch.manual_seed(config.seed)
        network = MLP(data.problem.num_candidates, config.network.hidden).to(device)
        return network, Training(_task(config, data, network, device, propagator, processes), run_dir, processes)

    network, training = processes.in_turn(prepared)
    return _outcome(network, training.run())


def stored_outcome(config: DenseConfig, run_dir: Path) -> DenseOutcome:
    """Return what the run in a folder has reached, which is only read; ``interrupted``: it is not at its end.

    Before the first measurement ``best_presentations`` is 0, and the weights are the initial ones.

    Raises:
        ConfigError: the folder holds no checkpoint of such a run.
    """
    network = MLP(config.problem.dense().num_candidates, config.network.hidden)
    return _outcome(network, TrainingProgress.of(load_checkpoint(run_dir / "checkpoint.pt")))


def _outcome(network: MLP, progress: TrainingProgress) -> DenseOutcome:
    network.load_state_dict(progress.best["weights"])
    return DenseOutcome(
        network=network.cpu().eval(),
        feasibility=progress.best["score"],
        presentations=progress.step * progress.facts["batch_size"],
        best_presentations=progress.best["step"] * progress.facts["batch_size"],
        num_examples=progress.facts["num_examples"],
        num_solutions=progress.facts["num_solutions"],
        seconds=progress.seconds,
        interrupted=not progress.finished,
    )


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


def dense_loss(
    scores: Tensor,
    assignment: Tensor,
    target: Tensor,
    config: DenseLossConfig,
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


def scores_of(
    network: torch.nn.Module, device: torch.device | str = "cpu"
) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    """Return what a network makes of assignments, float32[B, N] -> float32[B, N]."""

    def scores(assignment: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            found: npt.NDArray[np.float32] = network(torch.from_numpy(assignment).to(device)).cpu().numpy()
        return found

    return scores


def measure(
    network: torch.nn.Module, states: FeasibilityStates, device: torch.device, propagation: str = "none"
) -> dict[str, float]:
    """Measure a network on labelled states: free choice after a propagation, fixed cell after full propagation."""
    scores = score_states(scores_of(network, device), states)
    free = states.by_level(free_choice(states, scores, possible_candidates(states, propagation)))
    fixed = states.by_level(fixed_cell(states, scores, possible_candidates(states, "full")))
    return {"free_choice": float(np.nanmean(free)), "fixed_cell_full": float(np.nanmean(fixed))}


def _task(
    config: DenseConfig,
    data: TrainingData,
    network: MLP,
    device: torch.device,
    propagator: Propagator | None,
    processes: Processes,
) -> Task:
    train = config.train
    mask = load_propagator(config.loss.mask, data.problem)
    batches = ExampleBatches(data.examples, data.problem.num_values, config.loss.target, device)
    order = ExampleOrder(len(batches), train.batch_size, config.seed)
    batch_size = order.batch_size
    steps = max(1, train.presentations // batch_size)
    evaluate_every = train.evaluate_every or min(250_000, train.presentations // 10)

    def loss(forward: torch.nn.Module, step: int) -> Tensor:
        index, share = processes.part(order.at(step).to(device))
        assignment, target = batches.batch(index)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=train.precision == "bf16"):
            scores = forward(assignment)
        # Every term is a mean over the examples.
        return share * dense_loss(scores, assignment, target, config.loss, propagator, mask)

    def measured(step: int, mean_loss: float | None) -> Measurement:
        found = measure(network, data.validation, device, config.loss.mask)
        return Measurement(
            score=found["free_choice"],
            entry={"presentations": step * batch_size, "loss": mean_loss, **found},
            scalars={f"feasibility/{name}": value for name, value in found.items()},
            status=f"feasibility {found['free_choice']:.3f}",
        )

    return Task(
        name=config.name,
        network=network,
        optimizer=torch.optim.Adam(network.parameters(), lr=train.learning_rate, fused=True),
        rate=cosine(train.learning_rate, steps) if train.decay == "cosine" else lambda _: train.learning_rate,
        steps=steps,
        loss=loss,
        measuring=Measuring(measured, max(1, evaluate_every // batch_size), patience=train.patience),
        identity=data.solutions_sha256,
        stranger="a run on other solutions (has the pool file changed?); choose another folder with --out, or remove "
        "it to start afresh",
        facts={"batch_size": batch_size, "num_examples": len(batches), "num_solutions": data.num_solutions},
        unit="ex",
        per_step=batch_size,
    )
