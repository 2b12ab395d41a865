from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ortools.sat.python import cp_model
from stand_ins import PATIENCE

from benchmarks.__main__ import main
from benchmarks.instances.families import FAMILIES, Part, Scale
from benchmarks.instances.zoo import BrokenRuleError, ZooModel
from nnsearch.problems import read_problem

VARYING = {"timetables", "flexible-shops"}
"""Families in which the data say what lessons there are, and what an operation may be done on."""

Capture = pytest.CaptureFixture[str]


def tiny(name: str, part: Part = Part.TRAINING, seed: int = 0, number: int = 0) -> ZooModel:
    return FAMILIES[name].build(Scale.TINY, part, seed, number)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_checker_accepts_a_solution_and_refuses_a_broken_one(name: str) -> None:
    drawn = tiny(name)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = PATIENCE
    assert solver.solve(drawn.model) == cp_model.OPTIMAL
    assert drawn.check(solver.value) == solver.objective_value
    values = list(solver.response_proto.solution)
    refused = 0
    for index in range(len(values)):
        domain = list(drawn.model.proto.variables[index].domain)
        other = [*values[:index], domain[0] + domain[-1] - values[index], *values[index + 1 :]]
        try:
            drawn.check(lambda variable, other=other: other[variable.index])  # type: ignore[misc]
        except BrokenRuleError:
            refused += 1
    assert refused


def test_instances_of_a_family_differ_and_have_the_same_names() -> None:
    for name in FAMILIES:
        several = [
            tiny(name, *which) for which in ((), (Part.TRAINING, 0, 1), (Part.TRAINING, 1, 0), (Part.TEST, 0, 0))
        ]
        assert len({str(drawn.model.proto) for drawn in several}) == len(several), name
        if name not in VARYING:
            names = {tuple(variable.name for variable in drawn.model.proto.variables) for drawn in several}
            assert len(names) == 1, name
        assert all(drawn.model.name == name for drawn in several)


def test_instances_are_the_same_in_every_process() -> None:
    program = (
        "from benchmarks.instances.families import *\n"
        "for family in FAMILIES.values(): print(family.build(Scale.TINY, Part.TEST, 3, 2).model.proto)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == "".join(f"{tiny(name, Part.TEST, 3, 2).model.proto}\n" for name in FAMILIES)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_each_size_has_four_times_the_variables(name: str) -> None:
    drawn = [FAMILIES[name].build(scale, Part.TEST, 0, 0).model for scale in (Scale.TINY, Scale.X1, Scale.X4)]
    assert all(model.validate() == "" for model in drawn)
    few, some, many = (len(model.proto.variables) for model in drawn)
    assert few < some / 4
    assert 3.5 < many / some < 4.5


def call(*words: object) -> int:
    return main([str(word) for word in words])


def test_a_folder_of_models(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "new" / "covers"
    command = ["family", "set-cover", "--size", "tiny", "--out", folder]
    assert call(*command, "--count", 2) == 0
    assert "2 models of set-cover, tiny, seed 0" in capsys.readouterr().out
    assert call(*command, "--count", 3) == 0
    assert sorted(path.name for path in folder.iterdir()) == [f"set-cover-000{number}.pb" for number in range(3)]
    read = read_problem(folder / "set-cover-0002.pb")
    assert str(read.build()[0].proto) == str(tiny("set-cover", number=2).model.proto)
    before = (folder / "set-cover-0000.pb").read_bytes()
    for words, error in (
        (["--seed", 1], "set-cover-0000.pb: expected no other model there"),
        (["--seed", -1], "--seed: expected 0 or more, got -1"),
        (["--count", 0], "--count: expected 1 or more, got 0"),
    ):
        assert call(*command, *words) == 2
        assert error in capsys.readouterr().err
    assert (folder / "set-cover-0000.pb").read_bytes() == before
    assert len(list(folder.iterdir())) == 3
