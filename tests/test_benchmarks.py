from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import nnsearch.cp
from benchmarks import feasibility, qwh, records, search
from benchmarks.__main__ import main
from benchmarks.nodes import Nodes, check_same_tree, prepare
from benchmarks.squares import fresh_squares
from nnsearch.errors import PoolError
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.instances import Instance
from nnsearch.limits import Limits
from nnsearch.problems.latin_square import LatinSquare, is_solution
from nnsearch.result import SolveResult, Status
from training.feasibility import make_states
from training.pools.jacobson_matthews import JacobsonMatthews
from training.pools.pool import Pool

ROOT = Path(__file__).resolve().parents[1]

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


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> NetworkFile:
    folder = tmp_path_factory.mktemp("networks")

    def path(order: int) -> str:
        file = folder / f"net-{order}.onnx"
        return str(file) if file.exists() else write_network(file, order)

    return path


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def call(*arguments: object) -> int:
    """The same in this process, where importing costs nothing."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as error:
        return int(error.code or 0)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_feasibility_end_to_end(tmp_path: Path, network: NetworkFile, capsys: Capture) -> None:
    output, plot = tmp_path / "new" / "results.jsonl", tmp_path / "curves.svg"
    command = ["feasibility", "--order", 4, "--states", 64, "--models", network(4), "--output", output, "--plot", plot]
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert "smallest-domain" in done.stdout
    assert "net-4" in done.stdout
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
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["net-5: skipped on 2 instances of order 4, it is made for 5"]
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


def test_nodes_end_to_end(tmp_path: Path) -> None:
    output = tmp_path / "results.jsonl"
    done = run("nodes", "--order", 5, "--branches", 500, "--repeats", 2, "--output", output)
    assert done.returncode == 0, done.stderr
    assert "value-phase" in done.stdout
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
    with pytest.raises(search.AnswerError, match="expected one tree"):
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
        (["feasibility", "--models", "--plot", "curves.pdf"], "ends in .svg or .png"),
        (["search", "--holes", "1.5", "--models"], "holes: expected a share"),
        (["search", "--count", "0", "--models"], "expected instances"),
        (["search", "--instances", "missing.dzn", "--models"], "missing.dzn: expected a file"),
        (["search", "--variables", "last"], "invalid choice: 'last'"),
        (["search", "--time-limit", "-1", "--models"], "time limit: expected 0 or more"),
        (["search", "--models", "NET4", "NET4"], "two networks are named"),
        (["nodes", "--branches", "0"], "branches: expected 1 or more"),
        (["nodes", "--order", "4", "--holes", "0.01"], "propagation alone completes this square"),
        (["nonsense"], "invalid choice: 'nonsense'"),
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


def test_help_explains_itself(capsys: Capture) -> None:
    for command in ("feasibility", "search", "nodes"):
        assert call(command, "--help") == 0
        text = capsys.readouterr().out
        assert "default" in text
        assert "--output" in text
        assert "JSON line" in text


def test_an_interrupt_keeps_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    output = tmp_path / "results.jsonl"
    command = ["search", "--order", 4, "--count", 1, "--models", "--output", output]
    measure, calls = search._measure, 0

    def interrupted(*arguments: Any) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return measure(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(search, "_measure", interrupted)
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
    assert capsys.readouterr().err.startswith(f"{output}:1: expected a JSON object with config, result, environment")
    assert output.read_text() == '{"name": "someone else\'s"}\n'


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
    pattern: qwh.Pattern = "uniform" if uniform else "balanced"
    instances = qwh.generate(order, share, 2, seed, pattern)
    for instance in instances:
        assert instance.num_holes == round(share * order**2)
        if not uniform:
            holes = instance.grid == 0
            for lines in (holes.sum(0), holes.sum(1)):
                assert lines.max() - lines.min() <= 1
    again = qwh.generate(order, share, 1, seed, pattern)
    assert (again[0].grid == instances[0].grid).all()


def test_generated_instances_are_satisfiable_and_differ() -> None:
    instances = qwh.generate(6, 0.5, 3, seed=1) + qwh.generate(6, 0.5, 3, seed=2)
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
    return SolveResult(status, solution, 0, 0, 0, 0, 0.0, 0.0, "cp", "none")


def test_wrong_answers_are_errors() -> None:
    case = search.Case(Instance("two", np.array([[1, 0], [0, 0]])), satisfiable=True)
    search.check(case, "arm", result_of(Status.OPTIMAL, [1, 2, 2, 1]))
    search.check(case, "arm", result_of(Status.UNKNOWN, None))
    for status, solution in (
        (Status.OPTIMAL, [2, 1, 1, 2]),
        (Status.OPTIMAL, [1, 2, 1, 2]),
        (Status.OPTIMAL, None),
        (Status.INFEASIBLE, None),
    ):
        with pytest.raises(search.AnswerError):
            search.check(case, "arm", result_of(status, solution))


def record(arm: str, status: Status, seconds: float) -> records.Record:
    config = {"arm": arm, "instance": "i", "instance_sha256": "1", "order": 4, "time_limit": 9.0, "failure_limit": None}
    costs = {"wall_seconds": seconds, "failures": 3, "branches": 7, "inference_calls": 0, "inference_seconds": 0.0}
    return records.Record(
        config=config, result={"status": str(status), "failures_are": "dead ends", **costs}, environment={}
    )


def test_disagreement_is_an_error_and_timeouts_count() -> None:
    solved, timed_out = record("a", Status.OPTIMAL, 1.0), record("b", Status.UNKNOWN, 5.0)
    search.check_agreement([solved, timed_out])
    with pytest.raises(search.AnswerError, match="c: said INFEASIBLE on i, for which a has a solution"):
        search.check_agreement([solved, timed_out, record("c", Status.INFEASIBLE, 1.0)])
    assert [search.cost(run, "seconds") for run in (solved, timed_out)] == [1.0, 9.0]
    assert search.cost(timed_out, "failures") == 3
    row = next(line for line in search.table([solved, timed_out]).splitlines() if line.startswith("b "))
    assert "0%" in row


def test_limits_stop_every_arm() -> None:
    instance = qwh.generate(30, 0.42, 1, seed=1)[0]
    suite = search.Search(repeats=1, limits=Limits(seconds=0.2, failures=20))
    for job in search.jobs(suite, [search.Case(instance, True)], []):
        result = job.measure()
        assert result["status"] in ("OPTIMAL", "UNKNOWN")
        assert (result["limit"] is None) == (result["status"] == "OPTIMAL")
        assert result["wall_seconds"] < 5
