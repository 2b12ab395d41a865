"""A decision builder for the CP solver that orders values by a network."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from ortools.constraint_solver import pywrapcp

from nnsearch.cp.bare_methods import bare_method, bare_methods
from nnsearch.cp.discrepancies import DiscrepancyRuns
from nnsearch.cp.restarts import RestartedRuns, Restarts
from nnsearch.cp.sampling import Sampling
from nnsearch.cp.search_options import SearchOptions, VariableOrder
from nnsearch.cp.state import StateReader
from nnsearch.errors import ConfigError, GraphError, NothingToReadError
from nnsearch.interrupt import DeferredInterrupt
from nnsearch.model.graph import MAX_VALUES, CandidateGraph, IntArray
from nnsearch.result import InferenceCount
from nnsearch.scorers.network import Network, PreparedNetwork
from nnsearch.scorers.onnx import load_scorer
from nnsearch.scorers.scorer import Scorer

FIRST_OF_ALL = -(2**62)
"""The engine's key of a hinted value: below :func:`sort_key` times any number of pairs that fits into memory."""


Observer = Callable[[str, int, float, int], None]
"""Told of every decision of a phase: the variable's name, the value, its score by those at hand (-inf if it was never
scored), and its rank by score among the open values of the variable, 1 is the best."""


