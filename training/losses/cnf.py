"""Conjunctive normal form (CNF): Boolean atoms, and clauses of which each needs one true literal.

From a CP-SAT model: an atom says "this variable takes this value" (direct encoding), so a clause is a statement about
the candidates that networks score.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from nnsearch.errors import NNSearchError
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.rows import constraint_label

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

LIMIT = 100_000
"""Combinations of values of one constraint that are looked at, unless told otherwise."""


class CnfError(NNSearchError):
    """A model has no clause form, or clauses are not about the atoms that there are."""


@dataclass(frozen=True, eq=False)
class Cnf:
    """Clauses over atoms 0..n-1.

    Attributes:
        num_atoms: n.
        literals: int64[E], the literals of one clause after the other: ``atom + 1``, negative when negated.
        offset: int64[M + 1], clause i has ``literals[offset[i]:offset[i + 1]]``, none of them twice.
        variable: int64[n], the variable of the CpModel that an atom is about; empty when there is no model.
        value: int64[n], the value it takes when the atom is true; empty when there is no model.
    """

    num_atoms: int
    literals: IntArray
    offset: IntArray
    variable: IntArray
    value: IntArray

    @classmethod
    def from_clauses(
        cls,
        num_atoms: int,
        clauses: Iterable[Iterable[int]],
        variable: Sequence[int] = (),
        value: Sequence[int] = (),
    ) -> Cnf:
        """Build it from lists of literals.

        A literal that stands twice in a clause is kept once, and a clause with an atom and its negation is left out.
        Clauses that stand twice stay: to a loss that averages over clauses they weigh twice.

        Raises:
            CnfError: a literal is 0 or about no atom.
        """
        kept: list[list[int]] = []
        for clause in clauses:
            distinct = dict.fromkeys(clause)
            for literal in distinct:
                if not 1 <= abs(literal) <= num_atoms:
                    raise CnfError(f"expected literals 1..{num_atoms} or their opposites, got {literal}")
            if not any(-literal in distinct for literal in distinct):
                kept.append(list(distinct))
        return cls(
            num_atoms,
            np.array(list(itertools.chain.from_iterable(kept)), dtype=np.int64),
            np.cumsum([0, *map(len, kept)], dtype=np.int64),
            np.array(variable, dtype=np.int64),
            np.array(value, dtype=np.int64),
        )

    @property
    def num_clauses(self) -> int:
        """M."""
        return len(self.offset) - 1

    @property
    def width(self) -> IntArray:
        """int64[M], how many literals each clause has."""
        return np.diff(self.offset)

    def clauses(self) -> Iterator[list[int]]:
        """Yield the literals of each clause."""
        for start, end in itertools.pairwise(self.offset.tolist()):
            yield self.literals[start:end].tolist()

    def satisfied(self, atoms: npt.ArrayLike) -> BoolArray:
        """Return bool[B, M], whether each clause has a true literal; atoms are [B, n], non-zero = true."""
        true = np.asarray(atoms, dtype=bool)
        held = true[:, np.abs(self.literals) - 1] == (self.literals > 0)  # [B, E]
        count = np.concatenate([np.zeros((len(true), 1), dtype=np.int64), held.cumsum(1)], axis=1)
        result: BoolArray = count[:, self.offset[1:]] > count[:, self.offset[:-1]]
        return result

    def holds(self, solution: npt.ArrayLike) -> BoolArray:
        """Return bool[n], the atoms that are true in a solution of the CpModel, int[V]."""
        held: BoolArray = np.asarray(solution, dtype=np.int64)[self.variable] == self.value
        return held


def from_model(
    model: cp_model.CpModel | PreparedModel, *, one_value: bool = True, each_value: bool = False, limit: int = LIMIT
) -> Cnf:
    """Return the CNF whose models are the solutions of a CpModel; an objective and hints are not part of it.

    A variable with values 0 and 1 is one atom, any other one atom per value. All different: of two expressions, not
    both this value. Clauses, exactly-one, at-most-one, sums of literals that say the same, and inverse have clauses of
    their own. Tables, elements, products, maxima, xor and other linear constraints are forbidden combination by
    combination (one clause where all combinations that begin alike are forbidden). Enforcement literals become literals
    of the clauses.

    The 9 x 9 sudoku of Yang, Lee and Park (2022) is ``one_value=False, each_value=True``: a softmax over each cell says
    already that it has one value, and of each of 27 lines and boxes and 9 values remain 36 pairs and one "somewhere",
    27 * 9 * 37 = 8,991 clauses. Pairs that share a line and a box stand in it twice, as they do there.

    Args:
        model: it is not changed.
        one_value: say that every variable takes exactly one value. Without, the models that give exactly one value to
            every variable are the solutions.
        each_value: redundantly say of an all-different with as many values as expressions that each value is somewhere.
        limit: most combinations of values of one constraint to look at, and most values of one variable.

    Raises:
        CnfError: a constraint has no clause form here, or more combinations than the limit; the message names it.
    """
    proto = PreparedModel.of(model).proto
    if len(proto.assumptions):
        raise CnfError("expected a model without assumptions; add them as constraints")
    encoder = _Encoder(proto, each_value, limit)
    encoder.add_values(one_value)
    for index, constraint in enumerate(proto.constraints):
        try:
            encoder.add(constraint)
        except CnfError as error:
            raise CnfError(f"{constraint_label(constraint, index)}: {error}") from None
    return Cnf.from_clauses(encoder.num_atoms, encoder.clauses, encoder.variable, encoder.value)


_TRUE, _FALSE = math.inf, -math.inf
"""Literals of constants, so that negation is the sign for them too."""

Literal = int | float


class _Encoder:
    def __init__(self, proto: Any, each_value: bool, limit: int) -> None:
        self._each_value, self._limit = each_value, limit
        self.clauses: list[list[int]] = []
        self.variable: list[int] = []
        self.value: list[int] = []
        self._domains = [self._domain(variable, index) for index, variable in enumerate(proto.variables)]
        self._boolean = [set(domain.tolist()) <= {0, 1} for domain in self._domains]
        self._literals: list[dict[int, int]] = []  # of each variable: value -> literal
        for index, (domain, boolean) in enumerate(zip(self._domains, self._boolean, strict=True)):
            first = len(self.variable) + 1
            values = [1] if boolean else domain.tolist()
            self.variable += [index] * len(values)
            self.value += values
            own = {value: first + place for place, value in enumerate(values)}
            self._literals.append({**own, 0: -first} if boolean else own)

    @property
    def num_atoms(self) -> int:
        return len(self.variable)

    def add_values(self, one_value: bool) -> None:
        """Say that each variable takes exactly one value of its domain; of Booleans only fixed ones need it."""
        for domain, boolean, literals in zip(self._domains, self._boolean, self._literals, strict=True):
            if boolean:
                if len(domain) == 1:
                    self._clause([literals[int(domain[0])]])
            elif one_value:
                self._exactly_one(tuple(literals.values()), [])

    def add(self, constraint: Any) -> None:
        kind = constraint.WhichOneof("constraint")
        if kind is None:  # an empty constraint always holds
            return
        add = _KINDS.get(kind)
        if add is None:
            raise CnfError(f"{kind} has no clause form here; expected one of {', '.join(_KINDS)}")
        if kind in ("table", "element") and len(getattr(constraint, kind).vars):
            raise CnfError(f"expected a {kind} of expressions, got one of variables, in an older spelling")
        unless: list[Literal] = [-self._literal(reference) for reference in constraint.enforcement_literal]
        add(self, getattr(constraint, kind), unless)

    def _add_all_diff(self, body: Any, unless: list[Literal]) -> None:
        places: dict[int, list[Literal]] = {}  # value -> the literals that say "this expression has it"
        for expression in body.exprs:
            for value, literal in self._values_of(expression):
                places.setdefault(value, []).append(literal)
        permutation = self._each_value and len(places) == len(body.exprs)
        for value in sorted(places):
            if permutation:
                self._clause([*unless, *places[value]])
            self._at_most_one(places[value], unless)

    def _add_bool_or(self, body: Any, unless: list[Literal]) -> None:
        self._clause([*unless, *self._literals_of(body)])

    def _add_bool_and(self, body: Any, unless: list[Literal]) -> None:
        for literal in self._literals_of(body):
            self._clause([*unless, literal])

    def _add_bool_xor(self, body: Any, unless: list[Literal]) -> None:
        references = list(body.literals)
        scope = _distinct(map(_variable, references))
        negated = np.full(self._shape(scope), sum(reference < 0 for reference in references))
        total = sum((self._along(scope, _variable(reference)) for reference in references), negated)
        self._forbid(scope, total % 2 == 0, unless)

    def _add_exactly_one(self, body: Any, unless: list[Literal]) -> None:
        self._exactly_one(self._literals_of(body), unless)

    def _add_at_most_one(self, body: Any, unless: list[Literal]) -> None:
        self._at_most_one(self._literals_of(body), unless)

    def _add_linear(self, body: Any, unless: list[Literal]) -> None:
        variables, coefficients, intervals = list(body.vars), list(body.coeffs), list(body.domain)
        if self._count(variables, coefficients, intervals, unless):
            return
        scope = _distinct(variables)
        total = sum(
            (c * self._along(scope, v) for v, c in zip(variables, coefficients, strict=True)),
            np.zeros(self._shape(scope), dtype=np.int64),
        )
        self._forbid(scope, ~_inside(intervals, total), unless)

    def _count(
        self, variables: list[int], coefficients: list[int], intervals: list[int], unless: list[Literal]
    ) -> bool:
        """Add a sum of literals that is exactly, at most or at least one, of any length; return whether it was."""
        if len(intervals) != 2 or any(abs(c) != 1 for c in coefficients) or len(set(variables)) != len(variables):
            return False
        if not all(self._boolean[v] for v in variables):
            return False
        literals = [c * self._literals[v][1] for v, c in zip(variables, coefficients, strict=True)]
        count, negative = len(literals), sum(c < 0 for c in coefficients)
        low, high = max(intervals[0] + negative, 0), min(intervals[1] + negative, count)
        match (low, high):
            case (1, 1):
                self._exactly_one(literals, unless)
            case (0, 1):
                self._at_most_one(literals, unless)
            case (1, most) if most == count:
                self._clause([*unless, *literals])
            case (least, most) if least == count - 1 and most == count:  # at most one of them fails
                self._at_most_one([-literal for literal in literals], unless)
            case _:
                return False
        return True

    def _add_table(self, body: Any, unless: list[Literal]) -> None:
        columns = [self._expression(one) for one in body.exprs]
        if not columns:  # CP-SAT takes a table without columns as satisfied
            return
        scope = self._scope(body.exprs)
        rows = np.array(list(body.values), dtype=np.int64).reshape(-1, len(columns))
        shape = self._shape(scope)
        listed = np.zeros(shape, dtype=bool)
        for row in rows:
            match = np.ones(shape, dtype=bool)
            for column, value in zip(columns, row, strict=True):
                match &= column(scope) == value
            listed |= match
        self._forbid(scope, listed if body.negated else ~listed, unless)

    def _add_element(self, body: Any, unless: list[Literal]) -> None:
        scope = self._scope([body.linear_index, body.linear_target, *body.exprs])
        place, goal = self._expression(body.linear_index)(scope), self._expression(body.linear_target)(scope)
        holds = np.zeros(self._shape(scope), dtype=bool)
        for position, entry in enumerate(body.exprs):
            holds |= (place == position) & (self._expression(entry)(scope) == goal)
        self._forbid(scope, ~holds, unless)

    def _add_int_prod(self, body: Any, unless: list[Literal]) -> None:
        self._function(body, unless, np.multiply.reduce)

    def _add_lin_max(self, body: Any, unless: list[Literal]) -> None:
        self._function(body, unless, np.maximum.reduce)

    def _function(self, body: Any, unless: list[Literal], of: Callable[[Any], Any]) -> None:
        """Add ``target == of(exprs)``."""
        scope = self._scope([body.target, *body.exprs])
        shape = self._shape(scope)
        arguments = [np.broadcast_to(self._expression(one)(scope), shape) for one in body.exprs]
        self._forbid(scope, of(np.stack(arguments)) != self._expression(body.target)(scope), unless)

    def _add_inverse(self, body: Any, unless: list[Literal]) -> None:
        """Say ``f_direct[i] == j`` iff ``f_inverse[j] == i``."""
        sides = (list(body.f_direct), list(body.f_inverse))
        for one, other in (sides, sides[::-1]):
            for i, reference in enumerate(one):
                for value, literal in self._literals[reference].items():
                    if 0 <= value < len(other):
                        back: Literal = self._literals[other[value]].get(i, _FALSE)
                        self._clause([*unless, -literal, back])
                    else:
                        self._clause([*unless, -literal])

    def _exactly_one(self, literals: Sequence[Literal], unless: list[Literal]) -> None:
        self._clause([*unless, *literals])
        self._at_most_one(literals, unless)

    def _at_most_one(self, literals: Sequence[Literal], unless: list[Literal]) -> None:
        for one, other in itertools.combinations(literals, 2):
            self._clause([*unless, -one, -other])

    def _forbid(self, scope: Sequence[int], bad: Any, unless: list[Literal]) -> None:
        """Exclude the combinations of values of the scope's variables, an axis each, where ``bad`` (broadcast) is true.

        One true literal of ``unless`` lifts the ban.
        """
        grid: BoolArray = np.broadcast_to(bad, self._shape(scope))
        self._walk(list(scope), grid, unless)

    def _walk(self, scope: list[int], bad: BoolArray, clause: list[Literal]) -> None:
        if bad.all():
            self._clause(clause)
        elif bad.any():
            for place in np.flatnonzero(bad.reshape(len(bad), -1).any(1)):
                literal = self._literals[scope[0]][int(self._domains[scope[0]][place])]
                self._walk(scope[1:], bad[place], [*clause, -literal])

    def _clause(self, literals: Sequence[Literal]) -> None:
        if _TRUE not in literals:
            self.clauses.append([int(literal) for literal in literals if literal != _FALSE])

    def _literal(self, reference: int) -> int:
        """Return the literal of a reference to a Boolean variable or its negation."""
        variable = _variable(reference)
        literal = self._literals[variable][1]
        return literal if reference >= 0 else -literal

    def _literals_of(self, body: Any) -> list[int]:
        return [self._literal(reference) for reference in body.literals]

    def _values_of(self, expression: Any) -> Iterator[tuple[int, Literal]]:
        """Yield the values of an expression of at most one variable, with the literal that says "it is this"."""
        terms = [(v, c) for v, c in zip(expression.vars, expression.coeffs, strict=True) if c]
        if len(terms) > 1:
            raise CnfError(f"expected expressions of one variable, got one of {len(terms)}; name it by a variable")
        if not terms:
            yield expression.offset, _TRUE
        for variable, coefficient in terms:
            for value in self._domains[variable].tolist():
                yield coefficient * value + expression.offset, self._literals[variable][value]

    def _expression(self, expression: Any) -> Callable[[Sequence[int]], IntArray]:
        terms = list(zip(expression.vars, expression.coeffs, strict=True))
        offset = np.array(expression.offset)
        return lambda scope: sum((c * self._along(scope, v) for v, c in terms), offset)

    def _scope(self, expressions: Iterable[Any]) -> list[int]:
        return _distinct(variable for expression in expressions for variable in expression.vars)

    def _along(self, scope: Sequence[int], variable: int) -> IntArray:
        """Return the values of a variable along its axis of the grid of a scope."""
        axis = scope.index(variable)
        return self._domains[variable].reshape([-1 if place == axis else 1 for place in range(len(scope))])

    def _shape(self, scope: Sequence[int]) -> tuple[int, ...]:
        shape = tuple(len(self._domains[variable]) for variable in scope)
        if math.prod(shape) > self._limit:
            raise CnfError(
                f"expected at most {self._limit:,} combinations of values, "
                f"got {math.prod(shape):,} of {len(scope)} variables; split the constraint, or raise the limit"
            )
        return shape

    def _domain(self, variable: Any, index: int) -> IntArray:
        ends = list(variable.domain)
        intervals = [(low, high) for low, high in zip(ends[::2], ends[1::2], strict=True) if low <= high]
        size = sum(high - low + 1 for low, high in intervals)
        if not 1 <= size <= self._limit:
            name = variable.name or f"v{index}"
            raise CnfError(f"variable {name}: expected 1 to {self._limit:,} values, got {size:,}")
        return np.concatenate([np.arange(low, high + 1, dtype=np.int64) for low, high in intervals])


_KINDS = {name.removeprefix("_add_"): add for name, add in vars(_Encoder).items() if name.startswith("_add_")}


def _variable(reference: int) -> int:
    return reference if reference >= 0 else ~reference


def _distinct(variables: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(variables))


def _inside(intervals: list[int], values: IntArray) -> BoolArray:
    inside = np.zeros(values.shape, dtype=bool)
    for low, high in zip(intervals[::2], intervals[1::2], strict=True):
        inside |= (values >= low) & (values <= high)
    return inside
