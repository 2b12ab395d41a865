"""``python -m benchmarks advice``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.cli.measure import RESUME, measure
from benchmarks.instances.zoo import Size
from benchmarks.suites.advice import AdviceTrial, jobs, summary

_USUAL = AdviceTrial()

app = App(name="advice", help_epilogue=RESUME)


@app.default
def advice(
    *,
    kinds: tuple[str, ...] = _USUAL.kinds,
    size: Size = _USUAL.size,
    seeds: tuple[int, ...] = _USUAL.seeds,
    measured: tuple[int, ...] = _USUAL.measured,
    workers: int = _USUAL.workers,
    time_limit: Annotated[float, Parameter(name=("--time-limit", "--limit"))] = _USUAL.seconds,
    output: Path = Path("runs/benchmarks/advice.jsonl"),
    fresh: bool = False,
) -> int:
    """Whether nnsearch advise is right about models of the zoo.

    For each model, advise makes its trial and gives its verdict. Then all arms of the trial solve the model again with
    other seeds. The verdict agrees with them if what it recommends costs no more there than CP-SAT, and no arm costs
    clearly less than it.

        python -m benchmarks advice --kinds school-timetable set-cover

    Args:
        kinds: names of kinds
        size: of each kind
        seeds: of CP-SAT, in the trial
        measured: of CP-SAT, in the measurement
        workers: of every arm
        time_limit: seconds per run
        output: results
        fresh: measure again what the file already holds
    """
    suite = AdviceTrial(kinds, size, seeds, measured, workers, time_limit)
    return measure(lambda: jobs(suite), summary, output, fresh, threads=workers)
