"""``python -m benchmarks zoo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.cli.measure import RESUME, measure_answers
from benchmarks.instances.zoo import Size
from benchmarks.records import Job
from benchmarks.suites.zoo import ArmName, Zoo, jobs, summary

_USUAL = Zoo()

app = App(name="zoo", help_epilogue=RESUME)


@app.default
def zoo(
    *,
    kinds: tuple[str, ...] = _USUAL.kinds,
    sizes: tuple[Size, ...] = _USUAL.sizes,
    seeds: tuple[int, ...] = _USUAL.seeds,
    workers: tuple[int, ...] = _USUAL.workers,
    time_limit: Annotated[float, Parameter(name=("--time-limit", "--limit"))] = _USUAL.seconds,
    arms: tuple[ArmName, ...] = _USUAL.arms,
    output: Path = Path("runs/benchmarks/zoo.jsonl"),
    fresh: bool = False,
) -> int:
    """The drop-in solver as it comes against CP-SAT's defaults, on models of many kinds as practitioners write them.

    A model is a kind in one of three sizes; its instance is always the same, and the seed is CP-SAT's. Arms take turns
    on each model and seed, in one process. The clock runs around the solve alone. Every solution is checked by a
    checker that knows the data and not the model, and all arms against each other; wrong answers are listed, and the
    exit code is 1.

    Printed: the ratio of each arm's time to that of cp-sat over all models and for each size; the same for each model,
    the slowest first; and whose answer the drop-in solver returned, and why. cp-sat-again is CP-SAT once more: what
    its ratio differs from 1 is noise.

        python -m benchmarks zoo --workers 1 2 4
        python -m benchmarks zoo --kinds shop rcpsp --sizes small medium --arms cp-sat drop-in cp-sat-again

    Args:
        kinds: only kinds whose name has one of these texts (default: all)
        sizes: of each kind
        seeds: one run of an arm on a model for each
        workers: of every arm; several numbers are several comparisons
        time_limit: seconds per run
        arms: cp-sat, and whom to compare with it
        output: results
        fresh: measure again what the file already holds
    """

    def make_jobs() -> list[Job]:
        return jobs(Zoo(kinds, sizes, seeds, workers, time_limit, arms))

    return measure_answers(make_jobs, summary, output, fresh, workers=max(workers, default=1))
