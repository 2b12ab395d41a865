"""Cactus plots, performance profiles and scatters of runs. A run that gave up is counted in all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.records import Record
from benchmarks.rendering.parts import Axis, Chart, Point, Series
from benchmarks.statistics import by_arm, cost, is_decided
from nnsearch.trial.primal_integral import relative_gap

DEAD_ENDS = "dead ends"

_SMALLEST_SECONDS = 1e-4  # below, the clock says nothing, and a logarithm says too much
_DIGITS = 4
_FIRST_SECOND, _TIMES = 0.01, 60  # of gaps over time


def counts_dead_ends(runs: Sequence[Record]) -> bool:
    """Tell whether the failures of an arm are failures of a search tree, not conflicts, which learn clauses."""
    return all(run["result"].get("failures_are", DEAD_ENDS) == DEAD_ENDS for run in runs)


def cactus(records: Sequence[Record], name: str) -> Chart:
    """Draw how many instances each arm decided within so many ``seconds`` or ``failures``, on one set of instances.

    Several runs of an instance count as fractions.
    """
    arms = by_arm(records)
    total = len({record["config"]["instance_sha256"] for record in records})
    if name == "failures":
        arms = {arm: runs for arm, runs in arms.items() if counts_dead_ends(runs)}
    counted = [run for runs in arms.values() for run in runs]
    # To the limit where somebody met it, else only as far as anything happens.
    limits = [_limit(run, name) or 0.0 for run in counted if not is_decided(run)]
    end = max([*limits, *(_at_least(cost(run, name), name) for run in counted)], default=0.0)
    series = []
    for arm, runs in arms.items():
        instances = len({run["config"]["instance_sha256"] for run in runs})
        reached = sorted(_at_least(cost(run, name), name) for run in runs if is_decided(run))
        height = [count * instances / len(runs) for count in range(1, len(reached) + 1)]
        points = _last_of_each(zip(reached, height, strict=True))
        if points and end > points[-1][0]:
            points.append((_rounded(end), points[-1][1]))
        if points:
            points.insert(0, (points[0][0], 0.0))
        solved = f"{height[-1] if height else 0:.3g} of {instances}"
        series.append(Series(arm, points, "step", solved))
    return Chart(
        f"{name.capitalize()} to solve or refute so many instances",
        Axis(name, "log" if name == "seconds" else "symlog"),
        Axis("instances solved or refuted", domain=(0, total)),
        series,
        "Higher and further left is better. Runs that reached a limit never rise, and stay in the total."
        + ("" if name == "seconds" else " Arms that count conflicts instead of failures are left out."),
    )


def profile(records: Sequence[Record], name: str) -> Chart | None:
    """Draw a performance profile: the share of runs within a factor of the best arm on the same instance.

    Dolan and Moré, "Benchmarking optimization software with performance profiles" (2002). The best is taken over runs
    of one instance with one seed where all arms ran all seeds, else over those of one instance. Runs that gave up, on
    instances that nobody decided, too, are in the denominator. Of ``failures`` (+ 1), only arms that count them take
    part. None with fewer than two arms.
    """
    arms = {arm: runs for arm, runs in by_arm(records).items() if name == "seconds" or counts_dead_ends(runs)}
    if len(arms) < 2:
        return None
    key = _pairing(arms)
    more = 1 if name == "failures" else 0
    best: dict[tuple[object, ...], float] = {}
    for runs in arms.values():
        for run in filter(is_decided, runs):
            spent = _at_least(cost(run, name) + more, name)
            best[key(run)] = min(spent, best.get(key(run), np.inf))
    ratios = {
        arm: sorted(_at_least(cost(run, name) + more, name) / best[key(run)] for run in runs if is_decided(run))
        for arm, runs in arms.items()
    }
    end = max((found[-1] for found in ratios.values() if found), default=1.0) * 1.1
    series = []
    for arm, runs in arms.items():
        share = [count / len(runs) for count in range(1, len(ratios[arm]) + 1)]
        points = _last_of_each(zip(ratios[arm], share, strict=True))
        if points:
            if points[0][0] > 1:
                points = [(1.0, 0.0), (points[0][0], 0.0), *points]
            points.append((end, points[-1][1]))
        series.append(Series(arm, points, "step", f"{share[-1] if share else 0:.0%}"))
    of = "seconds" if name == "seconds" else "failures + 1"
    return Chart(
        f"Performance profile, {of}",
        Axis(f"{of}, as a multiple of the best arm's", "log"),
        Axis("share of runs", domain=(0, 1)),
        series,
        "Left edge: how often an arm was the best. Right edge: how often it came to an answer at all.",
    )


def gaps_over_time(title: str, arms: Mapping[str, Sequence[Record]], best: Mapping[str, float]) -> Chart:
    """Draw the median of the gap to the best objective that is known, 1 before the first solution, of each arm.

    Args:
        title: of the chart.
        arms: their runs, with one limit of time.
        best: see :func:`benchmarks.statistics.best_known`.
    """
    limit = max(run["config"]["time_limit"] for runs in arms.values() for run in runs)
    times = np.geomspace(min(_FIRST_SECOND, limit), limit, _TIMES)
    series = []
    for arm, runs in arms.items():
        gaps = [_gaps(run, best.get(run["config"]["instance_sha256"]), times) for run in runs]
        median = np.median(gaps, axis=0)
        points = [(_rounded(second), _rounded(100 * gap)) for second, gap in zip(times, median, strict=True)]
        series.append(Series(arm, points, "step", f"{median[-1]:.2%}"))
    return Chart(
        f"{title}: gap over time",
        Axis("seconds", "log"),
        Axis("median gap to the best known, %", "symlog"),
        series,
        "Lower and further left is better. The label is the median gap at the limit.",
    )


def scatter(records: Sequence[Record], note: str = "") -> Chart:
    """Draw failures against seconds, a mark for each run, a hollow one for each that gave up."""
    series = []
    for arm, runs in by_arm(records).items():
        dots: dict[bool, list[Point]] = {True: [], False: []}
        for run in runs:
            seconds = _at_least(cost(run, "seconds"), "seconds")
            dots[is_decided(run)].append((float(cost(run, "failures")), _rounded(seconds)))
        conflicts = "" if counts_dead_ends(runs) else str(runs[0]["result"].get("failures_are", ""))
        series.append(Series(arm, dots[True], "dot", conflicts, dots[False]))
    return Chart(
        "Failures against seconds",
        Axis("failures", "symlog"),
        Axis("seconds", "log"),
        series,
        (
            "A filled mark is a run that came to an answer, a hollow one a run that reached a limit. "
            "Down and left is better. " + note
        ).strip(),
    )


def _gaps(run: Record, best: float | None, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the gap of a run at each of some times, float64[T]."""
    found = [] if best is None else [(0.0, 1.0), *((s, relative_gap(v, best)) for s, v in run["result"]["solutions"])]
    if not found:
        return np.ones(len(times))
    seconds, gaps = np.array(found).T
    return np.asarray(gaps[np.searchsorted(seconds, times, side="right") - 1])


def _pairing(arms: Mapping[str, Sequence[Record]]) -> Callable[[Record], tuple[object, ...]]:
    def by_run(run: Record) -> tuple[object, ...]:
        return run["config"]["instance_sha256"], run["config"]["seed"]

    def by_instance(run: Record) -> tuple[object, ...]:
        return (run["config"]["instance_sha256"],)

    runs = [{by_run(run) for run in of_arm} for of_arm in arms.values()]
    return by_run if all(one == runs[0] for one in runs) else by_instance


def _limit(run: Record, name: str) -> float | None:
    limit: float | None = run["config"].get("time_limit" if name == "seconds" else "failure_limit")
    return limit


def _at_least(value: float, name: str) -> float:
    return max(float(value), _SMALLEST_SECONDS) if name == "seconds" else float(value)


def _last_of_each(points: Sequence[Point] | zip[Point]) -> list[Point]:
    """Keep the last point at each place: of steps that is all that can be seen."""
    return list({_rounded(x): (_rounded(x), _rounded(y)) for x, y in points}.values())


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
