"""The tree of a search as JSON lines, written while it grows, and the reader of such files.

The first line is the header, an object with ``format`` (``nnsearch.trace``), ``version`` (2) and what was searched by
whom. Every other line is one event. All events have

- ``outcome``: ``open`` (a decision was taken: its left branch is entered), ``failed`` (a dead end), ``refuted`` (the
  left branch is exhausted, the right branch is entered: the value is gone), ``solution``, or ``cut`` (left unsearched:
  a restart, or too many discrepancies);
- ``node``: the number of the decision, from 1 in the order of opening; 0 is the root. A dead end, a solution and a cut
  belong to the last decision on their path;
- ``branch``: the side of that decision on which it happened, ``left`` or ``right`` (of ``open``: the parent's side);
- ``depth``: number of decisions on the path to the event, left and right ones, ``node`` included if it is on it;
- ``run``: number of the run, from 0; restarts and limited discrepancy search have several;
- ``ms``: milliseconds since the search began;
- ``inferences``: calls of the network so far.

``open`` also has ``parent``, ``variable`` (its name), ``value``, ``score`` (at hand, with the noise of sampling and
restarts) and ``rank`` (of the value by such scores among the open values of the variable, 1 is the best); both are null
where no network was involved.
``solution`` also has ``objective``, the engine's integer to be minimised, null without one.

Where the scores are recorded, too, ``open`` (of a decision by the network) and ``solution`` have ``state``: an object
from names of variables to what they are just then, of the variables that the network decides only those that changed
since the last ``state`` in the file. A number is the value that a variable has. A list is what is open:
``[value, probability, value, probability, ...]``, the most probable first, probabilities in thousandths, by the softmax
over the scores at hand of its open values (zeros where none was ever scored); of more than sixteen the others are
counted in one more number at the end. Null, from one event on: the share of the file that was allowed for states was
used up.
The header of such a file has ``states``, their megabytes at most. It may also have ``instance`` and ``grid``, see
:func:`nnsearch.cp.trace.layout.layout_of`.

In version 1 probabilities were numbers from 0 to 1, and all else was the same; :func:`read_trace` reads it, too.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TextIO, cast

import ortools
from ortools.constraint_solver import pywrapcp

from nnsearch.cp.trace.states import PER_MILLE, Entry, NodeStates
from nnsearch.cp.value_phase import ValuePhase
from nnsearch.errors import ConfigError, NNSearchError
from nnsearch.result import InferenceCount

FORMAT, VERSION = "nnsearch.trace", 2

STATE_MEGABYTES = 64.0
"""Enough states for thousands of nodes of a large square."""

Outcome = Literal["open", "failed", "refuted", "solution", "cut"]
OUTCOMES: tuple[Outcome, ...] = ("open", "failed", "refuted", "solution", "cut")

_DECISION = re.compile(r"\[(?P<variable>.*)\([^()]*\) == (?P<value>-?\d+)\]")
_FAIL_DECISION = "Decision"  # what the engine prints for it; every other decision prints more


class TraceError(NNSearchError):
    """A trace cannot be written, or a file is not a trace."""


@dataclass(frozen=True)
class TraceEvent:
    """One line of a trace, see :mod:`nnsearch.cp.trace.trace`."""

    outcome: Outcome
    node: int
    branch: Literal["left", "right"]
    depth: int
    run: int
    ms: float
    inferences: int
    parent: int | None = None
    variable: str | None = None
    value: int | None = None
    score: float | None = None
    rank: int | None = None
    objective: int | None = None
    state: dict[str, Entry] | None = None


@dataclass(frozen=True)
class RecordedTrace:
    """What :func:`read_trace` returns.

    Attributes:
        header: the first line.
        events: the others.
    """

    header: dict[str, Any]
    events: list[TraceEvent]


class Trace:
    """Where :func:`nnsearch.cp.solve` writes the tree of one search.

    Args:
        path: the file; it is replaced when the search begins.
        states: megabytes for the open values and their probabilities at every node; None leaves them out. They
            take about a millisecond for each node of a square of order 50.
        about: more facts for the header, such as :func:`nnsearch.cp.trace.layout.layout_of` tells.

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
        """Open the file and write the header.

        Args:
            header: facts of the search; the format and its version are added.

        Raises:
            ConfigError: the trace was begun before.
            TraceError: the file cannot be written.
        """
        if self._file is not None:
            raise ConfigError(f"trace: {self.path} holds another search already; make a new Trace")
        with self._errors():
            self._file = self.path.open("w", encoding="utf-8")
        states = {} if self.states is None else {"states": self.states}
        known = {"format": FORMAT, "version": VERSION, "ortools": ortools.__version__}
        self.write({**known, **header, **states, **self._about})

    def write(self, line: Mapping[str, object]) -> None:
        """Write one line.

        Raises:
            TraceError: the file cannot be written.
        """
        with self._errors():
            cast(TextIO, self._file).write(json.dumps(line, allow_nan=False, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Close the file.

        Raises:
            TraceError: the file cannot be written.
        """
        with self._errors():
            cast(TextIO, self._file).close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TraceError(f"{self.path}: the trace cannot be written: {error.strerror or error}") from None


class TraceRecorder(pywrapcp.SearchMonitor):
    """Watches a search for a :class:`Trace`. To be the first of the monitors: another may fail in a callback.

    Keep a reference for as long as the solver.

    Args:
        solver: the CP solver.
        trace: a trace that has its header.
        inference: what the search counts.
        objective: the variable that is minimised, None without one.
        is_over: tells whether the search is being left, when the engine fails once per level.
        phase: whose decisions and states are recorded; None where no network is involved.
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
            phase.observer = self
            if trace.states is not None:
                self._states = NodeStates(phase, trace.states)
        self._state: dict[str, Any] = {}  # the field of the next decision
        self._leaving = False
        self._alive = True  # neither a dead end nor a solution was written for this node

    def has_failed(self) -> bool:
        """Tell whether there is an error: the search then has to end."""
        return self.error is not None

    def chosen(self, variable: str, value: int, score: float, rank: int) -> None:
        """Take note of a decision, see :class:`nnsearch.cp.value_phase.Observer`."""
        self._choice = (variable, value, score if math.isfinite(score) else None, rank)
        self._state = self._read_state()

    def EndNextDecision(self, builder: pywrapcp.DecisionBuilder, decision: pywrapcp.Decision | None) -> None:  # noqa: N802
        """Called by the engine with the decision that it is going to take."""
        self._leaving = decision is not None and decision.DebugString() == _FAIL_DECISION

    def ApplyDecision(self, decision: pywrapcp.Decision) -> None:  # noqa: N802
        """Called by the engine before a left branch."""
        choice, self._choice = self._choice, None
        state, self._state = self._state, {}
        if choice is None and (match := _DECISION.match(decision.DebugString())):
            choice = (match["variable"], int(match["value"]), None, None)
        if choice is None:
            self._path.append([None, "left"])
        else:
            variable, value, score, rank = choice
            parent = self._here()
            self._nodes += 1
            depth = self._depth()
            self._path.append([self._nodes, "left"])
            self._write(
                "open",
                self._nodes,
                parent[1],
                depth,
                parent=parent[0],
                variable=variable,
                value=value,
                score=score,
                rank=rank,
                **state,
            )
        self._alive = True

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
        self._write("solution", node, branch, self._depth(), read_state=True, objective=objective)
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

    def _write(
        self, outcome: Outcome, node: int, branch: str, depth: int, *, read_state: bool = False, **more: Any
    ) -> None:
        if self.error is not None or self._is_over():
            return
        try:
            if read_state:
                more |= self._read_state()
            self._trace.write(
                {
                    "outcome": outcome,
                    "node": node,
                    "branch": branch,
                    "depth": depth,
                    "run": self._run,
                    "ms": round((time.perf_counter() - self._started) * 1000, 3),
                    "inferences": self._inference.calls,
                    **more,
                }
            )
        except BaseException as error:  # it must not cross the engine
            self.error = error


def read_trace(path: str | Path) -> RecordedTrace:
    """Read a trace.

    A last line that is cut short, as a killed process leaves it, is an error as any other.

    Raises:
        TraceError: the file cannot be read, or a line is not what it should be; the message says which.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise TraceError(f"{path}: expected a trace, {reason}") from None
    header = _parsed(path, 1, lines[0]) if lines else {}
    if header.get("format") != FORMAT:
        raise TraceError(f"{path}: expected a trace (format {FORMAT} in the first line), this is something else")
    version = header.get("version")
    if version not in (1, VERSION):
        raise TraceError(f"{path}: expected a trace of version 1 or {VERSION}, got {version!r}")
    events: list[TraceEvent] = []
    for number, line in enumerate(lines[1:], start=2):
        fields = _parsed(path, number, line)
        try:
            event = TraceEvent(**fields)
        except TypeError as error:
            reason = str(error).partition("() ")[2] or str(error)
            raise TraceError(f"{path}, line {number}: expected an event, {reason}") from None
        wrong = _first_wrong(event)
        if wrong is not None:
            raise TraceError(f"{path}, line {number}: {wrong}")
        if version == 1 and event.state is not None:
            event = replace(event, state={name: _in_thousandths(entry) for name, entry in event.state.items()})
        events.append(event)
    return RecordedTrace(header, events)


def _in_thousandths(entry: int | Sequence[float]) -> Entry:
    """Return an entry of version 1 as version 2 has it: probabilities stand at the odd places."""
    if isinstance(entry, int):
        return entry
    return [round(number * PER_MILLE) if place % 2 else int(number) for place, number in enumerate(entry)]


def _parsed(path: str | Path, number: int, line: str) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise TraceError(f"{path}, line {number}: expected a JSON object, got {line[:40]!r}")
    return parsed


def _first_wrong(event: TraceEvent) -> str | None:
    """Return what is wrong with the fields that a report goes by, None if nothing is."""
    if event.outcome not in OUTCOMES:
        return f"outcome: expected one of {', '.join(OUTCOMES)}, got {event.outcome!r}"
    if event.branch not in ("left", "right"):
        return f"branch: expected left or right, got {event.branch!r}"
    counts = {name: getattr(event, name) for name in ("node", "depth", "run", "inferences")}
    if event.outcome == "open":
        counts["parent"] = event.parent
        if not isinstance(event.variable, str):
            return f"variable: expected a name, got {event.variable!r}"
    for name, count in counts.items():
        if type(count) is not int or count < 0:
            return f"{name}: expected 0 or more, got {count!r}"
    if type(event.ms) not in (int, float):
        return f"ms: expected a number, got {event.ms!r}"
    state: object = event.state
    if not (state is None or isinstance(state, dict)):
        return f"state: expected an object or null, got {state!r}"
    return None
