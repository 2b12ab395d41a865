from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from ortools.sat.python import cp_model
from test_benchmarks import call, lines_of

import nnsearch.cpsat
from benchmarks.anytime import OTHER_SEED
from benchmarks.instances.families import FAMILIES, Part, Scale
from benchmarks.records import Record
from benchmarks.rendering.parts import Table
from benchmarks.rendering.text import text
from benchmarks.suites import optimise
from benchmarks.suites.optimise import OptimiseSuite
from nnsearch.errors import ConfigError, ModelFileError
from nnsearch.result import Status

Capture = pytest.CaptureFixture[str]
TINY = (Scale.TINY,)
NETWORK = "models/bp.onnx"


@pytest.mark.slow
def test_end_to_end(tmp_path: Path, capsys: Capture) -> None:
    output, plot = tmp_path / "optimise.jsonl", tmp_path / "gaps.svg"
    command = [
        *("optimise", "--families", "knapsack", "timetables", "--sizes", "tiny", "--instances", 1, "--seeds", 1),
        *("--arms", "cp-sat", "cp-sat-again", "highs", "--scorer", "bp", f"knapsack={NETWORK}"),
        *("--workers", 1, "--limit", 20, "--reference", 30, "--output", output),
    ]
    assert call(*command, "--plot", plot) == 0
    shown = capsys.readouterr().out
    assert "11 solves by 1 worker" in shown
    assert "0 wrong answers" in shown
    assert "Over all families" in shown
    assert "Who answered in drop-in trained" in shown
    assert plot.stat().st_size > 1000
    written = lines_of(output)
    # The second family is not linear, has no network, and begins with another arm.
    assert [line["config"]["arm"] for line in written] == [
        *("cp-sat", "cp-sat-again", "highs", "drop-in bp", "drop-in trained", "reference", "reference-highs"),
        *("cp-sat-again", "drop-in bp", "cp-sat", "reference"),
    ]
    assert [line["config"]["time_limit"] for line in written] == [20] * 5 + [30] * 2 + [20] * 3 + [30]
    assert {line["result"]["status"] for line in written} == {"OPTIMAL"}
    assert len({line["result"]["objective_value"] for line in written}) == 2
    # What is measured is not measured again; what is missing is.
    assert call(*command) == 0
    assert lines_of(output) == written
    lines = output.read_text().splitlines()
    output.write_text("\n".join(lines[:-2]) + "\n")
    assert call(*command) == 0
    assert "9 of 11 results are in" in capsys.readouterr().err
    assert [line["config"] for line in lines_of(output)] == [line["config"] for line in written]


def test_instances_are_none_that_are_written_for_training(tmp_path: Path) -> None:
    suite = OptimiseSuite(families=("knapsack",), sizes=TINY, instances=3, seeds=(1,), reference=0)
    tested = {job.config["instance_sha256"] for job in optimise.jobs(suite)}
    family = FAMILIES["knapsack"]
    written = {family.build(Scale.TINY, Part.TRAINING, seed, number).digest for seed in range(3) for number in range(9)}
    assert len(tested) == 3
    assert not tested & written


