from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from latin_squares import latin_squares
from torch import Tensor

from nnsearch.errors import ConfigError
from nnsearch.problems.latin_square.problem import LatinSquare
from training import loop
from training.__main__ import main
from training.config import config_of, config_to_toml
from training.data.pools.pool import Pool
from training.losses.dense import candidate_cross_entropy, semantic_based_regularisation
from training.running.checkpoint import load_checkpoint, save_checkpoint
from training.tasks import dense as trainer
from training.tasks.dense import DenseOutcome, choose_device, dense_loss, fit, load_propagator, measure
from training.tasks.dense_config import DenseConfig, DenseLossConfig
from training.tasks.dense_examples import prepare_dense_data

ROOT = Path(__file__).parents[3]

# 12 squares, 9 of them for training: about 80 examples, 5 steps an epoch, 8 epochs, 10 measurements.
TINY: dict[str, Any] = {
    "name": "tiny",
    "problem": {"order": 3},
    "pool": {"solutions": 60},
    "data": {"validation_states": 45},
    "network": {"hidden": [12]},
    "loss": {"target": "solution", "propagator": "full"},
    "train": {
        "presentations": 640,
        "batch_size": 16,
        "evaluate_every": 64,
        "threads": 1,
        "device": "cpu",
        "decay": "cosine",
        "learning_rate": 0.01,
    },
}

# A user's propagator that does what `full` does, and calls `on_call` before: a place to be stopped at any step.
PROPAGATOR = """
from nnsearch.problems.latin_square.problem import LatinSquare
from training.data.feasibility import forward_checking

calls = 0
on_call = None

def propagate(assignment):
    global calls
    calls += 1
    if on_call is not None:
        on_call(calls)
    order = round(assignment.shape[1] ** (1 / 3))
    return forward_checking(LatinSquare(order), "full")(assignment)

def everything(assignment):
    return assignment == assignment

number = 3
"""


WAITING = """
import time
from pathlib import Path

def on_call(calls):
    measured = Path({!r})
    while measured.exists() and len(measured.read_bytes().splitlines()) > 5:
        time.sleep(0.01)
"""
"""Added to the propagator, it waits at the step after six measurements, to be killed."""


class Killed(BaseException):
    """Stands for a process that is gone: nothing catches it."""


@pytest.fixture(autouse=True, scope="module")
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def propagator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "my_propagator.py").write_text(PROPAGATOR)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield __import__("my_propagator")
    del sys.modules["my_propagator"]


def tiny(**tables: Any) -> DenseConfig:
    table = {key: dict(value) if isinstance(value, dict) else value for key, value in TINY.items()}
    for name, values in tables.items():
        table[name] = {**table.get(name, {}), **values} if isinstance(values, dict) else values
    return config_of(DenseConfig, table)


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def flat(value: Any) -> Any:
    """Tensors as bytes, so that equal means identical."""
    if isinstance(value, Tensor):
        return value.dtype, value.shape, value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: flat(inner) for key, inner in value.items()}
    return [flat(inner) for inner in value] if isinstance(value, list | tuple) else value


def result(folder: Path) -> dict[str, Any]:
    """All that a run leaves but the seconds it took."""
    state = load_checkpoint(folder / "checkpoint.pt")
    del state["seconds"]
    return {"checkpoint": flat(state), "metrics": metrics(folder)}


