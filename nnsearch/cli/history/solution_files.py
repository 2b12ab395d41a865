"""Solutions in files: CP-SAT's own messages, binary or as text, and CSV with the columns ``name,value``."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from google.protobuf import text_format
from ortools.sat import cp_model_pb2
from ortools.sat.python import cp_model

from nnsearch.history.past_solve import PastSolve
from nnsearch.model.variables import fix
from nnsearch.plain_solver import plain_solver
from nnsearch.problems.cp_model.reading import parsed, text_of_file
from nnsearch.problems.files.source import error, integer, read_bytes, shown
from nnsearch.result import Status
from nnsearch.trial.timed_solve import timed_solve

TEXT_ENDINGS = (".pbtxt", ".textproto", ".txt")
_HEADER = ["name", "value"]
_EXPECTED = "expected a solution: a CpSolverResponse, or a CSV whose first line is name,value"
_COMPLETION_SECONDS = 60.0


class Checked(NamedTuple):
    """A solution that CP-SAT accepts.

    Attributes:
        values: V values.
        objective: as CP-SAT computes it, None without one.
    """

    values: list[int]
    objective: float | None


class FileOfSolutions(NamedTuple):
    """What a file says.

    Attributes:
        partial: of each solution, values by the index of the variable.
        response: the message, None of a CSV.
    """

    partial: list[dict[int, int]]
    response: cp_model_pb2.CpSolverResponse | None


def read_solutions(path: Path, names: Sequence[str]) -> FileOfSolutions:
    """Read a file of solutions.

    Args:
        path: the file.
        names: V names of variables, each of them once.

    Raises:
        InstanceError: it cannot be read, holds something else, or solutions of another model.
    """
    content = read_bytes(path)
    text = text_of_file(content)
    if text is not None and text.lstrip().partition("\n")[0].strip().split(",") == _HEADER:
        return FileOfSolutions([_read_csv(path, text, names)], None)
    response = parsed(cp_model_pb2.CpSolverResponse, content if text is None else text)
    if response is None or not content.strip():
        raise error(path, None, f"{_EXPECTED}, got something else")
    solutions = [list(one.values) for one in response.additional_solutions]
    best = list(response.solution)
    if best and best not in solutions:
        solutions.insert(0, best)
    if not solutions:
        raise error(path, None, f"{_EXPECTED}, got a response without a solution")
    for values in solutions:
        if len(values) != len(names):
            raise error(path, None, f"expected values of the model's {len(names)} variables, got {len(values)}")
    return FileOfSolutions([dict(enumerate(values)) for values in solutions], response)


def _read_csv(path: Path, text: str, names: Sequence[str]) -> dict[int, int]:
    index = {name: i for i, name in enumerate(names)}
    partial: dict[int, int] = {}
    lines = csv.reader(io.StringIO(text.lstrip(), newline=""), strict=True)
    try:
        for row in lines:
            line = lines.line_num
            if line == 1 or not row:
                continue
            if len(row) != 2:
                raise error(path, line, f"expected name,value, got {len(row)} columns")
            name, value = row[0], integer(row[1].strip())
            if name not in index:
                raise error(path, line, f"expected the name of a variable of the model, got {shown(name)}")
            if not isinstance(value, int):
                raise error(path, line, f"expected a whole number for {shown(name)}, got {shown(value)}")
            if partial.setdefault(index[name], value) != value:
                raise error(path, line, f"expected one value for {shown(name)}, got two")
    except csv.Error as problem:
        raise error(path, lines.line_num, f"expected lines of CSV, got: {problem}") from None
    return partial


def completed(model: cp_model.CpModel, partial: Mapping[int, int]) -> Checked | None:
    """Return the solution, or the best completion that CP-SAT finds within a minute; None if there is none.

    Args:
        model: it is not changed.
        partial: values by the index of the variable.
    """
    fixed = model.clone()
    fixed.clear_hints()
    for index, value in partial.items():
        variable = fixed.proto.variables[index]
        if not cp_model.Domain.from_flat_intervals(list(variable.domain)).contains(value):
            return None
        fix(variable, value)
    solver = plain_solver()
    solver.parameters.max_time_in_seconds = _COMPLETION_SECONDS
    solver.parameters.num_workers = 1
    status, _ = timed_solve(solver, fixed)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    objective = solver.objective_value + 0.0 if model.has_objective() else None
    return Checked(list(solver.response_proto.solution), objective)


def as_response(solve: PastSolve) -> cp_model_pb2.CpSolverResponse:
    """Return a past solve as CP-SAT says it, the best solution first and all of them in its pool."""
    response = cp_model_pb2.CpSolverResponse(
        status=cp_model_pb2.CpSolverStatus.Value(solve.status),
        wall_time=solve.seconds,
        solution_info=solve.found_by,
    )
    if solve.objective is not None:
        response.objective_value = solve.objective
    if solve.bound is not None:
        response.best_objective_bound = solve.bound
    for solution in solve.solutions:
        response.additional_solutions.add(values=solution.values.tolist())
    if solve.solutions:
        response.solution.extend(solve.solutions[0].values.tolist())
    return response


def written(solve: PastSolve, names: Sequence[str], ending: str) -> bytes:
    """Return a past solve as a file of an ending: .csv has the best solution alone."""
    if ending == ".csv":
        lines = io.StringIO(newline="")
        rows = csv.writer(lines, lineterminator="\n")
        rows.writerow(_HEADER)
        rows.writerows(zip(names, solve.solutions[0].values.tolist(), strict=True))
        return lines.getvalue().encode("utf-8", "surrogateescape")
    response = as_response(solve)
    return text_format.MessageToBytes(response) if ending in TEXT_ENDINGS else response.SerializeToString()


def claimed(response: cp_model_pb2.CpSolverResponse | None, best: Checked) -> tuple[Status, float | None]:
    """Return the status and bound of a file, as far as they fit the objective of the checked solution."""
    if best.objective is None:
        return Status.OPTIMAL, None
    if response is None or abs(response.objective_value - best.objective) > 1e-6 * max(1.0, abs(best.objective)):
        return Status.FEASIBLE, None
    optimal = response.status == cp_model_pb2.CpSolverStatus.Value("OPTIMAL")
    return Status.OPTIMAL if optimal else Status.FEASIBLE, response.best_objective_bound
