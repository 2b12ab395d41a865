from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coins import fewest_coins
from ortools.sat.python import cp_model
from test_benchmarks import call, lines_of

import nnsearch.cpsat
from benchmarks.checked_solve import clocked
from benchmarks.instances.streams import Stream
from benchmarks.instances.streams.stream import given
from benchmarks.records import Record
from benchmarks.rendering.parts import Chart, Table
from benchmarks.suites import stream
from benchmarks.suites.stream import StreamSuite
from nnsearch.errors import ConfigError
from nnsearch.result import Status

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def purses(monkeypatch: pytest.MonkeyPatch) -> None:
    stream._instance.cache_clear()
    found: dict[str, Stream[Any]] = {
        name: Stream(name, given(first), lambda amount, rng: amount + 7, fewest_coins)
        for name, first in (("purse/a", 15), ("purse/b", 18), ("sack/c", 31))
    }
    monkeypatch.setattr(stream, "find_streams", lambda texts, folder: found)


@pytest.mark.slow
@pytest.mark.usefixtures("purses")
def test_end_to_end(tmp_path: Path, capsys: Capture) -> None:
    output, plot = tmp_path / "stream.jsonl", tmp_path / "stream.svg"
    command = ["stream", "--seeds", 3, 4, "--workers", 1, "--limit", 20, "--output", output, "--plot", plot]
    assert call(*command) == 0
    shown = capsys.readouterr().out
    assert "66 solves by 1 worker" in shown
    assert "0 wrong answers" in shown
    assert "Primal integral / that of cold" in shown
    assert plot.stat().st_size > 1000
    written = lines_of(output)
    assert [line["config"]["arm"] for line in written[:11]] == [
        *("first", "cold", "cold-again", "hint", "repaired-hint", "history"),
        *("cold-again", "hint", "repaired-hint", "history", "cold"),
    ]
    assert [line["config"]["instance"] for line in written[:11:5]] == ["purse/a/0", "purse/a/1", "purse/a/2"]
    assert {line["result"]["status"] for line in written} == {"OPTIMAL"}
    told = {line["config"]["arm"] for line in written if line["result"]["why"] is not None}
    assert told == {"history"}
    assert "Who answered in history" in shown
    other = {"config": {"suite": "search"}, "result": {"solution": [1]}, "environment": {}}
    output.write_text(text := f"{output.read_text()}{json.dumps(other)}\n")
    assert call(*command) == 0
    assert output.read_text() == text


@pytest.mark.usefixtures("purses")
def test_arms_begin_with_their_own_last_solution_also_in_a_run_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[str, int, list[int] | None]] = []
    really = stream._solve

    def solve(model: cp_model.CpModel, variables: Any, *, yesterday: Any = None, **options: Any) -> Any:
        if any(variable.name.startswith("paid") for variable in model.proto.variables):
            first = None if yesterday is None else list(yesterday.values)
            begun.append((options["arm"], options["seed"], first))
        solved = really(model, variables, yesterday=yesterday, **options)
        if fails:
            fails.pop()
            raise RuntimeError("out of order")
        return solved

    fails: list[int] = []
    monkeypatch.setattr(stream, "_solve", solve)
    monkeypatch.setattr(stream, "warm_up", lambda arm: None)
    suite = StreamSuite(workers=1, seconds=20, seeds=(1,), arms=("cold", "hint"))
    jobs = stream.jobs(suite)[:5]
    whole = [job.measure() for job in jobs]
    values = [stream._unpacked(result["solution"]) for result in whole]
    assert all(value is not None for value in values)
    # The first instance; both arms from it; the second step from each arm's own.
    turns = [job.config["arm"] for job in jobs]
    assert turns == ["first", "cold", "hint", "hint", "cold"]
    assert [first for *_, first in begun] == [None, values[0], values[0], values[2], values[1]]
    records = [
        Record(config=json.loads(job.key), result=json.loads(json.dumps(result)), environment={})
        for job, result in zip(jobs[:3], whole, strict=False)
    ]
    begun.clear()
    assert stream.jobs(suite, records)[3].measure()["wrong"] is None
    assert begun == [("hint", 1, values[2])]
    # Whoever has nothing yesterday begins with what there was before.
    begun.clear()
    jobs = stream.jobs(suite, records[:1])
    fails.append(1)
    assert "out of order" in jobs[2].measure()["wrong"]
    jobs[3].measure()
    assert [first for *_, first in begun] == [values[0], values[0]]


