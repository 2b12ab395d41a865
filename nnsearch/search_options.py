"""What a search is told, apart from its model, and the forms that a model may come in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ortools.sat.python import cp_model

from nnsearch import cp
from nnsearch.cp.discrepancies import Discrepancies
from nnsearch.cp.policy import Policy
from nnsearch.cp.restarts import Restarts
from nnsearch.cp.sampling import Sampling
from nnsearch.cp.value_phase import VariableOrder
from nnsearch.errors import ConfigError
from nnsearch.limits import Limits
from nnsearch.problems import Problem
from nnsearch.result import SolveResult
from nnsearch.scorer import AnyScorer

ModelWithVariables: TypeAlias = tuple[cp_model.CpModel, Sequence[cp_model.IntVar]]
AnyModel: TypeAlias = cp_model.CpModel | ModelWithVariables | Problem
"""A model; or a model and the variables to assign in learned order, if these are not all; or what builds both."""
AnyTask: TypeAlias = "AnyModel | SearchTask"


@dataclass(frozen=True)
class SearchOptions:
    """The arguments of :func:`nnsearch.cp.solve` that are the same for many models; see there."""

    variable_order: VariableOrder | None = None
    policy: Policy | None = None
    sampling: Sampling | None = None
    restarts: Restarts | None = None
    discrepancies: Discrepancies | None = None
    limits: Limits | None = None
    first_value: int | None = None

    def solve(self, task: AnyTask, scorer: AnyScorer, stop: Callable[[], bool]) -> SolveResult:
        """Solve one model, by its own options if it has some; ``stop`` is asked at every node.

        Raises:
            NNSearchError: as :func:`nnsearch.cp.solve`; the model is none.
        """
        if isinstance(task, SearchTask):
            return task.options.solve(task.model, scorer, stop)
        return cp.solve(
            *model_and_variables(task),
            scorer,
            variable_order=self.variable_order,
            policy=self.policy,
            sampling=self.sampling,
            restarts=self.restarts,
            discrepancies=self.discrepancies,
            limits=self.limits,
            first_value=self.first_value,
            stop=stop,
        )


@dataclass(frozen=True)
class SearchTask:
    """A model with options of its own: other limits than the others, or one of several seeds."""

    model: AnyModel
    options: SearchOptions


def model_and_variables(model: AnyModel) -> ModelWithVariables:
    """Return a model, and the variables to assign in learned order.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(model, cp_model.CpModel):
        return model, [model.get_int_var_from_proto_index(index) for index in range(len(model.proto.variables))]
    if isinstance(model, tuple):
        if len(model) == 2 and isinstance(model[0], cp_model.CpModel):
            return model
    elif hasattr(model, "build"):
        return model.build()
    raise ConfigError(
        "models: expected a CpModel, a pair of a CpModel and its variables, a problem that builds both, or a "
        f"SearchTask, got {type(model).__name__}"
    )
