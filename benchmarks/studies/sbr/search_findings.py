"""What study 1 found in searches, from records only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.records import Record, grouped
from benchmarks.report.parts import Axis, Chart, Group, Place, Series
from benchmarks.report.places import QUASIGROUP
from benchmarks.statistics import geometric_mean, short, with_limit
from benchmarks.studies.sbr.backtracking import SOLVED
from benchmarks.studies.sbr.search import PROPAGATIONS
from benchmarks.studies.sbr.study import MAIN
from benchmarks.studies.searches import Searches, search_table, within_chart
from benchmarks.suites.feasibility import QUESTIONS

RANDOM = ("none", "rnd")
"""Setting and arm of the floor."""


def groups(records: Sequence[Record]) -> list[Group]:
    """Return a table and a chart for each size, share of holes, propagation and question."""
    return [_group(same) for _, same in grouped(records, _test_of)]


def summary(records: Sequence[Record]) -> Group:
    """Return the tables, and the geometric mean of failures + 1 over the amount of propagation."""
    tables = [group.blocks[0] for group in groups(records)]
    tests = grouped(records, lambda record: record["config"]["test"])
    charts = [_propagation_chart(same, question) for _, same in tests for question in QUESTIONS]
    return Group("Networks as value orders", [*tables, *charts])


def _group(records: Sequence[Record]) -> Group:
    config = records[0]["config"]
    test, limit = config["test"], config["failure_limit"]
    arms = dict(grouped(records, _arm_of))
    floor = arms.get(RANDOM, [])
    found = []
    for (setting, arm), own in arms.items():
        failures, solved = (np.stack(parts) for parts in zip(*map(searches_of, own), strict=True))
        over = None
        if floor and own is not floor:
            ratio, low, high = geometric_mean(log_failures(own) - log_failures(floor))
            over = f"{short(ratio)} [{short(low)}, {short(high)}]"
        found.append(Searches(_name(setting, arm), failures, solved, (over,), setting in ("none", MAIN)))
    size = f"order {test['order']}"
    place = Place(QUASIGROUP if test["problem"] == "latin-square" else test["problem"], size)
    table = search_table(
        f"{_size(test)}, {test['count']} instances (seed {test['seed']}), {limit:,} failures at most; propagation "
        f"{config['propagation']}, {config['question']}; networks of budget {config['budget']}",
        found,
        ["ratio to rnd, 95 %"],
        "ratio: of failures + 1 to those of rnd on the same instances (bootstrap over instances); where searches give "
        "up, it is\ncloser to 1 than it should be. free choice: the scores pick cell and value; fixed cell: the cell "
        "with the fewest\nvalues is next. engine: its own counts, two-way branching. All solutions were checked.",
        place,
        share=True,
    )
    title = f"{_size(test)}: propagation {config['propagation']}, {config['question']}"
    return Group(title, [table, within_chart(found, limit)], place)


def _propagation_chart(records: Sequence[Record], question: str) -> Chart:
    series = []
    for (setting, arm), own in grouped(records, _arm_of):
        means = []
        for place, propagation in enumerate(PROPAGATIONS):
            asked = (propagation, question)
            same = [r for r in own if (r["config"]["propagation"], r["config"]["question"]) == asked]
            if same:
                means.append((float(place), float(np.exp(log_failures(same).mean()))))
        if means:
            series.append(Series(_name(setting, arm), means))
    config = records[0]["config"]
    return Chart(
        f"{_size(config['test'])}, {question}, at most {config['failure_limit']:,} failures",
        Axis("propagation", ticks=PROPAGATIONS),
        Axis("failures + 1, geometric mean", "log"),
        series,
    )


def log_failures(records: Sequence[Record]) -> npt.NDArray[np.float64]:
    """Return float64[I]: of every instance, the mean over networks of log(failures + 1)."""
    means: npt.NDArray[np.float64] = np.mean([np.log(searches_of(record)[0] + 1) for record in records], axis=0)
    return means


def searches_of(record: Record) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return float64[I] and bool[I], see :func:`benchmarks.statistics.with_limit`."""
    result = record["result"]
    solved = [status == SOLVED for status in result["status"]]
    return with_limit(result["failures"], solved, record["config"]["failure_limit"])


def _test_of(record: Record) -> list[object]:
    config = record["config"]
    return [config[name] for name in ("test", "propagation", "question", "failure_limit", "budget")]


def _arm_of(record: Record) -> tuple[str, str]:
    return record["config"]["setting"], record["config"]["arm"]


def _name(setting: str, arm: str) -> str:
    return arm if setting == "none" else f"{setting}, {arm}"


def _size(test: dict[str, Any]) -> str:
    return f"{test['problem']} of order {test['order']}, {test['holes']:.0%} holes"
