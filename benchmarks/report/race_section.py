"""The drop-in solver against CP-SAT's defaults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from benchmarks.records import Record
from benchmarks.report.curves import cactus, profile, scatter
from benchmarks.report.parts import Group, Headline, Row, Section, Side, Table
from benchmarks.report.places import common_place, title_of
from benchmarks.suites.race import BASELINE, FACTOR, SLACK, Comparison, by_answer, compare
from benchmarks.suites.search import by_arm, by_set, cost, counted, is_decided, short

_COUNTS = "Failures are those of the side that answered: conflicts of CP-SAT, or dead ends of the learned search."

ANSWERS = {"satisfiable": "", "unsatisfiable": ", without a solution", "unknown": ", nobody knows whether solvable"}


def section(records: Sequence[Record]) -> Section:
    """Return the suite's part of the page."""
    groups = _groups(records)
    return Section(
        "race",
        "The drop-in solver against CP-SAT's defaults",
        "Wall seconds of cp_model.CpSolver (cp-sat) and nnsearch.cpsat.CpSolver (race/NETWORK) on the same instances, "
        "with the same seeds and the same number of workers, one after the other, in turns.",
        [_ratios(groups)],
        [
            Group(
                f"{title}, {counted(_instances(same), 'instance')}",
                [
                    _table(same),
                    *[
                        chart
                        for chart in (cactus(same, "seconds"), profile(same, "seconds"), scatter(same, _COUNTS))
                        if chart is not None
                    ],
                ],
                common_place(same),
            )
            for title, same in groups.items()
        ],
    )


def headlines(records: Sequence[Record]) -> list[Headline]:
    """Return the set where the drop-in gains most, the hardest named set of others, and the one where it loses most."""
    found: list[tuple[Comparison, str, str, list[Record]]] = []
    for title, same in _groups(records).items():
        arms = by_arm(same)
        compared = {
            arm: pairs
            for arm, runs in arms.items()
            if arm != BASELINE and (pairs := compare(runs, arms.get(BASELINE, []))) is not None
        }
        if compared:
            arm = min(compared, key=lambda name: compared[name].mean)
            found.append((compared[arm], arm, title, same))
    if not found:
        return []
    found.sort(key=lambda entry: (_share_decided(entry[3], BASELINE), entry[0].mean))
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
        sides = [
            Side(f"{_seconds(median[arm])}", f"median with the network ({network})", median[arm]),
            Side(f"{_seconds(median[BASELINE])}", "median of CP-SAT's defaults", median[BASELINE]),
        ]
        top = max(median.values())
        sides = [Side(side.figure, side.words, (side.share or 0) / top) for side in sides]
        interval = "" if pairs.instances == 1 else f" (95 % interval {_factors(pairs, faster)})"
        words = (
            f"All {len(arms[arm])} runs are {what} either way; with the network {factor} times as "
            f"{'fast' if faster else 'slow'}{interval}."
        )
        if not faster:
            words += f" The most that it cost in a run: {_seconds(max(0.0, _largest_loss(same, arm)))}."
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


def _largest_loss(same: Sequence[Record], arm: str) -> float:
    arms = by_arm(same)
    baseline = {_pair(run): cost(run, "seconds") for run in arms[BASELINE]}
    return max(cost(run, "seconds") - baseline[_pair(run)] for run in arms[arm] if _pair(run) in baseline)


def _pair(run: Record) -> tuple[str, int]:
    return run["config"]["instance_sha256"], run["config"]["seed"]


def _factors(pairs: Comparison, faster: bool) -> str:
    low, high = (1 / pairs.high, 1 / pairs.low) if faster else (pairs.low, pairs.high)
    return f"{short(low)} to {short(high)}"


def _share_decided(same: Sequence[Record], arm: str) -> float:
    runs = by_arm(same)[arm]
    return sum(map(is_decided, runs)) / len(runs)


def _groups(records: Sequence[Record]) -> dict[str, list[Record]]:
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


def _ratios(groups: Mapping[str, Sequence[Record]]) -> Table:
    rows = []
    for title, same in groups.items():
        arms = by_arm(same)
        for arm, runs in arms.items():
            pairs = None if arm == BASELINE else compare(runs, arms.get(BASELINE, []))
            if pairs is not None:
                rows.append(
                    Row(
                        [
                            title,
                            arm,
                            f"{sum(map(is_decided, arms[BASELINE]))} of {len(arms[BASELINE])}",
                            f"{sum(map(is_decided, runs))} of {len(runs)}",
                            round(pairs.mean, 3),
                            "-" if pairs.instances == 1 else f"{pairs.low:.3f} to {pairs.high:.3f}",
                            pairs.both_timed_out,
                            round(pairs.excess, 2),
                            pairs.above,
                        ],
                        arm,
                        common_place(same),
                    )
                )
    return Table(
        f"Seconds as a multiple of {BASELINE}'s",
        [
            "instances",
            "arm",
            f"decided by {BASELINE}",
            "decided by the arm",
            "ratio (geometric mean)",
            "95 % interval",
            "both timed out",
            "excess",
            "above 0",
        ],
        rows,
        "Below 1 the arm is faster. Ratios are within pairs of one instance and seed; the interval is a bootstrap over "
        "instances; a run without an answer counts with the limit, pairs that both timed out with 1. Excess: the "
        f"largest seconds - ({FACTOR:g} x seconds of {BASELINE} + {SLACK:g}), and in how many pairs it is above 0.",
    )


def _table(same: Sequence[Record]) -> Table:
    rows = []
    for arm, runs in by_arm(same).items():
        low, median, high = np.quantile([cost(run, "seconds") for run in runs], [0.25, 0.5, 0.75])
        won = Counter(run["result"]["winner"] for run in runs)
        raced = None not in won
        rows.append(
            Row(
                [
                    arm,
                    len(runs),
                    sum(map(is_decided, runs)),
                    float(f"{median:.3g}"),
                    f"{short(low)} to {short(high)}",
                    float(f"{max(cost(run, 'seconds') for run in runs):.3g}"),
                    won["learned"] if raced else None,
                    won["cp-sat"] if raced else None,
                ],
                arm,
            )
        )
    config = same[0]["config"]
    seeds = len({record["config"]["seed"] for record in same})
    return Table(
        f"{counted(config['workers'], 'worker')}, limit {config['time_limit']:g} s, {counted(seeds, 'seed')}",
        ["arm", "runs", "decided", "seconds (median)", "quartiles", "longest", "learned side won", "CP-SAT side won"],
        rows,
        "Decided: a solution, or a proof that there is none.",
    )


def _instances(records: Sequence[Record]) -> int:
    return len({record["config"]["instance_sha256"] for record in records})


def _seconds(seconds: float) -> str:
    return f"{short(seconds * 1000)} ms" if seconds < 0.1 else f"{short(seconds)} s"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
