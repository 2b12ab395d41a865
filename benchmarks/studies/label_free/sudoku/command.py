"""``python -m benchmarks study label-free-sudoku``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.cli.measure import RESUME, measure
from benchmarks.studies.label_free.sudoku import study
from benchmarks.studies.label_free.sudoku.findings import summary

_USUAL = study.LabelFreeSudokuStudy()

label_free_sudoku = App(name="label-free-sudoku", help_epilogue=RESUME)


@label_free_sudoku.default
def run_label_free_sudoku(
    *,
    options: Annotated[study.LabelFreeSudokuStudy, Parameter(name="*")] = _USUAL,
    output: Path = Path("runs/benchmarks/study-label-free-sudoku.jsonl"),
    fresh: bool = False,
) -> int:
    """Sudokus of order 9 from the rules alone, by a network that never sees a solution.

    A weight-tied network on the candidate graph is trained on puzzles with the clause loss of Yang, Lee and Park
    (2022). Recorded for each seed: the shares of held-out boards that it completes at once and by iterated inference,
    beside singles alone and belief propagation; then of larger boards. With --labels, solutions of a share of the same
    puzzles add their cross-entropy.

    A training that was interrupted, by Ctrl-C or kill -9, goes on from its last checkpoint in --runs. Networks may be
    trained one at a time: a call with all of their --seeds and --labels prints them together.

        python -m benchmarks study label-free-sudoku --budget full --seeds 0
        python -m benchmarks study label-free-sudoku --budget full --labels 0 0.01 0.1 0.5 --processes 2

    Args:
        options: what to run
        output: results
        fresh: measure again what the file already holds
    """
    return measure(lambda: study.jobs(options), summary, output, fresh, processes=options.processes, runs=options.runs)
