"""``python -m benchmarks throughput``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.cli.measure import RESUME, measure
from benchmarks.cli.options import Models, PlotFile
from benchmarks.networks import load_networks
from benchmarks.suites.throughput import Throughput, jobs, summary
from nnsearch.inference.providers import Provider

_USUAL = Throughput()

app = App(name="throughput", help_epilogue=RESUME)


@app.default
def throughput(
    *,
    suite: Annotated[Throughput, Parameter(name="*")] = _USUAL,
    models: Models = ["pls-10-full", "bp", "universal"],  # noqa: B006
    provider: Provider = "auto",
    threads: int = 1,
    plot: PlotFile = None,
    output: Path = Path("runs/benchmarks/throughput.jsonl"),
    fresh: bool = False,
) -> int:
    """States per second of networks by batch size, each batch in one call, copies to and from a GPU included.

    Networks of one size score random assignments, those on the candidate graph unions of the root of the demo's
    quasigroup. Beside it: the session alone on data that already lies on the device, the ratio of both, and the largest
    difference from float32 on the CPU as a share of a state's range of scores, which must stay below 1e-4 (1e-2 on the
    candidate graph).

        python -m benchmarks throughput --provider cuda

    Args:
        suite: what to measure
        models: names or .onnx files
        provider: where networks run
        threads: CPU threads of an inference
        plot: draw states per second by batch size (.svg or .png)
        output: results
        fresh: measure again what the file already holds
    """
    return measure(
        lambda: jobs(suite, load_networks(models, provider, threads)),
        summary,
        output,
        fresh,
        threads=threads,
        plot=plot,
    )
