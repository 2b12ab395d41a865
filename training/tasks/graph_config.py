"""The description of a training run of a network on the candidate graph: one TOML file and a seed."""

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
    each,
    one_of,
)


@dataclass(frozen=True)
class GraphDataConfig(Section, name="data"):
    """The states to train on: problem families, or one model of your own with its solutions."""

    latin_squares: Annotated[tuple[int, ...], each("orders 2 to 60", lambda n: 2 <= n <= 60)] = ()
    """Orders of Latin squares; an empty list leaves a family out."""
    sudokus: Annotated[tuple[int, ...], each("boxes 2 to 5", lambda b: 2 <= b <= 5)] = ()
    """Boxes of sudokus: 3 is 9 x 9, 4 is 16 x 16."""
    queens: Annotated[tuple[int, ...], each("sizes of 4 or more", lambda n: n >= 4)] = ()
    """Sizes of n-queens completions."""
    colours: Annotated[tuple[int, ...], each("3, 4 or 5", lambda k: 3 <= k <= 5)] = ()
    """Numbers of colours (3, 4 or 5) of planted graph colourings."""
    shares: tuple[float, ...] = ()
    """How often each family is drawn, in the order of the four keys above, those in use; empty = equally often."""
    solutions: Annotated[int, at_least(4)] = 40
    """Solutions to sample for each size of Latin squares and sudokus; rows, columns and values are permuted afresh."""
    cp_model: str = ""
    """A CpModelProto file of your own, instead of the families (--cp-model)."""
    history: str = ""
    """Its solutions, a .csv whose first line names variables (--solutions)."""
    held_out: Annotated[float, PROPER_SHARE] = 0.2
    """Share of the solutions kept from training, for the validation."""
    tight: Annotated[float, SHARE] = 0.7
    """Share of the instances near the phase transition, as a search first sees them; the rest is of any depth."""
    least_candidates: Annotated[int, at_least(1)] = 20
    """States with fewer open candidates are not worth a step."""
    knowledge: Annotated[str, one_of("none", "singleton")] = "none"
    """Source of the SBR term: none, or singleton (probing)."""
    labels: str = ""
    """A file of states from searches (python -m training label); empty = none."""
    label_share: Annotated[float, SHARE_BELOW_1] = 0.3
    """Share of the draws from that file; states with few candidates are dropped after the draw."""
    validation_states: Annotated[int, at_least(1)] = 48
    """States per family on which the network is measured while training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        families = [f for f in (self.latin_squares, self.sudokus, self.queens, self.colours) if f]
        check(
            bool(families) != bool(self.cp_model),
            "data: expected families (latin_squares, sudokus, queens, colours) or a cp_model, not both and not none",
        )
        check(bool(self.cp_model) == bool(self.history), "data: cp_model and history go together")
        check(
            not self.shares or (len(self.shares) == len(families) and min(self.shares) > 0),
            f"data.shares: expected a positive number for each of the {len(families)} families, got {self.shares}",
        )


@dataclass(frozen=True)
class GraphNetworkConfig(Section, name="network"):
    """Neural-enhanced belief propagation."""

    blocks: Annotated[int, at_least(1)] = 8
    """Blocks of messages and one exchange of hidden states; they share their weights."""
    iterations: Annotated[int, at_least(1)] = 2
    """Rounds of belief propagation in each block."""
    hidden: Annotated[int, at_least(1)] = 16
    """Width of the hidden states."""
    damping: Annotated[float, SHARE_BELOW_1] = 0.5
    """Share of the old message that is kept."""
    reads_place: bool = False
    """Read where a value stands in its domain; set it where values are quantities."""


@dataclass(frozen=True)
class GraphLossConfig(Section, name="loss"):
    """Weights of the terms (see training/losses/candidate_graph.py); every block is trained, later ones more."""

    group: Annotated[float, at_least(0)] = 1.0
    """Cross-entropy of each exactly-one group."""
    choice: Annotated[float, at_least(0)] = 1.0
    """Cross-entropy of the choice among all open candidates of a state."""
    candidate: Annotated[float, at_least(0)] = 0.3
    """Binary cross-entropy of each candidate, which makes scores log-odds."""
    refuted: Annotated[float, at_least(0)] = 1.0
    """SBR: penalty on candidates that are known to be impossible."""


@dataclass(frozen=True)
class GraphTrainConfig(Section, name="train"):
    """The optimisation."""

    steps: Annotated[int, at_least(1)] = 5000
    """Budget: optimisation steps."""
    candidates_per_step: Annotated[int, at_least(1)] = 8000
    """States are drawn until they have this many open candidates together."""
    learning_rate: Annotated[float, above(0)] = 3e-3
    """Adam's largest step size; it rises over the first 50 steps and falls to 0 as a cosine."""
    least_blocks: int = 0
    """Each step draws a number of blocks from this to network.blocks, so that fewer can be exported; 0 = always all."""
    clip: Annotated[float, Rule("above 0", lambda clip: clip > 0)] = 1.0
    """Largest norm of the gradient."""
    start: str = ""
    """Folder of an earlier run whose best weights to start from; empty = belief propagation."""
    device: Annotated[str, one_of("auto", "cpu", "cuda")] = "auto"
    """auto (CUDA where there is one), cpu, or cuda."""
    threads: Annotated[int, at_least(0)] = 0
    """CPU threads; 0 is one for each core that the process may use. Results are the same only for the same number."""
    evaluate_every: Annotated[int, at_least(1)] = 200
    """Steps between two measurements."""


@dataclass(frozen=True)
class GraphConfig(Section):
    """A whole run."""

    name: Annotated[str, FILE_NAME] = "universal"
    """Name of the run, and of the exported model."""
    seed: Annotated[int, SEED] = 0
    """Seed of the solutions, the states and the initial weights."""
    encoder: Annotated[str, Rule("candidate_graph", "candidate_graph".__eq__)] = "candidate_graph"
    """Tells this kind of run from one of a dense network."""
    data: GraphDataConfig = field(default_factory=lambda: GraphDataConfig(latin_squares=(10,)))
    network: GraphNetworkConfig = field(default_factory=GraphNetworkConfig)
    loss: GraphLossConfig = field(default_factory=GraphLossConfig)
    train: GraphTrainConfig = field(default_factory=GraphTrainConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            0 <= self.train.least_blocks <= self.network.blocks,
            f"train.least_blocks: expected 0 to network.blocks ({self.network.blocks}), got {self.train.least_blocks}",
        )
