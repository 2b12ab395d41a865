from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from stopping import bounded

import nnsearch.cp
from benchmarks import answers, records, statistics
from benchmarks.__main__ import main
from benchmarks.answers import AnswerError
from benchmarks.instances import instance_sets, labels
from benchmarks.instances.squares import fresh_quasigroups, fresh_squares
from benchmarks.networks import load_networks
from benchmarks.own_process import OwnProcess
from benchmarks.rendering.parts import Group
from benchmarks.rendering.text import text
from benchmarks.suites import feasibility, search
from benchmarks.suites.nodes import Nodes, check_same_tree, prepare
from nnsearch.encoding.candidate_graph import encode
from nnsearch.errors import ConfigError, PoolError
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.model.graph import KINDS, CandidateGraph
from nnsearch.problems import PartialLatinSquare
from nnsearch.problems.latin_square.generating import Pattern
from nnsearch.problems.latin_square.problem import LatinSquare, is_solution
from nnsearch.result import InferenceCount, SolveResult, Status
from training.data.exact_cover import label_latin_squares
from training.data.feasibility import fixed_cell, make_states, possible_candidates
from training.data.pools.jacobson_matthews import JacobsonMatthews
from training.data.pools.pool import Pool

ROOT = Path(__file__).resolve().parents[3]

NetworkFile = Callable[[int], str]  # order -> file
Capture = pytest.CaptureFixture[str]


def write_network(path: Path, order: int) -> str:
    """One linear layer with random weights, exported by hand: no torch, no time."""
    size = order**3
    weights = np.random.default_rng(0).standard_normal((size, size)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["assignment", "weights"], ["scores"])],
        "linear",
        [helper.make_tensor_value_info("assignment", TensorProto.FLOAT, ["B", size])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["B", size])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    helper.set_model_props(model, ModelMetadata("one_hot", "latin-square", order**2, order).to_props())
    onnx.save(model, path)
    return str(path)


