"""``nnsearch history export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from google.protobuf import text_format

from nnsearch.cli.history.listing import STORE
from nnsearch.cli.history.solution_files import TEXT_ENDINGS, written
from nnsearch.cli.solution_file import distinct_names
from nnsearch.errors import ConfigError
from nnsearch.history.recording import message_of
from nnsearch.history.store import Store
from nnsearch.output_file import check_output_file, replacing


def export_solve(
    store: Annotated[str, STORE],
    number: Annotated[int, Parameter(metavar="NUMBER")],
    /,
    *,
    model: Annotated[str | None, Parameter(metavar="FILE")] = None,
    solution: Annotated[str | None, Parameter(metavar="FILE")] = None,
) -> int:
    """Write the model and the solutions of a past solve to files, which nnsearch history add reads.

    Args:
        store: a SQLite file, or postgresql://USER@HOST/DATABASE
        number: of the solve, as listed
        model: a CpModelProto, as text if the file ends in .pbtxt, .textproto or .txt, else binary
        solution: a CpSolverResponse with all solutions, likewise, or if it ends in .csv the best one's names and values
    """
    if model is None and solution is None:
        raise ConfigError("expected --model or --solution, got neither; say what to write")
    for option, file in (("--model", model), ("--solution", solution)):
        if file is not None:
            check_output_file(Path(file), option)
    with Store(store, make=False) as opened:
        solve = opened.load(number)
        content = opened.model(number)
    if solution is not None and not solve.solutions:
        raise ConfigError(f"expected a solve with a solution, got number {number} without; leave out --solution")
    if model is not None:
        as_text = Path(model).suffix.lower() in TEXT_ENDINGS
        _write(model, text_format.MessageToBytes(message_of(content, opened.name)) if as_text else content)
    if solution is not None:
        _write(solution, written(solve, distinct_names(solve.names), Path(solution).suffix.lower()))
    return 0


def _write(file: str, content: bytes) -> None:
    with replacing(Path(file)) as opened:
        opened.write(content)