def test_what_is_wrong_is_recorded_and_ends_nothing(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Liar(nnsearch.cpsat.CpSolver):
        def value(self, expression: cp_model.LinearExprT) -> int:
            return 1

    monkeypatch.setattr(nnsearch.cpsat, "CpSolver", Liar)
    monkeypatch.setattr(optimise, "warm_up", lambda arm: None)
    code = call(
        *("optimise", "--families", "knapsack", "--sizes", "tiny", "--instances", 1, "--seeds", 1, "--arms", "cp-sat"),
        *("--workers", 1, "--reference", 0, "--scorer", "bp", "--output", tmp_path / "wrong.jsonl"),
    )
    assert code == 1
    assert "drop-in bp: broke a rule (no capacity is exceeded) on knapsack/tiny/0" in capsys.readouterr().out


def test_arms_differ_in_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "plans.db"
    plan = FAMILIES["knapsack"].build(Scale.TINY, Part.TRAINING, 0, 0).model
    past: Any = nnsearch.cpsat.CpSolver(scorer=None, history=store)
    past.parameters.num_workers = 1
    past.solve(plan)
    asked: list[Any] = []

    def run(solver: cp_model.CpSolver, model: Any, seed: int, workers: int, seconds: float) -> Any:
        asked.append(
            (type(solver).__name__, solver.parameters.linearization_level, solver.parameters.use_ls_only, seed)
        )
        return really(solver, model, seed, workers, seconds)

    really = optimise._run
    monkeypatch.setattr(optimise, "_run", run)
    monkeypatch.setattr(optimise, "warm_up", lambda arm: None)
    arms: Any = ("cp-sat", "cp-sat-again", "cp-sat-level-2", "cp-sat-local-search")
    suite = OptimiseSuite(
        ("knapsack",), TINY, instances=1, seeds=(1,), workers=1, seconds=1.0, arms=arms, history=store
    )
    jobs = optimise.jobs(suite)
    before = len(sqlite3.connect(store).serialize())
    whys = [job.measure()["why"] for job in jobs]
    assert asked == [
        ("CpSolver", 1, False, 1),
        ("CpSolver", 1, False, 1 + OTHER_SEED),
        ("CpSolver", 2, False, 1),
        ("CpSolver", 1, True, 1),
        ("CpSolver", 1, False, 1),
        ("CpSolver", 1, False, 1),
    ]
    assert [why is None for why in whys] == [True, True, True, True, False, True]
    assert len(sqlite3.connect(store).serialize()) == before  # it is a copy that is written to


def test_options_are_checked(tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"families": ("no-such-family",)}, "families: expected a part of one of rosters"),
        ({"seeds": ()}, "seeds"),
        ({"instances": 0}, "instances"),
        ({"workers": 0}, "workers"),
        ({"sizes": ()}, "sizes"),
        ({"seconds": 0.0}, "time limit"),
        ({"reference": -1.0}, "reference"),
        ({"arms": ("cp-sat",)}, "arms: expected cp-sat and one or more"),
        ({"arms": ("cp-sat-again",), "scorers": ("bp",)}, "arms: expected cp-sat"),
        ({"scorers": ("bp", NETWORK)}, "scorers: expected one of each name"),
        ({"scorers": ("no-family=a.onnx",)}, "scorers: expected FAMILY=PATH"),
        ({"scorers": ("knapsack=a.onnx", "knapsack=b.onnx")}, "scorers: expected one network for each family"),
    ]
    for words, message in wrong:
        with pytest.raises(ConfigError, match=message):
            OptimiseSuite(**words)
    OptimiseSuite(arms=("cp-sat",), scorers=("bp",))
    usual: dict[str, Any] = {"families": ("knapsack",), "sizes": TINY, "instances": 1}
    with pytest.raises(ModelFileError):
        optimise.jobs(OptimiseSuite(**usual, scorers=("knapsack=no-such.onnx",)))
    (tmp_path / "text.db").write_text("no store")
    for store in ("none.db", "text.db"):
        with pytest.raises(ConfigError, match="history: expected a file of past solves"):
            optimise.jobs(OptimiseSuite(**usual, history=tmp_path / store))


def test_a_family_is_chosen_by_its_name_or_a_part_of_several() -> None:
    def chosen(*families: str) -> list[str]:
        return [name for name, _, _ in OptimiseSuite(families, instances=1).models]

    assert chosen("rosters") == ["rosters"]
    assert chosen("shops", "knapsack") == ["flexible-shops", "job-shops", "knapsack"]
    assert chosen() == list(FAMILIES)


def made(arm: str, instance: str, seed: int, *solutions: tuple[float, float]) -> Record:
    return Record(
        config={
            "arm": arm,
            "family": instance[:-2],
            "size": "x1",
            "instance": instance,
            "instance_sha256": instance,
            "seed": seed,
            "workers": 2,
            "time_limit": 10.0,
        },
        result={
            "status": str(Status.FEASIBLE if solutions else Status.UNKNOWN),
            "objective_value": solutions[-1][1] if solutions else None,
            "best_objective_bound": None,
            "maximises": False,
            "solutions": list(solutions),
            "wall_seconds": 10.0,
            "wrong": None,
            "winner": None,
            "usable_cpus": 2,
        },
        environment={},
    )


def test_arms_are_compared_within_pairs_to_the_best_of_all_runs() -> None:
    records = [
        made("cp-sat", "cover/0", 1, (0.0, 20.0)),
        made("cp-sat-again", "cover/0", 1, (0.0, 20.0)),
        made("drop-in lp", "cover/0", 1, (0.0, 12.5)),
        made("cp-sat", "cover/1", 1, (0.0, 20.0)),
        made("cp-sat-again", "cover/1", 1, (0.0, 20.0)),
        made("drop-in lp", "cover/1", 1),
        made("reference", "cover/0", 1, (9.0, 10.0)),
        made("reference", "cover/1", 1, (9.0, 10.0)),
        made("drop-in lp", "lots/0", 1, (0.0, 3.0)),  # an interrupted run
    ]
    found = optimise.summary(json.loads(json.dumps(records)))
    assert "9 solves" in text(found)
    for table in found.blocks[:2]:
        assert isinstance(table, Table)
        row = next(row.cells for row in table.rows if row.arm == "drop-in lp")
        ratio = ((0.2 + 0.001) / (0.5 + 0.001) * (1 + 0.001) / (0.5 + 0.001)) ** 0.5
        assert (row[5], row[8]) == (f"{ratio:.3f}", f"{ratio:.3f}")
        assert row[-3:] == ["50%", "50%", "50%"]
        assert "lots, x1" not in {row.cells[0] for row in table.rows}
