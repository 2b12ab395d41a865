"""Nodes: the groups, rows and other constraints of a model, and the edges from items to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnsearch.encoding.model_graph.items import BOOLEAN, CANDIDATE, DoubleArray, Items
from nnsearch.model.graph import AT_LEAST_ONE, AT_MOST_ONE, EXACTLY_ONE, BoolArray, CandidateGraph, IntArray
from nnsearch.model.lists import ranges
from nnsearch.model.other_groups import EXPRESSIONS, INTERVALS, REFERENCES
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.rows import (
    AND_ROW,
    AT_MOST_ONE_ROW,
    EXACTLY_ONE_ROW,
    LINEAR_ROW,
    OR_ROW,
    Rows,
    variables_of,
)

NODE_KINDS = (
    "values",
    "exactly_one",
    "at_most_one",
    "at_least_one",
    "linear",
    "bool_and",
    "bool_xor",
    "all_diff",
    "table",
    "element",
    "automaton",
    "inverse",
    "circuit",
    "routes",
    "interval",
    "no_overlap",
    "no_overlap_2d",
    "cumulative",
    "reservoir",
    "lin_max",
    "int_prod",
    "int_div",
    "int_mod",
    "other",
)
"""The kinds of nodes; the position is the column of ``node_features``. ``values`` are the values of one variable."""

_VALUES, _EXACTLY_ONE, _AT_MOST_ONE, _AT_LEAST_ONE, _LINEAR, _AND = range(6)
_COLUMN = {kind: column for column, kind in enumerate(NODE_KINDS)}
_OF_GROUP = {EXACTLY_ONE: _EXACTLY_ONE, AT_MOST_ONE: _AT_MOST_ONE, AT_LEAST_ONE: _AT_LEAST_ONE}
_OPEN = 2.0**62  # CP-SAT writes an open side as the end of int64


@dataclass(frozen=True, eq=False)
class ModelNodes:
    """The M nodes and E edges of a model, edges grouped by node, nodes ascending.

    A node with a sense says ``low <= sum of coefficient * item <= high``, where items go from 0 to 1, see
    :meth:`nnsearch.encoding.model_graph.items.Items.scaled`.

    Attributes:
        kind: int64[M], an index into ``NODE_KINDS``.
        low: float64[M]; ``-inf`` where there is none.
        high: float64[M]; ``inf`` where there is none.
        scale: float64[M], the mean size of the coefficients of its edges; 1 where there are none.
        item: int64[E].
        node: int64[E].
        coefficient: float64[E]; 0 of the literals that enforce.
        negated: bool[E], the literal is the negation of the item.
        enforces: bool[E], the node has to hold only where all such literals do.
        duration: float64[E], that of the interval whose start the item is, in the mean duration of its node; else 0.
        term: int64[E], ascending; edges of one term are the values of one variable, of which one is taken.
    """

    kind: IntArray
    low: DoubleArray
    high: DoubleArray
    scale: DoubleArray
    item: IntArray
    node: IntArray
    coefficient: DoubleArray
    negated: BoolArray
    enforces: BoolArray
    duration: DoubleArray
    term: IntArray

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def counts(self) -> Counter[str]:
        """How many nodes there are of each kind."""
        numbers = np.bincount(self.kind, minlength=len(NODE_KINDS)).tolist()
        return Counter({kind: number for kind, number in zip(NODE_KINDS, numbers, strict=True) if number})

    @classmethod
    def of(cls, model: PreparedModel, graph: CandidateGraph, items: Items) -> ModelNodes:
        """Read a model.

        A constraint becomes one node or several: groups of candidates where they say more than a sum of values would
        (all-different, ``x != y``, a literal that implies values of a variable), else a row, else a node of its kind.
        """
        collected = _Collected(items)
        _add_values(collected, items)
        grouped = _add_groups(collected, model, graph, items)
        _add_rows(collected, model.rows, grouped)
        _add_others(collected, model, grouped)
        return collected.nodes()


def _add_values(collected: _Collected, items: Items) -> None:
    """Add a node for the values of each variable that is no Boolean and no quantity."""
    variables = np.unique(items.variable[items.kind == CANDIDATE])
    first = collected.add_nodes(np.full(len(variables), _VALUES), 1.0, 1.0)
    number = np.zeros(len(items.low), dtype=np.int64)
    number[variables] = first + np.arange(len(variables))
    own = np.flatnonzero(items.kind == CANDIDATE)
    collected.add_edges(number[items.variable[own]], own, np.ones(len(own)))


def _add_groups(collected: _Collected, model: PreparedModel, graph: CandidateGraph, items: Items) -> BoolArray:
    """Add the groups of candidates that no row says as well; return bool[C], the constraints that they are of."""
    num_constraints = len(model.proto.constraints)
    grouped = np.zeros(num_constraints, dtype=bool)
    if graph.group_constraint is None:
        return grouped
    rows = model.rows
    as_row = np.zeros(num_constraints, dtype=bool)
    as_row[rows.constraint] = True
    size, ends, conditions = rows.entries.sizes, rows.domain.sizes, rows.enforcement.sizes
    differ = (rows.kind == LINEAR_ROW) & (size == 2) & (ends == 4) & (conditions == 0)
    imply = (rows.kind == LINEAR_ROW) & (size == 1) & (conditions == 1)
    as_row[rows.constraint[differ | imply]] = False
    bound = (np.diff(graph.offset) == 1)[graph.variable]
    no_item = (items.of_candidate < 0) & ~bound  # of a quantity
    known = np.bincount(graph.edge_group, no_item[graph.edge_candidate], graph.num_groups) == 0
    chosen = (graph.group_constraint >= 0) & (graph.group_kind <= AT_LEAST_ONE) & known
    chosen[chosen] = ~as_row[graph.group_constraint[chosen]]
    kinds = graph.group_kind[chosen]
    columns = np.array([_OF_GROUP[kind] for kind in range(AT_LEAST_ONE + 1)])[kinds]
    edges = chosen[graph.edge_group]
    candidate = graph.edge_candidate[edges]
    group = (np.cumsum(chosen) - 1)[graph.edge_group[edges]]
    holds = np.bincount(group, bound[candidate], len(kinds))
    candidate, group = candidate[~bound[candidate]], group[~bound[candidate]]
    item = items.of_candidate[candidate]
    negated = (items.kind[item] == BOOLEAN) & (items.candidate[item] != candidate)
    shift = np.bincount(group, negated, len(kinds)) + holds
    low = np.where(kinds == AT_MOST_ONE, -np.inf, 1.0 - shift)
    high = np.where(kinds == AT_LEAST_ONE, np.inf, 1.0 - shift)
    first = collected.add_nodes(columns, low, high)
    collected.add_edges(first + group, item, np.where(negated, -1.0, 1.0), negated=negated)
    grouped[graph.group_constraint[chosen]] = True
    return grouped


def _add_rows(collected: _Collected, rows: Rows, grouped: BoolArray) -> None:
    """Add the rows that are not said in groups; one without conditions on one variable narrows its domain instead."""
    unary = (rows.kind == LINEAR_ROW) & (rows.entries.sizes <= 1) & (rows.enforcement.sizes == 0)
    chosen = np.flatnonzero(~grouped[rows.constraint] & ~unary)
    if not len(chosen):
        return
    rows = rows.take(chosen)
    linear = rows.kind == LINEAR_ROW
    owner = rows.entries.owner
    negated = (rows.entries.items < 0) & ~linear[owner]
    negations = np.bincount(owner, negated, len(rows))
    low, high = (side - negations for side in rows.sides())
    columns = np.zeros(len(rows), dtype=np.int64)
    for kind, column in (
        (LINEAR_ROW, _LINEAR),
        (OR_ROW, _AT_LEAST_ONE),
        (AND_ROW, _AND),
        (AT_MOST_ONE_ROW, _AT_MOST_ONE),
        (EXACTLY_ONE_ROW, _EXACTLY_ONE),
    ):
        columns[rows.kind == kind] = column
    first = collected.add_nodes(columns, low, high)
    coefficient = rows.coefficients.astype(np.float64)
    # A reference below 0 in a linear constraint is the opposite of a variable, in others the negation of a Boolean.
    coefficient[rows.entries.items < 0] *= -1
    collected.add_terms(first + owner, variables_of(rows.entries.items), coefficient, negated=negated)
    conditions = rows.enforcement
    collected.add_conditions(first + conditions.owner, conditions.items)


def _add_others(collected: _Collected, model: PreparedModel, grouped: BoolArray) -> None:
    """Add a node for every other constraint that groups do not say in full."""
    constraints = model.proto.constraints
    for index, name, constraint in model.others:
        if name is None or (grouped[index] and name != "circuit"):  # the groups of a circuit say a part of it
            continue
        node = collected.add_nodes(np.array([_COLUMN.get(name, _COLUMN["other"])]), -np.inf, np.inf)
        terms = list(_terms(constraint, name, constraints))
        variables, coefficients, negated, durations = zip(*terms, strict=True) if terms else ((), (), (), ())
        lengths = np.array(durations, dtype=np.float64)
        lengths /= max(float(lengths[lengths > 0].mean()) if (lengths > 0).any() else 1.0, 1e-9)
        collected.add_terms(
            np.full(len(variables), node),
            np.array(variables, dtype=np.int64),
            np.array(coefficients, dtype=np.float64),
            negated=np.array(negated, dtype=bool),
            duration=lengths,
        )
        literals = list(_conditions(constraint, name, constraints))
        collected.add_conditions(np.full(len(literals), node), np.array(literals, dtype=np.int64))


_Term = tuple[int, float, bool, float]
"""(variable, coefficient, negated, duration)."""


def _terms(constraint: Any, kind: str, constraints: Any) -> Iterator[_Term]:
    """Yield the terms of a constraint's expressions, its literals, and the starts of its intervals."""
    body = getattr(constraint, kind, None)
    for name in EXPRESSIONS.get(kind, ()):
        expressions = getattr(body, name)
        for expression in expressions if hasattr(expressions, "__len__") else [expressions]:
            sign = -1.0 if name in ("end", "target", "linear_target", "capacity") else 1.0
            for reference, factor in zip(expression.vars, expression.coeffs, strict=True):
                yield *_signed(reference, sign * factor), False, 0.0
    for name in REFERENCES.get(kind, ()):
        for reference in getattr(body, name):
            variable, sign = _signed(reference, 1.0)
            yield variable, sign, reference < 0, 0.0
    demands = [float(demand.offset) for demand in body.demands] if kind == "cumulative" and body is not None else []
    for name in INTERVALS.get(kind, ()):
        for place, index in enumerate(getattr(body, name)):
            interval = constraints[index].interval
            demand = demands[place] if place < len(demands) and demands[place] else 1.0
            duration = max(float(interval.size.offset), 0.0)
            for reference, factor in zip(interval.start.vars, interval.start.coeffs, strict=True):
                yield *_signed(reference, demand * factor), False, duration


