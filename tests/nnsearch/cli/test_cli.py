from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stand_ins import (
    COMMAND,
    ENVIRONMENT,
    INSTANCES,
    PATIENCE,
    completes,
    dzn,
    graph_network,
    latin_square,
    network,
    saved,
    with_holes,
)

from nnsearch import cp
from nnsearch.cli import demo
from nnsearch.cli.main import main
from nnsearch.cpsat import CpSolver
from nnsearch.inference import pretrained
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.inference.pretrained import DEFAULT_MODEL, pretrained_models
from nnsearch.model.graph import KINDS

KEYS = [
    "instance",
    "status",
    "solution",
    "branches",
    "failures",
    "inference_calls",
    "states_scored",
    "inference_seconds",
    "wall_seconds",
    "engine",
    "model",
    "objective_value",
    "best_objective_bound",
    "improvements",
    "answered_by",
    "states_recalled",
]
SIX = with_holes(latin_square(6, 1), 26, 1)
NO_SQUARE = np.array([[1, 2, 0], [0, 0, 3], [0, 0, 0]])
HARD = with_holes(latin_square(40, 0), 672, 0)  # neither the smallest value first nor zero scores get anywhere


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Instances and networks of several sizes."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "six.dzn").write_text(dzn(SIX))
    (folder / "six.pls").write_text("order 6\n" + "".join(" ".join(map(str, row)) + "\n" for row in (SIX - 1).tolist()))
    line = json.dumps({"name": "six", "order": 6, "grid": SIX.tolist()})
    (folder / "six.jsonl").write_text(line.replace("six", "other") + "\n" + line + "\n")
    (folder / "no-square.dzn").write_text(dzn(NO_SQUARE))
    (folder / "hard.dzn").write_text(dzn(HARD))
    (folder / "harder.dzn").write_text(dzn(with_holes(latin_square(55, 0), 1270, 0)))  # for CP-SAT
    (folder / "malformed.dzn").write_text("N=2;\nstart=[|1, 1|0, 0|];")
    saved(network(36, 6), folder / "six.onnx")
    saved(network(9, 3), folder / "three.onnx")
    saved(graph_network(), folder / "graph.onnx")
    zeros = np.zeros(64_000, dtype=np.float32)
    saved(network(1600, 40, weight=zeros, bias=zeros), folder / "forty.onnx")
    saved(network(9, 3, metadata={}), folder / "foreign.onnx")
    sudoku = ModelMetadata("one_hot", "sudoku", 36, 6, {}).to_props()
    saved(network(36, 6, metadata=sudoku), folder / "sudoku.onnx")
    (folder / "truncated.onnx").write_bytes((folder / "six.onnx").read_bytes()[:5000])
    return folder


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


