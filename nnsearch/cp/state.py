"""The state of a CP search as scores for its values, by one-hot networks and by networks on the candidate graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt
from ortools.constraint_solver import pywrapcp

from nnsearch.cp.assignment import AssignmentTracker, bare_method, bare_methods
from nnsearch.cp.constraints.engine_model import MAX_HOLES_RANGE
from nnsearch.encoding.candidate_graph import encode
from nnsearch.errors import GraphError
from nnsearch.model.graph import CandidateGraph
from nnsearch.result import InferenceCount
from nnsearch.scorers.scorer import GraphScorer, Scorer, ask, ask_graph


class StateReader(Protocol):
    """Reads the current node of a search and has it scored. Positions number the pairs, values ascending."""

    num_positions: int
    """Number of pairs that have a score."""
    state: int
    """Valid after :meth:`refresh`; equal numbers mean equal states."""

    def refresh(self, solver: pywrapcp.Solver) -> None:
        """Read the current node; to be called at search nodes only, where propagation is at its fixpoint."""

    def score(self, count: InferenceCount) -> npt.NDArray[np.float32]:
        """Return float32[num_positions], the scores of the state last read; -inf where there is none."""

    def rank(self, scores: npt.NDArray[np.float32]) -> None:
        """Take the scores that :meth:`best` goes by, float32[num_positions]; they stay the same until the next call."""

    def best(self, solver: pywrapcp.Solver) -> tuple[int, int] | None:
        """Return (variable, value), the open pair with the best score, at ties the first; None if none has a score."""

    def variables(self) -> npt.NDArray[np.int64]:
        """Return int64[num_positions], the variable of each pair."""

    def values(self) -> npt.NDArray[np.int64]:
        """Return int64[num_positions], the value of each pair."""

    def position(self, variable: int, value: int) -> int:
        """Return where a pair is."""

    def pair(self, position: int) -> tuple[int, int]:
        """Return (variable, value)."""

    def open_positions(self, variable: int) -> list[int]:
        """Return where the pairs of a variable's current values are, values ascending."""

    def alive_positions(self) -> npt.NDArray[np.int64]:
        """Return int64[P], ascending: where the pairs of the current values are, one for a bound variable.

        To be called at search nodes only, at or below one where :meth:`refresh` was called.
        """


