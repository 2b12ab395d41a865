"""The studies: what was measured here beside what a paper published."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.records import Record
from benchmarks.report.parts import Axis, Chart, Group, Headline, Place, Point, Row, Section, Series, Side, Table
from benchmarks.report.places import QUASIGROUP
from benchmarks.studies.cl_ste.cost import EPOCH, epoch_seconds
from benchmarks.studies.sbr.plots import pooled_curve, wilson
from benchmarks.studies.sbr.study import MAIN
from benchmarks.studies.sbr.table import PUBLISHED, findings, means, size_of
from nnsearch.problems.latin_square.problem import LatinSquare
from training.data.feasibility import PROPAGATORS

TRIAL = "tiny"
"""The budget whose numbers mean nothing."""


def sbr_section(records: Sequence[Record]) -> Section:
    """Return the part of the page of the study ``sbr``: a table and the curves of each setting, for each budget."""
    groups = []
    sizes = dict.fromkeys((record["config"]["budget"], *size_of(record)) for record in records)
    for budget, problem, order in sizes:
        same = [
            record for record in records if (record["config"]["budget"], *size_of(record)) == (budget, problem, order)
        ]
        settings = dict.fromkeys(record["config"]["setting"] for record in same)
        tests = dict.fromkeys(test for record in same for test in record["result"]["tests"])
        charts = [_curves(same, setting, test) for setting in settings for test in tests if setting != "none"]
        table = _sbr_table(same, list(tests))
        groups.append(
            Group(
                f"Budget {budget}, {problem} of order {order}",
                [table, *[chart for chart in charts if chart.series]],
                Place(QUASIGROUP if problem == LatinSquare.name else problem, f"order {order}"),
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


def sbr_headlines(records: Sequence[Record]) -> list[Headline]:
    """Return what all constraints in the loss are worth to the same network, solutions and steps."""
    chosen = [record for record in records if record["config"]["budget"] != TRIAL]
    know, agnostic = means(chosen, MAIN, "full"), means(chosen, MAIN, "agn")
    if know is None or agnostic is None:
        return []
    few = means(chosen, "100-solutions", "full")
    less = f" Of 100 solutions instead of 10,000 it learns {few.mean:.0%}." if few is not None else ""
    return [
        Headline(
            "Rules in the loss: squares of order 10",
            [
                Side(f"{know.mean:.0%}", "right suggestions of a network trained with the rules (full)", know.mean),
                Side(f"{agnostic.mean:.0%}", "of the same network trained without (agn)", agnostic.mean),
            ],
            f"The same network, solutions and steps. Asked for any pair of an empty cell and a value, without "
            f"propagation, it names one that some solution has in {know.mean:.0%} of squares that nobody trained on "
            f"({know.low:.1%} to {know.high:.1%}), without the rules in {agnostic.mean:.0%}.{less}",
            "study-sbr",
            "longer is better",
            "good" if know.low > agnostic.high else "bad",
        )
    ]


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


def clause_cost_section(records: Sequence[Record]) -> Section:
    """Return the part of the page of the study ``cl-ste-cost``: a dot for each problem and loss."""
    rows = []
    dots: dict[str, tuple[list[Point], list[Point]]] = {}
    for record in records:
        config, result = record["config"], record["result"]
        compiled = result.get("compiled")
        seconds = None if result["ms"] is None else float(f"{epoch_seconds(result['ms'], config['batch']):.3g}")
        rows.append(
            Row(
                [
                    config["problem"],
                    config["arm"],
                    result["clauses"],
                    result["atoms"],
                    result["ms"],
                    seconds,
                    result.get("compile_seconds") if compiled is not False else f"over {config['compile_seconds']:.3g}",
                    result.get("size"),
                ],
                config["arm"],
            )
        )
        done, given_up = dots.setdefault(config["arm"], ([], []))
        if seconds is not None:
            done.append((float(result["clauses"]), seconds))
        else:
            given_up.append((float(result["clauses"]), float(config["compile_seconds"])))
    return Section(
        "cl-ste-cost",
        "What the losses of the study cost",
        "The straight-through estimator reads clauses as they are; the exact semantic loss needs them compiled into a "
        "decision diagram, which grows with what they say together.",
        [
            Chart(
                f"Seconds of an epoch of {EPOCH:,} examples as clauses grow",
                Axis("clauses", "log"),
                Axis("seconds", "log"),
                [Series(arm, sorted(done), "dot", "", sorted(given_up)) for arm, (done, given_up) in dots.items()],
                "Forward and backward of the loss alone, one thread. Rings: no diagram within the limit, at the "
                "seconds that were spent on it.",
            ),
            Table(
                "Each problem",
                ["problem", "loss", "clauses", "atoms", "ms a step", "s an epoch", "compiled in, s", "diagram's nodes"],
                rows,
                f"Steps of {records[0]['config']['batch']} examples, median of {records[0]['config']['repeats']}.",
                folded=True,
            ),
        ],
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
    """Draw the mean curve of the networks of each arm with its confidence band, random choice beside them."""
    tests: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        if record["config"]["setting"] in (setting, "none") and test in record["result"]["tests"]:
            tests.setdefault(record["config"]["arm"], []).append(record["result"]["tests"][test])
    series = [_line(arm, several) for arm, several in tests.items()]
    return Chart(
        f"{setting}: free choice, no propagation, {test}",
        Axis("filled cells"),
        Axis("feasible suggestions", domain=(0, 1)),
        series if len(series) > 1 else [],
        "Mean over the networks of an arm; beside the names: over fill levels. Bands reach from the lowest to the "
        "highest limit of the 95 % intervals of the single networks; random choice is exact.",
    )


def _line(arm: str, tests: Sequence[dict[str, Any]]) -> Series:
    curves = [pooled_curve(test, "none") for test in tests]
    level = curves[0][0]
    shares = np.array([share for _, share, _, _ in curves])  # [networks, P]
    states = np.array([states for _, _, states, _ in curves])
    known = ~np.isnan(shares).any(axis=0)
    limits = wilson(shares, states)
    low, high = limits[0].min(axis=0), limits[1].max(axis=0)
    points = zip(level[known], shares.mean(axis=0)[known], strict=True)
    band = zip(level[known], low[known], high[known], strict=True) if arm != "rnd" else ()
    return Series(
        arm,
        [(float(x), _rounded(y)) for x, y in points],
        "line",
        f"{np.mean([mean for _, _, _, mean in curves]):.3f}" + (f" ({len(tests)} networks)" if len(tests) > 1 else ""),
        band=[(float(x), _rounded(one), _rounded(other)) for x, one, other in band],
    )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
