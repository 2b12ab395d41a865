from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.records import Record, read_records
from benchmarks.rendering.curves import cactus, profile, scatter
from benchmarks.rendering.parts import Chart, Series
from benchmarks.report.command import RESULTS, write_page
from benchmarks.report.page import payload, render
from benchmarks.report.training_section import read_metrics, section
from benchmarks.studies.sbr.findings import PUBLISHED

ROOT = Path(__file__).parents[3]
MOST_BYTES = 5_000_000
MAIN = "10000-solutions"
ENVIRONMENT = {"commit": "0123456789", "dirty": False, "versions": {"python": "3"}, "processor": "a", "cpus": 2}


def run(arm: str, instance: str, seconds: float | None, failures: int = 0, seed: int = 1, **config: Any) -> Record:
    """Return a record of a race or a search; no seconds are a run that reached its limit of 60."""
    return Record(
        config={
            "suite": "race",
            "instance": f"qwh-{instance}",
            "instance_sha256": instance,
            "order": 50,
            "holes": 1050,
            "arm": arm,
            "seed": seed,
            "time_limit": 60.0,
            "failure_limit": None,
            "workers": 2,
            **config,
        },
        result={
            "status": "UNKNOWN" if seconds is None else "OPTIMAL",
            "wall_seconds": 60.0 if seconds is None else seconds,
            "failures": failures,
            "branches": 1,
            "inference_calls": 1,
            "inference_seconds": 0.1,
            "winner": None if arm == "cp-sat" else "learned",
            "planted": True,
        },
        environment={**ENVIRONMENT, "time": "2026-01-02T03:04:05+00:00"},
    )


def race() -> list[Record]:
    times: dict[str, list[float | None]] = {"cp-sat": [None, 40.0, None], "race/bp": [1.0, 2.0, 3.0]}
    return [run(arm, str(i), seconds) for arm, taken in times.items() for i, seconds in enumerate(taken)]


def by_arm(chart: Chart) -> dict[str, Series]:
    return {one.arm: one for one in chart.series}


