"""A trial: its verdict follows from what was measured, and what cannot be tried is refused in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from ortools.sat.python import cp_model
from stand_ins import RandomGraphScorer

import nnsearch
from nnsearch import highs
from nnsearch.cli.main import main
from nnsearch.errors import ConfigError, ModelFileError, NNSearchError
from nnsearch.inference.pretrained import pretrained_models
from nnsearch.model.prepared import PreparedModel
from nnsearch.result import Status
from nnsearch.trial import advise as advising
from nnsearch.trial.arms import BASELINE, HIGHS, TrialArm, TrialRun, arms_for


def square(order: int = 7) -> cp_model.CpModel:
    model = cp_model.CpModel()
    cells = [[model.new_int_var(0, order - 1, f"x{i},{j}") for j in range(order)] for i in range(order)]
    for line in [*cells, *zip(*cells, strict=True)]:
        model.add_all_different(line)
    return model


def knapsack(maximise: bool = True) -> cp_model.CpModel:
    model = cp_model.CpModel()
    x = [model.new_bool_var(f"x{i}") for i in range(12)]
    model.add(sum((i + 3) * v for i, v in enumerate(x)) <= 40)
    model.add_exactly_one(x[:2])
    value = sum((2 * i + 5) * v for i, v in enumerate(x))
    (model.maximize if maximise else model.minimize)(value)
    return model


def run(seconds: float, status: Status = Status.OPTIMAL, *solutions: tuple[float, float]) -> TrialRun:
    return TrialRun(status, seconds, solutions)


def trial(monkeypatch: pytest.MonkeyPatch, runs: dict[str, list[TrialRun]]) -> Callable[..., list[TrialArm]]:
    """Arms whose runs are known beforehand, by seed; those of further seeds are the same unless they are given."""

    def arms(*_: object) -> list[TrialArm]:
        return [
            TrialArm(name, f"code of {name}", lambda seed, name=name: runs[name][seed % len(runs[name])])  # type: ignore[misc]
            for name in runs
        ]

    monkeypatch.setattr(advising, "arms_for", arms)
    return arms


def verdict(model: cp_model.CpModel, seeds: int = 2, **options: object) -> nnsearch.Verdict:
    return nnsearch.advise(model, [RandomGraphScorer()], seeds=range(seeds), seconds=5, workers=1, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("others", "choice"),
    [
        ({"a": [run(0.4), run(0.5)], "b": [run(0.2), run(0.3)]}, "b"),
        ({"a": [run(0.5), run(0.5), run(2), run(2)]}, None),  # it was luck
        ({"a": [run(0.1), run(0.1), run(1.1), run(2.1)]}, None),  # still, whatever the mean of all
        ({"a": [run(0.5), run(0.5), run(2), run(2)], "b": [run(0.8), run(1.6), run(0.8), run(1.6)]}, "b"),
        ({"a": [run(0.95), run(1.95), run(0.6), run(1.2)]}, "a"),  # bad luck
        ({"a": [run(0.9), run(1.9)]}, None),  # not by 15 %
        ({"a": [run(5, Status.UNKNOWN), run(5, Status.UNKNOWN)]}, None),
    ],
)
def test_the_best_arm_that_is_better_again(
    others: dict[str, list[TrialRun]], choice: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial(monkeypatch, {BASELINE: [run(1), run(2)], **others})  # of seeds 0 and 1, and of 2 and 3, which come then
    said = verdict(square())
    assert said.code == (None if choice is None else f"code of {choice}")
    assert (f"use: code of {choice}" if choice else "stay with CP-SAT: nothing was clearly better") in str(said)
    assert said.comparisons[0].ratio == 1


@pytest.mark.parametrize("maximise", [False, True])
def test_without_proofs_the_primal_integral_counts(maximise: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    worse, better = (10, 20) if maximise else (20, 10)
    early = [run(5, Status.FEASIBLE, (0.1, worse), (0.5, better))] * 2
    late = [run(5, Status.FEASIBLE, (0.1, worse), (4.0, better))] * 2
    trial(monkeypatch, {BASELINE: late, "early": early})
    assert verdict(knapsack(maximise)).code == "code of early"
    trial(monkeypatch, {BASELINE: early, "late": late})
    assert verdict(knapsack(maximise)).code is None


@pytest.mark.parametrize(
    ("ours", "theirs", "first"),
    [
        ([run(0.2, Status.OPTIMAL, (0.1, 20))] * 2, [run(5, Status.FEASIBLE, (0.1, 20))] * 2, True),  # proved sooner
        ([run(5, Status.FEASIBLE, (4.9, 21))] * 2, [run(5, Status.FEASIBLE, (0.1, 20))] * 2, True),  # better, if late
        ([run(5, Status.FEASIBLE, (4.9, 20))] * 2, [run(5, Status.FEASIBLE, (0.1, 20))] * 2, False),
        ([run(5, Status.UNKNOWN)] * 2, [run(5, Status.UNKNOWN)] * 2, False),
        ([run(2, Status.OPTIMAL, (2, 20))] * 2, [run(1, Status.OPTIMAL, (1, 20))] * 2, False),
    ],
)
def test_highs_is_the_tool_where_it_was_better(
    ours: list[TrialRun], theirs: list[TrialRun], first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial(monkeypatch, {BASELINE: theirs, HIGHS: ours})
    text = str(verdict(knapsack()))
    assert ("this model is linear: HiGHS is the tool to try first" in text) is first
    assert ("mathopt.solve" in text) is first
    assert ("stay with CP-SAT: nothing was clearly better" in text) is not first


def test_highs_is_not_the_tool_where_another_arm_ended_better(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = {BASELINE: 20, HIGHS: 21, "level 2": 22}  # of a model that maximises
    trial(monkeypatch, {name: [run(5, Status.FEASIBLE, (4.9, end))] * 2 for name, end in ends.items()})
    assert verdict(knapsack()).code is None


def test_the_linear_relaxation_is_tried_where_it_can_be_read() -> None:
    said = nnsearch.advise(knapsack(), ["lp"], seconds=1, seeds=(1,), workers=1)
    codes = [one.arm.code for one in said.comparisons]
    assert 'solver = nnsearch.cpsat.CpSolver("lp")' in codes
    assert [look.usable for look in said.looks] == [True]
    said = nnsearch.advise(square(3), ["lp"], seconds=1, seeds=(1,), workers=1)
    assert "lp: has nothing to read in this model" in str(said)
    assert not said.comparisons
    assert "HiGHS" not in str(said)


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        (
            [run(1, Status.OPTIMAL, (1, 3)), run(1, Status.INFEASIBLE)],
            "a proved that there is no solution, CP-SAT f",
        ),
        ([run(1, Status.OPTIMAL, (1, 3)), run(1, Status.OPTIMAL, (1, 4))], "optimal objectives differ: CP-SAT 3, a 4"),
    ],
)
def test_answers_that_contradict_each_other_are_no_verdict(
    runs: list[TrialRun], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial(monkeypatch, {BASELINE: runs[:1], "a": runs[1:]})
    with pytest.raises(NNSearchError, match=words):
        verdict(knapsack(), seeds=1)


def test_optima_of_rounded_coefficients_may_differ_by_the_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    model = knapsack()
    model.maximize(sum(0.1 * model.get_int_var_from_proto_index(i) for i in range(12)))
    for difference, contradict in ((1e-5, False), (1e-3, True)):
        exact, rounded = (run(1, Status.OPTIMAL, (1, 100 + more)) for more in (0.0, difference))
        trial(monkeypatch, {BASELINE: [rounded], HIGHS: [exact]})
        with pytest.raises(NNSearchError, match="optimal objectives differ") if contradict else nullcontext():
            verdict(model, seeds=1)


def test_highs_that_fails_decides_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(highs, "_START", "raise MemoryError")
    said = nnsearch.advise(knapsack(), [], seconds=1, seeds=(1,), workers=1)
    assert next(one for one in said.comparisons if one.arm.name == HIGHS).runs == [TrialRun(Status.UNKNOWN, 1.0, [])]
    assert "HiGHS: expected an answer, got none" in caplog.text


def test_a_real_trial_in_turns() -> None:
    told: list[tuple[int, int, str]] = []
    said = nnsearch.advise(
        knapsack(), ["bp"], seconds=20, seeds=(1, 2), workers=1, on_run=lambda *one: told.append(one)
    )
    names = [one.arm.name for one in said.comparisons]
    assert names == [BASELINE, f"{BASELINE}, level 2", HIGHS, "drop-in bp", "dives bp"]
    assert [arm for _, _, arm in told][:10] == [*names, *names[1:], names[0]]
    again = [arm for _, _, arm in told][10:]
    assert len(again) in {0, 4, 6}  # nobody was better, or one or two are tried again
    assert again.count(BASELINE) == (2 if again else 0)
    assert [(done, total) for done, total, _ in told] == [(done, 16) for done in range(len(told))]
    assert [len(one.runs) for one in said.comparisons if one.arm.name in again] == [4] * len(set(again))
    assert all(run.status is Status.OPTIMAL for one in said.comparisons for run in one.runs)
    text = str(said)
    assert "12 variables: 12 with two values, 0 with more than 4096" in text
    assert "2 constraints: 1 linear, 1 exactly_one" in text
    assert "all of it is linear: HiGHS, a MIP solver, takes part in the trial" in text
    assert "bp: sees 12 variables, and all of their values alike at the beginning" in text


def test_the_line_of_code_opens_what_was_tried(tmp_path: Path) -> None:
    mine = Path(shutil.copy(pretrained_models()["bp"], tmp_path / "mine.onnx"))
    tried = [nnsearch.load_scorer(one) for one in ("bp", mine, "lp", RandomGraphScorer())]
    arms = arms_for(PreparedModel.of(knapsack()), tried, 1, 1.0)
    drop_ins = [arm.code for arm in arms if arm.name.startswith("drop-in")]
    assert [code.partition("CpSolver(")[2] for code in drop_ins] == ['"bp")', f'"{mine}")', '"lp")', "scorer)"]
    for arm in arms[-2 * len(tried) :]:
        names = {"nnsearch": nnsearch, "model": knapsack(), "scorer": RandomGraphScorer()}
        exec(arm.code, names)


def test_two_networks_of_one_name_are_refused(tmp_path: Path) -> None:
    mine = shutil.copy(pretrained_models()["bp"], tmp_path / "bp.onnx")
    with pytest.raises(ConfigError, match="expected one of each name, got bp twice; rename a file"):
        nnsearch.advise(square(), ["bp", mine])


def test_a_network_with_nothing_to_say_is_not_tried() -> None:
    model = cp_model.CpModel()
    x = model.new_int_var(0, 10**6, "x")
    model.add(3 * x >= 17)
    said = nnsearch.advise(model, seconds=1)
    assert not said.comparisons
    assert said.code is None
    assert "stay with CP-SAT: no scorer has anything to say about this model" in str(said)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seconds": 0.0}, "seconds"),
        ({"seeds": ()}, "seeds"),
        ({"workers": 0}, "workers"),
        ({"seconds": float("nan")}, "seconds"),
    ],
)
def test_bad_options(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        nnsearch.advise(square(), **options)  # type: ignore[arg-type]
    with pytest.raises(ModelFileError):
        nnsearch.advise(square(), ["no such network"])


def test_a_model_that_cp_sat_refuses() -> None:
    model = square()
    model.new_int_var(3, 2, "empty")
    with pytest.raises(NNSearchError, match="CP-SAT refuses the model"):
        nnsearch.advise(model)


def test_as_a_user_types_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "knapsack.pb"
    assert knapsack().export_to_file(str(file))
    command = ["advise", str(file), "--model", "bp", "--time-limit", "1", "--seeds", "1", "--workers", "1"]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "drop-in bp" in text
    assert text.splitlines()[-1].startswith(("use: ", "stay with CP-SAT: "))
    assert main([*command, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert set(record) == {"reading", "scorers", "arms", "code"}
    assert main(["advise", str(file), "--time-limit", "0"]) == 2
    assert capsys.readouterr().err == "error: seconds: expected above 0, and a number, got 0.0\n"
