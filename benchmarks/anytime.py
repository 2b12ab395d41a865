"""What a run with an objective was worth: how good its solutions were over time, and at the end.

A run whose answer is wrong counts as one that found nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.instances.families import Scale
from benchmarks.records import Record, grouped
from benchmarks.statistics import best_known, by_arm
from nnsearch.trial.primal_integral import primal_integral, relative_gap

SLACK = 0.001
"""Added to both sides of a ratio of primal integrals or gaps, so that tiny ones are not noise."""

NOISE_QUANTILE = 0.95
"""A pair is worse by more than noise where so many of the pairs of one kind differ by less, baseline and baseline."""

OTHER_SEED = 1000
"""What the seed of a baseline that runs again is beyond that of the pair."""


def solutions_of(run: Record) -> list[tuple[float, float]]:
    """Return second and objective of what a run found."""
    found: list[tuple[float, float]] = run["result"]["solutions"]
    return found if run["result"]["wrong"] is None else []


def last_objective(run: Record) -> float | None:
    """Return what a run ended with."""
    return solutions_of(run)[-1][1] if solutions_of(run) else None


def integral(run: Record, best: Mapping[str, float]) -> float:
    """Return the primal integral of a run.

    Args:
        run: the record.
        best: see :func:`benchmarks.statistics.best_known`.
    """
    known = best.get(run["config"]["instance_sha256"])
    return 1.0 if known is None else primal_integral(solutions_of(run), known, run["config"]["time_limit"])


def last_gap(run: Record, best: Mapping[str, float]) -> float:
    """Return the gap of a run at its end, 1 without a solution."""
    value = last_objective(run)
    return 1.0 if value is None else relative_gap(value, best[run["config"]["instance_sha256"]])


def paired_runs(one: Sequence[Record], other: Sequence[Record]) -> list[tuple[Record, Record]]:
    """Return the runs of both arms on the same instance with the same seed."""
    partners = {_pair(record): record for record in other}
    return [(record, partners[_pair(record)]) for record in one if _pair(record) in partners]


def log_ratio(one: Record, other: Record, best: Mapping[str, float]) -> float:
    """Return the logarithm of the ratio of the primal integrals of two runs, with the slack."""
    return math.log((integral(one, best) + SLACK) / (integral(other, best) + SLACK))


def log_ratios(records: Sequence[Record], arm: str, baseline: str) -> dict[str, list[float]]:
    """Return :func:`log_ratio` of each pair of runs of two arms, by kind of model: its family, or what changes in it.

    A kind that one of the arms did not run is left out.
    """
    best, found = best_known(records), {}
    for kind, runs in grouped(records, _kind):
        arms = by_arm(runs)
        found[kind] = [log_ratio(*pair, best) for pair in paired_runs(arms.get(arm, []), arms.get(baseline, []))]
    return {kind: logs for kind, logs in found.items() if logs}


def noise_of(again: Sequence[Record], baseline: Sequence[Record], best: Mapping[str, float]) -> float | None:
    """Return the logarithm of the factor by which two runs of the baseline differ, None where there are no two."""
    pairs = paired_runs(again, baseline)
    if not pairs:
        return None
    return float(np.quantile([abs(log_ratio(*pair, best)) for pair in pairs], NOISE_QUANTILE, method="higher"))


def not_worse(run: Record, mine: float | None, theirs: float | None) -> bool:
    """Tell whether an objective of a run is as good as another one; any is better than none."""
    if mine is None or theirs is None or math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-6):
        return theirs is None or mine is not None
    return mine > theirs if run["result"]["maximises"] else mine < theirs


def reached(one: Record, other: Record) -> float | None:
    """Return when a run was as good as another one at its end, None where that one found nothing."""
    goal, limit = last_objective(other), one["config"]["time_limit"]
    if goal is None:
        return None
    return next((second for second, value in solutions_of(one) if not_worse(one, value, goal)), limit)


def share(holds: Sequence[bool]) -> str | None:
    """Return of how many something holds, in percent; None of none."""
    return f"{np.mean(holds):.0%}" if holds else None


def _kind(record: Record) -> str:
    config = record["config"]
    name = str(config.get("family") or config["kind"]).replace("-", " ")
    return name if config.get("size", Scale.X1) == Scale.X1 else f"{name} {config['size']}"


def _pair(record: Record) -> tuple[str, str, int]:
    config = record["config"]
    return config["instance"], config["instance_sha256"], config["seed"]