class Page(HTMLParser):
    """What a page would load, its ids, and whether its elements are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.scripts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href", "data", "action", "poster") and not (value or "").startswith("#"):
                self.loaded.append(f"{tag} {name}={value}")
            if name == "id":
                self.ids.append(value or "")
        if tag not in ("meta", "link", "input", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts.append(data)


@pytest.mark.slow
def test_the_committed_results_make_one_small_page_that_loads_nothing(tmp_path: Path) -> None:
    output = tmp_path / "folder" / "report.html"
    write_page([ROOT / RESULTS], output)
    text = output.read_text(encoding="utf-8")
    assert len(text.encode()) < MOST_BYTES
    page = Page(text)
    assert page.loaded == []
    assert len(page.ids) == len(set(page.ids))
    assert {"headline", "summary", "filters", "sections", "provenance", "payload"} <= set(page.ids)
    assert "default-src 'none'" in text
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert "@import" not in style
    assert "url(" not in style
    content = json.loads(page.scripts[0])
    assert 3 <= len(content["headlines"]) <= 6
    on_page = {section["name"] for section in content["sections"]}
    recorded = {r["config"]["suite"] for path in (ROOT / RESULTS).glob("*.jsonl") for r in read_records(path)}
    assert on_page == recorded
    for line in content["provenance"]["rows"]:
        assert re.match(r"[0-9a-f]{7}", line["cells"][3])


def test_the_headline_is_computed_from_the_records() -> None:
    (headline,) = payload({Path("race.jsonl"): race()})["headlines"]
    assert headline["title"] == "Quasigroups of order 50, 42 % holes"
    assert [side["figure"] for side in headline["sides"]] == ["3 of 3", "1 of 3"]
    assert "in 2 s at the median and 3 s at most; CP-SAT's defaults manage 1 of 3 within 60 s" in headline["words"]
    assert headline["tone"] == "good"
    slower = [run("cp-sat", "0", 1.0), run("race/bp", "0", 2.0)]
    (headline,) = payload({Path("race.jsonl"): slower})["headlines"]
    assert (headline["tone"], "2 times as slow" in headline["words"]) == ("bad", True)


def test_runs_that_gave_up_stay_in_every_plot() -> None:
    records = race()
    chart = cactus(records, "seconds")
    assert list(chart.y.domain or ()) == [0, 3]
    series = by_arm(chart)
    assert series["cp-sat"].points == [(40.0, 0.0), (40.0, 1.0), (60.0, 1.0)]
    assert series["cp-sat"].label == "1 of 3"
    assert series["race/bp"].points[-1] == (60.0, 3.0)
    ratios = profile(records, "seconds")
    assert ratios is not None
    assert [round(y, 3) for _, y in by_arm(ratios)["cp-sat"].points][-1] == 0.333
    assert by_arm(ratios)["race/bp"].points[0] == (1.0, 1.0)
    dots = by_arm(scatter(records))["cp-sat"]
    assert (len(dots.points), len(dots.hollow)) == (1, 2)


def test_instances_that_nobody_solved_lower_every_profile() -> None:
    chart = profile([run(arm, "0", None) for arm in ("cp-sat", "race/bp")] + race()[1:2] + race()[4:5], "seconds")
    assert chart is not None
    assert {one.label for one in chart.series} == {"50%"}


def test_conflicts_are_not_compared_with_failures() -> None:
    records = race()
    for record in records:
        record["result"]["failures_are"] = "conflicts" if record["config"]["arm"] == "cp-sat" else "dead ends"
    assert [one.arm for one in cactus(records, "failures").series] == ["race/bp"]
    assert profile(records, "failures") is None


def unknown(seed: int, accuracy: float, **result: Any) -> Record:
    return Record(
        config={"suite": "something-new", "arm": "a", "task": f"t{seed % 2}", "seed": seed, "epochs": 3},
        result={"accuracy": accuracy, "published": 0.75, **result},
        environment={**ENVIRONMENT, "time": ""},
    )


def test_an_unknown_suite_is_a_table_of_what_differs() -> None:
    records = [unknown(0, 0.5, curve=[0.0] * 90), unknown(2, 0.7, curve=[0.5, 1.0]), unknown(1, 0.9)]
    (part,) = payload({Path("new.jsonl"): records})["sections"]
    assert part["name"] == "something-new"
    (table,) = part["blocks"]
    assert table["columns"] == ["task", "seed", "accuracy", "curve"]
    assert [row["cells"] for row in table["rows"]] == [
        ["t0", 0, 0.5, "90 values"],
        ["t0", 2, 0.7, "[0.5, 1.0]"],
        ["t1", 1, 0.9, None],
    ]
    assert table["note"] == "The same for all: arm: a; epochs: 3; published: 0.75."


def test_the_study_of_logical_rules_stands_beside_what_was_published() -> None:
    published = {"measure": "accuracy", "value": 0.98, "seconds": 100.0, "target": None}
    records = [
        Record(
            config={"suite": "cl-ste", "task": "add", "seed": seed, "settings": {"epochs": 1}},
            result={"measured": {"accuracy": share}, "seconds": 9.0, "published": published},
            environment={**ENVIRONMENT, "time": ""},
        )
        for seed, share in enumerate([0.9, 0.95, 0.97])
    ]
    (part,) = payload({Path("cl-ste.jsonl"): records})["sections"]
    (row,) = part["blocks"][0]["rows"]
    assert row["cells"] == ["add", "accuracy", 3, "0.9500", "0.9000 to 0.9700", 0.98, None, 9.0, 100.0]


def knowledge(budget: str) -> list[Record]:
    def asked(mean: float) -> dict[str, Any]:
        summary = {"mean": mean, "half_width_95": 0.01, "worst": 0.1, "worst_filled": 2, "curve": [1.0, None, mean]}
        by_propagation = {name: {"free choice": summary, "fixed cell": summary} for name in ("none", "rows", "full")}
        return {**by_propagation, "states_per_level": [4, 0, 5]}

    test = {"order": 10, "states": 9, "squares": 9, "seed": 1}
    arms = [("none", "rnd", 0, 0.2), *((MAIN, arm, s, m) for s in (0, 1) for arm, m in (("agn", 0.3), ("full", 0.8)))]
    return [
        Record(
            config={"suite": "study-sbr", "budget": budget, "test": test, "setting": setting, "arm": arm, "seed": seed},
            result={"tests": {"fresh squares": asked(mean)}},
            environment={**ENVIRONMENT, "time": ""},
        )
        for setting, arm, seed, mean in arms
    ]


def test_the_study_of_knowledge_in_the_loss_has_its_curves() -> None:
    content = payload({Path("study-sbr.jsonl"): knowledge("small")})
    (part,), (headline,) = content["sections"], content["headlines"]
    assert [side["figure"] for side in headline["sides"]] == ["80%", "30%"]
    assert headline["tone"] == "good"
    (group,) = part["groups"]
    table, chart = group["blocks"]
    assert [row["cells"][:4] for row in table["rows"]][1] == [MAIN, "agn", "fresh squares", 2]
    assert table["rows"][2]["cells"][-1] == PUBLISHED[MAIN, "full", "none"]
    rnd, _, full = chart["series"]
    assert full["points"] == [(0.0, 1.0), (2.0, 0.8)]
    assert [
        (low < y < high or low < y == high) for (_, y), (_, low, high) in zip(full["points"], full["band"], strict=True)
    ]
    assert not rnd["band"]  # its expectation is exact


def test_a_trial_of_the_study_makes_no_headline() -> None:
    assert len(payload({Path("sbr.jsonl"): knowledge("small")})["headlines"]) == 1
    assert not payload({Path("sbr.jsonl"): knowledge("tiny")})["headlines"]


def test_losses_on_clauses_are_dots_and_those_that_were_not_compiled_rings() -> None:
    def cost(arm: str, clauses: int, ms: float | None, **result: Any) -> Record:
        config = {"suite": "cl-ste-cost", "problem": f"p {clauses}", "arm": arm, "batch": 30, "repeats": 5}
        return Record(
            config={**config, "compile_seconds": 7.0},
            result={"clauses": clauses, "atoms": 5, "ms": ms, **result},
            environment={**ENVIRONMENT, "time": ""},
        )

    records = [
        cost("straight-through", 10, 1.0),
        cost("semantic loss", 10, 2.0, compiled=True, compile_seconds=0.5, size=9),
        cost("semantic loss", 99, None, compiled=False),
    ]
    (part,) = payload({Path("cost.jsonl"): records})["sections"]
    chart, table = part["blocks"]
    ste, exact = chart["series"]
    assert ste["points"] == [(10.0, 0.1)]  # 100 steps of 30 examples
    assert (exact["points"], exact["hollow"]) == ([(10.0, 0.2)], [(99.0, 7.0)])
    assert [row["cells"][6] for row in table["rows"]] == [None, 0.5, "over 7"]


def test_searches_of_the_study_of_knowledge_count_what_gave_up_with_the_limit() -> None:
    test = {"problem": "latin-square", "order": 10, "holes": 0.42, "count": 2, "seed": 1}
    records = [
        Record(
            config={
                **{"suite": "study-sbr-search", "budget": "small", "test": test, "failure_limit": 99},
                **{"setting": setting, "arm": arm, "seed": seed, "propagation": "none", "question": "fixed cell"},
            },
            result={"status": ["solved", status], "failures": [4, 99]},
            environment={**ENVIRONMENT, "time": ""},
        )
        for setting, arm, seed, status in [
            ("none", "rnd", 0, "gave up"),
            (MAIN, "full", 0, "solved"),
            (MAIN, "full", 1, "gave up"),
            ("masked", "agn", 0, "solved"),
        ]
    ]
    (part,) = payload({Path("search.jsonl"): records})["sections"]
    (group,) = part["groups"]
    table, chart = group["blocks"]
    assert [row["cells"][:3] for row in table["rows"]] == [
        ["rnd", 1, "1 of 2"],
        [f"{MAIN}, full", 2, "3 of 4"],
        ["masked, agn", 1, "2 of 2"],
    ]
    assert [one["arm"] for one in chart["series"]] == ["rnd", f"{MAIN}, full"]
    assert chart["series"][1]["points"] == [(0.0, 0.0), (4.0, 0.5), (99.0, 0.75), (99.0, 0.75)]
    assert chart["series"][0]["points"][-1] == (99.0, 0.5)


def test_searches_by_label_free_networks_are_shown_by_order_and_choice_of_variable() -> None:
    test = {"orders": [20], "holes": 0.42, "count": 2, "seed": 1, "failures": 50}
    records = [
        Record(
            config={"suite": "study-label-free", "budget": "small", "test": test, "start": start, "knowledge": knows},
            result={
                "searches": [
                    {**{"order": 20, "variables": variables}, "solved": [True, False], "failures": [3, 50]}
                    | {"seconds": [0.1, 0.2]}
                    for variables in variable_orders
                ]
            },
            environment={**ENVIRONMENT, "time": ""},
        )
        for start, knows, variable_orders in [
            ("none", "random", ["min-domain"]),
            ("plain", "clauses", ["min-domain", "most-confident"]),
        ]
    ]
    (part,) = payload({Path("label-free.jsonl"): records})["sections"]
    tables = [group["blocks"][0] for group in part["groups"]]
    assert [[row["cells"][0] for row in table["rows"]] for table in tables] == [
        ["random", "plain, clauses"],
        ["plain, clauses"],
    ]
    assert tables[0]["rows"][0]["cells"][2:4] == ["1 of 2", 26.5]


def test_data_cannot_end_the_script_that_holds_it() -> None:
    text = render(payload({Path("x.jsonl"): [unknown(0, 0.5, note="</script><script>alert(1)</script>")]}))
    assert "<script>alert" not in text
    assert json.loads(Page(text).scripts[0])["sections"]


def test_the_same_measurement_in_two_files_counts_once() -> None:
    content = payload({Path("a.jsonl"): race(), Path("b.jsonl"): race()})
    assert content["summary"].startswith("6 results")


def test_training_curves(tmp_path: Path) -> None:
    path = tmp_path / "run-1" / "metrics.jsonl"
    path.parent.mkdir()
    path.write_text('{"presentations": 10, "loss": 2.5}\n{"presentations": 20, "loss": 1.5}\n', encoding="utf-8")
    (chart,) = section({"run-1": read_metrics(path)}).blocks
    assert chart.kind == "chart"
    assert (chart.x.label, list(chart.series[0].points)) == ("presentations", [(10.0, 2.5), (20.0, 1.5)])
    page = tmp_path / "page.html"
    write_page([ROOT / RESULTS / "latency.jsonl"], page, [path])
    assert '"name":"training"' in page.read_text(encoding="utf-8")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert main(["report", str(ROOT / RESULTS / "nodes.jsonl"), "--output", str(page)]) == 0
    assert capsys.readouterr().out.startswith(f"{page}: 0.")
    assert page.exists()


def test_outside_the_repository_the_default_folder_is_said_to_be_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report"]) == 2
    error = capsys.readouterr().err
    assert "relative to the current folder; name others: report FILE ..." in error
    assert error.count("\n") == 1
    assert main(["report", "other.jsonl"]) == 2
    assert "current folder" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "expected a file of results, found none"), ("", "expected results (.jsonl), found none"), ("x\n", ":1: ")],
)
def test_what_is_no_result_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, message: str
) -> None:
    path = tmp_path / "results.jsonl"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert main(["report", str(path), "--output", str(tmp_path / "page.html")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
