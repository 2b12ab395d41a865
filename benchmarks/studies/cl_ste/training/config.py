"""The description of one task of the study: a TOML file beside this module, checked key by key."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from nnsearch.errors import ConfigError
from training.losses.cnf_ste import Binariser
from training.tasks.dense_config import check, config_of, read_table

_FOLDER = Path(__file__).with_name("configs")


@dataclass(frozen=True)
class DataConfig:
    """What is learned from. Everything is drawn from the seed of the run; test data are apart from the start."""

    examples: int = 3000
    """Training examples."""
    test: int = 400
    """Held-out pictures, boards or grids."""
    images: int = 3
    """Of membership: pictures in a list."""
    box: int = 2
    """Of sudoku: b, boards have b * b rows."""
    solutions: int = 1000
    """Of sudoku: boards to generate; examples are these under new sets of holes."""
    least_holes: float = 0.25
    """Of sudoku: smallest share of holes."""
    most_holes: float = 0.65
    """Of sudoku: largest share of holes."""
    degrees: bool = False
    """Of shortest paths: clauses for the nodes within a path and for removed edges too."""

    def __post_init__(self) -> None:
        for name in ("examples", "test", "images", "solutions"):
            check(getattr(self, name) >= 1, f"data.{name}: expected 1 or more, got {getattr(self, name)}")
        check(2 <= self.box <= 4, f"data.box: expected 2 to 4, got {self.box}")
        check(
            0 < self.least_holes <= self.most_holes <= 1,
            f"data.least_holes, data.most_holes: expected shares in this order, got {self.least_holes}, "
            f"{self.most_holes}",
        )


@dataclass(frozen=True)
class LossConfig:
    """``cnf`` * L_cnf + ``bound`` * L_bound + ``label`` * cross-entropy."""

    binariser: str = "probability"
    """probability, identity or saturated; see :func:`training.losses.cnf_ste.binarise`."""
    cnf: float = 1.0
    """Weight of L_cnf."""
    bound: float = 0.1
    """Weight of L_bound."""
    deduce: float = 1.0
    """Weight of the deduce term within L_cnf; the batch size is what the authors' code does."""
    open_only: bool = True
    """Leave out clauses that the facts alone satisfy; see :func:`training.losses.cnf_ste.cnf_loss`."""
    label: float = 0.0
    """Weight of the cross-entropy with labels, of tasks that have them."""

    def __post_init__(self) -> None:
        forms = get_args(Binariser)
        check(self.binariser in forms, f"loss.binariser: expected one of {', '.join(forms)}, got {self.binariser!r}")
        for name in ("cnf", "bound", "deduce", "label"):
            value = getattr(self, name)
            check(0 <= value < math.inf, f"loss.{name}: expected 0 or more, got {value}")


@dataclass(frozen=True)
class TrainConfig:
    """The optimisation, Adam."""

    epochs: int = 3
    """Passes over the examples."""
    batch_size: int = 16
    """Examples per step."""
    learning_rate: float = 1e-3
    """Step size."""
    decay: str = "none"
    """none, or cosine (to 0)."""
    hidden: tuple[int, ...] = (32, 64)
    """Width of each layer of the network."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            check(getattr(self, name) >= 1, f"train.{name}: expected 1 or more, got {getattr(self, name)}")
        check(0 < self.learning_rate < math.inf, f"train.learning_rate: expected above 0, got {self.learning_rate}")
        check(self.decay in ("none", "cosine"), f"train.decay: expected none or cosine, got {self.decay!r}")
        check(len(self.hidden) >= 1 and min(self.hidden) >= 1, f"train.hidden: expected widths >= 1, got {self.hidden}")


@dataclass(frozen=True)
class PublishedConfig:
    """What the paper and its authors' logs report, to stand beside the result."""

    measure: str = ""
    """Which of the task's measures it is to be compared with."""
    value: float = 0.0
    """The published value, a share."""
    seconds: float = 0.0
    """Published training time; 0 = not known."""
    target: float = 0.0
    """What this study aims at."""


@dataclass(frozen=True)
class TaskConfig:
    """A task and how it is learned."""

    name: str = "member-3"
    """Name in results."""
    task: str = "member"
    """Kind of task; see ``benchmarks.studies.cl_ste.tasks.tasks``."""
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    published: PublishedConfig = field(default_factory=PublishedConfig)


def task_names() -> list[str]:
    """Return the tasks that have a committed config."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def read_task(name: str, overrides: dict[str, str] | None = None) -> TaskConfig:
    """Read the committed config of a task, or a ``.toml`` file.

    Args:
        name: one of :func:`task_names`, or a path.
        overrides: see :func:`training.tasks.dense_config.read_table`.

    Raises:
        ConfigError: there is no such task, or its config is malformed.
    """
    if name.endswith(".toml"):
        path = Path(name)
    elif name in task_names():
        path = _FOLDER / f"{name}.toml"
    else:
        raise ConfigError(f"--task: expected a .toml file or one of {', '.join(task_names())}, got {name!r}")
    return config_of(TaskConfig, read_table(path, overrides), path)
