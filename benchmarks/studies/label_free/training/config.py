"""The description of one training of the study: ``label_free.toml`` beside this module, checked key by key."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from training.tasks.dense_config import check, check_seed, config_of, read_table

_FILE = Path(__file__).with_name("label_free.toml")

STARTS = ("plain", "bp")
"""Message passing that knows nothing, and a network that starts as belief propagation."""

KNOWLEDGE = ("clauses", "agn", "sbr", "planted")
"""What a loss knows; see ``benchmarks.studies.label_free.training.knowledge``."""


@dataclass(frozen=True)
class DataConfig:
    """Partial Latin squares, as a search first sees them or deeper."""

    orders: tuple[int, ...] = (8, 10, 12)
    """Of the squares."""
    solutions: int = 40
    """Latin squares to sample of each order; partial ones are these under new sets of holes."""
    squares: int = 2000
    """Partial squares."""
    tight: float = 0.7
    """Share of them with as many holes as make search hard; see :class:`training.data.families.LatinSquares`."""
    least_candidates: int = 20
    """Partial squares of which propagation leaves fewer open candidates are not worth a step."""

    def __post_init__(self) -> None:
        check(
            bool(self.orders) and all(3 <= n <= 40 for n in self.orders),
            f"data.orders: expected 3 to 40, got {self.orders}",
        )
        check(0 <= self.tight <= 1, f"data.tight: expected a share, got {self.tight}")
        for name, least in (("solutions", 2), ("squares", 1), ("least_candidates", 1)):
            value = getattr(self, name)
            check(value >= least, f"data.{name}: expected {least} or more, got {value}")


@dataclass(frozen=True)
class NetworkConfig:
    """A network on the candidate graph; both kinds take as many rounds of messages."""

    start: str = "plain"
    """plain (``message_passing.py`` beside this module), or bp (``training/networks/belief_propagation.py``)."""
    blocks: int = 3
    """How often scores are read out, each time for the loss."""
    rounds: int = 4
    """Rounds of messages before each."""
    hidden: int = 24
    """Width of the hidden states."""

    def __post_init__(self) -> None:
        check(self.start in STARTS, f"network.start: expected {' or '.join(STARTS)}, got {self.start!r}")
        for name in ("blocks", "rounds", "hidden"):
            check(getattr(self, name) >= 1, f"network.{name}: expected 1 or more, got {getattr(self, name)}")


@dataclass(frozen=True)
class LossConfig:
    """What the loss knows, and the weights of the papers."""

    knowledge: str = "clauses"
    """One of :data:`KNOWLEDGE`."""
    bound: float = 0.1
    """Of clauses: weight of L_bound beside L_cnf."""
    regularisation: float = 1.0
    """Of sbr: weight of the regularisation beside the cross-entropy."""

    def __post_init__(self) -> None:
        check(
            self.knowledge in KNOWLEDGE,
            f"loss.knowledge: expected one of {', '.join(KNOWLEDGE)}, got {self.knowledge!r}",
        )
        for name in ("bound", "regularisation"):
            value = getattr(self, name)
            check(0 <= value < math.inf, f"loss.{name}: expected 0 or more, got {value}")


@dataclass(frozen=True)
class TrainConfig:
    """The optimisation, Adam; the same for all knowledge."""

    steps: int = 10_000
    """Optimisation steps; nothing is chosen by validation, the last weights count."""
    candidates_per_step: int = 6000
    """Partial squares are drawn until they have this many open candidates together."""
    learning_rate: float = 5e-3
    """Largest step size; it rises over the first steps and falls to almost 0 as a cosine."""
    clip: float = 1.0
    """Largest norm of the gradient."""

    def __post_init__(self) -> None:
        for name in ("steps", "candidates_per_step"):
            check(getattr(self, name) >= 1, f"train.{name}: expected 1 or more, got {getattr(self, name)}")
        for name in ("learning_rate", "clip"):
            value = getattr(self, name)
            check(0 < value < math.inf, f"train.{name}: expected above 0, got {value}")


@dataclass(frozen=True)
class LabelFreeConfig:
    """One training."""

    seed: int = 0
    """Of the squares, the weights and the batches: the same squares in the same batches for all knowledge."""
    data: DataConfig = field(default_factory=DataConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        check_seed("seed", self.seed)


def read_label_free(overrides: dict[str, str] | None = None) -> LabelFreeConfig:
    """Read the committed config.

    Args:
        overrides: see :func:`training.tasks.dense_config.read_table`.

    Raises:
        ConfigError: an override does not fit.
    """
    return config_of(LabelFreeConfig, read_table(_FILE, overrides), _FILE)
