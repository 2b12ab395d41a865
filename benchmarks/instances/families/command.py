"""``python -m benchmarks family``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from ortools.sat.python import cp_model
from tqdm import tqdm

from benchmarks.instances.families import FAMILIES, Part, Scale
from nnsearch.cli.command_line import DONE, INTERRUPTED
from nnsearch.errors import ConfigError
from nnsearch.output_file import check_output_folder

app = App(name="family")


@app.default
def family(
    name: Literal[tuple(FAMILIES)],  # type: ignore[valid-type]
    /,
    *,
    out: Annotated[Path, Parameter(metavar="FOLDER")],
    size: Scale = Scale.X1,
    count: int = 60,
    seed: int = 0,
) -> int:
    """Write a family of instances as a folder of models, CpModelProto files that a network can learn from.

    The files are NAME-0000.pb, NAME-0001.pb and so on. What means the same has the same name in all of them, and
    differs in its data. The same command writes the same models, and a larger count more of them. No seed gives an
    instance of those that python -m benchmarks optimise solves, which are drawn apart.

        python -m benchmarks family set-cover --count 60 --out runs/set-cover
        python -m benchmarks family rosters --size x4 --count 10 --seed 1 --out runs/large-rosters

    Args:
        name: the family
        out: the folder
        size: x4 has about four times the variables of x1, x16 four times those; tiny is solved at once
        count: how many
        seed: another seed is another set of instances
    """
    for option, number, least in (("--count", count, 1), ("--seed", seed, 0)):
        if number < least:
            raise ConfigError(f"{option}: expected {least} or more, got {number}")
    check_output_folder(out, "--out")
    out.mkdir(parents=True, exist_ok=True)
    try:
        for number in tqdm(range(count), disable=None, unit=" models", leave=False):
            _write(FAMILIES[name].build(size, Part.TRAINING, seed, number).model, out / f"{name}-{number:04}.pb")
    except KeyboardInterrupt:
        sys.stderr.write(f"\ninterrupted; {out} keeps what was written, the same command goes on\n")
        return INTERRUPTED
    sys.stdout.write(f"{out}: {count} models of {name}, {size}, seed {seed}\n")
    return DONE


def _write(model: cp_model.CpModel, path: Path) -> None:
    """Write a model whole or not at all, never over another one."""
    unfinished = path.with_suffix(".tmp")
    try:
        if not model.export_to_file(str(unfinished)):
            raise ConfigError(f"{path}: expected a file that can be written; choose another folder")
        if path.exists() and path.read_bytes() != unfinished.read_bytes():
            raise ConfigError(f"{path}: expected no other model there, found one; choose another folder")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
