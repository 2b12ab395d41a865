"""The order of values alone, and the policies: depth-first search under equal limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.records import Record
from benchmarks.rendering.curves import cactus, counts_dead_ends, profile, scatter
from benchmarks.rendering.parts import Block, Cell, Group, Headline, Side, Table, TableRow
from benchmarks.rendering.places import common_place, title_of
from benchmarks.statistics import (
    by_arm,
    by_set,
    cost,
    counted,
    decided_of,
    mean_failures,
    num_instances,
    ratio,
    share_decided,
    short,
)
from benchmarks.suites.search import arm_table

_POINTLESS = 2.0  # a baseline with fewer failures leaves a network nothing to save


_Runs = Sequence[Record]


def _contest(same: _Runs) -> tuple[dict[str, _Runs], list[str], list[str]]:
    """Return the arms of a set that count failures, and who of them are networks and who are not, the best first."""
    arms: dict[str, _Runs] = {arm: runs for arm, runs in by_arm(same).items() if counts_dead_ends(runs)}
    sides: tuple[list[str], list[str]] = ([], [])
    for arm in sorted(arms, key=lambda arm: mean_failures(arms[arm])):
        sides["model" not in arms[arm][0]["config"]].append(arm)
    return arms, *sides


def headlines(records: _Runs) -> list[Headline]:
    """Return the largest gain of a network over the best other order of values, and the largest loss."""
    found = []
    for same in by_set(records).values():
        arms, networks, others = _contest(same)
        compared = ratio(arms[networks[0]], arms[others[0]]) if networks and others else None
        if compared is not None and mean_failures(arms[others[0]]) >= _POINTLESS:
            found.append((compared.mean, same, networks[0], others[0]))
    if not found:
        return []
    best, worst = min(found, key=lambda entry: entry[0]), max(found, key=lambda entry: entry[0])
    return [_headline(*best), *([_headline(*worst)] if worst[0] > 1 else [])]


def _headline(mean: float, same: Sequence[Record], network: str, other: str) -> Headline:
    arms = by_arm(same)
    # The 1 that keeps the logarithm of no failures finite is taken off again.
    failures = {arm: mean_failures(arms[arm]) - 1 for arm in (network, other)}
    solved = {arm: decided_of(arms[arm]) for arm in (network, other)}
    top = max(failures.values())
    name = network.partition("/")[0]
    limit = same[0]["config"]["failure_limit"]
    limited = "" if limit is None else f" of at most {limit:,}"
    return Headline(
        f"Dead ends of the search: {title_of(same)}",
        [
            Side(short(failures[network]), f"dead ends with the network ({name})", failures[network] / top),
            Side(short(failures[other]), f"with the best order without one ({other})", failures[other] / top),
        ],
        f"The same search, told by the network which value to try first, solves {solved[network]} with "
        f"{short(failures[network])} dead ends{limited} (geometric mean); with {other} {solved[other]}, with "
        f"{short(failures[other])}.",
        "search",
        "shorter is better",
        "good" if mean < 1 else "bad",
    )


def find(records: Sequence[Record]) -> tuple[list[Block], list[Group]]:
    """Return tables on all sets of instances, and tables and charts of each."""
    sets = sorted(by_set(records).values(), key=_gain)
    groups = []
    for same in sets:
        charts = [
            cactus(same, "seconds"),
            cactus(same, "failures"),
            profile(same, "failures"),
            profile(same, "seconds"),
            scatter(same),
        ]
        groups.append(
            Group(
                f"{title_of(same)}, {counted(num_instances(same), 'instance')}",
                [arm_table(_limits(same), same), *[chart for chart in charts if chart is not None and chart.series]],
                common_place(same),
            )
        )
    gains = _gains(sets)
    return [gains if gains.rows else _crossed(sets), _overview(sets)], groups


def _crossed(sets: Sequence[Sequence[Record]]) -> Table:
    """Return a row for each arm and a column for each set."""
    arms = dict.fromkeys(arm for same in sets for arm in by_arm(same))
    rows = []
    for arm in arms:
        cells: list[Cell] = []
        for same in sets:
            runs = by_arm(same).get(arm)
            if runs is None:
                cells.append(None)
                continue
            seconds = float(np.mean([cost(run, "seconds") for run in runs]))
            cells.append(f"{share_decided(runs):.0%}; {short(mean_failures(runs))}; {short(seconds)} s")
        rows.append(TableRow([arm, *cells], arm))
    return Table(
        "Decided; geometric mean of failures + 1; mean seconds",
        ["arm", *map(title_of, sets)],
        rows,
        "A run that reached a limit counts with it.",
    )


def _gain(same: _Runs) -> float:
    """Return the failures of the best network as a share of those of the best other order; sets are sorted by it."""
    arms, networks, others = _contest(same)
    return mean_failures(arms[networks[0]]) / mean_failures(arms[others[0]]) if networks and others else 1.0


def _gains(sets: Sequence[_Runs]) -> Table:
    """Return a row for each set and network: its failures against those of the best order of values without one."""
    rows = []
    for same in sets:
        arms, networks, others = _contest(same)
        for network in [arm for arm in arms if others and arm in networks]:
            compared = ratio(arms[network], arms[others[0]])
            if compared is not None:
                cells: list[Cell] = [
                    title_of(same),
                    network,
                    *_decided_and_failures(arms[network]),
                    others[0],
                    *_decided_and_failures(arms[others[0]]),
                    float(f"{compared.mean:.3g}"),
                    f"{compared.low:.2g} to {compared.high:.2g}",
                ]
                rows.append(TableRow(cells, network, common_place(same)))
    return Table(
        "Networks against the best order of values without one",
        [
            "instances",
            "network",
            "decided",
            "failures + 1",
            "best other order",
            "decided",
            "failures + 1",
            "ratio",
            "95 % interval",
        ],
        rows,
        "Geometric means; below 1 the network fails less. A run that reached a limit counts with it; the interval is a "
        "bootstrap over instances.",
    )


def _decided_and_failures(runs: Sequence[Record]) -> tuple[str, float]:
    return decided_of(runs), float(f"{mean_failures(runs):.3g}")


def _overview(sets: Sequence[Sequence[Record]]) -> Table:
    rows = []
    for same in sets:
        arms = by_arm(same)
        fewest = min((mean_failures(runs) for runs in arms.values() if counts_dead_ends(runs)), default=0.0)
        for arm, runs in arms.items():
            mean = mean_failures(runs)
            best = counts_dead_ends(runs) and mean <= fewest * 1.0001
            rows.append(
                TableRow(
                    [
                        title_of(same),
                        arm,
                        f"{share_decided(runs):.0%}",
                        float(f"{mean:.3g}"),
                        "fewest" if best else "" if counts_dead_ends(runs) else str(runs[0]["result"]["failures_are"]),
                        float(f"{float(np.mean([cost(run, 'seconds') for run in runs])):.3g}"),
                    ],
                    arm,
                    common_place(same),
                )
            )
    return Table(
        "Every arm on every set of instances",
        ["instances", "arm", "decided", "failures + 1 (geometric mean)", "", "seconds (mean)"],
        rows,
        "A run that reached a limit counts with it. Use the filters to compare two arms.",
        folded=True,
    )


def _limits(same: Sequence[Record]) -> str:
    config = same[0]["config"]
    limit = max(record["config"]["failure_limit"] or 0 for record in same)
    failures = f", {limit:,} failures" if limit else ""
    return f"At most {config['time_limit']:g} s{failures} for each run"
