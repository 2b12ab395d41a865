"""The feasibility test: how often is a suggested assignment one that some solution contains?

Silvestri, Lombardi and Milano (2021), Algorithm 2: partial solution -> optional propagation -> suggestion -> can it be
completed? Two questions are asked of the same states:

- *free choice* (the paper's): one pair out of all of them; suggesting an assigned variable counts as infeasible;
- *fixed cell*: a variable is given, which value? Averaged over all unassigned variables of a state. This is what a
  value heuristic is asked in a search.

Every pair of every state carries an exact label, so networks are scored by look-up and random choice exactly, by its
expectation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.problems.n_queens.problem import QueensBoard
from nnsearch.scorers.onnx import OnnxScorer
from training.data.deconstruction import Examples
from training.data.dense_problems import DenseProblem
from training.data.exact_cover import label_by_groups
from training.data.pools.jacobson_matthews import JacobsonMatthews
from training.losses.propagation import ForwardChecking, SinglesPropagation

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

PROPAGATORS = ("none", "rows", "full")


@dataclass(frozen=True)
class FeasibilityStates:
    """P extendable partial solutions with exact labels.

    Attributes:
        problem: the problem of all states.
        assignment: bool[P, N], True iff the candidate is assigned.
        labels: bool[P, N], True iff the candidate's variable is unassigned and the candidate is in some completion.
        filled: int64[P], number of assigned variables, 0..V-1.
    """

    problem: DenseProblem
    assignment: BoolArray
    labels: BoolArray
    filled: npt.NDArray[np.int64]

    def unassigned(self) -> BoolArray:
        """Return bool[P, V], True where a variable is not assigned."""
        shape = (len(self.filled), self.problem.num_variables, self.problem.num_values)
        return np.asarray(~self.assignment.reshape(shape).any(axis=2))

    def packed(self) -> dict[str, Any]:
        """Return arrays, truth values as bits; :meth:`unpacked` is the inverse."""
        bits = {"assignment": np.packbits(self.assignment, axis=1), "labels": np.packbits(self.labels, axis=1)}
        return {**bits, "filled": self.filled}

    @classmethod
    def unpacked(cls, problem: DenseProblem, arrays: Mapping[str, Any]) -> FeasibilityStates:
        """Return the states of :meth:`packed`."""
        count = problem.num_candidates
        assignment, labels = (
            np.unpackbits(arrays[name], axis=1, count=count).astype(np.bool_) for name in ("assignment", "labels")
        )
        return cls(problem, assignment, labels, arrays["filled"])

    def by_level(self, outcome: FloatArray) -> FloatArray:
        """Average outcomes per number of assigned variables: float64[V], NaN where there is no state."""
        levels = self.problem.num_variables
        count = np.bincount(self.filled, minlength=levels)
        total = np.bincount(self.filled, weights=outcome, minlength=levels)
        return np.divide(total, count, out=np.full(levels, np.nan), where=count > 0)


def make_states(
    problem: DenseProblem, solutions: npt.NDArray[np.uint8], count: int, rng: np.random.Generator
) -> FeasibilityStates:
    """Draw partial solutions evenly over the fill levels 0..V-1, and label every pair.

    From solutions uint8[S, V] of value indices, used in turn.
    """
    num_variables = problem.num_variables
    filled = np.arange(count, dtype=np.int64) % num_variables
    solution = solutions[rng.permutation(max(count, len(solutions)))[:count] % len(solutions)]
    rank = rng.permuted(np.broadcast_to(np.arange(num_variables), (count, num_variables)), axis=1)
    return _labelled(problem, solution, rank < filled[:, None])


def states_of_examples(
    problem: DenseProblem, examples: Examples, count: int, rng: np.random.Generator
) -> FeasibilityStates:
    """Draw the partial solutions of examples, as many of each fill level where there are so many, and label every pair.

    Each is drawn once at most, so there may be fewer than wanted.
    """
    filled = examples.assigned_mask().sum(axis=1)
    shuffled = rng.permutation(len(examples))
    by_level = shuffled[np.argsort(filled[shuffled], kind="stable")]
    first_of_level = np.searchsorted(filled[by_level], filled[by_level])
    each = max(1, count // problem.num_variables)
    chosen = examples.take(by_level[np.arange(len(examples)) - first_of_level < each])
    return _labelled(problem, chosen.solutions[chosen.solution], chosen.assigned_mask())


def _labelled(problem: DenseProblem, solution: npt.NDArray[np.uint8], assigned: BoolArray) -> FeasibilityStates:
    """Return the states that have the values uint8[P, V] of solutions where bool[P, V] holds."""
    values = np.arange(problem.num_values)
    one_hot = (assigned[:, :, None] & (solution[:, :, None] == values)).reshape(len(solution), -1)
    labels = label_by_groups(problem.groups(), problem.exactly_one(), one_hot)
    return FeasibilityStates(problem, one_hot, labels, assigned.sum(axis=1, dtype=np.int64))


def possible_candidates(states: FeasibilityStates, propagator: str) -> BoolArray:
    """Return bool[P, N]: what may be suggested after propagation.

    Args:
        states: the states.
        propagator: ``none`` (every pair, assigned variables included: nothing is masked), ``rows`` or ``full``, see
            :func:`forward_checking`, or ``singles``, which leaves those that it fills their one value.
    """
    if propagator == "none":
        return np.ones_like(states.assignment)
    if propagator == "singles":
        assigned, left = _singles(states)
        return left | (assigned & ~states.assignment)
    possible: BoolArray = forward_checking(states.problem, propagator)(states.assignment)
    return possible


def propagators_of(problem: DenseProblem) -> tuple[str, ...]:
    """Return those of :data:`PROPAGATORS` that a problem has: the rows of n-queens are its variables."""
    return tuple(name for name in PROPAGATORS if name != "rows" or not isinstance(problem, QueensBoard))


def forward_checking(problem: DenseProblem, name: str) -> ForwardChecking:
    """Return forward checking; assigned variables are always ruled out.

    Args:
        problem: the problem.
        name: ``rows``: of the rows of a square alone; ``full``: of all constraints.
    """
    groups = problem.groups()
    if name == "rows":
        assert not isinstance(problem, QueensBoard)
        groups = LatinSquare(problem.order).groups("cell", "row")
    return ForwardChecking(groups, problem.num_candidates)


def score_states(
    score: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]], states: FeasibilityStates, batch: int = 1024
) -> npt.NDArray[np.float32]:
    """Return float32[P, N]: the scores of all states, computed in batches."""
    total = len(states.filled)
    parts = [score(states.assignment[i : i + batch].astype(np.float32)) for i in range(0, total, batch)]
    return np.concatenate(parts)


def assignments_of(scorer: OnnxScorer) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    """Return what a network of one size makes of assignments, float32[B, N] -> float32[B, N]."""
    return lambda assignment: scorer.run({"assignment": assignment})


def free_choice(states: FeasibilityStates, scores: npt.NDArray[np.float32], possible: BoolArray) -> FloatArray:
    """Return float64[P], 1 where the best-scored possible pair is feasible."""
    suggestion = np.where(possible, scores, -np.inf).argmax(1)
    return states.labels[np.arange(len(suggestion)), suggestion].astype(np.float64)


def fixed_cell(states: FeasibilityStates, scores: npt.NDArray[np.float32], possible: BoolArray) -> FloatArray:
    """Return float64[P], the share of unassigned variables whose best-scored possible value is feasible."""
    shape = (len(scores), states.problem.num_variables, states.problem.num_values)
    value = np.where(possible, scores, -np.inf).reshape(shape).argmax(2)
    feasible = np.take_along_axis(states.labels.reshape(shape), value[:, :, None], axis=2)[:, :, 0]
    return _mean_where(feasible, states.unassigned())


def random_free_choice(states: FeasibilityStates, possible: BoolArray) -> FloatArray:
    """Return float64[P], the expectation of :func:`free_choice` for a uniform random pair."""
    return _mean_where(states.labels, possible)


def random_fixed_cell(states: FeasibilityStates, possible: BoolArray) -> FloatArray:
    """Return float64[P], the expectation of :func:`fixed_cell` for uniform random values."""
    return _mean_where(_value_expectation(states, possible), states.unassigned())


def smallest_domain(states: FeasibilityStates, possible: BoolArray) -> FloatArray:
    """Return float64[P], the expectation for a random value of a random variable among those with fewest values."""
    size = possible.reshape(len(possible), states.problem.num_variables, -1).sum(2)
    size = np.where(states.unassigned(), size, np.iinfo(np.int64).max)
    return _mean_where(_value_expectation(states, possible), size == size.min(1, keepdims=True))


def singles(states: FeasibilityStates) -> FloatArray:
    """Return float64[P], the expectation for a random pair among those that singles propagation leaves open.

    A state that singles propagation completes by itself counts as 1.
    """
    _, possible = _singles(states)
    return np.where(possible.any(1), _mean_where(states.labels, possible), 1.0)


def measure_on_squares(scorers: Sequence[OnnxScorer], count: int, squares: int, seed: int) -> list[dict[str, Any]]:
    """Ask both questions of networks and of random choice, after every propagation, at every order of the networks.

    Args:
        scorers: networks for Latin squares.
        count: partial solutions of each order.
        squares: fresh squares that they come from.
        seed: of the squares.

    Returns:
        A row for each order, propagation and arm: mean over fill levels, worst level, and where that is.
    """
    rows: list[dict[str, Any]] = []
    twice = len({"rnd", *(s.name for s in scorers)}) < len(scorers) + 1  # then names do not tell arms apart
    for order in sorted({scorer.metadata.num_values or 0 for scorer in scorers}):
        solutions = JacobsonMatthews(order, seed).sample(squares).reshape(squares, -1) - 1
        states = make_states(LatinSquare(order), solutions, count, np.random.default_rng(seed))
        scores = {
            str(s.path) if twice else s.name: score_states(assignments_of(s), states)
            for s in scorers
            if s.metadata.num_values == order
        }
        for propagator in PROPAGATORS:
            possible = possible_candidates(states, propagator)
            arms = {"rnd": (random_free_choice(states, possible), random_fixed_cell(states, possible))} | {
                name: (free_choice(states, value, possible), fixed_cell(states, value, possible))
                for name, value in scores.items()
            }
            for arm, outcomes in arms.items():
                row: dict[str, Any] = {"order": order, "arm": arm, "propagation": propagator}
                for question, outcome in zip(("free_choice", "fixed_cell"), outcomes, strict=True):
                    level = states.by_level(outcome)
                    row[f"{question}_mean"] = round(float(np.nanmean(level)), 4)
                    row[f"{question}_worst"] = round(float(np.nanmin(level)), 4)
                    row[f"{question}_worst_filled"] = int(np.nanargmin(level))
                rows.append(row)
    return rows


def _singles(states: FeasibilityStates) -> tuple[BoolArray, BoolArray]:
    propagate = SinglesPropagation(states.problem.groups(), states.problem.num_candidates)
    assigned, possible = propagate(states.assignment)
    return assigned, possible


def _value_expectation(states: FeasibilityStates, possible: BoolArray) -> FloatArray:
    shape = (len(possible), states.problem.num_variables, -1)
    return _mean_where(states.labels.reshape(shape), possible.reshape(shape))


def _mean_where(values: npt.NDArray[np.generic], where: BoolArray) -> FloatArray:
    """Mean over the last axis where ``where`` holds; 0 where it holds nowhere."""
    count = where.sum(-1)
    total = np.where(where, values, 0).sum(-1, dtype=np.float64)
    return np.divide(total, count, out=np.zeros(count.shape), where=count > 0)
