"""A model to be solved by :func:`nnsearch.solve_many`, in the forms that it may come in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ortools.sat.python import cp_model

from nnsearch import cp
from nnsearch.cp.search_options import SearchOptions
from nnsearch.errors import ConfigError
from nnsearch.model.variables import all_variables
from nnsearch.problems.problem import Problem
from nnsearch.result import SolveResult
from nnsearch.scorers.scorer import Scorer

ModelWithVariables: TypeAlias = tuple[cp_model.CpModel, Sequence[cp_model.IntVar]]
AnyModel: TypeAlias = cp_model.CpModel | ModelWithVariables | Problem
"""A model; or a model and the variables to assign in learned order, if these are not all; or what builds both."""
AnyTask: TypeAlias = "AnyModel | SearchTask"


@dataclass(frozen=True)
class SearchTask:
    """A model with options of its own: other limits than the others, or one of several seeds."""

    model: AnyModel
    options: SearchOptions


def solve_task(task: AnyTask, options: SearchOptions, scorer: Scorer, stop: Callable[[], bool]) -> SolveResult:
    """Solve one model, by its own options if it has some; ``stop`` is asked at every node.

    Raises:
        NNSearchError: as :func:`nnsearch.cp.solve`; the model is none.
    """
    if isinstance(task, SearchTask):
        return solve_task(task.model, task.options, scorer, stop)
    return cp.solve(*model_and_variables(task), scorer, options, stop=stop)


def model_and_variables(model: AnyModel) -> ModelWithVariables:
    """Return a model, and the variables to assign in learned order.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(model, cp_model.CpModel):
        return model, all_variables(model)
    if isinstance(model, tuple):
        if len(model) == 2 and isinstance(model[0], cp_model.CpModel):
            return model
    elif hasattr(model, "build"):
        return model.build()
    raise ConfigError(
        "models: expected a CpModel, a pair of a CpModel and its variables, a problem that builds both, or a "
        f"SearchTask, got {type(model).__name__}"
    )
