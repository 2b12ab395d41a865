"""The recorder of a search: writes a trace while the tree grows."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO, cast

import ortools
from ortools.constraint_solver import pywrapcp

from nnsearch.cp.trace.events import FORMAT, VERSION, Outcome, writing
from nnsearch.cp.trace.states import NodeStates
from nnsearch.cp.value_phase import ValuePhase
from nnsearch.errors import ConfigError
from nnsearch.problems.latin_square.problem import GivenSquare
from nnsearch.problems.problem import Problem
from nnsearch.result import InferenceCount

STATE_MEGABYTES = 64.0
"""Enough states for thousands of nodes of a large square."""

_DECISION = re.compile(r"\[(?P<variable>.*)\([^()]*\) == (?P<value>-?\d+)\]")
_FAIL_DECISION = "Decision"  # what the engine prints for it; every other decision prints more


class Trace:
    """Where :func:`nnsearch.cp.solve` writes the tree of one search.

    Args:
        path: the file; it is replaced when the search begins.
        states: megabytes for the open values and their probabilities at every node; None leaves them out. They
            take about a millisecond for each node of a square of order 50.
        about: more facts for the header, such as :func:`layout_of` tells.

    Raises:
        ConfigError: the megabytes are not above 0.
    """

    def __init__(
        self, path: str | Path, *, states: float | None = None, about: Mapping[str, object] | None = None
    ) -> None:
        if states is not None and not states > 0:
            raise ConfigError(f"trace: expected above 0 megabytes for states, got {states:g}")
        self.path = Path(path)
        self.states = states
        self._about = dict(about or {})
        self._file: TextIO | None = None

    def begin(self, header: Mapping[str, object]) -> None:
        """Open the file and write the header: the facts of the search; the format and its version are added.

        Raises:
            ConfigError: the trace was begun before.
            TraceError: the file cannot be written; so do the other methods.
        """
        if self._file is not None:
            raise ConfigError(f"trace: {self.path} holds another search already; make a new Trace")
        with writing(self.path, "trace"):
            self._file = self.path.open("w", encoding="utf-8")
        states = {} if self.states is None else {"states": self.states}
        known = {"format": FORMAT, "version": VERSION, "ortools": ortools.__version__}
        self.write({**known, **header, **states, **self._about})

    def write(self, line: Mapping[str, object]) -> None:
        """Write one line."""
        with writing(self.path, "trace"):
            cast(TextIO, self._file).write(json.dumps(line, allow_nan=False, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Close the file."""
        with writing(self.path, "trace"):
            cast(TextIO, self._file).close()