def write_graph_network(path: Path, sign: float = 1.0) -> str:
    """One for any problem, which prefers large values, or with the other sign small ones."""
    shapes: dict[str, tuple[int, list[str | int]]] = {
        "edge_candidate": (TensorProto.INT64, ["E"]),
        "edge_group": (TensorProto.INT64, ["E"]),
        "group_features": (TensorProto.FLOAT, ["G", len(KINDS)]),
        "candidate_features": (TensorProto.FLOAT, ["N", 1]),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Squeeze", ["candidate_features", "axis"], ["places"]),
            helper.make_node("Mul", ["places", "sign"], ["scores"]),
        ],
        "places",
        [helper.make_tensor_value_info(name, *shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N"])],
        [numpy_helper.from_array(np.array([1]), "axis"), numpy_helper.from_array(np.float32(sign), "sign")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    helper.set_model_props(model, ModelMetadata("candidate_graph", "any", kinds=KINDS).to_props())
    onnx.save(model, path)
    return str(path)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> NetworkFile:
    folder = tmp_path_factory.mktemp("networks")

    def path(order: int) -> str:
        file = folder / f"net-{order}.onnx"
        return str(file) if file.exists() else write_network(file, order)

    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_graph_network(tmp_path_factory.mktemp("graph") / "large.onnx")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_graph_network(tmp_path_factory.mktemp("graph") / "small.onnx", -1.0)


def call(*arguments: object) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as error:
        return int(error.code or 0)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_feasibility_end_to_end(tmp_path: Path, network: NetworkFile, capsys: Capture) -> None:
    output, plot = tmp_path / "new" / "results.jsonl", tmp_path / "curves.svg"
    command = ["feasibility", "--order", 4, "--states", 64, "--models", network(4), "--output", output, "--plot", plot]
    assert call(*command) == 0
    shown = capsys.readouterr().out
    assert "smallest-domain" in shown
    assert "net-4" in shown
    assert 1_000 < plot.stat().st_size < 150_000

    written = lines_of(output)
    arms = {(line["config"]["arm"], line["config"]["propagation"], line["config"]["question"]) for line in written}
    three, two = ("none", "rows", "full"), ("free choice", "fixed cell")
    assert arms == {
        *((arm, p, question) for arm in ("rnd", "net-4") for p in three for question in two),
        *(("smallest-domain", p, "free choice") for p in ("rows", "full")),
        *(("singles", "singles", question) for question in two),
    }
    for line in written:
        assert set(line) == {"config", "result", "environment"}
        assert {"order", "squares", "states", "seed", "pools"} < set(line["config"])
        result, where = line["result"], line["environment"]
        assert len(result["curve"]) == len(result["states_per_level"]) == 16
        assert sum(result["states_per_level"]) == 64
        assert result["worst"] == pytest.approx(min(result["curve"]), abs=1e-4)
        assert result["curve"][result["worst_filled"]] == pytest.approx(result["worst"], abs=1e-4)
        assert result["mean"] == pytest.approx(np.mean(result["curve"]), abs=1e-4)
        assert result["curve"][0] == 1.0  # any pair of the empty square is feasible
        assert {"commit", "dirty", "versions", "processor", "cpus", "threads", "time"} == set(where)
        assert set(where["versions"]) == {"nnsearch", "ortools", "onnxruntime", "numpy", "python"}
    by_arm = {tuple(line["config"][k] for k in ("arm", "propagation", "question")): line["result"] for line in written}
    for question in two:
        means = [by_arm["rnd", p, question]["mean"] for p in three]
        assert means == sorted(means)

    # The same command adds nothing; a line cut short by a kill is measured again, to the same result.
    text = output.read_text()
    assert call(*command) == 0
    assert "16 of 16 results are in" in capsys.readouterr().err
    assert output.read_text() == text
    output.write_text(text[:-40])
    assert call(*command) == 0
    assert lines_of(output)[:-1] == written[:-1]
    assert lines_of(output)[-1]["result"] == written[-1]["result"]
    assert call(*command, "--fresh") == 0
    assert [line["result"] for line in lines_of(output)] == [line["result"] for line in written]


@pytest.mark.slow
def test_search_end_to_end(tmp_path: Path, network: NetworkFile, capsys: Capture) -> None:
    output, plot = tmp_path / "results.jsonl", tmp_path / "cactus.png"
    file = tmp_path / "two.jsonl"
    grids = {
        "open": [[0] * 4] * 4,
        "no": [[1, 2, 0, 0], [0, 0, 3, 0], [0, 0, 4, 0], [0, 0, 0, 0]],  # nothing fits beside the 2
    }
    file.write_text("".join(json.dumps({"name": k, "order": 4, "grid": grid}) + "\n" for k, grid in grids.items()))
    command = ["search", "--order", 5, "--count", 2, "--holes", 0.6, "--instances", file, "--models", network(5)]
    command += ["--variables", "min-domain", "most-confident", "--repeats", 2, "--time-limit", 20]
    command += ["--output", output, "--plot", plot]
    assert call(*command) == 0
    assert capsys.readouterr().err.splitlines() == [
        "net-5: skipped on 2 instances of two, it is made for Latin squares of order 5"
    ]
    assert plot.stat().st_size > 1_000
    written = lines_of(output)
    baselines = ["min-value", "random-value", "random-value", "default-phase", "cp-sat"]
    for name in grids:
        arms = [line["config"]["arm"] for line in written if line["config"]["instance"] == name]
        assert sorted(arms) == sorted(baselines)
    generated = [line for line in written if line["config"]["order"] == 5]
    assert len(generated) == 2 * (len(baselines) + 2)
    for line in written:
        config, result = line["config"], line["result"]
        assert {"instance", "instance_sha256", "holes", "seed", "time_limit", "failure_limit"} < set(config)
        assert {"branches", "failures", "inference_calls", "inference_seconds", "wall_seconds"} < set(result)
        assert result["status"] == ("INFEASIBLE" if config["instance"] == "no" else "OPTIMAL")
        assert (result["limit"], result["checked"]) == (None, True)
        assert (result["failures_are"] == "conflicts") == (config["arm"] == "cp-sat")
        assert (result["inference_calls"] > 0) == ("model" in config)
    text = output.read_text()
    assert call(*command) == 0
    assert output.read_text() == text
    assert "random-value" in capsys.readouterr().out


def test_nodes_end_to_end(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "results.jsonl"
    assert call("nodes", "--order", 5, "--branches", 500, "--repeats", 2, "--output", output) == 0
    assert "value-phase" in capsys.readouterr().out
    (line,) = lines_of(output)
    native, ours = line["result"]["native"], line["result"]["value-phase"]
    assert [native[k] for k in ("branches", "failures", "solutions")] == [
        ours[k] for k in ("branches", "failures", "solutions")
    ]
    assert native["branches"] == 500
    assert len(ours["us_per_branch_walks"]) == 2


@pytest.mark.parametrize("arm", ["native", "value-phase", "most-confident"])
def test_every_phase_enumerates_all_solutions(arm: str) -> None:
    grid = np.zeros((4, 4), dtype=np.int64)
    assert prepare(arm, grid, 10**9)().solutions == 576


def test_a_different_tree_is_refused() -> None:
    grid = Nodes(order=5).grid()
    with pytest.raises(AnswerError, match="expected one tree"):
        check_same_tree(prepare("native", grid, 50)(), prepare("native", grid, 60)())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["feasibility", "--models", "nobody"], "unknown model 'nobody'"),
        (["feasibility", "--order", "5", "--models", "NET4"], "made for order 4, expected order 5"),
        (["feasibility", "--order", "1", "--models"], "order: expected 2 or more"),
        (["feasibility", "--states", "0", "--models"], "states: expected 1 or more"),
        (["feasibility", "--states", "many"], "invalid int value: 'many'"),
        (["feasibility", "--models", "--pool", "missing.npz"], "missing.npz: expected a file of solutions"),
        (["feasibility", "--models", "--plot", "curves.gif"], "ends in .svg, .png or .pdf"),
        (["search", "--holes", "1.5", "--models"], "holes: expected a share"),
        (["search", "--count", "0", "--models"], "expected instances"),
        (["search", "--instances", "missing.dzn", "--models"], "missing.dzn: expected a file"),
        (
            ["search", "--variables", "last"],
            'Invalid value "last" for --variables. Choose from: "min-domain"',
        ),
        (["search", "--time-limit", "-1", "--models"], "time limit: expected 0 or more"),
        (["search", "--models", "NET4", "NET4"], "two networks are named"),
        (
            ["feasibility", "--states", "5", "6", "--models"],
            "--states: expected one number, or one for each of 1 orders",
        ),
        (["feasibility", "--levels", "101", "--models"], "levels: expected 1..100 fill levels at order 10, got 101"),
        (["feasibility", "--label-seconds", "0", "--models"], "label seconds: expected above 0"),
        (["feasibility", "--models", "--compare", "a", "b"], "expected two of the networks (none given), got 'a'"),
        (
            ["feasibility", "--order", "4", "5", "--models", "--plot", "a.svg"],
            "--plot draws one order, and 2 are given",
        ),
        (["search", "--generate", "sudoku:3", "--models"], "--generate: expected latin-square:ORDER:HOLES or"),
        (["search", "--generate", "sudoku:3:2.0", "--models"], "holes: expected a share above 0"),
        (["search", "--instances", "*.dzn", "--models"], "*.dzn: expected files that match, found none"),
        (["search", "--instances", ".", "--models"], "expected a folder with instances"),
        (["search", "--first", "0", "--models"], "first: expected 1 or more"),
        (["search", "--restart-after", "0", "--models"], "Restarts.failures: expected 1 or more"),
        (["search", "--compare", "min-value", "nobody", "--models"], "--compare: expected one of min-value, "),
        (["search", "--compare", "min-value", "cp-sat", "--models"], "cp-sat counts conflicts"),
        (["search", "--compare", "min-value", "min-value", "--models"], "expected two arms"),
        (["latency", "--models"], "expected a network on the candidate graph, got none"),
        (["latency", "--models", "NET4"], "expected a network on the candidate graph, got a one-hot network"),
        (["latency", "--repeats", "0"], "repeats: expected 1 or more"),
        (["nodes", "--branches", "0"], "branches: expected 1 or more"),
        (["nodes", "--order", "4", "--holes", "0.01"], "propagation alone completes this square"),
        (["nonsense"], 'Unknown command "nonsense".'),
        ([], "required: COMMAND"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    network: NetworkFile,
    capsys: Capture,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*[network(4) if argument == "NET4" else argument for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_feasibility_of_networks_on_the_candidate_graph(
    tmp_path: Path, large: str, small: str, capsys: Capture
) -> None:
    output = tmp_path / "results.jsonl"
    command: list[object] = [
        "feasibility",
        "--orders",
        4,
        5,
        "--states",
        64,
        50,
        "--levels",
        16,
        5,
        "--label-seconds",
        30,
    ]
    command += ["--models", large, small, "--compare", "large", "small", "--output", output]
    assert call(*command) == 0
    shown = capsys.readouterr().out
    assert "order 5: 50 states at 5 fill levels" in shown
    assert "large - small (fixed cell, full, same states): " in shown
    assert "large - small (fixed cell, singles, same states): " in shown
    written = [line for line in lines_of(output) if line["config"]["arm"] in ("large", "small", "large - small")]
    asked = {(line["config"]["propagation"], line["config"]["question"]) for line in written}
    assert asked == {("full", "fixed cell"), ("singles", "fixed cell")}
    for order, levels in ((4, 16), (5, 5)):
        result = {
            line["config"]["arm"]: line["result"]
            for line in written
            if (line["config"]["order"], line["config"]["propagation"]) == (order, "full")
        }
        difference = result["large - small"]
        assert difference["mean"] == pytest.approx(result["large"]["mean"] - result["small"]["mean"], abs=1e-4)
        assert sum(count > 0 for count in difference["states_per_level"]) == difference["levels_tested"] == levels
        assert result["large"]["left_out"] == {}
        assert result["large"]["curve"][0] == 1.0
    text = output.read_text()
    assert call(*command) == 0
    assert output.read_text() == text
    plot = tmp_path / "curves.svg"
    command[command.index("--orders") : command.index("--label-seconds")] = ["--order", 4, "--states", 32]
    assert call(*command, "--plot", plot) == 0
    assert "large, singles" in plot.read_text()


def test_scores_of_a_union_are_those_of_each_state(large: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feasibility, "_UNION_CANDIDATES", 100)
    scorer = load_networks([large], "cpu", 1)[0].scorer
    states = make_states(
        LatinSquare(5), fresh_squares(5, 50, 1).reshape(50, -1) - np.uint8(1), 50, np.random.default_rng(0)
    )
    possible = possible_candidates(states, "full")
    scores = feasibility.score_graph_states(scorer, states, possible)
    graph = CandidateGraph.from_model(LatinSquare(5).build()[0])
    alive = possible | states.assignment
    for row, one in enumerate(alive):
        state = encode(graph, one)
        several = graph.count(one)[graph.variable] > 1
        np.testing.assert_array_equal(scores[row, state.candidate], graph.place[one & several])
        assert (scores[row, one & ~several] == 0).all()
        assert (scores[row, ~one] == -np.inf).all()
    # The only value that is left is suggested, and of several the largest.
    expected = []
    for row, grid in enumerate(possible.reshape(50, 25, 5)):
        cells = np.flatnonzero(states.unassigned()[row])
        largest = [int(np.flatnonzero(grid[cell])[-1]) for cell in cells]
        expected.append(states.labels.reshape(50, 25, 5)[row, cells, largest].mean())
    np.testing.assert_allclose(fixed_cell(states, scores, possible), expected)


def test_significant_levels() -> None:
    problem = LatinSquare(2)
    squares = fresh_squares(2, 400, seed=0).reshape(400, -1) - np.uint8(1)
    states = make_states(problem, squares, 400, np.random.default_rng(0))
    noise = np.random.default_rng(1).standard_normal(400)
    found = feasibility.significant_levels(states, noise + np.array([0.0, -1.0, 1.0, 0.0])[states.filled])
    assert found == {"levels_tested": 4, "levels_worse": [1], "levels_better": [2]}
    assert feasibility.significant_levels(states, np.zeros(400))["levels_worse"] == []


@pytest.mark.slow
def test_labels_with_a_time_limit_are_those_without(monkeypatch: pytest.MonkeyPatch) -> None:
    squares = fresh_squares(6, 3, seed=2).astype(np.int64)
    grids = np.where(np.random.default_rng(0).random(squares.shape) < 0.5, 0, squares)
    call = OwnProcess.call

    # What takes too long (a minute of sleep, not the first label) ends its process; the next state has a new one.
    overlong = iter([True])

    def labelled(process: OwnProcess, *work: Any, seconds: float) -> object:
        if next(overlong, False):
            return call(process, time.sleep, 60.0, seconds=0.1)
        return call(process, *work, seconds=seconds)

    monkeypatch.setattr(OwnProcess, "call", labelled)
    with labels.labeller(60.0) as label:
        first, *others = [label(grid) for grid in grids]
    assert first is None
    np.testing.assert_array_equal(np.array(others), label_latin_squares(grids[1:]))


@pytest.mark.slow
def test_search_of_every_family(tmp_path: Path, large: str, small: str, capsys: Capture) -> None:
    folder, output = tmp_path / "squares", tmp_path / "results.jsonl"
    folder.mkdir()
    for name, value in zip("ba", "12", strict=True):
        (folder / f"{name}.dzn").write_text(f"N = 3; start = [| {value}, 0, 0 | 0, 0, 0 | 0, 0, 0 |];")
    (folder / "README.md").write_text("not an instance")
    file = tmp_path / "grids.jsonl"
    file.write_text(
        "".join(
            json.dumps({"name": name, "order": 4, "box": 2, "grid": [[value, 0, 0, 0], *[[0] * 4] * 3]}) + "\n"
            for value, name in enumerate(("s-9x9-1", "s-4x4-1", "s-4x4-2", "s-4x4-3"))
        )
    )
    command: list[object] = [
        "search",
        "--generate",
        "sudoku:2:0.5",
        "n-queens:8:2",
        "graph-colouring:12:3:3.5",
        "latin-square:5:0.5",
    ]
    command += ["--count", 2, "--models", large, small, "--variables", "min-domain", "most-confident", "--repeats", 2]
    command += ["--infer-every", 3, "--infer-after-failure", "--restart-after", 5, "--compare", "large", "small"]
    command += ["--failure-limit", 1000, "--output", output]
    assert call(*command, "--instances", folder) == 0
    assert call(*command, "--instances", file, "--only", "4x4", "--first", 2) == 0
    shown = capsys.readouterr().out
    sets = ["sudoku-4-8-1", "n-queens-8-2-1", "graph-colouring-12-21-3-0-1", "qwh-5-12-balanced-1"]
    for name in [*sets, "squares", "grids 4x4"]:
        assert f"\n{name}, 2 instances" in shown
        assert f"\n{name}: large/min-domain / small/min-domain" in shown
        assert f"\n{name}: large/most-confident / small/most-confident" in shown
    assert "large/min-domain / small/most-confident" not in shown
    written = lines_of(output)
    arms = [line["config"]["arm"] for line in written if line["config"]["instance"] == "s-4x4-2"]
    random = ["random-value", "random-restarts"] * 2
    networks = [f"{name}/{order}" for name in ("large", "small") for order in ("min-domain", "most-confident")]
    assert sorted(arms) == sorted(["min-value", *random, "default-phase", "cp-sat", *networks])
    assert len(written) == len({json.dumps(line["config"]) for line in written}) == (8 + 2 + 2) * len(arms)
    assert [name for name in dict.fromkeys(line["config"]["instance"] for line in written) if len(name) == 1] == [
        "a",
        "b",
    ]
    for line in written:
        config, result = line["config"], line["result"]
        assert (result["status"], result["checked"]) == ("OPTIMAL", True)
        assert str(tmp_path) not in json.dumps(line)
        scored = "model" in config or config["arm"] == "random-restarts"
        assert (result["inference_calls"] > 0) == (scored and result["branches"] > 0)
        if "model" in config:
            policy = [config[key] for key in ("every", "after_failure", "restart_after", "growth", "noise")]
            assert policy == [3, True, 5, 1.2, 0.5]


def test_restarts_change_the_search_and_keep_it_complete(tmp_path: Path, large: str) -> None:
    no = [[1, 2, 0, 0], [0, 0, 3, 0], [0, 0, 4, 0], [0, 0, 0, 0]]  # nothing fits beside the 2
    cases = [
        instance_sets.Case(PartialLatinSquare("no", np.array(no)), False, "set"),
        *instance_sets.generate("latin-square:16:0.42", 4, 3),
    ]
    failures = []
    for after in (None, 1):
        suite = search.Search(repeats=2, restart_after=after, time_limit=30.0, failure_limit=100_000)
        jobs = [
            job
            for job in search.jobs(suite, cases, load_networks([large], "cpu", 1))
            if job.config["arm"] in ("large/min-domain", "random-restarts")
        ]
        results = [(job.config, job.measure()) for job in jobs]
        assert len(results) == 5 * (1 if after is None else 3)
        for config, result in results:
            assert result["status"] == ("INFEASIBLE" if config["instance"] == "no" else "OPTIMAL")
        failures.append([result["failures"] for config, result in results if config["arm"] == "large/min-domain"])
    assert failures[0] != failures[1]


def test_instance_sets(tmp_path: Path) -> None:
    (tmp_path / "one.col").write_text("p edge 3 2\ne 1 2\ne 2 3\n")
    (tmp_path / "two.txt").write_text("Q . . .\n. . . .\n. . . .\n. . . .\n")
    (case,) = instance_sets.read([str(tmp_path / "*.col")], num_colours=2)
    assert (case.instance.name, case.instance.problem, case.group) == ("one", "graph-colouring", tmp_path.name)
    assert case.config["size"] == "3 vertices, 2 edges, 2 colours"
    (case,) = instance_sets.read([str(tmp_path / "two.txt")], problem="n-queens")
    assert instance_sets.set_of(case.config) == tmp_path.name
    with pytest.raises(ConfigError, match="with a name that contains three or four"):
        instance_sets.read([str(tmp_path / "one.col")], num_colours=2, only=["three", "four"])
    digests = {
        case.config["instance_sha256"]
        for form in ("latin-square:4:0.5", "sudoku:2:0.5", "n-queens:8:2", "graph-colouring:9:3:2")
        for case in instance_sets.generate(form, 3, 1)
    }
    assert len(digests) == 12


def test_ratio_of_failures() -> None:
    def runs(arm: str, *failures: int | None) -> list[records.Record]:
        made = []
        for instance, count in enumerate(failures):
            one = record(arm, Status.UNKNOWN if count is None else Status.OPTIMAL, 1.0)
            one["config"] |= {"instance": f"set-{instance}", "instance_sha256": str(instance), "failure_limit": 799}
            one["result"]["failures"] = 5 if count is None else count
            made.append(one)
        return made

    found = statistics.ratio(runs("a", 0, 9, 3, 99), runs("b", 0, 99, None, 9, 7))
    assert found is not None
    assert (found.wins, found.ties, found.losses, found.instances) == (2, 1, 1, 4)
    assert found.mean == pytest.approx((1 * 0.1 * 4 / 800 * 10) ** 0.25)
    assert 0.005 <= found.low < found.mean < found.high <= 10
    assert statistics.ratio(runs("a", 1), []) is None
    # Several runs of an instance count once.
    twice = statistics.ratio(runs("a", 0) + runs("a", 99), runs("b", 9))
    assert twice is not None
    assert (twice.instances, twice.ties) == (1, 1)
    assert twice.mean == pytest.approx(1)
    shown = text(Group("", [search.ratio_table([*runs("a", 0, 9), *runs("b", 4, 49)], "a", "b")]))
    assert "set: a / b" in shown
    assert "0.200" in shown
    assert "2/0/0" in shown


def test_latency_end_to_end(tmp_path: Path, large: str, capsys: Capture) -> None:
    output = tmp_path / "results.jsonl"
    command = ["latency", "--order", 12, "--repeats", 3, "--models", large, "--thread-counts", 1, 2, "--output", output]
    assert call(*command) == 0
    assert "large" in capsys.readouterr().out
    written = lines_of(output)
    assert [line["config"]["threads"] for line in written] == [1, 2]
    for line in written:
        result = line["result"]
        assert 0 < result["candidates"] < 12**3
        assert result["incidences"] <= 3 * result["candidates"]
        assert len(result["ms_runs"]) == 3


def test_help_explains_itself(capsys: Capture) -> None:
    for command in ("feasibility", "search", "race", "policies", "nodes", "latency"):
        assert call(command, "--help") == 0
        text = capsys.readouterr().out
        assert "default" in text
        assert "--output" in text
        assert "JSON line" in text


def test_an_interrupt_keeps_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    output = tmp_path / "results.jsonl"
    command = ["search", "--order", 4, "--count", 1, "--models", "--output", output]
    measure, calls = search.measure, 0

    def interrupted(*arguments: Any) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return measure(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(search, "measure", interrupted)
        assert call(*command) == 130
    kept = lines_of(output)
    assert len(kept) == 2
    assert call(*command) == 0
    assert lines_of(output)[:2] == kept
    assert len(lines_of(output)) == 6
    assert "2 of 6 results are in" in capsys.readouterr().err


def test_a_file_that_holds_no_records_is_refused_unchanged(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "precious.jsonl"
    output.write_text('{"name": "someone else\'s"}\n')
    assert call("nodes", "--output", output) == 2
    error = capsys.readouterr().err
    assert error.startswith(
        f'error: {output}:1: expected a JSON object with config, result, environment, got \'{{"name": '
    )
    assert error.endswith("remove the line, and what it held is measured again\n")
    assert output.read_text() == '{"name": "someone else\'s"}\n'


def test_an_output_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path, capsys: Capture) -> None:
    assert call("nodes", "--output", tmp_path) == 2
    assert capsys.readouterr().err == (
        f"error: --output {tmp_path}: expected a file that can be written, got: Is a directory; choose another\n"
    )


@pytest.mark.parametrize(("command", "option"), [("report", "--output"), ("search", "--plot")])
def test_pages_and_plots_that_cannot_be_written_are_refused_before_any_work(
    command: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert call(command, option, "file/x.svg") == 2
    assert capsys.readouterr().err == (
        f"error: {option} file/x.svg: expected a file that can be written, got: Not a directory; choose another\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_fresh_keeps_lines_of_other_commands(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    results = iter(range(10))

    def job(name: str) -> records.Job:
        return records.Job({"name": name}, lambda: {"number": next(results)})

    def measured(*names: str, fresh: bool = False) -> list[int]:
        done = records.run_jobs(path, [job(name) for name in names], threads=1, fresh=fresh)
        return [record["result"]["number"] for record in done]

    assert measured("a", "b", "a") == [0, 1]
    assert measured("b", "c") == [1, 2]
    assert measured("b", fresh=True) == [3]
    assert measured("c", "b", "a") == [2, 3, 0]


def test_no_commit_outside_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(records, "_ROOT", tmp_path)
    where = records.environment(threads=3)
    assert (where["commit"], where["dirty"], where["threads"]) == ("unknown", None, 3)
    assert where["processor"]


@given(order=st.integers(2, 9), share=st.floats(0.01, 1), seed=st.integers(0, 5), uniform=st.booleans())
@settings(max_examples=40)
def test_generated_holes(order: int, share: float, seed: int, uniform: bool) -> None:
    pattern: Pattern = "uniform" if uniform else "balanced"
    instances = fresh_quasigroups(order, share, 2, seed, pattern)
    for instance in instances:
        assert instance.num_holes == round(share * order**2)
        if not uniform:
            holes = instance.grid == 0
            for lines in (holes.sum(0), holes.sum(1)):
                assert lines.max() - lines.min() <= 1
    again = fresh_quasigroups(order, share, 1, seed, pattern)
    assert (again[0].grid == instances[0].grid).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("order", "share", "count", "seed", "pattern", "digest"),
    [
        (5, 0.5, 4, 0, "balanced", "5f5d5f15bb3c0917"),
        (10, 0.65, 3, 31337, "balanced", "81cbf2fe08c8f2cf"),
        (10, 0.42, 3, 7, "uniform", "2da3b00d8a18c6cb"),
        (30, 0.42, 2, 31337, "balanced", "bf9363db1cf2b0b6"),
    ],
)
def test_the_instances_of_committed_records_stay_the_same(
    order: int, share: float, count: int, seed: int, pattern: Pattern, digest: str
) -> None:
    instances = fresh_quasigroups(order, share, count, seed, pattern)
    grids = b"".join(instance.grid.astype(np.int64).tobytes() for instance in instances)
    assert hashlib.sha256(grids).hexdigest()[:16] == digest


def test_generated_instances_are_satisfiable_and_differ() -> None:
    instances = fresh_quasigroups(6, 0.5, 3, seed=1) + fresh_quasigroups(6, 0.5, 3, seed=2)
    assert len({instance.grid.tobytes() for instance in instances}) == 6
    assert len({instance.name for instance in instances}) == 6
    for instance in instances:
        model, variables = LatinSquare(6).build(instance.grid)
        result = nnsearch.cp.solve(model, variables, None)
        assert result.solution is not None
        assert is_solution(np.reshape(result.solution, (6, 6)), instance.grid)


def test_fresh_squares_are_no_training_pool() -> None:
    pool = {square.tobytes() for square in JacobsonMatthews(8, seed=1).sample(50)}
    assert not pool & {square.tobytes() for square in fresh_squares(8, 50, seed=1)}


def test_a_leak_is_refused(tmp_path: Path) -> None:
    squares = fresh_squares(6, 20, seed=1)
    path = tmp_path / "pool.npz"
    Pool(JacobsonMatthews(6, seed=7).sample(30).reshape(30, -1), 1, 6).save(path)
    feasibility.refuse_leak(squares, path)
    Pool(squares[5:8].reshape(3, -1), 1, 6).save(path)
    with pytest.raises(PoolError, match="3 of 20 test squares occur in this pool"):
        feasibility.refuse_leak(squares, path)
    command = ["feasibility", "--order", 6, "--states", 20, "--models", "--pool", path]
    assert call(*command, "--output", tmp_path / "results.jsonl") == 2


def test_half_width_covers_the_true_mean() -> None:
    problem, rng = LatinSquare(3), np.random.default_rng(0)
    squares = fresh_squares(3, 90, seed=0).reshape(90, -1) - np.uint8(1)
    states = make_states(problem, squares, 90, rng)
    chance = np.linspace(0.1, 0.9, problem.num_variables)  # of level 0, 1, ...; the mean is .5
    inside = 0
    for _ in range(300):
        result = feasibility.summarise(states, (rng.random(90) < chance[states.filled]).astype(np.float64))
        inside += abs(result["mean"] - 0.5) <= result["half_width_95"]
    assert 0.90 < inside / 300 < 0.98
    assert feasibility.summarise(states, np.ones(90))["half_width_95"] == 0
    few = make_states(problem, squares, 5, rng)
    result = feasibility.summarise(few, np.ones(5))
    assert (result["half_width_95"], result["curve"]) == (None, [1.0] * 5 + [None] * 4)


def result_of(status: Status, solution: list[int] | None) -> SolveResult:
    return SolveResult(status, solution, 0, 0, InferenceCount(), 0.0, "cp", "none")


def test_wrong_answers_are_errors() -> None:
    case = instance_sets.Case(PartialLatinSquare("two", np.array([[1, 0], [0, 0]])), satisfiable=True)
    answers.check_answer(case, "arm", result_of(Status.OPTIMAL, [1, 2, 2, 1]))
    answers.check_answer(case, "arm", result_of(Status.UNKNOWN, None))
    for status, solution in (
        (Status.OPTIMAL, [2, 1, 1, 2]),
        (Status.OPTIMAL, [1, 2, 1, 2]),
        (Status.OPTIMAL, None),
        (Status.INFEASIBLE, None),
    ):
        with pytest.raises(AnswerError):
            answers.check_answer(case, "arm", result_of(status, solution))


def record(arm: str, status: Status, seconds: float) -> records.Record:
    config = {"arm": arm, "instance": "i", "instance_sha256": "1", "order": 4, "time_limit": 9.0, "failure_limit": None}
    costs = {"wall_seconds": seconds, "failures": 3, "branches": 7, "inference_calls": 0, "inference_seconds": 0.0}
    return records.Record(
        config=config, result={"status": str(status), "failures_are": "dead ends", **costs}, environment={}
    )


def test_disagreement_is_an_error_and_timeouts_count() -> None:
    solved, timed_out = record("a", Status.OPTIMAL, 1.0), record("b", Status.UNKNOWN, 5.0)
    answers.check_agreement([solved, timed_out])
    with pytest.raises(AnswerError, match="c: said INFEASIBLE on i, for which a has a solution"):
        answers.check_agreement([solved, timed_out, record("c", Status.INFEASIBLE, 1.0)])
    assert [statistics.cost(run, "seconds") for run in (solved, timed_out)] == [1.0, 9.0]
    assert statistics.cost(timed_out, "failures") == 3
    row = next(line for line in text(search.summary([solved, timed_out])).splitlines() if line.startswith("b "))
    assert "0%" in row


@pytest.mark.slow
def test_limits_stop_every_arm() -> None:
    instance = fresh_quasigroups(30, 0.42, 1, seed=1)[0]
    suite = search.Search(repeats=1, time_limit=0.2, failure_limit=20)
    for job in search.jobs(suite, [instance_sets.Case(instance, True)], []):
        with bounded():
            result = job.measure()
        assert result["status"] in ("OPTIMAL", "UNKNOWN")
        assert (result["limit"] is None) == (result["status"] == "OPTIMAL")
