from __future__ import annotations

import json
import re
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ortools.sat.python import cp_model
from test_benchmarks import call, lines_of

import nnsearch.cpsat
from benchmarks import records
from benchmarks.answers import AnswerError, check_agreement
from benchmarks.arms import Arm
from benchmarks.instances import instance_sets
from benchmarks.networks import LoadedNetwork, load_networks
from benchmarks.rendering.text import text
from benchmarks.statistics import compare_seconds, cost
from benchmarks.suites import policies, race
from nnsearch.cp import Discrepancies, InferencePolicy, Restarts, SearchOptions
from nnsearch.errors import ConfigError
from nnsearch.problems import PartialLatinSquare
from nnsearch.processors import usable_cpus
from nnsearch.result import InferenceCount, SolveResult, Status

Capture = pytest.CaptureFixture[str]

IMPOSSIBLE = [[1, 2, 0, 0], [0, 0, 3, 0], [0, 0, 4, 0], [0, 0, 0, 0]]  # nothing fits beside the 2


@pytest.fixture(scope="module")
def bp() -> LoadedNetwork:
    return load_networks(["bp"], "cpu", 1)[0]


@pytest.fixture
def grids(tmp_path: Path) -> Path:
    """One with a solution and one without."""
    file = tmp_path / "grids.jsonl"
    instances = {"open": [[0] * 4] * 4, "no": IMPOSSIBLE}
    file.write_text("".join(json.dumps({"name": k, "order": 4, "grid": grid}) + "\n" for k, grid in instances.items()))
    return file


def made(
    arm: str, instance: str, seed: int, seconds: float, status: Status = Status.OPTIMAL, **result: Any
) -> records.Record:
    config = {
        "arm": arm,
        "instance": f"set-{instance}",
        "instance_sha256": instance,
        "seed": seed,
        "workers": 2,
        "time_limit": 9.0,
    }
    usual = {"winner": None, "scorer_error": None, "planted": False, "usable_cpus": 2}
    costs = {"status": str(status), "wall_seconds": seconds}
    return records.Record(config=config, result={**usual, **costs, **result}, environment={})


def test_race_end_to_end(tmp_path: Path, grids: Path, capsys: Capture) -> None:
    output = tmp_path / "results.jsonl"
    command = ["race", "--order", 5, "--count", 1, "--holes", 0.6, "--instances", grids, "--dives", "--repeats", 2]
    command += ["--time-limit", 20, "--provider", "cpu", "--output", output]
    assert call(*command) == 0
    shown = capsys.readouterr().out
    assert "qwh-5-15-balanced-1, satisfiable, 1 instance " in shown
    assert "grids, satisfiable, 1 instance " in shown
    assert "grids, unsatisfiable, 1 instance " in shown
    assert "grids, unsatisfiable: race/bp / cp-sat" in shown
    assert "grids, unsatisfiable: dives/bp / cp-sat" in shown

    written = lines_of(output)
    arms = ["cp-sat", "race/bp", "dives/bp"]
    assert {(line["config"]["instance"], line["config"]["arm"], line["config"]["seed"]) for line in written} == {
        (name, arm, seed) for name in ("qwh-5-15-balanced-1-0", "open", "no") for arm in arms for seed in (1, 2)
    }
    # The arms of a pair come one after the other, each time another one first.
    assert [line["config"]["arm"] for line in written[:9]] == [*arms, *arms[1:], arms[0], arms[2], *arms[:2]]
    for line in written:
        config, result = line["config"], line["result"]
        assert result["status"] == ("INFEASIBLE" if config["instance"] == "no" else "OPTIMAL")
        assert result["wall_seconds"] > 0
        assert config["workers"] == (1 if config["arm"] == "dives/bp" else 2)
        assert ("model" in config) == (config["arm"] != "cp-sat")
        raced = config["arm"] == "race/bp"
        assert (result["winner"] in ("learned", "cp-sat")) == (result["why"] is not None) == raced
        assert {"learned", "inference_calls", "inference_seconds", "usable_cpus"} < set(result)
        assert (result["checked"], result["scorer_error"]) == (True, None)
        assert result["planted"] == config["instance"].startswith("qwh")
    text = output.read_text()
    assert call(*command) == 0
    assert output.read_text() == text
    assert "18 of 18 results are in" in capsys.readouterr().err


