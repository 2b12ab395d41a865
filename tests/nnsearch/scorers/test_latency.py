from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stand_ins import graph_network, network, saved

from nnsearch.cli import main as cli
from nnsearch.errors import ModelFileError
from nnsearch.inference.providers import Provider
from nnsearch.scorers import latency
from nnsearch.scorers.latency import Latency, Setting, measure, milliseconds, random_assignments, recommend, settings

ONE, TWO, GPU = Setting("cpu", 1), Setting("cpu", 2), Setting("cuda", 1)


def row(setting: Setting, states: int, milliseconds: float) -> Latency:
    return Latency(setting, states, milliseconds, 9)


def test_a_recommendation() -> None:
    rows = [
        *(row(ONE, 1, 0.11), row(ONE, 8, 0.80), row(ONE, 64, 6.00)),
        *(row(TWO, 1, 0.10), row(TWO, 8, 0.50), row(TWO, 64, 3.80)),
        *(row(GPU, 1, 0.30), row(GPU, 8, 0.30), row(GPU, 64, 0.31), row(GPU, 128, 0.60)),
    ]
    alone, together = recommend(rows)
    assert alone is rows[0]  # a second thread is not worth 9 %
    assert together is rows[8]  # 206,000 states/s; 213,000 at 128 are no reason to wait for more states
    assert recommend(rows[:6])[1] is rows[4]


@given(
    st.lists(
        st.tuples(st.sampled_from([ONE, TWO, GPU]), st.sampled_from([1, 2, 4]), st.floats(0.01, 100)),
        min_size=1,
        max_size=9,
    )
)
def test_what_is_recommended_is_near_the_best(table: list[tuple[Setting, int, float]]) -> None:
    rows = [row(ONE, 1, 5.0), *(row(*one) for one in table)]
    alone, together = recommend(rows)
    assert alone.states == 1
    assert alone.milliseconds <= min(one.milliseconds for one in rows if one.states == 1) / 0.89
    best = max(one.states_per_second for one in rows)
    assert together.states_per_second >= 0.9 * best
    assert all(one.states_per_second < 0.9 * best for one in rows if one.states < together.states)


@pytest.mark.parametrize(("repeats", "seconds", "runs"), [(1, 9.0, 1), (5, 9.0, 5), (9, 0.0, 3), (2, 0.0, 2)])
def test_timed_runs_are_bounded(repeats: int, seconds: float, runs: int) -> None:
    calls = itertools.count()
    assert len(milliseconds(lambda: next(calls), repeats, seconds)) == runs
    assert next(calls) == runs + 1  # one is not timed


def test_random_assignments_are_one_hot_and_of_any_fill_level() -> None:
    states = random_assignments(100, 10, 200)
    assert states.dtype == np.float32
    assert states.shape == (200, 1000)
    filled = states.reshape(200, 100, 10).sum(axis=2)
    assert set(np.unique(filled)) == {0, 1}
    assert filled.mean(axis=1).min() < 0.1
    assert filled.mean(axis=1).max() > 0.9


@pytest.mark.parametrize(
    ("has", "asked", "graphs", "expected"),
    [
        ((), "auto", False, [ONE, TWO]),
        (("cuda",), "auto", True, [ONE, TWO, GPU]),
        (("cuda", "tensorrt"), "auto", False, [ONE, TWO, GPU, Setting("tensorrt", 1)]),
        (("cuda", "tensorrt"), "auto", True, [ONE, TWO, GPU]),
        (("cuda",), "cpu", False, [ONE, TWO]),
        (("cuda",), "cuda", False, [GPU]),
    ],
)
def test_every_setting_of_a_machine(
    monkeypatch: pytest.MonkeyPatch, has: tuple[str, ...], asked: Provider, graphs: bool, expected: list[Setting]
) -> None:
    def choose(provider: str) -> list[str]:
        if provider not in has:
            raise ModelFileError("none")
        return [provider]

    monkeypatch.setattr(latency, "choose_providers", choose)
    monkeypatch.setattr(latency, "usable_cpus", lambda: 2)
    assert settings(asked, graphs=graphs) == expected
    monkeypatch.setattr(latency, "usable_cpus", lambda: 1)
    assert settings(asked, graphs=graphs) == [one for one in expected if one != TWO]
    if "cuda" not in has:
        with pytest.raises(ModelFileError, match=r"^none$"):
            settings("cuda")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "_RUNS", 1)
    monkeypatch.setattr(latency, "usable_cpus", lambda: 1)


