"""Plots, drawn from records only.

Colours are those of Okabe and Ito, which people with any kind of colour vision can tell apart; line styles repeat the
distinction for the baselines. Legends stand in the panels, best arm first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.records import Record
from benchmarks.suites.feasibility import QUESTIONS
from benchmarks.suites.search import by_arm, cost, is_decided
from training.data.feasibility import PROPAGATORS

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Told apart by people with any colour vision (Okabe and Ito)."""

_MOST_POINTS = 50  # of a curve: neighbouring levels are averaged, which keeps the file small


def plot_feasibility(records: Sequence[Record], path: Path) -> None:
    """Draw feasibility against filled cells: a row for each question, a panel for each propagation at test time.

    Singles, which are a propagation of their own, are drawn beside full propagation; comparisons are left out.

    Args:
        records: of one run of the feasibility suite.
        path: ``.svg`` or ``.png``.
    """
    plt = pyplot()
    figure, axes = plt.subplots(2, 3, figsize=(12, 7), sharex=True, sharey=True, layout="constrained")
    config = records[0]["config"]
    networks = list(dict.fromkeys(r["config"]["arm"] for r in records if "model" in r["config"]))
    styles: dict[str, dict[str, Any]] = {
        "rnd": {"color": "#000000", "linestyle": ":"},
        "smallest-domain": {"color": "#6E6E6E", "linestyle": "--"},
        "singles": {"color": "#6E6E6E", "linestyle": "-."},
        **{name: {"color": COLOURS[i % len(COLOURS)]} for i, name in enumerate(networks)},
    }
    titles = {"none": "no propagation", "rows": "cells and rows", "full": "cells, rows and columns"}
    for question, row in zip(QUESTIONS, axes, strict=True):
        for propagation, axis in zip(PROPAGATORS, row, strict=True):
            shown = [
                record
                for record in records
                if "compared" not in record["config"]
                and record["config"]["question"] == question
                and record["config"]["propagation"] in (propagation, "singles" if propagation == "full" else "")
            ]
            for record in sorted(shown, key=lambda record: -record["result"]["mean"]):
                arm = record["config"]["arm"]
                name, style = arm, styles[arm]
                if "model" in record["config"] and record["config"]["propagation"] == "singles":
                    name, style = f"{arm}, singles", {**style, "linestyle": "-."}
                filled, share = _thinned(record["result"]["curve"])
                axis.plot(filled, share, label=f"{name}  {record['result']['mean']:.3f}", linewidth=1.3, **style)
            axis.set_ylim(-0.02, 1.02)
            axis.grid(alpha=0.25)
            axis.legend(fontsize=8, frameon=False, loc="lower left", title="mean", title_fontsize=8, alignment="left")
            if question == QUESTIONS[0]:
                axis.set_title(f"test-time propagation: {titles[propagation]}", fontsize=10)
            else:
                axis.set_xlabel("filled cells")
        row[0].set_ylabel(f"feasible suggestions, {question}")
    figure.suptitle(
        f"Latin squares of order {config['order']}: {config['states']} states from {config['squares']} fresh squares",
        fontsize=11,
    )
    save(figure, path)


def plot_search(records: Sequence[Record], path: Path) -> None:
    """Draw cactus plots: instances solved or refuted within so many seconds, and so many failures.

    An arm with several runs of an instance counts each as a fraction of it.

    Args:
        records: of one run of the search suite.
        path: ``.svg`` or ``.png``.
    """
    plt = pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
    config = records[0]["config"]
    arms = by_arm(records)
    total = len({record["config"]["instance_sha256"] for record in records})
    colours = iter(COLOURS * len(arms))
    for arm, runs in arms.items():
        network = "model" in runs[0]["config"]
        colour = next(colours) if network else "#000000" if arm == "cp-sat" else "#6E6E6E"
        style = "-" if network else {"min-value": "--", "random-value": ":", "default-phase": "-."}.get(arm, "-")
        instances = len({run["config"]["instance_sha256"] for run in runs})
        conflicts = runs[0]["result"]["failures_are"] == "conflicts"
        solved = [run for run in runs if is_decided(run)]
        share = np.arange(1, len(solved) + 1) * instances / len(runs)
        label = f"{arm}  {share[-1] if solved else 0:.3g} of {instances}" + (" (conflicts)" if conflicts else "")
        for axis, name in zip(axes, ("seconds", "failures"), strict=True):
            reached = np.sort([cost(run, name) for run in solved])
            if name == "seconds" and solved:  # flat to the end of the time
                reached = np.append(reached, max(reached[-1], config["time_limit"]))
                height = np.append(share, share[-1])
            else:
                height = share
            axis.step(reached, height, where="post", label=label, color=colour, linestyle=style, linewidth=1.5)
    axes[0].set_xscale("log")
    axes[0].set_xlabel("seconds")
    axes[0].set_ylabel("instances solved or refuted")
    axes[1].set_xscale("symlog", linthresh=1)
    axes[1].set_xlim(left=0)
    axes[1].set_xlabel("failures")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, frameon=False, loc="outside right upper", title="solved or refuted")
    for axis in axes:
        axis.set_ylim(0, total * 1.03)
        axis.grid(alpha=0.25)
    figure.suptitle(f"{total} instances, at most {config['time_limit']:g} s each", fontsize=11)
    save(figure, path)


def _thinned(curve: Sequence[float | None]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return levels and values of a curve, neighbours averaged down to few points and missing levels left out."""
    value = np.array([np.nan if point is None else point for point in curve])
    level = np.flatnonzero(~np.isnan(value))
    parts = np.array_split(level, min(_MOST_POINTS, len(level)))
    return np.array([part.mean() for part in parts]), np.array([value[part].mean() for part in parts])


def pyplot() -> Any:
    """Return ``matplotlib.pyplot``, which draws into files; it is imported where something is drawn."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    # Text stays text, and equal records give equal bytes.
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "nnsearch"})
    return plt


def save(figure: Any, path: Path) -> None:
    """Write a figure at once or not at all, and close it.

    Args:
        figure: of matplotlib.
        path: ``.svg`` or ``.png``; its folder is created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.stem}.tmp{path.suffix}")
    figure.savefig(temporary, dpi=80, metadata={"Date": None} if path.suffix == ".svg" else None)
    if path.suffix == ".svg":
        # A tenth of a point is enough, and makes the file half as large.
        text = temporary.read_text(encoding="utf-8")
        text = re.sub(r' d="[^"]*"', lambda path_data: re.sub(r"(\.\d)\d+", r"\1", path_data[0]), text)
        temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    pyplot().close(figure)
