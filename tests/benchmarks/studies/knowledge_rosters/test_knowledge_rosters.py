from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ortools.sat.python import cp_model

from benchmarks.__main__ import main
from benchmarks.instances.families.family import Part
from benchmarks.instances.zoo.rules import BrokenRuleError
from benchmarks.records import Record, read_records
from benchmarks.rendering.text import text
from benchmarks.studies.knowledge_rosters.findings import failures, gap, summary
from benchmarks.studies.knowledge_rosters.plans import RosterSize, new_rosters, past_plans
from benchmarks.studies.knowledge_rosters.study import KnowledgeRostersStudy, jobs
from benchmarks.studies.knowledge_rosters.suggestions import DECIDED, extendable, measure
from benchmarks.studies.knowledge_rosters.training import first_plans
from nnsearch.errors import ConfigError, NNSearchError
from nnsearch.model.graph import BoolArray, CandidateGraph
from nnsearch.scorers.scorer import Advice
from training.data.solved_models import model_files, read_folder

pytestmark = pytest.mark.slow

SIZE = RosterSize(5, 5)


class Told:
    """A scorer that knows a plan, and says so, or the opposite."""

    name = "told"

    def __init__(self, plan: Sequence[int], sign: int) -> None:
        self._plan, self._sign = plan, sign

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> Told:
        self._scores = np.where(graph.holds(self._plan), self._sign, -self._sign).astype(np.float32)
        return self

    def advise(self, alive: BoolArray) -> Advice:
        return Advice(np.tile(self._scores, (len(alive), 1)))


def test_who_knows_the_best_plan_suggests_nothing_else() -> None:
    (roster,) = new_rosters(SIZE, 1)
    right, wrong = (measure(roster, Told(roster.best.tolist(), sign)) for sign in (1, -1))
    assert set(right["feasible"]) <= {1.0, None}
    assert len(right["feasible"]) == len(DECIDED)
    assert (right["prefix"], right["solved"], right["failures"], right["cost"]) == (1.0, True, 0, roster.cost)
    assert wrong["prefix"] < 0.5
    assert right["undecided"] == wrong["undecided"] == 0


def test_what_can_be_extended() -> None:
    model = cp_model.CpModel()
    a, b = model.new_bool_var("a"), model.new_bool_var("b")
    model.add_bool_or(a, b)
    assert extendable(model, {0: 0})
    assert extendable(model, {0: 0, 1: 0}) is False
    assert list(model.proto.variables[0].domain) == [0, 1], "the model is as it was"


def test_in_a_strict_roster_nobody_is_missing() -> None:
    (roster,) = new_rosters(SIZE, 1)
    idle = [0] * len(roster.best)
    with pytest.raises(BrokenRuleError, match="nobody is missing"):
        roster.cost_of(idle)
    assert roster.proved
    assert roster.cost_of(roster.best.tolist()) == roster.cost


def test_past_plans_are_the_same_however_many_there_are(tmp_path: Path) -> None:
    few = past_plans(SIZE, 3, 2, tmp_path / "few")
    more = past_plans(SIZE, 3, 4, tmp_path / "more")
    (tmp_path / "more" / f"{model_files(more)[1].stem}.solutions.npz").unlink()  # as after a kill
    assert past_plans(SIZE, 3, 4, more) == more
    first = first_plans(more, 2, tmp_path / "first")
    plans = [read_folder(folder, relaxed=False) for folder in (few, first)]
    assert [one.name for one in plans[0]] == [one.name for one in plans[1]]
    assert all((a.solutions == b.solutions).all() for a, b in zip(*plans, strict=True))
    assert len(model_files(more)) == 4


def test_rosters_without_plans_are_not_looked_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.studies.knowledge_rosters.plans.best_plan", lambda model, effort: None)
    with pytest.raises(NNSearchError, match="5 nurses, 5 days: expected rosters with a plan"):
        past_plans(SIZE, 0, 1, tmp_path / "plans")


def test_training_and_test_have_no_roster_in_common() -> None:
    models = [str(SIZE.draw(part, 0, 0).model.proto) for part in Part]
    assert models[0] != models[1]


def test_each_arm_is_a_line_and_a_row_and_is_measured_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "results.jsonl"
    size = ["--nurses", "5", "--days", "5", "--plans", "2", "--seeds", "1", "--instances", "1"]
    size += ["--steps", "2", "--edges", "100", "--knowledge", "sbr", "ste"]
    command = ["study", "knowledge-rosters", *size, "--runs", str(tmp_path / "runs"), "--output", str(output)]
    assert main(command) == 0
    records = read_records(output)
    assert [record["config"]["arm"] for record in records] == ["cp-sat", "lp", "random", "counting", "sbr", "ste"]
    assert [record["config"].get("plans") for record in records] == [None] * 3 + [2] * 3
    assert [record["config"]["training"]["weight"] for record in records[4:]] == [1.0, 0.1]
    assert all(len(record["result"]["feasible"][0]) == len(DECIDED) for record in records[1:])
    assert text(summary(records)) in capsys.readouterr().out
    assert main(command) == 0
    assert read_records(output) == records


def record(**result: Any) -> Record:
    return Record(config={"failure_limit": 200}, result=result, environment={})


def test_a_dive_without_a_plan_counts_with_the_limit() -> None:
    spent = record(failures=[3, 7], solved=[True, False])
    assert failures(spent) == pytest.approx(math.sqrt(4 * 201))
    assert gap(record(cost=[12.0, 11.0, None], best=[10.0, 10.0, 10.0])) == pytest.approx(0.2)
    assert gap(record(cost=[12.0, None, None], best=[10.0, 10.0, 10.0])) == math.inf


def test_what_cannot_be_run_is_refused() -> None:
    with pytest.raises(ConfigError, match="plans: expected 2 or more, got"):
        KnowledgeRostersStudy(plans=(1,))
    with pytest.raises(ConfigError, match="knowledge: expected some of none, sbr, ste"):
        KnowledgeRostersStudy(knowledge=("rows",))
    # What needs no training, and counting with three trainings for each seed and number of plans.
    assert len(jobs(KnowledgeRostersStudy(seeds=2))) == 2 + 2 + 2 * 4 * 4
