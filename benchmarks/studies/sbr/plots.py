"""The figures of study 1, from records only: feasibility by fill level, with confidence bands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.plots import pyplot, save
from benchmarks.records import Record
from benchmarks.studies.sbr.study import FRESH, LEAKING, MAIN, PAPER, SETTINGS
from benchmarks.studies.sbr.table import size_of
from nnsearch.errors import ConfigError

FloatArray = npt.NDArray[np.float64]

COLOURS = {"rnd": "#000000", "agn": "#0072B2", "rows": "#E69F00", "full": "#D55E00", "solution": "#009E73"}
"""Arm -> its colour in every plot of the study."""

_MOST_POINTS = 50  # of a curve: neighbouring levels are pooled

PANELS = (
    ("1: no propagation", MAIN, "none", FRESH),
    ("2: propagation of rows", MAIN, "rows", FRESH),
    ("3: full propagation", MAIN, "full", FRESH),
    ("4: 300,000 examples", "300000-examples", "none", FRESH),
    ("5: 50,000 examples", "50000-examples", "none", FRESH),
    ("6: 1,000 solutions", "1000-solutions", "none", FRESH),
    ("7: 100 solutions", "100-solutions", "none", FRESH),
    ("split by example, fresh squares", "by-example", "none", FRESH),
    ("the same, held-out examples: leaks", "by-example", "none", LEAKING),
    ("masked, full propagation", "masked", "full", FRESH),  # it learned to choose among what propagation leaves
    *((f"{name}, no propagation", name, "none", FRESH) for name in SETTINGS if name not in (*PAPER, "masked")),
)
"""(title, of the paper's figures with their number; setting; propagation at test time; test)"""

_MOST_COLUMNS = 3


def plot(records: Sequence[Record], path: Path) -> None:
    """Draw a panel for each figure of the paper, two for its split, and one for each other setting.

    Panels without a network are left out; those of another problem or order than the first say which.

    A line is the mean of the networks of an arm; its band reaches from the lowest to the highest limit of the Wilson
    95 % intervals of the single networks, over the test states of a point. Random choice is an exact expectation.

    Args:
        records: of one study.
        path: ``.svg`` or ``.png``.

    Raises:
        ConfigError: no record is of a network.
    """
    size = size_of(records[0])
    panels = [(panel, networks) for panel in PANELS if (networks := _of_panel(records, panel))]
    if not panels:
        raise ConfigError("--plot: expected results of networks, got those of random choice alone")
    columns = min(_MOST_COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    is_one_size = all(size_of(networks[0]) == size for _, networks in panels)
    figure, axes = pyplot().subplots(
        rows,
        columns,
        figsize=(max(4 * columns, 6), 10 / 3 * rows),  # a title is 6 inches wide
        sharex=is_one_size,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, ((title, _, propagation, test), networks) in zip(axes.flat, panels, strict=False):
        own_size = size_of(networks[0])
        random = [one for one in records if one["config"]["arm"] == "rnd" and size_of(one) == own_size]
        for arm, colour in COLOURS.items():
            curves = [
                pooled_curve(record["result"]["tests"][test], propagation)
                for record in (*random, *networks)
                if record["config"]["arm"] == arm and test in record["result"]["tests"]
            ]
            if curves:
                _draw(axis, arm, colour, curves)
        axis.set_title(title if own_size == size else f"{title} ({own_size[0]} {own_size[1]})", fontsize=10)
        axis.set_ylim(-0.02, 1.02)
        axis.grid(alpha=0.25)
        axis.legend(fontsize=8, frameon=False, loc="lower left", title="mean", title_fontsize=8, alignment="left")
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis in axes.flat[max(len(panels) - columns, 0) : len(panels)]:  # the lowest of each column
        axis.set_xlabel("filled cells")
        axis.tick_params(labelbottom=True)
    for axis in axes[:, 0]:
        axis.set_ylabel("feasible suggestions")
    others = "" if is_one_size else " where no other is named"
    config = records[0]["config"]
    figure.suptitle(f"{size[0]} of order {size[1]}{others}, budget {config['budget']}, free choice", fontsize=11)
    save(figure, path)


def _of_panel(records: Sequence[Record], panel: tuple[str, str, str, str]) -> list[Record]:
    """Return the networks that a panel shows."""
    _, setting, propagation, test = panel
    return [
        record
        for record in records
        if record["config"]["setting"] == setting and propagation in record["result"]["tests"].get(test, {})
    ]


def wilson(share: FloatArray, count: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the limits of Wilson's 95 % interval of shares.

    Args:
        share: float64[...], from 0 to 1.
        count: float64[...], of how many.
    """
    square = 1.96**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = 1.96 / (1 + square / count) * np.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def pooled_curve(test: dict[str, Any], propagation: str) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Return the curve of one network, neighbouring fill levels together.

    Args:
        test: a value of a record's ``tests``.
        propagation: at test time.

    Returns:
        filled cells, float64[P]; shares of feasible suggestions, float64[P], NaN where there is no state; numbers of
        states, float64[P]; the mean over all levels.
    """
    result = test[propagation]["free choice"]
    count = np.array(test["states_per_level"], dtype=np.float64)
    share = np.array([0.0 if point is None else point for point in result["curve"]])
    parts = np.array_split(np.arange(len(count)), min(_MOST_POINTS, len(count)))
    states = np.array([count[part].sum() for part in parts])
    states[states == 0] = np.nan  # a gap in the line
    feasible = np.array([(share * count)[part].sum() for part in parts])
    return np.array([part.mean() for part in parts]), feasible / states, states, result["mean"]


def _draw(axis: Any, arm: str, colour: str, curves: Sequence[tuple[FloatArray, FloatArray, FloatArray, float]]) -> None:
    level = curves[0][0]
    limits = [wilson(share, states) for _, share, states, _ in curves]
    mean = np.mean([one[3] for one in curves])
    line = ":" if arm == "rnd" else "-"
    axis.plot(
        level,
        np.mean([share for _, share, _, _ in curves], axis=0),
        label=f"{arm}  {mean:.3f}" + (f"  (x {len(curves)})" if len(curves) > 1 else ""),
        color=colour,
        linestyle=line,
        linewidth=1.3,
    )
    if arm == "rnd":
        return  # its expectation is exact
    low, high = np.min([low for low, _ in limits], axis=0), np.max([high for _, high in limits], axis=0)
    axis.fill_between(level, low, high, color=colour, alpha=0.2, linewidth=0)
