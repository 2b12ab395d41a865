"""A decision builder for the CP solver that orders values by a network."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from ortools.constraint_solver import pywrapcp

from nnsearch.cp.assignment import AssignmentTracker, bare_method
from nnsearch.errors import ConfigError
from nnsearch.fitting import first_value_of
from nnsearch.inference.session import load_scorer
from nnsearch.interrupt import DeferredInterrupt
from nnsearch.result import InferenceCount
from nnsearch.scorer import Scorer, ask

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
        scorer: name or path of a network, or any :class:`nnsearch.scorer.Scorer`.
        variable_order: ``min-domain`` (fewest values first), ``first`` (as given), or ``most-confident`` (the network
            picks the best-scored pair among all).
        policy: when to ask the network again.
        sampling: random choices in proportion to the scores; None is greedy.
        first_value: the value with index 0; None takes the smallest value of all domains.

    Raises:
        ModelFileError: the network was made for another number of variables or values.
        ConfigError: the variable order is unknown.
    """

    def __init__(
        self,
        solver: pywrapcp.Solver,
        variables: Sequence[pywrapcp.IntVar],
        scorer: str | Path | Scorer,
        *,
        variable_order: VariableOrder = "min-domain",
        policy: InferencePolicy | None = None,
        sampling: Sampling | None = None,
        first_value: int | None = None,
    ) -> None:
        super().__init__()
        check_variable_order(variable_order)
        self.inference = InferenceCount()
        self.scorer = load_scorer(scorer)
        self._variables = list(variables)
        domains = [(variable.Min(), variable.Max()) for variable in self._variables]
        self._first_value = first_value_of(self.scorer, domains, first_value)
        self._policy = policy or InferencePolicy()
        self._sampling = sampling
        self._rng = np.random.default_rng(sampling.seed if sampling else None)
        self._tracker = AssignmentTracker(self._variables, self.scorer.num_values, self._first_value)
        self._scores = np.zeros(len(self._variables) * self.scorer.num_values, dtype=np.float32)
        self._scored_state: int | None = None  # of the tracker, when the scores were computed
        self._decisions = 0  # since the last inference
        self._failures = 0  # of the engine, at the last inference
        self._error: BaseException | None = None
        self._phase = None if variable_order == "most-confident" else self._native_phase(solver, variable_order)
        self._next = None if self._phase is None else bare_method(self._phase, "DecisionBuilder_NextWrapper")
        self._contains = [bare_method(variable, "IntVar_Contains") for variable in self._variables]
        self._calls = _attach(solver, self)

    def Next(self, solver: pywrapcp.Solver) -> pywrapcp.Decision | None:  # noqa: N802 - the engine's name
        """Return the next decision, None when all variables are bound. Called by the engine at every node."""
        if self._error is None:
            try:
                if self._calls.interrupted():
                    raise KeyboardInterrupt
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
        num_values, first_value = self.scorer.num_values, self._first_value

        def key(variable: int, value: int) -> int:
            try:
                index = value - first_value
                # The engine takes the last of equal keys; the index makes it the smallest value.
                return sort_key(score_bits(variable * num_values + index)) * num_values + index
            except BaseException as error:  # Ctrl-C; an exception must not cross the engine
                self._error = error
                return 0

        self._evaluator = key
        return solver.VarStrValEvalPhase(self._variables, strategy, key)

    def _is_due(self, solver: pywrapcp.Solver) -> bool:
        if (self._policy.every != 1 or self._sampling is not None) and solver.SearchDepth() == 0:
            self._scored_state = None  # a new search or a restart: fresh scores, and fresh random choices
            return True
        if self._policy.every == 1 or (self._policy.every and self._decisions >= self._policy.every):
            return True
        return self._policy.after_failure and solver.Failures() != self._failures

    def _update_scores(self, solver: pywrapcp.Solver) -> None:
        self._decisions = 0
        if self._policy.after_failure:
            self._failures = solver.Failures()
        self._tracker.refresh(solver)
        if self._tracker.state == self._scored_state:
            return
        scores = ask(self.scorer, self._tracker.assignment, self.inference)
        row = scores[0]
        if self._sampling is not None:
            # Sorting by score / temperature + Gumbel noise draws without replacement in proportion to the softmax.
            # The order stays the same when all is scaled, and nothing overflows when the larger factor is 1.
            temperature = self._sampling.temperature
            noise = self._rng.gumbel(size=row.shape)
            row = row / temperature + noise if temperature > 1 else row + temperature * noise
        self._scores[:] = row
        self._scored_state = self._tracker.state

    def _most_confident(self, solver: pywrapcp.Solver) -> pywrapcp.Decision | None:
        self._tracker.refresh(solver)
        open_scores = self._scores.reshape(len(self._variables), -1).copy()
        open_scores[self._tracker.bound_variables()] = -np.inf
        flat = open_scores.ravel()
        while True:
            best = int(flat.argmax())
            if flat[best] == -np.inf:
                return None
            variable, index = divmod(best, self.scorer.num_values)
            value = index + self._first_value
            if self._contains[variable](value):
                return solver.AssignVariableValue(self._variables[variable], value)
            flat[best] = -np.inf


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
