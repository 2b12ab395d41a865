from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from latin_squares import latin_squares

from nnsearch.problems.latin_square.problem import is_solution
from nnsearch.scorers.onnx import OnnxScorer
from training.__main__ import main
from training.cli import fit as cli
from training.config import config_of, config_to_table
from training.data.pools.jacobson_matthews import JacobsonMatthews
from training.data.pools.pool import Pool, read_pool
from training.running.checkpoint import load_checkpoint, save_checkpoint
from training.tasks import dense as trainer
from training.tasks.dense import fit
from training.tasks.dense_config import DenseConfig
from training.tasks.graph_config import GraphConfig
from training.tasks.model_graph_config import ModelGraphConfig

pytestmark = pytest.mark.slow

TOML = """
name = "tiny"
[problem]
order = 4
[pool]
solutions = 200
[data]
validation_states = 160
[network]
hidden = [96, 96]
[loss]
target = "solution"
propagator = "full"
[train]
presentations = 640
batch_size = 64
evaluate_every = 320
learning_rate = 3e-3
threads = 1
device = "cpu"
"""


@pytest.fixture(autouse=True, scope="module")
def _threads() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "tiny.toml"
    path.write_text(TOML)
    return str(path)


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What fit would have written into the model's metadata."""
    seen: dict[str, Any] = {}
    monkeypatch.setattr(cli, "export", lambda _network, _problem, training, _path: seen.update(training))
    return seen


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is long enough to learn something."""
    folder = tmp_path_factory.mktemp("learned")
    (folder / "tiny.toml").write_text(TOML)
    sets = ["--set", "train.presentations=48_000", "--set", "train.evaluate_every=9_600", "--set", "pool.seed=3"]
    sets += ["--set", "pool.solutions=2000"]
    assert main(["fit", str(folder / "tiny.toml"), "--out", str(folder / "run"), *sets]) == 0
    return folder / "run"


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: ")
    assert len(output.err.splitlines()) == 1
    return output.err


@pytest.mark.parametrize("command", ["pool", "fit", "evaluate", "export", "label", "bp"])
def test_help_of_every_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    text = capsys.readouterr().out
    assert text.startswith(f"usage: python -m training {command}")
    assert len(text.splitlines()) > 8


def test_help_explains_every_key_of_the_config(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["fit", "--help"])
    lines = capsys.readouterr().out.splitlines()
    first, second = (
        next(i for i, line in enumerate(lines) if line.startswith(f"for a network on the {graph} graph"))
        for graph in ("candidate", "model")
    )
    for config, part in (
        (DenseConfig(), lines[:first]),
        (GraphConfig(), lines[first:second]),
        (ModelGraphConfig(), lines[second:]),
    ):
        keys = [f.name for f in dataclasses.fields(config) if not dataclasses.is_dataclass(getattr(config, f.name))]
        for name, table in config_to_table(config).items():
            keys += [f"{name}.{key}" for key in table] if isinstance(table, dict) else []
        assert len(keys) > 20
        for key in keys:
            (at,) = [i for i, line in enumerate(part) if line.startswith(f"  {key} = ")]
            assert len(part[at + 1].strip()) > 10


def test_a_command_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])
    commands = "bp, evaluate, export, fit, label, pool, solve"
    message = f"the following arguments are required: COMMAND, one of {commands} (see --help)"
    assert capsys.readouterr().err == f"error: {message}\n"


def test_an_option_that_is_wrong_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["pool", "--order", "ten", "--out", "x.npz"])
    message = "argument --order: invalid int value: 'ten' (see --help)"
    assert capsys.readouterr().err == f"error: {message}\n"


def test_the_list_of_commands_and_the_help_of_pool_need_no_torch() -> None:
    for words in (["--help"], ["pool", "--help"]):
        body = f"try: main({words})\nfinally: assert 'torch' not in sys.modules"
        code = f"import sys\nfrom training.__main__ import main\n{body}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_help_says_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    assert "Train the networks that nnsearch searches with" in text
    assert "``" not in text


def test_pool_writes_a_file_that_fit_can_use(
    tmp_path: Path, config: str, record: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "deep" / "squares.npz"
    assert main(["pool", "--order", "4", "--solutions", "300", "--seed", "5", "--out", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: 300 Latin squares of order 4\n"
    pool = read_pool(path, 16, 1, 4)
    np.testing.assert_array_equal(pool.solutions.reshape(300, 4, 4), JacobsonMatthews(4, seed=5).sample(300))
    assert all(is_solution(square) for square in pool.solutions.reshape(300, 4, 4))
    assert main(["fit", config, "--pool", str(path), "--out", str(tmp_path / "run")]) == 0
    assert record["config"]["pool"]["file"] == "squares.npz"
    assert record["solutions"] == min(len(pool.distinct()), 200)
    assert not (tmp_path / "run" / "pool.npz").exists()


def test_fit_reads_a_csv_of_the_users_own_squares(tmp_path: Path, config: str, record: dict[str, Any]) -> None:
    mine = tmp_path / "history of squares.csv"
    lines = [",".join(map(str, square.ravel())) for square in latin_squares(4)[::7]]
    mine.write_text("\n".join(lines))
    assert main(["fit", config, "--pool", str(mine), "--out", str(tmp_path / "run")]) == 0
    assert record["solutions"] == len(lines)


def test_fit_prints_the_path_and_the_order_changes_size_and_name(
    tmp_path: Path, config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fit", config, "--order", "3", "--seed", "4", "--device", "cpu", "--set", "pool.solutions=50"]) == 0
    path = Path("runs/tiny-3/tiny-3.onnx")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{path}: validation feasibility 0.")
    assert second == f"use it: nnsearch solve INSTANCE --model {path}"
    scorer = OnnxScorer(path, provider="cpu")
    assert (scorer.metadata.num_variables, scorer.metadata.num_values) == (9, 3)
    table = scorer.metadata.training["config"]
    assert (table["name"], table["seed"], table["problem"]["order"]) == ("tiny-3", 4, 3)
    assert config_of(DenseConfig, table) == config_of(
        DenseConfig, json.loads(Path("runs/tiny-3/config.json").read_text())
    )
    assert scorer.metadata.training["validation_feasibility"] == round(
        load_checkpoint(Path("runs/tiny-3/checkpoint.pt"))["best"]["score"], 4
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "missing.toml"], "missing.toml: expected a TOML file, got: No such file or directory"),
        (["fit", "universal"], "is training/configs/universal.toml meant?"),
        (["fit", "CONFIG", "--set", "seed"], "--set: expected KEY=VALUE, got 'seed'"),
        (["fit", "CONFIG", "--set", "loss.lambda=1"], "unknown key 'loss.lambda'"),
        (["fit", "CONFIG", "--order", "1"], "problem.order: expected 2 to 64, got 1"),
        (["fit", "CONFIG", "--pool", "missing.csv"], "missing.csv: expected a file of solutions"),
        (["pool", "--out", "squares.csv"], "--out: expected a file ending in .npz, got squares.csv"),
        (["pool", "--order", "1", "--out", "x.npz"], "--order: expected 2 to 64, got 1"),
        (["pool", "--order", "65", "--out", "x.npz"], "--order: expected 2 to 64, got 65"),
        (["pool", "--order", "3", "--seed", "-1", "--out", "x.npz"], "expected a seed of 0 or more, got -1"),
        (["evaluate", "no-such-model"], "unknown model 'no-such-model': expected one of"),
        (["evaluate", "missing.onnx"], "missing.onnx: expected an .onnx file, found none"),
        (["export", ".", "--out", "x.onnx"], "expected the folder of a run (config.json), found none"),
        *(
            (arguments, message)
            for arguments, message in (
                (["pool", "--solutions", "0", "--out", "x.npz"], "--solutions: "),
                (["pool", "--solutions", "-1", "--out", "x.npz"], "--solutions: "),
                (["fit", "CONFIG", "--seed", "-1"], "seed"),
                (["fit", "CONFIG", "--out", "CONFIG"], "tiny.toml: expected a folder that can be written, got: Not a"),
            )
        ),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    message: str,
    config: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refusal([config if a == "CONFIG" else a for a in arguments], capsys)


def test_a_pool_of_other_things_is_one_line(tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]) -> None:
    Pool(np.ones((3, 16), np.int64), 1, 4).save(tmp_path / "ones.npz")
    arguments = ["fit", config, "--pool", str(tmp_path / "ones.npz"), "--out", str(tmp_path / "run")]
    assert "ones.npz: expected Latin squares of order 4; 1 of 1 distinct" in refusal(arguments, capsys)


def test_a_pool_with_an_awkward_path(tmp_path: Path, config: str) -> None:
    mine = tmp_path / "\N{GRINNING FACE} squares.npz"
    Pool(latin_squares(4)[:40].reshape(40, 16), 1, 4).save(mine)
    assert main(["fit", config, "--pool", str(mine), "--out", str(tmp_path / "run")]) == 0


def test_ctrl_c_outside_the_loop(
    config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "fit", interrupted)
    assert main(["fit", config]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_small_run_learns(learned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    losses = [json.loads(line)["loss"] for line in (learned / "metrics.jsonl").read_text().splitlines()]
    assert len(losses) == 5
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.7 * losses[0]

    capsys.readouterr()
    arguments = ["evaluate", str(learned / "tiny.onnx"), "--states", "1600", "--squares", "300", "--json"]
    assert main(arguments) == 0
    rows = {(row["arm"], row["propagation"]): row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows.keys() == {(arm, p) for arm in ("rnd", "tiny") for p in ("none", "rows", "full")}
    assert all(row["order"] == 4 for row in rows.values())
    free = {key: row["free_choice_mean"] for key, row in rows.items()}
    assert free["rnd", "none"] < 0.4
    assert free["tiny", "none"] > free["rnd", "none"] + 0.3
    assert free["rnd", "none"] < free["rnd", "rows"] < free["rnd", "full"]
    assert free["tiny", "none"] <= free["tiny", "rows"] <= free["tiny", "full"]
    for row in rows.values():
        for question in ("free_choice", "fixed_cell"):
            assert 0 <= row[f"{question}_worst"] <= row[f"{question}_mean"] <= 1
            assert 0 <= row[f"{question}_worst_filled"] < 16


def test_evaluate_prints_a_table_of_what_it_measured(learned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", str(learned / "tiny.onnx"), "--states", "160", "--squares", "20", "--seed", "7"]
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert main(arguments) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["arm", "order", "propagation"]
    for line, row in zip(lines, rows, strict=True):
        numbers = [f"{row['free_choice_mean']:.3f}", f"{row['free_choice_worst']:.3f}"]
        assert line.split()[:5] == [row["arm"], "4", row["propagation"], *numbers]
        assert line.endswith(f"({row['fixed_cell_worst_filled']})")


def test_evaluate_keeps_models_of_the_same_name_apart(
    learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.onnx").write_bytes((learned / "tiny.onnx").read_bytes())
    capsys.readouterr()
    models = [str(learned / "tiny.onnx"), str(tmp_path / "tiny.onnx")]
    assert main(["evaluate", *models, "--states", "16", "--squares", "2", "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 9


@pytest.mark.parametrize("option", ["--states", "--squares"])
def test_evaluate_needs_something_to_measure(option: str, learned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", str(learned / "tiny.onnx"), option, "0"]
    assert f"{option}: expected 1 or more, got 0" in refusal(arguments, capsys)


def test_a_foreign_model_cannot_be_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.onnx").write_bytes(b"not a model")
    assert f"{tmp_path / 'x.onnx'}: expected a complete ONNX model" in refusal(
        ["evaluate", str(tmp_path / "x.onnx")], capsys
    )


def unfinished(folder: Path, steps: int) -> DenseConfig:
    """Stop a run after a number of steps, as Ctrl-C does."""
    config = config_of(
        DenseConfig,
        {
            "problem": {"order": 3},
            "pool": {"solutions": 30},
            "data": {"validation_states": 18},
            "network": {"hidden": [8]},
            "train": {"presentations": 320, "batch_size": 16, "evaluate_every": 64, "threads": 1, "device": "cpu"},
        },
    )
    calls = 0
    real = trainer.dense_loss

    def counted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == steps:
            signal.raise_signal(signal.SIGINT)
        return real(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "dense_loss", counted)
        assert fit(config, folder).interrupted
    return config


def test_export_of_an_unfinished_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = unfinished(tmp_path / "run", steps=10)
    capsys.readouterr()
    out = tmp_path / "models" / "early.onnx"
    assert main(["export", str(tmp_path / "run"), "--out", str(out)]) == 0
    best = load_checkpoint(tmp_path / "run" / "checkpoint.pt")["best"]
    assert capsys.readouterr().out == f"{out}: validation feasibility {best['score']:.4f}\n"
    scorer = OnnxScorer(out, provider="cpu")
    record = scorer.metadata.training
    assert (record["presentations"], record["best_presentations"]) == (160, best["entry"]["presentations"])
    assert config_of(DenseConfig, record["config"]) == config
    state = np.eye(27, dtype=np.float32)
    hidden = np.maximum(
        state @ best["weights"]["layers.0.weight"].numpy().T + best["weights"]["layers.0.bias"].numpy(), 0
    )
    expected = hidden @ best["weights"]["layers.2.weight"].numpy().T + best["weights"]["layers.2.bias"].numpy()
    np.testing.assert_allclose(scorer.run({"assignment": state}), expected, rtol=1e-4, atol=1e-5)


def test_export_gives_what_fit_gave(learned: Path, tmp_path: Path) -> None:
    assert main(["export", str(learned), "--out", str(tmp_path / "again.onnx")]) == 0
    again, before = (OnnxScorer(path, provider="cpu") for path in (tmp_path / "again.onnx", learned / "tiny.onnx"))
    assert again.metadata == before.metadata
    state = np.eye(64, dtype=np.float32)
    np.testing.assert_array_equal(again.run({"assignment": state}), before.run({"assignment": state}))


def test_export_needs_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config_to_table(DenseConfig())))
    message = refusal(["export", str(tmp_path), "--out", str(tmp_path / "x.onnx")], capsys)
    assert f"{tmp_path}: expected a checkpoint, found none" in message


@pytest.mark.usefixtures("record")
def test_export_needs_a_measurement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unfinished(tmp_path / "run", steps=2)
    refusal(["export", str(tmp_path / "run"), "--out", str(tmp_path / "x.onnx")], capsys)


@pytest.mark.parametrize("name", ["config.json", "checkpoint.pt"])
def test_export_of_a_damaged_run_is_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    unfinished(run, steps=5)
    if name == "config.json":
        (run / name).write_text("{")
    else:
        save_checkpoint({"epoch": 3}, run / name)
    assert name in refusal(["export", str(run), "--out", str(tmp_path / "x.onnx")], capsys)


@pytest.mark.usefixtures("record")
def test_export_writes_only_names_that_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unfinished(tmp_path / "run", steps=5)
    refusal(["export", str(tmp_path / "run"), "--out", str(tmp_path / "model")], capsys)
