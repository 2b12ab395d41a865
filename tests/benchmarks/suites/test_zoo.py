from __future__ import annotations

import json
import math
from pathlib import Path
from random import Random
from typing import Any

import pytest
from coins import fewest_coins
from hypothesis import given
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from test_benchmarks import call, lines_of

import nnsearch.cpsat
from benchmarks.answers import disagreements, wrong_answers
from benchmarks.instances import zoo as instances
from benchmarks.instances.zoo import Size, ZooModel
from benchmarks.records import Record
from benchmarks.rendering.text import text
from benchmarks.statistics import best_known
from benchmarks.suites import zoo
from nnsearch.errors import ConfigError
from nnsearch.result import Status
from nnsearch.trial.primal_integral import primal_integral, relative_gap

Capture = pytest.CaptureFixture[str]


def coins(size: Size, rng: Random) -> ZooModel:
    return fewest_coins(15 + rng.randint(0, 2))


def nothing(size: Size, rng: Random) -> ZooModel:
    model = cp_model.CpModel()
    model.add_bool_or([])
    return ZooModel(model, lambda value: None, satisfiable=False)


@pytest.fixture
def two_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    zoo._model.cache_clear()
    for module in (instances, zoo):
        monkeypatch.setattr(module, "KINDS", {"coins": coins, "nothing": nothing})


def made(arm: str, instance: str, seed: int, seconds: float, status: Status = Status.OPTIMAL, **result: Any) -> Record:
    config = {
        "arm": arm,
        "instance": f"{instance}/small",
        "instance_sha256": instance,
        "seed": seed,
        "workers": result.pop("workers", 2),
        "time_limit": 10.0,
    }
    usual: dict[str, Any] = {
        "objective_value": None,
        "best_objective_bound": None,
        "maximises": False,
        "solutions": [],
        "winner": None if arm == "cp-sat" else "cp-sat",
        "why": None if arm == "cp-sat" else f"it found a solution, objective {seconds:g} (in round 7)",
        "scorer_error": None,
        "wrong": None,
        "usable_cpus": 2,
    }
    return Record(
        config=config, result={**usual, "status": str(status), "wall_seconds": seconds, **result}, environment={}
    )


def found(arm: str, instance: str, seed: int, *solutions: tuple[float, float], **result: Any) -> Record:
    """A run to the limit that found these solutions."""
    return made(
        arm, instance, seed, 10.1, Status.FEASIBLE, objective_value=solutions[-1][1], solutions=solutions, **result
    )


def compared(one: list[Record], other: list[Record]) -> list[zoo.ModelRatio]:
    return zoo.compare_by_model(one, other, best_known([*one, *other]))