class Nnsearch:
    """Runs the command in this process, in the folder of the instances."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture

    def __call__(self, *arguments: str) -> Done:
        self.capture.readouterr()
        try:
            code = main(arguments)
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        return Done(code, *self.capture.readouterr())

    def solve(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        done = self("solve", *arguments, "--json")
        assert (done.code, done.err) == (code, "")
        assert done.out.count("\n") == 1
        result: dict[str, Any] = json.loads(done.out)
        return result


@pytest.fixture
def nnsearch(capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Nnsearch:
    monkeypatch.chdir(folder)
    return Nnsearch(capsys)


@pytest.mark.parametrize("engine", ["cp", "cp-sat"])
@pytest.mark.parametrize("model", ["none", "./six.onnx"])
@pytest.mark.parametrize("instance", ["six.dzn", "six.pls", "six.jsonl#six"])
def test_every_format_by_every_engine(nnsearch: Nnsearch, instance: str, model: str, engine: str) -> None:
    result = nnsearch.solve(instance, "--model", model, "--engine", engine)
    assert list(result) == KEYS
    assert result["status"] == "OPTIMAL"
    assert completes(result["solution"], SIX)
    assert (result["engine"], result["model"]) == (engine, Path(model).stem)
    counts = [result[key] for key in ("branches", "failures", "inference_calls", "states_scored")]
    assert all(isinstance(count, int) for count in counts)
    assert (result["inference_calls"] > 0) == (result["inference_seconds"] > 0) == (model != "none")
    assert 0 <= result["inference_seconds"] < result["wall_seconds"]
    assert result["inference_calls"] > 1 or engine == "cp-sat" or model == "none"


@pytest.mark.parametrize(
    "options",
    [
        ["--variables", "first"],
        ["--variables", "most-confident"],
        ["--infer-every", "0"],
        ["--infer-every", "3", "--infer-after-failure"],
        ["--sample", "--seed", "5", "--temperature", "0.5"],
        ["--restart-after", "1", "--seed", "3"],
        ["--restart-after", "0"],
        ["--restart-after", "2", "--variables", "most-confident", "--infer-every", "2", "--infer-after-failure"],
        ["--problem", "latin-square", "--time-limit", "60", "--failure-limit", "100000", "--provider", "cpu"],
        ["--engine", "cp-sat", "--workers", "2", "--seed", "5", "--time-limit", "60"],
    ],
    ids=" ".join,
)
def test_options(nnsearch: Nnsearch, options: list[str]) -> None:
    result = nnsearch.solve("six.dzn", "--model", "./six.onnx", *options)
    assert completes(result["solution"], SIX)
    if options == ["--infer-every", "0"]:
        assert result["inference_calls"] == 1


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command asked the CP engine for, and the policy that came of it."""
    seen: dict[str, Any] = {}
    engine, initialise = cp.solve, cp.ValuePhase.__init__

    def solve(*arguments: Any, **options: Any) -> Any:
        seen.clear()
        seen.update(vars(arguments[3].resolved_for(arguments[2])), scorer=arguments[2])
        return engine(*arguments, **options)

    def phase(self: cp.ValuePhase, *arguments: Any, **options: Any) -> None:
        initialise(self, *arguments, **options)
        seen["policy"] = self._policy

    monkeypatch.setattr(cp, "solve", solve)
    monkeypatch.setattr(cp.ValuePhase, "__init__", phase)
    return seen


def same_run(one: dict[str, Any], other: dict[str, Any]) -> bool:
    keys = ("status", "solution", "branches", "failures", "inference_calls")
    return [one[key] for key in keys] == [other[key] for key in keys]


def test_defaults_of_networks_on_the_candidate_graph(nnsearch: Nnsearch, asked: dict[str, Any]) -> None:
    explicit = ["--variables", "most-confident", "--infer-every", "10", "--infer-after-failure"]
    for options in ([], ["--model", "./graph.onnx"]):
        result = nnsearch.solve("six.dzn", *options)
        assert completes(result["solution"], SIX)
        assert asked["scorer"].name == result["model"] == ("graph" if options else DEFAULT_MODEL)
        assert asked["policy"] == cp.InferencePolicy(10, after_failure=True)
        assert asked["restarts"] == cp.Restarts(40, seed=0)
        assert asked["sampling"] is None
        assert same_run(result, nnsearch.solve("six.dzn", *options, *explicit, "--restart-after", "40"))
        assert not same_run(result, nnsearch.solve("six.dzn", *options, "--infer-every", "1", "--variables", "first"))


def test_defaults_of_networks_of_one_size_and_of_no_network(nnsearch: Nnsearch, asked: dict[str, Any]) -> None:
    result = nnsearch.solve("six.dzn", "--model", "./six.onnx")
    assert asked["policy"] == cp.InferencePolicy(1)
    assert asked["restarts"] is None
    explicit = ["--variables", "min-domain", "--infer-every", "1", "--restart-after", "0"]
    assert same_run(result, nnsearch.solve("six.dzn", "--model", "./six.onnx", *explicit))
    result = nnsearch.solve("six.dzn", "--model", "none")
    assert [asked[name] for name in ("scorer", "policy", "restarts", "sampling")] == [None] * 4
    assert same_run(result, nnsearch.solve("six.dzn", "--model", "none", "--variables", "min-domain"))