def without_loss(a_result: dict[str, Any]) -> dict[str, Any]:
    checkpoint = a_result["checkpoint"]
    histories = (checkpoint["history"], a_result["metrics"])
    plain = [[{k: v for k, v in entry.items() if k != "loss"} for entry in history] for history in histories]
    return {"checkpoint": {**checkpoint, "history": plain[0]}, "metrics": plain[1]}


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[DenseOutcome, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("whole") / "run"
    outcome = fit(tiny(), folder)
    return outcome, result(folder)


def same_weights(a: DenseOutcome, b: DenseOutcome) -> bool:
    return bool(flat(a.network.state_dict()) == flat(b.network.state_dict()))


def test_a_run_leaves_its_files(tmp_path: Path) -> None:
    outcome = fit(tiny(), tmp_path / "deep" / "run")
    names = {path.name for path in (tmp_path / "deep" / "run").iterdir()}
    events = {name for name in names if name.startswith("events.out.tfevents")}
    assert len(events) == 1
    assert names - events == {"config.toml", "config.json", "pool.npz", "checkpoint.pt", "metrics.jsonl"}
    assert (tmp_path / "deep" / "run" / "config.toml").read_text() == config_to_toml(tiny())
    assert outcome.presentations == 640
    assert outcome.num_solutions == 12
    assert not outcome.interrupted
    assert outcome.seconds > 0
    assert [entry["presentations"] for entry in metrics(tmp_path / "deep" / "run")] == list(range(64, 641, 64))


def test_the_outcome_is_the_best_measurement(tmp_path: Path) -> None:
    outcome = fit(tiny(), tmp_path)
    history = metrics(tmp_path)
    best = max(history, key=lambda entry: entry["free_choice"])  # the first of equals
    assert outcome.feasibility == best["free_choice"]
    assert outcome.best_presentations == best["presentations"] < outcome.presentations
    assert not outcome.network.training
    validation = prepare_dense_data(tiny(), tmp_path / "pool.npz").validation
    again = measure(outcome.network, validation, torch.device("cpu"))
    assert again == {key: best[key] for key in ("free_choice", "fixed_cell_full")}


def test_the_seed_decides_everything(tmp_path: Path, whole_run: tuple[DenseOutcome, dict[str, Any]]) -> None:
    outcome, expected = whole_run
    assert same_weights(fit(tiny(), tmp_path / "a"), outcome)
    assert result(tmp_path / "a") == expected
    assert not same_weights(fit(tiny(seed=1), tmp_path / "b"), outcome)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first = fit(tiny(), tmp_path)
    before = result(tmp_path)
    again = fit(tiny(), tmp_path)
    assert result(tmp_path) == before
    assert same_weights(first, again)
    assert again.feasibility == first.feasibility


@pytest.mark.parametrize("call", [1, 4, 5, 23, 40])
def test_a_run_that_dies_in_any_step_ends_like_one_that_does_not(
    call: int, tmp_path: Path, propagator: Any, whole_run: tuple[DenseOutcome, dict[str, Any]]
) -> None:
    def die(calls: int) -> None:
        if calls == call:
            raise Killed

    propagator.on_call = die
    config = tiny(loss={"propagator": "my_propagator:propagate"})
    with pytest.raises(Killed):
        fit(config, tmp_path / "run")
    assert (tmp_path / "run" / "checkpoint.pt").exists() == (call > 4)
    assert same_weights(fit(config, tmp_path / "run"), whole_run[0])
    assert result(tmp_path / "run") == whole_run[1]


@pytest.mark.parametrize("moment", ["before", "within", "after"])
@pytest.mark.parametrize("checkpoint", [1, 7, 11])
def test_a_run_that_dies_around_a_checkpoint_ends_like_one_that_does_not(
    checkpoint: int,
    moment: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole_run: tuple[DenseOutcome, dict[str, Any]],
) -> None:
    written = 0

    def dying_save(state: dict[str, Any], path: Path) -> None:
        nonlocal written
        written += 1
        if written == checkpoint and moment == "within":
            path.with_name(path.name + ".tmp").write_bytes(b"half a checkpoint")
        if written != checkpoint or moment == "after":
            save_checkpoint(state, path)
        if written == checkpoint:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", dying_save)
        with pytest.raises(Killed):
            fit(tiny(), tmp_path)
    assert same_weights(fit(tiny(), tmp_path), whole_run[0])
    assert result(tmp_path) == whole_run[1]
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("kept", [0, 40])
def test_a_run_that_dies_while_it_claims_its_folder_ends_like_one_that_does_not(
    kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole_run: tuple[DenseOutcome, dict[str, Any]]
) -> None:
    write_text = Path.write_text

    def dying_write(path: Path, data: str, encoding: str | None = None) -> int:
        if "config.json" in path.name:
            write_text(path, data[:kept], encoding=encoding)
            raise Killed
        return write_text(path, data, encoding=encoding)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", dying_write)
        with pytest.raises(Killed):
            fit(tiny(), tmp_path)
    assert same_weights(fit(tiny(), tmp_path), whole_run[0])


@pytest.mark.parametrize("call", [2, 4, 38])
def test_ctrl_c_ends_after_the_step_and_the_run_goes_on_to_the_same_weights(
    call: int, tmp_path: Path, propagator: Any, whole_run: tuple[DenseOutcome, dict[str, Any]]
) -> None:
    propagator.on_call = lambda calls: signal.raise_signal(signal.SIGINT) if calls == call else None
    config = tiny(loss={"propagator": "my_propagator:propagate"})
    before = signal.getsignal(signal.SIGINT)
    outcome = fit(config, tmp_path / "run")
    assert (outcome.interrupted, outcome.presentations) == (True, call * 16)
    assert signal.getsignal(signal.SIGINT) is before
    again = fit(config, tmp_path / "run")
    assert not again.interrupted
    assert same_weights(again, whole_run[0])
    assert without_loss(result(tmp_path / "run")) == without_loss(whole_run[1])


def test_ctrl_c_between_two_measurements_keeps_their_mean_loss(
    tmp_path: Path, propagator: Any, whole_run: tuple[DenseOutcome, dict[str, Any]]
) -> None:
    propagator.on_call = lambda calls: signal.raise_signal(signal.SIGINT) if calls == 6 else None
    config = tiny(loss={"propagator": "my_propagator:propagate"})
    assert fit(config, tmp_path / "run").interrupted
    fit(config, tmp_path / "run")
    assert metrics(tmp_path / "run") == whole_run[1]["metrics"]


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path, propagator: Any) -> None:
    def twice(calls: int) -> None:
        if calls == 7:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    propagator.on_call = twice
    config = tiny(loss={"propagator": "my_propagator:propagate"})
    with pytest.raises(KeyboardInterrupt):
        fit(config, tmp_path / "run")
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt")["step"] == 4


