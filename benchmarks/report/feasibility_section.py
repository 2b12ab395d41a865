"""How often a suggested assignment is part of some solution, by fill level."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.records import Record
from benchmarks.report.parts import Block, Group, Headline, Place, Side
from benchmarks.report.places import QUASIGROUP
from benchmarks.suites.feasibility import QUESTIONS, comparison_table, curve_chart, share_table
from training.data.feasibility import PROPAGATORS

BASELINE = "rnd"


def find(records: Sequence[Record]) -> tuple[list[Block], list[Group]]:
    """Return comparisons of networks, and tables and curves of each order."""
    plain = [record for record in records if "compared" not in record["config"]]
    compared = [record for record in records if "compared" in record["config"]]
    # The order with the most states, the most exact one, stands first and unfolded.
    states = {record["config"]["order"]: record["config"]["states"] for record in records}
    orders = sorted(states, key=lambda order: (-states[order], order))
    blocks: list[Block] = [comparison_table(compared)] if compared else []
    return blocks, [
        _group([record for record in plain if record["config"]["order"] == order], order) for order in orders
    ]


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
        if (chart := curve_chart(records, question, (propagation,))).series
    ]
    networks = {record["config"]["arm"] for record in records if "model" in record["config"]}
    charts.sort(key=lambda chart: networks.isdisjoint(one.arm for one in chart.series))
    states = sorted({record["config"]["states"] for record in records})
    return Group(
        f"Latin squares of order {order}, {' and '.join(f'{count:,}' for count in states)} states",
        [share_table(records), *charts],
        Place(QUASIGROUP, f"order {config['order']}"),
    )
