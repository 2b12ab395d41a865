"""How to search: what :func:`nnsearch.cp.solve` is told apart from the model, and :func:`nnsearch.solve_many`, too."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TypedDict, TypeVar, cast

from nnsearch.cp.discrepancies import Discrepancies
from nnsearch.cp.policy import Policy
from nnsearch.cp.restarts import Restarts
from nnsearch.cp.sampling import Sampling
from nnsearch.cp.value_phase import VariableOrder, check_runs, check_variable_order
from nnsearch.errors import ConfigError
from nnsearch.limits import Limits

F = TypeVar("F", bound=Callable[..., object])

_OPTIONS = "    **options:"


class SearchKeywords(TypedDict, total=False):
    """The fields of :class:`SearchOptions` as keyword arguments; type checkers cannot derive the one from the other."""

    variable_order: VariableOrder | None
    policy: Policy | None
    sampling: Sampling | None
    restarts: Restarts | None
    discrepancies: Discrepancies | None
    limits: Limits | None


@dataclass(frozen=True)
class SearchOptions:
    """How to search. The functions that search take the same as keyword arguments.

    Args:
        variable_order: ``min-domain`` (fewest values first), ``first`` (as given) or ``most-confident`` (the network
            picks the best-scored pair among all); None is ``most-confident`` for networks that read graphs, else
            ``min-domain``.
        policy: when to ask the network again, such as :class:`nnsearch.cp.InferencePolicy`; None is after 10 decisions
            and after a failure for networks that read graphs, else at every node.
        sampling: random choices in proportion to the scores; None is greedy.
        restarts: when to start again from the root; None is never. Failures among the variables that are not assigned
            in learned order count as well.
        discrepancies: search in runs of ever more decisions against the order; None is depth-first. Below each leaf,
            the variables that are not assigned in learned order are searched in full.
        limits: when to give up; None is never. The time to read the model counts, that to load a network not. Of
            searches that take turns, each counts the seconds in which it ran, and its part of the inferences.

    Raises:
        ConfigError: the variable order is unknown, restarts meet discrepancies, or the limits are something else.
    """

    variable_order: VariableOrder | None = None
    policy: Policy | None = None
    sampling: Sampling | None = None
    restarts: Restarts | None = None
    discrepancies: Discrepancies | None = None
    limits: Limits | None = None

    def __post_init__(self) -> None:
        if self.variable_order is not None:
            check_variable_order(self.variable_order)
        check_runs(self.restarts, self.discrepancies)
        if not isinstance(self.limits, Limits | None):
            raise ConfigError(f"limits: expected nnsearch.Limits, got {type(self.limits).__name__}")

    def as_keywords(self) -> SearchKeywords:
        """Return the keyword arguments for a function that searches."""
        return cast(SearchKeywords, dict(vars(self)))


def lists_search_options(function: F) -> F:
    """Show ``**options: Unpack[SearchKeywords]`` of a function one by one to ``help`` and to notebooks.

    Its signature gets the fields of :class:`SearchOptions`; its docstring gets their descriptions in place of the line
    that begins with ``**options:``.
    """
    signature = inspect.signature(function)
    named = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    options = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for field in fields(SearchOptions)
    ]
    vars(function)["__signature__"] = signature.replace(parameters=named + options)
    described, text = inspect.getdoc(SearchOptions), inspect.getdoc(function)
    if described and text:  # python -OO has none
        of_options = described.partition("Args:\n")[2].partition("\n\n")[0]
        lines = (of_options if line.startswith(_OPTIONS) else line for line in text.splitlines())
        function.__doc__ = "\n".join(lines)
    return function
