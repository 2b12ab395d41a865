"""The figure of study 3, from records only: failures by what the loss knew, a dot for each network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.plots import pyplot, save
from benchmarks.records import Record
from benchmarks.studies.label_free.study import VARIABLES
from benchmarks.studies.label_free.table import arms, runs

_COLOURS = {"clauses": "#0072B2", "agn": "#E69F00", "sbr": "#D55E00", "planted": "#009E73"}
_MARKERS = {"plain": "o", "bp": "s"}


def plot(records: Sequence[Record], path: Path) -> None:
    """Draw a panel for each order and variable order: the geometric mean of failures + 1 of each network.

    Floors are lines: random values (the mean over seeds) and belief propagation.

    Args:
        records: of one study.
        path: ``.svg`` or ``.png``.
    """
    config = records[0]["config"]
    test = config["test"]
    orders = test["orders"]
    size = (2.2 + 3.1 * max(2, len(orders)), 3.2 * len(VARIABLES))  # the title is as wide as two panels
    plt = pyplot()
    figure, axes = plt.subplots(
        len(VARIABLES), len(orders), figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    trained = {(record["config"]["start"], record["config"]["knowledge"]) for record in records}
    places = {arm: place for place, arm in enumerate(arm for arm in arms() if arm[0] != "none" and arm in trained)}
    for row, variables in zip(axes, VARIABLES, strict=True):
        for axis, order in zip(row, orders, strict=True):
            for start, knowledge in arms():
                found = runs(records, start, knowledge, order, variables)
                if found is None:
                    continue
                if start == "none":
                    style = "-" if knowledge == "bp" else ":"
                    axis.axhline(found.mean, color="#000000", linestyle=style, linewidth=1.0, label=knowledge)
                    continue
                place = places[start, knowledge]
                axis.scatter(
                    [place] * len(found.means),
                    found.means,
                    s=22,
                    alpha=0.8,
                    color=_COLOURS[knowledge],
                    marker=_MARKERS[start],
                )
                axis.hlines(found.mean, place - 0.3, place + 0.3, color=_COLOURS[knowledge], linewidth=1.5)
            axis.set_yscale("log")
            for set_formatter in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
                set_formatter(plt.LogFormatter())  # 4, where that of the scale writes 4 x 10^0
            axis.set_title(f"order {order}, {variables}", fontsize=10)
            axis.set_xticks(list(places.values()), [f"{k}, {s}" for s, k in places], rotation=60, fontsize=8)
            axis.grid(alpha=0.25)
        row[0].set_ylabel("failures + 1, geometric mean")
    axes[0][0].legend(fontsize=8, frameon=False)
    figure.suptitle(
        f"What the loss knew: {test['count']} squares of each order with {test['holes']:.0%} holes, "
        f"at most {test['failures']} failures; a dot is a network",
        fontsize=11,
    )
    save(figure, path)
