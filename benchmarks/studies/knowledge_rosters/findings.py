"""What the knowledge-rosters study found, from records only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.records import Record
from benchmarks.rendering.parts import Axis, Cell, Chart, Group, Series, Table, TableRow
from benchmarks.statistics import by_arm, counted, short, with_limit

Figure = Callable[[Record], float]
"""What a record says of one network."""


def feasible(record: Record) -> float:
    """Return the share of the surest suggestions that a plan extends, over all states."""
    shares = [share for roster in record["result"]["feasible"] for share in roster if share is not None]
    return float(np.mean(shares))


def prefix(record: Record) -> float:
    """Return the share of who works when that can be fixed blindly, mean over rosters."""
    return float(np.mean(record["result"]["prefix"]))


def failures(record: Record) -> float:
    """Return the geometric mean of failures + 1 of dives; one that gives up counts with the limit."""
    result = record["result"]
    spent, _ = with_limit(result["failures"], result["solved"], record["config"]["failure_limit"])
    return float(np.exp(np.log1p(spent).mean()))


def gap(record: Record) -> float:
    """Return the median gap of dives' plans to the best ones, infinite without a plan."""
    result = record["result"]
    gaps = [
        np.inf if cost is None else (cost - best) / max(abs(best), 1)
        for cost, best in zip(result["cost"], result["best"], strict=True)
    ]
    return float(np.median(gaps))


def summary(records: Sequence[Record]) -> Group:
    """Return a row for each arm and number of past plans, and charts by past plans."""
    config = records[0]["config"]
    of_plans = sorted({record["config"]["plans"] for record in records if "plans" in record["config"]})
    rows = []
    for plans in [None, *of_plans]:
        same = [record for record in records if record["config"].get("plans") == plans]
        rows += [_row(arm, plans, runs) for arm, runs in by_arm(same).items()]
    table = Table(
        "Suggestions and dives",
        ["past plans", "arm", "runs", "feasible", "fixed blindly", "dives done", "failures + 1", "gap", "seconds"],
        rows,
        "Mean of the runs [least .. largest]; runs: sets of past plans with a training each, or seeds.\n"
        "feasible: of the surest suggestions of work the share that a plan extends, without propagation.\n"
        "fixed blindly: the share of who works when that can be fixed, the surest first, until no plan extends it.\n"
        "dives done: those with a plan within the limit of failures; failures + 1: geometric mean, with the limit for "
        "the others.\n"
        "gap: of the dive's plan to the best one, median of the rosters.\n"
        "seconds: of the processor, for a dive. cp-sat: the conflicts before its first plan, its gap, and its seconds.",
    )
    charts = [
        _chart(records, of_plans, feasible, "share of suggestions that a plan extends"),
        _chart(records, of_plans, failures, "failures + 1 of a dive, geometric mean"),
    ]
    return Group(
        f"Strict rosters of {config['nurses']} nurses and {config['days']} days, "
        f"{counted(config['instances'], 'new roster')}, dives of at most {config['failure_limit']:.0f} failures\n"
        + _trained(records),
        [table, *(charts if of_plans else [])],
    )


def _row(arm: str, plans: int | None, runs: Sequence[Record]) -> TableRow:
    done = sum(sum(record["result"]["solved"]) for record in runs)
    asked = "feasible" in runs[0]["result"]
    cells: list[Cell] = [
        plans,
        arm,
        len(runs),
        _band([feasible(record) for record in runs], ".2f") if asked else None,
        _band([prefix(record) for record in runs], ".2f") if asked else None,
        f"{done} of {sum(len(record['result']['solved']) for record in runs)}",
        _band([failures(record) for record in runs], ".1f"),
        _band([gap(record) for record in runs], ".2f"),
        short(float(np.median([record["result"]["seconds"] for record in runs]))),
    ]
    return TableRow(cells, arm)


def _band(values: Sequence[float], form: str) -> str:
    """Return the mean with the ends."""
    mean = f"{np.mean(values):{form}}"
    return mean if len(values) == 1 else f"{mean} [{min(values):{form}} .. {max(values):{form}}]"


def _chart(records: Sequence[Record], of_plans: Sequence[int], figure: Figure, label: str) -> Chart:
    """Draw the mean of each arm by past plans with the ends as a band; what has none as a level line."""
    series = []
    for arm, runs in by_arm([record for record in records if "feasible" in record["result"]]).items():
        points, band = [], []
        for plans in of_plans:
            values = [figure(run) for run in runs if run["config"].get("plans", plans) == plans]
            if values:
                points.append((float(plans), float(np.mean(values))))
                band.append((float(plans), min(values), max(values)))
        series.append(Series(arm, points, "line", band=band))
    return Chart(label.capitalize(), Axis("past plans", "log"), Axis(label), series)


def _trained(records: Sequence[Record]) -> str:
    """Return what the trainings had in common, and what they took."""
    trained = [record for record in records if "training" in record["config"]]
    if not trained:
        return "no network was trained"
    settings: dict[str, Any] = trained[0]["config"]["training"]
    knows = "with" if settings["relaxed"] else "without"
    taken = []
    for arm, runs in by_arm(trained).items():
        weight = runs[0]["config"]["training"].get("weight")
        weighed = "" if weight is None else f" (weight {weight:g})"
        taken.append(f"{arm}{weighed} {np.mean([run['result']['training']['seconds'] for run in runs]):.0f} s")
    return f"networks {knows} the linear relaxation, {settings['steps']} steps: " + ", ".join(taken)
