"""The description of one task of the study: a TOML file beside this module, checked key by key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, get_args

from nnsearch.errors import ConfigError
from training.config import Rule, Section, above, at_least, between, check, config_of, one_of, read_table
from training.losses.cnf_ste import Binariser

_FOLDER = Path(__file__).with_name("configs")

_FORMS = get_args(Binariser)


@dataclass(frozen=True)
class TaskDataConfig(Section, name="data"):
    """What is learned from. Everything is drawn from the seed of the run; test data are apart from the start."""

    examples: Annotated[int, at_least(1)] = 3000
    """Training examples."""
    test: Annotated[int, at_least(1)] = 400
    """Held-out pictures, boards or grids."""
    images: Annotated[int, at_least(1)] = 3
    """Of membership: pictures in a list."""
    box: Annotated[int, between(2, 4)] = 2
    """Of sudoku: b, boards have b * b rows."""
    solutions: Annotated[int, at_least(1)] = 1000
    """Of sudoku: boards to generate; examples are these under new sets of holes."""
    least_holes: float = 0.25
    """Of sudoku: smallest share of holes."""
    most_holes: float = 0.65
    """Of sudoku: largest share of holes."""
    degrees: bool = False
    """Of shortest paths: clauses for the nodes within a path and for removed edges too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            0 < self.least_holes <= self.most_holes <= 1,
            f"data.least_holes, data.most_holes: expected shares in this order, got {self.least_holes}, "
            f"{self.most_holes}",
        )


@dataclass(frozen=True)
class TaskLossConfig(Section, name="loss"):
    """``cnf`` * L_cnf + ``bound`` * L_bound + ``label`` * cross-entropy."""

    binariser: Annotated[str, Rule(f"one of {', '.join(_FORMS)}", _FORMS.__contains__)] = "probability"
    """probability, identity or saturated; see :func:`training.losses.cnf_ste.binarise`."""
    cnf: Annotated[float, at_least(0)] = 1.0
    """Weight of L_cnf."""
    bound: Annotated[float, at_least(0)] = 0.1
    """Weight of L_bound."""
    deduce: Annotated[float, at_least(0)] = 1.0
    """Weight of the deduce term within L_cnf; the batch size is what the authors' code does."""
    open_only: bool = True
    """Leave out clauses that the facts alone satisfy; see :func:`training.losses.cnf_ste.cnf_loss`."""
    label: Annotated[float, at_least(0)] = 0.0
    """Weight of the cross-entropy with labels, of tasks that have them."""


@dataclass(frozen=True)
class TaskTrainConfig(Section, name="train"):
    """The optimisation, Adam."""

    epochs: Annotated[int, at_least(1)] = 3
    """Passes over the examples."""
    batch_size: Annotated[int, at_least(1)] = 16
    """Examples per step."""
    learning_rate: Annotated[float, above(0)] = 1e-3
    """Step size."""
    decay: Annotated[str, one_of("none", "cosine")] = "none"
    """none, or cosine (to 0)."""
    hidden: Annotated[tuple[int, ...], Rule("widths >= 1", lambda widths: min(widths, default=0) >= 1)] = (32, 64)
    """Width of each layer of the network."""


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
    data: TaskDataConfig = field(default_factory=TaskDataConfig)
    loss: TaskLossConfig = field(default_factory=TaskLossConfig)
    train: TaskTrainConfig = field(default_factory=TaskTrainConfig)
    published: PublishedConfig = field(default_factory=PublishedConfig)


def task_names() -> list[str]:
    """Return the tasks that have a committed config."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def read_task(name: str, overrides: dict[str, str] | None = None) -> TaskConfig:
    """Read the committed config of a task, one of :func:`task_names`, or a ``.toml`` file.

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
