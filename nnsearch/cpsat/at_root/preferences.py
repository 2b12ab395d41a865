"""What was learned from a history, as a part of the objective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from nnsearch.cpsat.at_root.guidance import AskedAtRoot, ask_at_root
from nnsearch.cpsat.at_root.value_literals import value_literal
from nnsearch.errors import ConfigError
from nnsearch.model.objective import Objective, drop_objective, read_objective
from nnsearch.result import InferenceCount
from nnsearch.scorers.scorer import Scorer

_STEPS = 128  # of the objective in a nat, at least
_EXACT = 2**53  # whole numbers up to here have an exact place in CP-SAT's answers
_LARGEST_DENOMINATOR = 10**6


@dataclass(frozen=True, eq=False)
class Preferences:
    """What :func:`prefer` made a part of an objective: T terms, each what a value lacks of its variable's best one.

    Attributes:
        inference: what the scorer cost.
        step: nats of which all terms are multiples; those that a scorer named were rounded to the nearest.
        variables: int64[T], indices of variables of the model.
        values: int64[T], their values.
        steps: int64[T], what each of these values costs, at least 1; other values cost nothing.
    """

    inference: InferenceCount
    step: float
    variables: npt.NDArray[np.int64]
    values: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]

    def lost(self, solution: Sequence[int]) -> float:
        """Return the nats that a solution lacks of what the best value of each variable alone would be worth.

        The weight times this is in the objective: added where it is minimised, subtracted where it is maximised.

        Args:
            solution: the values of the model's variables in its order, such as ``solver.response_proto.solution``;
                those of variables that were added later may follow.
        """
        values = np.asarray(solution, dtype=np.int64)
        return int(self.steps[values[self.variables] == self.values].sum()) * self.step


def prefer(
    model: cp_model.CpModel, variables: Sequence[cp_model.IntVar], scorer: str | Path | Scorer, weight: float = 1.0
) -> Preferences:
    """Make what a scorer prefers a part of the objective, so that CP-SAT optimises it, before solving as usual.

    One line plugs it into an existing program:

    ```python
    preferences = nnsearch.cpsat.prefer(model, variables, CountingScorer.read("history.csv"))
    solver.solve(model)
    preferences.lost(solver.response_proto.solution)
    ```

    The scorer is asked once, at the root. A value costs what its score lacks of the best score of its variable. That is
    in nats, for scores are logarithms of odds or of probabilities; a Boolean whose values have log-odds of 1 and -1
    costs 2 nats where it has the other value. The sum over the variables, times the weight, is added to an objective
    that is minimised and subtracted from one that is maximised; a model without an objective gets one, to minimise.
    Values that the scorer says nothing of, of a variable of which it says something, cost as much as the worst of the
    others.

    Costs are whole multiples of at most 1/128 of a nat, so the rounding changes that of a solution by at most 1/256
    nat for each variable. For that the objective's coefficients, and one over its scaling factor, may be multiplied by
    a power of 2, which leaves the values that CP-SAT reports as they are. An objective of floating-point numbers
    becomes one of whole numbers and a scaling factor. The set of solutions stays: the literals "variable = value" that
    are added, for all but Booleans, follow from the variables.

    Args:
        model: the model; literals are added to it, and its objective is replaced.
        variables: the variables whose values matter; a one-hot network's own, in its order.
        scorer: name or path of a network, or a scorer.
        weight: what a nat is worth, in the units of the objective as CP-SAT reports it.

    Returns:
        What was added, and a way to read what a solution is worth.

    Raises:
        ConfigError: the weight is no number above 0, or the objective could not be exact: a coefficient is no fraction
            with a denominator up to a million, or the sum may exceed 2**53; nothing is changed then.
        NothingToReadError: the scorer has nothing to say of this model.
        ModelFileError: see :func:`nnsearch.cpsat.guide`.
        GraphError: likewise.
        ScoreError: likewise.
        NNSearchError: likewise.
    """
    if not isinstance(weight, int | float) or isinstance(weight, bool) or not 0 < weight < math.inf:
        raise ConfigError(f"weight: expected a number above 0, got {weight!r}")
    objective = read_objective(model.proto)
    # Without an objective the units are free.
    own = _WholeObjective(scale=float(weight)) if objective is None else _WholeObjective.of(objective)
    own = own.finer(_STEPS / weight)
    nat = weight / abs(own.scale)
    asked = ask_at_root(model, variables, scorer)
    chosen, lacks = _lacking(asked)
    steps = np.rint(nat * lacks)
    dear = steps > 0
    places, values = asked.graph.variable[chosen[dear]], asked.graph.values[chosen[dear]]
    dearest = np.zeros(asked.graph.num_variables)
    np.maximum.at(dearest, places, steps[dear])
    largest = own.largest(model) + dearest.sum()
    if nat < _STEPS or largest > _EXACT:
        raise ConfigError(
            f"weight: expected an objective that stays below 2**53 in steps of 1/{_STEPS} of a nat that is worth "
            f"{weight:g}, got {largest:.3g}; choose another weight, or narrow the domains of its variables"
        )
    preferences = Preferences(asked.inference, 1 / nat, places, values, steps[dear].astype(np.int64))
    if dear.any():
        drop_objective(model)
        _write(model, own, preferences)
    return preferences


def _write(model: cp_model.CpModel, own: _WholeObjective, preferences: Preferences) -> None:
    """Give a model the sum of its own objective and the preferences to minimise."""
    message = model.proto.objective
    message.vars.extend(own.references)
    message.coeffs.extend(own.coefficients)
    constant = 0
    terms = zip(preferences.variables.tolist(), preferences.values.tolist(), preferences.steps.tolist(), strict=True)
    for place, value, steps in terms:
        literal = value_literal(model, model.get_int_var_from_proto_index(place), value).index
        # A negated literal ~i is 1 minus the variable i.
        message.vars.append(literal if literal >= 0 else ~literal)
        message.coeffs.append(steps if literal >= 0 else -steps)
        constant += 0 if literal >= 0 else steps
    message.scaling_factor, message.offset = own.scale, own.offset + constant


def _lacking(asked: AskedAtRoot) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the open candidates of the variables that a scorer knows, and what each lacks of its variable's best."""
    variable, scores = asked.graph.variable, asked.scores.astype(np.float64)
    best = np.full(asked.graph.num_variables, -np.inf)
    worst = np.full(asked.graph.num_variables, np.inf)
    np.maximum.at(best, variable, scores)
    np.minimum.at(worst, variable, np.where(scores > -np.inf, scores, np.inf))
    chosen = np.flatnonzero(asked.asked & (best[variable] > -np.inf))
    of = variable[chosen]
    return chosen, best[of] - np.maximum(scores[chosen], worst[of])


