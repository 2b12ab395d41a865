"""``nnsearch advise``."""

from __future__ import annotations

import sys
from json import dumps
from typing import Annotated, Literal

from cyclopts import App, Parameter

from nnsearch.cli.run_progress import RunProgress
from nnsearch.cli.search_flags import SWITCH
from nnsearch.problems import PROBLEMS, read_problem
from nnsearch.trial.advise import advise

app = App(name="advise")


@app.default
def show_verdict(
    instance: str,
    /,
    *,
    problem: Literal[tuple(PROBLEMS)] | None = None,  # type: ignore[valid-type]
    colours: Annotated[int | None, Parameter(metavar="K")] = None,
    model: Annotated[tuple[str, ...], Parameter(consume_multiple=True, metavar="NAME|PATH")] = (
        "bp",
        "universal",
        "lp",
    ),
    time_limit: float = 5.0,
    seeds: Annotated[tuple[int, ...], Parameter(consume_multiple=True, metavar="N")] = (1, 2, 3),
    workers: Annotated[int | None, Parameter(metavar="N")] = None,
    json: Annotated[bool, SWITCH] = False,
) -> int:
    """Say whether a learned search helps with a model: what it can read, what it says, a short trial, the line to use.

    Args:
        instance: as for nnsearch solve
        problem: problem family (default: the one that the file tells)
        colours: number of colours, for graph-colouring
        model: pretrained networks, .onnx files, or lp, the linear relaxation of a model with an objective, to try
        time_limit: seconds of each run; there is one for each seed of CP-SAT, of it with linearization level 2 where
            there is an objective, of HiGHS where the model is linear, and of the drop-in solver and dives with each
            network that has something to say
        seeds: of CP-SAT, a run of each arm for each; the two best arms, where they were better than CP-SAT, run against
            it again with as many other seeds, so that luck is not taken for a gain
        workers: of each arm (default: the processors that this process may use)
        json: print one JSON object
    """
    asked, _ = read_problem(instance, problem, colours).build()
    progress = RunProgress()
    verdict = advise(asked, model, seconds=time_limit, seeds=seeds, workers=workers, on_run=progress)
    progress.wipe()
    if json:
        runs = {
            one.arm.name: {"ratio": one.ratio, "decided": sum(run.decided for run in one.runs), "code": one.arm.code}
            for one in verdict.comparisons
        }
        scorers = {look.name: look.says for look in verdict.looks}
        record = {"reading": list(verdict.reading), "scorers": scorers, "arms": runs, "code": verdict.code}
        sys.stdout.write(dumps(record) + "\n")
    else:
        sys.stdout.write(f"{verdict}\n")
    return 0
