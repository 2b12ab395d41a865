"""A recorded search as a page of HTML that replays it: one file, for any browser, without a network."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from nnsearch.cp.trace.events import OUTCOMES, RecordedTrace, TraceEvent, writing

MOST_EVENTS = 100_000
"""How many events a page holds; a notice on it says how many there were."""
MOST_STATE_BYTES = 12_000_000
"""How much text the states on a page take."""

_TEMPLATE = Path(__file__).with_name("page.html")
_STYLE = Path(__file__).with_name("page.css")
_SCRIPT = Path(__file__).with_name("page.js")


def save_page(trace: RecordedTrace, path: str | Path) -> None:
    """Write the page of a trace, with states or without; a ``TraceError`` says that it cannot be written."""
    with writing(path, "page"):
        Path(path).write_text(page(trace), encoding="utf-8")


def page(trace: RecordedTrace) -> str:
    """Return the page as text."""
    # "<" is the only character by which data could end the script element that holds it.
    data = json.dumps(payload(trace), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    name = str(trace.header.get("instance") or trace.header.get("problem") or "a search")
    text = _TEMPLATE.read_text(encoding="utf-8")
    for place, content in (
        ("{{title}}", escape(f"{name}, replayed")),
        ("{{style}}", _STYLE.read_text(encoding="utf-8")),
        ("{{script}}", _SCRIPT.read_text(encoding="utf-8")),
        ("{{payload}}", data),
    ):
        text = content.join(text.split(place, 1))
    return text


def payload(trace: RecordedTrace) -> dict[str, Any]:
    """Return what the page shows, as JSON values: a list for each field of the events, and the states by event.

    Variables are numbers into ``names``; ``states`` has ``[event, [variable, entry], ...]``.
    """
    events = trace.events[:MOST_EVENTS]
    names: dict[str, int] = {}
    states: list[list[Any]] = []
    left, complete = MOST_STATE_BYTES, True
    for number, event in enumerate(events):
        if event.variable is not None:
            names.setdefault(event.variable, len(names))
        if event.state is None or not complete:
            continue
        changes: list[Any] = [number]
        for name, entry in event.state.items():
            changes.append([names.setdefault(name, len(names)), entry])
        left -= len(json.dumps(changes, separators=(",", ":")))
        complete = left > 0
        if complete:
            states.append(changes)
    recorded = sum(event.state is not None for event in trace.events)
    return {
        "header": trace.header,
        "names": list(names),
        "outcomes": OUTCOMES,
        "events": _columns(events, names),
        "states": states,
        "totals": {"events": len(trace.events), "states": recorded},
    }


def _columns(events: list[TraceEvent], names: dict[str, int]) -> dict[str, list[Any]]:
    same = ("node", "depth", "run", "inferences", "parent", "value", "rank", "objective")
    return {
        **{name: [getattr(event, name) for event in events] for name in same},
        "outcome": [OUTCOMES.index(event.outcome) for event in events],
        "right": [int(event.branch == "right") for event in events],
        "ms": [round(event.ms, 1) for event in events],
        "variable": [None if event.variable is None else names[event.variable] for event in events],
    }