@pytest.mark.slow
@pytest.mark.usefixtures("propagator")
def test_kill_9_of_the_real_process(tmp_path: Path) -> None:
    """One run is killed after some checkpoints, the other one is left alone."""
    config = tiny(
        problem={"order": 4},
        pool={"solutions": 3000},
        data={"validation_states": 1000},
        loss={"propagator": "my_propagator:propagate"},
        train={"presentations": 4000, "evaluate_every": 160},
    )
    file, run = tmp_path / "tiny.toml", tmp_path / "run"
    file.write_text(config_to_toml(config))
    measured = run / "metrics.jsonl"
    with (tmp_path / "my_propagator.py").open("a") as module:  # for that process alone: it gets no further
        module.write(WAITING.format(str(measured)))
    process = subprocess.Popen(
        [sys.executable, "-m", "training", "fit", str(file), "--out", str(run)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (measured.exists() and len(measured.read_bytes().splitlines()) > 5):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert 0 < load_checkpoint(run / "checkpoint.pt")["step"] * 16 < 4000
    assert same_weights(fit(config, run), fit(config, tmp_path / "alone"))
    assert result(run) == result(tmp_path / "alone")


def test_ctrl_c_on_the_command_line(tmp_path: Path, propagator: Any, capsys: pytest.CaptureFixture[str]) -> None:
    propagator.on_call = lambda calls: signal.raise_signal(signal.SIGINT) if calls == 6 else None
    config = tiny(loss={"propagator": "my_propagator:propagate"})
    (tmp_path / "tiny.toml").write_text(config_to_toml(config))
    assert main(["fit", str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "run")]) == 130
    output = capsys.readouterr()
    assert output.out == ""
    message = "interrupted at 96 presentations; the same command goes on from there"
    assert output.err.splitlines()[-1] == message


def one_line(code: int, capsys: pytest.CaptureFixture[str]) -> str:
    assert code == 2
    stderr = capsys.readouterr().err
    assert stderr.startswith("error: ")
    assert len(stderr.splitlines()) == 1
    return stderr


def test_a_folder_with_another_config_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.toml").write_text(config_to_toml(tiny()))
    fit(tiny(), tmp_path / "run")
    before = result(tmp_path / "run")
    capsys.readouterr()
    code = main(["fit", str(tmp_path / "a.toml"), "--out", str(tmp_path / "run"), "--set", "loss.weight=0.5"])
    assert f"{tmp_path / 'run'} holds a run with another config" in one_line(code, capsys)
    assert result(tmp_path / "run") == before


def test_a_damaged_checkpoint_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, run = tmp_path / "a.toml", tmp_path / "run"
    file.write_text(config_to_toml(tiny()))
    fit(tiny(), run)
    whole = (run / "checkpoint.pt").read_bytes()
    for part in (whole[: len(whole) // 2], whole[:-1], whole[:10], b"PK"):
        (run / "checkpoint.pt").write_bytes(part)
        capsys.readouterr()
        line = one_line(main(["fit", str(file), "--out", str(run)]), capsys)
        assert re.search(r"checkpoint\.pt: expected a checkpoint \(.*\); remove it to start afresh", line)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02\xff",
        *((content) for content in (b"", b"hello", {"epoch": 1}, [1, 2])),
    ],
    ids=str,
)
def test_a_foreign_checkpoint_is_refused(content: Any, tmp_path: Path) -> None:
    fit(tiny(train={"presentations": 64}), tmp_path)
    if isinstance(content, bytes):
        (tmp_path / "checkpoint.pt").write_bytes(content)
    else:
        torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(ConfigError, match=r"checkpoint\.pt: expected a checkpoint"):
        fit(tiny(train={"presentations": 64}), tmp_path)


def test_nothing_in_a_checkpoint_is_executed(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "executed"),)

    torch.save({"step": Attack()}, tmp_path / "checkpoint.pt")
    with pytest.raises(ConfigError, match=r"checkpoint\.pt: expected a checkpoint"):
        load_checkpoint(tmp_path / "checkpoint.pt")
    assert not (tmp_path / "executed").exists()


