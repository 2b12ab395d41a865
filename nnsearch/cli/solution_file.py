"""The file of a solution, for other programs: JSON with every value by the name of its variable."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from nnsearch.output_file import replacing
from nnsearch.problems.problem import Problem
from nnsearch.result import SolveResult


def save_solution(path: Path, problem: Problem, result: SolveResult) -> None:
    """Write what a solve ended with, whole or not at all; ``values`` are null without a solution.

    A variable without a name is called by its position, as everywhere, and the second one of a name ``NAME#POSITION``.
    """
    values = None
    if result.solution is not None:
        model, _ = problem.build()
        names = distinct_names(variable.name for variable in model.proto.variables)
        values = dict(zip(names, result.solution, strict=True))
    content = {
        "instance": problem.name,
        "status": result.status,
        "objective": result.objective_value,
        "bound": result.best_objective_bound,
        "values": values,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write((json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def distinct_names(names: Iterable[str]) -> list[str]:
    """Return a name for each variable, and each name once, as files of solutions have them."""
    taken: dict[str, None] = {}
    for index, given in enumerate(names):
        name = given or f"v{index}"
        while name in taken:
            name += f"#{index}"
        taken[name] = None
    return list(taken)
