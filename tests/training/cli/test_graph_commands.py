"""Training, export and use of networks on the candidate graph, through the command lines as a user types them."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from nnsearch.cli import main as solver_cli
from nnsearch.problems import read_problem
from training.__main__ import main
from training.examples import rostering

pytestmark = pytest.mark.slow

SMALL = [
    "network.blocks=1",
    "network.iterations=2",
    "network.hidden=4",
    "train.candidates_per_step=200",
    "data.validation_states=3",
]
GRAPH_TOML = """
encoder = "candidate_graph"
name = "tiny"
[data]
latin_squares = [6]
queens = [6]
solutions = 6
validation_states = 3
least_candidates = 4
[network]
blocks = 1
iterations = 1
hidden = 4
[train]
steps = 4
candidates_per_step = 60
evaluate_every = 2
threads = 1
device = "cpu"
"""


def sets(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--set", pair)]


def solved(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert solver_cli.main(["solve", *arguments, "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def inspected(capsys: pytest.CaptureFixture[str], path: Path) -> dict[str, Any]:
    capsys.readouterr()
    assert solver_cli.main(["inspect", str(path), "--json"]) == 0
    description: dict[str, Any] = json.loads(capsys.readouterr().out)
    return description


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run, beside its config and what the command said."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.toml").write_text(GRAPH_TOML)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert main(["fit", str(folder / "tiny.toml"), "--out", str(folder / "run")]) == 0
    (folder / "said.txt").write_text(said.getvalue())
    return folder / "run"


def test_rostering_from_its_history_to_a_new_week(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert rostering.main(["write", "--out", "D", "--rosters", "12"]) == 0
    assert capsys.readouterr().out == "D: roster.pb, history.csv (12 rosters), new-week.pb\n"
    lines = (tmp_path / "D" / "history.csv").read_text().splitlines()
    assert len(lines) == 13
    files = ["--cp-model", "D/roster.pb", "--solutions", "D/history.csv"]
    assert main(["fit", *files, "--out", "R", *sets("train.steps=10", "train.threads=1", *SMALL)]) == 0
    text = capsys.readouterr().out
    assert "R/roster.onnx: best of 10 steps at " in text
    assert "use it: nnsearch solve D/roster.pb --model R/roster.onnx" in text
    output = solved(capsys, "D/new-week.pb", "--model", "R/roster.onnx")
    assert (output["status"], output["model"]) == ("OPTIMAL", "roster")
    assert output["inference_calls"] > 0
    assert read_problem(str(tmp_path / "D" / "new-week.pb")).is_solution(output["solution"])
    works = {key: output["solution"][i] for i, key in enumerate(rostering.build()[1])}
    for d in range(rostering.DAYS):
        assert [sum(works[n, d, s] for n in range(rostering.NURSES)) for s in range(3)] == [2, 2, 1]
    for n in range(rostering.NURSES):
        assert all(sum(works[n, d, s] for s in range(3)) <= 1 for d in range(rostering.DAYS))
    # What was trained for this model knows its variables by name, and refuses a model without them.
    description = inspected(capsys, tmp_path / "R" / "roster.onnx")
    assert description["problem"] == "cp-model"
    assert str(tmp_path) not in json.dumps(description["training"])
    (tmp_path / "queens.txt").write_text("\n".join(["." * 6] * 6) + "\n")
    queens = [str(tmp_path / "queens.txt"), "--problem", "n-queens", "--model", str(tmp_path / "R" / "roster.onnx")]
    assert solver_cli.main(["solve", *queens]) == 2
    error = capsys.readouterr().err
    assert "expected a model with the variables" in error
    assert len(error.splitlines()) == 1


def test_fit_says_what_it_did(tiny: Path) -> None:
    first, title, *rows, use = (tiny.parent / "said.txt").read_text().splitlines()
    assert first.startswith(f"{tiny / 'tiny.onnx'}: best of 4 steps at ")
    assert title.split()[0] == "validation"
    assert [row.split()[0] for row in rows] == ["latin-square", "n-queens"]
    assert use == f"use it: nnsearch solve INSTANCE --model {tiny / 'tiny.onnx'}"


def test_belief_propagation_is_exported_and_solves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bp5.onnx"
    assert main(["bp", "--iterations", "5", "--damping", "0.3", "--out", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: belief propagation, 5 rounds\n"
    description = inspected(capsys, path)
    assert description["training"] == {"algorithm": "belief propagation", "iterations": 5, "damping": 0.3}
    (tmp_path / "queens.txt").write_text("\n".join(["." * 8] * 8) + "\n")
    result = solved(capsys, str(tmp_path / "queens.txt"), "--problem", "n-queens", "--model", str(path))
    assert read_problem(str(tmp_path / "queens.txt"), "n-queens").is_solution(result["solution"])


def test_labels_of_searches_are_trained_on(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = tmp_path / "made" / "labels.npz"
    label = ["label", "--model", str(tiny / "tiny.onnx"), "--instances", "latin-square:10:0.55:4", "sudoku:3:0.65:2"]
    assert main([*label, "--failures", "20", "--states", "6", "--out", str(labels)]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{labels}: ")
    assert "of 6 searches" in text
    config = str(tiny.parent / "tiny.toml")
    options = sets(f"data.labels={labels}", "data.label_share=0.5")
    assert main(["fit", config, "--out", str(tmp_path / "run"), *options]) == 0
    assert inspected(capsys, tmp_path / "run" / "tiny.onnx")["training"]["config"]["data"]["labels"] == "labels.npz"


def test_export_with_other_numbers_of_blocks_and_rounds(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.onnx"
    assert main(["export", str(tiny), "--blocks", "2", "--iterations", "2", "--out", str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"{path}: 2 blocks of 2 rounds, weights of step ")
    as_trained = inspected(capsys, tiny / "tiny.onnx")["training"]
    assert as_trained["config"]["network"]["blocks"] == 1
    assert inspected(capsys, path)["training"] == {**as_trained, "exported_blocks": 2, "exported_iterations": 2}
    (tmp_path / "queens.txt").write_text("\n".join(["." * 8] * 8) + "\n")
    for model in (path, tiny / "tiny.onnx"):
        result = solved(capsys, str(tmp_path / "queens.txt"), "--problem", "n-queens", "--model", str(model))
        assert read_problem(str(tmp_path / "queens.txt"), "n-queens").is_solution(result["solution"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "RUN", "--blocks", "0", "--out", "x.onnx"], "network.blocks: expected 1 or more, got 0"),
        (["export", "RUN", "--iterations", "0", "--out", "x.onnx"], "network.iterations: expected 1 or more, got 0"),
        (["export", "RUN", "--out", "x.pt"], "expected a file ending in .onnx"),
        (["export", "nowhere", "--out", "x.onnx"], "expected the folder of a run"),
        (["bp", "--out", "x.pt"], "expected a file ending in .onnx"),
        (["bp", "--out", "/dev/null/x.onnx"], "expected a file that can be written"),
        (["pool", "--out", "/dev/null/x.npz"], "expected a file that can be written"),
        (["bp", "--iterations", "0", "--out", "x.onnx"], "1 or more --iterations"),
        (["bp", "--damping", "1", "--out", "x.onnx"], "--damping from 0 to below 1"),
        (["label", "--model", "bp", "--instances", "queens:8:0.4:1", "--out", "x.npz"], "FAMILY:SIZE:HOLES:COUNT"),
        (["label", "--model", "pls-10-full", "--instances", "sudoku:2:0.5:1", "--out", "x.npz"], "candidate graph"),
        (["label", "--model", "bp", "--instances", "latin-square:4:0.1:1", "--out", "x.npz"], "choose more holes"),
        (["fit", "TOML", "--out", "r", "--set", "data.labels=none.npz"], "none.npz: expected a file of search labels"),
        (["fit", "TOML", "--out", "r", "--order", "5"], "--order is for networks of one size"),
        (["fit", "TOML", "--out", "r", "--pool", "p.npz"], "--pool is for networks of one size"),
        (["fit", "TOML", "--out", "RUN", "--seed", "9"], "holds a run with another config"),
        (["fit", "TOML", "--out", "r", "--set", "network.width=4"], "unknown key 'network.width'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    tiny: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"RUN": str(tiny), "TOML": str(tiny.parent / "tiny.toml")}
    capsys.readouterr()
    assert main([files.get(word, word) for word in arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    last = output.err.splitlines()[-1]  # above it there may be a bar of the searches
    assert last.startswith("error: ")
    assert message in last
    assert "Traceback" not in output.err
    assert not list(tmp_path.glob("x.*"))
