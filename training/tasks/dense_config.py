"""The description of a training run of a dense network: one TOML file and a seed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from nnsearch.problems.n_queens.problem import QueensBoard
from training.config import (
    FILE_NAME,
    PROPER_SHARE,
    SEED,
    WIDTHS,
    Rule,
    Section,
    above,
    at_least,
    between,
    check,
    config_of,
    one_of,
    read_table,
)
from training.data.dense_problems import KINDS, DenseProblem, dense_problem

ORDER = between(2, 64)
"""Orders of which a network can be trained."""

_PROPAGATOR = Rule(
    "none, rows, full or module:function",
    lambda name: name in ("none", "rows", "full") or re.fullmatch("[^:]+:[^:]+", name) is not None,
)


@dataclass(frozen=True)
class ProblemConfig(Section, name="problem"):
    """The problem family and its size."""

    kind: Annotated[str, Rule(", ".join(KINDS), KINDS.__contains__)] = "latin-square"
    """Problem family: latin-square, sudoku or n-queens."""
    order: Annotated[int, ORDER] = 10
    """Order of the square: rows, columns and values; number of queens."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.dense()

    def dense(self) -> DenseProblem:
        """Return the problem.

        Raises:
            ConfigError: there is none of that order.
        """
        return dense_problem(self.kind, self.order)


@dataclass(frozen=True)
class PoolConfig(Section, name="pool"):
    """Where the solutions come from."""

    solutions: Annotated[int, at_least(2)] = 10_000
    """Solutions to sample (Latin squares: uniform, Jacobson-Matthews; others: not uniform, see
    training/data/dense_problems.py); with a file, how many of its first ones to use."""
    seed: Annotated[int, SEED] = 1
    """Seed of the sampler."""
    file: str = ""
    """Read the solutions from this .npz or .csv file instead of sampling."""


@dataclass(frozen=True)
class DenseDataConfig(Section, name="data"):
    """From solutions to examples."""

    passes: Annotated[int, at_least(1)] = 1
    """Deconstructions of each solution (Algorithm 1)."""
    examples: Annotated[int, at_least(0)] = 0
    """Training examples to keep, drawn at random from all of them; 0 keeps all."""
    split: Annotated[str, one_of("solution", "example")] = "solution"
    """What is held out: solution, or example (the paper: parts of one solution are on both sides, which leaks)."""
    held_out: Annotated[float, PROPER_SHARE] = 0.25
    """Share of the solutions (of the examples) kept from training; the validation states come from them."""
    validation_states: Annotated[int, at_least(1)] = 5_000
    """Partial solutions, over all fill levels, on which feasibility is measured while training."""


@dataclass(frozen=True)
class DenseNetworkConfig(Section, name="network"):
    """The network."""

    hidden: Annotated[tuple[int, ...], WIDTHS] = (512, 512, 512)
    """Width of each hidden layer."""


@dataclass(frozen=True)
class DenseLossConfig(Section, name="loss"):
    """Cross-entropy + weight * SBR."""

    target: Annotated[str, one_of("single", "solution")] = "single"
    """single: the pair just removed (the paper); solution: uniform over the solution's remaining pairs."""
    propagator: Annotated[str, _PROPAGATOR] = "none"
    """Source of knowledge: none (no SBR: the agnostic network), rows (not of n-queens), full, or module:function of
    your own."""
    form: Annotated[str, one_of("mse", "bce", "negative")] = "mse"
    """Form of the SBR term: mse, bce or negative."""
    weight: Annotated[float, at_least(0)] = 1.0
    """Lambda, the weight of the SBR term."""
    mask: Annotated[str, one_of("none", "rows", "full")] = "none"
    """Propagation that the network will always be asked after: none, rows or full; what it rules out is left out of the
    cross-entropy's softmax and of validation, so that the network learns what complements it."""


@dataclass(frozen=True)
class DenseTrainConfig(Section, name="train"):
    """The optimisation."""

    presentations: Annotated[int, at_least(1)] = 3_000_000
    """Budget: examples shown, counted with repetition."""
    batch_size: Annotated[int, at_least(1)] = 1024
    """Examples per step."""
    learning_rate: Annotated[float, above(0)] = 1e-3
    """Adam's step size at the start."""
    decay: Annotated[str, one_of("none", "cosine")] = "none"
    """Step size over the budget: none (the paper), or cosine (to 0)."""
    precision: Annotated[str, one_of("fp32", "bf16")] = "fp32"
    """fp32, or bf16 (autocast, weights stay fp32)."""
    device: Annotated[str, one_of("auto", "cpu", "cuda")] = "auto"
    """auto (CUDA where there is one), cpu, or cuda."""
    threads: Annotated[int, at_least(0)] = 0
    """CPU threads; 0 is one for each core that the process may use. Results are the same only for the same number."""
    evaluate_every: Annotated[int, at_least(0)] = 0
    """Presentations between two measurements of validation feasibility; 0 is a tenth of the budget, at most 250000."""
    patience: Annotated[int, at_least(0)] = 0
    """Stop after this many measurements without a gain; 0 never stops early."""


@dataclass(frozen=True)
class DenseConfig(Section):
    """A whole run."""

    name: Annotated[str, FILE_NAME] = "pls"
    """Name of the run, and of the exported model."""
    seed: Annotated[int, SEED] = 0
    """Seed of the split, the deconstruction, the initial weights and the order of the examples."""
    problem: ProblemConfig = field(default_factory=ProblemConfig)
    pool: PoolConfig = field(default_factory=PoolConfig)
    data: DenseDataConfig = field(default_factory=DenseDataConfig)
    network: DenseNetworkConfig = field(default_factory=DenseNetworkConfig)
    loss: DenseLossConfig = field(default_factory=DenseLossConfig)
    train: DenseTrainConfig = field(default_factory=DenseTrainConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("propagator", "mask"):
            check(
                getattr(self.loss, key) != "rows" or self.problem.kind != QueensBoard.name,
                f"loss.{key}: expected none or full for {QueensBoard.name}, got 'rows'",
            )


def read_config(path: Path, overrides: Mapping[str, str] | None = None) -> DenseConfig:
    """Read the TOML file of a run; see :func:`training.config.read_table`."""
    return config_of(DenseConfig, read_table(path, overrides), path)
