from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnsearch.errors import ConfigError
from training.config import config_of, config_to_table, config_to_toml, read_table
from training.tasks.dense_config import (
    DenseConfig,
    DenseDataConfig,
    DenseLossConfig,
    DenseNetworkConfig,
    DenseTrainConfig,
    PoolConfig,
    ProblemConfig,
    read_config,
)
from training.tasks.graph_config import GraphConfig
from training.tasks.model_graph_config import ModelGraphConfig

COMMITTED = sorted((Path(__file__).parents[3] / "training" / "configs").glob("*.toml"))

positive = st.integers(1, 2**40)
text = st.text(st.characters(min_codepoint=32, max_codepoint=0xFFFF, exclude_categories=["Cs", "Cc"]))
configs = st.builds(
    DenseConfig,
    name=text.map(lambda t: "run" + t.replace("/", "").replace("\\", "")),
    seed=st.integers(0, 2**31),
    problem=st.builds(ProblemConfig, order=st.integers(2, 64)),
    pool=st.builds(PoolConfig, solutions=st.integers(2), seed=st.integers(0, 2**31), file=text),
    data=st.builds(
        DenseDataConfig,
        passes=positive,
        held_out=st.floats(0, 1, exclude_min=True, exclude_max=True),
        validation_states=positive,
    ),
    network=st.builds(DenseNetworkConfig, hidden=st.lists(positive).map(tuple)),
    loss=st.builds(
        DenseLossConfig,
        target=st.sampled_from(["single", "solution"]),
        propagator=st.sampled_from(["none", "rows", "full", "my.module:function"]),
        form=st.sampled_from(["mse", "bce", "negative"]),
        weight=st.floats(0, 1e300),
    ),
    train=st.builds(
        DenseTrainConfig,
        presentations=positive,
        batch_size=positive,
        learning_rate=st.floats(0, 1e300, exclude_min=True),
        decay=st.sampled_from(["none", "cosine"]),
        precision=st.sampled_from(["fp32", "bf16"]),
        device=st.sampled_from(["auto", "cpu", "cuda"]),
        threads=st.integers(0, 64),
        evaluate_every=positive,
        patience=st.integers(0, 100),
    ),
)


def read(tmp_path: Path, toml: str, **overrides: str) -> DenseConfig:
    path = tmp_path / "run.toml"
    path.write_text(toml, encoding="utf-8")
    return read_config(path, {key.replace("__", "."): value for key, value in overrides.items()})


def refusal(tmp_path: Path, toml: str, **overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, toml, **overrides)
    message = str(error.value)
    assert len(message.splitlines()) == 1
    return message


@given(config=configs)
def test_toml_and_tables_give_the_config_back(config: DenseConfig, tmp_path_factory: pytest.TempPathFactory) -> None:
    toml = config_to_toml(config)
    assert tomllib.loads(toml) == config_to_table(config)
    assert read(tmp_path_factory.mktemp("config"), toml) == config
    assert config_of(DenseConfig, json.loads(json.dumps(config_to_table(config)))) == config


@pytest.mark.parametrize(
    "text",
    [
        'back\\slash "quotes", tab\t and DEL\x7f',
        ("\N{GRINNING FACE}"),
    ],
)
def test_awkward_strings_survive(text: str, tmp_path: Path) -> None:
    config = DenseConfig(pool=PoolConfig(file=text))
    assert read(tmp_path, config_to_toml(config)) == config


def test_every_key_is_optional(tmp_path: Path) -> None:
    assert read(tmp_path, "") == DenseConfig()
    assert read(tmp_path, "[train]\n[loss]\nweight = 2") == DenseConfig(loss=DenseLossConfig(weight=2.0))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_the_committed_configs(path: Path) -> None:
    table = read_table(path)
    if table.get("encoder") == "model_graph":
        assert config_of(ModelGraphConfig, table, path).name == path.stem
    elif table.get("encoder") != "candidate_graph":
        assert read_config(path).name == path.stem
    elif path.stem == "cp-model":  # model and history are the user's, and the run is named after the model
        with pytest.raises(ConfigError, match=r"expected families .* or a cp_model"):
            config_of(GraphConfig, table, path)
        files = {"data.cp_model": '"my.pb"', "data.history": '"my.csv"'}
        config = config_of(GraphConfig, read_table(path, files), path)
        assert (config.data.cp_model, config.network.reads_place) == ("my.pb", True)
        assert "name" not in table
    else:
        assert config_of(GraphConfig, table, path).name == path.stem