@pytest.mark.usefixtures("quick")
def test_a_network_of_one_size(tmp_path: Path) -> None:
    rows = [*measure(saved(network(4, 2), tmp_path / "small.onnx"), "cpu")]
    assert [one.states for one in rows] == [2**power for power in range(10)]
    assert all(one.setting == ONE and one.milliseconds > 0 and one.runs == 1 for one in rows)
    assert rows[3].states_per_second == pytest.approx(8000 / rows[3].milliseconds)
    assert all(len(str(one)) == len(latency.HEADER) for one in rows)


@pytest.mark.usefixtures("quick")
def test_a_network_on_the_candidate_graph(tmp_path: Path) -> None:
    """Unions are measured up to a number of incidences, of which the state has 29 thousand."""
    rows = [*measure(saved(graph_network(), tmp_path / "places.onnx"), "cpu")]
    assert [one.states for one in rows] == [1, 2, 4, 8, 16]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(["inspect", *arguments])
    return code, *capsys.readouterr()


@pytest.mark.usefixtures("quick")
def test_inspect_latency(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(saved(network(4, 2), tmp_path / "small.onnx"))
    code, out, err = run(capsys, path, "--latency", "--provider", "cpu")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    start = lines.index("latency")
    assert lines[start + 1] == latency.HEADER
    assert [int(line.split()[2]) for line in lines[start + 2 : -2]] == [2**power for power in range(10)]
    assert lines[-2].startswith("one state alone: ")
    assert lines[-1].startswith("recommended for many: ")

    code, out, err = run(capsys, path, "--latency", "--provider", "cpu", "--json")
    assert code == 0
    assert err.count("\n") == 14  # progress is not part of the object
    measured = json.loads(out)["latency"]
    assert len(measured["rows"]) == 10
    assert measured["recommended"] in measured["rows"]
    assert measured["one_state"] == measured["rows"][0]
    assert measured["rows"][0].keys() == {
        *("provider", "threads", "states", "milliseconds", "states_per_second", "runs")
    }


def test_a_network_of_one_model_cannot_be_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(graph_network(identities={"x": [1]}), tmp_path / "named.onnx")
    code, _, err = run(capsys, str(path), "--latency")
    assert code == 2
    assert err == (
        f"error: {path}: expected a network for any model to measure, this one was made for one model, of which there "
        "is no generated instance\n"
    )


@pytest.mark.usefixtures("quick")
def test_ctrl_c(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured until then is on the screen."""
    timed = milliseconds
    calls = itertools.count()

    def interrupted(*arguments: object) -> list[float]:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return timed(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(latency, "milliseconds", interrupted)
    code, out, err = run(capsys, str(saved(network(4, 2), tmp_path / "small.onnx")), "--latency")
    assert (code, err) == (130, "interrupted\n")
    assert [int(line.split()[2]) for line in out.splitlines()[-3:]] == [1, 2, 4]


def test_inspect_shows_the_tolerance_of_half_precision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    props = {"nnsearch.precision": "fp16", "nnsearch.tolerance": "0.02"}
    model = network(4, 2)
    for key, value in props.items():
        model.metadata_props.add(key=key, value=value)
    path = str(saved(model, tmp_path / "half.onnx"))
    assert "precision: fp16\ntolerance: 0.02\n" in run(capsys, path)[1]
    description = json.loads(run(capsys, path, "--json")[1])
    assert (description["precision"], description["tolerance"]) == ("fp16", 0.02)
