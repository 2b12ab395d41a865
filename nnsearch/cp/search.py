"""Solve a CpModel by depth-first search in the CP engine."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model

from nnsearch.cp.translate import translate
from nnsearch.cp.value_phase import InferencePolicy, Sampling, ValuePhase, VariableOrder
from nnsearch.errors import ConfigError
from nnsearch.inference.session import load_scorer
from nnsearch.limits import Limits
from nnsearch.result import InferenceCount, SolveResult, Status
from nnsearch.scorer import Scorer


def solve(
    model: cp_model.CpModel,
    variables: Sequence[cp_model.IntVar],
    scorer: str | Path | Scorer | None,
    *,
    variable_order: VariableOrder = "min-domain",
    policy: InferencePolicy | None = None,
    sampling: Sampling | None = None,
    limits: Limits | None = None,
) -> SolveResult:
    """Find one solution, or prove that there is none.

    Args:
        model: a model without an objective (see :func:`nnsearch.cp.translate.translate` for what is covered).
        variables: the variables that the network knows, in its order. Others are assigned after them, smallest value
            first.
        scorer: name or path of a network, a scorer, or None for the smallest value first.
        variable_order: see :class:`ValuePhase`; without a scorer ``min-domain`` or ``first``.
        policy: see :class:`ValuePhase`.
        sampling: see :class:`ValuePhase`.
        limits: when to give up; the default is never.

    Returns:
        The result; ``solution`` holds the values of all variables of the model in their order.

    Raises:
        TranslationError: the model has something that the CP engine cannot be given.
        ModelFileError: the network does not fit.
        ConfigError: ``most-confident`` without a scorer.
        KeyboardInterrupt: Ctrl-C, within a second.
    """
    limits = limits or Limits()
    loaded = None if scorer is None else load_scorer(scorer)
    started = time.perf_counter()
    translation = translate(model)
    solver = translation.solver
    chosen = [translation.variables[variable.index] for variable in variables]
    inference = InferenceCount()
    if loaded is None:
        phase = _plain_phase(solver, chosen, variable_order)
    else:
        phase = ValuePhase(solver, chosen, loaded, variable_order=variable_order, policy=policy, sampling=sampling)
        inference = phase.inference
    named = {variable.index for variable in variables}
    rest = [v for i, v in enumerate(translation.variables) if i not in named]
    if rest:
        phase = solver.Compose([phase, _plain_phase(solver, rest, "min-domain")])
    stop = _StopCondition(solver, limits)
    solver.NewSearch(phase, [solver.CustomLimit(stop)])
    try:
        found = solver.NextSolution()
        solution = [variable.Value() for variable in translation.variables] if found else None
    finally:
        solver.EndSearch()
    if stop.error is not None:
        raise stop.error
    without_solution = Status.UNKNOWN if stop.crossed else Status.INFEASIBLE
    status = without_solution if solution is None else Status.OPTIMAL
    return SolveResult(
        status=status,
        solution=solution,
        branches=solver.Branches(),
        failures=solver.Failures(),
        inference_calls=inference.calls,
        states_scored=inference.states,
        inference_seconds=inference.seconds,
        wall_seconds=time.perf_counter() - started,
        engine="cp",
        model=loaded.name if loaded else "none",
    )


def _plain_phase(
    solver: pywrapcp.Solver, variables: list[pywrapcp.IntVar], variable_order: VariableOrder
) -> pywrapcp.DecisionBuilder:
    if variable_order == "most-confident":
        raise ConfigError("variable order most-confident needs a network; choose one with --model")
    strategy = solver.CHOOSE_MIN_SIZE if variable_order == "min-domain" else solver.CHOOSE_FIRST_UNBOUND
    return solver.Phase(variables, strategy, solver.ASSIGN_MIN_VALUE)


class _StopCondition:
    """Asked by the engine at every node; true ends the search.

    The engine's own limits do not tell Python whether they were reached, and without a Python callback Ctrl-C would
    wait for the end of the search. One call takes a third of a microsecond.
    """

    def __init__(self, solver: pywrapcp.Solver, limits: Limits) -> None:
        self.crossed = False
        self.error: BaseException | None = None
        self._failures = solver.Failures
        self._max_failures = math.inf if limits.failures is None else limits.failures
        self._deadline = math.inf if limits.seconds is None else time.perf_counter() + limits.seconds

    def __call__(self) -> bool:
        try:
            if time.perf_counter() >= self._deadline or self._failures() >= self._max_failures:
                self.crossed = True
        except BaseException as error:
            # Ctrl-C lands here; through the engine's C++ frames it would not reach the caller as itself.
            self.error = error
            self.crossed = True
        return self.crossed
