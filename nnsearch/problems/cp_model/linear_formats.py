"""Readers of MPS and of lp_solve's LP, by OR-Tools' own importers."""

from __future__ import annotations

import math
import os
import re
import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from ortools.linear_solver.linear_solver_pb2 import MPModelProto
from ortools.linear_solver.python import model_builder
from ortools.math_opt.io.python import mps_converter

from nnsearch.problems.cp_model.mixed_integer import DecimalRow, MixedIntegerProgram
from nnsearch.problems.files.source import error, shown

_STRUCTURE = re.compile(r"^(?:NAME|ROWS|OBJSENSE)\b", re.MULTILINE)
_SENSE = re.compile(r"\s*(?:max|min)(?:imi[sz]e)?\b(?!\s*:\s*(?:true|false)\b)", re.IGNORECASE)
_EXACT_DIGITS = 15  # of a decimal, which a double holds
_COMMENTS = re.compile(r"^\s*(?:\*|\\|//)[^\n]*|/\*.*?\*/", re.MULTILINE | re.DOTALL)


def looks_like_mps(text: str) -> bool:
    """Tell whether a text begins with a section of MPS."""
    return _STRUCTURE.match(_COMMENTS.sub("", text[:10_000]).lstrip()) is not None


def looks_like_lp(text: str) -> bool:
    """Tell whether a text begins with an objective, as LP does in all its dialects."""
    return _SENSE.match(_COMMENTS.sub("", text[:10_000])) is not None


def read_mps(path: Path, text: str) -> MixedIntegerProgram:
    """Read MPS, fixed or free.

    Raises:
        InstanceError: The text is malformed, or holds more than linear rows.
    """
    try:
        proto = mps_converter.mps_to_model_proto(text)
    except Exception as problem:  # a RuntimeError; once MathOpt is imported StatusNotOk, with the code at the end
        said = re.sub(r"^\w+: | \[\w+\]$", "", str(problem))
        found = re.fullmatch(r'(.*?);?\s*(?:Line (\d+): "(.*)"\.?)?', said, re.DOTALL)
        reason, line, got = found.groups() if found else (str(problem), None, None)
        told = reason.split(" Constraint proto:")[0].split(" Variable proto:")[0].rstrip(". ")
        what = f", got {shown(got.strip())}" if got else ""
        raise error(path, int(line) if line else None, f"expected MPS{what} ({told[:150]})") from None
    variables, rows, matrix = proto.variables, proto.linear_constraints, proto.linear_constraint_matrix
    kinds = (proto.objective.quadratic_coefficients.row_ids, proto.quadratic_constraints, proto.sos1_constraints)
    if any(map(len, (*kinds, proto.sos2_constraints, proto.indicator_constraints))):
        raise error(path, None, "expected linear rows and a linear objective, got quadratic ones, SOS or indicators")
    if not len(variables.ids):
        raise error(path, None, "expected MPS with variables, got none; a cut file?")
    terms: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for row, v, coefficient in zip(matrix.row_ids, matrix.column_ids, matrix.coefficients, strict=True):
        terms[row].append((v, coefficient))
    return MixedIntegerProgram(
        list(variables.names) or [""] * len(variables.ids),
        list(variables.lower_bounds),
        list(variables.upper_bounds),
        list(variables.integers),
        [
            DecimalRow(name, *_range(lower, upper), terms[row])
            for row, name, lower, upper in zip(rows.ids, rows.names, rows.lower_bounds, rows.upper_bounds, strict=True)
        ],
        list(zip(proto.objective.linear_coefficients.ids, proto.objective.linear_coefficients.values, strict=True)),
        proto.objective.offset,
        proto.objective.maximize,
    )


def read_lp(path: Path, text: str) -> MixedIntegerProgram:
    """Read LP in the dialect of lp_solve.

    Raises:
        InstanceError: The text is malformed or in CPLEX's dialect, or a variable has no lower bound, which the dialects
            take for different ones.
    """
    if ";" not in text:
        message = "expected LP as lp_solve has it (max: 3 x + y; ...), got CPLEX's dialect; write it as .mps"
        raise error(path, None, f"{message}, which every solver reads and writes")
    statements = _COMMENTS.sub("", text).split(";")  # the importer knows no comments
    with _silent_stderr():
        proto = _imported(statements)
        if proto is None:
            first = bisect_left(range(len(statements)), True, key=lambda n: _imported(statements[: n + 1]) is None)
            got = shown(statements[first].strip())
            raise error(path, None, f"expected LP as OR-Tools reads lp_solve's, got {got}; write it as .mps")
    for variable in proto.variable:
        if variable.lower_bound < 0 and variable.lower_bound == float("-inf"):
            raise error(path, None, f"expected a lower bound of every variable, {variable.name} has none; add it")
    return MixedIntegerProgram(
        [variable.name for variable in proto.variable],
        [variable.lower_bound for variable in proto.variable],
        [variable.upper_bound for variable in proto.variable],
        [variable.is_integer for variable in proto.variable],
        [
            DecimalRow(
                row.name, row.lower_bound, row.upper_bound, list(zip(row.var_index, row.coefficient, strict=True))
            )
            for row in proto.constraint
        ],
        [(v, variable.objective_coefficient) for v, variable in enumerate(proto.variable)],
        proto.objective_offset,
        proto.maximize,
    )


def _range(lower: float, upper: float) -> tuple[float, float]:
    """Return the bounds of a row as they are meant.

    MPS has a width in place of one of them, and what the importer adds up in doubles is not the sum of the decimals:
    -1 and 1.001 are .0009999999999998899. A bound is taken for a shorter decimal where that leads to the same double.
    """
    if math.isinf(upper - lower) or lower == upper:
        return lower, upper
    digits = _EXACT_DIGITS - 1 - math.floor(math.log10(max(abs(lower), abs(upper), upper - lower)))
    least, most = round(lower, digits), round(upper, digits)
    if most != upper and lower + float(Decimal(repr(most)) - Decimal(repr(lower))) == upper:
        return lower, most
    if least != lower and upper - float(Decimal(repr(upper)) - Decimal(repr(least))) == lower:
        return least, upper
    return lower, upper


def _imported(statements: list[str]) -> MPModelProto | None:
    builder = model_builder.Model()
    return builder.export_to_proto() if builder.import_from_lp_string(";".join(statements)) else None


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what OR-Tools' importer writes on standard error: the same as our own line, but not on one."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
