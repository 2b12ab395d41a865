"""The description of a training run of a network on the model graph: one TOML file and a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from training.config import (
    FILE_NAME,
    PROPER_SHARE,
    SEED,
    SHARE,
    SHARE_BELOW_1,
    Rule,
    Section,
    above,
    at_least,
    check,
    one_of,
)


@dataclass(frozen=True)
class ModelDataConfig(Section, name="data"):
    """Solved models of one family, or of several."""

    models: str = ""
    """Folder of models (NAME.pb) with solutions beside them (NAME.solutions.npz) (--models)."""
    history: str = ""
    """A store of past solves instead, a file or a URL (--history)."""
    family: str = ""
    """Which solves of the store; empty = all."""
    relaxed: bool = True
    """Tell the network what the linear relaxation of a model says; solving needs it then, too."""
    held_out: Annotated[float, PROPER_SHARE] = 0.2
    """Share of the models kept from training, for the validation; at least one."""
    temperature: Annotated[float, above(0)] = 0.02
    """What solutions count falls by the factor e with every such share that they are worse than the model's best."""
    root: Annotated[float, SHARE] = 0.5
    """Share of the states in which nothing is decided yet."""
    deepest: Annotated[float, SHARE_BELOW_1] = 0.9
    """The others have a random share of the variables decided as in a good solution, up to this."""
    knowledge: Annotated[str, one_of("none", "rows")] = "none"
    """Source of the SBR term: none, or rows (bounds propagation of sums, clauses and at-most-ones, with conditions)."""
    validation_states: Annotated[int, at_least(1)] = 3
    """States of each held-out model on which the network is measured: its root, and others."""


@dataclass(frozen=True)
class ModelNetworkConfig(Section, name="network"):
    """Messages between items and nodes."""

    rounds: Annotated[int, at_least(1)] = 3
    """Rounds of messages, to the nodes and back."""
    hidden: Annotated[int, at_least(1)] = 32
    """Width of the states of items and nodes."""
    messages: Annotated[int, at_least(1)] = 16
    """Width of the messages on edges, which are most of the cost."""


@dataclass(frozen=True)
class ModelLossConfig(Section, name="loss"):
    """Weights of the terms beside the cross-entropy of decisions (see training/tasks/model_graph_loss.py)."""

    target: Annotated[float, at_least(0)] = 1.0
    """Distance of targets from the values of a good solution, for variables with many values."""
    negatives: Annotated[float, at_least(0)] = 1.0
    """How much more a decision counts that all worse solutions of a pool have otherwise than the good ones."""
    rows: Annotated[float, at_least(0)] = 0.0
    """How far the relaxed prediction is outside the rows."""
    straight_through: Annotated[float, at_least(0)] = 0.0
    """Rows and clauses that the likelier values violate, through a straight-through estimator."""
    refuted: Annotated[float, at_least(0)] = 1.0
    """SBR: penalty on values that data.knowledge rules out in the state."""


@dataclass(frozen=True)
class ModelTrainConfig(Section, name="train"):
    """The optimisation."""

    steps: Annotated[int, at_least(1)] = 2000
    """Budget: optimisation steps."""
    edges_per_step: Annotated[int, at_least(1)] = 50_000
    """States are drawn until they have this many edges together."""
    learning_rate: Annotated[float, above(0)] = 3e-3
    """Adam's largest step size; it rises over the first 50 steps and falls to 0 as a cosine."""
    clip: Annotated[float, Rule("above 0", lambda clip: clip > 0)] = 1.0
    """Largest norm of the gradient."""
    patience: Annotated[int, at_least(0)] = 8
    """Measurements without a better one after which the run ends; 0 = it does not."""
    evaluate_every: Annotated[int, at_least(1)] = 50
    """Steps between two measurements."""
    device: Annotated[str, one_of("auto", "cpu", "cuda")] = "auto"
    """auto (CUDA where there is one), cpu, or cuda."""
    threads: Annotated[int, at_least(0)] = 0
    """CPU threads; 0 is one for each core that the process may use. Results are the same only for the same number."""


@dataclass(frozen=True)
class ModelGraphConfig(Section):
    """A whole run."""

    name: Annotated[str, FILE_NAME] = "family"
    """Name of the run, and of the exported network."""
    seed: Annotated[int, SEED] = 0
    """Seed of the split, the states and the initial weights."""
    encoder: Annotated[str, Rule("model_graph", "model_graph".__eq__)] = "model_graph"
    """Tells this kind of run from others."""
    data: ModelDataConfig = field(default_factory=lambda: ModelDataConfig(models="models"))
    network: ModelNetworkConfig = field(default_factory=ModelNetworkConfig)
    loss: ModelLossConfig = field(default_factory=ModelLossConfig)
    train: ModelTrainConfig = field(default_factory=ModelTrainConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            bool(self.data.models) != bool(self.data.history),
            "data: expected models, a folder, or history, a store; not both and not none",
        )
        check(not self.data.family or bool(self.data.history), "data.family: expected data.history with it")
