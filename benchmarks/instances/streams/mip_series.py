"""The series of the MIP Workshop 2023 for solving again: in one the objective changes, in the other the bounds.

Each is a folder of models in the order of the series. Nothing is known of their data, so CP-SAT itself is the checker.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from benchmarks.instances.streams.stream import Stream, files, given
from benchmarks.instances.zoo.rules import require
from benchmarks.instances.zoo.zoo_model import Value, ZooModel
from nnsearch.model.variables import all_variables
from nnsearch.problems.cp_model.reading import read_cp_model
from nnsearch.problems.files.source import Spec

_STREAMS = 4
"""How many streams begin at places of a series that are equally far from each other."""


def mip_streams(kind: str, folder: Path | None, prefix: str) -> list[Stream[int]]:
    """Return the streams of the series whose files have a prefix; none without a folder."""
    series = [path for path in files(folder, "mipcc23", ".pb") if path.name.startswith(prefix)]
    firsts = range(0, len(series), max(1, len(series) // _STREAMS))

    def following(number: int, rng: Random) -> int:
        return (number + 1) % len(series)

    return [
        Stream(f"{kind}/{series[first].stem}", given(first), following, lambda n: read_mip(series[n]))
        for first in firsts
    ]


def read_mip(path: Path) -> ZooModel:
    """Read a model, with CP-SAT as the checker.

    Raises:
        InstanceError: it is not a CpModelProto.
    """
    file = read_cp_model(Spec(path))[path.stem]
    variables = all_variables(file.model)

    def check(value: Value) -> None:
        require(file.is_solution([value(variable) for variable in variables]), "CP-SAT accepts the solution")

    return ZooModel(file.model, check, satisfiable=None)
