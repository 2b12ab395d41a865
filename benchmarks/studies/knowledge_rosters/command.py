"""``python -m benchmarks study knowledge-rosters``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.cli.measure import RESUME, measure
from benchmarks.cli.options import PlotFile
from benchmarks.studies.knowledge_rosters import study
from benchmarks.studies.knowledge_rosters.findings import summary

_USUAL = study.KnowledgeRostersStudy()

knowledge_rosters = App(name="knowledge-rosters", help_epilogue=RESUME)


@knowledge_rosters.default
def run_knowledge_rosters(
    *,
    options: Annotated[study.KnowledgeRostersStudy, Parameter(name="*")] = _USUAL,
    plot: PlotFile = None,
    output: Path = Path("runs/benchmarks/study-knowledge-rosters.jsonl"),
    fresh: bool = False,
) -> int:
    """What rules in the loss are worth on rosters with 10 to 300 past plans.

    Networks on the model graph learn from past plans alone (none), with what the bounds of the rows rule out (sbr), or
    with rows through the straight-through estimator (ste). On new rosters, in which nobody may be missing: how many of
    the surest suggestions a plan extends, how many can be fixed blindly, and the failures and the gap of a dive. Beside
    them: counting the same past plans, the linear relaxation (lp), random numbers, and CP-SAT's first plan.

    A training that was interrupted, by Ctrl-C or kill -9, goes on from its last checkpoint in --runs.

        python -m benchmarks study knowledge-rosters --seeds 1 --plans 10 30

    Args:
        options: what to run
        plot: draw suggestions and failures by past plans
        output: results
        fresh: measure again what the file already holds
    """
    return measure(lambda: study.jobs(options), summary, output, fresh, plot=plot, runs=options.runs)
