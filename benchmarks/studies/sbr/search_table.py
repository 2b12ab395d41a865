"""What study 1 found in searches: tables and a plot, from records only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.plots import pyplot, save
from benchmarks.records import Record, grouped
from benchmarks.studies.sbr.backtracking import SOLVED
from benchmarks.studies.sbr.plots import COLOURS
from benchmarks.studies.sbr.search import PROPAGATIONS
from benchmarks.suites.feasibility import QUESTIONS
from benchmarks.suites.search import geometric_mean, short, with_limit

_BP = "#56B4E9"
_STYLES = ("-", "--", ":")

Arm = tuple[str, str]
"""(setting, arm)"""


def table(records: Sequence[Record]) -> str:
    """Return a block for each size, share of holes and propagation."""
    blocks = [_block(same) for _, same in grouped(records, _test_and_propagation)]
    return "\n\n".join(
        [
            *blocks,
            "Each cell: instances solved; median of failures; geometric mean of failures + 1; its ratio to that of rnd "
            "on the same\ninstances, with a 95 % interval (bootstrap over instances). Searches that gave up count with "
            "the limit, so ratios are\ncloser to 1 than they should be. free choice: the scores pick cell and value; "
            "fixed cell: the cell with the fewest\nvalues is next. engine: its own counts, two-way branching.",
        ]
    )


def _test_and_propagation(record: Record) -> tuple[dict[str, Any], str]:
    return record["config"]["test"], record["config"]["propagation"]


def _block(records: Sequence[Record]) -> str:
    config = records[0]["config"]
    test = config["test"]
    lines = [
        f"{_size(test)}, {test['count']} instances (seed {test['seed']}), "
        f"{config['failure_limit']:,} failures at most; propagation {config['propagation']}; networks of budget "
        f"{config['budget']}",
        f"{'setting':17}{'arm':10}{'networks':>8}" + "".join(f"  | {question:51}" for question in QUESTIONS),
    ]
    for setting, arm in arms(records):
        cells = [_cell(records, (setting, arm), question) for question in QUESTIONS]
        networks = len(_of(records, (setting, arm), QUESTIONS[0]))
        lines.append(f"{setting:17}{arm:10}{networks:8}" + "".join(f"  | {cell:51}" for cell in cells).rstrip())
    return "\n".join(lines)


def _size(test: dict[str, Any]) -> str:
    return f"{test['problem']} of order {test['order']}, {test['holes']:.0%} holes"


def _cell(records: Sequence[Record], arm: Arm, question: str) -> str:
    same = _of(records, arm, question)
    if not same:
        return "-"
    failures, solved = (np.concatenate(parts) for parts in zip(*map(searches_of, same), strict=True))
    mean = float(np.exp(log_failures(same).mean()))
    text = f"{solved.mean():5.0%}{short(float(np.median(failures))):>8}{short(mean):>9}"
    floor = _of(records, ("none", "rnd"), question)
    if arm == ("none", "rnd") or not floor:
        return text
    ratio, low, high = geometric_mean(log_failures(same) - log_failures(floor))
    return f"{text}{short(ratio):>9} [{short(low)}, {short(high)}]"


def log_failures(records: Sequence[Record]) -> npt.NDArray[np.float64]:
    """Return float64[I]: of every instance, the mean over networks of log(failures + 1)."""
    means: npt.NDArray[np.float64] = np.mean([np.log(searches_of(record)[0] + 1) for record in records], axis=0)
    return means


def arms(records: Sequence[Record]) -> list[Arm]:
    """Return the arms in order of appearance."""
    return list(dict.fromkeys((record["config"]["setting"], record["config"]["arm"]) for record in records))


def searches_of(record: Record) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return float64[I] and bool[I], see :func:`benchmarks.suites.search.with_limit`."""
    result = record["result"]
    solved = [status == SOLVED for status in result["status"]]
    return with_limit(result["failures"], solved, record["config"]["failure_limit"])


def _of(records: Sequence[Record], arm: Arm, question: str) -> list[Record]:
    return [
        record
        for record in records
        if (record["config"]["setting"], record["config"]["arm"]) == arm and record["config"]["question"] == question
    ]


def plot(records: Sequence[Record], path: Path) -> None:
    """Draw the geometric mean of failures + 1 over the amount of propagation, a panel for each question and test.

    Args:
        records: of one study.
        path: ``.svg`` or ``.png``.
    """
    rows = [same for _, same in grouped(records, lambda record: record["config"]["test"])]
    figure, axes = pyplot().subplots(
        len(rows), len(QUESTIONS), figsize=(11, 4 * len(rows)), sharex=True, squeeze=False, layout="constrained"
    )
    settings = list(dict.fromkeys(setting for setting, _ in arms(records) if setting != "none"))
    for (row, same), (column, question) in product(enumerate(rows), enumerate(QUESTIONS)):
        axis = axes[row, column]
        for setting, arm in arms(same):
            means = {}
            for place, propagation in enumerate(PROPAGATIONS):
                found = [r for r in _of(same, (setting, arm), question) if r["config"]["propagation"] == propagation]
                if found:
                    means[place] = float(np.exp(log_failures(found).mean()))
            style = ":" if setting == "none" else _STYLES[settings.index(setting) % len(_STYLES)]
            name = arm if setting == "none" else f"{arm}, {setting}"
            colour = COLOURS.get(arm, _BP)
            axis.plot(list(means), list(means.values()), style, marker="o", markersize=3, color=colour, label=name)
        test, limit = same[0]["config"]["test"], same[0]["config"]["failure_limit"]
        axis.set_yscale("log")
        axis.axhline(limit + 1, color="#999999", linewidth=0.8)
        axis.set_title(f"{_size(test)}, {question}", fontsize=10)
        axis.set_ylabel("failures + 1, geometric mean")
        axis.grid(alpha=0.25)
    for axis in axes[:, -1]:
        axis.legend(fontsize=8, frameon=False)
    for axis in axes[-1]:
        axis.set_xticks(range(len(PROPAGATIONS)), PROPAGATIONS)
        axis.set_xlabel("propagation")
    figure.suptitle("Networks as value orders; the grey line is the failure limit", fontsize=11)
    save(figure, path)
