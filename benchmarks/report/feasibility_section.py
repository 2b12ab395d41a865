"""How often a suggested assignment is part of some solution, by fill level."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.records import Record
from benchmarks.report.parts import Axis, Block, Chart, Group, Headline, Place, Row, Section, Series, Side, Table
from benchmarks.report.places import QUASIGROUP
from benchmarks.suites.feasibility import QUESTIONS
from training.data.feasibility import PROPAGATORS

BASELINE = "rnd"

_WORDS = {
    "none": "no propagation",
    "rows": "cells and rows propagated",
    "full": "cells, rows and columns propagated",
    "singles": "singles propagated to the end, as at a search node",
}


def section(records: Sequence[Record]) -> Section:
    """Return the suite's part of the page."""
    plain = [record for record in records if "compared" not in record["config"]]
    compared = [record for record in records if "compared" in record["config"]]
    # The order with the most states, the most exact one, stands first and unfolded.
    states = {record["config"]["order"]: record["config"]["states"] for record in records}
    orders = sorted(states, key=lambda order: (-states[order], order))
    blocks: list[Block] = [_comparisons(compared)] if compared else []
    return Section(
        "feasibility",
        "Is the suggested value part of some solution?",
        "Partial Latin squares from fresh squares, evenly over the number of filled cells, every pair with an exact "
        "label. Each arm suggests a pair: a free choice among all, or a value for a fixed cell. rnd is a random value.",
        blocks,
        [_group([record for record in plain if record["config"]["order"] == order], order) for order in orders],
    )


def headlines(records: Sequence[Record]) -> list[Headline]:
    """Return the question of a search, a value for this cell, at the order with most states."""
    asked = [
        record
        for record in records
        if record["config"]["question"] == "fixed cell"
        and record["config"]["propagation"] == "singles"
        and "compared" not in record["config"]
    ]
    most = max((record["config"]["states"] for record in asked), default=0)
    asked = [record for record in asked if record["config"]["states"] == most]
    networks = [record for record in asked if "model" in record["config"]]
    others = [record for record in asked if "model" not in record["config"]]
    if not networks or not others:
        return []
    best, other = (max(side, key=lambda record: float(record["result"]["mean"])) for side in (networks, others))
    mine, theirs = best["result"], other["result"]
    config = best["config"]
    gained = mine["mean"] > theirs["mean"]
    wrong = {"mine": 1 - mine["mean"], "theirs": 1 - theirs["mean"]}
    top = max(*wrong.values(), 1e-9)
    return [
        Headline(
            f"A value for this cell: squares of order {config['order']}",
            [
                Side(_in(wrong["mine"]), f"wrong suggestions of the network ({config['arm']})", wrong["mine"] / top),
                Side(_in(wrong["theirs"]), f"of a random value ({other['config']['arm']})", wrong["theirs"] / top),
            ],
            f"On {config['states']:,} partial squares, {config['arm']} suggests a value that some solution has in "
            f"{mine['mean']:.2%} of cells, {mine['worst']:.1%} at the worst fill level; a random value that "
            f"propagation leaves does in {theirs['mean']:.2%} and {theirs['worst']:.1%}.",
            "feasibility",
            "shorter is better",
            "good" if gained else "bad",
        )
    ]


def _in(share: float) -> str:
    """Return a small share in words that people count in."""
    return f"1 in {float(f'{1 / share:.2g}'):,.0f}" if share > 0 else "none"


def _group(records: Sequence[Record], order: int) -> Group:
    config = records[0]["config"]
    charts = [
        chart
        for question in QUESTIONS
        for propagation in (*PROPAGATORS, "singles")
        if (chart := _chart(records, question, propagation)).series
    ]
    networks = {record["config"]["arm"] for record in records if "model" in record["config"]}
    charts.sort(key=lambda chart: networks.isdisjoint(one.arm for one in chart.series))
    states = sorted({record["config"]["states"] for record in records})
    return Group(
        f"Latin squares of order {order}, {' and '.join(f'{count:,}' for count in states)} states",
        [_table(records), *charts],
        Place(QUASIGROUP, f"order {config['order']}"),
    )


def _chart(records: Sequence[Record], question: str, propagation: str) -> Chart:
    shown = {
        record["config"]["arm"]: record
        for record in records
        if record["config"]["question"] == question and record["config"]["propagation"] == propagation
    }
    series = [
        Series(
            arm,
            [(level, value) for level, value in enumerate(record["result"]["curve"]) if value is not None],
            "line",
            f"{record['result']['mean']:.3f}",
        )
        for arm, record in sorted(shown.items(), key=lambda entry: -entry[1]["result"]["mean"])
    ]
    return Chart(
        f"{question.capitalize()}: {_WORDS[propagation]}",
        Axis("filled cells"),
        Axis("feasible suggestions", domain=(0, 1)),
        series,
        "Beside the names: the mean over fill levels.",
    )


def _table(records: Sequence[Record]) -> Table:
    rows = []
    for record in records:
        config, result = record["config"], record["result"]
        width = result["half_width_95"]
        rows.append(
            Row(
                [
                    config["arm"],
                    config["question"],
                    config["propagation"],
                    f"{result['mean']:.4f}",
                    None if width is None else f"{width:.4f}",
                    f"{result['worst']:.3f}",
                    result["worst_filled"],
                    sum((result.get("left_out") or {}).values()),
                ],
                config["arm"],
            )
        )
    return Table(
        "Share of suggestions that some solution contains",
        ["arm", "question", "propagation", "mean", "± 95 %", "worst level", "cells filled there", "states left out"],
        rows,
        "Mean over fill levels. States are left out where their exact labels took too long.",
    )


def _comparisons(records: Sequence[Record]) -> Table:
    rows = []
    for record in records:
        config, result = record["config"], record["result"]
        width = result["half_width_95"]
        rows.append(
            Row(
                [
                    f"order {config['order']}",
                    config["arm"],
                    config["propagation"],
                    f"{result['mean']:+.4f}",
                    None if width is None else f"{width:.4f}",
                    result["levels_tested"],
                    len(result["levels_worse"]),
                    len(result["levels_better"]),
                ],
                config["arm"],
                Place(QUASIGROUP, f"order {config['order']}"),
            )
        )
    return Table(
        "Two networks on the same states, a value for a fixed cell",
        [
            "squares",
            "difference",
            "propagation",
            "mean",
            "± 95 %",
            "fill levels",
            "significantly worse",
            "significantly better",
        ],
        rows,
        "Without any difference, one level in forty is expected on either side by chance.",
    )
