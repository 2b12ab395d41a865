"""``python -m training solve``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from nnsearch.cli.command_line import DONE, INTERRUPTED
from nnsearch.errors import PoolError
from nnsearch.output_file import check_output_folder
from training.cli.command_line import Ray
from training.config import above, at_least
from training.data.model_solutions import SolveModel, solve_models
from training.data.solved_models import model_files, solutions_file

app = App(name="solve")


@app.default
def solve(
    *,
    models: Annotated[Path, Parameter(metavar="FOLDER")],
    seconds: float,
    seeds: int = 1,
    workers: int = 2,
    ray: Ray = None,
) -> int:
    """Solve the models of a folder, so that a network can learn from their solutions.

    The solutions of NAME.pb are written beside it, to NAME.solutions.npz: the best ones, and worse ones that were found
    on the way, which show what to avoid. fit --models FOLDER trains on them. Models that have solutions are left out,
    so the same command goes on after Ctrl-C or a crash.

        python -m training solve --models plans --seconds 60
        python -m training fit --models plans

    Args:
        models: a folder of models of one family (NAME.pb, .binpb, .pbtxt or .textproto)
        seconds: time for each model and seed, less where the optimum is proved
        seeds: how often to solve each model; other seeds find other solutions
        workers: threads of CP-SAT
        ray: a Ray cluster, to files of the same names (default: this process): each model is a task, and the folder has
            to be one that all machines see; auto is the cluster that this machine is part of, else a new one on this
            machine alone
    """
    above(0).check("--seconds", seconds)
    at_least(1).check("--seeds", seeds)
    at_least(1).check("--workers", workers)
    files = model_files(models)
    check_output_folder(models, "--models")
    before = sum(solutions_file(file).exists() for file in files)
    unsolved: list[str] = []
    trouble = ""
    solved = optimal = solutions = 0
    try:
        for file, found in solve_models(files, SolveModel(seconds, seeds, workers), workers, ray):
            if not len(found.solutions):
                unsolved.append(found.trouble or f"{file.name} ({found.status})")
                trouble = trouble or found.trouble
                continue
            solved += 1
            optimal += found.status == "OPTIMAL"
            solutions += len(found.solutions)
    except KeyboardInterrupt:
        sys.stderr.write(
            f"\ninterrupted; {before + solved} of {len(files)} models have solutions, the same command goes on with "
            "the others\n"
        )
        return INTERRUPTED
    if not before + solved and trouble:
        raise PoolError(trouble)
    if not before + solved:
        raise PoolError(
            f"{models}: expected solutions of some model in {seconds:g} s each, found none of {', '.join(unsolved[:5])}"
            f"{', ...' * (len(unsolved) > 5)}; choose more --seconds"
        )
    sys.stdout.write(
        f"{models}: {solutions} solutions of {solved} models ({optimal} optimal); {before} had solutions before\n"
    )
    if unsolved:
        sys.stdout.write(f"no solution of {len(unsolved)}: {', '.join(unsolved)}\n")
    sys.stdout.write(f"learn from them: python -m training fit --models {models}\n")
    return DONE
