"""A model of the user's own and its solutions, read by ``python -m training fit --cp-model ... --solutions ...``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from ortools.sat.python import cp_model

from nnsearch.errors import PoolError
from training.__main__ import main
from training.cli import fit as cli
from training.data.user_model import read_user_model

# a, b and c are a permutation of 0, 1, 2, and total is what the others make it: a + 2 b.
ROWS = [(0, 1, 2, 2), (1, 0, 2, 1), (2, 1, 0, 4), (1, 2, 0, 5)]


def model() -> cp_model.CpModel:
    model = cp_model.CpModel()
    a, b, c = (model.new_int_var(0, 2, name) for name in "abc")
    model.add_all_different([a, b, c])
    model.add(model.new_int_var_from_domain(cp_model.Domain.from_values([0, 1, 2, 4, 5]), "total") == a + 2 * b)
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model().export_to_file(str(tmp_path / "abc.pb"))
    (tmp_path / "history.csv").write_text(csv("a,b,c,total", ROWS))
    return tmp_path


def csv(header: str, rows: Sequence[tuple[int, ...]]) -> str:
    return header + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)


def solutions_of(folder: Path, text: str, seed: int = 0) -> list[tuple[int, ...]]:
    (folder / "other.csv").write_text(text)
    read = read_user_model(folder / "abc.pb", folder / "other.csv", 0.5, seed)
    both = np.concatenate([read.training.solutions, read.held_out.solutions])
    return sorted(tuple(row) for row in both.tolist())


@pytest.mark.parametrize(
    "text",
    [
        csv("a,b,c,total", ROWS),
        csv("total,c,b,a", [row[::-1] for row in ROWS]),
        csv("b,a", [(row[1], row[0]) for row in ROWS]),
        csv("c,total", [(row[2], row[3]) for row in ROWS]),
        "\ufeff" + csv(" a , b ", [row[:2] for row in ROWS]),
        csv("a,b", [row[:2] for row in ROWS]).replace("\n", "\r\n"),
        csv('"a","b"', [row[:2] for row in ROWS]).replace("\n0,1", "\n\n +0 , 1"),
        csv("a,b", [row[:2] for row in ROWS * 3]),
    ],
    ids=["whole", "reversed", "determined", "others", "spaces", "crlf", "quotes", "doubled"],
)
def test_columns_in_any_order_and_those_that_are_determined(text: str, folder: Path) -> None:
    assert solutions_of(folder, text) == sorted(ROWS)


def soft_model(weight: int, maximises: bool = False) -> cp_model.CpModel:
    """Three of five are chosen, at most one of the first three unless slack pays for more."""
    soft = cp_model.CpModel()
    chosen = [soft.new_bool_var(f"x{i}") for i in range(5)]
    slack = soft.new_int_var(0, 9, "slack")
    soft.add(sum(chosen) == 3)
    soft.add(sum(chosen[:3]) <= 1 + slack)
    if maximises:
        soft.maximize(chosen[0] - weight * slack)
    else:
        soft.minimize(weight * slack + chosen[0])
    return soft


@pytest.mark.parametrize("maximises", [False, True])
def test_slack_is_what_the_objective_makes_it(maximises: bool, folder: Path) -> None:
    soft_model(5, maximises).export_to_file(str(folder / "abc.pb"))
    decisions = [(1, 1, 1, 0, 0), (1, 1, 0, 1, 0), (0, 0, 1, 1, 1)]
    text = csv("x0,x1,x2,x3,x4", decisions)
    assert solutions_of(folder, text) == sorted((*row, max(0, sum(row[:3]) - 1)) for row in decisions)


def test_slack_that_costs_nothing_is_still_free(folder: Path) -> None:
    soft_model(0).export_to_file(str(folder / "abc.pb"))
    with pytest.raises(PoolError, match=r"other\.csv:2: .* slack is still free; give its column"):
        solutions_of(folder, csv("x0,x1,x2,x3,x4", [(1, 1, 1, 0, 0), (1, 1, 0, 1, 0)]))


def test_the_split_has_both_sides_and_the_identities_name_every_value(folder: Path) -> None:
    read = read_user_model(folder / "abc.pb", folder / "history.csv", 0.25, 0)
    assert (len(read.training.solutions), len(read.held_out.solutions)) == (3, 1)
    assert read.identities == {"a": [0, 1, 2], "b": [0, 1, 2], "c": [0, 1, 2], "total": [0, 1, 2, 4, 5]}
    assert read.graph.identity is not None
    assert read.graph.identity.tolist() == list(range(1, 15))
    again = read_user_model(folder / "abc.pb", folder / "history.csv", 0.25, 0)
    assert np.array_equal(read.training.solutions, again.training.solutions)
    for share in (0.01, 0.99):
        extreme = read_user_model(folder / "abc.pb", folder / "history.csv", share, 0)
        assert min(len(extreme.training.solutions), len(extreme.held_out.solutions)) == 1
    rng = np.random.default_rng(0)
    for tight in (True, False) * 5:
        planted = read.training.draw(rng, tight)
        assert planted.alive[planted.holds].all()
        assert planted.graph.values[planted.holds].tolist() in read.training.solutions.tolist()


REFUSED = [
    ("", "history.csv:1: expected the names of the model's variables (a, b, c, ...), got an empty file"),
    ("\n", "history.csv:1: expected the names of the model's variables (a, b, c, ...), got an empty file"),
    ("a,b\n", "history.csv: expected at least one solution below the line of names, found none"),
    ("a,d\n0,1\n1,0\n", "history.csv:1: expected the names of the model's variables (a, b, c, ...), got 'd'"),
    ("0,1,2,2\n1,0,2,1\n", "history.csv:1: expected the names of the model's variables (a, b, c, ...), got '0'"),
    ("a,b,a\n0,1,0\n", "history.csv:1: expected every variable once, got one twice"),
    ("a,b\n0,1\n1\n", "history.csv:3: expected 2 values, got 1"),
    ("a,b\n0,1,2\n1,0\n", "history.csv:2: expected 2 values, got 3"),
    ("a,b\n0,1\n\n1,0,\n", "history.csv:4: expected 2 values, got 3"),
    ("a,b\n0,one\n", "history.csv:2: expected integers, got 'one'"),
    ("a,b\n0,1.0\n", "history.csv:2: expected integers, got '1.0'"),
    ("a,b\n0,\n", "history.csv:2: expected integers, got ''"),
    ("a,b\n0,\u0661\n", "history.csv:2: expected integers, got"),
    ("a,b\n0,99999999999999999999\n", "history.csv:2: expected integers, got '99999999999999999999'"),
    ("a,b\n0,1\n0,3\n", "history.csv:3: expected a value of the domain of b, got 3"),
    ("a,total\n0,3\n", "history.csv:2: expected a value of the domain of total, got 3"),
    ("a,b\n0,-1\n", "history.csv:2: expected a value of the domain of b, got -1"),
    ("a,b\n0,1\n1,1\n", "history.csv:3: expected a solution of the model, this row violates it"),
    ("a,b,c,total\n0,1,2,5\n", "history.csv:2: expected a solution of the model, this row violates it"),
    ("a,b\n0,1\n", "history.csv: expected 2 or more distinct solutions, got 1"),
    ("a,b\n0,1\n0,1\n", "history.csv: expected 2 or more distinct solutions, got 1"),
]


def refusal(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """Type the command in the folder; return its one line."""
    capsys.readouterr()
    files = ["--cp-model", "abc.pb", "--solutions", "history.csv"]
    out = [] if "--out" in more else ["--out", "run"]
    assert main(["fit", *files, *out, *more]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: ")
    assert len(output.err.splitlines()) == 1
    return output.err


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=lambda value: repr(value)[:40])
def test_bad_history_is_one_line_that_names_file_and_line(
    text: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "history.csv").write_text(text, encoding="utf-8")
    assert message in refusal(folder, capsys)


def test_a_refused_run_leaves_no_folder(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "history.csv").write_text("a,b\n0,7\n")
    refusal(folder, capsys, "--out", "runs/first")
    assert sorted(path.name for path in folder.iterdir()) == ["abc.pb", "history.csv"]
    (folder / "kept").mkdir()
    refusal(folder, capsys, "--out", "kept")
    assert (folder / "kept").is_dir()


CONFIGS = str(Path(cli.__file__).parents[1] / "configs" / "pls.toml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["abc.pb"], "abc.pb: expected a TOML file, got a model; say --cp-model abc.pb --solutions HISTORY.csv"),
        ([CONFIGS, "--set", "foo.bar=1"], "--set foo.bar=1: unknown key 'foo'"),
        ([CONFIGS, "--set", "train.steps=3"], "--set train.steps=3: unknown key 'train.steps'"),
        ([CONFIGS, "--set", "train.threads=-1"], "--set train.threads=-1: train.threads: expected 0 or more"),
        ([CONFIGS, "--seed", "-1"], "--seed -1: seed: expected 0 to 4294967295, got -1"),
        (["wrong.toml"], "wrong.toml: unknown key 'foo'"),
    ],
)
def test_what_is_wrong_is_named_where_it_was_given(
    arguments: list[str],
    message: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    (folder / "wrong.toml").write_text("foo = 1\n")
    assert main(["fit", *arguments, "--out", "run"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert not (folder / "run").exists()


def test_a_corrected_history_trains_in_the_same_folder(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "history.csv").write_text("a,b\n0,7\n")
    sets = ["--set", "network.blocks=1", "--set", "network.hidden=4", "--set", "train.steps=2"]
    sets += ["--set", "train.candidates_per_step=20", "--set", "data.validation_states=3"]
    refusal(folder, capsys, *sets)
    (folder / "history.csv").write_text(csv("a,b", [row[:2] for row in ROWS]))
    files = ["--cp-model", "abc.pb", "--solutions", "history.csv"]
    exported: list[Path] = []
    monkeypatch.setattr(cli, "export_graph", lambda _network, _metadata, _states, path: exported.append(path))
    assert main(["fit", *files, "--out", "run", *sets]) == 0
    assert exported == [Path("run/abc.onnx")]


def test_a_corrected_file_name_trains_in_the_same_folder(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert main(["fit", "--cp-model", "abd.pb", "--solutions", "history.csv", "--out", "run"]) == 2
    assert "abd.pb: expected a file" in capsys.readouterr().err
    (folder / "history.csv").write_text("a,b\n0,7\n")
    assert "history.csv:2: expected a value of the domain of b, got 7" in refusal(folder, capsys)


def test_a_file_that_is_no_text_or_is_not_there(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "history.csv").write_bytes(b"\xff\xfe\x00a")
    assert "history.csv: expected a text file of comma-separated integers" in refusal(folder, capsys)
    (folder / "history.csv").unlink()
    assert "history.csv: expected a .csv file of solutions, found none" in refusal(folder, capsys)
    (folder / "history.csv").mkdir()
    assert "history.csv: expected a .csv file of solutions, found none" in refusal(folder, capsys)


def test_model_and_solutions_go_together(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for number, (arguments, message) in enumerate(
        (
            (["--cp-model", "abc.pb"], "--cp-model and --solutions go together"),
            (["--solutions", "history.csv"], "--cp-model and --solutions go together"),
            ([], "expected a TOML file, or --models, or --history, or --cp-model and --solutions"),
            (["--cp-model", "none.pb", "--solutions", "history.csv"], "none.pb: expected a file"),
            (["--cp-model", "history.csv", "--solutions", "history.csv"], "expected a file that ends in"),
            (
                ["--cp-model", "abc.pb", "--solutions", "history.csv", "--order", "5"],
                "--order is for networks of one size",
            ),
        )
    ):
        assert main(["fit", *arguments, "--out", f"run{number}"]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert len(error.splitlines()) == 1


def test_names_that_are_doubled_or_a_model_with_nothing_to_encode(tmp_path: Path) -> None:
    twice = cp_model.CpModel()
    twice.add_all_different([twice.new_int_var(0, 2, name) for name in ("a", "b", "a")])
    twice.export_to_file(str(tmp_path / "twice.pb"))
    (tmp_path / "history.csv").write_text("a,b\n0,1\n")
    with pytest.raises(PoolError, match=r"twice\.pb: expected variables with distinct names, got 'a' twice"):
        read_user_model(tmp_path / "twice.pb", tmp_path / "history.csv", 0.5, 0)


def test_an_objective_is_not_in_the_way(folder: Path) -> None:
    costly = model()
    costly.maximize(costly.get_int_var_from_proto_index(0))
    costly.export_to_file(str(folder / "abc.pb"))
    assert solutions_of(folder, csv("a,b", [row[:2] for row in ROWS])) == sorted(ROWS)
