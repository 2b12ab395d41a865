from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import text_format
from ortools.sat import cp_model_pb2
from ortools.sat.python import cp_model
from past_solves import past_solve, sketch_of, some_model

from nnsearch.cli.main import main
from nnsearch.history.store import Store
from nnsearch.result import Status

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def nnsearch(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``nnsearch history`` in a folder of its own; returns code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main(("history", *arguments))
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def load(tmp_path: Path) -> cp_model.CpModel:
    """Two amounts and their sum, to be made large, in ``load.pb``."""
    model = cp_model.CpModel()
    model.name = "load"
    x, y, total = model.new_int_var(0, 9, "x"), model.new_int_var(0, 9, ""), model.new_int_var(0, 18, "total, of all")
    model.add(x + y == total)
    model.add(total <= 12)
    model.maximize(total)
    model.add_hint(x, 1)
    model.export_to_file(str(tmp_path / "load.pb"))
    return model


def response(path: Path, *solutions: list[int], objective: float = 12.0) -> None:
    message = cp_model_pb2.CpSolverResponse(
        status=cp_model_pb2.OPTIMAL,
        solution=solutions[0],
        objective_value=objective,
        best_objective_bound=12.0,
        wall_time=2.5,
        solution_info="core",
    )
    for values in solutions:
        message.additional_solutions.add(values=values)
    text = path.suffix == ".pbtxt"
    path.write_bytes(text_format.MessageToBytes(message) if text else message.SerializeToString())


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    path = tmp_path / "plans.db"
    with Store(path) as store:
        for number in range(3):
            solve = past_solve(number, "rosters" if number == 2 else "jobs\x1b[31m")
            store.record(replace(solve, found_by="core\nand"), some_model(number), sketch_of(number))
    return path


def test_families_and_solves_are_listed_on_one_line_each(nnsearch: Run, plans: Path) -> None:
    code, out, err = nnsearch("list", "plans.db")
    assert (code, err) == (0, "")
    assert [line.split()[-1] for line in out.splitlines()] == ["family", r"jobs\x1b[31m", "rosters"]
    code, out, err = nnsearch("list", "plans.db", "--family", "rosters")
    assert (code, err) == (0, "")
    assert re.search(r"^ +3  2001-09-\d\d \d\d:\d\d  FEASIBLE +2 +- +1.5 +20 +2  core and$", out, re.MULTILINE)


def test_a_solve_is_shown(nnsearch: Run, plans: Path) -> None:
    code, out, _ = nnsearch("show", "plans.db", "3")
    assert code == 0
    assert "objective: 2\n" in out
    assert "start[19]" not in out
    code, out, _ = nnsearch("show", "plans.db", "3", "--values")
    assert out.endswith(f"start[19] = {past_solve(2).solutions[0].values[-1]}\n")


@pytest.mark.parametrize("verb", ["list", "show", "export", "prune", "replay"])
def test_a_history_that_is_not_there_is_not_made(nnsearch: Run, tmp_path: Path, verb: str) -> None:
    words = {"show": ["1"], "export": ["1", "--model", "x.pb"], "prune": ["--keep", "1"]}.get(verb, [])
    code, out, err = nnsearch(verb, "plans.db", *words)
    assert (code, out) == (2, "")
    assert err == "error: plans.db: expected a history, got nothing at this path; correct it\n"
    assert not (tmp_path / "plans.db").exists()


def test_pruning(nnsearch: Run, plans: Path) -> None:
    for words in ([], ["--keep", "-1"], ["--days", "-1"], ["--days", "nan"]):
        code, _, err = nnsearch("prune", "plans.db", *words)
        assert (code, err.count("\n"), err[:15]) == (2, 1, "error: expected")
    assert nnsearch("prune", "plans.db", "--keep", "1")[1] == "removed 1 solves\n"
    assert nnsearch("prune", "plans.db", "--days", "30", "--family", "rosters")[1] == "removed 1 solves\n"


def test_what_cannot_be_exported(nnsearch: Run, plans: Path) -> None:
    assert nnsearch("export", "plans.db", "1")[2].startswith("error: expected --model or --solution, got neither")
    assert nnsearch("export", "plans.db", "9", "--model", "x.pb")[2].startswith("error: plans.db: expected the number")
    assert nnsearch("export", "plans.db", "1", "--model", "no/such/x.pb")[2].count("\n") == 1
    assert nnsearch("export", "plans.db", "1", "--model", "x.txt")[2].startswith("error: plans.db: expected a CpModel")


@pytest.mark.parametrize("ending", [".pb", ".pbtxt"])
def test_a_response_is_added_and_exported(nnsearch: Run, load: cp_model.CpModel, tmp_path: Path, ending: str) -> None:
    response(tmp_path / f"s{ending}", [3, 9, 12], [1, 1, 2])
    code, out, err = nnsearch("add", "plans.db", "load.pb", f"s{ending}")
    assert (code, out, err) == (0, "added as number 1: 2 solutions of 3 variables\n", "")
    for number, (model, solution) in enumerate([("m.pb", "t.pb"), ("m.pbtxt", "t.pbtxt"), ("m.textproto", "t.csv")], 2):
        assert nnsearch("export", "plans.db", "1", "--model", model, "--solution", solution) == (0, "", "")
        assert nnsearch("add", "plans.db", model, solution)[0] == 0
        with Store("plans.db") as store:
            first, again = store.load(1), store.load(number)
            assert store.model(number) == store.model(1)
        kept = 1 if solution == "t.csv" else 2
        assert [one.values.tolist() for one in again.solutions] == [[3, 9, 12], [1, 1, 2]][:kept]
        assert [one.objective for one in again.solutions] == [12.0, 2.0][:kept]
        assert (again.family, again.names) == (first.family, first.names) == ("load", ("x", "", "total, of all"))
        if kept == 2:
            assert (again.status, again.bound, again.seconds, again.found_by) == (Status.OPTIMAL, 12.0, 2.5, "core")
        else:
            assert (again.status, again.bound) == (Status.FEASIBLE, None)
    with Store("plans.db") as store:
        assert not cp_model_pb2.CpModelProto.FromString(store.model(1)).HasField("solution_hint")


def test_a_csv_may_leave_out_what_can_be_completed(nnsearch: Run, load: cp_model.CpModel, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("name,value\nx,7\n")
    assert nnsearch("add", "plans.db", "load.pb", "s.csv", "--family", "trucks")[0] == 0
    with Store("plans.db") as store:
        solve = store.load(1)
    assert solve.solutions[0].values.tolist() == [7, 5, 12]
    assert (solve.family, solve.objective) == ("trucks", 12.0)


def test_solutions_of_several_files_are_one_solve_the_best_first(
    nnsearch: Run, load: cp_model.CpModel, tmp_path: Path
) -> None:
    (tmp_path / "s.csv").write_text('name,value\nx,1\nv1,1\n"total, of all",2\n')
    response(tmp_path / "s.pb", [4, 8, 12], [1, 1, 2])
    assert nnsearch("add", "plans.db", "load.pb", "s.csv", "s.pb")[:2] == (
        0,
        "added as number 1: 2 solutions of 3 variables\n",
    )
    with Store("plans.db") as store:
        assert [one.values.tolist() for one in store.load(1).solutions] == [[4, 8, 12], [1, 1, 2]]
        assert store.load(1).status is Status.OPTIMAL
        assert len(store.sketches("load")[0].sketch) > 1
    assert nnsearch("add", "plans.db", "load.pb")[0] == 2


def test_a_claim_that_does_not_fit_is_not_kept(nnsearch: Run, load: cp_model.CpModel, tmp_path: Path) -> None:
    response(tmp_path / "s.pb", [1, 1, 2], objective=12.0)
    assert nnsearch("add", "plans.db", "load.pb", "s.pb")[0] == 0
    with Store("plans.db") as store:
        assert (store.load(1).status, store.load(1).objective, store.load(1).bound) == (Status.FEASIBLE, 2.0, None)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("name,value\nx,7\nv1,9\n", "s.csv: expected values that CP-SAT can complete, got"),
        ('name,value\nx,1\nv1,1\n"total, of all",3\n', "s.csv: expected a solution of the model, got"),
        ("name,value\nx,77\n", "s.csv: expected values that CP-SAT can complete, got"),
        ("name,value\nz,7\n", 's.csv:2: expected the name of a variable of the model, got "z"'),
        ("name,value\nx,7.5\n", 's.csv:2: expected a whole number for "x", got "7.5"'),
        ("name,value\nx,7\nx,8\n", 's.csv:3: expected one value for "x", got two'),
        ("name,value\nx,7,8\n", "s.csv:2: expected name,value, got 3 columns"),
        ('name,value\n"x,7\n', "s.csv:2: expected lines of CSV, got"),
        ("", "s.csv: expected a solution: a CpSolverResponse, or a CSV"),
        ("status: OPTIMAL", "s.csv: expected a solution: a CpSolverResponse, or a CSV"),
        ("solution: [1, 2]", "s.csv: expected values of the model's 3 variables, got 2"),
        ("x = 7", "s.csv: expected a solution: a CpSolverResponse, or a CSV"),
    ],
)
def test_what_is_no_solution_is_refused(
    nnsearch: Run, load: cp_model.CpModel, tmp_path: Path, content: str, reason: str
) -> None:
    (tmp_path / "s.csv").write_text(content)
    code, out, err = nnsearch("add", "plans.db", "load.pb", "s.csv")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {reason}")
    assert not (tmp_path / "plans.db").exists()
