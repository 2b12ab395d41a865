from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.networks import load_networks
from benchmarks.records import run_jobs
from benchmarks.report.text import text
from benchmarks.suites import throughput
from nnsearch.encoding.encoder import Feed
from nnsearch.errors import ConfigError, ScoreError
from nnsearch.inference.pretrained import models_dir
from nnsearch.scorers.onnx import OnnxScorer
from nnsearch.scorers.scorer import FloatArray

NAMES = ["pls-10-full", "bp"]
if not all((models_dir() / f"{name}.onnx").is_file() for name in NAMES):
    pytest.skip(f"no pretrained networks in {models_dir()}", allow_module_level=True)

QUICK = throughput.Throughput(seconds=0.01, repeats=1)


def test_the_table(tmp_path: Path) -> None:
    jobs = throughput.jobs(QUICK, load_networks(NAMES, "cpu", 1))
    assert [job.config["states"] for job in jobs] == [2**k for k in range(10)] + [1, 2, 4, 8, 16]
    records = run_jobs(tmp_path / "x.jsonl", [jobs[0], jobs[3], jobs[10], jobs[11]], threads=1)
    for record in records:
        result = record["result"]
        assert result["difference"] == 0  # the CPU against the CPU, one thread
        assert result["states_per_second"] == pytest.approx(1e3 * record["config"]["states"] / result["ms"], rel=1e-2)
        assert result["share_of_session"] == pytest.approx(result["session_ms"] / result["ms"], rel=1e-2)
    lines = text(throughput.summary(records)).splitlines()
    assert len(lines) == 5
    assert len({len(line) for line in lines}) == 1


def test_scores_that_are_not_those_of_the_cpu_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [network] = load_networks(NAMES[:1], "cpu", 1)
    right = OnnxScorer.run

    def wrong(self: OnnxScorer, feed: Feed) -> FloatArray:
        return right(self, feed) + np.float32(1) * (self is network.scorer)

    jobs = throughput.jobs(QUICK, [network])
    monkeypatch.setattr(OnnxScorer, "run", wrong)
    with pytest.raises(ScoreError, match=r"expected the CPU's scores within 0\.0001 of their range"):
        run_jobs(tmp_path / "x.jsonl", jobs[:1], threads=1)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected a network, got none"):
        throughput.jobs(QUICK, [])
    with pytest.raises(ConfigError, match="expected 1 or more repeats"):
        throughput.Throughput(repeats=0)
