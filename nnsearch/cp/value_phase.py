"""A decision builder for the CP solver that orders values by a network."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from ortools.constraint_solver import pywrapcp

from nnsearch.cp.assignment import AssignmentTracker, bare_method
from nnsearch.errors import ConfigError, ModelFileError, ScoreError
from nnsearch.inference.session import load_scorer
from nnsearch.result import InferenceCount
from nnsearch.scorer import Scorer

VariableOrder = Literal["min-domain", "first", "most-confident"]
VARIABLE_ORDERS: tuple[VariableOrder, ...] = ("min-domain", "first", "most-confident")


@dataclass(frozen=True)
class InferencePolicy:
    """When to ask the network again; until then its last scores order the values.

    A state that was just scored is never scored again, so fewer calls than nodes are normal.

    Args:
        every: ask after this many decisions; 1 = at every node, 0 = never because of their number.
        after_failure: ask at the first node after a failure.

    Raises:
        ConfigError: ``every`` is negative.
    """

    every: int = 1
    after_failure: bool = False

    def __post_init__(self) -> None:
        if self.every < 0:
            raise ConfigError(f"InferencePolicy.every: expected 0 or more decisions, got {self.every}")


@dataclass(frozen=True)
class Sampling:
    """Choose values at random, in proportion to ``softmax(scores / temperature)`` over the current domain.

    Temperature 1 is the paper's sampled solve (Silvestri, Lombardi and Milano 2021, section 5).

    Args:
        seed: seed of the choices.
        temperature: above 0; towards 0 the choice is greedy, towards infinity uniform.

    Raises:
        ConfigError: the temperature is not above 0.
    """

    seed: int = 0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(f"Sampling.temperature: expected above 0, got {self.temperature}")


class ValuePhase(pywrapcp.PyDecisionBuilder):
    """Assigns all variables, best-scored value first. Complete: on backtracking the value is removed from the domain.

    Two lines plug it into an existing model::

        phase = nnsearch.cp.ValuePhase(solver, variables, "pls-10-full")
        solver.Solve(phase)

    The engine selects the variable in C++ (except with ``most-confident``) and asks only for the order of its values.
    The solver object keeps a reference to the phase, so it may be passed without being kept.

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
        if variable_order not in VARIABLE_ORDERS:
            raise ConfigError(f"variable_order: expected one of {', '.join(VARIABLE_ORDERS)}, got {variable_order!r}")
        self.inference = InferenceCount()
        self.scorer = load_scorer(scorer)
        self._variables = list(variables)
        self._first_value = _check_size(self._variables, self.scorer, first_value)
        self._policy = policy or InferencePolicy()
        self._sampling = sampling
        self._rng = np.random.default_rng(sampling.seed if sampling else None)
        self._tracker = AssignmentTracker(self._variables, self.scorer.num_values, self._first_value)
        self._scores = np.zeros(len(self._variables) * self.scorer.num_values, dtype=np.float32)
        self._stale = True  # no scores yet, or the state moved on since they were computed
        self._decisions = 0  # since the last inference
        self._failures = 0  # of the engine, at the last inference
        self._error: BaseException | None = None
        self._phase = None if variable_order == "most-confident" else self._native_phase(solver, variable_order)
        self._next = None if self._phase is None else bare_method(self._phase, "DecisionBuilder_NextWrapper")
        self._contains = [bare_method(variable, "IntVar_Contains") for variable in self._variables]
        # A decision builder that Python frees while the engine uses it crashes the process.
        vars(solver).setdefault("_nnsearch_alive", []).append(self)

    def Next(self, solver: pywrapcp.Solver) -> pywrapcp.Decision | None:  # noqa: N802 - the engine's name
        """Return the next decision, None when all variables are bound. Called by the engine at every node."""
        if self._is_due(solver):
            self._update_scores(solver)
        self._decisions += 1
        if self._next is None:
            return self._most_confident(solver)
        decision: pywrapcp.Decision | None = self._next(solver)
        if self._error is not None:
            raise self._error
        return decision

    def _native_phase(self, solver: pywrapcp.Solver, variable_order: VariableOrder) -> pywrapcp.DecisionBuilder:
        strategy = solver.CHOOSE_MIN_SIZE if variable_order == "min-domain" else solver.CHOOSE_FIRST_UNBOUND
        score_bits = self._scores.view(np.int32).item
        num_values, first_value = self.scorer.num_values, self._first_value

        def key(variable: int, value: int) -> int:
            try:
                return sort_key(score_bits(variable * num_values + value - first_value))
            except BaseException as error:  # Ctrl-C: the engine cannot pass an exception on from here, Next can
                self._error = error
                return 0

        self._evaluator = key
        return solver.VarStrValEvalPhase(self._variables, strategy, key)

    def _is_due(self, solver: pywrapcp.Solver) -> bool:
        if self.inference.calls == 0 or (self._policy.every and self._decisions >= self._policy.every):
            return True
        return self._policy.after_failure and solver.Failures() != self._failures

    def _update_scores(self, solver: pywrapcp.Solver) -> None:
        self._decisions = 0
        if self._policy.after_failure:
            self._failures = solver.Failures()
        self._stale |= self._tracker.refresh(solver)
        if not self._stale:
            return
        started = time.perf_counter()
        scores = self.scorer.score(self._tracker.assignment)
        self.inference.seconds += time.perf_counter() - started
        self.inference.calls += 1
        self.inference.states += 1
        if scores.shape != self._tracker.assignment.shape:
            raise ScoreError(
                f"{self.scorer.name}: expected scores of shape {self._tracker.assignment.shape}, got {scores.shape}"
            )
        row = scores[0]
        if self._sampling is not None:
            # Sorting by score + Gumbel noise draws without replacement in proportion to the softmax.
            row = row / np.float32(self._sampling.temperature) + self._rng.gumbel(size=row.shape)
        self._scores[:] = row
        self._stale = False

    def _most_confident(self, solver: pywrapcp.Solver) -> pywrapcp.Decision | None:
        self._stale |= self._tracker.refresh(solver)
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


def sort_key(bits: int) -> int:
    """Return an integer that sorts ascending as scores sort descending; equal scores, 0 and -0 too, tie.

    The engine compares integers. The bits of an IEEE 754 float, read as an integer, sort like its magnitude.

    Args:
        bits: the bits of a float32 score that is not NaN, as int32.
    """
    return -bits if bits >= 0 else bits & 0x7FFFFFFF


def _check_size(variables: Sequence[pywrapcp.IntVar], scorer: Scorer, first_value: int | None) -> int:
    """Return the value with index 0 after checking that network and variables fit."""
    if len(variables) != scorer.num_variables:
        raise ModelFileError(
            f"{scorer.name}: expected {scorer.num_variables} variables, the problem has {len(variables)}; "
            "use no network, or train one for this size: python -m training fit training/configs/pls.toml --order N"
        )
    low = min(variable.Min() for variable in variables)
    high = max(variable.Max() for variable in variables)
    first = low if first_value is None else first_value
    if low < first or high > first + scorer.num_values - 1:
        raise ModelFileError(
            f"{scorer.name}: expected values {first}..{first + scorer.num_values - 1} ({scorer.num_values} of them), "
            f"the domains span {low}..{high}"
        )
    return first
