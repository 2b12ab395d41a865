from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stand_ins import ENVIRONMENT, PATIENCE
from stopping import bounded

from benchmarks.__main__ import main
from benchmarks.answers import AnswerError
from benchmarks.records import Record, read_records
from benchmarks.rendering.text import text
from benchmarks.studies.sbr import search as study_sbr_search
from benchmarks.studies.sbr.backtracking import SOLVED, backtrack
from benchmarks.studies.sbr.search import ENGINE, Partials, SearchStudy
from benchmarks.studies.sbr.search_findings import log_failures, summary
from nnsearch.errors import ConfigError
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.problems.n_queens.problem import QueensBoard
from training.data.pools.pool import Pool
from training.running.checkpoint import load_checkpoint, save_checkpoint

pytestmark = pytest.mark.slow

TRAINED = ("1000-solutions", "n-queens-20")


def arguments(folder: Path, *more: str, settings: tuple[str, ...] = TRAINED) -> list[str]:
    of_runs = ["--budget", "tiny", "--runs", str(folder / "runs"), "--settings", *settings]
    size = ["--holes", "0.5", "--count", "4", "--failure-limit", "60"]
    return ["study", "sbr-search", *of_runs, *size, "--output", str(folder / "search.jsonl"), *more]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    runs = ["--budget", "tiny", "--runs", str(folder / "runs"), "--output", str(folder / "sbr.jsonl")]
    assert main(["study", "sbr", *runs, "--settings", *TRAINED]) == 0
    assert main(arguments(folder, "--plot", str(folder / "search.svg"))) == 0
    return folder


def test_every_network_propagation_and_question_is_a_line(searched: Path) -> None:
    records = read_records(searched / "search.jsonl")
    expected = set()
    for kind, setting, propagations in (
        ("latin-square", TRAINED[0], ("none", "rows", "full", ENGINE)),
        ("n-queens", TRAINED[1], ("none", "full", ENGINE)),
    ):
        arms = [("none", "rnd"), (setting, "agn"), (setting, "full"), ("none", "bp")]
        expected |= {(kind, *arm, p, q) for arm in arms for p in propagations for q in ("free choice", "fixed cell")}
    names = [
        (c["test"]["problem"], c["setting"], c["arm"], c["propagation"], c["question"])
        for c in (record["config"] for record in records)
    ]
    assert set(names) == expected
    assert len(names) == 4 * 2 * 6 + 3 * 2 * 6  # rnd with three seeds
    for record in records:
        result = record["result"]
        assert {len(values) for values in result.values()} == {4}
        for status, failures, decisions in zip(*(result[k] for k in ("status", "failures", "decisions")), strict=True):
            assert status == SOLVED or failures >= 60
            assert record["config"]["propagation"] == ENGINE or decisions >= failures


def test_belief_propagation_fails_least(searched: Path) -> None:
    records = read_records(searched / "search.jsonl")

    def mean(arm: str) -> float:
        return float(np.mean([log_failures([r]).mean() for r in records if r["config"]["arm"] == arm]))

    assert mean("bp") < mean("rnd")