class TraceRecorder(pywrapcp.SearchMonitor):
    """Watches a search for a :class:`Trace` that has its header.

    To be the first of the monitors: another may fail in a callback. Keep a reference for as long as the solver.

    ``is_over`` tells whether the search is being left, when the engine fails once per level; the phase is the one whose
    decisions and states are recorded, None where no network is involved.
    """

    def __init__(
        self,
        solver: pywrapcp.Solver,
        trace: Trace,
        inference: InferenceCount,
        objective: pywrapcp.IntVar | None,
        is_over: Callable[[], bool],
        phase: ValuePhase | None,
    ) -> None:
        super().__init__(solver)
        self.error: BaseException | None = None
        """What could not cross the engine; nothing is written from then on."""
        self._trace, self._inference, self._objective = trace, inference, objective
        self._is_over = is_over
        self._started = time.perf_counter()
        self._path: list[list[Any]] = []  # [node or None for a decision that assigns nothing, branch]
        self._nodes = self._run = 0
        self._choice: tuple[str, int, float | None, int | None] | None = None
        self._states: NodeStates | None = None
        if phase is not None:
            phase.observer = self._take_note
            if trace.states is not None:
                self._states = NodeStates(phase, trace.states)
        self._state: dict[str, Any] = {}  # the field of the next decision
        self._leaving = False
        self._alive = True  # neither a dead end nor a solution was written for this node

    def has_failed(self) -> bool:
        """Tell whether there is an error: the search then has to end."""
        return self.error is not None

    def _take_note(self, variable: str, value: int, score: float, rank: int) -> None:
        self._choice = (variable, value, score if math.isfinite(score) else None, rank)
        self._state = self._read_state()

    def EndNextDecision(self, builder: pywrapcp.DecisionBuilder, decision: pywrapcp.Decision | None) -> None:  # noqa: N802
        """Called by the engine with the decision that it is going to take."""
        self._leaving = decision is not None and decision.DebugString() == _FAIL_DECISION

    def ApplyDecision(self, decision: pywrapcp.Decision) -> None:  # noqa: N802
        """Called by the engine before a left branch."""
        choice, self._choice = self._choice, None
        state, self._state = self._state, {}
        self._alive = True
        if choice is None and (match := _DECISION.match(decision.DebugString())):
            choice = (match["variable"], int(match["value"]), None, None)
        if choice is None:
            self._path.append([None, "left"])
            return
        (parent, branch), depth = self._here(), self._depth()
        self._nodes += 1
        self._path.append([self._nodes, "left"])
        chosen = dict(zip(("variable", "value", "score", "rank"), choice, strict=True))
        self._write("open", self._nodes, branch, depth, parent=parent, **chosen, **state)

    def RefuteDecision(self, decision: pywrapcp.Decision) -> None:  # noqa: N802
        """Called by the engine before a right branch."""
        while self._path[-1][1] == "right":
            self._path.pop()
        self._path[-1][1] = "right"
        self._alive = True
        if self._path[-1][0] is not None:
            self._write("refuted", self._path[-1][0], "right", self._depth())

    def BeginFail(self) -> None:  # noqa: N802
        """Called by the engine at a dead end."""
        if self._alive and not (self._leaving and self._path and self._path[-1][0] is None):
            node, branch = self._here()
            self._write("cut" if self._leaving else "failed", node, branch, self._depth())
        self._leaving = self._alive = False

    def AtSolution(self) -> bool:  # noqa: N802
        """Called by the engine at a solution."""
        objective = None if self._objective is None else self._objective.Min()
        node, branch = self._here()
        self._write("solution", node, branch, self._depth(), objective=objective)
        self._alive = False
        return False

    def RestartSearch(self) -> None:  # noqa: N802
        """Called by the engine at the root of a search and of every run."""
        if self._path:
            self._path.clear()
            self._run += 1
        self._alive = True

    def _read_state(self) -> dict[str, Any]:
        """Return the field of an event: none where states are not asked for."""
        return {} if self._states is None else {"state": self._states.changes()}

    def _here(self) -> tuple[int, str]:
        """Return the last decision on the path, and the side of it."""
        return next(((node, branch) for node, branch in reversed(self._path) if node is not None), (0, "left"))

    def _depth(self) -> int:
        return sum(node is not None for node, _ in self._path)

    def _write(self, outcome: Outcome, node: int, branch: str, depth: int, **more: Any) -> None:
        if self.error is not None or self._is_over():
            return
        try:
            if outcome == "solution":
                more |= self._read_state()
            ms = round((time.perf_counter() - self._started) * 1000, 3)
            fields = {"outcome": outcome, "node": node, "branch": branch, "depth": depth, "run": self._run, "ms": ms}
            self._trace.write({**fields, "inferences": self._inference.calls, **more})
        except BaseException as error:  # it must not cross the engine
            self.error = error


def layout_of(instance: Problem) -> dict[str, Any]:
    """Return how the variables of an instance lie on paper, for the header of its trace.

    Returns:
        ``instance``, its name, and of Latin squares and sudokus ``grid``: ``order``, ``box`` (of a sudoku, else null),
        ``given`` (rows of values, 0 is a hole) and ``cell``, the name of a variable with places for row and column.
    """
    if not isinstance(instance, GivenSquare):
        return {"instance": instance.name}
    given = instance.grid.tolist()
    grid = {"order": instance.order, "box": instance.box, "given": given, "cell": "x[{row},{column}]"}
    return {"instance": instance.name, "grid": grid}
