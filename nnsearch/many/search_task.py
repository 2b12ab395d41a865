"""A model to be solved by :func:`nnsearch.solve_many`, in the forms that it may come in."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from ortools.sat.python import cp_model

from nnsearch import cp
from nnsearch.cp.search_options import SearchOptions
from nnsearch.errors import ConfigError
from nnsearch.model.variables import all_variables, check_no_negation
from nnsearch.problems.problem import Problem
from nnsearch.result import SolveResult
from nnsearch.scorers.scorer import Scorer

ModelWithVariables: TypeAlias = tuple[cp_model.CpModel, Sequence[cp_model.IntVar]]
AnyModel: TypeAlias = cp_model.CpModel | ModelWithVariables | Problem
"""A model; or a model and the variables to assign in learned order, if these are not all; or what builds both."""
AnyTask: TypeAlias = "AnyModel | SearchTask"


@dataclass(frozen=True)
class SearchTask:
    """A model with options of its own: other limits than the others, or one of several seeds.

    Attributes:
        model: a CpModel, a pair of one and the variables to assign in learned order, or a problem that builds both.
        options: how to search in it, in place of those of the call.
    """

    model: AnyModel
    options: SearchOptions


def solve_task(task: AnyTask | bytes, options: SearchOptions, scorer: Scorer, stop: Callable[[], bool]) -> SolveResult:
    """Solve one model, by its own options if it has some; ``stop`` is asked at every node.

    Raises:
        NNSearchError: as :func:`nnsearch.cp.solve`; the model is none.
    """
    if isinstance(task, bytes):
        task = pickle.loads(task)  # of pack()
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


def pack(task: AnyTask) -> bytes:
    """Return a task for another process, where :func:`solve_task` takes the bytes.

    Raises:
        ConfigError: it is not a model.
    """
    if isinstance(task, SearchTask):
        return pickle.dumps(replace(task, model=_packable(task.model)))
    return pickle.dumps(_packable(task))


@dataclass(frozen=True)
class _TextModel:
    """A CpModel, which cannot be pickled, and the indices of the variables to assign."""

    text: str
    indices: list[int]

    def build(self) -> ModelWithVariables:
        model = cp_model.CpModel()
        model.proto.parse_text_format(self.text)
        return model, [model.get_int_var_from_proto_index(index) for index in self.indices]


def _packable(model: AnyModel) -> Any:
    if type(model).__module__.startswith("nnsearch."):
        try:
            pickle.dumps(model)
        except TypeError:  # it holds a CpModel
            pass
        else:
            return model  # an instance is smaller and faster than the model that it builds
    built, variables = model_and_variables(model)
    indices = [variable.index for variable in variables]
    check_no_negation(indices)
    return _TextModel(str(built.proto), indices)
