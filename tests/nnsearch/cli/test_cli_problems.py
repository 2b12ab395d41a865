"""``nnsearch solve`` on every problem family, in every format."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ortools.sat.python import cp_model
from stand_ins import PATIENCE, dzn, graph_network, network, saved

from nnsearch import cp
from nnsearch.cli.demo import _solve
from nnsearch.cli.lines import Lines
from nnsearch.cli.main import main
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.inference.pretrained import DEFAULT_MODEL
from nnsearch.problems import Problem, graph_colouring, n_queens, read_latin_square, read_problem, sudoku
from nnsearch.result import Status

NINE = sudoku.generate(3, 0.6, 1, 0)[0][0]
QUEENS = n_queens.generate(8, 2, 1, 0)[0][0]
GRAPH = graph_colouring.generate(20, 3, 4.0, 1, 0)[0][0]

EVERY_FILE = [
    "nine.sdk",
    "nine.sdm",
    "nine.txt --problem sudoku",
    "two.sudoku#2",
    "mixed.jsonl#nine",
    "mixed.jsonl#queens",
    "board.txt --problem n-queens",
    "graph.col --colours 3",
    "graph.col --problem graph-colouring --colours 4",
    "queens.pb",
    "queens.binpb",
    "queens.pbtxt",
    "queens.textproto --problem cp-model",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The instances in every format, and networks that do not fit them."""
    folder = tmp_path_factory.mktemp("families")
    cells = "".join(str(value) for value in NINE.grid.ravel())
    (folder / "nine.sdk").write_text("#A sudoku\n" + "\n".join(cells[i : i + 9] for i in range(0, 81, 9)))
    for name in ("nine.sdm", "nine.txt"):
        (folder / name).write_text(cells + "\n")
    (folder / "two.sudoku").write_text("." * 81 + "\n" + cells.replace("0", ".") + "\n")
    objects = [
        {"name": "latin", "order": 2, "grid": [[1, 0], [0, 0]]},
        {"name": "nine", "order": 9, "box": 3, "grid": NINE.grid.tolist()},
        {"name": "queens", "size": 8, "placed": QUEENS.placed},
    ]
    (folder / "mixed.jsonl").write_text("".join(json.dumps(fields) + "\n" for fields in objects))
    (folder / "board.txt").write_text(QUEENS.render(None, colour=False) + "\n")
    (folder / "three.txt").write_text("...\n...\n...\n")
    (folder / "graph.col").write_text(
        f"c planted\np edge 20 {len(GRAPH.edges)}\n" + "".join(f"e {u + 1} {v + 1}\n" for u, v in GRAPH.edges)
    )
    model, _ = QUEENS.build()
    for ending in ("pb", "binpb", "pbtxt", "textproto"):
        model.export_to_file(str(folder / f"queens.{ending}"))
    model.maximize(model.get_int_var_from_proto_index(0))
    model.export_to_file(str(folder / "best.pb"))
    circle = cp_model.CpModel()
    circle.add_circuit([(0, 1, circle.new_bool_var("there")), (1, 0, circle.new_bool_var("back"))])
    circle.export_to_file(str(folder / "circle.pbtxt"))
    magic = cp_model.CpModel()
    numbers = [magic.new_int_var(1, 9, f"cell{i}") for i in range(9)]
    magic.add_all_different(numbers)
    for i in range(3):
        magic.add(sum(numbers[3 * i : 3 * i + 3]) == 15)
        magic.add(sum(numbers[i::3]) == 15)
    for ending in ("pb", "binpb", "pbtxt", "textproto"):
        magic.export_to_file(str(folder / f"magic.{ending}"))
    loose = cp_model.CpModel()
    loose.new_int_var(0, 3, "free")
    loose.export_to_file(str(folder / "loose.pb"))
    variable = 'variables { name: "x" domain: 0 domain: 5 } '
    emptied = "constraints { linear { vars: 0 coeffs: 2 domain: 12 domain: 20 } } "
    different = "constraints { all_diff { exprs { vars: 0 coeffs: 1 } exprs { vars: 1 coeffs: 1 } } } "
    fixed = 'variables { name: "x" domain: 3 domain: 3 } '
    texts = {
        "wiped": variable + emptied,
        "tied": variable + variable + emptied + different,
        "false": variable + variable + different + "constraints { linear { domain: 1 domain: 3 } }",
        "singles": fixed + fixed + different,
        "hollow": 'variables { name: "x" } ' + emptied,
    }
    for name, text in texts.items():
        (folder / f"{name}.pbtxt").write_text(text)
    saved(graph_network(), folder / "places.onnx")
    (folder / "cut.pb").write_bytes((folder / "queens.pb").read_bytes()[:99])
    (folder / "bad.col").write_text("p edge 2 1\ne 1 3\n")
    (folder / "bad.sdm").write_text("\n11" + "." * 79 + "\n")
    (folder / "latin.dzn").write_text(dzn(np.zeros((2, 2), dtype=np.int64)))
    saved(network(81, 9), folder / "latin.onnx")
    saved(network(81, 9, metadata=ModelMetadata("one_hot", "sudoku", 81, 9, {}).to_props()), folder / "sudoku.onnx")
    return folder


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


