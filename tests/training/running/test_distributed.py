"""Training with two processes on CPUs (gloo), with the variables that torchrun sets, and once under torchrun."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from distributed_worker import all_gradients, as_rank, fit_with_quick_export, train
from forked import context
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from training.__main__ import main as command_line
from training.config import config_of, read_table
from training.data.graph_states import TrainingState, batch_of
from training.running.checkpoint import load_checkpoint
from training.running.distributed import ALONE, Processes, joined
from training.tasks.dense import fit
from training.tasks.dense_config import read_config
from training.tasks.graph import fit_graph, graph_loss
from training.tasks.graph_config import GraphConfig
from training.tasks.graph_share import WHOLE, GraphShares, deal
from training.tasks.graph_source import GraphData, prepare_graph_data

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]

# The batch is odd: each process has another number of examples.
MLP = """
name = "mlp"
[problem]
order = 4
[pool]
solutions = 300
[data]
validation_states = 100
[network]
hidden = [16]
[loss]
target = "solution"
propagator = "full"
[train]
presentations = 4650
batch_size = 31
evaluate_every = 310
threads = 1
device = "cpu"
decay = "cosine"
learning_rate = 0.01
"""

# Some steps have one block, which leaves some weights without a gradient, and some have one state, which leaves one
# process without any.
GRAPH = """
name = "graph"
encoder = "candidate_graph"
[data]
latin_squares = [5, 6]
colours = [3]
solutions = 10
validation_states = 3
least_candidates = 4
knowledge = "singleton"
[network]
blocks = 2
iterations = 1
hidden = 4
[train]
steps = 24
candidates_per_step = 40
evaluate_every = 4
learning_rate = 0.02
least_blocks = 1
threads = 1
device = "cpu"
"""


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("localhost", 0))
        return int(server.getsockname()[1])


def torchrun(*command: object) -> subprocess.Popen[str]:
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node", 2, "--master-port", free_port())
    words = [sys.executable, *map(str, [*launcher, *command])]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def two_processes(function: Callable[..., object], *arguments: object) -> list[tuple[int, str, str]]:
    """What two processes say that call a function: exit codes, standard output and standard error.

    torchrun, which ends all processes when one has ended, is not there: here each has to end by itself.
    """
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        started = [context().Process(target=as_rank, args=(r, port, folder, function, arguments)) for r in range(2)]
        for process in started:
            process.start()
        for process in started:
            process.join(120)
        codes = [process.exitcode for process in started]
        for process in started:
            process.kill()
        assert None not in codes
        said = [[Path(folder, f"{rank}.{name}").read_text() for name in ("out", "err")] for rank in range(2)]
    return [(code or 0, out, err) for code, (out, err) in zip(codes, said, strict=True)]


def fit_by_two_processes(*arguments: object) -> list[tuple[int, str, str]]:
    return two_processes(command_line, ["fit", *map(str, arguments)])


def wait_for_measurements(process: subprocess.Popen[str], folder: Path, count: int) -> None:
    metrics = folder / "metrics.jsonl"
    while not (metrics.exists() and len(metrics.read_bytes().splitlines()) >= count):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def flat(value: Any) -> Any:
    """Tensors as bytes, so that equal means identical."""
    if isinstance(value, Tensor):
        return value.dtype, value.shape, value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: flat(inner) for key, inner in value.items() if key != "seconds"}
    return [flat(inner) for inner in value] if isinstance(value, list | tuple) else value


def assert_one_finished_run(folder: Path, name: str) -> None:
    names = {path.name for path in folder.iterdir()}
    events = {name for name in names if name.startswith("events.")}
    assert 0 < len(events) <= 2  # process 0 alone writes them: one file for each part of the run
    assert names - events == {
        "config.toml",
        "config.json",
        "pool.npz",
        "checkpoint.pt",
        "metrics.jsonl",
        f"{name}.onnx",
    }


@pytest.fixture(autouse=True, scope="module")
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("configs")
    (folder / "mlp.toml").write_text(MLP)
    (folder / "graph.toml").write_text(GRAPH)
    return folder / "mlp.toml", folder / "graph.toml"


@pytest.fixture(scope="module")
def uninterrupted(
    configs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[dict[str, Any]]]:
    """Both runs by two processes that nothing stops, and what these saw."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    for code, _, err in two_processes(train, *configs, folder):
        assert code == 0, err
    return folder, [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def graph_config(path: Path) -> GraphConfig:
    return config_of(GraphConfig, read_table(path, {}), path)


def test_processes_see_the_same(uninterrupted: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, found = uninterrupted
    for rank in range(2):
        seen = found[rank]
        assert (seen["rank"], seen["count"]) == (rank, 2)
        assert seen["any"] == [False, True]
        assert seen["total"] == 3
        assert seen["gather"] == [0, 1]
        assert seen["from_first"] == "by 0"
        assert seen["in_turn"] == f"by {rank}"
        for what in ("dense", "graph", "gradients"):
            assert flat(seen[what]) == flat(found[0][what])
    assert found[0]["refused"] == ["ConfigError no", "NNSearchError process 1: no"]
    assert found[1]["refused"] == ["SystemExit 2", "SystemExit 2"]
    for name in ("mlp", "graph"):
        assert len(list((folder / name).glob("events.*"))) == 1


def test_the_gradient_is_that_of_the_whole_batch(
    configs: tuple[Path, Path], uninterrupted: tuple[Path, list[dict[str, Any]]]
) -> None:
    folder, found = uninterrupted
    expected = all_gradients(*configs, folder)
    assert found[0]["gradients"].keys() == expected.keys()
    unused = 0
    for batch, gradients in expected.items():
        for name, gradient in gradients.items():
            other = found[0]["gradients"][batch][name]
            if gradient is None:
                assert other is None, f"{batch} {name}"
                unused += 1
            else:
                torch.testing.assert_close(other, gradient, rtol=1e-5, atol=1e-6, msg=f"{batch} {name}")
    assert unused > 0


def test_two_processes_end_with_the_weights_of_one(
    configs: tuple[Path, Path], uninterrupted: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    fit(read_config(configs[0], {}), tmp_path / "mlp")
    fit_graph(graph_config(configs[1]), tmp_path / "graph")
    for name in ("mlp", "graph"):
        states = [load_checkpoint(folder / name / "checkpoint.pt") for folder in (uninterrupted[0], tmp_path)]
        assert states[0]["step"] == states[1]["step"]
        for weight, tensor in states[1]["network"].items():
            torch.testing.assert_close(states[0]["network"][weight], tensor, rtol=1e-4, atol=1e-5)
        assert {entry.get("processes") for entry in states[0]["history"]} == {2}
        assert {entry.get("processes") for entry in states[1]["history"]} == {None}
        losses = [[entry["loss"] for entry in state["history"]] for state in states]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_ctrl_c_and_the_same_command(
    configs: tuple[Path, Path], uninterrupted: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    process = torchrun("-m", "training", "fit", configs[0], "--out", tmp_path)
    wait_for_measurements(process, tmp_path, 2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode != 0, out) == (True, "")
    assert err.count("interrupted") == 1
    assert "the same command goes on from there" in err
    assert 0 < load_checkpoint(tmp_path / "checkpoint.pt")["step"] < 150
    (code, out, err), second = two_processes(fit_with_quick_export, str(configs[0]), "--out", str(tmp_path))
    assert code == 0, err
    assert len(out.splitlines()) == 2  # process 0 alone reports
    assert (tmp_path / "mlp.onnx").read_bytes() == b"x"  # and exports
    assert "Warning" not in err
    assert second[:2] == (0, "")
    assert_one_finished_run(tmp_path, "mlp")
    checkpoints = [load_checkpoint(folder / "checkpoint.pt") for folder in (tmp_path, uninterrupted[0] / "mlp")]
    for checkpoint in checkpoints:  # the mean loss around a stop is rounded otherwise
        checkpoint["history"] = [{k: v for k, v in entry.items() if k != "loss"} for entry in checkpoint["history"]]
    assert flat(checkpoints[0]) == flat(checkpoints[1])


def test_the_same_command_after_the_death_of_all_processes(
    configs: tuple[Path, Path], uninterrupted: tuple[Path, list[dict[str, Any]]]
) -> None:
    killed, whole = uninterrupted[0] / "killed", uninterrupted[0] / "graph"
    assert load_checkpoint(killed / "checkpoint.pt")["step"] == 12
    (code, out, err), second = fit_by_two_processes(configs[1], "--out", killed)
    assert code == 0, err
    assert second[:2] == (0, "")
    assert out.startswith(f"{killed / 'graph.onnx'}: best of 24 steps")
    assert "Warning" not in err
    assert_one_finished_run(killed, "graph")
    assert (killed / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
    states = [load_checkpoint(folder / "checkpoint.pt") for folder in (killed, whole)]
    assert flat(states[0]) == flat(states[1])


def test_a_bad_config_is_one_line_and_no_process_is_left_waiting(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(GRAPH.replace("least_candidates = 4", "least_candidates = 100000"))
    first, second = fit_by_two_processes(tmp_path / "bad.toml", "--out", tmp_path / "run")
    assert first[:2] == (2, "")
    assert [line for line in first[2].splitlines() if line.startswith("error: ")] == first[2].splitlines()[-1:]
    assert "lower data.least_candidates" in first[2]
    assert second == (2, "", "")


def test_a_process_that_torchrun_did_not_start_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with joined() as processes:
        assert processes is ALONE
    network = torch.nn.Linear(2, 1)
    assert ALONE.parallel(network, torch.device("cpu")) is network
    assert ALONE.record() == {}
    assert ALONE.part(torch.arange(3))[1] == 1.0
    assert (ALONE.any(True), ALONE.any(False)) == (True, False)


@given(size=st.integers(1, 40), count=st.integers(1, 9))
def test_parts_make_the_batch(size: int, count: int) -> None:
    parts = [Processes(rank, count).part(torch.arange(size)) for rank in range(count)]
    kept = torch.cat([index for index, share in parts if share > 0])
    assert sorted(kept.tolist()) == list(range(size))
    assert sum(share for _, share in parts) == pytest.approx(1)
    assert all(len(index) for index, _ in parts)
    for index, share in parts:
        assert share in (0.0, len(index) / size)


@pytest.fixture(scope="module")
def graph_data(configs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> GraphData:
    return prepare_graph_data(graph_config(configs[1]), tmp_path_factory.mktemp("data") / "pool.npz")


@pytest.fixture(scope="module")
def many_states(graph_data: GraphData) -> list[TrainingState]:
    return [state for step in range(20) for state in graph_data.step(step)]


@given(start=st.integers(0, 19), size=st.integers(1, 9), count=st.integers(1, 5), seed=st.integers(0, 1000))
@settings(max_examples=40)
def test_losses_of_the_shares_add_up_to_that_of_the_step(
    start: int, size: int, count: int, seed: int, graph_data: GraphData, many_states: list[TrainingState]
) -> None:
    states = many_states[start : start + size]
    shares = deal(states, count)
    dealt = [id(state) for share in shares for state in share.states if share.shares.states]
    assert sorted(dealt) == sorted(map(id, states))
    device, config = torch.device("cpu"), graph_data.config.loss
    generator = torch.Generator().manual_seed(seed)
    scores = {id(state): torch.randn(state.state.num_candidates, generator=generator) for state in states}
    for value in scores.values():
        value.requires_grad_()

    def loss(part: Sequence[Any], weights: Any) -> Tensor:
        return graph_loss(torch.cat([scores[id(one)] for one in part]), batch_of(part, device), config, weights)

    def gradients(total: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(total, list(scores.values())))

    whole = loss(states, WHOLE)
    split = torch.stack([loss(share.states, share.shares) for share in shares]).sum()
    torch.testing.assert_close(split, whole, rtol=1e-5, atol=1e-6)
    for one, other in zip(gradients(split), gradients(whole), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_alone_the_share_is_the_step(graph_data: GraphData) -> None:
    share = GraphShares(graph_data, ALONE).at(5)
    assert share.shares is WHOLE
    assert [one.holds.tobytes() for one in share.states] == [one.holds.tobytes() for one in graph_data.step(5)]


def test_shares_are_about_even(many_states: list[TrainingState]) -> None:
    sizes = [sum(one.state.num_candidates for one in share.states) for share in deal(many_states, 3)]
    assert max(sizes) - min(sizes) <= max(one.state.num_candidates for one in many_states)
