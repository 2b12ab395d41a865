"""The statistics of all suites and studies: what a run cost, summaries of runs, and comparisons of two arms.

Everywhere a run that gave up counts with the limit that it met, and nothing is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.instances.instance_sets import set_of
from benchmarks.records import Record, grouped
from nnsearch.result import Status

FACTOR, SLACK = 1.2, 0.5
"""A race that takes longer than ``FACTOR * cp-sat + SLACK`` seconds has cost too much."""

DECIDED = (Status.OPTIMAL, Status.INFEASIBLE)
"""How a run may end that did not give up."""


def is_decided(record: Record) -> bool:
    """Tell whether a run ended with a solution (with an objective: proved the best), or a proof that there is none."""
    return record["result"]["status"] in DECIDED


def cost(record: Record, name: str) -> float:
    """Return ``seconds``, ``failures``, ``branches`` or ``inference_calls`` of a run.

    A run that gave up counts with the limit for what is limited, and otherwise with what it had spent.
    """
    spent: float = record["result"]["wall_seconds" if name == "seconds" else name]
    limit = {"seconds": "time_limit", "failures": "failure_limit"}.get(name, "")
    limited = record["config"].get(limit)
    return spent if is_decided(record) or limited is None else limited


def by_arm(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Group records by arm, in order of appearance."""
    return dict(grouped(records, lambda record: str(record["config"]["arm"])))


