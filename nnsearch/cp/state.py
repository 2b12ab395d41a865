"""The state of a CP search as scores for its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from ortools.constraint_solver import pywrapcp

from nnsearch.cp.bare_methods import bare_method, bare_methods
from nnsearch.cp.constraints.engine_model import MAX_HOLES_RANGE
from nnsearch.errors import GraphError
from nnsearch.model.graph import BoolArray, CandidateGraph
from nnsearch.result import InferenceCount
from nnsearch.scorers.network import PreparedNetwork
from nnsearch.scorers.scorer import FloatArray


@dataclass(frozen=True)
class _Node:
    """What was read at a node."""

    number: int
    alive: BoolArray  # bool[N'], the candidates that were in the domains
    several: npt.NDArray[np.int64]  # the variables with several values: only these can have changed below
    sizes: npt.NDArray[np.uint64]  # of their domains


class StateReader:
    """Reads the current node of a search and has it scored. A *position* is a candidate of the graph.

    The candidates are cut down to what propagation at the root of a search leaves, once for each search; below that,
    only the variables that lost values since the last node read above the current one are looked at value by value.

    Args:
        variables: V variables, those of the graph in its order.
        graph: the model's candidates.
        scorer: who has read the graph.

    Raises:
        GraphError: the graph has another number of variables.
    """

    def __init__(self, variables: Sequence[pywrapcp.IntVar], graph: CandidateGraph, scorer: PreparedNetwork) -> None:
        if graph.num_variables != len(variables):
            raise GraphError(f"expected the {graph.num_variables} variables of the graph, got {len(variables)}")
        self.graph, self._scorer = graph, scorer
        self._variables = list(variables)  # what the bare methods below point to
        self._bound = bare_methods(variables, "IntExpr_Bound")
        self._value = bare_methods(variables, "IntVar_Value")
        self._size = bare_methods(variables, "IntVar_Size")
        self._contains = bare_methods(variables, "IntVar_Contains")
        self._pair_variable, self._pair_value = graph.variable.tolist(), graph.values.tolist()
        self._position: list[dict[int, int]] = [
            {self._pair_value[position]: position for position in range(low, high)}
            for low, high in pairwise(graph.offset.tolist())
        ]
        self._ranked: list[int] = []
        self._nodes = 0  # read so far
        # Reversible: 0 above the root that was read first, and the number of the last node read above the current one.
        self._above = pywrapcp.RevInteger(0)
        self._last_above = bare_method(self._above, "RevInteger_Value")
        self._cut_down(np.ones(graph.num_candidates, dtype=bool))
        self._top = self._last = _Node(0, np.zeros(0, dtype=bool), np.zeros(0, np.int64), np.zeros(0, np.uint64))
        self.alive = self._observed = np.zeros(0, dtype=bool)
        """bool[N], the candidates that were in the domains at the last :meth:`refresh`."""
        self.state = 0
        """Valid after :meth:`refresh`; equal numbers mean that the scorer sees equal states."""

    def refresh(self, solver: pywrapcp.Solver) -> None:
        """Read the current node; to be called at search nodes only, where propagation is at its fixpoint.

        Raises:
            GraphError: a domain has a value that the graph has not.
        """
        if self._last_above() == 0:  # a new search, or the engine went back above the node read first
            self._cut_down(np.ones(self.graph.num_candidates, dtype=bool))
            self._cut_down(self._read_root())
            sizes = np.array([size() for size in self._size], dtype=np.uint64)
            several = np.flatnonzero(sizes > 1)
            self._top = _Node(0, np.ones(len(self._origin), dtype=bool), several, sizes[several])
            self._last = self._top
        self._nodes += 1
        self._last = self._read(self._nodes)
        self._above.SetValue(solver, self._nodes)
        self.alive = np.zeros(self.graph.num_candidates, dtype=bool)
        self.alive[self._origin[self._last.alive]] = True
        observed = self._scorer.encoding.observed(self.alive)
        if not np.array_equal(observed, self._observed):
            self._observed = observed
            self.state += 1

    def score(self, count: InferenceCount) -> FloatArray:
        """Return float32[N], the scores of the state last read; ``-inf`` where there is none."""
        return self._scorer.score(self.alive, count)

    def rank(self, scores: FloatArray) -> None:
        """Take the scores that :meth:`best` goes by, float32[N]; they stay the same until the next call."""
        scored = np.flatnonzero(scores > -np.inf)
        self._ranked = scored[np.argsort(-scores[scored], kind="stable")].tolist()

    def best(self, solver: pywrapcp.Solver) -> tuple[int, int] | None:
        """Return (variable, value), the open pair with the best score, at ties the first; None if none has a score."""
        for position in self._ranked:
            variable, value = self.pair(position)
            if not self._bound[variable]() and self._contains[variable](value):
                return variable, value
        return None

    def position(self, variable: int, value: int) -> int:
        """Return where a pair is."""
        return self._position[variable][value]

    def pair(self, position: int) -> tuple[int, int]:
        """Return (variable, value)."""
        return self._pair_variable[position], self._pair_value[position]

    def open_positions(self, variable: int) -> list[int]:
        """Return where the pairs of a variable's current values are, values ascending."""
        contains = self._contains[variable]
        return [position for value, position in self._position[variable].items() if contains(value)]

    def alive_positions(self) -> npt.NDArray[np.int64]:
        """Return int64[P], ascending: where the pairs of the current values are, one for a bound variable.

        To be called at search nodes only, at or below one where :meth:`refresh` was called.
        """
        return self._origin[self._read(0).alive]

    def _cut_down(self, alive: BoolArray) -> None:
        """Look at these candidates only: bool[N]."""
        self._origin = np.flatnonzero(alive)
        values = self.graph.values[self._origin]
        bounds = np.concatenate([[0], np.cumsum(self.graph.count(alive))]).tolist()
        self._first = bounds
        self._values = [values[low:high].tolist() for low, high in pairwise(bounds)]

    def _read_root(self) -> BoolArray:
        alive: list[bool] = []
        for contains, size, values, name in zip(
            self._contains, self._size, self._values, self.graph.names, strict=True
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

    def _read(self, number: int) -> _Node:
        """Read what is left of the candidates that the search began with."""
        # A domain only shrinks below a node, so one that still has the size it had there has the same values.
        above = self._last if self._last_above() == self._last.number else self._top
        alive = above.alive.copy()
        sizes = np.array([self._size[variable]() for variable in above.several.tolist()], dtype=np.uint64)
        for variable in above.several[sizes != above.sizes].tolist():
            values, low = self._values[variable], self._first[variable]
            if self._bound[variable]():
                value = self._value[variable]()
                alive[low : low + len(values)] = [one == value for one in values]
            else:
                alive[low : low + len(values)] = list(map(self._contains[variable], values))
        several = sizes > 1
        return _Node(number, alive, above.several[several], sizes[several])
