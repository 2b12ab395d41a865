"""``nnsearch history replay``."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from nnsearch.cli.history.listing import FAMILY, STORE, minute
from nnsearch.cli.run_progress import RunProgress
from nnsearch.cli.search_flags import SWITCH
from nnsearch.history.store import Store
from nnsearch.trial.arms import TrialRun
from nnsearch.trial.history_replay import HistoryWorth, Replay, find_line_up, keep_line_up, replay_history

_COLUMNS = f"{'seconds':>9} {'objective':>14} {'first':>7}"


def replay_store(
    store: Annotated[str, STORE],
    /,
    *,
    family: Annotated[str | None, FAMILY] = None,
    last: Annotated[int, Parameter(metavar="K")] = 5,
    seconds: Annotated[float, Parameter(metavar="S")] = 10.0,
    workers: Annotated[int | None, Parameter(metavar="N")] = None,
    seeds: Annotated[tuple[int, ...], Parameter(consume_multiple=True, metavar="N")] = (1,),
    line_up: Annotated[bool, SWITCH] = False,
) -> int:
    """Solve the last instances of a family again, with the history before each and without: what is history worth?

    With --line-up the question is what CP-SAT's subsolvers are worth that brought most improvements so far, beside
    history; the answer is kept for CpSolver(history=..., line_up=True), which goes by it where it is a clear yes.

    The rest of the history stays as it is. After Ctrl-C what was measured so far is printed. The ratio is what a solve
    costs with history over what it costs without: seconds where either has proved its answer, else the primal integral.

    Args:
        store: a SQLite file, or postgresql://USER@HOST/DATABASE
        family: of these models (default: the one that was solved last)
        last: how many instances, of those with a solution and an earlier solve
        seconds: time limit of each run; there are two for each instance and seed
        workers: of each run (default: the processors that this process may use)
        seeds: of CP-SAT, two runs of each instance for each
        line_up: ask what the subsolvers are worth that brought most, beside history
    """
    progress = RunProgress()
    replays: list[Replay] = []
    what, columns = ("the line-up", "with the line-up") if line_up else ("history", "with history")
    with Store(store, make=False) as opened:
        try:
            chosen: tuple[str, ...] = ()
            if line_up:
                chosen = find_line_up(opened, family, last=last, seconds=seconds, workers=workers, on_run=progress)
                progress.wipe()
                sys.stdout.write(f"line-up: {' '.join(chosen)}\n")
            for one in replay_history(
                opened,
                family,
                last=last,
                seconds=seconds,
                workers=workers,
                seeds=seeds,
                line_up=chosen,
                on_run=progress,
            ):
                progress.wipe()
                if not replays:
                    sys.stdout.write(f"{'':32}{columns:>32} | {'without':>32} |\n")
                    sys.stdout.write(
                        f"{'number':>8}  {'ended':16} {'seed':>4} {_COLUMNS} | {_COLUMNS} | {'ratio':>6}\n"
                    )
                replays.append(one)
                sys.stdout.write(
                    f"{one.number:8}  {minute(one.ended)} {one.seed:4} {_run(one.tried, one.optimises)} | "
                    f"{_run(one.without, one.optimises)} | {one.ratio:6.2f}\n"
                )
                sys.stdout.flush()
        finally:
            progress.wipe()
            if replays:
                sys.stdout.write(f"\n{HistoryWorth(replays, what)}\n")
        if line_up:
            kept = keep_line_up(opened, family, chosen, HistoryWorth(replays, what), workers)
            sys.stdout.write(f"kept: {'use it' if kept.helps else 'do not use it'} with {kept.workers} workers\n")
    return 0


def _run(run: TrialRun, optimises: bool) -> str:
    """Return seconds, with > where nothing was proved by then, the last objective, and seconds to the first one."""
    seconds = f"{'' if run.decided else '>'}{run.seconds:.2f}"
    if not run.solutions:
        return f"{seconds:>9} {'none':>14} {'none':>7}"
    objective = f"{run.solutions[-1][1]:.12g}" if optimises else "-"
    return f"{seconds:>9} {objective:>14} {run.solutions[0][0]:7.2f}"
