"""``nnsearch history add``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from ortools.sat import cp_model_pb2

from nnsearch.cli.history.listing import FAMILY, STORE
from nnsearch.cli.history.solution_files import Checked, claimed, completed, read_solutions
from nnsearch.cli.solution_file import distinct_names
from nnsearch.history.nearness import sketch
from nnsearch.history.past_solve import PastSolution, PastSolve
from nnsearch.history.recording import bytes_of, names_of
from nnsearch.history.store import Store
from nnsearch.model.prepared import PreparedModel
from nnsearch.problems.cp_model.reading import read_cp_model
from nnsearch.problems.files.source import Spec, error


def add_solutions(
    store: Annotated[str, STORE],
    model: Annotated[str, Parameter(metavar="MODEL")],
    solutions: Annotated[tuple[str, ...], Parameter(metavar="SOLUTION")],
    /,
    *,
    family: Annotated[str | None, FAMILY] = None,
) -> int:
    """Add a model that was solved elsewhere, with its solutions, which CP-SAT checks.

    Args:
        store: a SQLite file, or postgresql://USER@HOST/DATABASE; made when missing
        model: a CpModelProto, binary or as text, MPS or LP
        solutions: CpSolverResponse, binary or as text, or CSV whose first line is name,value; a CSV may leave out
            variables that CP-SAT can complete
        family: what such models are called (default: the model's name)
    """
    path = Path(model)
    (file,) = read_cp_model(Spec(path)).values()
    prepared = PreparedModel(file.model)
    names = names_of(prepared)
    known = distinct_names(names)
    found: dict[tuple[int, ...], Checked] = {}
    response: cp_model_pb2.CpSolverResponse | None = None
    for place in map(Path, solutions):
        read = read_solutions(place, known)
        response = response or read.response
        for partial in read.partial:
            checked = completed(file.model, partial)
            if checked is None:
                what = "a solution of the model" if len(partial) == len(names) else "values that CP-SAT can complete"
                raise error(place, None, f"expected {what}, got values that break its constraints")
            found[tuple(checked.values)] = checked
    best_first = _best_first(list(found.values()), prepared)
    status, bound = claimed(response, best_first[0])
    solve = PastSolve(
        family=prepared.proto.name if family is None else family,
        created=min(time.time(), max(Path(place).stat().st_mtime for place in solutions)),
        status=status,
        objective=best_first[0].objective,
        bound=bound,
        seconds=0.0 if response is None else response.wall_time,
        found_by=(response.solution_info if response is not None else "") or "a file",
        parameters="",
        names=names,
        solutions=tuple(PastSolution(np.array(one.values, dtype=np.int64), one.objective) for one in best_first),
    )
    with Store(store) as opened:
        number = opened.record(solve, bytes_of(prepared), sketch(prepared))
    sys.stdout.write(f"added as number {number}: {len(best_first)} solutions of {len(names)} variables\n")
    return 0


def _best_first(found: list[Checked], model: PreparedModel) -> list[Checked]:
    objective = model.objective
    if objective is None:
        return found
    return sorted(found, key=lambda one: one.objective or 0.0, reverse=objective.maximises)
