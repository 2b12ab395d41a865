"""The drop-in solver against CP-SAT's defaults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from benchmarks.records import Record
from benchmarks.rendering.curves import cactus, profile, scatter
from benchmarks.rendering.parts import Block, Group, Headline, Side
from benchmarks.rendering.places import common_place, title_of
from benchmarks.statistics import (
    Comparison,
    by_arm,
    by_set,
    compare_seconds,
    cost,
    counted,
    is_decided,
    num_instances,
    share_decided,
    short,
)
from benchmarks.suites.race import BASELINE, by_answer, seconds_table, speed_table

_COUNTS = "Failures are those of the side that answered: conflicts of CP-SAT, or dead ends of the learned search."

ANSWERS = {"satisfiable": "", "unsatisfiable": ", without a solution", "unknown": ", nobody knows whether solvable"}


def find(records: Sequence[Record]) -> tuple[list[Block], list[Group]]:
    """Return the comparison, and tables and charts of each set of instances."""
    groups = by_hardness(records)
    return [speed_table(groups)], [
        Group(
            f"{title}, {counted(num_instances(same), 'instance')}",
            [
                seconds_table(_limits(same), same),
                *filter(None, (cactus(same, "seconds"), profile(same, "seconds"), scatter(same, _COUNTS))),
            ],
            common_place(same),
        )
        for title, same in groups.items()
    ]


def headlines(records: Sequence[Record]) -> list[Headline]:
    """Return the set where the drop-in gains most, the hardest named set of others, and the one where it loses most."""
    found: list[tuple[Comparison, str, str, list[Record]]] = []
    for title, same in by_hardness(records).items():
        arms = by_arm(same)
        compared = {
            arm: pairs
            for arm, runs in arms.items()
            if arm != BASELINE and (pairs := compare_seconds(runs, arms.get(BASELINE, []))) is not None
        }
        if compared:
            arm = min(compared, key=lambda name: compared[name].mean)
            found.append((compared[arm], arm, title, same))
    if not found:
        return []
    found.sort(key=lambda entry: (share_decided(by_arm(entry[3])[BASELINE]), entry[0].mean))
    chosen = [found[0]]
    others = [entry for entry in found[1:] if entry[3][0]["config"].get("set") is not None and entry[0].mean < 1]
    chosen += others[:1]
    worst = max(found, key=lambda entry: entry[0].mean)
    if worst not in chosen:
        chosen.append(worst)
    return [_headline(*entry) for entry in chosen]


def _headline(pairs: Comparison, arm: str, title: str, same: Sequence[Record]) -> Headline:
    arms = by_arm(same)
    limit = same[0]["config"]["time_limit"]
    network = arm.partition("/")[2]
    median = {name: float(np.median([cost(run, "seconds") for run in arms[name]])) for name in (arm, BASELINE)}
    solved = {name: sum(map(is_decided, arms[name])) for name in (arm, BASELINE)}
    what = (
        "proved" if all(run["result"]["status"] == "INFEASIBLE" for run in arms[arm] if is_decided(run)) else "solved"
    )
    slowest = max(cost(run, "seconds") for run in arms[arm])
    everything = all(solved[name] == len(arms[name]) for name in (arm, BASELINE))
    if everything:
        faster = pairs.mean < 1
        factor = short(1 / pairs.mean if faster else pairs.mean)
        top = max(median.values())
        sides = [
            Side(_seconds(median[arm]), f"median with the network ({network})", median[arm] / top),
            Side(_seconds(median[BASELINE]), "median of CP-SAT's defaults", median[BASELINE] / top),
        ]
        interval = "" if pairs.instances == 1 else f" (95 % interval {_factors(pairs, faster)})"
        words = (
            f"All {len(arms[arm])} runs are {what} either way; with the network {factor} times as "
            f"{'fast' if faster else 'slow'}{interval}."
        )
        if not faster:
            words += f" The most that it cost in a run: {_seconds(max(0.0, pairs.loss))}."
        return Headline(_capital(title), sides, words, "race", "shorter is better", "good" if faster else "bad")
    sides = [
        Side(f"{solved[name]} of {len(arms[name])}", words, solved[name] / len(arms[name]))
        for name, words in ((arm, f"{what} with the network ({network})"), (BASELINE, f"{what} by CP-SAT's defaults"))
    ]
    words = (
        f"With the network {solved[arm]} of {len(arms[arm])} are {what}, in {_seconds(median[arm])} at the median and "
        f"{_seconds(slowest)} at most; CP-SAT's defaults manage {solved[BASELINE]} of {len(arms[BASELINE])} within "
        f"{limit:g} s."
    )
    tone: Literal["good", "bad"] = "good" if solved[arm] >= solved[BASELINE] else "bad"
    return Headline(_capital(title), sides, words, "race", "longer is better", tone)


def _factors(pairs: Comparison, faster: bool) -> str:
    low, high = (1 / pairs.high, 1 / pairs.low) if faster else (pairs.low, pairs.high)
    return f"{short(low)} to {short(high)}"


def by_hardness(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Return the records of each set of instances and answer, the hardest for the baseline first."""
    groups = {
        f"{title_of(of_set)}{ANSWERS[answer]}": same
        for of_set in by_set(records).values()
        for answer, same in by_answer(of_set).items()
    }

    def hardness(entry: tuple[str, list[Record]]) -> float:
        runs = by_arm(entry[1]).get(BASELINE, entry[1])
        return -float(np.median([cost(run, "seconds") for run in runs]))

    return dict(sorted(groups.items(), key=hardness))


def _limits(same: Sequence[Record]) -> str:
    config = same[0]["config"]
    seeds = len({record["config"]["seed"] for record in same})
    return f"{counted(config['workers'], 'worker')}, limit {config['time_limit']:g} s, {counted(seeds, 'seed')}"


def _seconds(seconds: float) -> str:
    return f"{short(seconds * 1000)} ms" if seconds < 0.1 else f"{short(seconds)} s"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
