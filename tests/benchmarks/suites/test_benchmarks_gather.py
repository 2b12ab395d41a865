from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_benchmarks import write_network

from benchmarks.__main__ import main
from benchmarks.answers import AnswerError
from benchmarks.suites.gather import _check_decisions
from nnsearch.result import InferenceCount, SolveResult, Status

Run = Callable[..., tuple[int, str, str, list[dict[str, Any]]]]

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    network = write_network(tmp_path / "five.onnx", 5)

    def call(*options: object) -> tuple[int, str, str, list[dict[str, Any]]]:
        output = tmp_path / "results.jsonl"
        command = ["gather", "--models", network, "--order", "5", "--count", "6", "--repeats", "2", "--output", output]
        code = main([str(word) for word in [*command, *options]])
        said = capsys.readouterr()
        lines = output.read_text().splitlines() if output.exists() else []
        return code, said.out, said.err, [json.loads(line) for line in lines]

    return call


def test_gather_end_to_end(run: Run) -> None:
    code, out, _, lines = run("--stream", "40", "--rounds", "2", "--concurrency", "4")
    assert code == 0
    arms, stream = lines
    measured = arms["result"]["arms"]
    assert list(measured) == ["alone", "greenlets", "greenlets, cache", "2 processes", "2 processes, kept"]
    for name, runs in measured.items():
        assert name in out
        assert len(runs["seconds"]) == 2
        assert min(runs["states"]) > 0
    assert measured["alone"]["states"] == measured["alone"]["batches"]
    assert measured["greenlets"]["states"] == measured["alone"]["states"]
    assert measured["greenlets"]["batches"][0] < measured["greenlets"]["states"][0]
    assert arms["result"]["checked"]
    assert stream["result"]["solves"] == 40
    assert len(stream["result"]["resident_mb"]) == 20
    assert "resident MB" in out


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--count", "0"], "count: expected 1 or more, got 0"),
        (["--processes", "1"], "processes: expected 2 or more, got 1"),
        (["--order", "6"], "expected a network of order 6, got order 5"),
    ],
)
def test_bad_numbers_are_refused(run: Run, option: list[str], message: str) -> None:
    code, _, err, lines = run(*option)
    assert (code, lines) == (2, [])
    assert message in err


def test_another_decision_is_found() -> None:
    one = SolveResult(Status.OPTIMAL, [1], 5, 2, InferenceCount(3, 3), 0.0, "cp", "x")
    other = SolveResult(Status.OPTIMAL, [1], 6, 2, InferenceCount(3, 3), 0.0, "cp", "x")
    _check_decisions("same", [one], [one])
    with pytest.raises(AnswerError, match="expected the decisions of a solve alone"):
        _check_decisions("other", [one], [other])
