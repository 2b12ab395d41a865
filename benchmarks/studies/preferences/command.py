"""``python -m benchmarks study preferences``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.cli.measure import RESUME, measure
from benchmarks.studies.preferences import study
from benchmarks.studies.preferences.findings import summary

_USUAL = study.PreferencesStudy()

preferences = App(name="preferences", help_epilogue=RESUME)


@preferences.default
def run_preferences(
    *,
    options: Annotated[study.PreferencesStudy, Parameter(name="*")] = _USUAL,
    output: Path = Path("runs/benchmarks/study-preferences.jsonl"),
    fresh: bool = False,
) -> int:
    """What a planner likes, learned from past plans: counting, counting pairs, and networks.

    A planner whose preferences nobody is told makes a history. roster: who likes which shift; a value is worth the same
    whatever the others are. deputies: what a worker is worth at a station depends on who is away. crews: a driver and a
    helper are worth what they are together. Arms: counting (how often each value occurred, as an objective); network
    (trained on the history as by python -m training fit --cp-model, asked once, as an objective); network as an order
    (nnsearch.cpsat.CpSolver(network)); pairs (how often values and pairs of them occurred, as
    an objective); learned pairs (worths of both that were learned together). An arm has 5 s and one worker.

    A training that was interrupted, by Ctrl-C or kill -9, goes on from its last checkpoint in --runs.

        python -m benchmarks study preferences --seeds 1 --cases roster

    Args:
        options: what to run
        output: results
        fresh: measure again what the file already holds
    """
    return measure(lambda: study.jobs(options), summary, output, fresh, runs=options.runs)