class ValuePhase(pywrapcp.PyDecisionBuilder):
    """Assigns all variables, best-scored value first. Complete: on backtracking the value is removed from the domain.

    Two lines plug it into an existing model:

    ```python
    phase = nnsearch.cp.ValuePhase(solver, variables, "pls-10-full")
    solver.Solve(phase)
    ```

    The engine selects the variable in C++ (except with ``most-confident``) and asks only for the order of its values;
    of values with equal scores the smallest comes first. The solver object keeps a reference to the phase, so it may be
    passed without being kept. An exception in the scorer, or Ctrl-C, ends the search, and the solver raises it. The
    solver can then be used again if ``Solve`` or ``NextSolution`` was called on the object that the phase was made
    with, and looked up after that; make a new solver otherwise.

    Args:
        solver: the CP solver.
        variables: V variables, those of the graph in its order if there is one; else in the order of the network (row
            by row for a square).
        scorer: name or path of a network, or any :class:`nnsearch.scorers.scorer.Scorer`.
        options: how to search, without limits; of restarts the default is never. Restarts and discrepancies are for a
            phase that makes the first decision of a search, and for searches that stop at the first solution or go on
            below a bound: what was found once may be found again. Failures below this phase's decisions count wherever
            they are, but phases composed after it end a run only within a
            :class:`nnsearch.cp.restarts.RestartedPhase`, which :func:`nnsearch.cp.solve` sees to.
        hint: values by index of the variable. Until the first failure of a search, the hinted value is tried first;
            from then on the scores decide alone, after restarts, too. The order of the variables stays the same.
        graph: the structure of the model, its variables in this order. A network of one size does without.
        branch: indices of the variables to assign; None is all. Where there is a graph, a network of one size takes
            these as its own, in this order; other networks read the rest, too.
        prepared: the scorer, after it has read the graph with these variables to assign; None is to read it now.

    Raises:
        ModelFileError: the network was made for another number of variables or values, or for another model.
        GraphError: the graph does not fit the variables.
        ConfigError: a graph is missing, or there are limits.
    """

    def __init__(
        self,
        solver: pywrapcp.Solver,
        variables: Sequence[pywrapcp.IntVar],
        scorer: str | Path | Scorer,
        options: SearchOptions | None = None,
        *,
        hint: Mapping[int, int] | None = None,
        graph: CandidateGraph | None = None,
        branch: Sequence[int] | None = None,
        prepared: PreparedNetwork | None = None,
    ) -> None:
        super().__init__()
        self.inference = InferenceCount()
        self.scorer = load_scorer(scorer)
        options = SearchOptions.of(options)
        if options.limits is not None:
            raise ConfigError("limits: a phase cannot end its search; leave them to nnsearch.cp.solve or to the solver")
        if options.restarts == "default":
            options = replace(options, restarts=None)
        options = options.resolved_for(self.scorer)
        assert options.policy is not None
        self.observer: Observer | None = None
        self._variables = list(variables)
        self._branch = list(range(len(self._variables))) if branch is None else list(branch)
        self._check_branch(graph)
        read = _candidates_of(self._variables) if graph is None else graph
        self._reader = StateReader(self._variables, read, prepared or _prepared(self.scorer, graph, read, self._branch))
        self._policy = options.policy
        self._at_every_node = self._policy.every == 1
        self._schedule = self._policy.schedule()
        self._below = self._policy.below
        self._runs: RestartedRuns | DiscrepancyRuns | None = None
        self._sampling = self._noise = options.sampling  # the noise is that of the current run
        self._noise_after_restart = options.sampling
        if isinstance(options.restarts, Restarts):
            self._runs = RestartedRuns(options.restarts)
            if options.sampling is None:
                self._noise_after_restart = Sampling(options.restarts.seed, options.restarts.temperature)
        elif options.discrepancies is not None:
            self._runs = DiscrepancyRuns(options.discrepancies)
        self._rng = np.random.default_rng(self._noise_after_restart.seed if self._noise_after_restart else None)
        self._hint = dict(hint or {})
        self._hint_ends: int | None = None  # failures of the engine at which the hint is no longer followed
        self._follows_hint = False
        self._run_begins = False
        self.scores = np.zeros(self.graph.num_candidates, dtype=np.float32)
        """float32[N], those at hand, with the noise of sampling and restarts; -inf where there never was one."""
        self._scored_state: int | None = None  # of the reader, when the scores were computed
        self._asked = pywrapcp.RevInteger(0)  # reversible: 1 below the node of the first inference of a search
        self._was_asked = bare_method(self._asked, "RevInteger_Value")
        self._asked_here = False
        self._selected = 0  # the variable of the last decision
        self._selected_value: int | None = None  # of the last decision; None where the engine chose it by the scores
        self._error: BaseException | None = None
        order = options.variable_order
        self._phase = None if order in (None, "most-confident") else self._native_phase(solver, order)
        self._next = None if self._phase is None else bare_method(self._phase, "DecisionBuilder_NextWrapper")
        self._bound = bare_methods(self._variables, "IntExpr_Bound")
        branches = np.isin(np.arange(len(self._variables)), self._branch)
        self._masked = None if branches.all() else ~branches[self.graph.variable]  # bool[N]
        self._calls = _attach(solver, self)

    @property
    def num_restarts(self) -> int:
        """How often a search started again from the root."""
        return 0 if self._runs is None else self._runs.num_restarts

    @property
    def restarted_runs(self) -> RestartedRuns | None:
        """The runs of restarts; a phase below this one asks them, too, see :class:`RestartedPhase`."""
        return self._runs if isinstance(self._runs, RestartedRuns) else None

    @property
    def graph(self) -> CandidateGraph:
        """The candidates that are scored."""
        return self._reader.graph

    def alive_pairs(self) -> IntArray:
        """Return int64[P], the candidates that are possible at the current node for the variables of this phase.

        A bound variable has one. To be called by an :data:`Observer` when it is told of a decision, or at a solution:
        all domains are read.
        """
        pair = self._reader.alive_positions()
        return pair if self._masked is None else pair[~self._masked[pair]]

    def _check_branch(self, graph: CandidateGraph | None) -> None:
        """Refuse what would leave a variable unbound: reading the value of one aborts the process."""
        wrong = [index for index in self._branch if not 0 <= index < len(self._variables)]
        if wrong:
            raise ConfigError(
                f"branch: expected indices 0..{len(self._variables) - 1} of the variables, got {wrong[0]}"
            )
        if graph is not None:
            bare = [graph.names[index] for index in self._branch if graph.offset[index] == graph.offset[index + 1]]
            if bare:
                raise GraphError(
                    f"variable {bare[0]}: expected candidates in the graph, it has none (too many values); "
                    "leave it out of branch and assign it by another phase"
                )

    def Next(self, solver: pywrapcp.Solver) -> pywrapcp.Decision | None:  # noqa: N802 - the engine's name
        """Return the next decision, None when all variables are bound. Called by the engine at every node."""
        if self._error is None:
            try:
                if self._calls.interrupted():
                    raise KeyboardInterrupt
                instead = self._begin(solver)
                if instead is not None:
                    return instead
                self._asked_here = False
                if self._is_due(solver):
                    self._update_scores(solver)
                decision = self._choose(solver)
                if self._is_unsure(decision):
                    self._update_scores(solver)
                    decision = self._choose(solver)
                if self.observer is not None and decision is not None:
                    self._report(self.observer)
            except BaseException as error:
                self._error = error
            if self._error is None:
                return decision
        # An exception that crosses the engine leaves it in the middle of a search for good. Failing from here on ends
        # the search in order, if somebody then raises the exception; otherwise the end would look like a proof.
        if not self._calls.running:
            self.raise_error()
        return solver.FailDecision()

    def raise_error(self) -> None:
        """Raise what a callback could not, and forget it. ``Solve`` and ``NextSolution`` of the solver call this."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _native_phase(self, solver: pywrapcp.Solver, variable_order: VariableOrder) -> pywrapcp.DecisionBuilder:
        strategy = solver.CHOOSE_MIN_SIZE if variable_order == "min-domain" else solver.CHOOSE_FIRST_UNBOUND
        score_bits = self.scores.view(np.int32).item
        position_of, branch, size = self._reader.position, self._branch, self.graph.num_candidates

        def key(index: int, value: int) -> int:
            try:
                self._selected = variable = branch[index]
                if self._follows_hint and self._hint.get(variable) == value:
                    return FIRST_OF_ALL
                position = position_of(variable, value)
                # The engine takes the last of equal keys; the position makes it the smallest value.
                return sort_key(score_bits(position)) * size + position
            except BaseException as error:  # Ctrl-C; an exception must not cross the engine
                self._error = error
                return 0

        self._evaluator = key
        return solver.VarStrValEvalPhase([self._variables[i] for i in self._branch], strategy, key)

    def _begin(self, solver: pywrapcp.Solver) -> pywrapcp.Decision | None:
        """Set up a run at its root; return what is to be done in place of a decision."""
        instead = None if self._runs is None else self._runs.instead(solver)
        if not self._was_asked() and solver.SearchDepth() == 0:
            first = self._runs is None or self._runs.run == 0
            self._run_begins = True
            self._schedule = self._policy.schedule()
            self._noise = self._sampling if first else self._noise_after_restart
            if first:
                self._hint_ends = solver.Failures() + 1
        if self._hint:
            self._follows_hint = self._hint_ends is not None and solver.Failures() < self._hint_ends
        return instead

    def _is_due(self, solver: pywrapcp.Solver) -> bool:
        begins, self._run_begins = self._run_begins, False
        if begins and (self._noise is not None or not self._at_every_node):
            self._scored_state = None  # a new search or a restart: fresh scores, and fresh random choices
            return True
        # A new search that another phase began, or the engine went back above the first node.
        if self._at_every_node or not self._was_asked():
            return True
        return self._schedule.is_due(solver.Failures())

    def _is_unsure(self, decision: pywrapcp.Decision | None) -> bool:
        """Tell whether the confidence in a decision is too low for scores of another node."""
        if self._below is None or self._asked_here or decision is None:
            return False
        scores = self.scores[self._reader.open_positions(self._selected)]
        best = scores.max()
        # softmax(scores) at the best is 1 / sum(exp(scores - best)).
        return bool(best == -np.inf or self._below * np.exp(scores - best, dtype=np.float64).sum() > 1)

    def _report(self, observer: Observer) -> None:
        """Tell the observer what was just decided."""
        variable, value = self._selected, self._selected_value
        positions = self._reader.open_positions(variable)
        ranked = [positions[place] for place in np.argsort(-self.scores[positions], kind="stable")]
        if value is None:
            value = self._hint[variable] if self._is_hinted(variable) else self._reader.pair(ranked[0])[1]
        position = self._reader.position(variable, value)
        score = float(self.scores[position])
        observer(self._variables[variable].Name(), value, score, ranked.index(position) + 1)

    def _is_hinted(self, variable: int) -> bool:
        """Tell whether the hint decides the value of a variable here."""
        return (
            self._follows_hint and variable in self._hint and self._variables[variable].Contains(self._hint[variable])
        )

    def _update_scores(self, solver: pywrapcp.Solver) -> None:
        self._asked_here = True
        self._schedule.asked(solver.Failures())
        self._reader.refresh(solver)
        first_here = not self._was_asked()
        if first_here:
            self._asked.SetValue(solver, 1)
        if self._reader.state == self._scored_state:
            return
        if first_here:
            self.scores[:] = -np.inf
        row = self._reader.score(self.inference)
        if self._noise is not None:
            # Sorting by score / temperature + Gumbel noise draws without replacement in proportion to the softmax.
            # The order stays the same when all is scaled, and nothing overflows when the larger factor is 1.
            temperature = self._noise.temperature
            noise = self._rng.gumbel(size=row.shape)
            noisy = row / temperature + noise if temperature > 1 else row + temperature * noise
            row = noisy.astype(np.float32)
        # What is closed here may open again when the engine goes back: its last score then orders it until the next.
        np.copyto(self.scores, row, where=row > -np.inf)
        if self._next is None:
            self._reader.rank(row if self._masked is None else np.where(self._masked, -np.inf, row))
        self._scored_state = self._reader.state

    def _choose(self, solver: pywrapcp.Solver) -> pywrapcp.Decision | None:
        if self._next is not None:
            return cast(pywrapcp.Decision | None, self._next(solver))
        best = self._reader.best(solver)
        if best is None and self._any_open():
            # All that is open here was bound where the scores come from, before the engine went back.
            self._update_scores(solver)
            best = self._reader.best(solver) or self._first_open()
        if best is None:
            return None
        self._selected, value = best
        if self._is_hinted(self._selected):
            value = self._hint[self._selected]
        self._selected_value = value
        return self.decide(solver, self._selected, value)

    def decide(self, solver: pywrapcp.Solver, variable: int, value: int) -> pywrapcp.Decision:
        """Return the decision on the most confident pair; a subclass may return one that does more."""
        return solver.AssignVariableValue(self._variables[variable], value)

    def _first_open(self) -> tuple[int, int] | None:
        """Return the first open pair: of what is open, the scorer says nothing."""
        for variable in self._branch:
            if not self._bound[variable]():
                for position in self._reader.open_positions(variable):
                    return self._reader.pair(position)
        return None

    def _any_open(self) -> bool:
        return any(not self._bound[variable]() for variable in self._branch)


def _prepared(
    scorer: Network, graph: CandidateGraph | None, read: CandidateGraph, branch: Sequence[int]
) -> PreparedNetwork:
    try:
        return scorer.prepare(read, None if graph is None else branch)
    except NothingToReadError:
        if graph is not None:
            raise
        raise ConfigError(
            f"graph: {scorer.name} reads a candidate graph; give one, "
            "nnsearch.CandidateGraph.from_model or .from_all_different"
        ) from None


def _candidates_of(variables: Sequence[pywrapcp.IntVar]) -> CandidateGraph:
    """Return the values of variables of which nothing else is known."""
    domains = []
    for variable in variables:
        if variable.Size() > MAX_VALUES:
            raise GraphError(
                f"variable {variable.Name()}: expected at most {MAX_VALUES} values to score, got {variable.Size()}"
            )
        domains.append([value for value in range(variable.Min(), variable.Max() + 1) if variable.Contains(value)])
    return CandidateGraph.from_all_different(domains, [], [variable.Name() for variable in variables])


def sort_key(bits: int) -> int:
    """Return an integer that sorts ascending as scores sort descending; equal scores, 0 and -0 too, tie.

    The engine compares integers. The bits of a float32 that is not NaN, read as an int32, sort like its magnitude.
    """
    return -bits if bits >= 0 else bits & 0x7FFFFFFF


def _never() -> bool:
    return False


@dataclass
class _Calls:
    """The calls of ``Solve`` and ``NextSolution`` of one solver object, and the phases whose errors they raise."""

    phases: list[ValuePhase] = field(default_factory=list)
    running: int = 0
    interrupted: Callable[[], bool] = _never

    def raising(self, method: Callable[..., bool]) -> Callable[..., bool]:
        """Wrap a method so that it raises what a phase could not."""

        @functools.wraps(method)
        def call(*arguments: Any) -> bool:
            self.running += 1
            try:
                with DeferredInterrupt() as self.interrupted:
                    found = method(*arguments)
                    interrupted = self.interrupted()
            finally:
                self.running -= 1
                self.interrupted = _never
            for phase in self.phases:
                phase.raise_error()
            if interrupted:  # after the last node
                raise KeyboardInterrupt
            return found

        return call


def _attach(solver: pywrapcp.Solver, phase: ValuePhase) -> _Calls:
    """Keep the phase alive as long as the solver, and let the solver object's methods raise its errors.

    A decision builder that Python frees while the engine uses it crashes the process.
    """
    attributes = vars(solver)
    if "_nnsearch_calls" not in attributes:
        calls = _Calls()
        for name in ("Solve", "NextSolution"):
            setattr(solver, name, calls.raising(getattr(solver, name)))
        attributes["_nnsearch_calls"] = calls
    attributes["_nnsearch_calls"].phases.append(phase)
    return cast(_Calls, attributes["_nnsearch_calls"])
