"""From a folder of models, or a history, to a network that solves new ones, through the command lines as typed."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ortools.sat.python import cp_model
from past_solves import load, record_load

from nnsearch.cli import main as solver_cli
from nnsearch.cpsat import CpSolver
from nnsearch.problems import read_problem
from training.__main__ import main
from training.data import model_solutions
from training.data.solved_models import solutions_file

pytestmark = pytest.mark.slow

Capture = pytest.CaptureFixture[str]
FEW_STEPS = ["train.steps=4", "train.evaluate_every=2", "train.threads=1", "network.rounds=1", "network.hidden=4"]
QUICK = [word for pair in FEW_STEPS for word in ("--set", pair)] + ["--device", "cpu"]


def write(folder: Path, *models: cp_model.CpModel) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"m{number}.pb" for number in range(len(models))]
    for model, path in zip(models, paths, strict=True):
        model.export_to_file(str(path))
    return paths


def market(minimised: bool) -> cp_model.CpModel:
    """Split four markets in exact halves: nobody can in any time that a test has."""
    rng, model = np.random.default_rng(0), cp_model.CpModel()
    taken = [model.new_bool_var(f"x{i}") for i in range(30)]
    for _ in range(4):
        demand = rng.integers(0, 100, len(taken)).tolist()
        model.add(2 * cp_model.LinearExpr.weighted_sum(taken, demand) == sum(demand) // 2 * 2)
    if minimised:
        model.minimize(sum(taken))
    return model


def cover(maximise: bool) -> cp_model.CpModel:
    """Cover 30 things by some of 40 sets, as cheaply as possible."""
    rng, model = np.random.default_rng(1), cp_model.CpModel()
    taken = [model.new_bool_var(f"x{i}") for i in range(40)]
    for _ in range(30):
        model.add_bool_or([taken[i] for i in rng.choice(40, 5, replace=False)])
    cost = cp_model.LinearExpr.weighted_sum(taken, rng.integers(5, 100, 40).tolist())
    if maximise:
        model.maximize(-cost)
    else:
        model.minimize(cost)
    return model


def nothing() -> cp_model.CpModel:
    """A model without a solution."""
    model = cp_model.CpModel()
    model.add(model.new_bool_var("x") + model.new_bool_var("y") == 3)
    return model


def solved(models: Path, capsys: Capture, *options: str) -> str:
    capsys.readouterr()
    assert main(["solve", "--models", str(models), "--seconds", "5", "--workers", "1", *options]) == 0
    return capsys.readouterr().out


def test_from_models_to_a_network_that_solves_new_ones(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("loads"), *map(load, range(4)), cover(maximise=False))  # one network may learn from several families
    assert main(["fit", "--models", "loads", "--out", "run", *QUICK]) == 2
    assert "make them: python -m training solve --models loads --seconds 60" in capsys.readouterr().err
    assert "learn from them: python -m training fit --models loads\n" in solved(Path("loads"), capsys)
    assert main(["fit", "--models", "loads", "--out", "run", *QUICK]) == 0
    assert "use it: nnsearch solve INSTANCE --model run/loads.onnx" in capsys.readouterr().out
    (new,) = write(Path("new"), load(7))
    assert solver_cli.main(["solve", str(new), "--model", "run/loads.onnx", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["status"], result["model"]) == ("OPTIMAL", "loads")
    assert read_problem(str(new)).is_solution(result["solution"])
    solver = CpSolver("run/loads.onnx", on_error="raise")
    solver.parameters.num_workers = 1
    assert solver.solve(load(7)) == cp_model.OPTIMAL
    assert solver.objective_value == result["objective_value"]
    assert solver.solve(cover(maximise=True)) == cp_model.OPTIMAL


def test_from_a_history_to_a_network(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record_load("plans.db", nothing(), family="loads")  # has nothing to learn from
    for number in range(3):
        record_load("plans.db", load(number))
        record_load("plans.db", load(number, room=9), family="small loads")
    assert main(["fit", "--history", "plans.db", "--out", "all", *QUICK]) == 0
    assert "1 held-out models of 6: " in capsys.readouterr().out
    few = ["--set", "data.family=small loads"]
    assert main(["fit", "--history", "plans.db", "--out", "few", *QUICK, *few]) == 0
    assert "1 held-out models of 3: " in capsys.readouterr().out
    (new,) = write(Path("new"), load(7))
    assert solver_cli.main(["solve", str(new), "--model", "few/family.onnx", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "OPTIMAL"
    assert main(["fit", "--history", "plans.db", "--out", "none", *QUICK, "--set", "data.family=none"]) == 2
    assert "plans.db: expected past solves with solutions, found none" in capsys.readouterr().err


@pytest.mark.parametrize("maximise", [True, False])
def test_the_best_solutions_and_worse_ones_are_kept(maximise: bool, tmp_path: Path, capsys: Capture) -> None:
    (path,) = write(tmp_path / "covers", cover(maximise))
    assert "of 1 models (1 optimal); 0 had solutions before" in solved(path.parent, capsys, "--seeds", "2")
    with np.load(solutions_file(path)) as arrays:
        solutions, objectives = arrays["solutions"], arrays["objectives"]
    problem = read_problem(str(path))
    assert all(problem.is_solution(solution) for solution in solutions.tolist())
    assert len(np.unique(solutions, axis=0)) == len(solutions)
    solver = cp_model.CpSolver()
    solver.solve(problem.build()[0])
    assert objectives[0] == solver.objective_value
    assert (np.diff(objectives) * (-1 if maximise else 1) >= 0).all()
    assert objectives[-1] != objectives[0]


def test_of_many_solutions_some_are_kept_from_the_best_to_the_worst(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = write(tmp_path / "covers", cover(maximise=False))
    solved(path.parent, capsys)
    with np.load(solutions_file(path)) as arrays:
        best = arrays["objectives"][0]
    solutions_file(path).unlink()
    monkeypatch.setattr(model_solutions, "_KEPT", 4)
    assert f"{path.parent}: 4 solutions of 1 models" in solved(path.parent, capsys)
    with np.load(solutions_file(path)) as arrays:
        objectives = arrays["objectives"]
    assert objectives[0] == best
    assert objectives[3] > best


def test_models_with_solutions_are_left_alone_and_those_without_one_are_named(tmp_path: Path, capsys: Capture) -> None:
    easy, impossible = write(tmp_path / "mixed", load(0), nothing())
    text = solved(tmp_path / "mixed", capsys)
    assert "no solution of 1: m1.pb (INFEASIBLE)" in text
    assert not solutions_file(impossible).exists()
    before = solutions_file(easy).stat()
    assert "0 solutions of 0 models (0 optimal); 1 had solutions before" in solved(tmp_path / "mixed", capsys)
    assert solutions_file(easy).stat() == before


def test_a_damaged_file_costs_the_others_nothing(tmp_path: Path, capsys: Capture) -> None:
    bad, good = write(tmp_path / "mixed", load(0), load(1))
    bad.write_bytes(b"\xff\xff nothing")
    text = solved(tmp_path / "mixed", capsys)
    assert f"no solution of 1: {bad}: expected " in text
    assert solutions_file(good).exists()


@pytest.mark.parametrize("minimised", [True, False], ids=["led by the relaxation", "by CP-SAT"])
def test_ctrl_c_keeps_what_was_written(minimised: bool, tmp_path: Path, capsys: Capture) -> None:
    easy, hard = write(tmp_path / "mixed", load(0), market(minimised))

    def press() -> None:
        while not solutions_file(easy).exists():
            time.sleep(0.01)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    assert main(["solve", "--models", str(tmp_path / "mixed"), "--seconds", "60", "--workers", "1"]) == 130
    pressing.join()
    assert "interrupted; 1 of 2 models have solutions, the same command goes on" in capsys.readouterr().err
    assert sorted(path.name for path in hard.parent.iterdir()) == ["m0.pb", "m0.solutions.npz", "m1.pb"]


def no_models(folder: Path) -> None:
    folder.mkdir()


def no_folder(folder: Path) -> None:
    pass


def impossible(folder: Path) -> None:
    write(folder, nothing(), nothing())


def damaged(folder: Path) -> None:
    folder.mkdir()
    (folder / "m.pb").write_bytes(b"\xff\xff nothing")


@pytest.mark.parametrize(
    ("prepared", "options", "message"),
    [
        (no_folder, [], "F: expected a folder of models (*.pb, *.binpb, *.pbtxt, *.textproto), found none"),
        (no_models, [], "F: expected a folder of models (*.pb, *.binpb, *.pbtxt, *.textproto), found none"),
        (impossible, [], "found none of m0.pb (INFEASIBLE), m1.pb (INFEASIBLE); choose more --seconds"),
        (damaged, [], "F/m.pb: expected "),
        (impossible, ["--seconds", "0"], "--seconds: expected above 0, got 0.0"),
        (impossible, ["--seeds", "0"], "--seeds: expected 1 or more, got 0"),
        (impossible, ["--workers", "0"], "--workers: expected 1 or more, got 0"),
    ],
)
def test_bad_input_is_one_line(
    prepared: Callable[[Path], None],
    options: list[str],
    message: str,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    prepared(Path("F"))
    seconds = [] if "--seconds" in options else ["--seconds", "5"]
    assert main(["solve", "--models", "F", *seconds, *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.rglob("*.npz"))