class Nnsearch:
    """Runs ``nnsearch solve`` in this process, in the folder of the instances."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture

    def run(self, *arguments: str) -> Done:
        self.capture.readouterr()
        return Done(main(arguments), *self.capture.readouterr())

    def __call__(self, arguments: str) -> Done:
        return self.run("solve", *arguments.split())

    def json(self, arguments: str) -> dict[str, Any]:
        done = self(f"{arguments} --json")
        assert (done.code, done.err) == (0, "")
        result: dict[str, Any] = json.loads(done.out)
        return result


@pytest.fixture
def nnsearch(capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Nnsearch:
    monkeypatch.chdir(folder)
    return Nnsearch(capsys)


@pytest.mark.parametrize("engine", ["cp", "cp-sat"])
@pytest.mark.parametrize("file", EVERY_FILE)
def test_every_family_by_every_engine(nnsearch: Nnsearch, file: str, engine: str) -> None:
    result = nnsearch.json(f"{file} --engine {engine} --model none")
    assert (result["status"], result["engine"], result["model"]) == ("OPTIMAL", engine, "none")
    spec, *options = file.split()
    settings = dict(zip(options[::2], options[1::2], strict=True))
    colours = int(settings["--colours"]) if "--colours" in settings else None
    assert read_problem(spec, settings.get("--problem"), colours).is_solution(result["solution"])
    if "nine" in file:
        assert NINE.is_solution(result["solution"])
    elif "queens" in file or "board" in file:
        assert QUEENS.is_solution(result["solution"])
    elif "--colours 3" in file:
        assert GRAPH.is_solution(result["solution"])


@pytest.mark.parametrize("model", [DEFAULT_MODEL, "bp", "./places.onnx"])
@pytest.mark.parametrize("engine", ["cp", "cp-sat"])
@pytest.mark.parametrize("file", ["nine.sdk", "board.txt --problem n-queens", "graph.col --colours 3", "queens.pbtxt"])
def test_a_network_on_the_candidate_graph_serves_every_family(
    nnsearch: Nnsearch, file: str, engine: str, model: str
) -> None:
    result = nnsearch.json(f"{file} --engine {engine} --model {model}")
    assert (result["status"], result["model"]) == ("OPTIMAL", Path(model).stem)
    assert result["inference_calls"] > 0
    known: Problem = NINE if "nine" in file else GRAPH if "graph" in file else QUEENS
    assert known.is_solution(result["solution"])


@pytest.mark.parametrize("ending", ["pb", "binpb", "pbtxt", "textproto"])
def test_a_bare_cp_model_proto_with_belief_propagation(nnsearch: Nnsearch, ending: str) -> None:
    result = nnsearch.json(f"magic.{ending} --model bp --restart-after 3 --infer-every 2")
    assert (result["status"], result["model"]) == ("OPTIMAL", "bp")
    square = np.array(result["solution"]).reshape(3, 3)
    assert sorted(square.ravel().tolist()) == list(range(1, 10))
    assert {*square.sum(0).tolist(), *square.sum(1).tolist()} == {15}


@pytest.mark.parametrize(
    "options",
    ["--model bp --engine cp", "--model bp --engine cp-sat", "--infer-every 2", "--variables most-confident"],
)
def test_a_model_with_nothing_to_encode_is_one_clear_line(nnsearch: Nnsearch, options: str) -> None:
    done = nnsearch(f"loose.pb {options}")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "expected a model with at least one constraint that ties candidates together" in done.err
    assert "--model none, scorer=None" in done.err
    assert nnsearch.json("loose.pb --model none")["status"] == "OPTIMAL"


def test_what_lp_cannot_read_is_told_with_the_file(nnsearch: Nnsearch) -> None:
    done = nnsearch("nine.sdk --model lp")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: nine.sdk: expected an objective for a linear relaxation, got none\n"


@pytest.mark.parametrize("options", ["", "--model bp"])
def test_dives_by_a_network_that_can_read_nothing_say_what_to_do(nnsearch: Nnsearch, options: str) -> None:
    done = nnsearch(f"loose.pb --engine dives {options}")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: bp can read nothing of loose, and dives need a network that can; "
        "choose --engine race or cp-sat, or another --model\n"
    )
    assert nnsearch.json(f"loose.pb --engine race {options}")["status"] == "OPTIMAL"


@pytest.mark.parametrize("options", ["--engine cp", "--variables first", "--engine cp-sat"])
def test_the_default_network_is_left_out_where_it_can_read_nothing(nnsearch: Nnsearch, options: str) -> None:
    done = nnsearch(f"loose.pb --json {options}")
    assert done.code == 0
    assert done.err == (
        f"warning: the default network, {DEFAULT_MODEL}, can read nothing of loose and is left out; "
        "say so with --model none\n"
    )
    result = json.loads(done.out)
    assert (result["status"], result["model"], result["inference_calls"]) == ("OPTIMAL", "none", 0)


@pytest.mark.parametrize("options", ["", "--model bp", "--model none", "--model universal --variables first"])
@pytest.mark.parametrize("engine", ["cp", "cp-sat"])
@pytest.mark.parametrize("file", ["wiped.pbtxt", "tied.pbtxt", "false.pbtxt", "singles.pbtxt"])
def test_a_domain_without_values_left_is_infeasible(nnsearch: Nnsearch, file: str, engine: str, options: str) -> None:
    if engine == "cp-sat":
        options = options.replace("--variables first", "")
    result = nnsearch.json(f"{file} --engine {engine} {options}")
    assert (result["status"], result["solution"]) == ("INFEASIBLE", None)


@pytest.mark.parametrize("engine", ["cp", "cp-sat"])
def test_a_declared_empty_domain_is_an_error(nnsearch: Nnsearch, engine: str) -> None:
    for options in ("", "--model none"):
        done = nnsearch(f"hollow.pbtxt --engine {engine} {options}")
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert "hollow.pbtxt: expected a valid CP-SAT model" in done.err


@pytest.mark.parametrize(
    ("arguments", "title", "form"),
    [
        ("nine.sdk", "nine: order 9, 49 holes", r"(\d \d \d \| \d \d \d \| \d \d \d\n|-{6}\+-{7}\+-{6}\n){11}"),
        ("two.sudoku#2", "two-2: order 9, 49 holes", r"[-\d| +\n]*"),
        ("board.txt --problem n-queens", "board: 8 queens, 2 placed", r"((\. )*Q( \.)*\n){8}"),
        ("graph.col --colours 3", "graph: 20 vertices, 40 edges, 3 colours", r"(colour \d:( \d+)+\n){3}"),
        ("queens.pb --engine cp", "queens: 8 variables, 3 constraints", r"(q\[\d\] = \d\n){8}"),
    ],
)
def test_the_solution_is_shown(nnsearch: Nnsearch, arguments: str, title: str, form: str) -> None:
    for options, model in (("", DEFAULT_MODEL), (" --model none", "none")):
        done = nnsearch(arguments + options)
        assert (done.code, done.err) == (0, "")
        assert re.fullmatch(rf"{re.escape(title)}\n{form}OPTIMAL  .*\(cp, {model}\)\n", done.out)


@pytest.mark.parametrize("engine", ["cp", "cp-sat"])
@pytest.mark.parametrize("file", ["three.txt --problem n-queens", "graph.col --colours 1"])
def test_infeasibility_is_an_answer(nnsearch: Nnsearch, file: str, engine: str) -> None:
    result = nnsearch.json(f"{file} --engine {engine} --model none")
    assert (result["status"], result["solution"]) == ("INFEASIBLE", None)


@pytest.mark.parametrize("engine", ["cp", "cp-sat", "dives", "race"])
def test_a_model_with_an_objective_and_other_constraints(nnsearch: Nnsearch, engine: str) -> None:
    result = nnsearch.json(f"best.pb --engine {engine}")
    assert (result["status"], result["engine"]) == ("OPTIMAL", engine)
    assert QUEENS.is_solution(result["solution"])
    assert result["objective_value"] == result["best_objective_bound"] == max(row[0] for row in solutions_of_queens())
    assert nnsearch.json(f"circle.pbtxt --engine {engine}")["solution"] == [1, 1]


def solutions_of_queens() -> list[tuple[int, ...]]:
    return [row for row in permutations(range(8)) if QUEENS.is_solution(list(row))]


def test_a_race_says_who_answered(nnsearch: Nnsearch) -> None:
    assert re.match(r"(learned|cp-sat): \w", nnsearch.json("nine.sdk --engine race")["answered_by"])
    assert nnsearch.json("nine.sdk")["answered_by"] is None
    assert re.search(r"\(race, bp; (learned|cp-sat): .+\)$", nnsearch("nine.sdk --engine race").out.strip())


@pytest.mark.parametrize(
    ("arguments", "engine"),
    [
        ("queens.pb", "race"),
        ("queens.textproto --workers 1 --model bp", "race"),
        ("queens.pb --model none", "cp-sat"),
        ("queens.pb --variables first", "cp"),
        ("queens.pb --failure-limit 9999", "cp"),
        ("queens.pb --trace model.jsonl", "cp"),
        ("nine.sdk", "cp"),
    ],
)
def test_models_in_files_race_by_default(nnsearch: Nnsearch, arguments: str, engine: str) -> None:
    assert nnsearch.json(arguments)["engine"] == engine


def test_several_files_have_one_engine(nnsearch: Nnsearch) -> None:
    for both, engine in (("queens.pb magic.pb", "race"), ("queens.pb nine.sdk", "cp")):
        done = nnsearch(f"{both} --json")
        assert [json.loads(line)["engine"] for line in done.out.splitlines()] == [engine, engine]
    done = nnsearch("missing.pb queens.pb --json")
    assert (done.code, json.loads(done.out)["engine"]) == (2, "race")
    assert done.err.startswith("error: missing.pb: expected a file, got nothing at this path\n")


def test_the_solution_is_written(nnsearch: Nnsearch, folder: Path) -> None:
    result = nnsearch.json("best.pb --out made/best.json")
    written = json.loads((folder / "made" / "best.json").read_text())
    assert (written["instance"], written["status"]) == ("best", "OPTIMAL")
    assert written["objective"] == written["bound"] == result["objective_value"]
    assert list(written["values"].items()) == [(f"q[{i}]", value) for i, value in enumerate(result["solution"])]
    nnsearch("false.pbtxt --out false.json")
    assert json.loads((folder / "false.json").read_text()) == {
        "instance": "false",
        "status": "INFEASIBLE",
        "objective": None,
        "bound": None,
        "values": None,
    }


def test_every_variable_of_a_written_solution_has_a_name_of_its_own(nnsearch: Nnsearch, folder: Path) -> None:
    model = cp_model.CpModel()
    for value, name in enumerate(["", "x", "x", "v0", "x#2"]):
        model.new_int_var(value, value, name)
    model.export_to_file(str(folder / "named.pb"))
    assert nnsearch("named.pb --out named.json").code == 0
    values = json.loads((folder / "named.json").read_text())["values"]
    assert values == {"v0": 0, "x": 1, "x#2": 2, "v0#3": 3, "x#2#4": 4}


def test_a_solution_that_cannot_be_written_is_refused_before_the_search(nnsearch: Nnsearch, folder: Path) -> None:
    done = nnsearch("missing.pb --out nine.sdk/x.json")
    assert (done.code, done.err) == (
        2,
        "error: --out nine.sdk/x.json: expected a file that can be written, got: Not a directory; choose another\n",
    )
    done = nnsearch("queens.pb nine.sdk --out x.json")
    assert (done.code, done.out, (folder / "x.json").exists()) == (2, "", False)
    assert done.err == "error: --out is for one instance; leave it out, or solve them one by one\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nine.sdk --seed -1", "--seed: expected 0 to 2147483647, got -1"),
        ("queens.pb --seed 2147483648", "--seed: expected 0 to 2147483647, got 2147483648"),
    ],
)
def test_an_option_that_is_refused_is_named(nnsearch: Nnsearch, arguments: str, message: str) -> None:
    done = nnsearch(arguments)
    assert (done.code, done.out, done.err) == (2, "", f"error: {message}\n")


def test_a_drawing_that_cannot_be_written_is_refused_before_the_trace_is_read(nnsearch: Nnsearch) -> None:
    done = nnsearch.run("trace", "missing.jsonl", "--html", "nine.sdk/x.svg")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: --html nine.sdk/x.svg: expected a file that can be written")


@pytest.mark.parametrize("option", ["--processes", "--concurrency"])
def test_what_one_instance_makes_no_use_of_is_said(nnsearch: Nnsearch, option: str) -> None:
    done = nnsearch(f"nine.sdk {option} 2 --json")
    assert (done.code, done.err) == (0, f"warning: {option} is for several instances, there is one\n")


@pytest.mark.parametrize("words", [["solve", ""], ["solve", "nine.sdk", "--out", ""], ["trace", "x", "--html="]])
def test_an_empty_word_is_refused(nnsearch: Nnsearch, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        nnsearch.run(*words)
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_a_demo_without_time_is_refused(nnsearch: Nnsearch) -> None:
    done = nnsearch.run("demo", "--time-limit", "-1")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: --time-limit: expected a number of seconds above 0, got -1\n"


def test_ctrl_c_ends_the_demo_while_cp_sat_solves() -> None:
    """CP-SAT would take it for a limit of its own, and the demo would go on."""
    pressed: list[str] = []

    def press(line: str) -> None:
        if "presolve" in line and not pressed:  # it has begun
            pressed.append(line)
            os.kill(os.getpid(), signal.SIGINT)

    square, solver = read_latin_square(str(files("nnsearch") / "demo.dzn")), cp_model.CpSolver()
    solver.parameters.log_search_progress, solver.parameters.log_to_stdout = True, False
    solver.log_callback = press
    with pytest.raises(KeyboardInterrupt):
        _solve(square, solver, PATIENCE, None)
    assert pressed


def test_decided_is_what_is_proved(nnsearch: Nnsearch) -> None:
    lines = Lines(3, as_json=False)
    result = cp.solve(*read_problem("best.pb").build(), None)
    for status in (Status.OPTIMAL, Status.FEASIBLE, Status.INFEASIBLE, Status.UNKNOWN):
        lines.solved(read_problem("best.pb"), replace(result, status=status))
    assert lines.tally == (2, 1, 1, 0)


def test_numbers_keep_their_digits_and_zeros_are_summed_up(nnsearch: Nnsearch, folder: Path) -> None:
    model = cp_model.CpModel()
    x = model.new_int_var_from_domain(cp_model.Domain.from_values([0, 123_456_789]), "many")
    for i in range(60):
        model.add(model.new_bool_var(f"b{i}") == (i == 7))
    model.maximize(10 * x + 1)
    model.export_to_file(str(folder / "large.pb"))
    for engine in ("cp", "race"):
        done = nnsearch(f"large.pb --engine {engine} --model none" if engine == "cp" else "large.pb")
        assert "OPTIMAL  objective 1234567891  " in done.out
        assert done.out.splitlines()[1:4] == [
            "many = 123456789",
            "b7 = 1",
            "and 59 variables that are 0; --out FILE writes all",
        ]


def test_the_search_tree_is_recorded_and_drawn(nnsearch: Nnsearch, folder: Path) -> None:
    result = nnsearch.json("nine.sdk --trace tree.jsonl")
    lines = [json.loads(line) for line in (folder / "tree.jsonl").read_text().splitlines()]
    assert lines[0]["format"] == "nnsearch.trace"
    assert sum(line["outcome"] == "solution" for line in lines[1:]) == 1
    done = nnsearch.run("trace", "tree.jsonl")
    assert done.code == 0
    assert f"{sum(line['outcome'] == 'open' for line in lines[1:])} decisions" in done.out
    assert result["status"] == "OPTIMAL"
    foreign = nnsearch.run("trace", "nine.sdk")
    assert (foreign.code, foreign.out, foreign.err.count("\n")) == (2, "", 1)


def test_a_one_hot_network_of_the_family_is_used(nnsearch: Nnsearch) -> None:
    result = nnsearch.json("nine.sdk --model ./sudoku.onnx")
    assert result["inference_calls"] > 0
    assert NINE.is_solution(result["solution"])


BAD_INPUT = [
    ("nine.txt", "nine.txt: expected a file whose ending tells the problem, got .txt; add --problem"),
    ("nine.txt --problem latin-square", "nine.txt: expected a file that ends in .dzn, .pls, .jsonl or .jsonl#NAME"),
    ("two.sudoku#3", 'two.sudoku: expected #LINE, one of "1", "2", got "3"'),
    ("bad.sdm", "bad.sdm:2: expected distinct values in row 1"),
    ("mixed.jsonl#queens --problem sudoku", "mixed.jsonl:3: expected a sudoku, got n-queens completion"),
    ("mixed.jsonl#knights", 'mixed.jsonl: expected #NAME, one of "latin", "nine", "queens", got "knights"'),
    ("board.txt --problem sudoku", "board.txt:1: expected 16, 81, 256 or 625 characters in a line, got 15"),
    ("nine.txt --problem n-queens", "nine.txt:1: expected Q for a queen or . for an empty square"),
    ("graph.col", "graph.col: expected a number of colours, got none; add --colours K"),
    ("graph.col --colours 0", "graph.col: expected 1 or more colours, got 0"),
    ("latin.dzn --colours 3", "--colours is for graph-colouring, and latin.dzn is a latin-square; leave it out"),
    ("nine.sdk --colours 3", "--colours is for graph-colouring, and nine.sdk is a sudoku; leave it out"),
    ("bad.col --colours 2", "bad.col:2: expected vertices 1..2, got 3"),
    ("missing.col --colours 2", "missing.col: expected a file, got nothing at this path"),
    ("missing.pb", "missing.pb: expected a file, got nothing at this path"),
    ("cut.pb", "cut.pb: expected a CpModelProto, MPS or LP, got a foreign or cut file"),
    ("graph.col --problem cp-model", "graph.col: expected a file that ends in .pb, .binpb, .bin, .pbtxt, "),
    ("nine.sdk --engine race --model none", "network: engine race needs one, got none; choose one (--model)"),
    ("nine.sdk --engine dives --infer-every 2", "--infer-every has no meaning for --engine dives"),
    ("nine.sdk --engine race --failure-limit 9", "--failure-limit has no meaning for --engine race"),
    ("nine.sdk --engine race --trace t.jsonl", "--trace has no meaning for --engine race"),
    ("nine.sdk --discrepancies --restart-after 5", "restarts and discrepancies are two ways to divide a search"),
    ("nine.sdk --restart-after 0 --restart-schedule luby", "--restart-schedule has no meaning without restarts"),
    ("nine.sdk --model none --infer-every 2", "--infer-every has no meaning for --model none"),
    ("nine.sdk --model ./latin.onnx", "latin.onnx: expected a network for sudoku, got one for latin-square"),
    ("queens.pb --model ./sudoku.onnx", "sudoku.onnx: expected a network for cp-model, got one for sudoku"),
]


@pytest.mark.parametrize(("arguments", "phrase"), BAD_INPUT, ids=lambda value: value)
def test_bad_input_is_one_line_and_exit_code_2(nnsearch: Nnsearch, arguments: str, phrase: str) -> None:
    done = nnsearch(arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert phrase in done.err
    assert len(done.err) < 500
