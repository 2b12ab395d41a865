"""What linear constraints, clauses, at-most-ones and exactly-ones say of candidates, all at once as arrays."""

from __future__ import annotations

from functools import partial

import numpy as np

from nnsearch.model.graph import AT_MOST_ONE, EXACTLY_ONE
from nnsearch.model.grouping import Grouping
from nnsearch.model.lists import BoolArray, Lists, ranges, within
from nnsearch.model.rows import (
    AND_ROW,
    AT_MOST_ONE_ROW,
    EXACTLY_ONE_ROW,
    LINEAR_ROW,
    OR_ROW,
    ROW_KINDS,
    Rows,
    variables_of,
)
from nnsearch.model.stopping import StopCheck


class RowGroups:
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
            (partial(self._one, AT_MOST_ONE), (rows.kind == AT_MOST_ONE_ROW) & unenforced),
            (partial(self._one, EXACTLY_ONE), (rows.kind == EXACTLY_ONE_ROW) & unenforced),
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
        if not variables.repeats().any():
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

    def _one(self, kind: int, rows: Rows) -> BoolArray:
        return self._groups.add_literals(rows.constraint, kind, rows.entries)

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
        inside = within(rows.domain, owner, coefficient[owner] * values)
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
        outside = candidates.keep(~within(rows.domain.take(chosen), candidates.owner, values))
        holders = Lists(np.arange(len(chosen) + 1), holder[chosen])
        self._groups.add(rows.constraint[chosen], AT_MOST_ONE, holders.followed_by(outside))
        return other | (holder < 0)


def _negated(literals: Lists) -> Lists:
    return Lists(literals.offset, ~literals.items)
