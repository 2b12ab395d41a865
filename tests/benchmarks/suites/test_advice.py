from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from coins import fewest_coins
from test_benchmarks import call, lines_of

from benchmarks.instances import zoo as instances
from benchmarks.instances.zoo import Size, ZooModel
from benchmarks.records import Record
from benchmarks.suites import advice
from nnsearch.errors import ConfigError


def coins(size: Size, rng: Random) -> ZooModel:
    return fewest_coins(15 + rng.randint(0, 2))


@pytest.fixture
def one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (instances, advice):
        monkeypatch.setattr(module, "KINDS", {**instances.KINDS, "coins": coins})


def made(advised: str | None, measured: dict[str, list[float]]) -> Record:
    return Record(config={}, result={"advised": advised, "trial": {}, "measured": measured}, environment={})


@pytest.mark.parametrize(
    ("advised", "measured", "regret", "right"),
    [
        (None, {}, 1.0, True),  # nobody had anything to say
        (None, {"CP-SAT": [1.0] * 3, "a": [0.9] * 3}, 1 / 0.9, True),  # less than a clear gain was left out
        (None, {"CP-SAT": [1.0] * 3, "a": [0.5] * 3}, 2.0, False),  # a clear one was
        (None, {"CP-SAT": [1.0] * 3, "a": [0.1, 1.0, 1.25]}, 2.0, True),  # that may be luck
        ("a", {"CP-SAT": [1.0] * 3, "a": [0.5] * 3}, 1.0, True),
        ("a", {"CP-SAT": [1.0] * 3, "a": [1.01] * 3}, 1.01, False),  # slower than CP-SAT
        ("a", {"CP-SAT": [1.0] * 3, "a": [0.5, 1.0, 3.0]}, 1.5 ** (1 / 3), True),  # it may be bad luck
        ("a", {"CP-SAT": [1.0] * 3, "a": [0.5] * 3, "b": [0.45] * 3}, 0.5 / 0.45, True),  # hardly better
        ("a", {"CP-SAT": [1.0] * 3, "a": [0.5] * 3, "b": [0.1] * 3}, 5.0, False),
    ],
)
def test_a_verdict_is_right_if_little_is_lost(
    advised: str | None, measured: dict[str, list[float]], regret: float, right: bool
) -> None:
    record = made(advised, measured)
    assert advice.regret(record) == pytest.approx(regret)
    assert advice.is_right(record) is right


@pytest.mark.slow
def test_each_verdict_stands_beside_seeds_that_it_has_not_seen(
    one_kind: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "advice.jsonl"
    command = ["advice", "--kinds", "coins", "--size", "small", "--limit", 0.5, "--seeds", 1, "--measured", 2, 3]
    assert call(*command, "--output", output) == 0
    (line,) = lines_of(output)
    assert line["config"]["seeds"] == [1]
    assert line["config"]["measured"] == [2, 3]
    assert line["result"]["measured"]["CP-SAT"] == [1, 1]
    assert {"CP-SAT, level 2", "HiGHS"} <= line["result"]["measured"].keys()
    shown = capsys.readouterr().out
    assert "of 1 verdict agree with the measurement" in shown
    assert "coins/small" in shown


def test_what_cannot_be_asked() -> None:
    with pytest.raises(ConfigError, match="measured: expected other seeds than those of the trials, got 3 in both"):
        advice.AdviceTrial(seeds=(1, 3), measured=(3,))
    with pytest.raises(ConfigError, match=r"kinds: expected names of .*job-shop.*, got 'shop'"):
        advice.AdviceTrial(kinds=("shop",))