def _conditions(constraint: Any, kind: str, constraints: Any) -> Iterator[int]:
    yield from constraint.enforcement_literal
    body = getattr(constraint, kind, None)
    for name in INTERVALS.get(kind, ()):
        for index in getattr(body, name):
            yield from constraints[index].enforcement_literal


def _signed(reference: int, factor: float) -> tuple[int, float]:
    return (reference, factor) if reference >= 0 else (~reference, -factor)


class _Collected:
    """Nodes and edges, gathered part by part."""

    def __init__(self, items: Items) -> None:
        self._items = items
        self._num_nodes = self._num_terms = 0
        self._kinds: list[IntArray] = []
        self._lows: list[DoubleArray] = []
        self._highs: list[DoubleArray] = []
        self._constants: list[tuple[IntArray, DoubleArray]] = []
        self._edges: list[tuple[Any, ...]] = []

    def add_nodes(self, kind: IntArray, low: DoubleArray | float, high: DoubleArray | float) -> int:
        """Add nodes; return the number of the first."""
        first = self._num_nodes
        self._num_nodes += len(kind)
        self._kinds.append(kind.astype(np.int64))
        self._lows.append(np.broadcast_to(np.asarray(low, dtype=np.float64), kind.shape))
        self._highs.append(np.broadcast_to(np.asarray(high, dtype=np.float64), kind.shape))
        return first

    def add_edges(
        self,
        node: IntArray,
        item: IntArray,
        coefficient: DoubleArray,
        *,
        negated: BoolArray | None = None,
        enforces: bool = False,
        duration: DoubleArray | None = None,
        term: IntArray | None = None,
    ) -> None:
        """Add edges, each a term of its own where none are given."""
        count = len(node)
        terms = np.arange(count) if term is None else term
        self._edges.append(
            (
                item,
                node,
                coefficient,
                np.zeros(count, dtype=bool) if negated is None else negated,
                np.full(count, enforces),
                np.zeros(count) if duration is None else duration,
                self._num_terms + terms,
            )
        )
        self._num_terms += int(terms.max(initial=-1)) + 1

    def add_terms(
        self,
        node: IntArray,
        variable: IntArray,
        coefficient: DoubleArray,
        *,
        negated: BoolArray,
        duration: DoubleArray | None = None,
    ) -> None:
        """Add variables with their coefficients, as edges to all of their items; a fixed one is a constant."""
        items = self._items
        self._constants.append((node, coefficient * items.low[variable]))
        counts = items.offset[variable + 1] - items.offset[variable]
        term = np.repeat(np.arange(len(variable)), counts)
        item = ranges(items.offset[variable], counts)
        per_unit = coefficient[term]
        above = np.where(items.kind[item] == CANDIDATE, items.value[item] - items.low[items.variable[item]], 1.0)
        span = np.where(items.kind[item] == CANDIDATE, 1.0, items.span[items.variable[item]])
        self.add_edges(
            node[term],
            item,
            per_unit * above * span,
            negated=negated[term],
            duration=None if duration is None else duration[term],
            term=term,
        )

    def add_conditions(self, node: IntArray, literals: IntArray) -> None:
        """Add literals that have to hold for a node to matter; those that are fixed are left out."""
        items = self._items
        variable = variables_of(literals)
        item = items.offset[variable]
        boolean = np.flatnonzero(items.offset[variable + 1] > item)
        self.add_edges(
            node[boolean], item[boolean], np.zeros(len(boolean)), negated=literals[boolean] < 0, enforces=True
        )

    def nodes(self) -> ModelNodes:
        """Return all that was added."""
        none, no = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
        parts = zip((none, none, np.zeros(0), no, no, np.zeros(0), none), *self._edges, strict=True)
        item, node, coefficient, negated, enforces, duration, term = map(np.concatenate, parts)
        kind = np.concatenate([none, *self._kinds])
        low, high = (np.concatenate([np.zeros(0), *sides]) for sides in (self._lows, self._highs))
        constant = np.zeros(len(kind))
        for owner, amount in self._constants:
            np.add.at(constant, owner, amount)
        low = np.where(low > -_OPEN, low - constant, -np.inf)
        high = np.where(high < _OPEN, high - constant, np.inf)
        order = np.lexsort((term, node))
        lists = (item, node, coefficient, negated, enforces, duration)
        item, node, coefficient, negated, enforces, duration = (array[order] for array in lists)
        size = np.abs(coefficient)
        count = np.bincount(node, size > 0, len(kind))
        scale = np.bincount(node, size, len(kind)) / np.maximum(count, 1)
        new_term = np.concatenate([[0], np.cumsum(np.diff(term[order]) != 0)]) if len(order) else none
        return ModelNodes(
            kind,
            low,
            high,
            np.where(scale > 0, scale, 1.0),
            item,
            node,
            coefficient,
            negated,
            enforces,
            duration,
            new_term,
        )
