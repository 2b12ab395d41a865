"""``python -m benchmarks latency``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.cli.measure import RESUME, measure
from benchmarks.cli.options import Models
from benchmarks.networks import load_networks
from benchmarks.records import Job
from benchmarks.suites.latency import LatencySuite, jobs, summary
from nnsearch.inference.providers import Provider

_USUAL = LatencySuite()

app = App(name="latency", help_epilogue=RESUME)


@app.default
def latency(
    *,
    suite: Annotated[LatencySuite, Parameter(name="*")] = _USUAL,
    thread_counts: tuple[int, ...] = (1,),
    models: Models = None,
    provider: Provider = "auto",
    output: Path = Path("runs/benchmarks/latency.jsonl"),
    fresh: bool = False,
) -> int:
    """Milliseconds to score one state of a large partial Latin square by each network on the candidate graph.

    The state is the root of a quasigroup with holes after propagation. Encoding it, which a search does too, is timed
    apart. The numbers of threads take turns.

    Args:
        suite: what to measure
        thread_counts: CPU threads
        models: names or .onnx files (default: all pretrained that read graphs)
        provider: where networks run
        output: results
        fresh: measure again what the file already holds
    """

    def make_jobs() -> list[Job]:
        specs = models
        if specs is None:
            networks = load_networks(None, provider, 1)
            specs = [str(network.scorer.path) for network in networks if network.order is None]
        return jobs(suite, [load_networks(specs, provider, threads) for threads in thread_counts])

    return measure(make_jobs, summary, output, fresh)
