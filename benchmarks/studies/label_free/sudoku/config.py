"""The description of one training on sudokus: ``sudoku.toml`` beside this module, checked key by key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from benchmarks.studies.label_free.sudoku.puzzles import BOX_SHAPES
from benchmarks.studies.label_free.training.config import LabelFreeNetworkConfig, LabelFreeTrainConfig
from training.config import SEED, SHARE, SHARE_BELOW_1, Rule, Section, at_least, config_of, each, read_table

_FILE = Path(__file__).with_name("sudoku.toml")


@dataclass(frozen=True)
class SudokuDataConfig(Section, name="data"):
    """Sudokus with one solution, as a search first sees them."""

    order: Annotated[int, Rule(f"one of {', '.join(map(str, BOX_SHAPES))}", BOX_SHAPES.__contains__)] = 9
    """Of the puzzles; singles complete nearly all of order 4 and 6."""
    puzzles: Annotated[int, at_least(1)] = 3000
    """Minimal puzzles to draw."""
    easier: Annotated[tuple[float, ...], each("shares from 0 to 1", lambda share: 0 <= share <= 1)] = (0.0, 0.05, 0.15)
    """Each minimal puzzle gives one for each of these shares of its holes that are shown as well."""
    least_candidates: Annotated[int, at_least(1)] = 8
    """Puzzles of which singles leave fewer open candidates are not worth a step."""
    held_out: Annotated[int, at_least(1)] = 200
    """Puzzles whose rules say which weights are kept; the study tests on others."""


@dataclass(frozen=True)
class SudokuLossConfig(Section, name="loss"):
    """L_cnf and L_bound of Yang, Lee and Park (2022), and labels of some puzzles."""

    bound: Annotated[float, at_least(0)] = 0.1
    """Weight of L_bound beside L_cnf."""
    labels: Annotated[float, SHARE] = 0.0
    """Share of the puzzles whose solution is shown: the cross-entropy of their groups is added."""


@dataclass(frozen=True)
class SudokuTrainConfig(LabelFreeTrainConfig, name="train"):
    """The optimisation; kept are the weights that complete most held-out puzzles, which takes no solution."""

    least_blocks: Annotated[int, at_least(1)] = 4
    """A step runs a random number of blocks, from this to that of the network, so that more of them help later."""
    measure_every: Annotated[int, at_least(1)] = 500
    """Steps between two looks at held-out puzzles."""
    average: Annotated[float, SHARE_BELOW_1] = 0.998
    """Decay of the moving average of the weights, which is what is looked at and kept; 0 = the weights of the step."""


@dataclass(frozen=True)
class SudokuConfig(Section):
    """One training."""

    seed: Annotated[int, SEED] = 0
    """Of the puzzles, the weights and the batches."""
    data: SudokuDataConfig = field(default_factory=SudokuDataConfig)
    network: LabelFreeNetworkConfig = field(default_factory=LabelFreeNetworkConfig)
    loss: SudokuLossConfig = field(default_factory=SudokuLossConfig)
    train: SudokuTrainConfig = field(default_factory=SudokuTrainConfig)


def read_sudoku(overrides: dict[str, str] | None = None) -> SudokuConfig:
    """Read the committed config; see :func:`training.config.read_table`."""
    return config_of(SudokuConfig, read_table(_FILE, overrides), _FILE)
