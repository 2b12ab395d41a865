"""What suites and studies found, as values that JSON can hold.

Described once, and rendered three times: by :mod:`benchmarks.rendering.text` in the terminal, by
:mod:`benchmarks.rendering.figure` as a plot, and by :mod:`benchmarks.report.page`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Cell = str | float | int | None
"""Of a table; the page shows None as a dash, and formats numbers."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Place:
    """What the filters of the page go by, such as ``quasigroup`` and ``order 30``; None passes every filter."""

    problem: str | None = None
    size: str | None = None


ANYWHERE = Place()


@dataclass(frozen=True)
class TableRow:
    """One row of a table; the page hides it when its filters leave the arm (None is always shown) or the place out."""

    cells: Sequence[Cell]
    arm: str | None = None
    place: Place = ANYWHERE


@dataclass(frozen=True)
class Table:
    """A table, on the page perhaps folded up at first, without the columns that are ``page_only`` in a terminal."""

    title: str
    columns: Sequence[str]
    rows: Sequence[TableRow]
    note: str = ""
    folded: bool = False
    page_only: Sequence[str] = ()
    kind: Literal["table"] = "table"

    @classmethod
    def of(
        cls, title: str, rows: Sequence[tuple[Mapping[str, Cell], str, Place]], note: str, page_only: Sequence[str] = ()
    ) -> Table:
        """Return a table of rows that say column -> cell, all of the same columns, with their arm and place."""
        made = [TableRow(list(cells.values()), arm, place) for cells, arm, place in rows]
        return cls(title, list(rows[0][0]) if rows else [], made, note, page_only=page_only)


@dataclass(frozen=True)
class Axis:
    """One axis of a chart.

    Attributes:
        label: with the unit.
        scale: ``linear``, ``log``, or ``symlog`` (as log above 1, and with a 0).
        domain: both ends; None is that of the data.
        ticks: words for 0, 1, ... on a horizontal axis of plots; none are numbers.
    """

    label: str
    scale: Literal["linear", "log", "symlog"] = "linear"
    domain: tuple[float, float] | None = None
    ticks: Sequence[str] = ()


@dataclass(frozen=True)
class Series:
    """One arm in a chart.

    Attributes:
        arm: its name, which decides its colour wherever it stands.
        points: (x, y), ascending in x for lines and steps.
        draw: a line, steps (constant to the right of a point), or dots.
        label: in the legend beside the name, such as ``10 of 10``.
        hollow: points that were cut off by a limit, drawn hollow; of dots only.
        band: (x, low, high), the confidence limits of a line, drawn behind it.
    """

    arm: str
    points: Sequence[Point]
    draw: Literal["line", "step", "dot"] = "line"
    label: str = ""
    hollow: Sequence[Point] = ()
    band: Sequence[tuple[float, float, float]] = ()


@dataclass(frozen=True)
class Chart:
    """A chart; the most important of its series stands last."""

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    note: str = ""
    kind: Literal["chart"] = "chart"


Block = Table | Chart


@dataclass(frozen=True)
class Group:
    """Blocks on one set of instances, or what a suite found: folded up on the page but for the first of a section."""

    title: str
    blocks: Sequence[Block]
    place: Place = ANYWHERE


@dataclass(frozen=True)
class PageSection:
    """One suite, or one study: its anchor, title and lead, what concerns everything, and what concerns single sets."""

    name: str
    title: str
    lead: str
    blocks: Sequence[Block] = ()
    groups: Sequence[Group] = ()


Tone = Literal["good", "bad", "mixed", "none"]


@dataclass(frozen=True)
class Side:
    """One side of a headline: a figure such as ``10 of 10``, whose it is, and a share that is drawn as a bar."""

    figure: str
    words: str
    share: float | None = None


@dataclass(frozen=True)
class Headline:
    """One figure on top of the page, in plain words.

    Attributes:
        title: on what.
        sides: what is compared, the learned side first.
        words: a whole sentence that says the same to somebody who reads nothing else.
        section: where it is from; None where nothing was measured.
        better: what the bars mean, such as ``shorter is better``.
        tone: ``good``, or ``bad`` where the learned side loses, which the page says just as loudly; ``mixed`` where it
            does both, ``none`` where it does neither.
    """

    title: str
    sides: Sequence[Side]
    words: str
    section: str | None
    better: str
    tone: Tone = "good"
