"""``python -m benchmarks search``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from cyclopts import App

from benchmarks.answers import check_agreement
from benchmarks.arms import misfits
from benchmarks.cli.measure import RESUME, measure
from benchmarks.cli.options import FailureLimit, Instances, Models, Pair, PlotFile, warn
from benchmarks.networks import load_networks
from benchmarks.records import Job
from benchmarks.suites import search as suites
from nnsearch.cp import InferencePolicy
from nnsearch.inference.providers import Provider
from nnsearch.limits import Limits
from training.cli.command_line import Ray

_USUAL = Instances()

app = App(name="search", help_epilogue=RESUME)


@app.default
def search(
    *,
    instances: Instances = _USUAL,
    variables: tuple[Literal["min-domain", "most-confident"], ...] = ("min-domain",),
    infer_every: int = 1,
    infer_after_failure: bool = False,
    restart_after: int | None = None,
    time_limit: float = 60.0,
    failure_limit: FailureLimit = None,
    repeats: int = 3,
    workers: int = 1,
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
        instances: the instances
        variables: variable order of the networks, an arm for each
        infer_every: ask a network every K decisions, 0 once
        infer_after_failure: ask a network after each failure too
        restart_after: networks start again after N failures, then ever later
        time_limit: seconds per run
        failure_limit: failures per run, conflicts of CP-SAT (default: none)
        repeats: seeds of the random arms
        workers: workers of CP-SAT
        compare: two networks or arms: the ratio of their failures on the same instances
        plot: draw the cactus plots (.svg or .png)
        models: names or .onnx files (default: all pretrained)
        provider: where networks run
        threads: CPU threads of an inference
        ray: measure on a Ray cluster (default: in this process)
        output: results
        fresh: measure again what the file already holds
    """

    def make_jobs() -> list[Job]:
        suite = suites.Search(
            seed=instances.seed,
            repeats=repeats,
            variables=tuple(dict.fromkeys(variables)),
            policy=InferencePolicy(infer_every, infer_after_failure),
            restart_after=restart_after,
            workers=workers,
            limits=Limits(time_limit, failure_limit),
        )
        cases = instances.cases()
        networks = load_networks(models, provider, threads)
        warn(misfits(cases, networks))
        made = suites.jobs(suite, cases, networks)
        if compare is not None:
            suites.check_comparison(made, *compare)
        return made

    summary = partial(suites.summary, compare=compare)
    return measure(make_jobs, summary, output, fresh, threads=threads, plot=plot, ray=ray, check=check_agreement)
