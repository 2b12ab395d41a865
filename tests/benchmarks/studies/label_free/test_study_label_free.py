from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked import kill_when

from benchmarks.__main__ import main
from benchmarks.records import Record, read_records
from benchmarks.rendering import figure as plots
from benchmarks.studies.label_free import study as study_label_free
from benchmarks.studies.label_free.findings import searches, summary
from benchmarks.studies.label_free.study import BUDGETS, VARIABLES, LabelFreeStudy, SearchTest, jobs
from benchmarks.studies.label_free.training.config import KNOWLEDGE, STARTS, read_label_free
from benchmarks.studies.label_free.value_probabilities import ValueProbabilities
from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.errors import ConfigError
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.scorers.onnx import OnnxScorer
from nnsearch.scorers.scorer import FloatArray

pytestmark = pytest.mark.slow


def arguments(folder: Path, *more: str) -> list[str]:
    output = str(folder / "results.jsonl")
    return ["study", "label-free", "--budget", "tiny", "--runs", str(folder / "runs"), "--output", output, *more]


CHOSEN = ("--starts", "plain", "--knowledge", "clauses", "planted")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    assert main(arguments(folder, *CHOSEN)) == 0
    return folder


def without_clocks(record: Record) -> Any:
    result = {key: value for key, value in record["result"].items() if key != "seconds"}
    result["searches"] = [
        {key: value for key, value in search.items() if "seconds" not in key} for search in result["searches"]
    ]
    return record["config"], result


def test_each_floor_and_network_is_a_line_that_says_how_it_was_made(finished: Path) -> None:
    records = read_records(finished / "results.jsonl")
    names = [(r["config"]["start"], r["config"]["knowledge"]) for r in records]
    assert names == [("none", "random"), ("none", "bp"), ("plain", "clauses"), ("plain", "planted")]
    for record in records:
        config, result = record["config"], record["result"]
        assert config["budget"] == "tiny"
        assert config["test"]["instances_sha256"]
        searched = {(search["order"], search["variables"]) for search in result["searches"]}
        each = {(6, variables) for variables in VARIABLES}
        assert searched == ({(6, "min-domain")} if config["knowledge"] == "random" else each)
        for search in result["searches"]:
            assert search["checked"] is True
            assert len(search["failures"]) == len(search["solved"]) == BUDGETS["tiny"].count
    trained = records[2:]
    assert trained[0]["config"]["training"] == trained[1]["config"]["training"]  # knowledge is all that differs
    assert trained[0]["result"]["parameters"] == trained[1]["result"]["parameters"] > 0
    assert trained[0]["result"]["model_sha256"] != trained[1]["result"]["model_sha256"]


def test_most_probable_reads_probabilities_and_no_other_order_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read = []

    class Spy(ValueProbabilities):
        def score(self, states: Sequence[GraphState]) -> list[FloatArray]:
            read.append(len(states))
            return super().score(states)

    monkeypatch.setattr(study_label_free, "ValueProbabilities", Spy)
    (bp,) = [job for job in jobs(LabelFreeStudy("tiny", tmp_path)) if job.config["knowledge"] == "bp"]
    bp.measure()
    assert read
    read.clear()
    monkeypatch.setattr(study_label_free, "VARIABLES", VARIABLES[:2])
    bp.measure()
    assert not read


def test_networks_are_files_of_the_project_that_say_what_they_were_trained_on(finished: Path) -> None:
    scorer = OnnxScorer(finished / "runs" / "tiny" / "plain-clauses-0" / "plain-clauses-0.onnx", provider="cpu")
    training = scorer.metadata.training
    assert training["config"]["loss"]["knowledge"] == "clauses"
    assert training["steps"] == training["config"]["train"]["steps"] == 4
    graph = CandidateGraph.from_model(LatinSquare(7).build()[0])  # another order than any it was trained on
    assert scorer.prepare(graph).advise(np.ones((1, 343), dtype=bool)).scores.shape == (1, 343)


def test_the_table_and_the_plot_come_from_the_lines_alone(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(finished / "results.jsonl", tmp_path / "results.jsonl")
    lines = (tmp_path / "results.jsonl").read_bytes()
    assert main(arguments(tmp_path, *CHOSEN, "--plot", str(tmp_path / "plot.svg"))) == 0
    assert (tmp_path / "results.jsonl").read_bytes() == lines
    assert not (tmp_path / "runs").exists()
    assert (tmp_path / "plot.svg").stat().st_size < 200_000
    printed = capsys.readouterr().out
    assert "order 6, most-confident, 2 squares" in printed
    assert "order 6, most-probable, 2 squares" in printed
    assert "plain, clauses" in printed
    assert "4 steps on 8 partial squares of orders 4, 5" in printed


def test_the_plot_of_one_order_has_room_for_its_title_and_plain_numbers_at_its_ticks(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = []
    monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure))
    plots.draw_charts(summary(read_records(finished / "results.jsonl")), tmp_path / "plot.svg")
    (figure,) = figures
    figure.draw_without_rendering()
    (title,) = (text for text in figure.texts if text.get_text().startswith("What the loss knew"))
    extent = title.get_window_extent()
    assert 0 <= extent.x0 < extent.x1 <= figure.bbox.x1
    axis = figure.axes[0]
    axis.set_ylim(1, 4.5)
    ticks = [label.get_text() for which in ("major", "minor") for label in axis.yaxis.get_ticklabels(which=which)]
    assert {"1", "2", "4"} <= set(ticks)
    assert not any("$" in tick for tick in ticks)  # as powers are written


