"""The studies: what was measured here beside what a paper published."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.records import Record
from benchmarks.report.parts import Axis, Chart, Group, Place, Row, Section, Series, Table
from benchmarks.report.places import QUASIGROUP
from benchmarks.study_sbr_table import PUBLISHED, findings, means
from training.feasibility import PROPAGATORS


def sbr_section(records: Sequence[Record]) -> Section:
    """Return the part of the page of the study ``sbr``: a table and the curves of each setting, for each budget."""
    groups = []
    budgets = dict.fromkeys((record["config"]["budget"], record["config"]["test"]["order"]) for record in records)
    for budget, order in budgets:
        same = [
            record
            for record in records
            if (record["config"]["budget"], record["config"]["test"]["order"]) == (budget, order)
        ]
        settings = dict.fromkeys(record["config"]["setting"] for record in same)
        tests = dict.fromkeys(test for record in same for test in record["result"]["tests"])
        charts = [_curves(same, setting, test) for setting in settings for test in tests if setting != "none"]
        table = _sbr_table(same, list(tests))
        groups.append(
            Group(
                f"Budget {budget}, squares of order {order}",
                [table, *[chart for chart in charts if chart.series]],
                Place(QUASIGROUP, f"order {order}"),
            )
        )
    return Section(
        "study-sbr",
        "Study: knowledge in the loss",
        "Semantic-based regularisation, after Silvestri, Lombardi and Milano (2021): networks trained with no "
        "knowledge, with the rows, or with all constraints in the loss, asked about squares that no pool has.",
        [],
        groups,
    )


def cl_ste_section(records: Sequence[Record]) -> Section:
    """Return the part of the page of the study ``cl-ste``."""
    rows = []
    for task in dict.fromkeys(record["config"]["task"] for record in records):
        runs = [record for record in records if record["config"]["task"] == task]
        published: dict[str, Any] = runs[0]["result"].get("published") or {}
        for measure in runs[0]["result"]["measured"]:
            shares = [run["result"]["measured"][measure] for run in runs]
            theirs = published if published.get("measure") == measure else {}
            rows.append(
                Row(
                    [
                        task,
                        measure,
                        len(shares),
                        f"{statistics.median(shares):.4f}",
                        f"{min(shares):.4f} to {max(shares):.4f}",
                        theirs.get("value") or None,
                        theirs.get("target") or None,
                        float(f"{statistics.median(run['result']['seconds'] for run in runs):.3g}"),
                        theirs.get("seconds") or None,
                    ],
                    task,
                )
            )
    table = Table(
        "Held-out data, all seeds",
        ["task", "measure", "seeds", "median", "range", "published", "our aim", "seconds", "published seconds"],
        rows,
        "Seconds of other machines do not compare; they stand beside each other for the order of magnitude.",
    )
    return Section(
        "cl-ste",
        "Study: logical rules through a straight-through estimator",
        "Tasks of the CL-STE paper, with several seeds, on held-out data, beside the published figures.",
        [table],
    )


def _sbr_table(records: Sequence[Record], tests: Sequence[str]) -> Table:
    rows = []
    for test in tests:
        for setting, arm in dict.fromkeys((record["config"]["setting"], record["config"]["arm"]) for record in records):
            asked = [means(records, setting, arm, propagation, test=test) for propagation in PROPAGATORS]
            fixed = means(records, setting, arm, "full", "fixed cell", test)
            if asked[0] is None:
                continue
            rows.append(
                Row(
                    [
                        setting,
                        arm,
                        test,
                        len(asked[0].means),
                        *[None if one is None else str(one) for one in asked],
                        None if fixed is None else str(fixed),
                        PUBLISHED.get((setting, arm, "none")),
                    ],
                    arm,
                )
            )
    return Table(
        "Share of suggestions that some solution contains, free choice",
        [
            "setting",
            "arm",
            "asked about",
            "networks",
            *(f"propagation {name}" for name in PROPAGATORS),
            "fixed cell, full",
            "published, propagation none",
        ],
        rows,
        "Mean over fill levels and networks [lowest, highest 95 % limit of any network]. "
        + " ".join(findings(records)),
    )


def _curves(records: Sequence[Record], setting: str, test: str) -> Chart:
    """Draw the mean curve of the networks of each arm, random choice beside them."""
    curves: dict[str, list[Sequence[float | None]]] = {}
    for record in records:
        if record["config"]["setting"] in (setting, "none") and test in record["result"]["tests"]:
            summary = record["result"]["tests"][test]["none"]["free choice"]
            curves.setdefault(record["config"]["arm"], []).append(summary["curve"])
    series = []
    for arm, several in curves.items():
        points = []
        for level, values in enumerate(zip(*several, strict=True)):
            there = [value for value in values if value is not None]
            if there:
                points.append((float(level), float(f"{np.mean(there):.4g}")))
        series.append(Series(arm, points, "line", f"{np.mean([value for _, value in points]):.3f}"))
    return Chart(
        f"{setting}: free choice, no propagation, {test} squares",
        Axis("filled cells"),
        Axis("feasible suggestions", domain=(0, 1)),
        series if len(series) > 1 else [],
        "Mean over the networks of an arm; beside the names: over fill levels.",
    )