class OneHotReader:
    """Reads bound variables for a :class:`nnsearch.scorers.scorer.Scorer`.

    Args:
        variables: V variables in the order of the network.
        scorer: the network.
        first_value: the value with index 0.
    """

    def __init__(self, variables: Sequence[pywrapcp.IntVar], scorer: Scorer, first_value: int) -> None:
        self._scorer, self._first_value = scorer, first_value
        self._num_values = scorer.num_values
        self.num_positions = len(variables) * self._num_values
        self._tracker = AssignmentTracker(variables, self._num_values, first_value)
        self._variables = list(variables)  # what the bare methods below point to
        self._contains = bare_methods(variables, "IntVar_Contains")
        self._scores = np.zeros((len(variables), self._num_values), dtype=np.float32)
        self.state = 0

    def refresh(self, solver: pywrapcp.Solver) -> None:
        """Read which variables are bound."""
        self._tracker.refresh(solver)
        self.state = self._tracker.state

    def score(self, count: InferenceCount) -> npt.NDArray[np.float32]:
        """Return float32[V * D]."""
        return ask(self._scorer, self._tracker.assignment, count)[0]

    def rank(self, scores: npt.NDArray[np.float32]) -> None:
        """Keep the scores."""
        self._scores = scores.reshape(-1, self._num_values)

    def best(self, solver: pywrapcp.Solver) -> tuple[int, int] | None:
        """Return the best-scored value of the unbound variables."""
        self._tracker.refresh(solver)
        open_scores = self._scores.copy()
        open_scores[self._tracker.bound_variables()] = -np.inf
        flat = open_scores.ravel()
        while True:
            best = int(flat.argmax())
            if flat[best] == -np.inf:
                return None
            variable, value = self.pair(best)
            if self._contains[variable](value):
                return variable, value
            flat[best] = -np.inf

    def variables(self) -> npt.NDArray[np.int64]:
        """Return int64[V * D]."""
        return np.repeat(np.arange(self.num_positions // self._num_values), self._num_values)

    def values(self) -> npt.NDArray[np.int64]:
        """Return int64[V * D]."""
        return np.tile(np.arange(self._num_values) + self._first_value, self.num_positions // self._num_values)

    def position(self, variable: int, value: int) -> int:
        """Return ``variable * D + value - first_value``."""
        return variable * self._num_values + value - self._first_value

    def pair(self, position: int) -> tuple[int, int]:
        """Return (variable, value)."""
        variable, index = divmod(position, self._num_values)
        return variable, index + self._first_value

    def open_positions(self, variable: int) -> list[int]:
        """Return positions, values ascending."""
        start, contains = variable * self._num_values, self._contains[variable]
        return [start + i for i in range(self._num_values) if contains(i + self._first_value)]

    def alive_positions(self) -> npt.NDArray[np.int64]:
        """Return int64[P]."""
        alive = [position for variable in range(len(self._variables)) for position in self.open_positions(variable)]
        return np.array(alive, dtype=np.int64)


@dataclass(frozen=True)
class _Node:
    """What was read at a node: all of it that can have changed below are the variables with several values.

    Attributes:
        number: of the node.
        alive: bool[N'], the candidates that were in the domains.
        several: indices of these variables.
        sizes: uint64, the sizes of their domains.
    """

    number: int
    alive: npt.NDArray[np.bool_]
    several: list[int]
    sizes: npt.NDArray[np.uint64]


class GraphReader:
    """Reads domains for a :class:`nnsearch.scorers.scorer.GraphScorer`.

    The graph is cut down to what propagation at the root of a search leaves, once for each search; below that, only the
    variables that lost values since the last node read above the current one are looked at value by value.

    Args:
        variables: V variables, those of the graph in its order.
        scorer: the network.
        graph: the structure of the model.

    Raises:
        GraphError: the graph has another number of variables.
        NNSearchError: the network is not for this model.
    """

    def __init__(self, variables: Sequence[pywrapcp.IntVar], scorer: GraphScorer, graph: CandidateGraph) -> None:
        if graph.num_variables != len(variables):
            raise GraphError(f"expected the {graph.num_variables} variables of the graph, got {len(variables)}")
        self._scorer = scorer
        self._variables = list(variables)  # what the bare methods below point to
        self._bound = bare_methods(variables, "IntExpr_Bound")
        self._value = bare_methods(variables, "IntVar_Value")
        self._size = bare_methods(variables, "IntVar_Size")
        self._contains = bare_methods(variables, "IntVar_Contains")
        self._whole = scorer.prepare(graph)
        self.num_positions = graph.num_candidates
        self._pair_variable, self._pair_value = graph.variable.tolist(), graph.values.tolist()
        bounds = graph.offset.tolist()
        self._position: list[dict[int, int]] = [
            {self._pair_value[position]: position for position in range(low, high)} for low, high in pairwise(bounds)
        ]
        self._ranked: list[int] = []
        self._nodes = 0  # read so far
        self._top = self._last = _Node(0, np.zeros(0, dtype=bool), [], np.zeros(0, dtype=np.uint64))
        # Reversible: 0 above the root that was read first, and the number of the last node read above the current one.
        self._above = pywrapcp.RevInteger(0)
        self._last_above = bare_method(self._above, "RevInteger_Value")
        self._alive: npt.NDArray[np.bool_]
        self._start_from(self._whole, np.arange(graph.num_candidates))
        self.state = 0

    def refresh(self, solver: pywrapcp.Solver) -> None:
        """Read all domains.

        Raises:
            GraphError: a domain has a value that the graph has not.
        """
        if self._last_above() == 0:  # a new search, or the engine went back above the node read first
            self._start_from(self._whole, np.arange(self.num_positions))
            self._start_from(*self._whole.restrict(self._read_root()))
            self._top = self._last = self._node(0, np.ones(self._graph.num_candidates, dtype=bool))
        alive = self._read()
        self._nodes += 1
        self._last = self._node(self._nodes, alive)
        self._above.SetValue(solver, self._nodes)
        if not np.array_equal(alive, self._alive):
            self._alive = alive
            self.state += 1

    def alive(self) -> npt.NDArray[np.bool_]:
        """Return bool[N], the candidates that were in the domains at the last :meth:`refresh`."""
        whole = np.zeros(self.num_positions, dtype=bool)
        whole[self._origin[self._alive]] = True
        return whole

    def score(self, count: InferenceCount) -> npt.NDArray[np.float32]:
        """Return float32[N], -inf for candidates that are gone or whose variable is bound."""
        state = encode(self._graph, self._alive)
        scores = np.full(self.num_positions, -np.inf, dtype=np.float32)
        scores[self._origin[state.candidate]] = ask_graph(self._scorer, state, count)
        return scores

    def rank(self, scores: npt.NDArray[np.float32]) -> None:
        """Sort the candidates."""
        scored = np.flatnonzero(scores > -np.inf)
        self._ranked = scored[np.argsort(-scores[scored], kind="stable")].tolist()

    def best(self, solver: pywrapcp.Solver) -> tuple[int, int] | None:
        """Return the best-ranked candidate that is still open."""
        for position in self._ranked:
            variable, value = self.pair(position)
            if not self._bound[variable]() and self._contains[variable](value):
                return variable, value
        return None

    def variables(self) -> npt.NDArray[np.int64]:
        """Return int64[N]."""
        return self._whole.variable

    def values(self) -> npt.NDArray[np.int64]:
        """Return int64[N]."""
        return self._whole.values

    def position(self, variable: int, value: int) -> int:
        """Return the candidate."""
        return self._position[variable][value]

    def pair(self, position: int) -> tuple[int, int]:
        """Return (variable, value)."""
        return self._pair_variable[position], self._pair_value[position]

    def open_positions(self, variable: int) -> list[int]:
        """Return candidates, values ascending."""
        contains = self._contains[variable]
        return [position for value, position in self._position[variable].items() if contains(value)]

    def alive_positions(self) -> npt.NDArray[np.int64]:
        """Return int64[P]."""
        return self._origin[self._read()]

    def _start_from(self, graph: CandidateGraph, origin: npt.NDArray[np.int64]) -> None:
        self._graph, self._origin = graph, origin
        self._alive = np.zeros(0, dtype=bool)
        self._first = bounds = graph.offset.tolist()
        self._values = [graph.values[low:high].tolist() for low, high in pairwise(bounds)]

    def _read_root(self) -> npt.NDArray[np.bool_]:
        alive: list[bool] = []
        for contains, size, values, name in zip(
            self._contains, self._size, self._values, self._whole.names, strict=True
        ):
            inside = list(map(contains, values))
            # A wide domain with holes is a range for the engine, which enforces the holes by a constraint.
            exact = bool(values) and values[-1] - values[0] <= MAX_HOLES_RANGE
            if exact and sum(inside) != size():
                raise GraphError(
                    f"variable {name}: expected a domain within the graph's {len(values)} values "
                    f"{values[0]}..{values[-1]}, got {size()} values of which {sum(inside)} are there"
                )
            alive += inside
        return np.array(alive, dtype=bool)

    def _read(self) -> npt.NDArray[np.bool_]:
        """Return bool[N'], which candidates of the cut-down graph are still in the domains."""
        # A domain only shrinks below a node, so one that still has the size it had there has the same values.
        above = self._last if self._last_above() == self._last.number else self._top
        alive = above.alive.copy()
        sizes = np.array([self._size[variable]() for variable in above.several], dtype=np.uint64)
        for place in np.flatnonzero(sizes != above.sizes).tolist():
            variable = above.several[place]
            values, low = self._values[variable], self._first[variable]
            if self._bound[variable]():
                value = self._value[variable]()
                alive[low : low + len(values)] = [one == value for one in values]
            else:
                alive[low : low + len(values)] = list(map(self._contains[variable], values))
        return alive

    def _node(self, number: int, alive: npt.NDArray[np.bool_]) -> _Node:
        sizes = np.array([size() for size in self._size], dtype=np.uint64)
        several = np.flatnonzero(sizes > 1)
        return _Node(number, alive, several.tolist(), sizes[several])
