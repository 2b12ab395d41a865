"""A decision builder for the CP solver that orders values by a network."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from ortools.constraint_solver import pywrapcp

from nnsearch.cp.assignment import bare_method
from nnsearch.cp.state import GraphReader, OneHotReader, StateReader
from nnsearch.errors import ConfigError, GraphError
from nnsearch.fitting import first_value_of
from nnsearch.graph import CandidateGraph
from nnsearch.inference.session import is_graph_scorer, load_scorer
from nnsearch.interrupt import DeferredInterrupt
from nnsearch.result import InferenceCount
from nnsearch.scorer import AnyScorer, Scorer

VariableOrder = Literal["min-domain", "first", "most-confident"]
VARIABLE_ORDERS: tuple[VariableOrder, ...] = ("min-domain", "first", "most-confident")


@dataclass(frozen=True)
class InferencePolicy:
    """When to ask the network again; until then its last scores order the values.

    A state that was just scored is never scored again, so fewer calls than nodes are normal.

    Args:
        every: ask after this many decisions, and at the root; 1 = at every node, 0 = at the root only.
        after_failure: ask at the first node after a failure.

    Raises:
        ConfigError: ``every`` is not an integer, or negative.
    """

    every: int = 1
    after_failure: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.every, int) or self.every < 0:
            raise ConfigError(f"InferencePolicy.every: expected 0 or more decisions, got {self.every}")


@dataclass(frozen=True)
class Sampling:
    """Choose values at random, in proportion to ``softmax(scores / temperature)`` over the current domain.

    Temperature 1 is the paper's sampled solve (Silvestri, Lombardi and Milano 2021, section 5).

    Args:
        seed: seed of the choices.
        temperature: above 0; towards 0 the choice is greedy, towards infinity uniform.

    Raises:
        ConfigError: the temperature is not above 0, or the seed is negative.
    """

    seed: int = 0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(f"Sampling.temperature: expected above 0, got {self.temperature}")
        if self.seed < 0:
            raise ConfigError(f"Sampling.seed: expected 0 or more, got {self.seed}")


@dataclass(frozen=True)
class Restarts:
    """Give up a search that thrashes and start again from the root, with noise on the scores from the second run on.

    Runs grow geometrically, so the search stays complete.

    Args:
        failures: failures of the first run.
        growth: every run may fail this many times as often as the one before; above 1.
        temperature: the noise is Gumbel, times this; the scores of networks are log-odds.
        seed: seed of the noise.

    Raises:
        ConfigError: a number is out of range.
    """

    failures: int = 40
    growth: float = 1.2
    temperature: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.failures < 1:
            raise ConfigError(f"Restarts.failures: expected 1 or more, got {self.failures}")
        if not self.growth > 1:
            raise ConfigError(f"Restarts.growth: expected above 1, or the search may never end, got {self.growth}")
        Sampling(self.seed, self.temperature)  # the same ranges


class ValuePhase(pywrapcp.PyDecisionBuilder):
    """Assigns all variables, best-scored value first. Complete: on backtracking the value is removed from the domain.

    Two lines plug it into an existing model::

        phase = nnsearch.cp.ValuePhase(solver, variables, "pls-10-full")
        solver.Solve(phase)

    The engine selects the variable in C++ (except with ``most-confident``) and asks only for the order of its values;
    of values with equal scores the smallest comes first. The solver object keeps a reference to the phase, so it may be
    passed without being kept. An exception in the scorer, or Ctrl-C, ends the search, and the solver raises it. The
    solver can then be used again if ``Solve`` or ``NextSolution`` was called on the object that the phase was made
    with, and looked up after that; make a new solver otherwise.

    Args:
        solver: the CP solver.
        variables: V variables in the order of the network (row by row for a square).
        scorer: name or path of a network, any :class:`nnsearch.scorer.Scorer` or any
            :class:`nnsearch.scorer.GraphScorer`.
        variable_order: ``min-domain`` (fewest values first), ``first`` (as given), or ``most-confident`` (the network
            picks the best-scored pair among all). None is ``most-confident`` for networks that read graphs, else
            ``min-domain``.
        policy: when to ask the network again; None is after 10 decisions and after a failure for networks that read
            graphs, else at every node.
        sampling: random choices in proportion to the scores; None is greedy.
        restarts: when to start again from the root; None is never.
        first_value: the value with index 0; None takes the smallest value of all domains (one-hot networks only).
        graph: the structure of the model, its variables in this order, for networks that read it.
        branch: indices of the variables to assign; None is all. A network reads the others, too.

    Raises:
        ModelFileError: the network was made for another number of variables or values, or for another model.
        GraphError: the graph does not fit the variables.
        ConfigError: the variable order is unknown, or a graph is missing.
    """

    def __init__(
        self,
        solver: pywrapcp.Solver,
        variables: Sequence[pywrapcp.IntVar],
        scorer: str | Path | AnyScorer,
        *,
        variable_order: VariableOrder | None = None,
        policy: InferencePolicy | None = None,
        sampling: Sampling | None = None,
        restarts: Restarts | None = None,
        first_value: int | None = None,
        graph: CandidateGraph | None = None,
        branch: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.inference = InferenceCount()
        self.scorer = load_scorer(scorer)
        reads_graphs = is_graph_scorer(self.scorer)
        variable_order = variable_order or ("most-confident" if reads_graphs else "min-domain")
        check_variable_order(variable_order)
        self.num_restarts = 0
        self._variables = list(variables)
        self._reader = self._make_reader(graph, first_value)
        self._branch = list(range(len(self._variables))) if branch is None else list(branch)
        self._check_branch(graph)
        # Scores of graphs cost more, and stay useful for some decisions.
        self._policy = policy or (InferencePolicy(10, after_failure=True) if reads_graphs else InferencePolicy(1))
        self._sampling, self._restarts = sampling, restarts
        self._noise = sampling  # of the current run
        seed = sampling.seed if sampling else restarts.seed if restarts else None
        self._rng = np.random.default_rng(seed)
        self._run_failures = 0.0 if restarts is None else float(restarts.failures)
        self._restarted = False
        self._run_ends: float | None = None  # failures of the engine at which the current run gives up
        self._scores = np.zeros(self._reader.num_positions, dtype=np.float32)
        self._scored_state: int | None = None  # of the reader, when the scores were computed
        self._asked = pywrapcp.RevInteger(0)  # reversible: 1 below the node of the first inference of a search
        self._decisions = 0  # since the last inference
        self._failures = 0  # of the engine, at the last inference
        self._error: BaseException | None = None
        self._phase = None if variable_order == "most-confident" else self._native_phase(solver, variable_order)
        self._next = None if self._phase is None else bare_method(self._phase, "DecisionBuilder_NextWrapper")
        self._bound = [bare_method(variable, "IntExpr_Bound") for variable in self._variables]
        branches = np.isin(np.arange(len(self._variables)), self._branch)
        self._masked = None if branches.all() else ~branches[self._reader.variables()]  # bool[num_positions]
        self._calls = _attach(solver, self)

    def _check_branch(self, graph: CandidateGraph | None) -> None:
        """Refuse what would leave a variable unbound: reading the value of one aborts the process."""
        wrong = [index for index in self._branch if not 0 <= index < len(self._variables)]
        if wrong:
            raise ConfigError(
                f"branch: expected indices 0..{len(self._variables) - 1} of the variables, got {wrong[0]}"
            )
        if is_graph_scorer(self.scorer) and graph is not None:
            bare = [graph.names[index] for index in self._branch if graph.offset[index] == graph.offset[index + 1]]
            if bare:
                raise GraphError(
                    f"variable {bare[0]}: expected candidates in the graph, it has none (too many values); "
                    "leave it out of branch and assign it by another phase"
                )

    def _make_reader(self, graph: CandidateGraph | None, first_value: int | None) -> StateReader:
        if is_graph_scorer(self.scorer):
            if graph is None:
                raise ConfigError(
                    f"graph: {self.scorer.name} reads a candidate graph; give one, "
                    "nnsearch.CandidateGraph.from_model or .from_all_different"
                )
            return GraphReader(self._variables, self.scorer, graph)
        scorer = cast(Scorer, self.scorer)
        domains = [(variable.Min(), variable.Max()) for variable in self._variables]
        return OneHotReader(self._variables, scorer, first_value_of(scorer, domains, first_value))

    def Next(self, solver: pywrapcp.Solver) -> pywrapcp.Decision | None:  # noqa: N802 - the engine's name
        """Return the next decision, None when all variables are bound. Called by the engine at every node."""
        if self._error is None:
            try:
                if self._calls.interrupted():
                    raise KeyboardInterrupt
                if self._restarts is not None and self._run_is_over(solver):
                    self._restarted = True
                    solver.RestartCurrentSearch()
                    return solver.FailDecision()
                if self._is_due(solver):
                    self._update_scores(solver)
                self._decisions += 1
                decision: pywrapcp.Decision | None = (
                    self._most_confident(solver) if self._next is None else self._next(solver)
                )
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
        score_bits = self._scores.view(np.int32).item
        position_of, branch, size = self._reader.position, self._branch, self._reader.num_positions

        def key(variable: int, value: int) -> int:
            try:
                position = position_of(branch[variable], value)
                # The engine takes the last of equal keys; the position makes it the smallest value.
                return sort_key(score_bits(position)) * size + position
            except BaseException as error:  # Ctrl-C; an exception must not cross the engine
                self._error = error
                return 0

        self._evaluator = key
        return solver.VarStrValEvalPhase([self._variables[i] for i in self._branch], strategy, key)

    def _run_is_over(self, solver: pywrapcp.Solver) -> bool:
        """Tell whether to start again; a new run or a new search sets its own end."""
        if solver.SearchDepth() > 0:
            return self._run_ends is not None and solver.Failures() >= self._run_ends
        restarts = cast(Restarts, self._restarts)
        restarted, self._restarted = self._restarted, False
        if not restarted:
            self._run_failures = float(restarts.failures)  # a new search
            self._noise = self._sampling
        else:
            self.num_restarts += 1
            self._run_failures *= restarts.growth
            self._noise = self._sampling or Sampling(restarts.seed, restarts.temperature)
        self._run_ends = solver.Failures() + self._run_failures
        return False

    def _is_due(self, solver: pywrapcp.Solver) -> bool:
        if (self._policy.every != 1 or self._noise is not None) and solver.SearchDepth() == 0:
            self._scored_state = None  # a new search or a restart: fresh scores, and fresh random choices
            return True
        # A new search that another phase began, or the engine went back above the first node.
        if not self._asked.Value():
            return True
        if self._policy.every == 1 or (self._policy.every and self._decisions >= self._policy.every):
            return True
        return self._policy.after_failure and solver.Failures() != self._failures

    def _update_scores(self, solver: pywrapcp.Solver) -> None:
        self._decisions = 0
        if self._policy.after_failure:
            self._failures = solver.Failures()
        self._reader.refresh(solver)
        first_here = not self._asked.Value()
        if first_here:
            self._asked.SetValue(solver, 1)
        if self._reader.state == self._scored_state:
            return
        if first_here:
            self._scores[:] = -np.inf
        row = self._reader.score(self.inference)
        if self._noise is not None:
            # Sorting by score / temperature + Gumbel noise draws without replacement in proportion to the softmax.
            # The order stays the same when all is scaled, and nothing overflows when the larger factor is 1.
            temperature = self._noise.temperature
            noise = self._rng.gumbel(size=row.shape)
            noisy = row / temperature + noise if temperature > 1 else row + temperature * noise
            row = noisy.astype(np.float32)
        # What is closed here may open again when the engine goes back: its last score then orders it until the next.
        np.copyto(self._scores, row, where=row > -np.inf)
        if self._next is None:
            self._reader.rank(row if self._masked is None else np.where(self._masked, -np.inf, row))
        self._scored_state = self._reader.state

    def _most_confident(self, solver: pywrapcp.Solver) -> pywrapcp.Decision | None:
        best = self._reader.best(solver)
        if best is None and self._any_open():
            # All that is open here was bound where the scores come from, before the engine went back.
            self._update_scores(solver)
            best = self._reader.best(solver)
        if best is None:
            return None
        return self.decide(solver, *best)

    def decide(self, solver: pywrapcp.Solver, variable: int, value: int) -> pywrapcp.Decision:
        """Return the decision on the most confident pair; a subclass may return one that does more.

        Args:
            solver: the solver.
            variable: index of the variable.
            value: its value.
        """
        return solver.AssignVariableValue(self._variables[variable], value)

    def _any_open(self) -> bool:
        return any(not self._bound[variable]() for variable in self._branch)


def check_variable_order(name: str) -> None:
    """Raise a ``ConfigError`` unless the name is one of :data:`VARIABLE_ORDERS`."""
    if name not in VARIABLE_ORDERS:
        raise ConfigError(f"variable_order: expected one of {', '.join(VARIABLE_ORDERS)}, got {name!r}")


def sort_key(bits: int) -> int:
    """Return an integer that sorts ascending as scores sort descending; equal scores, 0 and -0 too, tie.

    The engine compares integers. The bits of an IEEE 754 float, read as an integer, sort like its magnitude.

    Args:
        bits: the bits of a float32 score that is not NaN, as int32.
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
