from __future__ import annotations

import json
import shutil
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked import context, kill_when

from benchmarks.__main__ import main
from benchmarks.records import Record, read_records
from benchmarks.rendering.figure import draw_charts
from benchmarks.statistics import wilson
from benchmarks.studies.sbr import study as study_sbr
from benchmarks.studies.sbr.findings import PANELS, findings, summary
from benchmarks.studies.sbr.study import BUDGETS, CONFIGS, FRESH, LEAKING, MAIN, PAPER, SETTINGS, SbrStudy, read_arm
from nnsearch.errors import ConfigError, PoolError
from training.data.pools.pool import Pool

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[4]


def arguments(folder: Path, *more: str) -> list[str]:
    output = str(folder / "sbr.jsonl")
    return ["study", "sbr", "--budget", "tiny", "--runs", str(folder / "runs"), "--output", output, *more]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    assert main(arguments(folder, "--plot", str(folder / "sbr.svg"))) == 0
    return folder


def by_name(records: list[Record]) -> dict[tuple[Any, ...], Record]:
    return {(r["config"]["setting"], r["config"]["arm"], r["config"].get("seed")): r for r in records}


def without_clocks(records: list[Record]) -> dict[tuple[Any, ...], Any]:
    return {
        name: (record["config"], {key: value for key, value in record["result"].items() if key != "seconds"})
        for name, record in by_name(records).items()
    }


def test_every_setting_arm_and_seed_is_a_line_that_says_how_it_was_made(finished: Path) -> None:
    records = by_name(read_records(finished / "sbr.jsonl"))
    expected: set[tuple[str, str, int | None]] = {("none", "rnd", None)}
    for setting in PAPER:
        seeds = 2 if setting == MAIN else 1
        expected |= {(setting, arm, seed) for arm in SETTINGS[setting] for seed in range(seeds)}
    assert set(records) == expected
    for (setting, _, seed), record in records.items():
        config, result = record["config"], record["result"]
        assert config["budget"] == "tiny"
        assert set(result["tests"]) == ({FRESH, LEAKING} if setting == "by-example" else {FRESH})
        test = result["tests"][FRESH]
        assert sum(test["states_per_level"]) == config["test"]["states"] == BUDGETS["tiny"].states
        for propagation in ("none", "rows", "full"):
            assert len(test[propagation]["free choice"]["curve"]) == 36
            assert 0 < test[propagation]["fixed cell"]["mean"] < 1
        if seed is not None:
            assert config["split"] == ("example" if setting == "by-example" else "solution")
            assert result["presentations"] <= config["presentations"] == 4_000
            assert (finished / "runs" / "tiny" / f"{setting}-{config['arm']}-{seed}" / "checkpoint.pt").is_file()


def test_arms_of_a_setting_and_seed_share_a_pool_and_seeds_do_not(finished: Path) -> None:
    pools: dict[tuple[str, int], set[str]] = {}
    for record in read_records(finished / "sbr.jsonl")[1:]:
        config = record["config"]
        pools.setdefault((config["setting"], config["seed"]), set()).add(config["pool_sha256"])
    assert all(len(digests) == 1 for digests in pools.values())
    assert pools["10000-solutions", 0] != pools["10000-solutions", 1]
    assert pools["10000-solutions", 0] == pools["50000-examples", 0] == pools["by-example", 0]


def test_few_solutions_and_few_examples_are_as_few_as_their_names_say(finished: Path) -> None:
    records = by_name(read_records(finished / "sbr.jsonl"))
    whole = records["10000-solutions", "agn", 0]["result"]
    assert whole["examples"] == pytest.approx(0.75 * 25 * 36, rel=0.05)
    assert records["300000-examples", "agn", 0]["result"]["examples"] == 300_000 * 36 // 40_000
    assert records["50000-examples", "agn", 0]["result"]["examples"] == 50_000 * 36 // 40_000
    few = records["100-solutions", "full", 0]["result"]
    assert (few["solutions"], whole["solutions"]) == (8, 25)
    assert few["examples"] > whole["examples"]  # each was deconstructed 100 times


