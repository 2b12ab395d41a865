"""Is ``nnsearch advise`` right? Its verdict on models of the zoo, against the same arms on seeds it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.instances.zoo import KINDS, Size, build
from benchmarks.records import Job, Record
from benchmarks.rendering.parts import Cell, Group, Table, TableRow
from benchmarks.statistics import counted, geometric_mean
from nnsearch.errors import ConfigError
from nnsearch.model.prepared import PreparedModel
from nnsearch.trial.advise import WORTH_IT, advise, further_seeds
from nnsearch.trial.arms import BASELINE
from nnsearch.trial.comparison import Trial
from training.running.fan_out import Needs


@dataclass(frozen=True)
class AdviceTrial:
    """What is asked, of which models.

    Args:
        kinds: names of kinds of the zoo.
        size: of every kind.
        seeds: of the trial behind each verdict; its two best arms have the least numbers that are none of these.
        measured: seeds of the measurement that it is compared with.
        workers: of every arm.
        seconds: of every run.

    Raises:
        ConfigError: a kind is not known, or a seed belongs to both.
    """

    kinds: tuple[str, ...] = (
        "school-timetable",
        "quasigroup",
        "set-cover",
        "facility-location",
        "independent-set",
        "nurse-roster",
        "job-shop",
        "bin-packing",
        "travelling-salesman",
        "graph-colouring",
    )
    size: Size = Size.MEDIUM
    seeds: tuple[int, ...] = (1, 2, 3)
    measured: tuple[int, ...] = (11, 12, 13, 14, 15)
    workers: int = 2
    seconds: float = 5.0

    def __post_init__(self) -> None:
        for name in self.kinds:
            if name not in KINDS:
                raise ConfigError(f"kinds: expected names of {', '.join(KINDS)}, got {name!r}")
        if both := {*self.seeds, *further_seeds(self.seeds)} & set(self.measured):
            raise ConfigError(f"measured: expected other seeds than those of the trials, got {min(both)} in both")


def jobs(suite: AdviceTrial) -> list[Job]:
    """Return one job for each model."""
    made = []
    for name in dict.fromkeys(suite.kinds):
        config = {
            **{
                "suite": "advice",
                "instance": f"{name}/{suite.size}",
                "instance_sha256": build(name, suite.size).digest,
            },
            **{"workers": suite.workers, "time_limit": suite.seconds, "arm": "advise"},
            **{"seeds": list(suite.seeds), "measured": list(suite.measured)},
        }
        made.append(Job(config, partial(measure, name, suite), Needs(suite.workers)))
    return made


def measure(name: str, suite: AdviceTrial) -> dict[str, Any]:
    """Ask for advice on a model, measure all arms again, and return the ``result`` of the record."""
    model = PreparedModel(build(name, suite.size).model)

    with tqdm(desc=name, unit=" runs", disable=None, leave=False) as bar:

        def show(done: int, total: int, arm: str) -> None:
            bar.total, bar.n = total, done
            bar.set_postfix_str(arm)

        verdict = advise(model, seconds=suite.seconds, seeds=suite.seeds, workers=suite.workers, on_run=show)
        arms = [one.arm for one in verdict.comparisons]
        runs = len(arms) * len(suite.measured)
        again = Trial(arms, suite.seconds, model.objective)
        again.run(arms, suite.measured, lambda done, arm: show(done, runs, f"measured: {arm}"))
    return {
        "advised": None if verdict.choice is None else verdict.choice.arm.name,
        "trial": {one.arm.name: one.ratio for one in verdict.comparisons},
        "measured": {one.arm.name: list(one.ratios) for one in again.comparisons()},
    }


def regret(record: Record) -> float:
    """Return what the advised arm costs on the other seeds, in relation to the arm that costs least there.

    Without a trial there is nothing to regret: no arm had anything to say.
    """
    means = _means(record)
    return means[record["result"]["advised"] or BASELINE] / min(means.values()) if means else 1.0


def is_right(record: Record) -> bool:
    """Tell whether a verdict holds: it is not worse than CP-SAT, and no arm that is clearly better was left out.

    Clearly better is what :func:`nnsearch.trial.advise.advise` calls so. The best of many arms is better by luck alone,
    so both count only where the 95 % interval of a ratio, over the seeds, says so.
    """
    measured = record["result"]["measured"]
    if not measured:
        return True
    advised = np.log(measured[record["result"]["advised"] or BASELINE])
    worse = geometric_mean(advised)[1] > 1
    left_out = (geometric_mean(np.log(ratios) - advised)[2] <= WORTH_IT for ratios in measured.values())
    return not worse and not any(left_out)


def summary(records: Sequence[Record]) -> Group:
    """Return each verdict beside the measurement."""
    rows = []
    for record in records:
        result, measured = record["result"], _means(record)
        advised = result["advised"] or BASELINE
        best = min(measured, key=measured.__getitem__, default=BASELINE)
        cells: list[Cell] = [
            record["config"]["instance"],
            advised,
            *(f"{ratios.get(advised, 1.0):.3f}" for ratios in (result["trial"], measured)),
            best,
            f"{measured.get(best, 1.0):.3f}",
            f"{regret(record):.3f}",
            "yes" if is_right(record) else "no",
        ]
        rows.append(TableRow(cells, "advise"))
    config = records[0]["config"]
    return Group(
        f"{sum(map(is_right, records))} of {counted(len(records), 'verdict')} agree with the measurement "
        f"({counted(config['workers'], 'worker')}, limit {config['time_limit']:g} s)",
        [
            Table(
                "Verdicts of nnsearch advise",
                ["model", "advised", "ratio in the trial", "ratio", "cheapest", "its ratio", "regret", "agrees"],
                rows,
                f"ratio: cost over that of {BASELINE} on {counted(len(config['measured']), 'seed')} that the trial has "
                f"not seen (seconds where either arm decided the model, else primal integrals).\nregret: cost of the "
                f"advised arm over that of the cheapest. A verdict disagrees where, by the 95 % interval over the "
                f"seeds, it is worse than {BASELINE}, or another arm costs at most {WORTH_IT:g} of what it costs.",
            )
        ],
    )


def _means(record: Record) -> dict[str, float]:
    return {arm: float(np.exp(np.log(ratios).mean())) for arm, ratios in record["result"]["measured"].items()}