@pytest.mark.parametrize("model", ["./graph.onnx", "./six.onnx"])
def test_options_go_before_defaults(nnsearch: Nnsearch, asked: dict[str, Any], model: str) -> None:
    options = ["--variables", "first", "--infer-every", "1", "--restart-after", "7", "--seed", "5"]
    assert completes(nnsearch.solve("six.dzn", "--model", model, *options)["solution"], SIX)
    assert (asked["variable_order"], asked["policy"]) == ("first", cp.InferencePolicy(1))
    assert asked["restarts"] == cp.Restarts(7, seed=5)
    nnsearch.solve("six.dzn", "--model", model, "--restart-after", "0")
    assert asked["restarts"] is None


@pytest.mark.parametrize("model", ["./graph.onnx", "./six.onnx"])
def test_infer_after_failure_counts_without_infer_every(nnsearch: Nnsearch, asked: dict[str, Any], model: str) -> None:
    nnsearch.solve("six.dzn", "--model", model, "--infer-after-failure")
    assert asked["policy"].after_failure


def test_restarts_change_the_run_and_not_the_answer(nnsearch: Nnsearch) -> None:
    for model in ("./graph.onnx", "./three.onnx"):
        for after in ("0", "1"):
            result = nnsearch.solve("no-square.dzn", "--model", model, "--restart-after", after)
            assert (result["status"], result["solution"]) == ("INFEASIBLE", None)
    runs = [
        nnsearch.solve("six.dzn", "--model", "./graph.onnx", "--restart-after", "1", "--seed", seed) for seed in "335"
    ]
    assert all(completes(run["solution"], SIX) for run in runs)
    assert runs[0]["branches"] == runs[1]["branches"]
    assert runs[0]["solution"] == runs[1]["solution"]


def test_the_seed_decides(nnsearch: Nnsearch) -> None:
    def solution(seed: int) -> list[int]:
        result = nnsearch.solve("six.dzn", "--model", "six.onnx", "--sample", "--temperature", "9", "--seed", f"{seed}")
        return [result["branches"], *result["solution"]]

    first = [solution(seed) for seed in range(4)]
    assert first == [solution(seed) for seed in range(4)]
    assert len(set(map(tuple, first))) > 1


@pytest.mark.parametrize("options", [["--model", "three.onnx"], ["--model", "none"], ["--engine", "cp-sat"]], ids=str)
def test_infeasibility_is_an_answer(nnsearch: Nnsearch, options: list[str]) -> None:
    options = options if "--model" in options else [*options, "--model", "three.onnx"]
    result = nnsearch.solve("no-square.dzn", *options)
    assert (result["status"], result["solution"]) == ("INFEASIBLE", None)
    done = nnsearch("solve", "no-square.dzn", *options)
    assert (done.code, done.err) == (0, "")
    assert [line.split()[0] for line in done.out.splitlines()] == ["no-square:", "INFEASIBLE"]


@pytest.mark.parametrize("engine", ["cp", "cp-sat"])
@pytest.mark.parametrize("limit", [["--time-limit", "0"], ["--failure-limit", "0"]], ids=" ".join)
def test_a_limit_is_exit_code_1(nnsearch: Nnsearch, engine: str, limit: list[str]) -> None:
    result = nnsearch.solve("hard.dzn", "--model", "none", "--engine", engine, *limit, code=1)
    assert (result["status"], result["solution"]) == ("UNKNOWN", None)


READY = "import sys, nnsearch.cli.main as cli; print(flush=True); sys.exit(cli.main())"
COLOUR = re.compile(r"\x1b\[36m *(\d+)\x1b\[0m")


