"""``python -m benchmarks race``."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from benchmarks.answers import check_agreement
from benchmarks.arms import misfits
from benchmarks.cli.measure import RESUME, measure
from benchmarks.cli.options import Models, warn
from benchmarks.networks import load_networks
from benchmarks.records import Job
from benchmarks.suites.race import RaceSuite, jobs, summary
from nnsearch.inference.providers import Provider
from nnsearch.processors import usable_cpus
from training.cli.command_line import Ray

_USUAL = RaceSuite()

app = App(name="race", help_epilogue=RESUME)


@app.default
def race(
    *,
    suite: RaceSuite = _USUAL,
    models: Models = ["bp"],  # noqa: B006
    provider: Provider = "auto",
    threads: int = 1,
    ray: Ray = None,
    output: Path = Path("runs/benchmarks/race.jsonl"),
    fresh: bool = False,
) -> int:
    """Wall seconds of the drop-in solver against CP-SAT's defaults, on the same instances with the same seeds.

    Instances as for search. Arms: cp-sat (cp_model.CpSolver), race/NETWORK for each of --models
    (nnsearch.cpsat.CpSolver as it comes), both with --workers workers, and with --dives dives/NETWORK
    (nnsearch.cpsat.solve_by_dives with one worker less, at least one, which is CP-SAT's; the network's own decisions
    come before it). Every arm runs each instance with --repeats seeds. Seeds are CP-SAT's and the dives'; the learned
    side of a race has its own, which it keeps. The clock runs around the solve alone: building the model and loading
    the network come before it. Arms take turns on each instance and seed. Every solution is checked without a solver, a
    wrong answer ends the run, and runs that reach the limit are counted with it.

    Printed for each set of instances, those with a solution and those without apart: seconds, who won, and within pairs
    of one instance and seed the ratio of seconds to cp-sat's, and the largest excess of seconds over 1.2 times cp-sat's
    + 0.5. Measure with as many free cores as --workers; records say how many there were.

        python -m benchmarks race --orders 40 50 --count 10
        python -m benchmarks race --instances qcp.jsonl --only 10_ext 11_ext 12_ext 13_ext 14_ext

    Args:
        suite: what every arm is given
        models: names or .onnx files
        provider: where networks run
        threads: CPU threads of an inference
        ray: measure on a Ray cluster (default: in this process)
        output: results
        fresh: measure again what the file already holds
    """

    def make_jobs() -> list[Job]:
        cases = suite.cases()
        networks = load_networks(models, provider, threads)
        made = jobs(suite, cases, networks)
        warn(misfits(cases, networks))
        if ray is None and (cpus := usable_cpus()) < suite.workers:
            warn(
                [f"warning: {suite.workers} workers on {cpus} usable CPUs; these are not the seconds of as many cores"]
            )
        return made

    return measure(make_jobs, summary, output, fresh, threads=threads, ray=ray, check=check_agreement)