def test_the_learned_side_is_recorded(bp: LoadedNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    case = instance_sets.generate("latin-square:25:0.42", 1, 2)[0]
    at_once = partial(nnsearch.cpsat.CpSolver, options=nnsearch.cpsat.RaceOptions(head_start=0.0))
    monkeypatch.setattr(nnsearch.cpsat, "CpSolver", at_once)
    job = race.jobs(race.RaceSuite(repeats=1), [case], [bp])[1]
    result = job.measure()
    assert job.config["arm"] == "race/bp"
    assert result["winner"] in ("learned", "cp-sat")
    assert set(result["learned"]) == {"status", "branches", "failures"}
    assert (result["inference_calls"] > 0) == (result["inference_seconds"] > 0)


def test_what_a_race_reports_is_recorded() -> None:
    case = instance_sets.Case(PartialLatinSquare("two", np.array([[1, 0], [0, 0]])), satisfiable=True)
    learned = SolveResult(Status.UNKNOWN, None, 30, 20, InferenceCount(5, 5, seconds=0.25), 0.5, "cp", "bp")
    answer = SolveResult(Status.OPTIMAL, [1, 2, 2, 1], 9, 8, InferenceCount(5, 5, seconds=0.25), 1.5, "race", "bp")
    report = nnsearch.cpsat.RaceReport("cp-sat", "nothing", "it answered first", learned, ValueError("broken"), 1.4)
    arm = Arm({"arm": "race/bp"}, lambda *_, **__: (answer, report), [1])
    assert race.measure(case, arm, 1) == {
        "status": "OPTIMAL",
        "objective_value": None,
        "wall_seconds": 1.5,
        "branches": 9,
        "failures": 8,
        "inference_calls": 5,
        "inference_seconds": 0.25,
        "winner": "cp-sat",
        "why": "it answered first",
        "learned": {"status": "UNKNOWN", "branches": 30, "failures": 20},
        "scorer_error": "ValueError('broken')",
        "planted": True,
        "usable_cpus": usable_cpus(),
        "checked": True,
    }


def test_the_clock_runs_around_the_solve_alone(bp: LoadedNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    case = instance_sets.Case(PartialLatinSquare("open", np.zeros((4, 4), dtype=np.int64)), False, "set")
    jobs = race.jobs(race.RaceSuite(repeats=1, dives=True), [case], [bp])
    build, built = PartialLatinSquare.build, 0.0

    def slowly(instance: PartialLatinSquare) -> Any:
        nonlocal built
        time.sleep(0.1)
        answer = build(instance)
        built = time.perf_counter()
        return answer

    monkeypatch.setattr(PartialLatinSquare, "build", slowly)
    for job in jobs:
        seconds = job.measure()["wall_seconds"]
        assert 0 < seconds < time.perf_counter() - built


def test_ratio_of_seconds_within_pairs() -> None:
    one = [
        made("race/bp", "a", 1, 2.0),
        made("race/bp", "a", 2, 8.0),
        made("race/bp", "b", 1, 3.0, Status.UNKNOWN),  # counts as 9
        made("race/bp", "b", 2, 9.5, Status.UNKNOWN),
        made("race/bp", "c", 1, 1.0),  # without a partner
    ]
    other = [  # in another order
        made("cp-sat", "b", 2, 9.1, Status.UNKNOWN),
        made("cp-sat", "b", 1, 4.5),
        made("cp-sat", "a", 2, 4.0),
        made("cp-sat", "a", 1, 4.0),
    ]
    found = compare_seconds(one, other)
    assert found is not None
    # Ratios 1/2 and 2 of a, 2 and 1 of b.
    assert found.mean == pytest.approx(2**0.25)
    assert 1 <= found.low <= found.mean <= found.high <= 2**0.5 + 1e-9
    assert (found.instances, found.pairs, found.both_timed_out) == (2, 4, 1)
    # 8 - (1.2 * 4 + 0.5) = 2.7; 9 - (1.2 * 4.5 + 0.5) = 3.1; the others are below 0.
    assert found.excess == pytest.approx(3.1)
    assert (found.worst, found.above) == (("set-b", 1), 2)
    assert compare_seconds(one, []) is None
    assert compare_seconds(one[-1:], other) is None


def test_race_table() -> None:
    runs = [
        made("cp-sat", "a", 1, 4.0),
        made("race/bp", "a", 1, 2.0, winner="learned"),
        made("cp-sat", "b", 1, 3.0, Status.INFEASIBLE),
        made("race/bp", "b", 1, 6.0, Status.INFEASIBLE, winner="cp-sat", scorer_error="ValueError('x')"),
        made("cp-sat", "c", 1, 9.2, Status.UNKNOWN),
        made("race/bp", "c", 1, 9.3, Status.UNKNOWN, winner="nobody"),
        made("cp-sat", "d", 1, 9.2, Status.UNKNOWN, planted=True),
        made("race/bp", "d", 1, 9.3, Status.UNKNOWN, winner="nobody", planted=True),
        # An objective whose best was not proved: not solved, and it counts with the limit.
        made("cp-sat", "e", 1, 8.5, Status.FEASIBLE, objective_value=3.0),
        made("race/bp", "e", 1, 1.0, Status.OPTIMAL, objective_value=2.0, winner="learned"),
    ]
    assert {answer: len(group) for answer, group in race.by_answer(runs).items()} == {
        "satisfiable": 6,
        "unsatisfiable": 2,
        "unknown": 2,
    }
    lines = text(race.summary(runs)).splitlines()
    assert lines[0] == "2 workers on 2 usable CPUs, limit 9 s, 1 seed; median [quartiles] over runs"
    heading = "runs solved infeasible seconds maximum won: learned cp-sat nobody"
    blocks = {
        lines[i].split("  ")[0]: [" ".join(row.split()) for row in lines[i + 1 : i + 3]]
        for i in range(len(lines))
        if " ".join(lines[i].split()).endswith(heading)
    }
    assert blocks == {
        "set, satisfiable, 3 instances": [
            "cp-sat 3 1 0 9 [6.5, 9] 9 - - -",
            "race/bp 3 2 0 2 [1.5, 5.5] 9 2 0 1",
        ],
        "set, unsatisfiable, 1 instance": ["cp-sat 1 0 1 3 [3, 3] 3 - - -", "race/bp 1 0 1 6 [6, 6] 6 0 1 0"],
        "set, unknown, 1 instance": ["cp-sat 1 0 0 9 [9, 9] 9 - - -", "race/bp 1 0 0 9 [9, 9] 9 0 0 1"],
    }
    compared = [" ".join(line.split()) for line in lines if " / cp-sat" in line]
    assert compared[0].startswith("set, satisfiable: race/bp / cp-sat 0.382 0.111 .. 1.000 3 1 -2.30 0 set-d")
    assert compared[1:] == [
        "set, unsatisfiable: race/bp / cp-sat 2.000 - 1 0 1.90 1 set-b, seed 1",
        "set, unknown: race/bp / cp-sat 1.000 - 1 1 -2.30 0 set-c, seed 1",
    ]
    assert "race/bp: the learned search failed in 1 runs, which CP-SAT ended alone" in lines


def test_two_best_objectives_are_an_error() -> None:
    runs = [made("cp-sat", "a", 1, 1.0, objective_value=3.0), made("race/bp", "a", 1, 1.0, objective_value=3.0)]
    check_agreement(runs)
    runs.append(made("dives/bp", "a", 1, 1.0, objective_value=4.0))
    with pytest.raises(AnswerError, match=r"dives/bp: said that 4 is the best on set-a, and cp-sat that 3 is"):
        check_agreement(runs)


def test_a_race_that_gives_up_is_counted(bp: LoadedNetwork) -> None:
    case = instance_sets.generate("latin-square:25:0.42", 1, 1)[0]
    for job in race.jobs(race.RaceSuite(repeats=1, time_limit=0.01, dives=True), [case], [bp]):
        result = job.measure()
        record = records.Record(config=job.config, result=result, environment={})
        if result["status"] == "UNKNOWN":
            assert cost(record, "seconds") == 0.01
            assert result["winner"] in (None, "nobody")


@pytest.mark.parametrize("arm", ["cp-sat", "race/bp", "dives/bp"])
def test_a_wrong_answer_is_refused(arm: str, bp: LoadedNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    # The model asks for less than the instance does.
    instance = PartialLatinSquare("one", np.zeros((3, 3), dtype=np.int64))

    def forgetful(self: PartialLatinSquare) -> Any:
        model = cp_model.CpModel()
        cells = [model.new_int_var(1, 3, f"x{i}") for i in range(9)]
        for row in range(3):
            model.add_all_different(cells[3 * row : 3 * row + 3])
        for cell in cells[::3]:
            model.add(cell == 1)
        return model, cells

    monkeypatch.setattr(PartialLatinSquare, "build", forgetful)
    jobs = race.jobs(race.RaceSuite(repeats=1, dives=True), [instance_sets.Case(instance, True)], [bp])
    (job,) = [job for job in jobs if job.config["arm"] == arm]
    with pytest.raises(AnswerError, match=f"{arm}: what it returned for one is not a solution"):
        job.measure()


def test_policies_end_to_end(tmp_path: Path, grids: Path, capsys: Capture) -> None:
    output = tmp_path / "results.jsonl"
    command = ["policies", "--order", 8, "--count", 1, "--holes", 0.6, "--instances", grids, "--failure-limit", 500]
    command += ["--time-limit", 20, "--repeats", 2, "--provider", "cpu", "--output", output]
    assert call(*command) == 0
    shown = capsys.readouterr().out
    written = lines_of(output)
    assert {line["config"]["arm"] for line in written} == {
        "every 10 + after failure; depth-first",
        "every 10 + after failure; geometric 40 x 1.2",
        "every 10 + after failure; luby 40",
        "every 10 + after failure; luby 20",
        "every 10 + after failure; discrepancies",
        "every 1; geometric 40 x 1.2",
        "every 10; geometric 40 x 1.2",
        "below 0.9; geometric 40 x 1.2",
        "below 0.99; geometric 40 x 1.2",
        "dives*",
    }
    heading = "grids, 2 instances runs solved mean failures failures calls inference seconds mean seconds"
    assert heading in [" ".join(line.split()) for line in shown.splitlines()]
    assert shown.startswith("bp, limits 20 s and 500 failures (dives: seconds only); median [quartiles] over runs\n")
    for line in written:
        config, result = line["config"], line["result"]
        assert re.search(rf"^{re.escape(config['arm'])} ", shown, re.MULTILINE)
        assert result["status"] == ("INFEASIBLE" if config["instance"] == "no" else "OPTIMAL")
        dives = config["arm"] == "dives*"
        assert config["failure_limit"] == (None if dives else 500)
        assert (result["failures_are"] == "dead ends and conflicts") == dives
        # One run of what no seed changes.
        noisy = dives or (config["runs"] is not None and "schedule" in config["runs"])
        assert config["seed"] == 1 or noisy
    assert len(written) == 3 * (2 + 8 * 2)
    text = output.read_text()
    assert call(*command) == 0
    assert output.read_text() == text


def test_each_policy_is_what_its_name_says(bp: LoadedNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    case = instance_sets.generate("latin-square:4:0.5", 1, 1)[0]
    suite = policies.Policies(seed=7, time_limit=9.0, failure_limit=100)
    jobs = policies.jobs(suite, [case], bp)
    nothing = SolveResult(Status.UNKNOWN, None, 0, 0, InferenceCount(), 0.0, "cp", "bp")
    given: dict[str, Any] = {}

    def solve(model: object, variables: object, scorer: object, options: SearchOptions) -> SolveResult:
        assert scorer is bp.scorer
        assert options.limits == suite.limits
        assert options.variable_order == "most-confident"
        given.update(vars(options))
        return nothing

    monkeypatch.setattr(nnsearch.cp, "solve", solve)
    told = {}
    for job in jobs:
        if job.config["arm"] != policies.DIVES:
            job.measure()
            told[job.config["arm"]] = (given["policy"], given["restarts"], given["discrepancies"])
    usual, geometric = InferencePolicy(10, after_failure=True), Restarts(40, 1.2, seed=7)
    assert told == {
        "every 10 + after failure; depth-first": (usual, None, None),
        "every 10 + after failure; geometric 40 x 1.2": (usual, geometric, None),
        "every 10 + after failure; luby 40": (usual, Restarts(40, schedule="luby", seed=7), None),
        "every 10 + after failure; luby 20": (usual, Restarts(20, schedule="luby", seed=7), None),
        "every 10 + after failure; discrepancies": (usual, None, Discrepancies()),
        "every 1; geometric 40 x 1.2": (InferencePolicy(1), geometric, None),
        "every 10; geometric 40 x 1.2": (InferencePolicy(10), geometric, None),
        "below 0.9; geometric 40 x 1.2": (InferencePolicy(0, below=0.9), geometric, None),
        "below 0.99; geometric 40 x 1.2": (InferencePolicy(0, below=0.99), geometric, None),
    }


def test_policies_count_what_gave_up(bp: LoadedNetwork) -> None:
    case = instance_sets.generate("latin-square:6:0.5", 1, 1)[0]
    jobs = policies.jobs(policies.Policies(time_limit=9.0, failure_limit=100), [case], bp)
    zeros = {"inference_calls": 7, "inference_seconds": 0.5}
    runs = [
        records.Record(
            config=jobs[0].config | {"seed": seed},
            result={"status": str(status), "failures": failures, "wall_seconds": seconds, **zeros},
            environment={},
        )
        for seed, status, failures, seconds in ((1, Status.OPTIMAL, 3, 1.0), (2, Status.UNKNOWN, 99, 5.0))
    ]
    row = next(line for line in text(policies.summary(runs)).splitlines() if line.startswith("every 10"))
    # Failures 3 and 100: geometric mean of 4 and 101; seconds 1 and 9.
    assert " ".join(row.split()).endswith("depth-first 2 50% 20 52 [27, 76] 7 0.5 5 [3, 7] 5")


def test_policies_refuse_a_wrong_answer(bp: LoadedNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    case = instance_sets.generate("latin-square:4:0.5", 1, 1)[0]
    jobs = policies.jobs(policies.Policies(), [case], bp)
    wrong = SolveResult(Status.INFEASIBLE, None, 0, 0, InferenceCount(), 0.0, "cp", "bp")
    monkeypatch.setattr(nnsearch.cp, "solve", lambda *_, **__: wrong)
    with pytest.raises(AnswerError, match=r"said INFEASIBLE on .*, which has a solution"):
        jobs[0].measure()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["race", "--models"], "--models: expected one or more networks to race with, got none"),
        (["race", "--workers", "0"], "workers: expected 1 or more, got 0"),
        (["race", "--repeats", "0"], "repeats: expected 1 or more, got 0"),
        (["race", "--time-limit", "0"], "time limit: expected above 0 seconds"),
        (["race", "--time-limit", "inf"], "time limit: expected above 0 seconds"),
        (["race", "--seed", "2147483647"], "seed: expected seeds up to 2147483647, got 2147483649"),
        (["race", "--count", "0"], "expected instances"),
        (["race", "--models", "nobody"], "unknown model 'nobody'"),
        (["policies", "--model", "nobody"], "unknown model 'nobody'"),
        (["policies", "--model", "pls-10-full", "--order", "5"], "expected Latin squares of order 10, got none"),
        (["policies", "--repeats", "0"], "repeats: expected 1 or more, got 0"),
        (["policies", "--time-limit", "inf"], "expected a time limit"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_repeats_are_checked_without_the_command_line() -> None:
    with pytest.raises(ConfigError, match="seed: expected 0 or more"):
        race.RaceSuite(seed=-1)
    with pytest.raises(ConfigError, match="expected a time limit"):
        policies.Policies(time_limit=float("inf"))
