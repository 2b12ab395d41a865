"""What study 3 found, from records only: failures by what the loss knew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.records import Record, grouped
from benchmarks.report.parts import Axis, Block, Chart, Group, Place, Series
from benchmarks.report.places import QUASIGROUP
from benchmarks.statistics import short, with_limit
from benchmarks.studies.label_free.study import FLOORS, VARIABLES
from benchmarks.studies.label_free.training.config import KNOWLEDGE, STARTS
from benchmarks.studies.searches import Searches, search_table, within_chart

Arm = tuple[str, str]
"""(start, knowledge)"""


def arms() -> Iterator[Arm]:
    """Yield start and knowledge of every arm, in the order of the table; floors have the start ``none``."""
    for floor in FLOORS:
        yield "none", floor
    for start in STARTS:
        for knowledge in KNOWLEDGE:
            yield start, knowledge


def searches(records: Sequence[Record], start: str, knowledge: str, order: int, variables: str) -> Searches | None:
    """Return the searches of an arm on the squares of one order; None where there are none.

    Beside the failures: the geometric mean of failures + 1 of each network, the mean seconds, and the share of groups
    whose best-scored candidate is the planted one at the root, mean over networks (None for random values).
    """
    found, seconds = [], []
    values: list[float] = []
    for record in records:
        if (record["config"]["start"], record["config"]["knowledge"]) != (start, knowledge):
            continue
        limit = record["config"]["test"]["failures"]
        for search in record["result"]["searches"]:
            if (search["order"], search["variables"]) == (order, variables):
                found.append(with_limit(search["failures"], search["solved"], limit))
                seconds.append(search["seconds"])
        values += [one["value"] for one in record["result"].get("root", []) if one["order"] == order]
    if not found:
        return None
    failures, solved = (np.stack(parts) for parts in zip(*found, strict=True))
    own = Searches(knowledge if start == "none" else f"{start}, {knowledge}", failures, solved)
    each = " ".join(map(short, own.means))
    value = f"{np.mean(values):.3f}" if values else None
    return Searches(own.name, failures, solved, (each, float(f"{np.mean(seconds):.3g}"), value))


def groups(records: Sequence[Record]) -> list[Group]:
    """Return a table and a chart for each order and variable order."""
    made = []
    for test, same in grouped(records, lambda record: record["config"]["test"]):
        for order in test["orders"]:
            for variables in VARIABLES:
                found = [one for arm in arms() if (one := searches(same, *arm, order, variables)) is not None]
                if found:
                    place = Place(QUASIGROUP, f"order {order}")
                    table = search_table(
                        f"order {order}, {variables}, {test['count']} squares",
                        found,
                        ["of each network", "seconds", "value"],
                        "value: share of groups whose best candidate is the planted one when the search begins. "
                        "random: seeds.",
                        place,
                    )
                    title = f"Squares of order {order}, {100 * test['holes']:.0f} % holes, variables by {variables}"
                    made.append(Group(title, [table, within_chart(found, test["failures"])], place))
    return made


def summary(records: Sequence[Record]) -> Group:
    """Return a table and the failures of each network for each order and variable order."""
    config = records[0]["config"]
    test = config["test"]
    blocks: list[Block] = [group.blocks[0] for group in groups(records)]
    blocks += [_network_chart(records, order, variables) for variables in VARIABLES for order in test["orders"]]
    return Group(
        f"What the loss knew, budget {config['budget']}: fresh squares with {test['holes']:.0%} holes (seed "
        f"{test['seed']}), at most {test['failures']} failures, restarts after {test['restart_after']}\n"
        + _trained(records),
        blocks,
    )


def _network_chart(records: Sequence[Record], order: int, variables: str) -> Chart:
    """Draw the geometric mean of failures + 1: a dot for each network, a line for each floor."""
    known = {(record["config"]["start"], record["config"]["knowledge"]) for record in records}
    places = {arm: place for place, arm in enumerate(arm for arm in arms() if arm[0] != "none" and arm in known)}
    series = []
    for arm in arms():
        found = searches(records, *arm, order, variables)
        if found is None:
            continue
        if arm in places:
            series.append(Series(found.name, [(places[arm], mean) for mean in found.means], "dot", short(found.mean)))
        else:
            ends = (-0.5, len(places) - 0.5)
            series.append(Series(found.name, [(end, found.mean) for end in ends], "line", short(found.mean)))
    return Chart(
        f"order {order}, {variables}",
        Axis("", ticks=[f"{knowledge}, {start}" for start, knowledge in places]),
        Axis("failures + 1, geometric mean", "log"),
        series,
    )


def _trained(records: Sequence[Record]) -> str:
    """Return what the trainings had in common, and what they took."""
    trained = [record for record in records if "training" in record["config"]]
    if not trained:
        return "no network was trained"
    training = trained[0]["config"]["training"]
    taken = []
    for start in STARTS:
        for knowledge in KNOWLEDGE:
            own = [
                r["result"] for r in trained if (r["config"]["start"], r["config"]["knowledge"]) == (start, knowledge)
            ]
            if own:
                taken.append(f"{start}, {knowledge} {np.mean([one['seconds'] for one in own]):.0f} s")
    orders = ", ".join(map(str, training["data"]["orders"]))
    steps = training["train"]["steps"]
    return f"{steps:,} steps on {training['data']['squares']:,} partial squares of orders {orders}: {'; '.join(taken)}"
