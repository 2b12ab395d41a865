"""``nnsearch solve`` with several instances."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ortools.sat.python import cp_model
from stand_ins import COMMAND, ENVIRONMENT, completes, dzn, latin_square, network, saved, with_holes

from nnsearch.cli import lines
from nnsearch.cli.main import main

GRIDS = {f"square-{seed}": with_holes(latin_square(6, seed), 22, seed) for seed in range(8)}
LINE = r"{}: OPTIMAL  \d+ branches, \d+ failures, \d+ inferences in [\d.]+ ms, [\d.]+ ms in total  \({}, {}\)"
SUMMARY = (
    r"(\d+) instances in [\d.]+ s: (\d+) decided, (\d+) not(?:, (\d+) failed)?"
    r"(?:; \d+ inferences of [\d.]+ states in [\d.]+ s, [\d.]+% of the states were known)?"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, grid in GRIDS.items():
        (tmp_path / f"{name}.dzn").write_text(dzn(grid))
    lines = [json.dumps({"name": name, "order": 6, "grid": grid.tolist()}) for name, grid in GRIDS.items()]
    (tmp_path / "squares.jsonl").write_text("\n".join(lines))
    (tmp_path / "broken.dzn").write_text("N=2;\nstart=[|1, 1|0, 0|];")
    (tmp_path / "hard.dzn").write_text(dzn(with_holes(latin_square(40, 0), 672, 0)))
    (tmp_path / "no-square.dzn").write_text(dzn(np.array([[1, 2, 0], [0, 0, 3], [0, 0, 0]])))
    saved(network(36, 6), tmp_path / "six.onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def solve(arguments: str, capture: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    code = main(["solve", *arguments.split()])
    said = capture.readouterr()
    return code, said.out.splitlines(), said.err


FILES = " ".join(f"{name}.dzn" for name in GRIDS)


@pytest.mark.parametrize(
    ("options", "engine", "model"),
    [
        ("", "cp", "bp"),
        ("--model ./six.onnx --concurrency 3 --cache 0", "cp", "six"),
        ("--processes 2", "cp", "bp"),
        ("--model none", "cp", "none"),
        ("--engine cp-sat", "cp-sat", "bp"),
    ],
)
@pytest.mark.parametrize("files", [FILES, "squares.jsonl"])
def test_a_line_for_each(
    folder: Path, capsys: pytest.CaptureFixture[str], files: str, options: str, engine: str, model: str
) -> None:
    code, lines, err = solve(f"{files} {options}", capsys)
    assert (code, err) == (0, "")
    *results, summary = lines
    if engine == "cp":
        for name in GRIDS:
            assert sum(bool(re.fullmatch(LINE.format(name, engine, model), line)) for line in results) == 1
    assert len(results) == len(GRIDS)
    found = re.fullmatch(SUMMARY, summary)
    assert found
    assert found.groups() == ("8", "8", "0", None)


def test_json_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, err = solve(f"{FILES} --json", capsys)
    assert code == 0
    assert re.fullmatch(SUMMARY, err.strip())
    results: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert sorted(result["instance"] for result in results) == sorted(GRIDS)
    for result in results:
        assert completes(result["solution"], GRIDS[result["instance"]])


def test_bad_input_is_told_and_the_others_are_solved(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, err = solve("square-0.dzn broken.dzn missing.dzn square-1.dzn no-square.dzn", capsys)
    assert code == 2
    assert sorted(line.partition(":")[0] for line in lines[:-1]) == ["no-square", "square-0", "square-1"]
    assert lines[-1].startswith("5 instances")
    assert "3 decided, 0 not, 2 failed" in lines[-1]
    told = err.splitlines()
    assert len(told) == 2
    assert told[0].startswith("error: broken.dzn")
    assert told[1] == "error: missing.dzn: expected a file, got nothing at this path"


def test_a_network_of_another_size_is_told_for_each(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, err = solve("square-0.dzn no-square.dzn --model ./six.onnx", capsys)
    assert code == 2
    assert len(lines) == 2
    assert re.match(r"error: no-square: .*36 variables", err)


def test_a_limit_is_exit_code_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = solve("square-0.dzn hard.dzn --model none --failure-limit 100", capsys)
    assert code == 1
    assert "1 decided, 1 not" in lines[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (f"{FILES} --trace tree.jsonl", "--trace is for one instance; leave it out, or solve them one by one"),
        (f"{FILES} --engine dives --processes 2", "processes: gathers inferences at the nodes"),
        (f"{FILES} --concurrency 0", "concurrency: expected an integer of 1 or more, got 0"),
        ("square-0.dzn --model none --cache 3", "--cache has no meaning for --model none; leave it out"),
        ("square-0.dzn --engine cp-sat --cache 3", "--cache has no meaning for --engine cp-sat; leave it out"),
        ("square-0.dzn --cache -3", "cache: expected 0 or more megabytes, got -3"),
    ],
)
def test_options_that_do_not_go_together(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    code, lines, err = solve(arguments, capsys)
    assert (code, lines) == (2, [])
    assert message in err
    assert err.count("\n") == 1


def test_what_the_default_network_cannot_read_is_solved_without_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = cp_model.CpModel()
    model.new_int_var(2, 5, "free")
    (folder / "free.pbtxt").write_text(str(model.proto))
    code, lines, err = solve("free.pbtxt square-0.dzn", capsys)
    assert code == 0
    assert any(re.fullmatch(LINE.format("free", "cp", "none"), line) for line in lines)
    assert err.startswith("warning: the default network, bp, can read nothing of free")
    code, _, err = solve("free.pbtxt square-0.dzn --model bp", capsys)
    assert code == 2
    assert err.startswith("error: free: bp: expected a model with")


def test_a_glob_may_match_one_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = solve("square-0.dzn --processes 2 --concurrency 5 --json", capsys)
    assert code == 0
    assert json.loads(lines[0])["instance"] == "square-0"


def test_a_cache_for_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert solve("square-0.dzn --cache 10", capsys)[0] == 0


def test_ctrl_c_keeps_what_was_written(folder: Path) -> None:
    files = ["square-0.dzn", "square-1.dzn", "hard.dzn"]
    process = subprocess.Popen(
        [*COMMAND, "solve", *files, "--model", "none"],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    first = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert [line.partition(":")[0] for line in first] == ["square-0", "square-1"]
    assert process.stderr.read() == "interrupted\n"


def test_how_far_it_is_on_a_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_SHOW_SECONDS", 0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    code, written, shown = solve(f"{FILES} hard.dzn --model none --failure-limit 100", capsys)
    assert code == 1
    assert re.findall(r"(\d) of 9 done, \d+ s left", shown) == [str(done) for done in range(1, 10)]
    assert not any("done" in line for line in written)


@pytest.mark.parametrize("options", ["", " --processes 2"])
def test_a_search_without_the_network_holds_up_no_other(
    folder: Path, capsys: pytest.CaptureFixture[str], options: str
) -> None:
    model = cp_model.CpModel()
    model.new_int_var(2, 5, "free")
    (folder / "free.pbtxt").write_text(str(model.proto))
    code, lines, _ = solve(f"free.pbtxt square-0.dzn square-1.dzn{options}", capsys)
    assert code == 0
    solved = [line.split(":")[0] for line in lines if ":" in line]
    assert solved.index("free") > max(solved.index("square-0"), solved.index("square-1"))
