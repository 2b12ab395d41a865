"""``python -m benchmarks search``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cyclopts import App

from benchmarks.answers import check_agreement
from benchmarks.arms import misfits
from benchmarks.cli.measure import RESUME, measure
from benchmarks.cli.options import Models, Pair, PlotFile, warn
from benchmarks.networks import load_networks
from benchmarks.records import Job
from benchmarks.suites import search as suites
from nnsearch.inference.providers import Provider
from training.cli.command_line import Ray

_USUAL = suites.Search()

app = App(name="search", help_epilogue=RESUME)


@app.default
def search(
    *,
    suite: suites.Search = _USUAL,
    compare: Pair = None,
    plot: PlotFile = None,
    models: Models = None,
    provider: Provider = "auto",
    threads: int = 1,
    ray: Ray = None,
    output: Path = Path("runs/benchmarks/search.jsonl"),
    fresh: bool = False,
) -> int:
    """Branches, failures, seconds and inference calls of value orders on the same instances, under equal limits.

    Instances: generated ones of any family (always satisfiable), and files of any readable format; each file of several
    instances, each folder and each generated kind is a set with a table of its own. Arms: min-value and random-value
    (the engine's phases on the smallest domain), random-restarts (random orders of values with the restarts of the
    networks, only with --restart-after), default-phase (the engine's own search), cp-sat (its defaults; conflicts
    instead of failures), and each network, one-hot networks where their size fits. All but cp-sat run on the same
    translation in the CP engine. The arms take turns on each instance. Every solution is checked without a solver, a
    wrong answer ends the run, and runs that reach a limit are counted with it.

    Args:
        suite: what every arm is given
        compare: two networks or arms: the ratio of their failures on the same instances
        plot: draw the cactus plots (.svg or .png)
        models: names or .onnx files (default: all pretrained that are for any solution)
        provider: where networks run
        threads: CPU threads of an inference
        ray: measure on a Ray cluster (default: in this process)
        output: results
        fresh: measure again what the file already holds
    """

    def make_jobs() -> list[Job]:
        cases = suite.cases()
        networks = load_networks(models, provider, threads)
        warn(misfits(cases, networks))
        made = suites.jobs(suite, cases, networks)
        if compare is not None:
            suites.check_comparison(made, *compare)
        return made

    summary = partial(suites.summary, compare=compare)
    return measure(make_jobs, summary, output, fresh, threads=threads, plot=plot, ray=ray, check=check_agreement)
