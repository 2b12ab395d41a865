"""Groups of candidates, gathered constraint by constraint."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nnsearch.model.graph import (
    AT_LEAST_ONE,
    AT_MOST_ONE,
    ELEMENT,
    EXACTLY_ONE,
    LINEAR,
    OTHER,
    TABLE,
    CandidateGraph,
    EncodingReport,
)
from nnsearch.model.lists import BoolArray, IntArray, Lists, ranges
from nnsearch.model.rows import variables_of

Term = tuple[int, int, int]
"""(variable, coefficient, offset) of an affine expression of one variable."""

_COLUMNS = {"linear": LINEAR, "table": TABLE, "element": ELEMENT}


class Grouping:
    """Groups of candidates; in the end they come in the order of the constraints.

    Args:
        names: V names of variables.
        values: V lists of values, ascending.
        too_large: bool[V], the variables that have no candidates because they have too many values.
    """

    def __init__(self, names: tuple[str, ...], values: Lists, too_large: BoolArray) -> None:
        self.values, self.too_large = values, too_large
        self.num_encoded = 0  # constraints that the groups say in full
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
            group_constraint=np.concatenate([np.full(num_variables, -1, dtype=np.int64), constraint[order]]),
        )

    def add(self, constraint: IntArray, kind: IntArray | int, groups: Lists) -> None:
        """Add groups of candidates, with the constraint that each is of (int64[G]), and its kind (int64[G], or one)."""
        kinds = np.broadcast_to(np.asarray(kind, dtype=np.int64), constraint.shape)
        self._groups.append((constraint, kinds, groups.sizes, groups.items))

    def add_literals(self, constraint: IntArray, kind: IntArray | int, literals: Lists) -> BoolArray:
        """Add groups of literals; return bool[G], those that name no variable twice. Others have no group."""
        variables = variables_of(literals.items)
        distinct = ~Lists(literals.offset, variables).repeats()
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