def test_the_table_and_the_plot_come_from_the_lines_alone(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = finished / "copy"
    copy.mkdir()
    shutil.copy(finished / "sbr.jsonl", copy / "sbr.jsonl")
    shutil.copytree(finished / "runs" / "pools", copy / "runs" / "pools")
    shutil.copytree(finished / "runs" / "test", copy / "runs" / "test")
    lines = (copy / "sbr.jsonl").read_bytes()
    assert main(arguments(copy, "--plot", str(copy / "sbr.svg"))) == 0
    assert (copy / "sbr.jsonl").read_bytes() == lines
    assert (copy / "sbr.svg").read_bytes() == (finished / "sbr.svg").read_bytes()
    assert not (copy / "runs" / "tiny").exists()
    printed = capsys.readouterr().out
    assert "budget tiny" in printed
    assert "rnd < agn, no propagation:" in printed
    assert "by-example *" in printed
    assert ".859 to .876" in printed


def test_the_open_questions_are_asked_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "sbr.svg"
    assert main(arguments(tmp_path, "--settings", "masked", "order-7", "--plot", str(picture))) == 0
    drawn = picture.read_text(encoding="utf-8")
    assert [title for title, *_ in PANELS if title in drawn] == ["masked, full propagation", "order-7, no propagation"]
    assert drawn.count("rnd  ") == 2
    records = by_name(read_records(tmp_path / "sbr.jsonl"))
    assert len(records) == 5
    assert records["masked", "solution", 0]["config"]["training"]["loss"] == {"target": "solution", "mask": "full"}
    assert "rnd < agn" not in capsys.readouterr().out


def test_the_plot_of_the_committed_records_has_every_setting_and_stays_small(tmp_path: Path) -> None:
    draw_charts(summary(read_records(ROOT / "benchmarks" / "results" / "study_sbr.jsonl")), tmp_path / "sbr.svg")
    drawn = (tmp_path / "sbr.svg").read_text(encoding="utf-8")
    assert len(drawn) < 400_000
    assert [title for title, *_ in PANELS if title not in drawn] == []
    assert {setting for _, setting, _, _ in PANELS} == set(SETTINGS)
    assert "order-12, no propagation (latin-square 12)" in drawn
    assert "n-queens-20, no propagation (n-queens 20)" in drawn


def test_random_choice_alone_is_no_plot(tmp_path: Path) -> None:
    records = read_records(ROOT / "benchmarks" / "results" / "study_sbr.jsonl")
    random = [record for record in records if record["config"]["arm"] == "rnd"]
    with pytest.raises(ConfigError, match="--plot: expected results of networks"):
        draw_charts(summary(random), tmp_path / "sbr.svg")


@pytest.mark.parametrize(("given", "expected"), [([], 2), (["--processes", "1"], 1)])
def test_the_small_budget_trains_two_at_a_time(
    given: list[str], expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = {}

    def run_jobs(path: Path, jobs: Any, **options: Any) -> list[Any]:
        asked.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.studies.sbr.study.jobs", lambda study: [])
    monkeypatch.setattr("benchmarks.cli.measure.run_jobs", run_jobs)
    assert main(["study", "sbr", "--budget", "small", "--output", str(tmp_path / "r.jsonl"), *given]) == 130
    assert asked["processes"] == expected


STOPPED = ("--settings", "1000-solutions")


def assert_it_goes_on(command: list[str], folder: Path, finished: Path) -> None:
    assert main(command) == 0
    records = without_clocks(read_records(folder / "sbr.jsonl"))
    whole = without_clocks(read_records(finished / "sbr.jsonl"))
    assert records == {name: whole[name] for name in whole if name[0] in ("1000-solutions", "none")}


def test_a_killed_study_goes_on(finished: Path, tmp_path: Path) -> None:
    command = arguments(tmp_path, *STOPPED)
    kill_when(lambda: bool(list((tmp_path / "runs" / "tiny").glob("*/checkpoint.pt"))), "benchmarks", command)
    assert_it_goes_on(command, tmp_path, finished)


def test_several_processes_find_what_one_does_and_go_on_after_ctrl_c(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wait_for_the_first(connections: list[Connection]) -> Any:
        if len(connections) == 1:
            raise KeyboardInterrupt
        return wait(connections)

    with monkeypatch.context() as patch:
        patch.setattr("training.running.side_by_side.wait", wait_for_the_first)
        patch.setattr("training.running.side_by_side.multiprocessing.get_context", lambda _: context())
        assert main(arguments(tmp_path, *STOPPED, "--processes", "2")) == 130
    assert "Traceback" not in capsys.readouterr().err
    kept = (tmp_path / "sbr.jsonl").read_bytes()
    assert kept.count(b"\n") == 2  # random choice, and the training that one process finished
    assert_it_goes_on(arguments(tmp_path, *STOPPED), tmp_path, finished)
    assert (tmp_path / "sbr.jsonl").read_bytes().startswith(kept)


def test_a_pool_with_a_test_square_is_refused(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "runs" / "test", tmp_path / "test")
    (tmp_path / "pools").mkdir()
    with np.load(next((tmp_path / "test").glob("*.npz"))) as arrays:
        Pool(arrays["squares"][:25].reshape(25, -1), 1, 6).save(tmp_path / "pools" / "6-25-1.npz")
    with pytest.raises(PoolError, match="25 of 720 test squares occur in this pool"):
        study_sbr.jobs(SbrStudy("tiny", tmp_path, ("10000-solutions",)))


def test_folders_and_files_that_cannot_be_written_are_refused_before_the_pools_are_sampled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").touch()
    assert main(arguments(tmp_path)) == 2
    assert capsys.readouterr().err == (
        f"error: --runs {tmp_path / 'runs'}: expected a folder that can be written, "
        "got: Not a directory; choose another\n"
    )
    (tmp_path / "runs").unlink()
    assert main(arguments(tmp_path, "--output", str(tmp_path))) == 2
    assert "expected a file that can be written, got: Is a directory; choose another" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"budget": "huge"}, "budget: expected one of full, small, tiny, got 'huge'"),
        ({"settings": ("5-solutions",)}, "settings: expected some of .* got '5-solutions'"),
        ({"seed": -1}, "seed: expected 0 or more, got -1"),
    ],
)
def test_malformed_studies(study: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        SbrStudy(**{"budget": "tiny", "runs": tmp_path, **study})


def test_committed_configs_are_the_arms_and_differ_in_what_their_names_say() -> None:
    assert {path.stem for path in CONFIGS.glob("*.toml")} == set(SETTINGS)
    for setting, arms in SETTINGS.items():
        for arm in arms:
            config = read_arm(setting, arm, {})
            first = read_arm(setting, arms[0], {})
            assert config.name == f"{setting}-{arm}"
            assert (config.problem, config.pool, config.data, config.train) == (
                (first.problem, first.pool, first.data, first.train)
            )
            assert config.loss.target == ("solution" if arm == "solution" else "single")
            assert config.loss.propagator == (arm if arm in ("rows", "full") else "none")
            assert config.loss.mask == ("full" if setting == "masked" else "none")
            kind, _, order = setting.rpartition("-")
            sized = kind in ("order", "sudoku", "n-queens")
            assert config.problem.kind == ("latin-square" if kind == "order" or not sized else kind)
            assert config.problem.order == (int(order) if sized else 10)


def record(setting: str, arm: str, mean: float, half: float = 0.01) -> Record:
    one = {"mean": mean, "half_width_95": half, "worst": 0.1, "worst_filled": 5, "curve": [mean]}
    test = {name: {"free choice": one, "fixed cell": one} for name in ("none", "rows", "full")}
    return Record(config={"setting": setting, "arm": arm}, result={"tests": {FRESH: test}}, environment={})


def test_findings_hold_for_every_network_or_not_at_all() -> None:
    records = [
        record("none", "rnd", 0.25),
        record(MAIN, "agn", 0.30),
        record(MAIN, "agn", 0.40),
        record(MAIN, "rows", 0.41),
        record(MAIN, "full", 0.80),
        record("100-solutions", "full", 0.76),
    ]
    assert [line.partition(",")[0] if "<" in line else line for line in findings(records)] == [
        "rnd < agn",
        "agn < rows",
        "rows < full",
        "full with 100 solutions within 0.05 of full with 10,000: yes, 0.760 and 0.800",
    ]
    verdicts = ["yes" if ": yes" in line else "no" for line in findings(records)]
    assert verdicts == ["yes", "no", "yes", "yes"]  # one of the two agn overlaps rows


def test_wilson() -> None:
    low, high = wilson(np.array([0.0, 0.5, 1.0]), np.array([100.0, 100.0, 100.0]))
    assert low == pytest.approx([0, 0.4038, 0.9630], abs=1e-4)
    assert high == pytest.approx([0.0370, 0.5962, 1], abs=1e-4)


def test_the_records_are_json_without_nan(finished: Path) -> None:
    for line in (finished / "sbr.jsonl").read_text(encoding="utf-8").splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(name))
