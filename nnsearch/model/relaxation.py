"""The linear relaxation of a CP-SAT model: what is left of it where variables may be fractions.

Seconds to solve one by the dual simplex method and by PDLP, of 2,000 to 7,500 variables and of four times as many:
rosters .8 and .2, 7.2 and 1.3; set covers .3 and .2, 5.6 and .5; independent sets .3 and .1, 3.1 and .3; locations .3
and .2, 2.3 and 1.8; bin packing .2 and .9, 2.1 and 9.2. HiGHS does not stop when told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnsearch.errors import NothingToReadError
from nnsearch.linear_program import LinearAnswer, LinearProgram, solve_linear
from nnsearch.model.domains import least_of, most_of
from nnsearch.model.lists import BoolArray, IntArray, Lists
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.rows import AND_ROW, AT_MOST_ONE_ROW, EXACTLY_ONE_ROW, LINEAR_ROW, OR_ROW, Rows, variables_of
from nnsearch.model.stopping import StopCheck

FloatArray = npt.NDArray[np.float64]

_UNBOUNDED = 2.0**53  # CP-SAT writes an open side as the end of int64
_MOST_SLACK = 1e7  # a condition that takes more from a row leaves nothing within the precision of a solver
_ROUNDING = 1e-9
_READ_IN_FULL = (None, "interval")


def is_read_in_full(model: PreparedModel) -> bool:
    """Tell at once whether all constraints are of kinds of which a relaxation leaves nothing out."""
    return all(kind in _READ_IN_FULL for _, kind, _ in model.others)


@dataclass(frozen=True, eq=False)
class Relaxation:
    """The linear relaxation of a model that has an objective; see :meth:`of`.

    Attributes:
        program: what is minimised, a column for each variable of the model.
        exact: whether an assignment of integers that satisfies the program is a solution of the model.
    """

    program: LinearProgram
    exact: bool

    @classmethod
    def of(cls, model: PreparedModel, *, stop: Callable[[], bool] | None = None) -> Relaxation:
        """Read what is linear in a model, or nearly so.

        That is linear constraints and the range of the objective, clauses, implications, at-most-ones, exactly-ones,
        intervals, maxima, the sum of an all-different, and the degrees of circuits. A constraint with conditions holds
        as far as they do ("big M"). A domain of several ranges is as good as its hull. What is left out makes the
        relaxation weaker, never wrong.

        Args:
            model: The model.
            stop: Asked from time to time; true ends the reading.

        Raises:
            NothingToReadError: There is no objective, or no linear constraint has a variable of it.
            ReadingStoppedError: ``stop`` said so.
        """
        check = StopCheck(stop)
        check.now()
        lower, upper = _hulls(model.domains)
        cost = model.costs
        if not (cost[upper > lower] != 0).any():
            raise NothingToReadError("expected an objective for a linear relaxation, got none")
        program, exact = _read(model, lower, upper, cost, check)
        if not cost[program.column].any():
            raise NothingToReadError(
                "expected a linear constraint or a clause on a variable of the objective, got none, so that a linear "
                "relaxation would say nothing"
            )
        return cls(program, exact)

    def solve(
        self,
        seconds: float,
        *,
        lower: FloatArray | None = None,
        upper: FloatArray | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> LinearAnswer:
        """Solve the relaxation.

        Args:
            seconds: When to give up.
            lower: float64[V], bounds of a state; None is those of the model, which hold in any case.
            upper: float64[V].
            stop: Asked every few milliseconds; true ends the solve as the limit does.

        Raises:
            KeyboardInterrupt: Ctrl-C, unless the caller has its own handler of it.

        Returns:
            The answer, in the units that engines minimise: where it is optimal, no solution of the model has an
            objective that is much lower, or lower at all if the simplex method found it; ``inf`` says that the state
            has no solution.
        """
        program = self.program
        if lower is not None:
            program = replace(program, lower=np.maximum(program.lower, lower))
        if upper is not None:
            program = replace(program, upper=np.minimum(program.upper, upper))
        return solve_linear(program, seconds, stop=stop)


class _Sums(NamedTuple):
    """S sums of E terms, each between two bounds where all of its conditions hold.

    Attributes:
        sum: int64[E], the sum that a term is in.
        column: int64[E], the variable of a term.
        coefficient: float64[E].
        lower: float64[S].
        upper: float64[S].
        conditions: S lists of literals.
    """

    sum: IntArray
    column: IntArray
    coefficient: FloatArray
    lower: FloatArray
    upper: FloatArray
    conditions: Lists

    def take(self, sums: BoolArray) -> _Sums:
        """Return some of the sums (bool[S])."""
        terms = sums[self.sum]
        return _Sums(
            (np.cumsum(sums) - 1)[self.sum[terms]],
            self.column[terms],
            self.coefficient[terms],
            self.lower[sums],
            self.upper[sums],
            self.conditions.take(np.flatnonzero(sums)),
        )

    def merged(self, num_columns: int) -> _Sums:
        """Return the sums with their terms in order, one for each variable, none of which is 0."""
        key = self.sum * num_columns + self.column
        order = np.argsort(key, kind="stable")
        key, starts = np.unique(key[order], return_index=True)
        coefficient = np.add.reduceat(self.coefficient[order], starts) if len(starts) else self.coefficient
        kept = coefficient != 0
        key = key[kept]
        return self._replace(sum=key // num_columns, column=key % num_columns, coefficient=coefficient[kept])


def _read(
    model: PreparedModel, lower: FloatArray, upper: FloatArray, cost: FloatArray, check: StopCheck
) -> tuple[LinearProgram, bool]:
    rows = model.rows
    linear = rows.take(np.flatnonzero(rows.kind == LINEAR_ROW))
    others = _Collected()
    for _, kind, constraint in model.others:
        check.step()
        others.add(kind, constraint, lower, upper)
    allowed = () if model.objective is None else model.objective.domain
    if allowed:
        costly = np.flatnonzero(cost)
        others.add_sum(list(zip(costly.tolist(), cost[costly].tolist(), strict=True)), allowed[0], allowed[-1], ())
    check.now()
    sums = _joined([_linear(linear), *_boolean(rows), others.sums()]).merged(len(lower))
    check.now()
    lower, upper, sums = _into_bounds(sums, lower, upper)
    sums, complete = _without_conditions(sums, lower, upper)
    check.now()
    sums = sums.take(np.isfinite(sums.lower) | np.isfinite(sums.upper)).merged(len(lower))
    program = LinearProgram(lower, upper, cost, sums.lower, sums.upper, sums.sum, sums.column, sums.coefficient)
    in_one_range = all((lists.sizes == 2).all() for lists in (model.domains, linear.domain)) and len(allowed) <= 2
    return program, complete and in_one_range and is_read_in_full(model)


def _hulls(domains: Lists) -> tuple[FloatArray, FloatArray]:
    """Return the least and the largest number of each domain; of an empty one, the least is the larger."""
    lower, upper = np.full(len(domains), np.inf), np.full(len(domains), -np.inf)
    some = np.flatnonzero(domains.sizes)
    lower[some] = domains.items[domains.offset[some]]
    upper[some] = domains.items[domains.offset[some + 1] - 1]
    return np.where(lower <= -_UNBOUNDED, -np.inf, lower), np.where(upper >= _UNBOUNDED, np.inf, upper)


def _signs(references: IntArray) -> FloatArray:
    return np.where(references >= 0, 1.0, -1.0)


def _linear(rows: Rows) -> _Sums:
    references = rows.entries.items
    lower, upper = _hulls(rows.domain)
    return _Sums(
        rows.entries.owner,
        variables_of(references),
        _signs(references) * rows.coefficients,
        lower,
        upper,
        rows.enforcement,
    )


def _boolean(rows: Rows) -> Iterator[_Sums]:
    clauses, conjunctions, at_most, exactly = (
        rows.take(np.flatnonzero(rows.kind == kind)) for kind in (OR_ROW, AND_ROW, AT_MOST_ONE_ROW, EXACTLY_ONE_ROW)
    )
    yield _counts(_negated(clauses.enforcement).followed_by(clauses.entries), 1, np.inf)
    owner = conjunctions.entries.owner
    each = Lists(np.arange(len(owner) + 1), conjunctions.entries.items)
    yield _counts(_negated(conjunctions.enforcement).take(owner).followed_by(each), 1, np.inf)
    yield _counts(at_most.entries, -np.inf, 1, at_most.enforcement)
    yield _counts(exactly.entries, 1, 1, exactly.enforcement)


def _negated(literals: Lists) -> Lists:
    return Lists(literals.offset, ~literals.items)


def _no_conditions(count: int) -> Lists:
    return Lists.from_sizes(np.zeros(count, dtype=np.int64), np.zeros(0, dtype=np.int64))


def _counts(literals: Lists, lower: float, upper: float, conditions: Lists | None = None) -> _Sums:
    """Return that between ``lower`` and ``upper`` of the literals of each list hold."""
    negative = np.bincount(literals.owner, literals.items < 0, len(literals))
    return _Sums(
        literals.owner,
        variables_of(literals.items),
        _signs(literals.items),
        np.float64(lower) - negative,
        np.float64(upper) - negative,
        _no_conditions(len(literals)) if conditions is None else conditions,
    )


class _Collected:
    """Sums that are read one at a time, from constraints that are no rows."""

    def __init__(self) -> None:
        self._columns: list[Sequence[int]] = []
        self._coefficients: list[Sequence[float]] = []
        self._lower: list[float] = []
        self._upper: list[float] = []
        self._conditions: list[Sequence[int]] = []

    def add(self, kind: str | None, constraint: Any, lower: FloatArray, upper: FloatArray) -> None:
        """Read a constraint as far as it says something linear; the bounds are those of the variables."""
        conditions = constraint.enforcement_literal[:]
        if kind == "interval":
            interval = constraint.interval
            self.add_expressions(((1, interval.start), (1, interval.size), (-1, interval.end)), 0, 0, conditions)
            self.add_expressions(((1, interval.size),), 0, np.inf, conditions)
        elif kind == "lin_max":
            target = constraint.lin_max.target
            for expression in constraint.lin_max.exprs:
                self.add_expressions(((1, target), (-1, expression)), 0, np.inf, conditions)
            most = max((most_of(e, lower, upper) for e in constraint.lin_max.exprs), default=np.inf)
            self.add_expressions(((1, target),), -np.inf, most, conditions)
        elif kind == "all_diff":
            self._add_all_different(constraint.all_diff.exprs, lower, upper, conditions)
        elif kind in ("circuit", "routes"):
            body = getattr(constraint, kind)
            for ends in (body.tails[:], body.heads[:]):
                arcs: dict[int, list[int]] = {}
                for node, literal in zip(ends, body.literals, strict=True):
                    arcs.setdefault(node, []).append(literal)
                for node, literals in arcs.items():
                    if kind == "circuit" or node:  # any number of routes may meet at the depot
                        negative = sum(literal < 0 for literal in literals)
                        terms = [(literal, 1) if literal >= 0 else (~literal, -1) for literal in literals]
                        self.add_sum(terms, 1 - negative, 1 - negative, conditions)

    def _add_all_different(
        self, expressions: Sequence[Any], lower: FloatArray, upper: FloatArray, conditions: Sequence[int]
    ) -> None:
        """Add that the sum is at least that of the smallest values, and at most that of the largest."""
        count = len(expressions)
        if count:
            steps = count * (count - 1) / 2
            least = min(least_of(expression, lower, upper) for expression in expressions) * count + steps
            most = max(most_of(expression, lower, upper) for expression in expressions) * count - steps
            self.add_expressions([(1, expression) for expression in expressions], least, most, conditions)

    def add_expressions(
        self, expressions: Sequence[tuple[int, Any]], lower: float, upper: float, conditions: Sequence[int]
    ) -> None:
        """Add bounds on a sum of expressions with factors."""
        constant = sum(factor * expression.offset for factor, expression in expressions)
        terms = [
            (reference, factor * coefficient) if reference >= 0 else (~reference, -factor * coefficient)
            for factor, expression in expressions
            for reference, coefficient in zip(expression.vars, expression.coeffs, strict=True)
        ]
        self.add_sum(terms, lower - constant, upper - constant, conditions)

    def add_sum(
        self, terms: Sequence[tuple[int, float]], lower: float, upper: float, conditions: Sequence[int]
    ) -> None:
        """Add bounds on a sum of variables with coefficients."""
        columns, coefficients = zip(*terms, strict=True) if terms else ((), ())
        self._columns.append(columns)
        self._coefficients.append(coefficients)
        self._lower.append(lower)
        self._upper.append(upper)
        self._conditions.append(conditions)

    def sums(self) -> _Sums:
        """Return all of them."""
        columns = Lists.of(self._columns)
        return _Sums(
            columns.owner,
            columns.items,
            np.array(list(chain.from_iterable(self._coefficients)), dtype=np.float64),
            np.array(self._lower, dtype=np.float64),
            np.array(self._upper, dtype=np.float64),
            Lists.of(self._conditions),
        )


def _joined(parts: Sequence[_Sums]) -> _Sums:
    before = np.cumsum([0, *(len(part.lower) for part in parts[:-1])])
    return _Sums(
        np.concatenate([part.sum + start for part, start in zip(parts, before, strict=True)]),
        np.concatenate([part.column for part in parts]),
        np.concatenate([part.coefficient for part in parts]),
        np.concatenate([part.lower for part in parts]),
        np.concatenate([part.upper for part in parts]),
        Lists.from_sizes(
            np.concatenate([part.conditions.sizes for part in parts]),
            np.concatenate([part.conditions.items for part in parts]),
        ),
    )


def _into_bounds(sums: _Sums, lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray, _Sums]:
    """Return the bounds of the variables with what sums of one term say of them, and the other sums."""
    single = (np.bincount(sums.sum, minlength=len(sums.lower)) == 1) & (sums.conditions.sizes == 0)
    of = sums.take(single)
    ends = of.lower / of.coefficient, of.upper / of.coefficient  # a bound that is infinite has the right sign
    lower, upper = lower.copy(), upper.copy()
    np.maximum.at(lower, of.column, np.ceil(np.minimum(*ends) - _ROUNDING))
    np.minimum.at(upper, of.column, np.floor(np.maximum(*ends) + _ROUNDING))
    return lower, upper, sums.take(~single)


def _without_conditions(sums: _Sums, lower: FloatArray, upper: FloatArray) -> tuple[_Sums, bool]:
    """Return sums that hold whatever the conditions, and whether they say all that these said.

    A bound under conditions gives way for each one that fails, by as much as the bounds of the variables can make it
    need.
    """
    bounded = sums.conditions.sizes > 0
    plain, rest = sums.take(~bounded), sums.take(bounded)
    positive = rest.coefficient > 0
    least, most = (
        np.bincount(rest.sum, rest.coefficient * np.where(positive, *ends), len(rest.lower))
        for ends in ((lower[rest.column], upper[rest.column]), (upper[rest.column], lower[rest.column]))
    )
    parts, complete = [plain], True
    for slack, side, sign in ((rest.lower - least, "lower", 1.0), (most - rest.upper, "upper", -1.0)):
        needed = slack > 0
        said = needed & (slack <= _MOST_SLACK)
        complete = complete and bool((needed == said).all())
        part = rest.take(said)
        conditions, size = part.conditions, slack[said]
        owner = conditions.owner
        # A condition x fails by 1 - x, and its negation by x.
        fails = -_signs(conditions.items)
        constant = np.bincount(owner, conditions.items >= 0, len(size)) * size
        parts.append(
            _Sums(
                np.concatenate([part.sum, owner]),
                np.concatenate([part.column, variables_of(conditions.items)]),
                np.concatenate([part.coefficient, sign * size[owner] * fails]),
                part.lower - constant if side == "lower" else np.full(len(size), -np.inf),
                part.upper + constant if side == "upper" else np.full(len(size), np.inf),
                _no_conditions(len(size)),
            )
        )
    return _joined(parts), complete
