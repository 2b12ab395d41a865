"""Charts as a file of matplotlib, SVG or PNG.

Colours are those of Okabe and Ito, which people with any kind of colour vision can tell apart; line styles repeat the
distinction for the baselines, which are black and grey as on the page.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rendering.parts import Axis, Chart, Group, Series
from nnsearch.errors import ConfigError

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_STYLES = ("-", "--", "-.")
_BLACK, _GREY = "#000000", "#6E6E6E"
_BASELINES = {
    "cp-sat": (_BLACK, "-"),
    "cold": (_BLACK, "-"),
    "cold-again": (_GREY, "--"),
    "rnd": (_BLACK, ":"),
    "random": (_BLACK, ":"),
    "random-value": (_GREY, ":"),
    "random-restarts": (_GREY, "-."),
    "min-value": (_GREY, "--"),
    "smallest-domain": (_GREY, "--"),
    "default-phase": (_GREY, "-"),
    "singles": (_GREY, "-."),
}
_MOST_COLUMNS = 3
_MOST_POINTS = 100  # of a line: neighbours are averaged, which keeps the file small


def check_plot_file(path: Path) -> None:
    """Refuse, before any other work, what could not be drawn afterwards.

    Raises:
        ConfigError: the ending is unknown, or matplotlib is not installed.
    """
    if path.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise ConfigError(f"{path}: expected a picture that ends in .svg, .png or .pdf")
    if find_spec("matplotlib") is None:
        raise ConfigError("pictures need matplotlib: pip install matplotlib")


def draw_charts(group: Group, path: Path) -> None:
    """Draw a panel for each chart, as ``.svg`` or ``.png``.

    Raises:
        ConfigError: there is nothing to draw.
    """
    charts = [block for block in group.blocks if isinstance(block, Chart) and block.series]
    if not charts:
        raise ConfigError("--plot: expected results of networks, got those of random choice alone")
    columns = min(_MOST_COLUMNS, len(charts))
    rows = math.ceil(len(charts) / columns)
    size = (max(4.2 * columns, 6), 3.5 * rows)
    figure, axes = _pyplot().subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    looks = _looks(charts)
    for axis, chart in zip(axes.flat, charts, strict=False):
        for series in chart.series:
            _draw(axis, series, *looks[series.arm])
        axis.set_title(textwrap.fill(chart.title, 55), fontsize=10)
        _scale(axis, "x", chart.x)
        _scale(axis, "y", chart.y)
        axis.grid(alpha=0.25)
        axis.legend(fontsize=7, frameon=False)
    for axis in axes.flat[len(charts) :]:
        axis.set_axis_off()
    figure.suptitle(textwrap.fill(group.title, int(11 * size[0])), fontsize=11)
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    """Write a figure of matplotlib as ``.svg`` or ``.png``, at once or not at all, and close it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.stem}.tmp{path.suffix}")
    figure.savefig(temporary, dpi=80, metadata={"Date": None} if path.suffix == ".svg" else None)
    if path.suffix == ".svg":
        # A tenth of a point is enough, and makes the file half as large.
        text = temporary.read_text(encoding="utf-8")
        text = re.sub(r' d="[^"]*"', lambda path_data: re.sub(r"(\.\d)\d+", r"\1", path_data[0]), text)
        temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    _pyplot().close(figure)


def _pyplot() -> Any:
    """Return ``matplotlib.pyplot``, which draws into files; it is imported where something is drawn."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    # Text stays text, and equal records give equal bytes.
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "nnsearch"})
    return plt


def _looks(charts: Sequence[Chart]) -> dict[str, tuple[str, str]]:
    """Return colour and line style of each arm, the same in all panels."""
    arms = dict.fromkeys(series.arm for chart in charts for series in chart.series)
    others = [arm for arm in arms if arm not in _BASELINES]
    return _BASELINES | {
        arm: (_COLOURS[place % len(_COLOURS)], _STYLES[place // len(_COLOURS) % len(_STYLES)])
        for place, arm in enumerate(others)
    }


def _draw(axis: Any, series: Series, colour: str, style: str) -> None:
    label = f"{series.arm}  {series.label}".rstrip()
    if series.draw == "dot":
        axis.scatter(*_columns(series.points), s=14, alpha=0.7, color=colour, label=label)
        axis.scatter(*_columns(series.hollow), s=20, facecolors="none", edgecolors=colour)
    elif series.draw == "step":
        axis.step(*_columns(series.points), where="post", color=colour, linestyle=style, linewidth=1.4, label=label)
    else:
        axis.plot(*_thinned(series.points), color=colour, linestyle=style, linewidth=1.3, label=label)
    if series.band:
        level, low, high = zip(*series.band, strict=True)
        axis.fill_between(level, low, high, color=colour, alpha=0.2, linewidth=0)


def _thinned(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    parts = np.array_split(np.array(points), min(_MOST_POINTS, len(points)))
    return _columns([(float(x), float(y)) for x, y in (part.mean(axis=0) for part in parts)])


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _scale(axis: Any, name: str, of: Axis) -> None:
    """Set label, scale, ends and ticks of ``x`` or ``y``."""
    axis.set(**{f"{name}label": of.label})
    if of.scale != "linear":
        axis.set(**{f"{name}scale": of.scale})
    if of.scale == "log":
        line = axis.xaxis if name == "x" else axis.yaxis
        for set_formatter in (line.set_major_formatter, line.set_minor_formatter):
            set_formatter(_pyplot().LogFormatter())  # 4, where that of the scale writes 4 x 10^0
    if of.domain is not None:
        margin = 0.02 * (of.domain[1] - of.domain[0])
        axis.set(**{f"{name}lim": (of.domain[0] - margin, of.domain[1] + margin)})
    if of.ticks:
        turned = max(map(len, of.ticks)) > 8
        axis.set_xticks(range(len(of.ticks)), of.ticks, rotation=60 if turned else 0, fontsize=8)