def test_saving_a_checkpoint_replaces_the_old_one_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint({"step": 1}, path)
    before = path.read_bytes()
    with pytest.raises((AttributeError, TypeError, RuntimeError), match=r"pickle|local"):
        save_checkpoint({"step": lambda: None}, path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("patience", [1, 3])
def test_early_stopping(patience: int, tmp_path: Path) -> None:
    """With a vanishing step size the first measurement stays the best."""
    config = tiny(train={"learning_rate": 1e-12, "patience": patience})
    outcome = fit(config, tmp_path)
    assert outcome.presentations == (1 + patience) * 64
    assert outcome.best_presentations == 64
    assert not outcome.interrupted
    assert len(metrics(tmp_path)) == 1 + patience
    assert fit(config, tmp_path).presentations == (1 + patience) * 64


def test_patience_counts_from_the_last_gain_and_over_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feasibility = iter([0.1, 0.1, 0.3, 0.2, 0.3, 0.25, 0.9])
    monkeypatch.setattr(trainer, "measure", lambda *_: {"free_choice": next(feasibility), "fixed_cell_full": 0.0})
    config = tiny(train={"patience": 3})
    saved = 0

    def dying_save(state: dict[str, Any], path: Path) -> None:
        nonlocal saved
        saved += 1
        save_checkpoint(state, path)
        if saved == 4:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", dying_save)
        with pytest.raises(Killed):
            fit(config, tmp_path)
    outcome = fit(config, tmp_path)
    assert [entry["free_choice"] for entry in metrics(tmp_path)] == [0.1, 0.1, 0.3, 0.2, 0.3, 0.25]
    assert (outcome.best_presentations, outcome.feasibility) == (3 * 64, 0.3)


@pytest.mark.parametrize(
    "loss",
    [
        {"target": "single", "propagator": "none"},
        {"target": "solution", "propagator": "rows", "form": "bce"},
        {"target": "single", "propagator": "full", "form": "negative"},
    ],
)
def test_bf16_and_fp32_both_train(loss: dict[str, str], tmp_path: Path) -> None:
    outcomes = [
        fit(tiny(loss=loss, train={"precision": precision}), tmp_path / precision) for precision in ("fp32", "bf16")
    ]
    for outcome, precision in zip(outcomes, ("fp32", "bf16"), strict=True):
        history = metrics(tmp_path / precision)
        assert history[-1]["loss"] < history[0]["loss"]
        assert all(w.dtype == torch.float32 and w.isfinite().all() for w in outcome.network.parameters())
    assert not same_weights(*outcomes)


@pytest.mark.parametrize(("decay", "last"), [("none", 1.0), ("cosine", (1 + math.cos(math.pi * 39 / 40)) / 2)])
def test_the_step_size_of_the_last_of_40_steps(decay: str, last: float, tmp_path: Path) -> None:
    fit(tiny(train={"decay": decay}), tmp_path)
    (group,) = load_checkpoint(tmp_path / "checkpoint.pt")["optimizer"]["param_groups"]
    assert group["lr"] == pytest.approx(0.01 * last)


def test_batches_larger_than_the_data_are_the_data(tmp_path: Path) -> None:
    outcome = fit(tiny(train={"batch_size": 100_000, "presentations": 500}), tmp_path)
    assert outcome.num_examples <= outcome.presentations == 500 // outcome.num_examples * outcome.num_examples


def test_a_users_propagator_is_used(tmp_path: Path, propagator: Any, whole_run: tuple[DenseOutcome, Any]) -> None:
    mine = fit(tiny(loss={"propagator": "my_propagator:propagate"}), tmp_path / "mine")
    assert propagator.calls == 40
    assert same_weights(mine, whole_run[0])
    other = fit(tiny(loss={"propagator": "my_propagator:everything"}), tmp_path / "other")
    assert not same_weights(other, whole_run[0])


def test_loading_propagators(propagator: Any) -> None:
    problem = LatinSquare(3)
    assert load_propagator("none", problem) is None
    assert load_propagator("my_propagator:propagate", problem) is propagator.propagate
    state = torch.zeros(1, 27)
    state[0, 0] = 1  # row 1, column 1 is 1
    full, rows = (load_propagator(name, problem) for name in ("full", "rows"))
    assert full is not None
    assert rows is not None
    assert (int(rows(state).sum()), int(full(state).sum())) == (27 - 3 - 2, 27 - 3 - 4)


@pytest.mark.parametrize(
    "name",
    [
        "no_such_module:f",
        "my_propagator:no_such_function",
        "my_propagator:",
        *((name) for name in (":f", ".relative:f", "my_propagator:number")),
    ],
)
@pytest.mark.usefixtures("propagator")
def test_a_propagator_that_cannot_be_loaded_is_one_line(name: str) -> None:
    with pytest.raises(ConfigError, match=r"loss\.propagator: expected module:function .* got '") as error:
        load_propagator(name, LatinSquare(3))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "mistake", [{"loss": {"propagator": "no_such_module:f"}}, {"pool": {"file": "/no/such/file.csv"}}]
)
def test_a_mistake_leaves_the_folder_free(mistake: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(Exception, match="expected"):
        fit(tiny(**mistake), tmp_path)
    assert fit(tiny(), tmp_path).presentations == 640


def test_total_loss() -> None:
    scores, assignment, target = torch.randn(4, 27), torch.zeros(4, 27), torch.eye(27)[:4]
    plain = candidate_cross_entropy(scores, target)
    assert dense_loss(scores, assignment, target, DenseLossConfig(weight=3.0), None) == plain
    possible = torch.rand(4, 27) < 0.5
    for form in ("mse", "bce", "negative"):
        config = DenseLossConfig(weight=0.25, form=form)
        expected = plain + 0.25 * semantic_based_regularisation(scores, possible, form)
        torch.testing.assert_close(dense_loss(scores, assignment, target, config, lambda _: possible), expected)


def test_a_mask_takes_pairs_out_of_the_softmax_and_out_of_validation(tmp_path: Path) -> None:
    scores, assignment = torch.randn(4, 27), torch.zeros(4, 27)
    possible = torch.arange(27) % 3 == 0
    for target in (torch.eye(27)[[0, 3, 6, 9]], possible.repeat(4, 1) / possible.sum()):
        masked = dense_loss(scores, assignment, target, DenseLossConfig(), None, lambda _: possible.repeat(4, 1))
        torch.testing.assert_close(masked, candidate_cross_entropy(scores[:, possible], target[:, possible]))
    config = tiny(loss={"target": "solution", "propagator": "none", "mask": "full"})
    outcome = fit(config, tmp_path)
    validation = prepare_dense_data(config, tmp_path / "pool.npz").validation
    assert outcome.feasibility == measure(outcome.network, validation, torch.device("cpu"), "full")["free_choice"]


def test_choose_device() -> None:
    assert choose_device("cpu").type == "cpu"
    if torch.cuda.is_available():
        assert choose_device("auto").type == choose_device("cuda").type == "cuda"
    else:
        assert choose_device("auto").type == "cpu"
        with pytest.raises(ConfigError, match="expected a CUDA device, torch sees none; use --device cpu or auto"):
            choose_device("cuda")


def test_other_solutions_in_the_same_file_are_refused(tmp_path: Path) -> None:
    mine = tmp_path / "mine.npz"
    Pool(latin_squares(4)[:60].reshape(60, 16), 1, 4).save(mine)
    config = tiny(problem={"order": 4}, pool={"file": str(mine), "solutions": 60})
    fit(config, tmp_path / "run")
    Pool(latin_squares(4)[60:120].reshape(60, 16), 1, 4).save(mine)
    with pytest.raises(ConfigError, match="holds a run on other solutions"):
        fit(config, tmp_path / "run")


def test_a_propagator_of_another_shape_is_refused() -> None:
    scores = torch.zeros(4, 27)
    for possible in (torch.ones(27), torch.ones(())):
        with pytest.raises(ConfigError, match=r"loss\.propagator: expected it to return shape \(4, 27\)"):
            dense_loss(scores, scores, scores, DenseLossConfig(), lambda _, answer=possible: answer)  # type: ignore[misc]
