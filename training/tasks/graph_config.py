"""The description of a training run of a network on the candidate graph: one TOML file and a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from training.tasks.dense_config import check, check_name, check_seed

FAMILIES = ("latin-square", "sudoku", "n-queens", "graph-colouring")


@dataclass(frozen=True)
class GraphDataConfig:
    """The states to train on: problem families, or one model of your own with its solutions."""

    latin_squares: tuple[int, ...] = ()
    """Orders of Latin squares; an empty list leaves a family out."""
    sudokus: tuple[int, ...] = ()
    """Boxes of sudokus: 3 is 9 x 9, 4 is 16 x 16."""
    queens: tuple[int, ...] = ()
    """Sizes of n-queens completions."""
    colours: tuple[int, ...] = ()
    """Numbers of colours (3, 4 or 5) of planted graph colourings."""
    shares: tuple[float, ...] = ()
    """How often each family is drawn, in the order of the four keys above, those in use; empty = equally often."""
    solutions: int = 40
    """Solutions to sample for each size of Latin squares and sudokus; rows, columns and values are permuted afresh."""
    cp_model: str = ""
    """A CpModelProto file of your own, instead of the families (--cp-model)."""
    history: str = ""
    """Its solutions, a .csv whose first line names variables (--solutions)."""
    held_out: float = 0.2
    """Share of the solutions kept from training, for the validation."""
    tight: float = 0.7
    """Share of the instances near the phase transition, as a search first sees them; the rest is of any depth."""
    least_candidates: int = 20
    """States with fewer open candidates are not worth a step."""
    knowledge: str = "none"
    """Source of the SBR term: none, singleton (probing), or exact (a solver, for Latin squares up to order 10)."""
    labels: str = ""
    """A file of states from searches (python -m training label); empty = none."""
    label_share: float = 0.3
    """Share of the draws from that file; states with few candidates are dropped after the draw."""
    validation_states: int = 48
    """States per family on which the network is measured while training."""

    def __post_init__(self) -> None:
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
        check(all(2 <= n <= 60 for n in self.latin_squares), "data.latin_squares: expected orders 2 to 60")
        check(all(2 <= b <= 5 for b in self.sudokus), "data.sudokus: expected boxes 2 to 5")
        check(all(n >= 4 for n in self.queens), "data.queens: expected sizes of 4 or more")
        check(set(self.colours) <= {3, 4, 5}, "data.colours: expected 3, 4 or 5")
        check(self.solutions >= 4, f"data.solutions: expected 4 or more, got {self.solutions}")
        check(0 < self.held_out < 1, f"data.held_out: expected a share between 0 and 1, got {self.held_out}")
        check(0 <= self.tight <= 1, f"data.tight: expected a share, got {self.tight}")
        check(0 <= self.label_share < 1, f"data.label_share: expected 0 to below 1, got {self.label_share}")
        check(
            self.knowledge in ("none", "singleton", "exact"),
            f"data.knowledge: expected none, singleton or exact, got {self.knowledge!r}",
        )
        for name in ("validation_states", "least_candidates"):
            check(getattr(self, name) >= 1, f"data.{name}: expected 1 or more, got {getattr(self, name)}")


@dataclass(frozen=True)
class GraphNetworkConfig:
    """Neural-enhanced belief propagation."""

    blocks: int = 8
    """Blocks of messages and one exchange of hidden states; they share their weights."""
    iterations: int = 2
    """Rounds of belief propagation in each block."""
    hidden: int = 16
    """Width of the hidden states."""
    damping: float = 0.5
    """Share of the old message that is kept."""
    reads_place: bool = False
    """Read where a value stands in its domain; set it where values are quantities."""

    def __post_init__(self) -> None:
        for name in ("blocks", "iterations", "hidden"):
            check(getattr(self, name) >= 1, f"network.{name}: expected 1 or more, got {getattr(self, name)}")
        check(0 <= self.damping < 1, f"network.damping: expected 0 to below 1, got {self.damping}")


@dataclass(frozen=True)
class GraphLossConfig:
    """Weights of the terms (see training/losses/candidate_graph.py); every block is trained, later ones more."""

    group: float = 1.0
    """Cross-entropy of each exactly-one group."""
    choice: float = 1.0
    """Cross-entropy of the choice among all open candidates of a state."""
    candidate: float = 0.3
    """Binary cross-entropy of each candidate, which makes scores log-odds."""
    refuted: float = 1.0
    """SBR: penalty on candidates that are known to be impossible."""

    def __post_init__(self) -> None:
        for name in ("group", "choice", "candidate", "refuted"):
            value = getattr(self, name)
            check(0 <= value < math.inf, f"loss.{name}: expected 0 or more, got {value}")


@dataclass(frozen=True)
class GraphTrainConfig:
    """The optimisation."""

    steps: int = 5000
    """Budget: optimisation steps."""
    candidates_per_step: int = 8000
    """States are drawn until they have this many open candidates together."""
    learning_rate: float = 3e-3
    """Adam's largest step size; it rises over the first 50 steps and falls to 0 as a cosine."""
    least_blocks: int = 0
    """Each step draws a number of blocks from this to network.blocks, so that fewer can be exported; 0 = always all."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    start: str = ""
    """Folder of an earlier run whose best weights to start from; empty = belief propagation."""
    device: str = "auto"
    """auto (CUDA where there is one), cpu, or cuda."""
    threads: int = 0
    """CPU threads; 0 leaves torch's default. Results are the same only for the same number."""
    evaluate_every: int = 200
    """Steps between two measurements."""

    def __post_init__(self) -> None:
        for name in ("steps", "candidates_per_step", "evaluate_every"):
            check(getattr(self, name) >= 1, f"train.{name}: expected 1 or more, got {getattr(self, name)}")
        check(self.threads >= 0, f"train.threads: expected 0 or more, got {self.threads}")
        check(0 < self.learning_rate < math.inf, f"train.learning_rate: expected above 0, got {self.learning_rate}")
        check(self.clip > 0, f"train.clip: expected above 0, got {self.clip}")
        check(self.device in ("auto", "cpu", "cuda"), f"train.device: expected auto, cpu or cuda, got {self.device!r}")


@dataclass(frozen=True)
class GraphConfig:
    """A whole run."""

    name: str = "universal"
    """Name of the run, and of the exported model."""
    seed: int = 0
    """Seed of the solutions, the states and the initial weights."""
    encoder: str = "candidate_graph"
    """Tells this kind of run from one of a dense network."""
    data: GraphDataConfig = field(default_factory=lambda: GraphDataConfig(latin_squares=(10,)))
    network: GraphNetworkConfig = field(default_factory=GraphNetworkConfig)
    loss: GraphLossConfig = field(default_factory=GraphLossConfig)
    train: GraphTrainConfig = field(default_factory=GraphTrainConfig)

    def __post_init__(self) -> None:
        check_name(self.name)
        check_seed("seed", self.seed)
        check(
            0 <= self.train.least_blocks <= self.network.blocks,
            f"train.least_blocks: expected 0 to network.blocks ({self.network.blocks}), got {self.train.least_blocks}",
        )
        check(self.encoder == "candidate_graph", f"encoder: expected candidate_graph, got {self.encoder!r}")
