"""Solve a CpModel by depth-first search in the CP engine."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model

from nnsearch.cp.translate import translate
from nnsearch.cp.value_phase import InferencePolicy, Restarts, Sampling, ValuePhase, VariableOrder, check_variable_order
from nnsearch.errors import ConfigError
from nnsearch.fitting import check_no_negation
from nnsearch.graph import CandidateGraph
from nnsearch.inference.session import is_graph_scorer, load_scorer
from nnsearch.interrupt import DeferredInterrupt
from nnsearch.limits import Limits
from nnsearch.result import InferenceCount, SolveResult, Status
from nnsearch.scorer import AnyScorer

MakePhase = Callable[[pywrapcp.Solver, list[pywrapcp.IntVar]], pywrapcp.DecisionBuilder]
"""(solver, variables) -> the decision builder that assigns them."""


def solve(
    model: cp_model.CpModel,
    variables: Sequence[cp_model.IntVar],
    scorer: str | Path | AnyScorer | None,
    *,
    variable_order: VariableOrder | None = None,
    policy: InferencePolicy | None = None,
    sampling: Sampling | None = None,
    restarts: Restarts | None = None,
    limits: Limits | None = None,
    first_value: int | None = None,
) -> SolveResult:
    """Find one solution, or prove that there is none.

    Args:
        model: a model without an objective (see :func:`nnsearch.cp.translate.translate` for what is covered).
        variables: the variables to assign in learned order; a one-hot network's own, in its order. Others are assigned
            after them, smallest value first.
        scorer: name or path of a network, a scorer, or None for the smallest value first.
        variable_order: see :class:`ValuePhase`; without a scorer ``min-domain`` (the default) or ``first``.
        policy: see :class:`ValuePhase`.
        sampling: see :class:`ValuePhase`.
        restarts: see :class:`ValuePhase`.
        limits: when to give up; the default is never.
        first_value: see :class:`ValuePhase`.

    Returns:
        The result; ``solution`` holds the values of all variables of the model in their order.

    Raises:
        TranslationError: the model has something that the CP engine cannot be given.
        ModelFileError: the network does not fit.
        GraphError: the network reads graphs, and the model has nothing that one could hold.
        ConfigError: ``most-confident``, a policy, sampling or restarts without a scorer.
        KeyboardInterrupt: Ctrl-C, within a second.
    """
    if scorer is None:
        if policy is not None or sampling is not None or restarts is not None:
            raise ConfigError("policy, sampling and restarts are for a scorer, and there is none; leave them out")
        return solve_by_phase(model, variables, _smallest_value(variable_order or "min-domain"), limits=limits)
    loaded = load_scorer(scorer)

    started = time.perf_counter()
    graph = CandidateGraph.from_model(model) if is_graph_scorer(loaded) else None
    check_no_negation([variable.index for variable in variables])
    branch = [variable.index for variable in variables]
    if graph is not None:
        branch = [i for i in branch if graph.offset[i] < graph.offset[i + 1]]

    def make_phase(solver: pywrapcp.Solver, translated: list[pywrapcp.IntVar]) -> ValuePhase:
        return ValuePhase(
            solver,
            translated if graph is not None else [translated[index] for index in branch],
            loaded,
            variable_order=variable_order,
            policy=policy,
            sampling=sampling,
            restarts=restarts,
            first_value=first_value,
            graph=graph,
            branch=None if graph is None else branch,
        )

    return _solve(model, branch, make_phase, limits, started)


def solve_by_phase(
    model: cp_model.CpModel,
    variables: Sequence[cp_model.IntVar],
    make_phase: MakePhase,
    *,
    limits: Limits | None = None,
) -> SolveResult:
    """Solve a model as :func:`solve` does, by any decision builder; baselines and networks are counted alike.

    Args:
        model: as for :func:`solve`.
        variables: the variables that the decision builder assigns.
        make_phase: makes the decision builder.
        limits: when to give up; the default is never.

    Raises:
        TranslationError: the model has something that the CP engine cannot be given.
        ConfigError: a variable is a negated Boolean.
        KeyboardInterrupt: Ctrl-C, within a second.
    """
    started = time.perf_counter()
    check_no_negation([variable.index for variable in variables])
    branch = [variable.index for variable in variables]

    def make_main_phase(solver: pywrapcp.Solver, translated: list[pywrapcp.IntVar]) -> pywrapcp.DecisionBuilder:
        return make_phase(solver, [translated[index] for index in branch])

    return _solve(model, branch, make_main_phase, limits, started)


def _solve(
    model: cp_model.CpModel, branch: list[int], make_phase: MakePhase, limits: Limits | None, started: float
) -> SolveResult:
    """Solve by a phase over the variables at the indices ``branch``, made from all translated variables."""
    translation = translate(model)
    solver = translation.solver
    main_phase = phase = make_phase(solver, translation.variables)
    named = set(branch)
    rest = [v for i, v in enumerate(translation.variables) if i not in named]
    if rest:
        phase = solver.Compose([main_phase, _smallest_value("min-domain")(solver, rest)])
    with DeferredInterrupt() as interrupted:
        stop = _StopCondition(solver, limits or Limits(), interrupted)
        solver.NewSearch(phase, [solver.CustomLimit(stop)])
        try:
            found = solver.NextSolution()
            solution = [variable.Value() for variable in translation.variables] if found else None
        finally:
            solver.EndSearch()
        if interrupted():
            raise KeyboardInterrupt
    without_solution = Status.UNKNOWN if stop.crossed else Status.INFEASIBLE
    learned = main_phase if isinstance(main_phase, ValuePhase) else None
    inference = learned.inference if learned else InferenceCount()
    return SolveResult(
        status=without_solution if solution is None else Status.OPTIMAL,
        solution=solution,
        branches=solver.Branches(),
        failures=solver.Failures() if stop.failures is None else stop.failures,
        inference_calls=inference.calls,
        states_scored=inference.states,
        inference_seconds=inference.seconds,
        wall_seconds=time.perf_counter() - started,
        engine="cp",
        model=learned.scorer.name if learned else "none",
    )


def _smallest_value(variable_order: VariableOrder) -> MakePhase:
    check_variable_order(variable_order)
    if variable_order == "most-confident":
        raise ConfigError("variable order most-confident needs a network; choose one with --model")

    def make_phase(solver: pywrapcp.Solver, variables: list[pywrapcp.IntVar]) -> pywrapcp.DecisionBuilder:
        strategy = solver.CHOOSE_MIN_SIZE if variable_order == "min-domain" else solver.CHOOSE_FIRST_UNBOUND
        return solver.Phase(variables, strategy, solver.ASSIGN_MIN_VALUE)

    return make_phase


class _StopCondition:
    """Asked by the engine at every node; true ends the search.

    The engine's own limits do not tell Python whether they were reached, and without a Python callback Ctrl-C would
    wait for the end of the search. One call takes a third of a microsecond.
    """

    def __init__(self, solver: pywrapcp.Solver, limits: Limits, interrupted: Callable[[], bool]) -> None:
        self.crossed = False
        self.failures: int | None = None  # when it was crossed: leaving the tree makes the engine fail once per level
        self._interrupted = interrupted
        # The engine keeps this object, and a strong reference back would keep the engine for ever.
        self._solver = weakref.proxy(solver)
        self._max_failures = math.inf if limits.failures is None else limits.failures
        self._deadline = math.inf if limits.seconds is None else time.perf_counter() + limits.seconds

    def __call__(self) -> bool:
        if not self.crossed:
            failures = self._solver.Failures()
            self.crossed = (
                time.perf_counter() >= self._deadline or failures >= self._max_failures or self._interrupted()
            )
            if self.crossed:
                self.failures = failures
        return self.crossed