def by_set(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Group records by set of instances, in order of appearance."""
    return dict(grouped(records, lambda record: set_of(record["config"])))


def best_known(records: Sequence[Record]) -> dict[str, float]:
    """Return the best objective of each instance that has one, over all runs whose answers were accepted."""
    best: dict[str, float] = {}
    for record in records:
        result, instance = record["result"], record["config"]["instance_sha256"]
        if result["wrong"] is None and result["objective_value"] is not None:
            choose = max if result["maximises"] else min
            best[instance] = choose(best.get(instance, result["objective_value"]), result["objective_value"])
    return best


def share_decided(runs: Sequence[Record]) -> float:
    """Return the share of runs that did not give up."""
    return sum(map(is_decided, runs)) / len(runs)


def decided_of(runs: Sequence[Record]) -> str:
    """Return how many runs did not give up, such as ``10 of 12``."""
    return f"{sum(map(is_decided, runs))} of {len(runs)}"


def num_instances(records: Sequence[Record]) -> int:
    """Return on how many instances the records are."""
    return len({record["config"]["instance_sha256"] for record in records})


def mean_failures(runs: Sequence[Record]) -> float:
    """Return the geometric mean of failures + 1."""
    return float(np.exp(np.mean([np.log(cost(run, "failures") + 1) for run in runs])))


def with_limit(
    failures: npt.ArrayLike, solved: npt.ArrayLike, limit: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return float64, the failures of searches, with the limit for those that gave up; and bool, which did not."""
    is_solved = np.asarray(solved, dtype=np.bool_)
    return np.where(is_solved, np.asarray(failures, dtype=np.float64), float(limit)), is_solved


def quartiles(runs: Sequence[Record], name: str) -> str:
    """Return the text ``median [quartiles]`` of what :func:`cost` says of runs."""
    low, median, high = np.quantile([cost(run, name) for run in runs], [0.25, 0.5, 0.75])
    return f"{short(median)} [{short(low)}, {short(high)}]"


def counted(number: int, noun: str) -> str:
    """Return a number of things in words: ``1 run``, ``2 runs``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def short(number: float) -> str:
    """Return a number in few characters: whole from 10 on, else two digits."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


@dataclass(frozen=True)
class Ratio:
    """How the failures of one arm compare with those of another on the same instances.

    ``mean`` is the geometric mean over instances of (failures + 1) / (failures + 1), below 1 where the first arm fails
    less, with its 95 % interval (bootstrap over instances); ``wins`` counts the instances on which it fails less.
    """

    mean: float
    low: float
    high: float
    wins: int
    ties: int
    losses: int

    @property
    def instances(self) -> int:
        """On how many instances both were run."""
        return self.wins + self.ties + self.losses


def ratio(one: Sequence[Record], other: Sequence[Record], resamples: int = 10_000) -> Ratio | None:
    """Compare the failures of two arms, None without a common instance; runs of one count as their geometric mean."""
    mine, theirs = _log_failures(one), _log_failures(other)
    shared = [instance for instance in mine if instance in theirs]
    if not shared:
        return None
    difference = np.array([mine[instance] - theirs[instance] for instance in shared])
    wins, losses = int((difference < -1e-12).sum()), int((difference > 1e-12).sum())
    return Ratio(*geometric_mean(difference, resamples), wins, len(difference) - wins - losses, losses)


def geometric_mean(logs: npt.NDArray[np.float64], resamples: int = 10_000) -> tuple[float, float, float]:
    """Return the geometric mean of exp(float64[I]), and the ends of its 95 % interval by a bootstrap of fixed seed."""
    rng = np.random.default_rng(0)
    means = logs[rng.integers(len(logs), size=(resamples, len(logs)))].mean(axis=1)
    low, high = np.exp(np.quantile(means, [0.025, 0.975]))
    return float(np.exp(logs.mean())), float(low), float(high)


def _log_failures(runs: Sequence[Record]) -> dict[str, float]:
    """Return the mean of log(failures + 1) by instance."""
    by_instance = grouped(runs, lambda run: str(run["config"]["instance_sha256"]))
    return {
        instance: float(np.mean([np.log(cost(run, "failures") + 1) for run in same])) for instance, same in by_instance
    }


@dataclass(frozen=True)
class Comparison:
    """The seconds of one arm against those of another, within pairs of one instance and one seed.

    ``mean`` is the geometric mean of seconds / seconds, below 1 where the first arm is faster, with its 95 % interval
    (bootstrap over instances, all pairs of an instance together). Pairs that neither decided count with the limit, so
    their ratio is 1. ``excess`` is the largest ``first - (FACTOR * second + SLACK)``, in seconds, of the pair
    ``worst``; ``above`` counts the pairs where it is above 0; ``loss`` is the largest
    ``first - second``.
    """

    mean: float
    low: float
    high: float
    instances: int
    pairs: int
    both_timed_out: int
    excess: float
    worst: tuple[str, int]
    above: int
    loss: float


def compare_seconds(one: Sequence[Record], other: Sequence[Record], resamples: int = 10_000) -> Comparison | None:
    """Compare the seconds of two arms, None without a common pair; a run that gave up counts with the limit."""
    partners = {_pair(record): record for record in other}
    pairs = [(record, partners[_pair(record)]) for record in one if _pair(record) in partners]
    if not pairs:
        return None
    logs: dict[tuple[str, str], list[float]] = {}
    excess, loss = [], []
    for first, second in pairs:
        mine, theirs = cost(first, "seconds"), cost(second, "seconds")
        logs.setdefault(_pair(first)[:2], []).append(math.log(mine / theirs))
        excess.append(mine - (FACTOR * theirs + SLACK))
        loss.append(mine - theirs)
    worst = max(range(len(pairs)), key=excess.__getitem__)
    config = pairs[worst][0]["config"]
    return Comparison(
        *geometric_mean(np.array([np.mean(ratios) for ratios in logs.values()]), resamples),
        instances=len(logs),
        pairs=len(pairs),
        both_timed_out=sum(not is_decided(first) and not is_decided(second) for first, second in pairs),
        excess=excess[worst],
        worst=(config["instance"], config["seed"]),
        above=sum(one > 0 for one in excess),
        loss=max(loss),
    )


def _pair(record: Record) -> tuple[str, str, int]:
    config = record["config"]
    return config["instance"], config["instance_sha256"], config["seed"]


def wilson(
    share: npt.NDArray[np.float64], count: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the limits of Wilson's 95 % interval of shares, float64[...], of so many, float64[...]."""
    square = 1.96**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = 1.96 / (1 + square / count) * np.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
