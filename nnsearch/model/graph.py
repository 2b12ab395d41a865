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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from nnsearch.errors import GraphError
from nnsearch.model.lists import Lists

if TYPE_CHECKING:
    from nnsearch.model.prepared import PreparedModel

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
        group_constraint: int64[G], the constraint of each group by its index in the model, -1 for the group of a
            variable; None of a hand-written graph.
        model: the model that was read, for scorers that read rows and objectives as well; None of a hand-written one,
            and in a process that was sent the graph alone.
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
    group_constraint: IntArray | None = None
    model: PreparedModel | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, object]:
        """Return all but the model, which cannot be pickled."""
        return self.__dict__ | {"model": None}

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
    def from_model(
        cls, model: cp_model.CpModel | PreparedModel, *, stop: Callable[[], bool] | None = None
    ) -> CandidateGraph:
        """Read a model.

        Encoded in full: all_different on affine expressions of one variable, ``a x + b y != c``, exactly_one,
        at_most_one, bool_or, bool_and, a literal that enforces a constraint on one variable, linear constraints on
        literals that say exactly, at most or at least one, and constraints on one variable (they narrow its domain).
        A constraint on one variable or on none that cannot hold is an exactly-one group without candidates, and the
        variable keeps its values: proving that there is no solution is the engine's.

        Args:
            model: any model; its objective is not read. It is not changed, and may be in use elsewhere.
            stop: asked from time to time; true ends the reading.

        Raises:
            GraphError: a variable is declared with an empty domain.
            ReadingStoppedError: ``stop`` said so.
        """
        from nnsearch.model.prepared import PreparedModel  # which imports this module

        return PreparedModel.of(model, stop=stop).graph(stop=stop)

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
        from nnsearch.model.grouping import Grouping  # which imports this module

        values = [np.unique(np.fromiter(domain, dtype=np.int64)) for domain in domains]
        labels = tuple(names) if names is not None else tuple(f"v{i}" for i in range(len(values)))
        if len(labels) != len(values):
            raise GraphError(f"expected {len(values)} names, one per domain, got {len(labels)}")
        for label, domain in zip(labels, values, strict=True):
            if not len(domain):
                raise GraphError(f"variable {label}: expected at least one value, its domain is empty")
        sizes = np.array([len(domain) for domain in values], dtype=np.int64)
        builder = Grouping(
            labels, Lists.from_sizes(sizes, np.concatenate([np.zeros(0, dtype=np.int64), *values])), sizes < 0
        )
        for index, group in enumerate(groups):
            wrong = [v for v in group if not 0 <= v < len(values)]
            if not group:
                continue
            if wrong or len(set(group)) != len(group):
                got = f"variable {wrong[0]}" if wrong else "a variable twice"
                raise GraphError(f"group {index}: expected distinct variables 0..{len(values) - 1}, got {got}")
            builder.add_all_different(index, [(v, 1, 0) for v in group])
            builder.num_encoded += 1
        return builder.graph(len(groups), "group {}".format)

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
            group_constraint=None if self.group_constraint is None else self.group_constraint[kept],
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
        """Return the graph of fewer candidates (bool[N]), all groups kept, and int64[N'], where its candidates were."""
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
            self.group_constraint,
            self.model,
        )
        return graph, kept

    def count(self, alive: BoolArray) -> IntArray:
        """Return int64[V], how many candidates each variable has left."""
        return np.bincount(self.variable[alive], minlength=self.num_variables)

    def propagate(self, alive: BoolArray) -> BoolArray:
        """Return bool[N]: naked and hidden singles of the groups, to the fixpoint.

        A candidate that is the last one of an exactly-one group holds, and rules out the others of its exactly-one and
        at-most-one groups. A state without a completion may end with an exactly-one group that has no candidate left.

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

    def candidates_of(self, solution: npt.ArrayLike) -> IntArray:
        """Return int64[V], the candidate that each variable takes in a solution (int[V]); -1 where it has none."""
        chosen = np.asarray(solution, dtype=np.int64)
        if chosen.shape != (self.num_variables,):
            raise GraphError(f"expected {self.num_variables} values, got shape {chosen.shape}")
        matches = np.flatnonzero(self.values == chosen[self.variable])
        candidates = np.full(self.num_variables, -1, dtype=np.int64)
        candidates[self.variable[matches]] = matches
        return candidates

    def holds(self, solution: npt.ArrayLike) -> BoolArray:
        """Return bool[N], the candidates of a solution (int[V])."""
        chosen = self.candidates_of(solution)
        held = np.zeros(self.num_candidates, dtype=bool)
        held[chosen[chosen >= 0]] = True
        return held
