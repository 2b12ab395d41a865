"""``python -m benchmarks study label-free``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.cli.measure import RESUME, measure
from benchmarks.cli.options import PlotFile
from benchmarks.studies.label_free import study
from benchmarks.studies.label_free.findings import summary

_USUAL = study.LabelFreeStudy()

label_free = App(name="label-free", help_epilogue=RESUME)


@label_free.default
def run_label_free(
    *,
    options: Annotated[study.LabelFreeStudy, Parameter(name="*")] = _USUAL,
    plot: PlotFile = None,
    output: Path = Path("runs/benchmarks/study-label-free.jsonl"),
    fresh: bool = False,
) -> int:
    """Value orders of networks that were trained without labels, beside those that saw solutions.

    The loss of Yang, Lee and Park (2022) on the clauses of the Latin square alone, against the losses of Silvestri,
    Lombardi and Milano (2021) and the planted solution.

    One network is trained with the same steps on the same partial squares, with several seeds, and knows from its loss:
    clauses (L_cnf, never a solution), agn (the pair that was removed last), sbr (the same, and what singleton
    consistency refutes), planted (the whole solution). It starts as plain message passing, or as belief propagation.
    Then it drives the CP engine on fresh squares of larger orders, under three variable orders: min-domain (the network
    orders values only), most-confident (it picks the cell with the greatest score, too) and most-probable (the cell
    with the most probable value, by a softmax over the scores of each cell). Beside them: random values, and belief
    propagation. Every solution is checked, a wrong answer ends the run, and searches that give up count with the limit.
    Budgets: full takes a day on one core; small about an hour; tiny takes seconds and only shows that the command
    works.

    A training that was interrupted, by Ctrl-C or kill -9, goes on from its last checkpoint in --runs.

        python -m benchmarks study label-free --budget small --plot label-free.svg

    Args:
        options: what to run
        plot: draw the failures of each network (.svg or .png)
        output: results
        fresh: measure again what the file already holds
    """
    return measure(lambda: study.jobs(options), summary, output, fresh, plot=plot, runs=options.runs)
