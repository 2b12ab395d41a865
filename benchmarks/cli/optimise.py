"""``python -m benchmarks optimise``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.cli.measure import RESUME, measure_answers
from benchmarks.cli.options import PlotFile
from benchmarks.instances.families import Scale
from benchmarks.records import Job
from benchmarks.suites.optimise import ArmName, OptimiseSuite, jobs, summary

_USUAL = OptimiseSuite()

app = App(name="optimise", help_epilogue=RESUME)


@app.default
def optimise(
    *,
    families: tuple[str, ...] = _USUAL.families,
    sizes: tuple[Scale, ...] = _USUAL.sizes,
    instances: int = _USUAL.instances,
    seeds: tuple[int, ...] = _USUAL.seeds,
    workers: int = _USUAL.workers,
    time_limit: Annotated[float, Parameter(name=("--time-limit", "--limit"))] = _USUAL.seconds,
    arms: tuple[ArmName, ...] = _USUAL.arms,
    scorer: Annotated[tuple[str, ...], Parameter(metavar="NAME|PATH|FAMILY=PATH")] = _USUAL.scorers,
    history: Annotated[Path | None, Parameter(metavar="STORE")] = None,
    reference: Annotated[float, Parameter(metavar="SECONDS")] = _USUAL.reference,
    output: Path = Path("runs/benchmarks/optimise.jsonl"),
    plot: PlotFile = None,
    fresh: bool = False,
) -> int:
    """What learned orders are worth on models with an objective: new instances of families, in sizes, by all arms.

    Instances are always the same, and none of them is one that python -m benchmarks family writes: the two are drawn
    from random numbers of their own. The seed is CP-SAT's. Arms take turns on each instance and seed, with the same
    workers and the same seconds; the clock runs around the solve alone. Every solution is checked by a checker that
    knows the data and not the model, and all arms against each other; wrong answers are listed, and the exit code is 1.

    cp-sat is CP-SAT; cp-sat-again has another seed: what it differs by is noise; cp-sat-level-2 has
    linearization_level = 2, the first thing that an expert tries on sums; cp-sat-local-search has use_ls_only, which
    often has the first solutions of a large model; highs is OR-Tools' own HiGHS, on families that are linear; its log
    says when it found what. For each --scorer there is the drop-in solver with it; all FAMILY=PATH together are one
    arm, on the families that have a network. --history is the drop-in solver with a copy of a store of past solves.

    Printed, over all families and for each with its size: primal integral and last gap, geometric means, as ratios to
    those of cp-sat with bootstrap intervals; how many pairs are worse, and by more than noise; first solutions, proofs,
    time-outs, wrong answers, and whose answer the drop-in solver returned. The plot is the gap over time.

        python -m benchmarks optimise --families set-cover rosters --instances 2 --seeds 1
        python -m benchmarks optimise --scorer bp set-cover=runs/covers/network.onnx --sizes x1 x4 --plot gaps.svg

    Args:
        families: names of families, or parts of names (default: all)
        sizes: of each family: x4 has about four times the variables of x1, x16 four times those; tiny is for a try
        instances: of each family and size
        seeds: one run of an arm on an instance for each
        workers: of every arm
        time_limit: seconds per run
        arms: cp-sat, and whom to compare with it beside the scorers
        scorer: scorers of the drop-in solver, for all families or for one
        history: a file of past solves
        reference: seconds of one more run of CP-SAT (and of HiGHS where it takes part) on each instance, whose solution
            may be the best known; 0 is none
        output: results
        plot: draw the gap over time, as .svg, .png or .pdf
        fresh: measure again what the file already holds
    """

    def make_jobs() -> list[Job]:
        return jobs(
            OptimiseSuite(families, sizes, instances, seeds, workers, time_limit, arms, scorer, history, reference)
        )

    return measure_answers(make_jobs, summary, output, fresh, workers=workers, plot=plot)
