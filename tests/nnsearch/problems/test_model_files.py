"""Models in the files that people have, whatever their endings."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from ortools.linear_solver.python import model_builder
from ortools.sat.python import cp_model
from stand_ins import dzn, graph_network, latin_square, saved

from nnsearch.errors import InstanceError
from nnsearch.problems import read_problem
from nnsearch.problems.cp_model.problem import CpModelFile


def knapsack() -> cp_model.CpModel:
    model = cp_model.CpModel()
    x = [model.new_int_var(0, 3, f"x{i}") for i in range(3)]
    model.add(3 * x[0] + 5 * x[1] + 7 * x[2] <= 20)
    model.maximize(4 * x[0] + 7 * x[1] + 9 * x[2])
    return model


MPS = """* a knapsack
NAME knapsack
OBJSENSE
    MAX
ROWS
 N value
 L weight
COLUMNS
 M1 'MARKER' 'INTORG'
 x0 value 0.4 weight 0.3
 x1 value 0.7 weight 0.5
 x2 value 0.9 weight 0.7
 M1 'MARKER' 'INTEND'
RHS
 RHS weight 2
BOUNDS
 UP BND x0 3
 UP BND x1 3
 UP BND x2 3
ENDATA
"""
LP = """/* a knapsack */
max: 0.4 x0 + 0.7 x1 + 0.9 x2;
weight: 0.3 x0 + 0.5 x1 + 0.7 x2 <= 2;
x0 >= 0; x1 >= 0; x2 >= 0;
x0 <= 3; x1 <= 3; x2 <= 3;
int x0, x1, x2;
"""


def optimum(path: Path) -> float:
    problem = read_problem(path)
    assert isinstance(problem, CpModelFile)
    assert problem.name == "model"
    solver = cp_model.CpSolver()
    assert solver.solve(problem.model) == cp_model.OPTIMAL
    return float(solver.objective_value)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", [".pb", ".txt", ""])
@pytest.mark.parametrize("content", ["text", "binary", "mps", "lp"])
def test_the_content_tells_the_format(tmp_path: Path, content: str, ending: str, packed: bool) -> None:
    name = "model.txt" if content == "text" else "model.pb"
    knapsack().export_to_file(str(tmp_path / name))
    made = {"mps": MPS.encode(), "lp": LP.encode()}.get(content) or (tmp_path / name).read_bytes()
    for path in (tmp_path / f"model{ending}", tmp_path / f"model{ending}.gz"):
        path.write_bytes(gzip.compress(made) if packed else made)
        scale = 1 if content in ("text", "binary") else 10
        assert optimum(path) * scale == pytest.approx(27)


def test_the_problem_says_what_an_ending_leaves_open(tmp_path: Path) -> None:
    (tmp_path / "square.dzn.gz").write_bytes(gzip.compress(dzn(latin_square(3, 0)).encode()))
    assert read_problem(tmp_path / "square.dzn.gz").name == "square"
    (tmp_path / "board.txt").write_text("....\n")
    with pytest.raises(InstanceError, match=r"got \.txt; add --problem"):
        read_problem(tmp_path / "board.txt")


def written_by_model_builder(text: bool) -> bytes:
    model = model_builder.Model()
    model.maximize(model.new_int_var(0, 3, "x"))
    proto = model.export_to_proto()
    return str(proto).encode() if text else proto.SerializeToString()


def response(text: bool) -> bytes:
    from google.protobuf import text_format
    from ortools.sat import cp_model_pb2

    solver = cp_model.CpSolver()
    solver.solve(knapsack())
    proto = text_format.Parse(str(solver.response_proto), cp_model_pb2.CpSolverResponse())
    return str(proto).encode() if text else proto.SerializeToString()


def onnx(tmp_path: Path) -> bytes:
    saved(graph_network(), tmp_path / "network.onnx")
    return (tmp_path / "network.onnx").read_bytes()


FOUND = {
    "an empty file": b"\n ",
    "a zip archive; unpack it": b"PK\x03\x04\x00\x00",
    "an xz file; unpack it": b"\xfd7zXZ\x00\xff",
    "JSON, such as a solution of --out; give the model": json.dumps({"status": "OPTIMAL", "values": {}}).encode(),
    "a CpSolverResponse, which is a solution; give the model": response(text=False),
    "an MPModelProto; write it as .mps": written_by_model_builder(text=False),
}


@pytest.mark.parametrize("ending", [".pb", ".pbtxt.gz"])
@pytest.mark.parametrize("what", FOUND)
def test_what_is_no_model_is_named(tmp_path: Path, what: str, ending: str) -> None:
    contents = [FOUND[what]]
    if "CpSolver" in what:
        contents.append(response(text=True))
    if "MPModel" in what:
        contents.append(written_by_model_builder(text=True))
    for content in contents:
        path = tmp_path / f"model{ending}"
        path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
        with pytest.raises(InstanceError) as caught:
            read_problem(path)
        assert str(caught.value) == f"{path}: expected a CpModelProto, MPS or LP, got {what}"


def test_other_files_are_named(tmp_path: Path) -> None:
    whole = gzip.compress(bytes(1000))
    cases = {
        "network.pb": (onnx(tmp_path), "got an ONNX file; a network goes to --model"),
        "cut.pb.gz": (whole[:-9], "expected a whole gzip file, got a cut or damaged one"),
        "damaged.pb": (whole[:12] + b"\x00" * 20, "expected a whole gzip file, got a cut or damaged one"),
        "flat.fzn": (b"var 1..3: x;\nsolve satisfy;\n", "got MiniZinc; solve it by: minizinc --solver cp-sat"),
        "x.csv": (b"a,b\n", 'or .jsonl#NAME, got ".csv"'),
    }
    for name, (content, phrase) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InstanceError) as caught:
            read_problem(tmp_path / name)
        assert phrase in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(InstanceError, match="expected a file, got a directory"):
        read_problem(tmp_path, "cp-model")