def test_the_paper_is_the_default_network() -> None:
    assert DenseNetworkConfig().hidden == (512, 512, 512)
    assert (DenseLossConfig().target, DenseLossConfig().form, DenseLossConfig().weight) == ("single", "mse", 1.0)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("sede = 1", "unknown key 'sede'; expected one of name, seed, problem, pool, data, network, loss, train"),
        ("[loss]\nlambda = 1", "unknown key 'loss.lambda'; expected one of loss.target, loss.propagator, loss.form"),
        ("[losses]\nweight = 1", "unknown key 'losses'"),
        ("loss = 1", "loss: expected a table, got 1"),
        ("seed = '1'", "seed: expected int, got '1'"),
        ("seed = 1.0", "seed: expected int, got 1.0"),
        ("seed = true", "seed: expected int, got True"),
        ("name = 3", "name: expected str, got 3"),
        ("name = true", "name: expected str, got True"),
        ("[train]\nlearning_rate = true", "train.learning_rate: expected float, got True"),
        ("[train]\nlearning_rate = '1e-3'", "train.learning_rate: expected float, got '1e-3'"),
        ("[network]\nhidden = 512", "network.hidden: expected a list, got 512"),
        ("[network]\nhidden = [512, 1.5]", "network.hidden: expected int, got 1.5"),
        ("[network]\nhidden = [true]", "network.hidden: expected int, got True"),
        ("[problem]\nkind = 'knights'", "problem.kind: expected latin-square, sudoku, n-queens, got 'knights'"),
        ("[problem]\nkind = 'sudoku'", "problem.order: expected a square number from 4 on for sudoku, got 10"),
        ("[problem]\nkind = 'n-queens'\norder = 3", "problem.order: expected 4 or more for n-queens, got 3"),
        (
            "[problem]\nkind = 'n-queens'\n[loss]\nmask = 'rows'",
            "loss.mask: expected none or full for n-queens, got 'rows'",
        ),
        ("[problem]\norder = 1", "problem.order: expected 2 to 64, got 1"),
        ("[problem]\norder = 65", "problem.order: expected 2 to 64, got 65"),
        ("[pool]\nsolutions = 1", "pool.solutions: expected 2 or more, got 1"),
        ("[data]\npasses = 0", "data.passes: expected 1 or more, got 0"),
        ("[data]\nexamples = -1", "data.examples: expected 0 or more, got -1"),
        ("[data]\nsplit = 'square'", "data.split: expected solution or example, got 'square'"),
        ("[data]\nheld_out = 0", "data.held_out: expected a share between 0 and 1, got 0.0"),
        ("[data]\nheld_out = 1", "data.held_out: expected a share between 0 and 1, got 1.0"),
        ("[data]\nheld_out = nan", "data.held_out: expected a share between 0 and 1, got nan"),
        ("[data]\nvalidation_states = 0", "data.validation_states: expected 1 or more, got 0"),
        ("[network]\nhidden = [4, 0]", "network.hidden: expected widths >= 1, got (4, 0)"),
        ("[loss]\ntarget = 'pair'", "loss.target: expected single or solution, got 'pair'"),
        ("[loss]\nform = 'cnf'", "loss.form: expected mse, bce or negative, got 'cnf'"),
        ("[loss]\nmask = 'columns'", "loss.mask: expected none, rows or full, got 'columns'"),
        ("[loss]\nweight = -0.1", "loss.weight: expected 0 or more, got -0.1"),
        ("[loss]\npropagator = 'columns'", "loss.propagator: expected none, rows, full or module:function, got"),
        ("[train]\npresentations = 0", "train.presentations: expected 1 or more, got 0"),
        ("[train]\nbatch_size = 0", "train.batch_size: expected 1 or more, got 0"),
        ("[train]\nevaluate_every = -1", "train.evaluate_every: expected 0 or more, got -1"),
        ("[train]\nthreads = -1", "train.threads: expected 0 or more, got -1"),
        ("[train]\npatience = -1", "train.patience: expected 0 or more, got -1"),
        ("[train]\nlearning_rate = 0", "train.learning_rate: expected above 0, got 0.0"),
        ("[train]\ndecay = 'linear'", "train.decay: expected none or cosine, got 'linear'"),
        ("[train]\nprecision = 'fp16'", "train.precision: expected fp32 or bf16, got 'fp16'"),
        ("[train]\ndevice = 'gpu'", "train.device: expected auto, cpu or cuda, got 'gpu'"),
        ("seed = ", "expected TOML: "),
        *(
            (toml, key)
            for toml, key in (
                ("seed = -1", "seed: "),
                ("seed = 18_446_744_073_709_551_616", "seed: "),
                ("[pool]\nseed = -1", "pool.seed: "),
                ("name = ''", "name: "),
                ("name = 'a/b'", "name: "),
                ("[train]\nlearning_rate = inf", "train.learning_rate: "),
                ("[loss]\nweight = inf", "loss.weight: "),
                ("[loss]\npropagator = ':function'", "loss.propagator: "),
                ("[loss]\npropagator = 'module:'", "loss.propagator: "),
            )
        ),
    ],
)
def test_a_malformed_config_is_one_line_with_file_and_key(toml: str, message: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, toml).startswith(f"{tmp_path / 'run.toml'}: {message}")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    for name in ("missing.toml", ".", "binary.toml"):
        with pytest.raises(ConfigError, match=re.escape(f"{tmp_path / name}: expected ")):
            read_config(tmp_path / name)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("seed", "7", DenseConfig(seed=7)),
        ("name", "bare", DenseConfig(name="bare")),
        ("name", '"quoted"', DenseConfig(name="quoted")),
        ("loss__weight", "0.1", DenseConfig(loss=DenseLossConfig(weight=0.1))),
        ("loss__propagator", "my.module:function", DenseConfig(loss=DenseLossConfig(propagator="my.module:function"))),
        ("network__hidden", "[8, 9]", DenseConfig(network=DenseNetworkConfig((8, 9)))),
        ("pool__file", "/data/my squares.csv", DenseConfig(pool=PoolConfig(file="/data/my squares.csv"))),
        ("problem__order", "7", DenseConfig(problem=ProblemConfig(order=7))),
    ],
)
def test_overrides(key: str, value: str, expected: DenseConfig, tmp_path: Path) -> None:
    assert read(tmp_path, "", **{key: value}) == expected
    other: dict[str, Any] = {"problem": {"order": 12}, "seed": 3, "name": "file", "loss": {"weight": 5}}
    in_file = config_to_toml(config_of(DenseConfig, other))
    assert read(tmp_path, in_file, **{key: value}) != read(tmp_path, in_file)


def test_an_override_wins_over_the_file_and_leaves_its_neighbours(tmp_path: Path) -> None:
    config = read(tmp_path, "[loss]\nweight = 5\nform = 'bce'", loss__weight="0.5")
    assert config.loss == DenseLossConfig(weight=0.5, form="bce")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("loss__lambda", "1", "unknown key 'loss.lambda'"),
        ("seed__x", "1", "seed is not a table"),
        ("seed", "one", "seed: expected int, got 'one'"),
        ("problem__order", "1", "problem.order: expected 2 to 64, got 1"),
        ("loss", "1", "loss: expected a table, got 1"),
    ],
)
def test_malformed_overrides(key: str, value: str, message: str, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, "seed = 1", **{key: value})


@pytest.mark.parametrize("change", [{"seed": 1}, {"loss": {"weight": 2}}, {"network": {"hidden": [8]}}])
def test_configs_are_frozen_and_compare_by_value(change: dict[str, Any]) -> None:
    assert config_of(DenseConfig, change) == config_of(DenseConfig, change) != DenseConfig()
    with pytest.raises(AttributeError):
        setattr(DenseConfig(), "seed", 2)  # noqa: B010
