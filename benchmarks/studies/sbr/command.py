"""``python -m benchmarks study sbr`` and ``study sbr-search``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.cli.measure import RESUME, measure
from benchmarks.cli.options import PlotFile
from benchmarks.records import Job
from benchmarks.studies.sbr import findings, search, search_findings, study
from nnsearch.errors import ConfigError

_USUAL = study.SbrStudy()
_USUAL_SEARCH = search.SearchStudy()

sbr = App(name="sbr", help_epilogue=RESUME)
sbr_search = App(name="sbr-search", help_epilogue=RESUME)


@sbr.default
def run_sbr(
    *,
    options: Annotated[study.SbrStudy, Parameter(name="*")] = _USUAL,
    processes: int | None = None,
    plot: PlotFile = None,
    output: Path = Path("runs/benchmarks/study-sbr.jsonl"),
    fresh: bool = False,
) -> int:
    """What knowledge in the loss (semantic-based regularisation) is worth to a network.

    The questions of Silvestri, Lombardi and
    Milano, "Injecting Domain Knowledge in Neural Networks: a Controlled Experiment on a Constrained Problem" (2021).

    Each network of training/configs/study-sbr is trained with several seeds, each with a pool of its own, and then
    asked about the same fresh squares, as feasibility does; a network whose examples were split by example, as in the
    paper, is asked about its held-out examples too, which leaks. Settings: 10000-solutions (figures 1 to 3 of the
    paper), 300000-examples and 50000-examples (4 and 5), 1000-solutions and 100-solutions (6 and 7), by-example; only
    when asked for with --settings: masked (learns to choose among what full propagation leaves), order-7, order-12,
    order-15, sudoku-9, n-queens-20 (whose pools are random, but not uniform). Budgets: full is for a GPU; small ends
    within 90 minutes on two cores; tiny takes seconds and only shows that the command works. A network of order 15
    takes two to three times as long as one of order 10.

    A training that was interrupted, by Ctrl-C or kill -9, goes on from its last checkpoint in --runs.

        python -m benchmarks study sbr --budget small --plot sbr.svg

    Args:
        options: what to run
        processes: trainings side by side (default: small 2, others 1)
        plot: draw the figures of the paper (.svg or .png)
        output: results
        fresh: measure again what the file already holds
    """
    side_by_side = study.BUDGETS[options.budget].processes if processes is None else processes

    def make_jobs() -> list[Job]:
        if side_by_side < 1:
            raise ConfigError(f"--processes: expected 1 or more, got {side_by_side}")
        return study.jobs(options)

    return measure(make_jobs, findings.summary, output, fresh, plot=plot, processes=side_by_side, runs=options.runs)


@sbr_search.default
def run_sbr_search(
    *,
    options: Annotated[search.SearchStudy, Parameter(name="*")] = _USUAL_SEARCH,
    plot: PlotFile = None,
    output: Path = Path("runs/benchmarks/study-sbr-search.jsonl"),
    fresh: bool = False,
) -> int:
    """The networks of study sbr as value orders of a depth-first search, with and without propagation.

    Every finished network in --runs completes fresh squares of its own order, none of which is in its pool, under the
    same failure limit, without restarts, and is asked at every node. Propagation: none (chronological backtracking),
    rows and full (forward checking), engine (all-different and its dual in the CP engine). Questions: free choice (the
    network picks the cell too) and fixed cell (the cell with the fewest values is next). Beside the networks: rnd
    (random scores) and bp (belief propagation, which knows all constraints). Every solution is checked, a wrong answer
    ends the run, and searches that give up are counted with the limit.

        python -m benchmarks study sbr-search --runs runs/study-sbr --plot sbr-search.svg

    Args:
        options: what to run
        plot: draw failures against propagation (.svg or .png)
        output: results
        fresh: measure again what the file already holds
    """
    return measure(lambda: search.jobs(options), search_findings.summary, output, fresh, plot=plot)