@pytest.mark.parametrize(("terminal", "no_color"), [(True, False), (True, True), (False, False)])
def test_the_square_is_shown(
    nnsearch: Nnsearch, monkeypatch: pytest.MonkeyPatch, terminal: bool, no_color: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    done = nnsearch("solve", "six.dzn", "--model", "six.onnx")
    assert (done.code, done.err) == (0, "")
    first, *rows, last = done.out.splitlines()
    assert first == "six: order 6, 26 holes"
    square = [int(word) for row in rows for word in re.sub(r"\x1b\[\d+m", "", row).split()]
    assert completes(square, SIX)
    filled_in = [value for value, given in zip(square, SIX.ravel().tolist(), strict=True) if not given]
    assert [int(value) for value in COLOUR.findall(done.out)] == (filled_in if terminal and not no_color else [])
    statistics = r"OPTIMAL  \d+ branches, \d+ failures, \d+ inferences in [\d.]+ ms, [\d.]+ ms in total  \(cp, six\)"
    assert re.fullmatch(statistics, last)


BAD_INPUT = [
    (["solve", "missing.dzn"], "missing.dzn: expected a file"),
    (["solve", "malformed.dzn"], "malformed.dzn:2: expected distinct values in row 1"),
    (["solve", "six.jsonl#seven"], "seven"),
    (["solve", "six.onnx"], "expected a file that ends in"),
    (["solve", "."], "."),
    (["solve", "six.dzn", "--model", "no-such"], "unknown model 'no-such'"),
    (["solve", "six.dzn", "--model", "missing.onnx"], "missing.onnx: expected an .onnx file, found none"),
    (["solve", "six.dzn", "--model", "three.onnx"], "three: expected 9 variables, the problem has 36"),
    (
        ["solve", "six.dzn", "--model", "three.onnx", "--engine", "cp-sat"],
        "three: expected 9 variables, the problem has 36",
    ),
    (["solve", "six.dzn", "--model", "truncated.onnx"], "truncated.onnx: expected a complete ONNX model"),
    (["solve", "six.dzn", "--model", "foreign.onnx"], "foreign.onnx: expected an ONNX file exported by nnsearch"),
    (["solve", "six.dzn", "--model", "sudoku.onnx"], "sudoku.onnx: expected a network for latin-square, got one for"),
    (["solve", "six.dzn", "--model", "./six.dzn"], "six.dzn: expected a complete ONNX model"),
    (["solve", "six.dzn", "--model", "none", "--variables", "most-confident"], "most-confident needs a network"),
    (["solve", "six.dzn", "--model", "none", "--time-limit", "-1"], "time limit: expected 0 or more"),
    (["solve", "six.dzn", "--model", "none", "--time-limit", "nan"], "time limit: expected 0 or more"),
    (["solve", "six.dzn", "--model", "none", "--failure-limit", "-1"], "failure limit: expected 0 or more"),
    (["solve", "six.dzn", "--model", "six.onnx", "--infer-every", "-1"], "expected 0 or more decisions, got -1"),
    (["solve", "six.dzn", "--model", "six.onnx", "--sample", "--temperature", "-1"], "expected above 0, got -1.0"),
    (["solve", "six.dzn", "--model", "six.onnx", "--temperature", "1"], "--temperature is for --sample"),
    (["solve", "six.dzn", "--workers", "2"], "--workers has no meaning for --engine cp"),
    *(
        (["solve", "six.dzn", "--engine", "cp-sat", *option], f"{option[0]} has no meaning for --engine cp-sat")
        for option in (
            ["--variables", "first"],
            ["--infer-every", "1"],
            ["--infer-after-failure"],
            ["--sample"],
            ["--temperature", "1"],
            ["--restart-after", "1"],
            ["--restart-after", "0"],
        )
    ),
    (["inspect", "no-such"], "unknown model 'no-such'"),
    (["inspect", "truncated.onnx"], "truncated.onnx: expected a complete ONNX model"),
    (["solve", "six.dzn", "--model", "six.onnx", "--sample", "--temperature", "0"], "temperature"),
    (["solve", "six.dzn", "--model", "six.onnx", "--sample", "--seed", "-1"], "seed"),
    (["solve", "six.dzn", "--model", "none", "--sample"], "--sample"),
    (["solve", "six.dzn", "--model", "none", "--infer-every", "3"], "--infer-every"),
    (["solve", "six.dzn", "--model", "none", "--restart-after", "5"], "--restart-after has no meaning for --model"),
    (["solve", "six.dzn", "--model", "six.onnx", "--restart-after", "-1"], "Restarts.failures: expected 1 or more"),
    (["solve", "six.dzn", "--model", "six.onnx", "--restart-after", "3", "--seed", "-1"], "--seed: expected 0 to"),
    (["solve", "six.dzn", "--model", ""], "model"),
    (["solve", "six.dzn", "--model", "none", "--engine", "cp-sat", "--workers", "0"], "workers"),
    (["solve", "six.dzn", "--model", "none", "--engine", "cp-sat", "--workers", "-1"], "workers"),
    (["solve", "six.dzn", "--model", "none", "--engine", "cp-sat", "--seed", "99999999999"], "seed"),
    (["solve", "six.dzn", "--model", "none", "--engine", "cp-sat", "--failure-limit", "9" * 20], "failure limit"),
]


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    BAD_INPUT,
    ids=lambda value: " ".join(value[1:]) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_exit_code_2(nnsearch: Nnsearch, arguments: list[str], phrase: str) -> None:
    done = nnsearch(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert phrase in done.err
    assert len(done.err) < 500


@pytest.mark.parametrize("arguments", [[], ["solve"], ["solve", "six.dzn", "--engine", "z3"], ["paint"], ["inspect"]])
def test_a_wrong_command_line_is_exit_code_2(nnsearch: Nnsearch, arguments: list[str]) -> None:
    done = nnsearch(*arguments)
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(r"error: [^\n]+ \(see --help\)\n", done.err)


def test_help_says_what_there_is(nnsearch: Nnsearch) -> None:
    assert all(word in nnsearch("--help").out for word in ("solve", "models", "inspect", "demo", "exit codes: 0"))
    text = nnsearch("solve", "--help").out
    options = ("--model", "--engine", "--variables", "--time-limit", "--failure-limit", "--seed", "--json", "--problem")
    assert all(option in text for option in options)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A models folder with a stand-in for pls-10-full."""
    record = {"config": {"loss": {"target": "single", "propagator": "full"}}, "validation_feasibility": 0.8125}
    metadata = ModelMetadata("one_hot", "latin-square", 100, 10, record).to_props()
    zeros = np.zeros(1000, dtype=np.float32)
    path = saved(network(100, 10, weight=zeros, bias=zeros, metadata=metadata), tmp_path / "pls-10-full.onnx")
    trained: dict[str, Any] = {"config": {"network": {"blocks": 3}}, "steps": 70}
    for name, record in (
        ("universal", trained),
        ("wider", {**trained, "exported_blocks": 5}),
        ("bp", {"algorithm": "belief propagation", "iterations": 5}),
    ):
        props = ModelMetadata("candidate_graph", "any", training=record, kinds=KINDS).to_props()
        saved(graph_network(metadata=props), tmp_path / f"{name}.onnx")
    monkeypatch.setattr(pretrained, "models_dir", lambda: tmp_path)
    return path


def test_models_are_listed(nnsearch: Nnsearch, installed: Path) -> None:
    done = nnsearch("models")
    assert (done.code, done.err) == (0, "")
    title, *lines, where = done.out.splitlines()
    assert [re.split(r" {2,}", line) for line in (title, *lines)] == [
        ["name", "problem", "variables x values", "how it was made"],
        ["bp", "any", "any", "belief propagation, nothing trained"],
        ["pls-10-full", "latin-square", "100 x 10", "target single, SBR full"],
        ["universal", "any", "any", "3 blocks, 70 steps"],
        ["wider", "any", "any", "5 blocks, 70 steps"],
        ["lp", "any", "any", "linear relaxation of a model with an objective, nothing trained"],
    ]
    assert len({line.index(line.split(maxsplit=1)[1]) for line in (title, *lines)}) == 1
    assert where.endswith("models/README.md")


def test_no_models_are_an_error(nnsearch: Nnsearch, installed: Path) -> None:
    for path in installed.parent.iterdir():
        path.unlink()
    for arguments in (["models"], ["solve", "six.dzn"]):
        done = nnsearch(*arguments)
        assert (done.code, done.err.count("\n")) == (2, 1)


def test_the_default_network_has_to_be_there(nnsearch: Nnsearch, installed: Path) -> None:
    installed.with_name("bp.onnx").unlink()
    done = nnsearch("solve", "six.dzn")
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(r"error: unknown model 'bp'[^\n]*pls-10-full[^\n]*\n", done.err)


def test_inspect(nnsearch: Nnsearch, installed: Path) -> None:
    done = nnsearch("inspect", "pls-10-full", "--json", "--provider", "cpu")
    assert (done.code, done.err) == (0, "")
    description = json.loads(done.out)
    assert description == {
        "file": str(installed),
        "bytes": installed.stat().st_size,
        "encoder": "one_hot",
        "problem": "latin-square",
        "num_variables": 100,
        "num_values": 10,
        "precision": "fp32",
        "provider": "CPUExecutionProvider",
        "training": {"config": {"loss": {"target": "single", "propagator": "full"}}, "validation_feasibility": 0.8125},
    }
    text = nnsearch("inspect", str(installed), "--provider", "cpu").out
    assert all(f"{key}: {value}\n" in text for key, value in description.items() if key != "training")
    assert "  validation_feasibility: 0.8125\n" in text


def test_inspect_a_network_on_the_candidate_graph(nnsearch: Nnsearch, installed: Path) -> None:
    description = json.loads(nnsearch("inspect", "universal", "--json").out)
    assert (description["encoder"], description["problem"]) == ("candidate_graph", "any")
    assert (description["num_variables"], description["num_values"]) == ("any", "any")
    assert description["training"] == {"config": {"network": {"blocks": 3}}, "steps": 70}
    text = nnsearch("inspect", "universal").out
    assert "num_variables: any\nnum_values: any\n" in text
    assert "  steps: 70\n" in text
    assert "  exported_blocks: 5\n" in nnsearch("inspect", "wider").out


@pytest.mark.slow
def test_the_demo(nnsearch: Nnsearch, monkeypatch: pytest.MonkeyPatch) -> None:
    solve = demo._solve

    def alone_for_a_moment(instance: Any, solver: Any, seconds: float, live: Any) -> Any:
        """CP-SAT alone would only take the time that it gets, or be lucky."""
        return solve(instance, solver, seconds if isinstance(solver, CpSolver) else 0.2, live)

    monkeypatch.setattr(demo, "_solve", alone_for_a_moment)
    done = nnsearch("demo", "--time-limit", "60")
    assert (done.code, done.err) == (0, "")
    rows = re.findall(r"^(?:\w ){49}\w$", done.out, re.MULTILINE)
    symbols = sorted(set("".join(rows[:50]).replace(" ", "")))
    square = [symbols.index(symbol) + 1 for row in rows[:50] for symbol in row.split()]
    assert completes(square, np.zeros((50, 50), dtype=np.int64))
    assert re.search(r'CpSolver\("bp"\) +OPTIMAL', done.out)
    assert re.search(r"cp_model\.CpSolver\(\) +(OPTIMAL|UNKNOWN)", done.out)


def start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_in_a_process_of_its_own(folder: Path) -> None:
    process = start("solve", "six.dzn", "--model", "truncated.onnx", folder=folder)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.count("\n")) == (2, "", 1)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["solve", "six.dzn", "--model", "none"], ["solve", "--help"]], ids=" ".join)
def test_a_reader_that_goes_away_is_no_error(folder: Path, arguments: list[str]) -> None:
    process = start(*arguments, folder=folder)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(60) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["hard.dzn", "--model", "none"],
        ["hard.dzn", "--model", "forty.onnx"],
        ["hard.dzn", "--model", "forty.onnx", "--infer-every", "0"],
        ["harder.dzn", "--model", "none", "--engine", "cp-sat"],
    ],
    ids=" ".join,
)
def test_ctrl_c_ends_a_search(folder: Path, options: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", READY, "solve", *options, "--time-limit", "300"],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()  # imported
    time.sleep(1.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")


@pytest.mark.skipif(not INSTANCES.is_dir(), reason=f"no public instances in {INSTANCES}")
@pytest.mark.skipif("pls-10-full" not in pretrained_models(), reason="no pretrained network pls-10-full")
def test_public_instances_of_order_10(nnsearch: Nnsearch) -> None:
    path = INSTANCES / "qcp.jsonl"
    squares = [json.loads(line) for line in path.read_text().splitlines()]
    squares = [square for square in squares if square["order"] == 10]
    assert [square["satisfiable"] for square in squares] == [True] * 10 + [False] * 5
    inferences = 0
    for square in squares:
        result = nnsearch.solve(f"{path}#{square['name']}", "--model", "pls-10-full")
        inferences += result["inference_calls"]
        if square["satisfiable"]:
            assert completes(result["solution"], np.array(square["grid"])), square["name"]
        else:
            assert result["status"] == "INFEASIBLE", square["name"]
    assert inferences > 100
