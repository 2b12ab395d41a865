"""Draw what the drop-in solver is worth, from the committed records: ``python -m scripts.picture``.

A dot is a pair of runs on one instance, by the drop-in solver and by CP-SAT with its defaults; the bar is the geometric
mean of the kind. README and the site show the picture.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import matplotlib

from benchmarks.anytime import log_ratios, paired_runs
from benchmarks.records import Record, distinct, read_records
from benchmarks.rendering.figure import save
from benchmarks.statistics import by_arm, by_set, cost

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
_DIGITS = re.compile(r"(\d\.\d\d)\d+")
PICTURE = ROOT / "docs" / "worth.svg"
LABELS = {
    "qwh-50-": "Latin squares of order 50",
    "qwh-40-": "Latin squares of order 40",
    "csplib067": "Latin squares of CSPLib 067",
    "qcp ": "QCP, no solution",
}
"""What a set of instances is called, by what its name begins with; families keep theirs."""

BETTER, WORSE, LINE = "#0072B2", "#D55E00", "#6E6E6E"


def logs_of_seconds(records: Sequence[Record]) -> dict[str, list[float]]:
    """Return the logarithm of seconds / seconds of CP-SAT, of each pair, by set of instances."""
    found = {}
    for name, runs in by_set(records).items():
        arms = by_arm(runs)
        pairs = paired_runs(arms["race/bp"], arms["cp-sat"])
        found[name] = [math.log(cost(mine, "seconds") / cost(theirs, "seconds")) for mine, theirs in pairs]
    return found


def mean(logs: Sequence[float]) -> float:
    """Return the geometric mean."""
    return math.exp(sum(logs) / len(logs))


def label(name: str) -> str:
    """Return what people call a set or a family."""
    return next((text for start, text in LABELS.items() if name.startswith(start)), name.replace("-", " "))


def draw(panels: Sequence[tuple[str, Mapping[str, Sequence[float]]]], path: Path) -> None:
    """Draw a panel for each measure, its rows from the best to the worst."""
    matplotlib.use("Agg")
    # One font, which comes with matplotlib: else each text names nine.
    fonts = {"font.size": 9, "font.sans-serif": ["DejaVu Sans"]}
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "nnsearch", **fonts})
    from matplotlib import pyplot

    heights = [len(rows) for _, rows in panels]
    figure, axes = pyplot.subplots(
        len(panels),
        1,
        figsize=(6.4, 0.24 * sum(heights) + 1.5),
        height_ratios=heights,
        layout="constrained",
        sharex=True,
    )
    for axis, (title, rows) in zip(axes, panels, strict=True):
        names = sorted(rows, key=lambda name: -mean(rows[name]))
        for place, name in enumerate(names):
            middle = mean(rows[name])
            colour = BETTER if middle < 1 else WORSE
            axis.plot([1, middle], [place, place], color=colour, linewidth=6, alpha=0.35, solid_capstyle="butt")
            dots = sorted({float(f"{math.exp(log):.2g}") for log in rows[name]})  # those nearer to each other are one
            axis.plot(dots, [place] * len(dots), ".", color=colour, markersize=3)
            axis.annotate(
                f"{middle:.2f}".lstrip("0"), (1, place), (1.01, place), ("axes fraction", "data"), va="center"
            )
        axis.set_yticks(range(len(names)), [label(name) for name in names])
        axis.set_ylim(-0.6, len(names) - 0.4)
        axis.set_title(title, fontsize=9, loc="left")
        axis.axvline(1, color=LINE, linewidth=0.8)
        axis.set_xscale("log")
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
    axes[-1].set_xlabel("nnsearch / CP-SAT: left of 1, nnsearch is better")
    axes[-1].set_xticks([0.01, 0.1, 1, 10], ["1/100", "1/10", "1", "10"])
    save(figure, path)
    # Nobody sees less than a hundredth of a point, and a page has to load them.
    path.write_text(_DIGITS.sub(r"\1", path.read_text(encoding="utf-8")), encoding="utf-8")


def panels() -> list[tuple[str, dict[str, list[float]]]]:
    """Return what is drawn."""
    return [
        ("Any solution: seconds, CpSolver()", logs_of_seconds(read_records(RESULTS / "race.jsonl"))),
        (
            'An objective: primal integral over 10 s, CpSolver("lp")',
            log_ratios(
                distinct(chain(*map(read_records, sorted(RESULTS.glob("optimise*.jsonl"))))), "drop-in lp", "cp-sat"
            ),
        ),
        (
            "Solved again: primal integral over 4 or 10 s, CpSolver(history=)",
            log_ratios(read_records(RESULTS / "stream.jsonl"), "history", "cold"),
        ),
    ]


if __name__ == "__main__":
    draw(panels(), PICTURE)
    sys.stdout.write(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes\n")