def test_hints_go_by_name() -> None:
    past, now = cp_model.CpModel(), cp_model.CpModel()
    for model, names in ((past, "abc"), (now, "cdb")):
        for name in names:
            model.new_int_var(0, 9, name)
    hinted = stream._hinted(now, stream.Yesterday(past, [1, 2, 3]))
    assert (list(hinted.proto.solution_hint.vars), list(hinted.proto.solution_hint.values)) == ([0, 2], [3, 2])
    assert not now.proto.has_solution_hint()


@pytest.mark.usefixtures("purses")
def test_a_history_holds_yesterdays_solution_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    class Remembering(cp_model.CpSolver):  # type: ignore[misc]
        """The drop-in solver, whose store is a file of the objectives of past solves."""

        def __init__(self, scorer: None, history: Path) -> None:
            super().__init__()
            self.store, self.past = history, history.read_text() if history.exists() else ""
            made.append(self)

        def solve(self, model: cp_model.CpModel, callback: Any = None) -> Any:
            status = super().solve(model, callback)
            self.store.write_text(f"{self.past}{self.objective_value:g} ")
            return status

    monkeypatch.setattr(nnsearch.cpsat, "CpSolver", Remembering)
    monkeypatch.setattr(stream, "warm_up", lambda arm: None)
    jobs = stream.jobs(StreamSuite(workers=1, seconds=20, seeds=(1,), arms=("cold", "history")))
    found = {(job.config["arm"], job.config["step"]): job.measure() for job in jobs[:5]}
    best = found["first", 0]["objective_value"], found["history", 1]["objective_value"]
    assert [solver.past for solver in made] == ["", f"{best[0]:g} ", "", f"{best[1]:g} "]
    assert not made[0].store.parent.exists()
    assert {result["wrong"] for result in found.values()} == {None}