@pytest.mark.usefixtures("two_kinds")
def test_end_to_end(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "zoo.jsonl"
    command = ["zoo", "--sizes", "small", "--seeds", 3, 4, "--workers", 1, 2, "--limit", 20, "--output", output]
    assert call(*command) == 0
    shown = capsys.readouterr().out
    assert "16 solves" in shown
    assert "0 wrong answers" in shown
    assert "drop-in / cp-sat, 2 workers" in shown
    assert "coins/small" in shown
    written = lines_of(output)
    # The arms of a pair come one after the other, each time another one first.
    assert [line["config"]["arm"] for line in written[:4]] == ["cp-sat", "drop-in", "drop-in", "cp-sat"]
    assert [(line["config"]["workers"], line["config"]["seed"]) for line in written[:8:2]] == [
        (1, 3),
        (1, 4),
        (2, 3),
        (2, 4),
    ]
    for line in written:
        result = line["result"]
        best = line["config"]["kind"] == "coins"
        assert result["status"] == ("OPTIMAL" if best else "INFEASIBLE")
        assert result["wrong"] is None
        assert (result["winner"] is None) == (result["contribution"] is None) == (line["config"]["arm"] == "cp-sat")
        assert len(result["solutions"]) == len([result["first_solution_seconds"]]) * best
        if best:
            assert result["solutions"][-1][1] == result["objective_value"] == result["best_objective_bound"]
    text = output.read_text()
    assert call(*command) == 0
    assert output.read_text() == text


@pytest.mark.usefixtures("two_kinds")
def test_what_is_wrong_is_recorded_and_ends_nothing(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Liar(nnsearch.cpsat.CpSolver):
        def value(self, expression: cp_model.LinearExprT) -> int:
            return 1

    class Pessimist(nnsearch.cpsat.CpSolver):
        def status_name(self, status: Any = None) -> str:
            return "INFEASIBLE"

    class Optimist(nnsearch.cpsat.CpSolver):
        @property
        def objective_value(self) -> float:
            return 1.0

    class Forgetful(nnsearch.cpsat.CpSolver):
        def status_name(self, status: Any = None) -> str:
            return "FEASIBLE"

        @property
        def objective_value(self) -> float:
            return float(super().objective_value) + 5

    class Broken(nnsearch.cpsat.CpSolver):
        def solve(self, *arguments: Any) -> Any:
            raise RuntimeError("out of order")

    for solver, words in (
        (Liar, "drop-in: broke a rule (the coins make the amount) on coins/small, seed 1, 1 worker"),
        (Pessimist, "drop-in: said INFEASIBLE, and there is a solution on coins/small, seed 1, 1 worker"),
        (Optimist, "drop-in: said 1 of a solution that is "),
        (Forgetful, "drop-in: returned "),
        (Broken, "drop-in: raised RuntimeError('out of order') on coins/small, seed 1, 1 worker"),
    ):
        monkeypatch.setattr(nnsearch.cpsat, "CpSolver", solver)
        monkeypatch.setattr(zoo, "warm_up", lambda arm: None)
        output = tmp_path / f"{solver.__name__}.jsonl"
        assert (
            call("zoo", "--sizes", "small", "--seeds", 1, "--workers", 1, "--kinds", "coins", "--output", output) == 1
        )
        shown = capsys.readouterr().out
        assert "1 wrong answer\n" in shown
        assert f"\n{words}" in shown
        assert len(lines_of(output)) == 2


def test_options_are_checked() -> None:
    wrong: list[dict[str, Any]] = [
        {"kinds": ("no-such-kind",)},
        {"seeds": (-1,)},
        {"seeds": ()},
        {"workers": (0,)},
        {"sizes": ()},
        {"seconds": 0.0},
        {"arms": ("drop-in",)},
        {"arms": ("cp-sat",)},
    ]
    for words in wrong:
        with pytest.raises(ConfigError, match=next(iter(words)).replace("seconds", "time limit")):
            zoo.Zoo(**words)
    assert zoo.Zoo(kinds=("knapsack", "magic"), sizes=(Size.LARGE,)).models == [
        ("multi-knapsack", Size.LARGE),
        ("magic-square", Size.LARGE),
    ]


def test_disagreements_are_found() -> None:
    best = made("cp-sat", "a", 1, 1.0, objective_value=3.0, best_objective_bound=3.0)
    for other, words in (
        (
            made("drop-in", "a", 1, 1.0, objective_value=4.0),
            ["drop-in: said that 4 is the best on a/small, and cp-sat"],
        ),
        (
            made("drop-in", "a", 2, 1.0, Status.INFEASIBLE),
            ["drop-in: said INFEASIBLE on a/small, for which cp-sat has"],
        ),
        (
            made("drop-in", "a", 1, 9.0, Status.FEASIBLE, objective_value=5.0, best_objective_bound=4.0),
            ["drop-in: said that nothing is beyond 4 on a/small, and cp-sat has 3"],
        ),
        (made("drop-in", "a", 1, 9.0, Status.UNKNOWN, best_objective_bound=4.0), ["drop-in: said that nothing is"]),
        (found("drop-in", "a", 1, (0.1, 2.0)), ["cp-sat: said that nothing is beyond 3 on a/small, and drop-in has 2"]),
        (found("drop-in", "a", 1, (0.1, 4.0), best_objective_bound=2.0), []),
        (made("drop-in", "b", 1, 1.0, objective_value=4.0), []),
        (made("drop-in", "a", 1, 1.0, objective_value=2.0, wrong="broke a rule"), ["drop-in: broke a rule on a/small"]),
    ):
        lines = wrong_answers([best, other])
        assert len(lines) == len(words)
        assert all(line.startswith(start) for line, start in zip(lines, words, strict=True))
    most = made("cp-sat", "a", 1, 1.0, objective_value=3.0, best_objective_bound=3.0, maximises=True)
    low = found("drop-in", "a", 1, (0.1, 2.0), best_objective_bound=2.5, maximises=True)
    assert [line[:41] for line in disagreements([most, low])] == ["drop-in: said that nothing is beyond 2.5 "]


def test_bounds_of_suites_without_a_sense_are_left_alone() -> None:
    runs = [found(arm, "a", 1, (0.1, value), best_objective_bound=2.5) for arm, value in (("a", 2.0), ("b", 3.0))]
    for run in runs:
        del run["result"]["maximises"]
    assert list(disagreements(runs)) == []


def test_a_run_that_gives_up_counts_with_the_limit() -> None:
    slow = made("drop-in", "a", 1, 3.0, Status.UNKNOWN)
    [ratio] = compared([slow], [made("cp-sat", "a", 1, 1.0)])
    assert ratio.mean == pytest.approx(10.05 / 1.05)
    assert (ratio.seconds, ratio.pairs, ratio.slower) == (1, 1, True)
    [ratio] = compared([slow], [made("cp-sat", "a", 1, 9.0, Status.UNKNOWN)])  # nothing known: both time out
    assert (ratio.mean, ratio.seconds, ratio.slower) == (1, 1, False)


def test_without_a_proof_primal_integrals_are_compared() -> None:
    # The best known is another run's; gaps are 1 until 1 s, 1/2 until 6 s, and then 0.
    mine, theirs = found("drop-in", "a", 1, (1.0, 8.0), (6.0, 4.0)), found("cp-sat", "a", 1, (2.0, 4.0))
    [ratio] = compared([mine], [theirs])
    assert ratio.mean == pytest.approx((0.35 + 0.01) / (0.2 + 0.01))
    assert ratio.seconds == 0
    better = found("cp-sat", "a", 2, (9.0, 2.0))  # no partner, and yet known
    [ratio] = compared([mine], [theirs, better])
    assert ratio.mean == pytest.approx((0.1 + 0.5 * 0.75 + 0.4 * 0.5 + 0.01) / (0.2 + 0.8 * 0.5 + 0.01))


def test_models_are_sorted_and_slower_ones_are_told() -> None:
    seconds = {"same": (2.0, 2.0), "little": (0.02, 0.11), "slow": (4.0, 5.0), "fast": (2.0, 1.0)}
    baseline = [made("cp-sat", name, seed, times[0]) for name, times in seconds.items() for seed in (1, 2, 3)]
    runs = [made("drop-in", name, seed, times[1]) for name, times in seconds.items() for seed in (1, 2, 3)]
    ratios = compared(runs, baseline)
    assert [(ratio.instance, ratio.slower) for ratio in ratios] == [
        ("little/small", False),  # within the tenth of a second
        ("slow/small", True),
        ("same/small", False),
        ("fast/small", False),
    ]
    lines = text(zoo.summary([*baseline, *runs])).splitlines()
    together = next(line.split() for line in lines if line.startswith("drop-in / cp-sat, 2 workers "))
    means = [ratio.mean for ratio in ratios]
    assert together[5:9] == ["4", "12", "12", "12"]
    assert together[9:11] == ["4.0", "5.0"]
    assert together[11] == f"{math.prod(means) ** 0.25:.3f}"
    assert together[-1] == "1"
    assert any(line.split() == ["cp-sat", "12", "it", "found", "a", "solution,", "objective", "..."] for line in lines)


def test_numbers_of_workers_are_compared_apart() -> None:
    records = [
        made(arm, "a", 1, seconds, workers=workers)
        for workers, pair in ((1, (1.0, 2.0)), (2, (1.0, 1.0)))
        for arm, seconds in zip(("cp-sat", "drop-in"), pair, strict=True)
    ]
    shown = text(zoo.summary(json.loads(json.dumps(records))))
    assert [line.split()[-3] for line in shown.splitlines() if line.startswith("drop-in / cp-sat, ")][:4:2] == [
        f"{2.05 / 1.05:.3f}",
        "1.000",
    ]


gaps = st.floats(-1e6, 1e6, allow_nan=False)


@given(gaps, gaps)
def test_gaps_are_from_0_to_1(one: float, other: float) -> None:
    gap = relative_gap(one, other)
    assert 0 <= gap <= 1
    assert gap == relative_gap(other, one)
    assert (gap == 0) == (one == other) or abs(one - other) < 1e-12 * max(abs(one), abs(other))
    assert relative_gap(one, one) == 0


def test_primal_integrals() -> None:
    assert primal_integral([], 3.0, 10.0) == 1
    assert primal_integral([(0.0, 3.0)], 3.0, 10.0) == 0
    assert primal_integral([(5.0, 3.0)], 3.0, 10.0) == 0.5
    assert primal_integral([(2.0, 6.0), (4.0, 3.0)], 3.0, 10.0) == pytest.approx(0.2 + 0.2 * 0.5)
    assert primal_integral([(2.0, -3.0)], 3.0, 10.0) == 1  # of the other sign
    assert primal_integral([(12.0, 3.0)], 3.0, 10.0) == 1  # after the limit
