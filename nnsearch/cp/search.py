"""Solve a CpModel by depth-first search in the CP engine."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model

from nnsearch.cp.hints import HintedPhase
from nnsearch.cp.restarts import RestartedPhase
from nnsearch.cp.search_options import SearchOptions, VariableOrder
from nnsearch.cp.trace.recorder import Trace, TraceRecorder
from nnsearch.cp.translate import Translation, translate
from nnsearch.cp.value_phase import ValuePhase
from nnsearch.interrupt import DeferredInterrupt
from nnsearch.limits import CLOCK, STOP, Limits
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.stopping import ReadingStoppedError
from nnsearch.model.variables import check_no_negation
from nnsearch.result import Improvement, InferenceCount, SolveResult, Status
from nnsearch.scorers.network import Network
from nnsearch.scorers.onnx import load_scorer
from nnsearch.scorers.scorer import Scorer

MakePhase = Callable[[pywrapcp.Solver, list[pywrapcp.IntVar]], pywrapcp.DecisionBuilder]
"""(solver, variables) -> the decision builder that assigns them."""

_MakeMainPhase = Callable[[Translation], tuple[list[int], pywrapcp.DecisionBuilder]]
"""Makes the main phase, and says which variables it assigns, by their indices."""

_PROGRESS_SECONDS = 1.0

OnSolution = Callable[[list[int], int | None], bool | None]
"""(values of all variables in model order, objective) -> True to end the search.

