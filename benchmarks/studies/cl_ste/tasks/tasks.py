"""The tasks of the study, by kind."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.studies.cl_ste.tasks import (
    addition,
    labelled_boards,
    membership,
    operators,
    shortest_path,
    sudoku_boards,
)
from benchmarks.studies.cl_ste.tasks.task import Task
from benchmarks.studies.cl_ste.training.config import TaskConfig
from nnsearch.errors import ConfigError

TASKS: dict[str, Callable[[TaskConfig, int], Task]] = {
    "add": lambda config, seed: addition.numbers(config, seed, 1),
    "add-two-digits": lambda config, seed: addition.numbers(config, seed, 2),
    "add2x2": addition.grid,
    "apply2x2": operators.apply2x2,
    "member": membership.member,
    "shortest-path": shortest_path.build,
    "sudoku": sudoku_boards.build,
    "sudoku-all-labels": lambda config, seed: labelled_boards.build(config, seed, 1.0),
    "sudoku-half-labels": lambda config, seed: labelled_boards.build(config, seed, 0.5),
}
"""Kind -> (config, seed) -> the task."""


def build_task(config: TaskConfig, seed: int) -> Task:
    """Build a task.

    Raises:
        ConfigError: the kind is unknown, or the config does not fit it.
    """
    if config.task not in TASKS:
        raise ConfigError(f"task: expected one of {', '.join(TASKS)}, got {config.task!r}")
    return TASKS[config.task](config, seed)
