"""``python -m benchmarks gather``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.cli.measure import RESUME, measure
from benchmarks.cli.options import Models
from benchmarks.networks import load_networks
from benchmarks.suites.gather import Gather, jobs, summary
from nnsearch.inference.providers import Provider

_USUAL = Gather()

app = App(name="gather", help_epilogue=RESUME)


@app.default
def gather(
    *,
    suite: Annotated[Gather, Parameter(name="*")] = _USUAL,
    models: Models = ["pls-10-full"],  # noqa: B006
    provider: Provider = "auto",
    threads: int = 1,
    output: Path = Path("runs/benchmarks/gather.jsonl"),
    fresh: bool = False,
) -> int:
    """Many searches alone, side by side in greenlets (nnsearch.solve_many), and in several processes.

    Every arm solves the same squares with the same network; the arms take turns, and each must take the decisions of
    the solves one at a time, node for node. --stream N then solves N squares through one call and watches the memory.

        python -m benchmarks gather --stream 10000

    Args:
        suite: what to measure
        models: names or .onnx files
        provider: where networks run
        threads: CPU threads of an inference
        output: results
        fresh: measure again what the file already holds
    """
    return measure(
        lambda: jobs(suite, load_networks(models, provider, threads)), summary, output, fresh, threads=threads
    )
