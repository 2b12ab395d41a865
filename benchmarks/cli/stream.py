"""``python -m benchmarks stream``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.cli.measure import RESUME, measure_answers
from benchmarks.cli.options import PlotFile
from benchmarks.records import Job, read_records
from benchmarks.suites.stream import ArmName, StreamSuite, jobs, summary

_USUAL = StreamSuite()

app = App(name="stream", help_epilogue=RESUME)


@app.default
def stream(
    *,
    kinds: tuple[str, ...] = _USUAL.kinds,
    steps: int = _USUAL.steps,
    seeds: tuple[int, ...] = _USUAL.seeds,
    workers: int = _USUAL.workers,
    time_limit: Annotated[float, Parameter(name=("--time-limit", "--limit"))] = _USUAL.seconds,
    arms: tuple[ArmName, ...] = _USUAL.arms,
    instances: Annotated[Path | None, Parameter(metavar="FOLDER")] = None,
    output: Path = Path("runs/benchmarks/stream.jsonl"),
    plot: PlotFile = None,
    fresh: bool = False,
) -> int:
    """What yesterday's solution is worth, in streams of instances that each have the data of the one before, changed.

    The first instance of a stream is solved by CP-SAT once for each seed, and its solution is everybody's yesterday at
    the first step; after that each arm begins with what it had itself. Arms take turns on each instance and seed, with
    the same workers and the same seconds. The clock runs around the solve alone. Every solution is checked by a checker
    that knows the data and not the model, and all arms against each other; wrong answers are listed, and the exit code
    is 1.

    cold is CP-SAT; hint has yesterday's values as a hint, by the names of variables; repaired-hint lets CP-SAT repair
    it (repair_hint); history is the drop-in solver with a history that holds yesterday's solve;
    history+line-up runs the full subsolvers, too, that brought most improvements when yesterday's instance was solved
    by many, off the clock and as long as a solve (only where it is asked for); cold-again is CP-SAT
    with another seed: what it differs from cold by is noise.

    Printed, for all kinds together and for each: the ratio of each arm's primal integral to that of cold; in how many
    pairs it is worse, and by more than noise, and in how many the last objective is as good; seconds to the first
    solution, and to one as good as cold's last; time-outs and wrong answers. The plot is the gap over time.

        python -m benchmarks stream --kinds job-shop --plot streams.svg
        python -m benchmarks stream --kinds shift-roster rolling-roster --instances FOLDER --seeds 1

    Args:
        kinds: only streams whose name, kind/instance, has one of these texts (default: all)
        steps: instances after the first one
        seeds: one run of an arm through a stream for each
        workers: of every arm
        time_limit: seconds per solve
        arms: cold, and whom to compare with it
        instances: a folder with job-shop/*.txt, rcpsp/*.sm, nurse-rostering/*.json, mipcc23/*.pb, or some of them; what
            is not there is generated (default: all)
        output: results
        plot: draw the gap over time, as .svg, .png or .pdf
        fresh: measure again what the file already holds
    """

    def make_jobs() -> list[Job]:
        suite = StreamSuite(kinds, steps, seeds, workers, time_limit, arms, instances)
        return jobs(suite, [] if fresh else read_records(output))

    return measure_answers(make_jobs, summary, output, fresh, workers=workers, plot=plot)
