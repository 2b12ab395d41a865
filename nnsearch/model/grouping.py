"""The candidates and groups of a model: what each of its constraints says of them.

The usual kinds of constraints are worked on all at once, as arrays. Groups come in the order of the constraints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsearch.errors import GraphError
from nnsearch.model.graph import (
    AT_LEAST_ONE,
    AT_MOST_ONE,
    ELEMENT,
    EXACTLY_ONE,
    LINEAR,
    MAX_VALUES,
    OTHER,
    TABLE,
    CandidateGraph,
    EncodingReport,
)
from nnsearch.model.rows import (
    AND_ROW,
    AT_MOST_ONE_ROW,
    EXACTLY_ONE_ROW,
    LINEAR_ROW,
    OR_ROW,
    ROW_KINDS,
    BoolArray,
    IntArray,
    Lists,
    Rows,
    constraint_label,
    ranges,
    variables_of,
)
from nnsearch.model.stopping import StopCheck

if TYPE_CHECKING:
    from nnsearch.model.prepared import PreparedModel

Term = tuple[int, int, int]
"""(variable, coefficient, offset) of an affine expression of one variable."""

_COLUMNS = {"linear": LINEAR, "table": TABLE, "element": ELEMENT}


def read_graph(model: PreparedModel, check: StopCheck) -> CandidateGraph:
    """Return the candidates and groups of a model.

    Raises:
        GraphError: a variable is declared with an empty domain.
        ReadingStoppedError: a stop was asked for.
    """
    values, too_large = _values(model.domains)
    for name, size, large in zip(model.names, values.sizes.tolist(), too_large.tolist(), strict=True):
        if not size and not large:
            raise GraphError(f"variable {name}: expected at least one value, its domain is empty")
    groups = Grouping(model.names, _narrowed(values, too_large, model.rows, check), too_large)
    constraints = model.proto.constraints
    _RowGroups(groups, model.rows, check).add()
    others = _OtherGroups(groups, constraints)
    for index, kind, constraint in model.others:
        check.now()
        others.add(index, kind or "an empty constraint", constraint)
    others.connect()
    return groups.graph(len(constraints), lambda index: constraint_label(constraints[index], index))


class Grouping:
    """Groups of candidates, constraint by constraint.

    Args:
        names: V names of variables.
        values: V lists of values, ascending.
        too_large: bool[V], the variables that have no candidates because they have too many values.

    Attributes:
        num_encoded: how many constraints the groups say in full.
    """

    def __init__(self, names: tuple[str, ...], values: Lists, too_large: BoolArray) -> None:
        self.values, self.too_large = values, too_large
        self.num_encoded = 0
        self._names = names
        self._groups: list[tuple[IntArray, IntArray, IntArray, IntArray]] = []  # constraint, kind, size; candidates
        self._connected: list[tuple[int, str]] = []
        self._ignored: list[tuple[int, str]] = []

    def graph(self, num_constraints: int, label: Callable[[int], str]) -> CandidateGraph:
        """Return all that was added, in the order of the constraints."""
        num_variables, sizes = len(self.values), self.values.sizes
        none = np.zeros(0, dtype=np.int64)
        constraint, kind, size, candidates = (
            np.concatenate(parts) for parts in zip((none, none, none, none), *self._groups, strict=True)
        )
        order = np.argsort(constraint, kind="stable")
        groups = Lists.from_sizes(size, candidates).take(order)
        all_sizes = np.concatenate([sizes, groups.sizes])
        step = 1 / np.maximum(sizes - 1, 1)
        report = EncodingReport(
            num_constraints,
            self.num_encoded,
            tuple((label(index), kind) for index, kind in sorted(self._connected)),
            tuple((label(index), reason) for index, reason in sorted(self._ignored)),
            tuple(self._names[index] for index in np.flatnonzero(self.too_large)),
        )
        return CandidateGraph(
            self._names,
            self.values.offset,
            self.values.items,
            (ranges(np.zeros(num_variables, dtype=np.int64), sizes) * np.repeat(step, sizes)).astype(np.float32),
            np.concatenate([np.arange(len(self.values.items)), groups.items]),
            np.repeat(np.arange(len(all_sizes)), all_sizes),
            np.concatenate([np.full(num_variables, EXACTLY_ONE, dtype=np.int64), kind[order]]),
            report,
        )

    def add(self, constraint: IntArray, kind: IntArray | int, groups: Lists) -> None:
        """Add groups.

        Args:
            constraint: int64[G], the constraint that each is of.
            kind: int64[G], or one for all.
            groups: their candidates.
        """
        kinds = np.broadcast_to(np.asarray(kind, dtype=np.int64), constraint.shape)
        self._groups.append((constraint, kinds, groups.sizes, groups.items))

    def add_literals(self, constraint: IntArray, kind: IntArray | int, literals: Lists) -> BoolArray:
        """Add groups of literals; return bool[G], those that name no variable twice. Others have no group."""
        variables = variables_of(literals.items)
        distinct = ~_repeats(Lists(literals.offset, variables), len(self.values))
        candidates = self.candidates(variables, (literals.items >= 0).astype(np.int64))
        groups = Lists(literals.offset, candidates).keep(distinct[literals.owner] & (candidates >= 0))
        kept = np.flatnonzero(distinct)
        kinds = np.broadcast_to(np.asarray(kind, dtype=np.int64), constraint.shape)
        self.add(constraint[kept], kinds[kept], groups.take(kept))
        return distinct

    def add_clauses(self, constraint: IntArray, literals: Lists) -> BoolArray:
        """Add disjunctions, as :meth:`add_literals` does; two literals exclude the pair of their negations."""
        pair = literals.sizes == 2
        turned = Lists(literals.offset, np.where(pair[literals.owner], ~literals.items, literals.items))
        return self.add_literals(constraint, np.where(pair, AT_MOST_ONE, AT_LEAST_ONE), turned)

    def add_all_different(self, constraint: int, terms: Sequence[Term]) -> None:
        """Add a group per value of the expressions."""
        variables, coefficients, offsets = np.array(terms, dtype=np.int64).T
        candidates, sizes = self.values.places(variables), self.values.sizes[variables]
        value = np.repeat(coefficients, sizes) * self.values.items[candidates] + np.repeat(offsets, sizes)
        order = np.argsort(value, kind="stable")
        size = np.unique(value, return_counts=True)[1]
        kind = EXACTLY_ONE if len(size) == len(terms) else AT_MOST_ONE
        self.add(np.full(len(size), constraint), kind, Lists.from_sizes(size, candidates[order]))

    def connect(self, constraints: IntArray, kinds: Sequence[str], scopes: Lists) -> None:
        """Add a group of all candidates of the variables in a scope, for each constraint that groups cannot say."""
        sizes = np.bincount(scopes.owner, self.values.sizes[scopes.items], len(scopes)).astype(np.int64)
        columns = np.array([_COLUMNS.get(kind, OTHER) for kind in kinds], dtype=np.int64)
        several = np.flatnonzero(scopes.sizes > 1)
        groups = Lists.from_sizes(sizes, self.values.places(scopes.items)).take(several)
        self.add(constraints[several], columns[several], groups)
        for index, kind, size in zip(constraints.tolist(), kinds, scopes.sizes.tolist(), strict=True):
            (self._connected if size > 1 else self._ignored).append((index, kind))

    def ignore(self, constraint: int, kind: str) -> None:
        """Note that a constraint names a variable without candidates."""
        self._ignored.append((constraint, f"{kind} on a variable without candidates"))

    def candidates(self, variables: IntArray, values: IntArray) -> IntArray:
        """Return the candidates of variables and values, -1 where a variable does not have the value."""
        domain, last = self.values, len(self.values.items) - 1
        low, end = domain.offset[variables], domain.offset[variables + 1]
        high = end
        while (low < high).any():  # binary search, of all at once
            middle = (low + high) // 2
            below = domain.items[np.minimum(middle, last)] < values
            low, high = np.where(below & (low < high), middle + 1, low), np.where(below, high, np.maximum(middle, low))
        found = (low < end) & (domain.items[np.minimum(low, last)] == values)
        return np.where(found, low, -1)


class _RowGroups:
    """The groups of linear constraints, clauses, at-most-ones and exactly-ones."""

    def __init__(self, groups: Grouping, rows: Rows, check: StopCheck) -> None:
        self._groups, self._rows, self._check = groups, rows, check

    def add(self) -> None:
        """Encode each row, else connect its variables, else report it."""
        rows, groups = self._rows, self._groups
        scopes = self._distinct(rows.enforcement.followed_by(rows.entries))
        known = np.bincount(scopes.owner, groups.too_large[scopes.items], len(rows)) == 0
        unenforced = rows.enforcement.sizes == 0
        linear, size, ends = rows.kind == LINEAR_ROW, rows.entries.sizes, rows.domain.sizes
        equation = linear & unenforced & (scopes.sizes > 1)
        encoded = np.zeros(len(rows), dtype=bool)
        for encode, mask in (
            (self._clauses, rows.kind == OR_ROW),
            (self._conjunctions, rows.kind == AND_ROW),
            (self._at_most_one, (rows.kind == AT_MOST_ONE_ROW) & unenforced),
            (self._exactly_one, (rows.kind == EXACTLY_ONE_ROW) & unenforced),
            (self._allowed, linear & unenforced & (scopes.sizes < 2)),
            (self._not_equal, equation & (size == 2) & (ends == 4)),
            (self._count, equation & (ends == 2)),
            (self._enforced, linear & (rows.enforcement.sizes == 1) & (size == 1)),
        ):
            self._check.now()
            chosen = np.flatnonzero(mask & known)
            if len(chosen):
                encoded[chosen] = encode(rows.take(chosen))
        groups.num_encoded += int(encoded.sum())
        kinds = [ROW_KINDS[kind] for kind in rows.kind.tolist()]
        for row in np.flatnonzero(~known).tolist():
            groups.ignore(int(rows.constraint[row]), kinds[row])
        rest = np.flatnonzero(known & ~encoded)
        groups.connect(rows.constraint[rest], [kinds[row] for row in rest.tolist()], scopes.take(rest))

    def _distinct(self, references: Lists) -> Lists:
        """Return the variables of some references, each once, in the order of their first place."""
        variables = Lists(references.offset, variables_of(references.items))
        if not _repeats(variables, len(self._groups.values)).any():
            return variables
        key = variables.owner * len(self._groups.values) + variables.items
        first = np.zeros(len(key), dtype=bool)
        first[np.unique(key, return_index=True)[1]] = True
        return variables.keep(first)

    def _clauses(self, rows: Rows) -> BoolArray:
        """Encode ``bool_or``: a condition that fails is one more way to satisfy it."""
        return self._groups.add_clauses(rows.constraint, _negated(rows.enforcement).followed_by(rows.entries))

    def _conjunctions(self, rows: Rows) -> BoolArray:
        """Encode ``bool_and``: a clause for each literal."""
        row = rows.entries.owner
        literals = Lists(np.arange(len(row) + 1), rows.entries.items)
        clauses = _negated(rows.enforcement).take(row).followed_by(literals)
        encoded = self._groups.add_clauses(rows.constraint[row], clauses)
        return np.bincount(row, ~encoded, len(rows)) == 0

    def _at_most_one(self, rows: Rows) -> BoolArray:
        return self._groups.add_literals(rows.constraint, AT_MOST_ONE, rows.entries)

    def _exactly_one(self, rows: Rows) -> BoolArray:
        return self._groups.add_literals(rows.constraint, EXACTLY_ONE, rows.entries)

    def _allowed(self, rows: Rows) -> BoolArray:
        """Encode a constraint on at most one variable: a group of the values it allows, where the domain has others."""
        coefficient = np.zeros(len(rows), dtype=np.int64)
        np.add.at(coefficient, rows.entries.owner, rows.coefficients)
        some = rows.entries.sizes > 0
        variable = rows.entries.items[rows.entries.offset[:-1][some]]
        sizes = np.ones(len(rows), dtype=np.int64)  # of no variable: the sum is 0
        sizes[some] = self._groups.values.sizes[variable]
        owner = np.repeat(np.arange(len(rows)), sizes)
        candidates = np.full(len(owner), -1, dtype=np.int64)
        candidates[some[owner]] = self._groups.values.places(variable)
        values = np.where(candidates >= 0, self._groups.values.items[candidates], 0)
        inside = _within(rows.domain, owner, coefficient[owner] * values)
        narrower = np.flatnonzero(np.bincount(owner, ~inside, len(rows)))
        groups = Lists.from_sizes(sizes, candidates).keep(inside & (candidates >= 0))
        self._groups.add(rows.constraint[narrower], EXACTLY_ONE, groups.take(narrower))
        return np.ones(len(rows), dtype=bool)

    def _not_equal(self, rows: Rows) -> BoolArray:
        """Encode ``a x + b y != c``: each pair of values that would give c excludes itself."""
        (x, y), (a, b) = rows.entries.items.reshape(-1, 2).T, rows.coefficients.reshape(-1, 2).T
        domain, ends = self._groups.values, rows.domain.items.reshape(-1, 4)
        low, high = (
            sum(bound(k * domain.items[domain.offset[v]], k * domain.items[domain.offset[v + 1] - 1]) for v, k in terms)
            for terms in [((x, a), (y, b))]
            for bound in (np.minimum, np.maximum)
        )
        encoded = (ends[:, 2] - ends[:, 1] == 2) & (a != 0) & (b != 0) & (low >= ends[:, 0]) & (high <= ends[:, 3])
        x, y, a, b, constraint, c = (array[encoded] for array in (x, y, a, b, rows.constraint, ends[:, 1] + 1))
        # In the ascending order of a x.
        sizes = domain.sizes[x]
        owner = np.repeat(np.arange(len(x)), sizes)
        place = ranges(np.zeros(len(x), dtype=np.int64), sizes)
        place = np.where(a[owner] > 0, place, sizes[owner] - 1 - place)
        left = domain.offset[x][owner] + place
        quotient, remainder = np.divmod(c[owner] - a[owner] * domain.items[left], b[owner])
        right = self._groups.candidates(y[owner], quotient)
        excluded = (remainder == 0) & (right >= 0)
        pairs = np.stack([left[excluded], right[excluded]], axis=1)
        self._groups.add(constraint[owner[excluded]], AT_MOST_ONE, Lists(2 * np.arange(len(pairs) + 1), pairs.ravel()))
        return encoded

    def _count(self, rows: Rows) -> BoolArray:
        """Encode a sum of literals that is exactly, at most or at least one (x - y <= 0 is one as well)."""
        domain = self._groups.values
        other = (domain.items < 0) | (domain.items > 1)
        boolean = np.bincount(domain.owner, other, len(domain)) == 0
        owner, count = rows.entries.owner, rows.entries.sizes
        literal = boolean[rows.entries.items] & (np.abs(rows.coefficients) == 1)
        literals = Lists(rows.entries.offset, np.where(rows.coefficients > 0, rows.entries.items, ~rows.entries.items))
        negative = np.bincount(owner, rows.coefficients < 0, len(rows)).astype(np.int64)
        # Bounds of the number of literals that hold. Open sides are far out, where a sum would overflow.
        low, high = np.clip(rows.domain.items.reshape(-1, 2).T, -count - 1, count + 1) + negative
        low, high = np.maximum(low, 0), np.minimum(high, count)
        fits = np.bincount(owner, ~literal, len(rows)) == 0
        exactly = fits & (low == 1) & (high == 1)
        at_most = fits & (low == 0) & (high == 1)
        at_least = fits & (low == 1) & (high == count) & ~exactly
        one_fails = fits & (low == count - 1) & (high == count) & ~at_least & ~exactly & ~at_most
        encoded = np.zeros(len(rows), dtype=bool)
        for mask, kind, sign in ((exactly, EXACTLY_ONE, literals), (at_most, AT_MOST_ONE, literals)):
            encoded[mask] = self._groups.add_literals(rows.constraint[mask], kind, sign.take(np.flatnonzero(mask)))
        encoded[at_least] = self._groups.add_clauses(rows.constraint[at_least], literals.take(np.flatnonzero(at_least)))
        encoded[one_fails] = self._groups.add_literals(
            rows.constraint[one_fails], AT_MOST_ONE, _negated(literals.take(np.flatnonzero(one_fails)))
        )
        return encoded

    def _enforced(self, rows: Rows) -> BoolArray:
        """Encode "literal implies x in S": the literal and the values outside S exclude each other."""
        literal, variable = rows.enforcement.items, rows.entries.items
        holder = self._groups.candidates(variables_of(literal), (literal >= 0).astype(np.int64))
        other = variable != variables_of(literal)
        chosen = np.flatnonzero((holder >= 0) & other)
        candidates = Lists.from_sizes(
            self._groups.values.sizes[variable[chosen]], self._groups.values.places(variable[chosen])
        )
        values = rows.coefficients[chosen][candidates.owner] * self._groups.values.items[candidates.items]
        outside = candidates.keep(~_within(rows.domain.take(chosen), candidates.owner, values))
        holders = Lists(np.arange(len(chosen) + 1), holder[chosen])
        self._groups.add(rows.constraint[chosen], AT_MOST_ONE, holders.followed_by(outside))
        return other | (holder < 0)


class _OtherGroups:
    """The groups of constraints that are not rows, one at a time."""

    def __init__(self, groups: Grouping, constraints: Sequence[Any]) -> None:
        self._groups, self._constraints = groups, constraints
        self._connected: list[int] = []
        self._kinds: list[str] = []
        self._scopes: list[list[int]] = []

    def add(self, index: int, kind: str, constraint: Any) -> None:
        """Encode a constraint, else keep it to be connected."""
        scope = list(dict.fromkeys(_scope(constraint, kind, self._constraints)))
        if any(self._groups.too_large[v] for v in scope):
            self._groups.ignore(index, kind)
        elif self._encode(index, kind, constraint):
            self._groups.num_encoded += 1
        else:
            self._connected.append(index)
            self._kinds.append(kind)
            self._scopes.append(scope)

    def connect(self) -> None:
        """Connect the variables of constraints that could not be encoded."""
        self._groups.connect(np.array(self._connected, dtype=np.int64), self._kinds, Lists.of(self._scopes))

    def _encode(self, index: int, kind: str, constraint: Any) -> bool:
        """Add groups that say the same as the constraint; return whether there are any such groups."""
        if len(constraint.enforcement_literal):
            return False
        if kind == "all_diff":
            terms = [_term(expression) for expression in constraint.all_diff.exprs]
            known = [term for term in terms if term is not None]
            distinct = len({variable for variable, _, _ in known}) == len(known) == len(terms)
            if known and distinct:
                self._groups.add_all_different(index, known)
            return distinct
        if kind == "circuit":
            self._circuit(index, constraint.circuit)
        return False

    def _circuit(self, index: int, circuit: Any) -> None:
        """Add that one arc leaves and one enters each node; that there is one cycle only is not in these groups."""
        literals = np.array(circuit.literals[:], dtype=np.int64)
        for end in (circuit.tails, circuit.heads):
            nodes = np.array(end[:], dtype=np.int64)
            sizes = np.unique(nodes, return_counts=True)[1]
            arcs = Lists.from_sizes(sizes, literals[np.argsort(nodes, kind="stable")])
            self._groups.add_literals(np.full(len(sizes), index), EXACTLY_ONE, arcs)


def _negated(literals: Lists) -> Lists:
    return Lists(literals.offset, ~literals.items)


def _repeats(lists: Lists, num_variables: int) -> BoolArray:
    """Return bool[L], whether a list names a variable more than once."""
    key = np.sort(lists.owner * num_variables + lists.items)
    repeats = np.zeros(len(lists), dtype=bool)
    repeats[key[1:][key[1:] == key[:-1]] // max(num_variables, 1)] = True
    return repeats


def _within(ranges_of: Lists, owner: IntArray, values: IntArray) -> BoolArray:
    """Tell whether each value is in one of the ranges ``low, high, low, high, ...`` of its owner."""
    inside = np.zeros(len(values), dtype=bool)
    start, end = ranges_of.offset[owner], ranges_of.offset[owner + 1]
    open_ = np.flatnonzero(start < end)
    place = 0
    while len(open_):
        at = start[open_] + place
        inside[open_] |= (ranges_of.items[at] <= values[open_]) & (values[open_] <= ranges_of.items[at + 1])
        place += 2
        open_ = open_[start[open_] + place < end[open_]]
    return inside


def _values(domains: Lists) -> tuple[Lists, BoolArray]:
    """Return the values of each variable, and whether it has too many, more than ``MAX_VALUES``; no values then."""
    low, high = domains.items[::2], domains.items[1::2]
    owner = domains.owner[::2]
    width = np.maximum(high.astype(np.float64) - low + 1, 0)  # int64 could overflow
    too_large = np.bincount(owner, width, len(domains)) > MAX_VALUES
    kept = ~too_large[owner]
    sizes = width[kept].astype(np.int64)
    count = np.bincount(owner[kept], sizes, len(domains)).astype(np.int64)
    return Lists.from_sizes(count, ranges(low[kept], sizes)), too_large


def _narrowed(values: Lists, too_large: BoolArray, rows: Rows, check: StopCheck) -> Lists:
    """Apply the linear constraints of one term, which are domains in disguise, save those that leave no value.

    A variable that one constraint names twice keeps its values: the CP engine may not rule any out before it is bound.
    """
    chosen = np.flatnonzero((rows.kind == LINEAR_ROW) & (rows.enforcement.sizes == 0) & (rows.entries.sizes == 1))
    chosen = chosen[~too_large[rows.entries.items[rows.entries.offset[chosen]]]]
    kept = np.ones(len(values.items), dtype=bool)
    while len(chosen):
        check.now()
        # One constraint of each variable at a time: the next one applies to what this one leaves.
        variable, first = np.unique(rows.entries.items[rows.entries.offset[chosen]], return_index=True)
        row = chosen[first]
        candidates = Lists.from_sizes(values.sizes[variable], values.places(variable))
        coefficient = rows.coefficients[rows.entries.offset[row]]
        sums = coefficient[candidates.owner] * values.items[candidates.items]
        left = kept[candidates.items] & _within(rows.domain.take(row), candidates.owner, sums)
        some = np.bincount(candidates.owner, left, len(row)) > 0
        kept[candidates.items[some[candidates.owner] & ~left]] = False
        chosen = np.delete(chosen, first)
    return values.keep(kept)


def _term(expression: Any) -> Term | None:
    if len(expression.vars) != 1 or expression.coeffs[0] == 0:
        return None
    return expression.vars[0], expression.coeffs[0], expression.offset


_EXPRESSIONS = {
    "all_diff": ("exprs",),
    "table": ("exprs",),
    "element": ("linear_index", "linear_target", "exprs"),
    "int_prod": ("target", "exprs"),
    "int_div": ("target", "exprs"),
    "int_mod": ("target", "exprs"),
    "lin_max": ("target", "exprs"),
    "automaton": ("exprs",),
    "interval": ("start", "size", "end"),
    "reservoir": ("time_exprs", "level_changes"),
    "cumulative": ("demands", "capacity"),
}
_REFERENCES = {
    "table": ("vars",),
    "element": ("vars",),
    "automaton": ("vars",),
    "inverse": ("f_direct", "f_inverse"),
    "bool_xor": ("literals",),
    "circuit": ("literals",),
    "routes": ("literals",),
    "reservoir": ("active_literals",),
}
_INTERVALS = {
    "no_overlap": ("intervals",),
    "no_overlap_2d": ("x_intervals", "y_intervals"),
    "cumulative": ("intervals",),
}


def _scope(constraint: Any, kind: str, constraints: Sequence[Any]) -> Iterator[int]:
    """Yield the variables that a constraint names, itself or by its intervals, repetitions included."""
    for literal in constraint.enforcement_literal:
        yield _variable(literal)
    body = getattr(constraint, kind, None)
    for name in _EXPRESSIONS.get(kind, ()):
        expressions = getattr(body, name)
        for expression in expressions if hasattr(expressions, "__len__") else [expressions]:
            yield from expression.vars
    for name in _REFERENCES.get(kind, ()):
        for reference in getattr(body, name):
            yield _variable(reference)
    for name in _INTERVALS.get(kind, ()):
        for interval in getattr(body, name):
            yield from _scope(constraints[interval], "interval", constraints)


def _variable(reference: int) -> int:
    return reference if reference >= 0 else ~reference