def test_a_killed_study_goes_on(finished: Path, tmp_path: Path) -> None:
    command = arguments(tmp_path, *CHOSEN[:-1])
    kill_when((tmp_path / "runs" / "tiny" / "plain-clauses-0" / "checkpoint.pt").exists, "benchmarks", command)
    assert main(command) == 0
    whole = [without_clocks(record) for record in read_records(finished / "results.jsonl")]
    assert [without_clocks(record) for record in read_records(tmp_path / "results.jsonl")] == whole[:-1]


def test_trainings_differ_in_seed_start_and_knowledge_alone_and_plain_ones_come_first(tmp_path: Path) -> None:
    configs = [job.config for job in jobs(LabelFreeStudy("small", tmp_path))]
    budget = BUDGETS["small"]
    trained = [config for config in configs if "training" in config]
    names = [(config["start"], config["seed"], config["knowledge"]) for config in trained]
    assert names == [(start, seed, k) for start in STARTS for seed in range(budget.seeds) for k in KNOWLEDGE]
    assert all(config["training"] == trained[0]["training"] for config in trained)
    assert len(configs) - len(trained) == budget.seeds + 1
    assert all(config["test"] == configs[0]["test"] for config in configs)


@pytest.mark.parametrize("budget", list(BUDGETS))
def test_no_order_is_on_both_sides(budget: str) -> None:
    spent = BUDGETS[budget]
    assert not set(read_label_free(spent.overrides).data.orders) & set(spent.orders)


def test_an_order_on_both_sides_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    leaking = {**BUDGETS["tiny"].overrides, "data.orders": "[5, 6]"}
    monkeypatch.setitem(BUDGETS["tiny"].overrides, "data.orders", leaking["data.orders"])
    with pytest.raises(ConfigError, match="orders: expected other ones than those of the training, got 6"):
        jobs(LabelFreeStudy("tiny", tmp_path))


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"budget": "huge"}, "budget: expected one of full, small, tiny, got 'huge'"),
        ({"starts": ("cnn",)}, "starts: expected some of plain, bp, got 'cnn'"),
        ({"knowledge": ("all",)}, "knowledge: expected some of clauses, agn, sbr, planted, got 'all'"),
        ({"seed": -1}, "seed: expected 0 or more, got -1"),
    ],
)
def test_malformed_studies(study: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        LabelFreeStudy(**{"budget": "tiny", "runs": tmp_path, **study})


@pytest.mark.parametrize("study", [["label-free", "--budget", "tiny"], ["cl-ste", "--task", "add"]])
def test_runs_that_cannot_be_written_are_refused(
    study: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    command = ["study", *study, "--runs", str(tmp_path / "file"), "--output", str(tmp_path / "results.jsonl")]
    assert main(command) == 2
    assert "--runs" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "results.jsonl").exists()


def test_a_folder_with_another_training_is_one_line(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs" / "tiny" / "plain-clauses-0"
    folder.mkdir(parents=True)
    shutil.copy(finished / "runs" / "tiny" / "plain-planted-0" / "checkpoint.pt", folder)
    assert main(arguments(tmp_path, *CHOSEN[:-1])) == 2
    assert "holds another training; choose another --runs folder" in capsys.readouterr().err


def record(seed: int, failures: list[int], solved: list[bool]) -> Record:
    search = {"order": 9, "variables": "min-domain", "failures": failures, "solved": solved, "seconds": [1.0, 3.0]}
    result = {"searches": [search], "root": [{"order": 9, "value": 0.5}]}
    config = {"start": "plain", "knowledge": "clauses", "seed": seed, "test": {"failures": 99}}
    return Record(config=config, result=result, environment={})


def test_searches_that_give_up_count_with_the_limit() -> None:
    found = searches(
        [record(0, [0, 3], [True, True]), record(1, [3, 5], [True, False])], "plain", "clauses", 9, "min-domain"
    )
    assert found is not None
    assert found.means == pytest.approx([2, 20])
    assert found.mean == pytest.approx(40**0.5)
    assert found.failures.tolist() == [[0, 3], [3, 99]]
    assert found.more[-1] == "0.500"
    assert searches([], "plain", "clauses", 9, "min-domain") is None


def test_the_squares_of_a_test_are_fresh_and_satisfiable() -> None:
    test = SearchTest((6,), 0.5, 3, 1, 10)
    assert len({case.config["instance_sha256"] for case in test.cases(6)}) == 3
    assert test.config == SearchTest((6,), 0.5, 3, 1, 10).config
    for case, planted in zip(test.cases(6), test.planted(6), strict=True):
        assert case.instance.is_solution(planted.tolist())
    assert test.config["instances_sha256"] != SearchTest((6,), 0.5, 3, 2, 10).config["instances_sha256"]
