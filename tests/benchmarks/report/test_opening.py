"""The page opens with what is asked first, and says what is lost as well as what is gained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.records import Record, read_records
from benchmarks.report.command import RESULTS
from benchmarks.report.opening import opening
from benchmarks.report.page import payload

ROOT = Path(__file__).resolve().parents[3]


def run(suite: str, arm: str, kind: str, second: float, **config: Any) -> Record:
    """Return the record of a run of ten seconds that finds the best solution at some second, and none before."""
    name = {"optimise": "family", "stream": "kind"}[suite]
    return Record(
        config={
            "suite": suite,
            "arm": arm,
            name: kind,
            "instance": f"{kind}/0",
            "instance_sha256": kind,
            "seed": 1,
            "time_limit": 10.0,
            **config,
        },
        result={"solutions": [(second, 7.0)], "objective_value": 7.0, "maximises": False, "wrong": None},
        environment={},
    )


def optimise() -> list[Record]:
    costs = {"set-cover": (1.0, 10.0), "knapsack": (5.0, 5.0), "bin-packing": (8.0, 4.0)}
    return [
        run("optimise", arm, kind, second)
        for kind, seconds in costs.items()
        for arm, second in zip(("drop-in lp", "cp-sat"), seconds, strict=True)
    ]


def test_a_card_names_gains_and_losses_alike() -> None:
    card, *others = opening({"optimise": optimise()})
    assert (card.title, card.section, card.tone) == ("Optimisation", "optimise", "mixed")
    assert [side.figure for side in card.sides] == ["0.1", "2"]
    assert "set cover, the best" in card.sides[0].words
    assert "bin packing, the worst" in card.sides[1].words
    assert "better on 1 (set cover 0.1); within 15% of it on 1 (knapsack 1); worse on 1 (bin packing 2)" in card.words
    assert [(other.title, other.tone, other.sides) for other in others] == [
        ("History", "none", []),
        ("Feasibility", "none", []),
    ]


def test_a_kind_that_only_loses_is_no_gain() -> None:
    (card, *_) = opening({"optimise": [one for one in optimise() if one["config"]["family"] == "bin-packing"]})
    assert card.tone == "bad"
    assert [side.figure for side in card.sides] == ["2"]
    assert "the best" not in card.sides[0].words


def test_history_has_a_card_whether_it_was_measured_or_not() -> None:
    _, card, _ = opening({"optimise": optimise()})
    assert card.section is None
    assert "python -m benchmarks stream" in card.words
    records = [run("stream", "history", "job-shop", 1.0), run("stream", "cold", "job-shop", 4.0)]
    _, card, _ = opening({"stream": records})
    assert (card.section, card.tone, card.sides[0].figure) == ("stream", "good", "0.25")


def test_what_one_arm_alone_has_run_is_no_comparison() -> None:
    assert opening({"optimise": [run("optimise", "cp-sat", "knapsack", 1.0)], "search": []}) == []


@pytest.mark.slow
def test_the_committed_results_open_with_optimisation_history_and_feasibility() -> None:
    content = payload({path: read_records(path) for path in sorted((ROOT / RESULTS).glob("*.jsonl"))})
    cards = content["opening"]
    assert [card["title"] for card in cards] == ["Optimisation", "History", "Feasibility"]
    sections = {section["name"] for section in content["sections"]}
    for card in cards:
        assert (card["section"] in sections) if card["section"] else "No record" in card["words"]
    assert {card["tone"] for card in cards if card["title"] != "History"} <= {"good", "mixed", "bad"}  # not "none"
