"""What a phase thinks at a search node: the open values of its variables, and how probable the network finds each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from ortools.constraint_solver import pywrapcp

from nnsearch.cp.assignment import bare_methods

Entry = int | list[float | int]
"""Of a variable: its value, or what is open, see :mod:`nnsearch.cp.trace`."""

MOST_VALUES = 16
"""How many values of a variable are written; of large domains the best-scored ones."""

_DIGITS = 3


class NodeStates:
    """Tells the states of the nodes of one search, each as what changed since the last one.

    It holds one entry for each variable, and gives up for good when its share of the file is used up.

    Args:
        solver: of the search.
        observer: what the phase tells its decisions: that phase is read.
        megabytes: of text.
    """

    def __init__(self, solver: pywrapcp.Solver, observer: object, megabytes: float) -> None:
        # The solver keeps its phases; another way to them would make every search pay for what few ask for.
        self._calls = vars(solver).get("_nnsearch_calls")
        self._observer = observer
        self._phase: _Phase | None = None
        self._left = megabytes * 1e6

    def changes(self) -> dict[str, Entry] | None:
        """Return the entries of the current node that differ from those last returned; None when nothing is left."""
        if self._left <= 0:
            return None
        if self._phase is None:
            phases = [] if self._calls is None else self._calls.phases
            found = next((phase for phase in phases if phase.observer is self._observer), None)
            if found is None:
                return {}
            self._phase = _Phase(found)
        changed = self._phase.changes()
        self._left -= len(json.dumps(changed))
        return None if self._left <= 0 else changed


class _Phase:
    """Reads one phase. The variables are many and the nodes too, so what did not change costs no arithmetic."""

    def __init__(self, phase: Any) -> None:
        self._phase = phase
        self._branch: list[int] = phase._branch
        variables = phase._variables
        self._names = [variables[index].Name() for index in self._branch]
        self._bound = [phase._bound[index] for index in self._branch]
        values = bare_methods(variables, "IntVar_Value")
        self._value = [values[index] for index in self._branch]
        self._last: list[int | tuple[list[int], list[float]] | None] = [None] * len(self._branch)

    def changes(self) -> dict[str, Entry]:
        changed: dict[str, Entry] = {}
        places: list[int] = []
        positions: list[list[int]] = []
        for place, index in enumerate(self._branch):
            if not self._bound[place]():
                places.append(place)
                positions.append(self._phase._reader.open_positions(index))
            elif self._last[place] != (value := self._value[place]()):
                self._last[place] = changed[self._names[place]] = value
        for place, opened, probability in zip(places, positions, self._softmax(positions), strict=True):
            if self._last[place] != (now := (opened, probability)):
                self._last[place] = now
                changed[self._names[place]] = self._entry(opened, probability)
        return changed

    def _softmax(self, positions: Sequence[list[int]]) -> list[list[float]]:
        if not positions:
            return []
        flat = [position for opened in positions for position in opened]
        lengths = np.array([len(opened) for opened in positions])
        ends = lengths.cumsum()
        return probabilities(self._phase._scores[flat], ends - lengths, ends)

    def _entry(self, opened: Sequence[int], probability: Sequence[float]) -> Entry:
        best = sorted(range(len(opened)), key=lambda place: -probability[place])
        entry: list[float | int] = []
        for place in best[:MOST_VALUES]:
            entry += [self._phase._reader.pair(opened[place])[1], round(probability[place], _DIGITS)]
        if len(best) > MOST_VALUES:
            entry.append(len(best) - MOST_VALUES)
        return entry


def probabilities(
    scores: npt.NDArray[np.float32], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> list[list[float]]:
    """Return the softmax of the scores of each variable; zeros where none of its values was ever scored.

    Args:
        scores: float32[P], those of one variable after those of another; -inf is none.
        starts: int64[V], where the scores of a variable begin; each has at least one.
        ends: int64[V], where they end.
    """
    best = np.maximum.reduceat(scores.astype(np.float64), starts)
    scored = best > -np.inf
    lengths = ends - starts
    weights = np.exp(scores - np.repeat(np.where(scored, best, 0.0), lengths))  # exp(-inf) is 0
    total = np.add.reduceat(weights, starts)
    share = (weights / np.repeat(np.where(scored, total, 1.0), lengths)).tolist()
    return [share[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