The objective is what the engine minimises: the model's integer expression, negated if the model maximises, without
offset and scaling factor; None without one.
"""


class Progress(NamedTuple):
    """How far a search is.

    Attributes:
        seconds: wall time since the solve began.
        branches: decisions taken so far.
        failures: dead ends so far.
        restarts: how often the search started again from the root.
        inference_calls: how often the scorer was asked.
        inference_seconds: wall time inside the scorer.
    """

    seconds: float
    branches: int
    failures: int
    restarts: int
    inference_calls: int
    inference_seconds: float


@dataclass(frozen=True)
class _Control:
    """What a caller may do to a running search, see :func:`solve`."""

    limits: Limits
    on_solution: OnSolution | None
    stop: Callable[[], bool] | None
    on_failure: Callable[[int], None] | None
    on_progress: Callable[[Progress], None] | None
    trace: Trace | None
    clock: Callable[[], float]
    started: float  # by the clock

    @property
    def deadline(self) -> float:
        """The limit of time counts from the start, so what comes before the search is part of it."""
        return math.inf if self.limits.seconds is None else self.started + self.limits.seconds


def solve(
    model: cp_model.CpModel | PreparedModel,
    variables: Sequence[cp_model.IntVar],
    scorer: str | Path | Scorer | None,
    options: SearchOptions | None = None,
    *,
    on_solution: OnSolution | None = None,
    stop: Callable[[], bool] | None = None,
    on_failure: Callable[[int], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    trace: Trace | None = None,
) -> SolveResult:
    """Find one solution or, of a model with an objective, a best one; or prove that there is none.

    The best solution is found by branch and bound: after each solution the search goes on for better ones only, and
    restarts keep the bound. The model's hints (``add_hint``) are followed until the first failure.

    Args:
        model: see :func:`nnsearch.cp.translate.translate` for what is covered; one that is prepared is not read again.
        variables: the variables to assign in learned order; a one-hot network's own, in its order. Others are assigned
            after them, smallest value first.
        scorer: name or path of a network, a scorer, or None for the smallest value first.
        options: how to search; None is the defaults.
        on_solution: called with every solution that is better than all before; the search waits for it.
        stop: asked for every constraint while the model is read, then at every node; True ends the search as a limit
            does, from another thread, too.
        on_failure: called with the number of failures at the first node after one or several.
        on_progress: called at a node about once a second.
        trace: where to write the search tree.

    Returns:
        The result; ``solution`` holds the values of all variables of the model in their order.

    Raises:
        TranslationError: the model has something that the CP engine cannot be given.
        ModelFileError: the network does not fit.
        GraphError: the network reads graphs, and the model has nothing that one could hold.
        ConfigError: ``most-confident``, a policy, sampling, restarts or discrepancies without a scorer; restarts
            together with discrepancies.
        TraceError: the trace cannot be written.
        KeyboardInterrupt: Ctrl-C, within a second.

    Examples:
        >>> from ortools.sat.python import cp_model
        >>> model = cp_model.CpModel()
        >>> x = [model.new_int_var(0, 4, f"x{i}") for i in range(5)]
        >>> constraint = model.add_all_different(x)
        >>> options = nnsearch.SearchOptions(limits=nnsearch.Limits(seconds=10))
        >>> result = nnsearch.cp.solve(model, x, "bp", options)
        >>> print(result.status, sorted(result.solution))
        OPTIMAL [0, 1, 2, 3, 4]
    """
    branch = [variable.index for variable in variables]
    check_no_negation(branch)
    network = None if scorer is None else load_scorer(scorer)
    how = SearchOptions.of(options).resolved_for(network)

    def read(prepared: PreparedModel) -> _MakeMainPhase:
        if network is None:
            return lambda translation: (branch, _smallest_value(translation, branch, how.variable_order))
        graph = prepared.graph(stop=STOP.get())
        assigned = [index for index in branch if graph.offset[index] < graph.offset[index + 1]]
        asked = network.prepare(graph, assigned)
        return lambda translation: (
            assigned,
            ValuePhase(
                translation.solver,
                translation.variables,
                network,
                replace(how, limits=None),
                hint=translation.hint,
                graph=graph,
                branch=assigned,
                prepared=asked,
            ),
        )

    clock = CLOCK.get()  # loading the network is not part of the solve
    control = _Control(how.limits or Limits(), on_solution, stop, on_failure, on_progress, trace, clock, clock())
    return _solve(model, read, control, network)


def solve_by_phase(
    model: cp_model.CpModel | PreparedModel,
    variables: Sequence[cp_model.IntVar],
    make_phase: MakePhase,
    *,
    limits: Limits | None = None,
    on_solution: OnSolution | None = None,
    stop: Callable[[], bool] | None = None,
    trace: Trace | None = None,
) -> SolveResult:
    """Solve a model as :func:`solve` does, by any decision builder; baselines and networks are counted alike.

    Arguments and errors are those of :func:`solve`, but for these.

    Args:
        model: of hints, those of other variables than ``variables`` are followed.
        variables: the variables that the decision builder assigns.
        make_phase: makes the decision builder.
        limits: when to give up; the default is never.
        on_solution: see there.
        stop: see there.
        trace: see there.
    """
    clock = CLOCK.get()
    started = clock()
    branch = [variable.index for variable in variables]
    check_no_negation(branch)

    def make_main(translation: Translation) -> tuple[list[int], pywrapcp.DecisionBuilder]:
        return branch, make_phase(translation.solver, [translation.variables[index] for index in branch])

    control = _Control(limits or Limits(), on_solution, stop, None, None, trace, clock, started)
    return _solve(model, lambda prepared: make_main, control, None)


def _solve(
    model: cp_model.CpModel | PreparedModel,
    read: Callable[[PreparedModel], _MakeMainPhase],
    control: _Control,
    network: Network | None,
) -> SolveResult:
    """Read the model, let the network read it, and search."""
    source = model.model if isinstance(model, PreparedModel) else model
    with DeferredInterrupt() as interrupted:

        def ends() -> bool:
            return interrupted() or control.clock() >= control.deadline or (control.stop is not None and control.stop())

        before = STOP.set(ends)
        try:
            prepared = PreparedModel.of(model, stop=ends)
            make_phase = read(prepared)  # first: who has nothing to read needs no translation, which may take long
            translation = translate(prepared, stop=ends)
        except ReadingStoppedError:
            result = _unread(source, control, "none" if network is None else network.name)
        else:
            result = _search(prepared, translation, *make_phase(translation), control, interrupted)
        finally:
            STOP.reset(before)
        if interrupted():
            raise KeyboardInterrupt
    return result


def _unread(model: cp_model.CpModel, control: _Control, name: str) -> SolveResult:
    """Return the result of a solve that ended before the model was read."""
    if control.trace is not None:
        control.trace.begin(_trace_header(model, name))
        control.trace.close()
    seconds = control.clock() - control.started
    return SolveResult(Status.UNKNOWN, None, 0, 0, InferenceCount(), seconds, engine="cp", model=name)


def _search(
    model: PreparedModel,
    translation: Translation,
    branch: list[int],
    main_phase: pywrapcp.DecisionBuilder,
    control: _Control,
    interrupted: Callable[[], bool],
) -> SolveResult:
    """Search by a phase over the variables at the indices ``branch``."""
    solver, objective = translation.solver, translation.objective
    units = model.objective
    phase = main_phase
    learned = main_phase if isinstance(main_phase, ValuePhase) else None
    name = learned.scorer.name if learned else "none"
    inference = learned.inference if learned else InferenceCount()
    named = set(branch)
    rest = [index for index in range(len(translation.variables)) if index not in named]
    if rest:
        rest_phase = _smallest_value(translation, rest, "min-domain")
        if learned is not None and learned.restarted_runs is not None:
            rest_phase = RestartedPhase(rest_phase, learned.restarted_runs)
        phase = solver.Compose([main_phase, rest_phase])

    recorder: TraceRecorder | None = None
    reasons: list[Callable[[], bool]] = [interrupted]
    if control.stop is not None:
        reasons.append(control.stop)
    if control.on_progress is not None:
        reasons.append(_reporter(solver, learned, control.on_progress, control))
    if control.trace is not None:
        control.trace.begin(_trace_header(model.model, name))
        recorder = TraceRecorder(solver, control.trace, inference, objective, lambda: end.crossed, learned)
        reasons.append(recorder.has_failed)
    end = _EndOfSearch(solver, control, reasons)
    # The engine calls monitors in this order, and those behind one that fails hear nothing.
    monitors = [solver.CustomLimit(end)] if recorder is None else [recorder, solver.CustomLimit(end)]
    if objective is not None:
        monitors.append(solver.Minimize(objective, 1))
    solution: list[int] | None = None
    best: int | None = None  # objective of the solution
    improvements: list[Improvement] = []
    stopped = False
    solver.NewSearch(phase, monitors)
    try:
        while not stopped and solver.NextSolution():
            solution = [variable.Value() for variable in translation.variables]
            if objective is not None and units is not None:
                best = objective.Min()
                seconds = control.clock() - control.started
                improvements.append(Improvement(seconds, solver.Failures(), units.in_model_units(best)))
            if control.on_solution is not None:
                stopped = bool(control.on_solution(list(solution), best))
            if objective is None:
                break
    finally:
        solver.EndSearch()
        if control.trace is not None:
            control.trace.close()
    for watcher in (end, recorder):
        if watcher is not None and watcher.error is not None:
            raise watcher.error
    exhausted = not (end.crossed or (stopped and objective is not None))
    value = None if best is None or units is None else units.in_model_units(best)
    return SolveResult(
        status=_status(solution is not None, exhausted, best),
        solution=solution,
        branches=solver.Branches(),
        failures=solver.Failures() if end.failures is None else end.failures,
        inference=inference,
        wall_seconds=control.clock() - control.started,
        engine="cp",
        model=name,
        objective_value=value,
        best_objective_bound=value if exhausted else None,
        improvements=improvements,
    )


def _status(found: bool, exhausted: bool, best: int | None) -> Status:
    """Say what a search proved, with the best objective found (if there is one)."""
    if not found:
        return Status.INFEASIBLE if exhausted else Status.UNKNOWN
    return Status.OPTIMAL if exhausted or best is None else Status.FEASIBLE


def _trace_header(model: cp_model.CpModel, name: str) -> dict[str, object]:
    proto = model.proto
    return {
        "engine": "cp",
        "model": name,
        "problem": proto.name,
        "variables": len(proto.variables),
        "constraints": len(proto.constraints),
        "objective": model.has_objective(),
    }


def _smallest_value(
    translation: Translation, indices: Sequence[int], variable_order: VariableOrder | None
) -> pywrapcp.DecisionBuilder:
    solver = translation.solver
    variables = [translation.variables[index] for index in indices]
    strategy = solver.CHOOSE_MIN_SIZE if variable_order == "min-domain" else solver.CHOOSE_FIRST_UNBOUND
    hint = {place: translation.hint[index] for place, index in enumerate(indices) if index in translation.hint}
    if hint:
        return HintedPhase(solver, variables, strategy, hint)
    return solver.Phase(variables, strategy, solver.ASSIGN_MIN_VALUE)


def _reporter(
    solver: pywrapcp.Solver, learned: ValuePhase | None, tell: Callable[[Progress], None], control: _Control
) -> Callable[[], bool]:
    """Return what tells the progress; as a reason to end the search it is always false."""
    engine = weakref.proxy(solver)  # as in _EndOfSearch
    phase = None if learned is None else weakref.proxy(learned)
    inference = InferenceCount() if learned is None else learned.inference
    last = control.clock()

    def report() -> bool:
        nonlocal last
        now = control.clock()
        if now >= last + _PROGRESS_SECONDS:
            last = now
            restarts = 0 if phase is None else phase.num_restarts
            costs = inference.calls, inference.seconds
            tell(Progress(now - control.started, engine.Branches(), engine.Failures(), restarts, *costs))
        return False

    return report


class _EndOfSearch:
    """Asked by the engine at every node; true ends the search.

    The engine's own limits do not tell Python whether they were reached, and without a Python callback Ctrl-C would
    wait for the end of the search. One call takes a third of a microsecond.
    """

    def __init__(self, solver: pywrapcp.Solver, control: _Control, reasons: Sequence[Callable[[], bool]]) -> None:
        self.crossed = False
        self.failures: int | None = None  # when it was crossed: leaving the tree makes the engine fail once per level
        self.error: BaseException | None = None  # what a reason raised
        self._reasons = reasons
        # The engine keeps this object, and a strong reference back would keep the engine for ever.
        self._solver = weakref.proxy(solver)
        failures = control.limits.failures
        self._max_failures = math.inf if failures is None else failures
        self._on_failure, self._failed = control.on_failure, 0  # failures that it has heard of
        self._clock, self._deadline = control.clock, control.deadline

    def __call__(self) -> bool:
        if not self.crossed:
            failures = self._solver.Failures()
            self.crossed = self._clock() >= self._deadline or failures >= self._max_failures
            try:
                if self._on_failure is not None and failures > self._failed:
                    self._failed = failures
                    self._on_failure(failures)
                for reason in self._reasons:
                    self.crossed = self.crossed or bool(reason())  # the engine takes nothing else
            except BaseException as error:  # it must not cross the engine
                self.crossed, self.error = True, error
            if self.crossed:
                self.failures = failures
        return self.crossed
