"""States per second of networks by batch size, against what their sessions could do with data on the device.

The table says of each batch: one call of the scorer, with copies to and from the device; the session alone, run on
buffers that already lie on its device; their ratio; and how far the scores are from those of float32 on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from benchmarks.networks import LoadedNetwork
from benchmarks.records import Job, Record
from benchmarks.rendering.parts import Axis, Cell, Chart, Group, Point, Series, Table, TableRow
from nnsearch.encoding.encoder import Feed
from nnsearch.errors import ConfigError, ScoreError
from nnsearch.inference.providers import CPU
from nnsearch.scorers.latency import batches, milliseconds
from nnsearch.scorers.onnx import OnnxScorer
from nnsearch.scorers.scorer import FloatArray

TOLERANCE = {"one_hot": 1e-4, "candidate_graph": 1e-2}
"""Of float32 scores on any provider against the CPU's, as a share of the range of a state's scores: sums in another
order, which belief propagation amplifies. Files of another precision say their own."""

_OWN_GRAPH = 1 << 20  # above the numbers of the scorer's CUDA graphs, which are batch sizes


@dataclass(frozen=True)
class Throughput:
    """How to measure.

    Args:
        seconds: of the timed calls of a batch.
        repeats: timed calls at most.

    Raises:
        ConfigError: a number is out of range.
    """

    seconds: float = 1.0
    repeats: int = 1000

    def __post_init__(self) -> None:
        if self.repeats < 1 or self.seconds <= 0:
            raise ConfigError(f"expected 1 or more repeats and seconds above 0, got {self.repeats} and {self.seconds}")


def jobs(suite: Throughput, networks: Sequence[LoadedNetwork]) -> list[Job]:
    """Return one job for each network and batch size of :func:`nnsearch.scorers.latency.batches`.

    Raises:
        ConfigError: there is none, or one was made for a single model.
    """
    if not networks:
        raise ConfigError("expected a network, got none; give --models")
    for network in networks:
        if network.scorer.metadata.identities is not None:
            raise ConfigError(f"{network.name}: expected a network for any model, got one that was made for one model")
    return [
        Job(
            {"suite": "throughput", **asdict(suite), "arm": network.name, **network.config, "states": states},
            partial(_measure, suite, network.scorer, states, feed),
        )
        for network in networks
        for states, feed in batches(network.scorer)
    ]


def _measure(suite: Throughput, scorer: OnnxScorer, states: int, feed: Feed) -> dict[str, Any]:
    scores = scorer.run(feed)
    difference = _difference(scores, OnnxScorer(scorer.path, "cpu").run(feed))
    metadata = scorer.metadata
    tolerance = metadata.tolerance or TOLERANCE[metadata.encoder]
    if not difference <= tolerance:
        raise ScoreError(f"{scorer.path}: expected the CPU's scores within {tolerance:g} of their range, {difference=}")
    run = resident(scorer.session, feed, scores.shape, graph=_OWN_GRAPH + states)
    times = milliseconds(partial(scorer.run, feed), suite.repeats, suite.seconds)
    peak = milliseconds(run, suite.repeats, suite.seconds)
    ms, peak_ms = float(np.median(times)), float(np.median(peak))
    return {
        "precision": metadata.precision,
        "ms": round(ms, 4),
        "states_per_second": round(1e3 * states / ms, 1),
        "session_ms": round(peak_ms, 4),
        "session_states_per_second": round(1e3 * states / peak_ms, 1),
        "share_of_session": round(peak_ms / ms, 4),
        "difference": difference,
        "tolerance": tolerance,
    }


def resident(
    session: ort.InferenceSession, feed: Mapping[str, npt.NDArray[Any]], shape: Sequence[int], graph: int
) -> Callable[[], None]:
    """Return what runs a session on inputs and an output of that shape that already lie on its device.

    The number is that of the CUDA graph, where the session captures them; no other buffers have it.
    """
    provider = session.get_providers()[0]
    device = "cpu" if provider == CPU else "cuda"
    binding = session.io_binding()
    kept = {name: ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), device) for name, array in feed.items()}
    for name, value in kept.items():
        binding.bind_ortvalue_input(name, value)
    binding.bind_ortvalue_output("scores", ort.OrtValue.ortvalue_from_shape_and_type(list(shape), np.float32, device))
    options = ort.RunOptions()
    if session.get_provider_options()[provider].get("enable_cuda_graph") == "1":
        options.add_run_config_entry("gpu_graph_id", str(graph))
    binding.synchronize_inputs()

    def run() -> None:
        session.run_with_iobinding(binding, options)
        binding.synchronize_outputs()

    return run


def _difference(scores: FloatArray, expected: FloatArray) -> float:
    """Return the largest difference as a share of the range of a row, at least 1."""
    span = np.maximum(np.ptp(expected, axis=-1, keepdims=True), 1)
    return float(f"{(np.abs(scores - expected) / span).max():.3g}")


def summary(records: Sequence[Record]) -> Group:
    """Return a row for each network and batch size, and states per second against the batch size."""
    rows = []
    lines: dict[str, list[Point]] = {}
    for record in records:
        config, result = record["config"], record["result"]
        runs_on = config["provider"].removesuffix("ExecutionProvider")
        arm = f"{config['arm']}, {runs_on}, {config['threads']} threads"
        lines.setdefault(arm, []).append((config["states"], result["states_per_second"]))
        cells: list[Cell] = [
            config["arm"],
            runs_on,
            config["threads"],
            config["states"],
            f"{result['ms']:.3f}",
            result["states_per_second"],
            result["session_states_per_second"],
            f"{result['share_of_session']:.0%}",
            f"{result['difference']:.1e}",
        ]
        rows.append(TableRow(cells, arm))
    columns = ["network", "runs on", "threads", "states", "ms", "states/s", "session/s", "share", "difference"]
    return Group(
        "",
        [
            Table("", columns, rows),
            Chart(
                "States per second",
                Axis("states in a call", "log"),
                Axis("states per second", "log"),
                [Series(arm, sorted(points)) for arm, points in lines.items()],
                "Higher is better.",
            ),
        ],
    )
