"""``python -m benchmarks nodes``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.cli.measure import RESUME, measure
from benchmarks.suites.nodes import Nodes, jobs, summary

_USUAL = Nodes()

app = App(name="nodes", help_epilogue=RESUME)


@app.default
def nodes(
    *,
    suite: Annotated[Nodes, Parameter(name="*")] = _USUAL,
    output: Path = Path("runs/benchmarks/nodes.jsonl"),
    fresh: bool = False,
) -> int:
    """Microseconds per branch outside inference: the engine's own phase against nnsearch.cp.ValuePhase.

    Solutions of one square are enumerated up to a number of branches. The scorer returns a constant at no cost, in the
    order that the engine's phase has, so both walk the same tree, which is checked; what is left is the cost of reading
    the state and ordering values at every node. The variable order most-confident walks a tree of its own.

    Args:
        suite: what to measure
        output: results
        fresh: measure again what the file already holds
    """
    return measure(lambda: jobs(suite), summary, output, fresh)
