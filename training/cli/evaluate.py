"""``python -m training evaluate``."""

from __future__ import annotations

import json
import sys
from typing import Annotated

from cyclopts import App, Parameter

from nnsearch.cli.command_line import DONE
from nnsearch.errors import ConfigError
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.scorers.onnx import OnnxScorer
from training.config import at_least
from training.data.feasibility import measure_on_squares

app = App(name="evaluate")


@app.default
def evaluate(
    models: Annotated[list[str], Parameter(metavar="MODEL...")],
    /,
    *,
    states: int = 10_000,
    squares: int = 1_000,
    seed: int = 20_000,
    json_lines: Annotated[bool, Parameter(name="--json", show_default=False)] = False,
) -> int:
    """Measure the feasibility of exported networks on fresh squares.

    How often can the suggested assignment of a network be completed (Algorithm 2 of the paper)? On partial solutions of
    freshly sampled squares (orders up to 6 have so few that some were trained on), for every propagation at test time.
    rnd is a uniform random suggestion, by its exact expectation. For curves and plots:
    python -m benchmarks feasibility.

    Args:
        models: name of a pretrained network, or an .onnx file
        states: partial solutions to test on
        squares: fresh squares they come from
        seed: seed of the squares
        json_lines: one JSON object per line instead of a table
    """
    scorers = [OnnxScorer(model) for model in models]
    for scorer in scorers:
        if scorer.metadata.problem != LatinSquare.name:
            raise ConfigError(
                f"{scorer.path}: expected a network for {LatinSquare.name}, got {scorer.metadata.problem}"
            )
    at_least(1).check("--states", states)
    at_least(1).check("--squares", squares)
    rows = measure_on_squares(scorers, states, squares, seed)
    if json_lines:
        sys.stdout.writelines(json.dumps(row) + "\n" for row in rows)
        return DONE
    titles = ("free choice: mean worst (at)", "fixed cell: mean worst (at)")
    sys.stdout.write(f"{'arm':24} {'order':>5} {'propagation':>11}   {titles[0]:>28}   {titles[1]:>27}\n")
    for row in rows:
        free, fixed = (
            f"{row[f'{question}_mean']:.3f} {row[f'{question}_worst']:.3f} ({row[f'{question}_worst_filled']})"
            for question in ("free_choice", "fixed_cell")
        )
        sys.stdout.write(f"{row['arm']:24} {row['order']:>5} {row['propagation']:>11}   {free:>28}   {fixed:>27}\n")
    return DONE
