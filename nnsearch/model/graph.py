"""The structure of a CP-SAT model as candidates and groups, which one network can read whatever the model and its size.

A *candidate* is a (variable, value) pair. A *group* is a set of candidates that a constraint ties together; of the
candidates of an ``exactly_one`` group one holds in every solution, of an ``at_most_one`` group at most one does. Each
variable is an exactly-one group of its values. An all-different gives a group per value, exactly-one when there are as
many values as expressions. What cannot be said in groups still connects the candidates of its variables, in a group
of its constraint's kind; the solver enforces it whatever a network thinks.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from nnsearch.errors import GraphError
from nnsearch.model.stopping import StopCheck

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

KINDS = ("exactly_one", "at_most_one", "at_least_one", "linear", "table", "element", "other")
"""The kinds of groups; the position is the column of ``group_features``."""

EXACTLY_ONE, AT_MOST_ONE, AT_LEAST_ONE, LINEAR, TABLE, ELEMENT, OTHER = range(len(KINDS))

MAX_VALUES = 4096
"""A variable with more values than this has no candidates: scoring each value would cost more than it could tell."""


@dataclass(frozen=True)
class EncodingReport:
    """What of a model became groups.

    Attributes:
        num_constraints: constraints in the model.
        num_encoded: constraints whose meaning the groups hold in full.
        connected: label and kind of every constraint that only connects its variables, in the model's order.
        ignored: label and reason of every constraint that left no trace.
        too_large: names of the variables that have more than ``MAX_VALUES`` values and so no candidates.
    """

    num_constraints: int
    num_encoded: int
    connected: tuple[tuple[str, str], ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    too_large: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"encoded {self.num_encoded} of {self.num_constraints} constraints"]
        for title, entries in (("connected only", self.connected), ("ignored", self.ignored)):
            if entries:
                counts = Counter(kind for _, kind in entries)
                parts.append(f"{title}: " + ", ".join(f"{count} {kind}" for kind, count in counts.most_common()))
        if self.too_large:
            parts.append(f"without candidates, for more than {MAX_VALUES} values: {len(self.too_large)} variables")
        return "; ".join(parts)


@dataclass(frozen=True, eq=False)
class CandidateGraph:
    """Candidates and the groups that hold them: V variables, N candidates, G groups, E incidences.

    Attributes:
        names: V names of variables.
        offset: int64[V + 1]; the candidates of variable v are ``offset[v]`` to ``offset[v + 1] - 1``, values ascending.
        values: int64[N], the value of each candidate.
        place: float32[N], where the value stands in its variable's initial domain, from 0 (first) to 1 (last).
        edge_candidate: int64[E], grouped by group, groups ascending.
        edge_group: int64[E].
        group_kind: int64[G], an index into ``KINDS``; group v is the one of variable v.
        report: what of the model is in here.
        identity: int64[N], the row of each candidate in the table of a network that knows this model's variables by
            name, 0 = unknown; None when no network asked for it.
    """

    names: tuple[str, ...]
    offset: IntArray
    values: IntArray
    place: npt.NDArray[np.float32]
    edge_candidate: IntArray
    edge_group: IntArray
    group_kind: IntArray
    report: EncodingReport = field(default_factory=lambda: EncodingReport(0, 0))
    identity: IntArray | None = None

    @property
    def num_variables(self) -> int:
        """V."""
        return len(self.names)

    @property
    def num_candidates(self) -> int:
        """N."""
        return len(self.values)

    @property
    def num_groups(self) -> int:
        """G."""
        return len(self.group_kind)

    @functools.cached_property
    def variable(self) -> IntArray:
        """int64[N], the variable of each candidate."""
        return np.repeat(np.arange(self.num_variables), np.diff(self.offset))

    @classmethod
    def from_model(cls, model: cp_model.CpModel, *, stop: Callable[[], bool] | None = None) -> CandidateGraph:
        """Read a model.

        Encoded in full: all_different on affine expressions of one variable, ``a x + b y != c``, exactly_one,
        at_most_one, bool_or, bool_and, a literal that enforces a constraint on one variable, linear constraints on
        literals that say exactly, at most or at least one, and constraints on one variable (they narrow its domain).
        A constraint on one variable or on none that cannot hold is an exactly-one group without candidates, and the
        variable keeps its values: :meth:`wiped_out` is true, and proving that there is no solution is the engine's.

        Args:
            model: any model; its objective is not read. It is not changed, and may be in use elsewhere.
            stop: asked for every constraint; true ends the reading.

        Raises:
            GraphError: a variable is declared with an empty domain.
            ReadingStoppedError: ``stop`` said so.
        """
        # To read a message that is not there creates it: an element's missing target would become part of the user's
        # model, perhaps while CP-SAT reads it in another thread. A copy takes some milliseconds.
        copy = model.clone()
        proto = copy.proto
        check = StopCheck(stop)
        domains = [_domain(v.domain) for v in proto.variables]
        names = tuple(v.name or f"v{i}" for i, v in enumerate(proto.variables))
        for name, domain in zip(names, domains, strict=True):
            if domain is not None and not len(domain):
                raise GraphError(f"variable {name}: expected at least one value, its domain is empty")
        constraints = list(proto.constraints)
        builder = _Builder(names, _narrowed(domains, constraints, check))
        for index, constraint in enumerate(constraints):
            check.now()
            builder.add(constraint, constraint_label(constraint, index), constraints)
        return builder.graph(len(constraints))

    @classmethod
    def from_all_different(
        cls, domains: Sequence[Iterable[int]], groups: Sequence[Sequence[int]], names: Sequence[str] | None = None
    ) -> CandidateGraph:
        """Describe a hand-written model of the CP solver, which cannot be read back from Python.

        Args:
            domains: the values of each variable.
            groups: each a list of variable indices that are all different.
            names: names of the variables.

        Raises:
            GraphError: a domain is empty, or a group names a variable that is not there or names one twice.
        """
        values = [np.unique(np.fromiter(domain, dtype=np.int64)) for domain in domains]
        labels = tuple(names) if names is not None else tuple(f"v{i}" for i in range(len(values)))
        if len(labels) != len(values):
            raise GraphError(f"expected {len(values)} names, one per domain, got {len(labels)}")
        for label, domain in zip(labels, values, strict=True):
            if not len(domain):
                raise GraphError(f"variable {label}: expected at least one value, its domain is empty")
        builder = _Builder(labels, list(values))
        for index, group in enumerate(groups):
            wrong = [v for v in group if not 0 <= v < len(values)]
            if not group:
                continue
            if wrong or len(set(group)) != len(group):
                got = f"variable {wrong[0]}" if wrong else "a variable twice"
                raise GraphError(f"group {index}: expected distinct variables 0..{len(values) - 1}, got {got}")
            builder.add_all_different([(v, 1, 0) for v in group])
            builder.num_encoded += 1
        return builder.graph(len(groups))

    def only(self, kinds: Iterable[str]) -> CandidateGraph:
        """Return the graph without the groups of other kinds, for a network that does not read them.

        Raises:
            GraphError: a kind is unknown, or the network does not read the groups of the variables.
        """
        wanted = set(kinds)
        if not {KINDS[EXACTLY_ONE]} <= wanted <= set(KINDS):
            raise GraphError(f"expected exactly_one and others of {', '.join(KINDS)}, got {', '.join(sorted(wanted))}")
        kept = np.array([kind in wanted for kind in KINDS])[self.group_kind]
        edges = kept[self.edge_group]
        return dataclasses.replace(
            self,
            edge_candidate=self.edge_candidate[edges],
            edge_group=(np.cumsum(kept) - 1)[self.edge_group[edges]],
            group_kind=self.group_kind[kept],
        )

    def identified(self, table: Mapping[str, Sequence[int]]) -> CandidateGraph:
        """Return the graph with the identities of a table: name of a variable -> the values that were seen of it.

        The rows are numbered from 1 in the order of the table.
        """
        rows = {
            (name, value): row
            for row, (name, value) in enumerate(((n, v) for n, values in table.items() for v in values), start=1)
        }
        names = np.array(self.names, dtype=object)[self.variable]
        identity = [rows.get(pair, 0) for pair in zip(names, self.values.tolist(), strict=True)]
        return dataclasses.replace(self, identity=np.array(identity, dtype=np.int64))

    def restrict(self, alive: BoolArray) -> tuple[CandidateGraph, IntArray]:
        """Return the graph of fewer candidates, all groups kept, and int64[N'], where its candidates were.

        Args:
            alive: bool[N], the candidates to keep.
        """
        kept = np.flatnonzero(alive)
        position = np.cumsum(alive) - 1
        edges = alive[self.edge_candidate]
        graph = CandidateGraph(
            self.names,
            np.concatenate([[0], np.cumsum(self.count(alive))]),
            self.values[kept],
            self.place[kept],
            position[self.edge_candidate[edges]],
            self.edge_group[edges],
            self.group_kind,
            self.report,
            None if self.identity is None else self.identity[kept],
        )
        return graph, kept

    def count(self, alive: BoolArray) -> IntArray:
        """Return int64[V], how many candidates each variable has left."""
        return np.bincount(self.variable[alive], minlength=self.num_variables)

    def propagate(self, alive: BoolArray) -> BoolArray:
        """Return bool[N]: naked and hidden singles of the groups, to the fixpoint.

        A candidate that is the last one of an exactly-one group holds, and rules out the others of its exactly-one and
        at-most-one groups. A state without a completion may end with an exactly-one group that has no candidate left
        (:meth:`wiped_out`).

        Args:
            alive: bool[N], the candidates that are still possible.
        """
        alive = alive.copy()
        exclusive = self.group_kind <= AT_MOST_ONE
        exactly_one = self.group_kind == EXACTLY_ONE
        edges = exclusive[self.edge_group]
        edge_candidate, edge_group = self.edge_candidate[edges], self.edge_group[edges]
        done = np.zeros(self.num_candidates, dtype=bool)
        while True:
            live = alive[edge_candidate]
            edge_candidate, edge_group = edge_candidate[live], edge_group[live]
            count = np.bincount(edge_group, minlength=self.num_groups)
            forced = np.zeros(self.num_candidates, dtype=bool)
            forced[edge_candidate[(exactly_one & (count == 1))[edge_group]]] = True
            forced &= ~done
            if not forced.any():
                return alive
            done |= forced
            holds = forced[edge_candidate]
            held = np.bincount(edge_group[holds], minlength=self.num_groups)
            alive[edge_candidate[held[edge_group] > holds]] = False

    def wiped_out(self, alive: BoolArray) -> bool:
        """Tell whether an exactly-one group has no candidate left."""
        count = np.bincount(self.edge_group[alive[self.edge_candidate]], minlength=self.num_groups)
        needed = self.group_kind == EXACTLY_ONE
        needed[: self.num_variables] &= ~np.isin(self.names, self.report.too_large)
        return bool((needed & (count == 0)).any())

    def candidates_of(self, solution: npt.ArrayLike) -> IntArray:
        """Return int64[V], the candidate that each variable takes in a solution; -1 where it has no such candidate.

        Args:
            solution: int[V], the value of each variable.
        """
        chosen = np.asarray(solution, dtype=np.int64)
        if chosen.shape != (self.num_variables,):
            raise GraphError(f"expected {self.num_variables} values, got shape {chosen.shape}")
        matches = np.flatnonzero(self.values == chosen[self.variable])
        candidates = np.full(self.num_variables, -1, dtype=np.int64)
        candidates[self.variable[matches]] = matches
        return candidates

    def holds(self, solution: npt.ArrayLike) -> BoolArray:
        """Return bool[N], the candidates of a solution.

        Args:
            solution: int[V], the value of each variable.
        """
        chosen = self.candidates_of(solution)
        held = np.zeros(self.num_candidates, dtype=bool)
        held[chosen[chosen >= 0]] = True
        return held


def constraint_label(constraint: Any, index: int) -> str:
    """Return how messages call a constraint: its index and, when it has one, its name on one line."""
    return f"constraint {index}" + (f" ({' '.join(constraint.name.split())})" if constraint.name else "")


def constraint_kind(constraint: Any) -> str:
    """Return CP-SAT's name of a constraint's kind."""
    for name in dir(constraint):
        if name.startswith("has_") and getattr(constraint, name)():
            return name.removeprefix("has_")
    return "an empty constraint"


Term = tuple[int, int, int]
"""(variable, coefficient, offset) of an affine expression of one variable."""


class _Builder:
    def __init__(self, names: tuple[str, ...], domains: list[IntArray | None]) -> None:
        self._names = names
        sizes = [0 if domain is None else len(domain) for domain in domains]
        self._too_large = tuple(name for name, domain in zip(names, domains, strict=True) if domain is None)
        self._domains = domains
        self._offset = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._candidates: list[IntArray] = [np.arange(self._offset[-1], dtype=np.int64)]
        self._group_sizes: list[IntArray] = [np.array(sizes, dtype=np.int64)]
        self._kinds: list[IntArray] = [np.full(len(names), EXACTLY_ONE, dtype=np.int64)]
        self._connected: list[tuple[str, str]] = []
        self._ignored: list[tuple[str, str]] = []
        self.num_encoded = 0

    def graph(self, num_constraints: int) -> CandidateGraph:
        known = [domain for domain in self._domains if domain is not None]
        sizes = np.concatenate(self._group_sizes)
        report = EncodingReport(
            num_constraints, self.num_encoded, tuple(self._connected), tuple(self._ignored), self._too_large
        )
        return CandidateGraph(
            self._names,
            self._offset,
            np.concatenate(known) if known else np.zeros(0, dtype=np.int64),
            np.concatenate([np.linspace(0, 1, len(d), dtype=np.float32) for d in known] or [np.zeros(0, np.float32)]),
            np.concatenate(self._candidates),
            np.repeat(np.arange(len(sizes)), sizes),
            np.concatenate(self._kinds),
            report,
        )

    def add(self, constraint: Any, label: str, constraints: list[Any]) -> None:
        """Encode a constraint, else connect its variables, else report it."""
        kind = constraint_kind(constraint)
        scope = list(dict.fromkeys(_scope(constraint, kind, constraints)))
        if any(self._domains[v] is None for v in scope):
            self._ignored.append((label, f"{kind} on a variable without candidates"))
        elif self._encode(constraint, kind, scope):
            self.num_encoded += 1
        elif len(scope) > 1:
            column = {"linear": LINEAR, "table": TABLE, "element": ELEMENT}.get(kind, OTHER)
            self._group(column, np.concatenate([self._of(v) for v in scope]))
            self._connected.append((label, kind))
        else:
            self._ignored.append((label, kind))

    def add_all_different(self, terms: list[Term]) -> None:
        """Add a group per value of the expressions."""
        candidates = np.concatenate([self._of(v) for v, _, _ in terms])
        value = np.concatenate([c * self._values(v) + b for v, c, b in terms])
        order = np.argsort(value, kind="stable")
        size = np.unique(value, return_counts=True)[1]
        self._candidates.append(candidates[order])
        self._group_sizes.append(size)
        kind = EXACTLY_ONE if len(size) == len(terms) else AT_MOST_ONE
        self._kinds.append(np.full(len(size), kind, dtype=np.int64))

    def _encode(self, constraint: Any, kind: str, scope: list[int]) -> bool:
        """Add groups that say the same as the constraint; return whether there are any such groups."""
        enforcement = list(constraint.enforcement_literal)
        if kind == "bool_or":
            return self._clause([~e for e in enforcement] + list(constraint.bool_or.literals))
        if kind == "bool_and":
            clauses = [[~e for e in enforcement] + [one] for one in constraint.bool_and.literals]
            return min(map(self._clause, clauses), default=True)  # every clause, also after one that has no group
        if enforcement:
            return kind == "linear" and len(enforcement) == 1 and self._enforced(enforcement[0], constraint.linear)
        if kind == "all_diff":
            terms = [_term(e) for e in constraint.all_diff.exprs]
            known = [term for term in terms if term is not None]
            if known and len(known) == len(terms) and len({v for v, _, _ in known}) == len(known):
                self.add_all_different(known)
            return len(known) == len(terms) == len({v for v, _, _ in known})
        if kind == "exactly_one":
            return self._literals(EXACTLY_ONE, list(constraint.exactly_one.literals))
        if kind == "at_most_one":
            return self._literals(AT_MOST_ONE, list(constraint.at_most_one.literals))
        if kind == "circuit":
            return self._circuit(constraint.circuit)
        if kind == "linear":
            if len(scope) < 2:
                return self._allowed(constraint.linear)
            return self._not_equal(constraint.linear) or self._count(constraint.linear)
        return False

    def _allowed(self, linear: Any) -> bool:
        """Encode a constraint on at most one variable: a group of the values it allows, where the domain has others."""
        variables = list(linear.vars)
        values = self._values(variables[0]) if variables else np.zeros(1, dtype=np.int64)
        inside = _contains(list(linear.domain), sum(linear.coeffs) * values)
        if not inside.all():
            self._group(EXACTLY_ONE, self._of(variables[0])[inside] if variables else np.zeros(0, dtype=np.int64))
        return True

    def _clause(self, literals: list[int]) -> bool:
        """Encode a disjunction: two literals exclude the pair of their negations."""
        if len(literals) == 2:
            return self._literals(AT_MOST_ONE, [~literal for literal in literals])
        return self._literals(AT_LEAST_ONE, literals)

    def _literals(self, kind: int, literals: list[int]) -> bool:
        if len(set(literals)) != len(literals) or any(~literal in literals for literal in literals):
            return False
        held = [self._candidate(_variable(one), 1 if one >= 0 else 0) for one in literals]
        self._group(kind, np.array([c for c in held if c is not None], dtype=np.int64))
        return True

    def _enforced(self, literal: int, linear: Any) -> bool:
        """Encode "literal implies x in S": the literal and the values outside S exclude each other."""
        variables = list(linear.vars)
        holder = self._candidate(_variable(literal), 1 if literal >= 0 else 0)
        if len(variables) != 1 or variables[0] == _variable(literal) or holder is None:
            return len(variables) == 1 and holder is None
        inside = _contains(list(linear.domain), linear.coeffs[0] * self._values(variables[0]))
        self._group(AT_MOST_ONE, np.concatenate([[holder], self._of(variables[0])[~inside]]))
        return True

    def _not_equal(self, linear: Any) -> bool:
        """Encode ``a x + b y != c``: each pair of values that would give c excludes itself."""
        variables, coefficients, domain = list(linear.vars), list(linear.coeffs), list(linear.domain)
        if len(variables) != 2 or len(domain) != 4 or domain[2] - domain[1] != 2 or variables[0] == variables[1]:
            return False
        if 0 in coefficients:
            return False
        x, y = variables
        left, right = coefficients[0] * self._values(x), coefficients[1] * self._values(y)
        if min(left) + min(right) < domain[0] or max(left) + max(right) > domain[3]:
            return False
        _, i, j = np.intersect1d(left, domain[1] + 1 - right, assume_unique=True, return_indices=True)
        pairs = np.stack([self._of(x)[i], self._of(y)[j]], axis=1)
        self._candidates.append(pairs.ravel())
        self._group_sizes.append(np.full(len(pairs), 2, dtype=np.int64))
        self._kinds.append(np.full(len(pairs), AT_MOST_ONE, dtype=np.int64))
        return True

    def _count(self, linear: Any) -> bool:
        """Encode a sum of literals that is exactly, at most or at least one (x - y <= 0 is one as well)."""
        variables, coefficients, domain = list(linear.vars), list(linear.coeffs), list(linear.domain)
        boolean = all(set(self._values(v).tolist()) <= {0, 1} for v in variables)
        if not boolean or len(domain) != 2 or any(abs(c) != 1 for c in coefficients):
            return False
        if len(set(variables)) != len(variables):
            return False
        literals = [v if c > 0 else ~v for v, c in zip(variables, coefficients, strict=True)]
        negative = sum(c < 0 for c in coefficients)
        low, high = domain[0] + negative, domain[1] + negative  # bounds of the number of literals that hold
        count = len(literals)
        low, high = max(low, 0), min(high, count)
        if (low, high) == (1, 1):
            return self._literals(EXACTLY_ONE, literals)
        if (low, high) == (0, 1):
            return self._literals(AT_MOST_ONE, literals)
        if (low, high) == (1, count):
            return self._clause(literals)
        if (low, high) == (count - 1, count):  # at most one fails
            return self._literals(AT_MOST_ONE, [~literal for literal in literals])
        return False

    def _circuit(self, circuit: Any) -> bool:
        """Encode that one arc leaves and one enters each node; that there is one cycle only is not in these groups."""
        arcs = list(zip(circuit.tails, circuit.heads, circuit.literals, strict=True))
        for end in (0, 1):
            for node in sorted({arc[end] for arc in arcs}):
                self._literals(EXACTLY_ONE, [arc[2] for arc in arcs if arc[end] == node])
        return False

    def _group(self, kind: int, candidates: IntArray) -> None:
        self._candidates.append(candidates)
        self._group_sizes.append(np.array([len(candidates)], dtype=np.int64))
        self._kinds.append(np.array([kind], dtype=np.int64))

    def _of(self, variable: int) -> IntArray:
        return np.arange(self._offset[variable], self._offset[variable + 1])

    def _values(self, variable: int) -> IntArray:
        domain = self._domains[variable]
        assert domain is not None  # add() does not come this far otherwise
        return domain

    def _candidate(self, variable: int, value: int) -> int | None:
        found = np.flatnonzero(self._values(variable) == value)
        return int(self._offset[variable] + found[0]) if len(found) else None


def _domain(intervals: Any) -> IntArray | None:
    """Return the values of a flattened list of closed intervals, None when there are more than ``MAX_VALUES``."""
    ends = list(intervals)
    pairs = [(low, high) for low, high in zip(ends[::2], ends[1::2], strict=True) if low <= high]
    if sum(high - low + 1 for low, high in pairs) > MAX_VALUES:
        return None
    return np.array([v for low, high in pairs for v in range(low, high + 1)], dtype=np.int64)


def _contains(intervals: list[int], values: IntArray) -> BoolArray:
    inside = np.zeros(len(values), dtype=bool)
    for low, high in zip(intervals[::2], intervals[1::2], strict=True):
        inside |= (values >= low) & (values <= high)
    return inside


def _narrowed(domains: list[IntArray | None], constraints: list[Any], check: StopCheck) -> list[IntArray | None]:
    """Apply the linear constraints of one term, which are domains in disguise, save those that leave no value.

    A variable that one constraint names twice keeps its values: the CP engine may not rule any out before it is bound.
    """
    narrowed = list(domains)
    for constraint in constraints:
        check.step()
        if not constraint.has_linear() or list(constraint.enforcement_literal) or len(constraint.linear.vars) != 1:
            continue
        variable = constraint.linear.vars[0]
        domain = narrowed[variable]
        if domain is not None:
            inside = _contains(list(constraint.linear.domain), constraint.linear.coeffs[0] * domain)
            if inside.any():
                narrowed[variable] = domain[inside]
    return narrowed


def _term(expression: Any) -> Term | None:
    if len(expression.vars) != 1 or expression.coeffs[0] == 0:
        return None
    return expression.vars[0], expression.coeffs[0], expression.offset


def _variable(reference: int) -> int:
    return reference if reference >= 0 else ~reference


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
    "linear": ("vars",),
    "table": ("vars",),
    "element": ("index", "target", "vars"),
    "automaton": ("vars",),
    "inverse": ("f_direct", "f_inverse"),
    "bool_or": ("literals",),
    "bool_and": ("literals",),
    "bool_xor": ("literals",),
    "exactly_one": ("literals",),
    "at_most_one": ("literals",),
    "circuit": ("literals",),
    "routes": ("literals",),
    "reservoir": ("active_literals",),
}
_INTERVALS = {
    "no_overlap": ("intervals",),
    "no_overlap_2d": ("x_intervals", "y_intervals"),
    "cumulative": ("intervals",),
}
_UNUSED_REFERENCES = {("element", "index"), ("element", "target")}
"""Scalar fields of an older spelling, 0 when the expressions beside them are used."""


def _scope(constraint: Any, kind: str, constraints: list[Any]) -> Iterator[int]:
    """Yield the variables that a constraint names, itself or by its intervals, repetitions included."""
    for literal in constraint.enforcement_literal:
        yield _variable(literal)
    body = getattr(constraint, kind, None)
    for name in _EXPRESSIONS.get(kind, ()):
        expressions = getattr(body, name)
        for expression in expressions if hasattr(expressions, "__len__") else [expressions]:
            yield from expression.vars
    for name in _REFERENCES.get(kind, ()):
        if (kind, name) not in _UNUSED_REFERENCES:
            for reference in getattr(body, name):
                yield _variable(reference)
    for name in _INTERVALS.get(kind, ()):
        for interval in getattr(body, name):
            yield from _scope(constraints[interval], "interval", constraints)
