"""What a network costs on this machine: latency and states per second by provider, threads and batch size."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from nnsearch.encoding.encoder import Feed, FloatArray
from nnsearch.encoding.one_hot import OneHot, one_hot
from nnsearch.errors import ConfigError, ModelFileError
from nnsearch.inference.providers import Provider, choose_providers
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems import read_latin_square
from nnsearch.processors import usable_cpus
from nnsearch.scorers.onnx import OnnxScorer

ONE_HOT_BATCHES = tuple(2**power for power in range(10))
GRAPH_BATCHES = tuple(2**power for power in range(7))
MOST_EDGES = 500_000
"""Incidences of the largest union of graphs that is measured."""

_SECONDS, _RUNS, _LEAST_RUNS = 0.25, 200, 3  # of one row
_NEAR_BEST = 0.9

_log = logging.getLogger("nnsearch")


@dataclass(frozen=True)
class Setting:
    """Where a network runs: the provider (``cpu``, ``cuda`` or ``tensorrt``), and the CPU threads of one inference."""

    provider: Provider
    threads: int

    def __str__(self) -> str:
        """For example ``cpu, 2 threads``."""
        return f"{self.provider}, {self.threads} thread{'s' * (self.threads > 1)}"


@dataclass(frozen=True)
class Latency:
    """One row of the table.

    Attributes:
        setting: where it ran.
        states: states scored at once.
        milliseconds: of one call, the median.
        runs: timed calls.
    """

    setting: Setting
    states: int
    milliseconds: float
    runs: int

    @property
    def states_per_second(self) -> float:
        """Of calls that follow each other at once."""
        return 1e3 * self.states / self.milliseconds

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain values."""
        return {
            **asdict(self.setting),
            "states": self.states,
            "milliseconds": round(self.milliseconds, 4),
            "states_per_second": round(self.states_per_second, 1),
            "runs": self.runs,
        }

    def __str__(self) -> str:
        """The row of :data:`HEADER`."""
        return (
            f"{self.setting.provider:10}{self.setting.threads:>7}{self.states:>8}"
            f"{self.milliseconds:>12.3f}{self.states_per_second:>12,.0f}"
        )


HEADER = f"{'provider':10}{'threads':>7}{'states':>8}{'ms':>12}{'states/s':>12}"


def recommend(rows: Sequence[Latency]) -> tuple[Latency, Latency]:
    """Choose from measured rows, at least one of them of one state.

    Returns:
        The row of one state with the fewest threads whose latency is within 10 % of the best; and the row of fewest
        states (then threads) whose states per second are within 90 % of the best.
    """
    best = max(row.states_per_second for row in rows)
    near = [row for row in rows if row.states_per_second >= _NEAR_BEST * best]
    ones = [row for row in rows if row.states == 1]
    soon = [row for row in ones if _NEAR_BEST * row.milliseconds <= min(row.milliseconds for row in ones)]
    return (
        min(soon, key=lambda row: (row.setting.threads, row.milliseconds)),
        min(near, key=lambda row: (row.states, row.setting.threads)),
    )


def settings(provider: Provider = "auto", *, graphs: bool = False) -> list[Setting]:
    """Return the settings that this machine has: the CPU with one thread and with all, and the GPU.

    TensorRT does not run networks on the candidate graph (``graphs``).

    Raises:
        ModelFileError: the provider is asked for by name, and this machine does not have it.
    """
    chosen: list[Setting] = []
    if provider in ("auto", "cpu"):
        chosen += [Setting("cpu", threads) for threads in sorted({1, usable_cpus()})]
    others: tuple[Provider, ...] = ("cuda",) if graphs else ("cuda", "tensorrt")
    for other in others if provider == "auto" else (provider,) if provider != "cpu" else ():
        try:
            choose_providers(other)
        except ModelFileError:
            if provider != "auto":
                raise
        else:
            chosen.append(Setting(other, 1))
    return chosen


def measure(path: Path, provider: Provider = "auto", *, seconds: float = _SECONDS) -> Iterator[Latency]:
    """Measure a network, row by row: each takes about as long as given, or four calls if those take longer.

    A network of one size scores batches of random assignments of any fill level. One on the candidate graph scores
    disjoint unions of the root of the demo's quasigroup of order 50 after propagation, up to :data:`MOST_EDGES`.

    Raises:
        ModelFileError: the network was made for one model, of which there is no generated instance.
    """
    network = OnnxScorer(path, "cpu")
    if network.metadata.identities is not None:
        raise ModelFileError(
            f"{path}: expected a network for any model to measure, this one was made for one model, of which there is "
            "no generated instance"
        )
    for setting in settings(provider, graphs=not isinstance(network.encoder, OneHot)):
        try:
            network = OnnxScorer(path, setting.provider, setting.threads)
        except ModelFileError as error:
            if provider != "auto":
                raise
            _log.warning("%s; left out", error)
            continue
        except ConfigError:  # a network that runs on one thread only
            continue
        for states, feed in batches(network):
            times = milliseconds(partial(network.run, feed), _RUNS, seconds)
            yield Latency(setting, states, median(times), len(times))


def milliseconds(run: Callable[[], object], repeats: int, seconds: float = math.inf) -> list[float]:
    """Return the wall time of each run after an untimed one; none begins after ``seconds``, but for the first three."""
    run()
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < repeats and (len(times) < _LEAST_RUNS or time.perf_counter() - began < seconds):
        started = time.perf_counter()
        run()
        times.append(round(1e3 * (time.perf_counter() - started), 4))
    return times


def random_assignments(num_variables: int, num_values: int, count: int) -> FloatArray:
    """Return float32[count, V * D], one-hot assignments of any fill level, always the same."""
    rng = np.random.default_rng(0)
    values = rng.integers(num_values, size=(count, num_variables))
    values[rng.random(values.shape) < rng.random((count, 1))] = -1
    return one_hot(values, num_values, 0)


def batches(network: OnnxScorer) -> Iterator[tuple[int, Feed]]:
    """Return what :func:`measure` scores: the number of states, and the inputs that they are together."""
    encoder = network.encoder
    if isinstance(encoder, OneHot):
        for batch in ONE_HOT_BATCHES:
            yield batch, {"assignment": random_assignments(encoder.num_variables, encoder.num_values, batch)}
        return
    graph = CandidateGraph.from_model(read_latin_square(str(files("nnsearch") / "demo.dzn")).build()[0])
    alive = graph.propagate(np.ones(graph.num_candidates, dtype=bool))
    state = network.prepare(graph).encoding.encode(alive)
    for batch in GRAPH_BATCHES:
        if batch > 1 and batch * len(state.edge_group) > MOST_EDGES:
            return
        yield batch, encoder.unite([state] * batch)
