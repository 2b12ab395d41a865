from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked import kill_when
from ortools.sat.python import cp_model
from test_benchmarks import call, lines_of

from benchmarks import records
from benchmarks.answers import AnswerError
from benchmarks.instances import instance_sets
from benchmarks.networks import LoadedNetwork, load_networks
from benchmarks.suites import feasibility, policies, race, search
from nnsearch.errors import ModelFileError
from nnsearch.problems.cp_model.problem import CpModelFile
from training.running.fan_out import Needs

pytestmark = pytest.mark.slow

Capture = pytest.CaptureFixture[str]

# 40 solves: 10 squares, 4 arms.
SUITE = ["search", "--order", 10, "--holes", 0.5, "--count", 10, "--repeats", 1, "--models", "--time-limit", 20]


@pytest.fixture(scope="module")
def networks() -> list[LoadedNetwork]:
    return load_networks(["bp", "pls-10-full"], "cpu", 1)


def keys(path: Path) -> bytes:
    """What a file of results holds, in an order of its own, each as often as it is there."""
    return "\n".join(sorted(json.dumps(line["config"], sort_keys=True) for line in lines_of(path))).encode()


def count(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def busy_worker() -> int | None:
    """A worker of a cluster of this process that has a task."""
    for folder in Path("/proc").iterdir():
        try:
            if (folder / "cmdline").read_text().startswith("ray::run") and os.getpid() in ancestors(folder):
                return int(folder.name)
        except (OSError, ValueError):
            continue
    return None


def ancestors(folder: Path) -> list[int]:
    found = []
    while folder.name not in ("0", "1"):
        folder = Path("/proc") / (folder / "stat").read_text().rpartition(")")[2].split()[1]
        found.append(int(folder.name))
    return found


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("whole") / "results.jsonl"
    assert call(*SUITE, "--output", output) == 0
    return output


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the worker in /proc")
def test_a_killed_worker_loses_and_repeats_nothing(
    cluster: str, tmp_path: Path, uninterrupted: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a record says of its machine was asked there: nobody asks here.
    monkeypatch.setattr(records, "environment", None)
    output = tmp_path / "results.jsonl"
    killed = []

    def kill() -> None:
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            if count(output) >= 8 and (worker := busy_worker()) is not None:
                os.kill(worker, signal.SIGKILL)
                killed.append(count(output))
                return
            time.sleep(0.005)  # or else this takes a processor from those that it watches

    thread = threading.Thread(target=kill)
    thread.start()
    assert call(*SUITE, "--output", output, "--ray", cluster) == 0
    thread.join()
    assert len(killed) == 1
    assert killed[0] < 40
    written = lines_of(output)
    assert len(written) == 40
    assert keys(output) == keys(uninterrupted)
    for line in written:
        assert line["result"]["status"] == "OPTIMAL"
        assert set(line["environment"]) == {"commit", "dirty", "versions", "processor", "cpus", "threads", "time"}
    # The table does not depend on the order in which results arrive.
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "100%" in line]
    assert shown == ["min-value", "random-value", "default-phase", "cp-sat"]


def test_a_suite_killed_in_the_middle_goes_on(tmp_path: Path, uninterrupted: Path, capsys: Capture) -> None:
    output = tmp_path / "results.jsonl"
    command = [*SUITE, "--output", output]
    kill_when(lambda: count(output) >= 5, "benchmarks", command)
    kept = output.read_bytes()
    done = kept.count(b"\n")
    assert 5 <= done < 40
    assert call(*command) == 0
    assert f"{done} of 40 results are in" in capsys.readouterr().err
    assert output.read_bytes().startswith(kept[: kept.rfind(b"\n") + 1])
    assert keys(output) == keys(uninterrupted)


def test_a_failing_job_ends_a_suite_on_ray_and_keeps_the_others(cluster: str, tmp_path: Path) -> None:
    def job(number: int) -> records.Job:
        def measure() -> dict[str, Any]:
            if number == 6:
                raise AnswerError("no. 6: wrong")
            return {"number": number}

        return records.Job({"number": number}, measure)

    path = tmp_path / "results.jsonl"
    with pytest.raises(AnswerError, match=r"^no\. 6: wrong$"):
        records.run_jobs(path, [job(number) for number in range(7)], threads=1, ray=cluster)
    assert len(lines_of(path)) >= 2
    found = records.run_jobs(path, [job(number) for number in reversed(range(6))], threads=1, ray=cluster)
    assert [record["result"]["number"] for record in found] == [5, 4, 3, 2, 1, 0]


def travelled(job: records.Job) -> records.Job:
    """The job as another process gets it."""
    pickler = pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'").cloudpickle
    copy: records.Job = pickler.loads(pickler.dumps(job))
    assert copy.key == job.key
    assert copy.needs == job.needs
    return copy


def model_file() -> instance_sets.Case:
    """A model that no family of instances makes."""
    model = cp_model.CpModel()
    numbers = [model.new_int_var(0, 5, f"n{i}") for i in range(4)]
    model.add_all_different(numbers)
    model.maximize(sum(numbers))
    return instance_sets.Case(CpModelFile("mine", model), False, "files")


def test_the_jobs_of_searches_travel(networks: list[LoadedNetwork]) -> None:
    square = instance_sets.generate("latin-square:10:0.5", 1, 1)[0]
    suite = search.Search(
        repeats=1, infer_every=3, infer_after_failure=True, restart_after=5, workers=2, time_limit=20.0
    )
    jobs = search.jobs(suite, [square, model_file()], networks)
    jobs += policies.jobs(policies.Policies(time_limit=20.0), [square], networks[0])
    steps = ("status", "branches", "failures", "inference_calls", "objective_value")
    for job in jobs:
        here, there = job.measure(), travelled(job).measure()
        threads = job.config.get("workers", 1) > 1  # which of several workers is first is chance
        for name in ("status",) if threads else steps:
            assert here[name] == there[name], job.config
    assert {job.needs for job in jobs if job.config["arm"] == "cp-sat"} == {Needs(cpus=2)}
    assert {job.needs for job in jobs if job.config["arm"] != "cp-sat"} == {Needs()}


def test_the_jobs_of_races_travel_and_keep_all_workers_busy(networks: list[LoadedNetwork]) -> None:
    square = instance_sets.generate("latin-square:10:0.5", 1, 1)[0]
    jobs = race.jobs(race.RaceSuite(repeats=1, workers=3, dives=True, time_limit=20), [square, model_file()], networks)
    assert len(jobs) == 5 + 3
    for job in jobs:
        assert travelled(job).measure()["status"] == "OPTIMAL"
        assert job.needs == Needs(cpus=3)


def test_the_jobs_of_the_feasibility_suite_travel_with_their_states(networks: list[LoadedNetwork]) -> None:
    graph, dense = networks
    suite = feasibility.Feasibility(order=10, states=40, levels=5, label_seconds=60.0)
    jobs = feasibility.jobs(suite, [graph, dense], [(graph, graph)])
    assert len(jobs) == 3 + 3 + 2 + 2 + 2 + 6 + 2
    for job in jobs:
        assert travelled(job).measure() == job.measure()


def test_a_network_is_opened_once_in_a_process_and_only_as_it_was(tmp_path: Path) -> None:
    pickler = pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'").cloudpickle
    original = load_networks(["bp"], "cpu", 1)[0].scorer.path
    file = tmp_path / "mine.onnx"
    file.write_bytes(original.read_bytes())
    (network,) = load_networks([str(file)], "cpu", 2)
    one, other = (pickler.loads(pickler.dumps(network)) for _ in range(2))
    assert one is other
    assert (one.name, one.config, one.needs) == (network.name, network.config, Needs(cpus=2))
    file.write_bytes((original.parent / "universal.onnx").read_bytes())
    (changed,) = load_networks([str(file)], "cpu", 1)
    text = pickler.dumps(changed)
    file.write_bytes(original.read_bytes())
    with pytest.raises(ModelFileError, match="expected the same file on every machine, got another network"):
        pickler.loads(text)


def test_cases_travel() -> None:
    pickler = pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'").cloudpickle
    for form in ("latin-square:6:0.5", "sudoku:2:0.5", "n-queens:8:2", "graph-colouring:9:3:2"):
        case = instance_sets.generate(form, 1, 1)[0]
        copy = pickler.loads(pickler.dumps(case))
        assert (copy.config, copy.satisfiable, copy.group) == (case.config, True, None)
    case = model_file()
    copy = pickler.loads(pickler.dumps(case))
    assert (copy.config, copy.satisfiable, copy.group) == (case.config, False, "files")
    assert np.array_equal(copy.instance.describe(), case.instance.describe())


def test_no_cluster_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
    output = tmp_path / "results.jsonl"
    assert call(*SUITE, "--output", output, "--ray", "127.0.0.1:1") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --ray 127.0.0.1:1: expected a Ray cluster there, got")
    assert error.count("\n") == 1
    # Whoever needs nothing measured needs no cluster.
    assert call(*SUITE, "--output", output) == 0
    assert call(*SUITE, "--output", output, "--ray", "127.0.0.1:1") == 0


def test_suites_that_measure_this_machine_have_no_ray(capsys: Capture) -> None:
    for command in ("nodes", "latency"):
        assert call(command, "--ray", "auto") == 2
        assert "Unknown option: --ray" in capsys.readouterr().err