@dataclass(frozen=True)
class _WholeObjective:
    """A sum of whole numbers to minimise, whose references may be negative; reported is scale * (sum + offset)."""

    references: Sequence[int] = ()
    coefficients: Sequence[int] = ()
    scale: float = 1.0
    offset: float = 0.0

    @classmethod
    def of(cls, objective: Objective) -> _WholeObjective:
        """Read an objective; of floating-point numbers the least common denominator is the scale.

        Raises:
            ConfigError: one is no fraction of small numbers.
        """
        references, coefficients = list(objective.message.vars), list(objective.message.coeffs)
        if not objective.floating:
            return cls(references, coefficients, objective.scale, objective.offset)
        fractions = [_fraction(coefficient) for coefficient in coefficients]
        common = math.lcm(*(fraction.denominator for fraction in fractions))
        sign = -1 if objective.maximises else 1
        whole = [sign * int(fraction * common) for fraction in fractions]
        return cls(references, whole, sign / common, objective.offset * common)

    def finer(self, units: float) -> _WholeObjective:
        """Return the same objective in units of which at least so many make 1 as it is reported.

        They are smaller by a power of 2, with which floating-point numbers are exact, and stop at 2**-53.
        """
        times = 2 ** math.ceil(min(53, max(0, math.log2(units) + math.log2(abs(self.scale)))))
        coefficients = [times * coefficient for coefficient in self.coefficients]
        return _WholeObjective(self.references, coefficients, self.scale / times, self.offset * times)

    def largest(self, model: cp_model.CpModel) -> float:
        """Return what the sum and the offset may be at most, whatever their sign."""
        total = abs(self.offset)
        for reference, coefficient in zip(self.references, self.coefficients, strict=True):
            domain = list(model.proto.variables[reference if reference >= 0 else ~reference].domain)
            total += abs(coefficient) * max(abs(domain[0]), abs(domain[-1]))
        return total


def _fraction(coefficient: float) -> Fraction:
    """Return the fraction of small numbers that is meant by a floating-point number; 0.1 * 3 means 3/10."""
    if math.isfinite(coefficient):
        fraction = Fraction(coefficient).limit_denominator(_LARGEST_DENOMINATOR)
        if math.isclose(fraction, coefficient, rel_tol=1e-14):
            return fraction
    raise ConfigError(
        f"objective: expected coefficients that are fractions with denominators up to {_LARGEST_DENOMINATOR}, got "
        f"{coefficient!r}; round it, or scale the objective to whole numbers"
    )
