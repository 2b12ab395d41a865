"""The tree of a search as JSON lines: the format, and its reader.

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
:func:`nnsearch.cp.trace.recorder.layout_of`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nnsearch.errors import NNSearchError

FORMAT, VERSION = "nnsearch.trace", 2

PER_MILLE = 1000
"""Probabilities are written in thousandths."""

Entry = int | list[int]
"""What a variable is at a node: its value, or what is open."""

Outcome = Literal["open", "failed", "refuted", "solution", "cut"]
OUTCOMES: tuple[Outcome, ...] = ("open", "failed", "refuted", "solution", "cut")


class TraceError(NNSearchError):
    """A trace cannot be written, or a file is not a trace."""


@contextmanager
def writing(path: str | Path, what: str) -> Iterator[None]:
    """Turn an error of the file system into a TraceError that says what cannot be written."""
    try:
        yield
    except OSError as error:
        raise TraceError(f"{path}: the {what} cannot be written: {error.strerror or error}") from None


@dataclass(frozen=True)
class TraceEvent:
    """One line of a trace; the module says what each field means."""

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
    """What :func:`read_trace` returns: the first line, and the other lines."""

    header: dict[str, Any]
    events: list[TraceEvent]


def read_trace(path: str | Path) -> RecordedTrace:
    """Read a trace.

    A last line that is cut short, as a killed process leaves it, is an error as any other.

    Args:
        path: the file that a :class:`nnsearch.cp.Trace` has written.

    Returns:
        The header, and every event.

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
    if header.get("version") != VERSION:
        raise TraceError(f"{path}: expected a trace of version {VERSION}, got {header.get('version')!r}")
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
        events.append(event)
    return RecordedTrace(header, events)


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