def test_the_same_command_adds_nothing_and_prints_the_table(searched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (searched / "search.jsonl").read_bytes()
    figure = (searched / "search.svg").read_bytes()
    assert main(arguments(searched, "--plot", str(searched / "again.svg"))) == 0
    assert (searched / "search.jsonl").read_bytes() == lines
    assert (searched / "again.svg").read_bytes() == figure
    printed = capsys.readouterr()
    assert (
        "latin-square of order 6, 50% holes, 4 instances (seed 1), 60 failures at most; propagation rows" in printed.out
    )
    assert "84 of 84 results are in" in printed.err


def test_a_search_that_is_stopped_goes_on(searched: Path, tmp_path: Path) -> None:
    shutil.copytree(searched / "runs", tmp_path / "runs")
    command = arguments(tmp_path, settings=TRAINED[:1])
    output, errors = tmp_path / "search.jsonl", tmp_path / "errors.txt"

    def is_searching() -> bool:
        return output.exists() and output.read_text(encoding="utf-8").count("\n") > 2

    # A process as users start it: it has yet to load what is compiled, which Ctrl-C once tore apart.
    with errors.open("w") as said:
        program = [sys.executable, "-m", "benchmarks", *map(str, command)]
        process = subprocess.Popen(program, stderr=said, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
        with bounded(3 * PATIENCE):
            while not is_searching():
                assert process.poll() is None
                time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) in (0, 130)  # 0: it had just ended
    assert "Traceback" not in errors.read_text()
    assert main(command) == 0
    whole = {json.dumps(r["config"]): r["result"] for r in read_records(searched / "search.jsonl")}
    again = {json.dumps(r["config"]): r["result"] for r in read_records(output)}
    assert len(again) == 48
    assert again == {key: whole[key] for key in again}


def test_a_pool_with_a_test_square_is_refused(
    searched: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(searched / "runs", tmp_path / "runs")
    squares = Partials(LatinSquare(6), 1, 4, 1).solutions()
    Pool(squares.reshape(4, -1), 1, 6).save(tmp_path / "runs" / "tiny" / "1000-solutions-full-0" / "pool.npz")
    assert main(arguments(tmp_path)) == 2
    assert "4 of 4 test squares occur in this pool" in capsys.readouterr().err


def test_an_unfinished_training_is_left_out(searched: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "runs" / "tiny" / "1000-solutions-agn-0"
    shutil.copytree(searched / "runs" / "tiny" / "1000-solutions-agn-0", folder)
    state = load_checkpoint(folder / "checkpoint.pt")
    save_checkpoint({**state, "finished": False}, folder / "checkpoint.pt")
    assert main(arguments(tmp_path)) == 2
    errors = capsys.readouterr().err
    assert "1000-solutions-agn-0: left out, its training is not finished" in errors
    assert "expected finished trainings of 1000-solutions, n-queens-20, found none; start with" in errors
    command = f"study sbr --budget tiny --settings 1000-solutions n-queens-20 --runs {tmp_path / 'runs'}"
    assert command in errors


def test_instances_keep_as_many_values_as_they_say_and_those_of_the_solution() -> None:
    for problem, holes in ((LatinSquare(6), 15), (QueensBoard(20), 8)):
        partials = Partials(problem, 0.42, 5, 3)
        indices = partials.indices()
        assert ((indices < 0).sum(axis=1) == holes).all()
        solutions = partials.solutions().reshape(5, -1).astype(np.int64) - problem.first_value
        assert (indices[indices >= 0] == solutions[indices >= 0]).all()


def test_a_wrong_answer_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = LatinSquare(4)
    scorer: Any = study_sbr_search._random(problem, 0)

    def nonsense(*arguments: Any) -> Any:
        searches = backtrack(*arguments)
        return type(searches)((SOLVED,) * 2, searches.values * 0, *[searches.failures] * 3)

    monkeypatch.setattr(study_sbr_search, "backtrack", nonsense)
    with pytest.raises(AnswerError, match="full, fixed cell: expected a solution of instance 0, got"):
        study_sbr_search._measure(Partials(problem, 0.5, 2, 1), scorer, "full", "fixed cell", 10)


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"budget": "huge"}, "budget: expected one of full, small, tiny, got 'huge'"),
        ({"settings": ("5-solutions",)}, "settings: expected some of .* got '5-solutions'"),
        ({"holes": (0.3, 0.0)}, "holes: expected shares above 0 and at most 1, got 0.0"),
        ({"count": 0}, "count: expected 1 or more, got 0"),
        ({"failure_limit": 0}, "failure limit: expected 1 or more, got 0"),
        ({"seed": -1}, "seed: expected 0 or more, got -1"),
    ],
)
def test_malformed_studies(study: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        SearchStudy(**{"budget": "tiny", "runs": tmp_path, **study})


def record(arm: str, failures: list[int], status: list[str]) -> Record:
    test = {"problem": "latin-square", "order": 10, "holes": 0.42, "count": 2, "seed": 1}
    config = {"test": test, "budget": "small", "failure_limit": 99, "setting": "none", "arm": arm}
    config |= {"propagation": "none", "question": "fixed cell"}
    return Record(config=config, result={"status": status, "failures": failures}, environment={})


def test_what_gave_up_counts_with_the_limit() -> None:
    records = [record("rnd", [99, 9], ["gave up", "solved"]), record("bp", [9, 0], ["solved", "solved"])]
    np.testing.assert_allclose(log_failures(records[:1]), np.log([100, 10]))
    printed = text(summary(records))
    assert "  50%      54       32" in printed
    assert " 100%     4.5      3.2      0.1 [0.1, 0.1]" in printed