@pytest.mark.usefixtures("purses")
def test_a_line_up_is_what_brought_most_yesterday(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[list[str]] = []

    def watched(solver: cp_model.CpSolver, model: cp_model.CpModel) -> Any:
        used.append(list(solver.parameters.subsolvers))
        return clocked(solver, model)

    monkeypatch.setattr(stream, "clocked", watched)
    monkeypatch.setattr(stream, "warm_up", lambda arm: None)
    monkeypatch.setattr(stream, "scout", lambda model, seconds, seed: {"no_lp": 3, "fixed": 1, "ls": 7})
    jobs = stream.jobs(StreamSuite(workers=2, seconds=20, seeds=(1,), arms=("cold", "history+line-up")))[:3]
    assert {job.config["arm"]: job.measure()["wrong"] for job in jobs} == dict.fromkeys(
        ("first", "cold", "history+line-up")
    )
    assert used == [[], [], ["no_lp"]]


def test_options_are_checked() -> None:
    wrong: list[dict[str, Any]] = [
        {"seeds": ()},
        {"seeds": (-1,)},
        {"steps": 0},
        {"workers": 0},
        {"seconds": 0.0},
        {"arms": ("hint",)},
        {"arms": ("cold",)},
    ]
    for words in wrong:
        with pytest.raises(ConfigError, match=next(iter(words)).replace("seconds", "time limit")):
            StreamSuite(**words)


def made(arm: str, instance: str, seed: int, *solutions: tuple[float, float], **result: Any) -> Record:
    """A run to the limit that found these solutions."""
    config = {
        **{"suite": "stream", "arm": arm, "kind": instance.partition("/")[0], "instance": instance, "seed": seed},
        **{"instance_sha256": instance, "workers": 2, "time_limit": 10.0},
    }
    usual: dict[str, Any] = {
        "status": str(Status.FEASIBLE if solutions else Status.UNKNOWN),
        "objective_value": solutions[-1][1] if solutions else None,
        "best_objective_bound": None,
        "maximises": False,
        "solutions": solutions,
        "first_solution_seconds": solutions[0][0] if solutions else None,
        "wall_seconds": 10.0,
        "wrong": None,
        "usable_cpus": 2,
    }
    return Record(config=config, result={**usual, **result}, environment={})


def rows(records: list[Record]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """By kind and arm, the row of each of both tables, as columns and cells."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for table in stream.summary(records).blocks[:2]:
        assert isinstance(table, Table)
        for row in table.rows:
            cells = dict(zip(table.columns, row.cells, strict=True))
            found.setdefault((str(cells["kind"]), str(cells["arm"])), []).append(cells)
    return found


def test_arms_are_compared_within_pairs() -> None:
    # Integrals: the gap is 1 until the first, then 1/2, then 0.
    records = [
        made("first", "a/x/0", 1, (1.0, 4.0)),
        *(made("cold", f"a/x/{step}", 1, (2.0, 8.0), (6.0, 4.0)) for step in (1, 2)),
        *(made("cold-again", f"a/x/{step}", 1, (2.2, 8.0), (6.0, 4.0)) for step in (1, 2)),
        made("hint", "a/x/1", 1, (1.0, 8.0), (2.0, 4.0)),
        made("hint", "a/x/2", 1),
        made("cold", "b/y/1", 1, (2.0, 4.0), status="OPTIMAL"),
        made("hint", "b/y/1", 1, (4.0, 5.0)),
    ]
    found = rows(records)
    ratio, ends = found["a", "hint"]
    logs = [np.log((0.15 + 0.001) / (0.4 + 0.001)), np.log((1 + 0.001) / (0.4 + 0.001))]
    assert ratio["geometric mean"] == f"{np.exp(np.mean(logs)):.3f}"
    assert (ratio["streams"], ratio["pairs"], ratio["95 % interval"]) == (1, 2, "-")
    assert (ratio["worse"], ratio["beyond noise"], ratio["as good at the end"]) == ("50%", "50%", "50%")
    assert (ends["first solution"], ends["cold's last"], ends["last gap"]) == ("5.5", "6", "0.5000")
    assert (ends["proved"], ends["time-outs"], ends["without a solution"], ends["wrong"]) == (0, 2, 1, 0)
    again = found["a", "cold-again"][0]
    assert (again["worse"], again["beyond noise"], again["/ hint"] is None) == ("100%", "0%", False)
    assert found["b", "hint"][0]["beyond noise"] is None  # nobody knows how large noise is
    assert found["b", "hint"][0]["as good at the end"] == "0%"
    assert found["b", "cold"][0]["proved"] == 1
    assert found["all", "hint"][0]["streams"] == 2
    assert "-" not in found["all", "hint"][0]["95 % interval"]


def test_what_is_larger_may_be_better() -> None:
    records = [
        made("cold", "a/x/1", 1, (1.0, 5.0), maximises=True),
        made("hint", "a/x/1", 1, (1.0, 4.0), (3.0, 6.0), maximises=True),
    ]
    ratio, ends = rows(records)["a", "hint"]
    assert (ratio["as good at the end"], ends["cold's last"]) == ("100%", "3")


def test_wrong_answers_are_worth_nothing_and_are_listed() -> None:
    records = [
        made("cold", "a/x/1", 1, (1.0, 5.0)),
        made("hint", "a/x/1", 1, (0.1, 2.0), wrong="broke a rule"),
    ]
    ratio, ends = rows(records)["a", "hint"]
    assert (ratio["worse"], ratio["as good at the end"]) == ("100%", "0%")
    assert (ends["wrong"], ends["last gap"], ends["first solution"], ends["cold's last"]) == (1, "1.0000", "10", "10")
    group = stream.summary(records)
    assert "1 wrong answer" in group.title
    assert any(isinstance(block, Table) and block.title == "Wrong answers" for block in group.blocks)


def test_the_plot_shows_the_median_gap() -> None:
    records = [
        *(made("cold", "a/x/1", seed, (1.0, 8.0), (5.0, 4.0)) for seed in (1, 2, 3)),
        *(made("hint", "a/x/1", seed, (0.1, 4.0)) for seed in (1, 2)),
        made("hint", "a/x/1", 3),
    ]
    [chart] = [block for block in stream.summary(records).blocks if isinstance(block, Chart)]
    cold, hint = chart.series
    assert [(series.arm, series.label) for series in chart.series] == [("cold", "0.00%"), ("hint", "0.00%")]
    assert {gap for second, gap in cold.points if second < 1} == {100}
    assert {gap for second, gap in cold.points if 1.1 < second < 4.9} == {50}
    assert {gap for second, gap in hint.points if second > 0.12} == {0}
    assert hint.points[-1][0] == 10
