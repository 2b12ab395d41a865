"""The description of one training of the study: ``label_free.toml`` beside this module, checked key by key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from training.config import SEED, SHARE, Rule, Section, above, at_least, config_of, one_of, read_table

_FILE = Path(__file__).with_name("label_free.toml")

_ORDERS = Rule("3 to 40", lambda orders: min(orders, default=0) >= 3 and max(orders) <= 40)

STARTS = ("plain", "bp")
"""Message passing that knows nothing, and a network that starts as belief propagation."""

KNOWLEDGE = ("clauses", "agn", "sbr", "planted")
"""What a loss knows; see ``benchmarks.studies.label_free.training.knowledge``."""


@dataclass(frozen=True)
class LabelFreeDataConfig(Section, name="data"):
    """Partial Latin squares, as a search first sees them or deeper."""

    orders: Annotated[tuple[int, ...], _ORDERS] = (8, 10, 12)
    """Of the squares."""
    solutions: Annotated[int, at_least(2)] = 40
    """Latin squares to sample of each order; partial ones are these under new sets of holes."""
    squares: Annotated[int, at_least(1)] = 2000
    """Partial squares."""
    tight: Annotated[float, SHARE] = 0.7
    """Share of them with as many holes as make search hard; see :class:`training.data.families.LatinSquares`."""
    least_candidates: Annotated[int, at_least(1)] = 20
    """Partial squares of which propagation leaves fewer open candidates are not worth a step."""


@dataclass(frozen=True)
class LabelFreeNetworkConfig(Section, name="network"):
    """A network on the candidate graph; both kinds take as many rounds of messages."""

    start: Annotated[str, one_of(*STARTS)] = "plain"
    """plain (``message_passing.py`` beside this module), or bp (``training/networks/belief_propagation.py``)."""
    blocks: Annotated[int, at_least(1)] = 3
    """How often scores are read out, each time for the loss."""
    rounds: Annotated[int, at_least(1)] = 4
    """Rounds of messages before each."""
    hidden: Annotated[int, at_least(1)] = 24
    """Width of the hidden states."""


@dataclass(frozen=True)
class LabelFreeLossConfig(Section, name="loss"):
    """What the loss knows, and the weights of the papers."""

    knowledge: Annotated[str, Rule(f"one of {', '.join(KNOWLEDGE)}", KNOWLEDGE.__contains__)] = "clauses"
    """One of :data:`KNOWLEDGE`."""
    bound: Annotated[float, at_least(0)] = 0.1
    """Of clauses: weight of L_bound beside L_cnf."""
    regularisation: Annotated[float, at_least(0)] = 1.0
    """Of sbr: weight of the regularisation beside the cross-entropy."""


@dataclass(frozen=True)
class LabelFreeTrainConfig(Section, name="train"):
    """The optimisation, Adam; the same for all knowledge. Of sudokus, too, where partial squares are puzzles."""

    steps: Annotated[int, at_least(1)] = 10_000
    """Optimisation steps; nothing is chosen by validation, the last weights count."""
    candidates_per_step: Annotated[int, at_least(1)] = 6000
    """Partial squares are drawn until they have this many open candidates together."""
    learning_rate: Annotated[float, above(0)] = 5e-3
    """Largest step size; it rises over the first steps and falls to almost 0 as a cosine."""
    clip: Annotated[float, above(0)] = 1.0
    """Largest norm of the gradient."""


@dataclass(frozen=True)
class LabelFreeConfig(Section):
    """One training."""

    seed: Annotated[int, SEED] = 0
    """Of the squares, the weights and the batches: the same squares in the same batches for all knowledge."""
    data: LabelFreeDataConfig = field(default_factory=LabelFreeDataConfig)
    network: LabelFreeNetworkConfig = field(default_factory=LabelFreeNetworkConfig)
    loss: LabelFreeLossConfig = field(default_factory=LabelFreeLossConfig)
    train: LabelFreeTrainConfig = field(default_factory=LabelFreeTrainConfig)


def read_label_free(overrides: dict[str, str] | None = None) -> LabelFreeConfig:
    """Read the committed config; see :func:`training.config.read_table`."""
    return config_of(LabelFreeConfig, read_table(_FILE, overrides), _FILE)
