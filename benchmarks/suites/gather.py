"""Gathered inference: many searches alone, side by side in greenlets, in threads, and in processes, new and kept ones.

All arms solve the same squares with the same network and options, in turns; every decision is compared with the solves
one at a time, which is checked, not assumed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import nnsearch
from benchmarks.instances import qwh
from benchmarks.networks import Network
from benchmarks.records import Job, Record
from benchmarks.suites.search import AnswerError
from benchmarks.suites.threads import ThreadedSearches
from nnsearch.cp.search_options import SearchOptions
from nnsearch.errors import ConfigError
from nnsearch.limits import Limits
from nnsearch.problems import PartialLatinSquare
from nnsearch.result import SolveResult
from nnsearch.scorers.batching import BatchedScorer

_STREAM_STEPS = 20


@dataclass(frozen=True)
class Gather:
    """What to solve.

    Args:
        order: order of the squares.
        holes: share of the cells that are holes.
        count: squares.
        rounds: how often a run solves all of them, as one series; starting processes then counts less.
        concurrency: searches at the same time.
        processes: of the arms in several processes.
        repeats: runs of each arm, in turns.
        stream: squares of one more run, all through one call, whose memory is watched; 0 is none.
        failures: when a search gives up.
        seed: of the squares.

    Raises:
        ConfigError: a number is out of range.
    """

    order: int = 10
    holes: float = 0.9
    count: int = 64
    rounds: int = 1
    concurrency: int = 64
    processes: int = 2
    repeats: int = 7
    stream: int = 0
    failures: int = 200
    seed: int = 1

    def __post_init__(self) -> None:
        for name, least in (
            ("count", 1),
            ("rounds", 1),
            ("concurrency", 1),
            ("processes", 2),
            ("repeats", 1),
            ("stream", 0),
        ):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}: expected {least} or more, got {getattr(self, name)}")

    def squares(self) -> list[PartialLatinSquare]:
        """Return the instances."""
        return qwh.generate(self.order, self.holes, self.count, self.seed) * self.rounds

    @property
    def limits(self) -> Limits:
        """Return the limits of each search, the same whatever the machine's speed."""
        return Limits(failures=self.failures)


@dataclass(frozen=True)
class Run:
    """One run of an arm.

    Attributes:
        seconds: wall time.
        states: scored.
        batches: inferences.
        inference_seconds: in them.
        gathering_seconds: as the gathering counts it; None where there is none.
        results: in the order of the squares.
    """

    seconds: float
    states: int
    batches: int
    inference_seconds: float
    gathering_seconds: float | None
    results: list[SolveResult]


def jobs(suite: Gather, networks: Sequence[Network]) -> list[Job]:
    """Return one job for each network: all arms, because they take turns; and one for the stream."""
    config = {"suite": "gather", **asdict(suite), "cpus": os.cpu_count()}
    found = []
    for network in networks:
        if network.order not in (None, suite.order):
            raise ConfigError(f"{network.name}: expected a network of order {suite.order}, got order {network.order}")
        found.append(Job({**config, "arm": network.name, **network.config}, partial(_measure, suite, network)))
        if suite.stream:
            named = {**config, "arm": f"{network.name}, stream", **network.config}
            found.append(Job(named, partial(_stream, suite, network)))
    return found


def table(records: Sequence[Record]) -> str:
    """Return the summary of a run."""
    lines = []
    for record in records:
        config, result = record["config"], record["result"]
        if "arms" not in result:
            lines += ["", f"{config['arm']}: {result['solves']:,} solves in {result['seconds']:.0f} s, resident MB"]
            lines.append("  " + " ".join(f"{megabytes:.0f}" for megabytes in result["resident_mb"]))
            continue
        lines += [
            "",
            f"{config['arm']}: {config['count']} squares of order {config['order']}, {config['holes']:.0%} holes, "
            f"solved {config['rounds']} times, concurrency {config['concurrency']}; "
            f"median [range] of {config['repeats']} runs",
            f"{'':20}{'searches/s':>20}{'over alone':>20}{'batch':>7}{'us/state':>10}{'less':>7}{'around':>8}"
            f"{'gathering':>11}",
        ]
        alone = result["arms"]["alone"]
        for name, runs in result["arms"].items():
            speed = [config["count"] * config["rounds"] / seconds for seconds in runs["seconds"]]
            over = [one / other for one, other in zip(alone["seconds"], runs["seconds"], strict=True)]
            state = [1e6 * s / n for s, n in zip(runs["inference_seconds"], runs["states"], strict=True)]
            base = [1e6 * s / n for s, n in zip(alone["inference_seconds"], alone["states"], strict=True)]
            batch = np.median([n / b for n, b in zip(runs["states"], runs["batches"], strict=True)])
            less = np.median([one / other for one, other in zip(base, state, strict=True)])
            around = np.median(
                [
                    1e6 * ((s - i) - (alone_s - alone_i)) / n
                    for s, i, alone_s, alone_i, n in zip(
                        runs["seconds"],
                        runs["inference_seconds"],
                        alone["seconds"],
                        alone["inference_seconds"],
                        runs["states"],
                        strict=True,
                    )
                ]
            )
            told = [seconds for seconds in runs["gathering_seconds"] if seconds is not None]
            own = f"{np.median([1e6 * s / n for s, n in zip(told, runs['states'], strict=False)]):.1f}" if told else "-"
            lines.append(
                f"{name:20}"
                + f"{np.median(speed):.1f} [{min(speed):.0f}, {max(speed):.0f}]".rjust(20)
                + f"{np.median(over):.2f} [{min(over):.2f}, {max(over):.2f}]".rjust(20)
                + f"{batch:7.1f}{np.median(state):10.1f}{less:7.2f}{around:8.1f}{own:>11}"
            )
    return "\n".join(
        [
            *lines[1:],
            "",
            "us/state: microseconds of inference. over alone, less: how many times more searches per second, and less",
            "inference per state, than the solves one at a time of the same turn. around: microseconds per state",
            "outside the inferences beyond those of the solves alone (negative where processes share the work).",
            "gathering: the part of it in the gathering itself. All arms took the same decisions (checked).",
        ]
    )


def _measure(suite: Gather, network: Network) -> dict[str, Any]:
    squares = suite.squares()
    arms: dict[str, Callable[[], Run]] = {
        "alone": partial(_alone, suite, squares, network),
        "greenlets": partial(_many, suite, squares, network, cache_megabytes=None),
        "greenlets, cache": partial(_many, suite, squares, network, cache_megabytes=64.0),
    }
    if network.order is not None:
        arms["threads"] = partial(_threads, suite, squares, network)
    arms[f"{suite.processes} processes"] = partial(
        _many, suite, squares, network, cache_megabytes=None, processes=suite.processes
    )
    kept_arm = f"{suite.processes} processes, kept"
    runs: dict[str, list[Run]] = {name: [] for name in (*arms, kept_arm)}
    with nnsearch.SearchProcesses(suite.processes) as kept:
        arms[kept_arm] = partial(_many, suite, squares, network, cache_megabytes=None, processes=kept)
        arms[kept_arm]()  # starts them; each repeat then measures a call that finds them there
        for _ in range(suite.repeats):
            for name, arm in arms.items():
                runs[name].append(arm())
                _check_decisions(name, runs["alone"][-1].results, runs[name][-1].results)
    fields = ("seconds", "states", "batches", "inference_seconds", "gathering_seconds")
    return {
        "arms": {
            name: {field: [getattr(run, field) for run in of_arm] for field in fields} for name, of_arm in runs.items()
        },
        "solved": sum(result.status.solved for result in runs["alone"][0].results),
        "failures": sum(result.failures for result in runs["alone"][0].results),
        "checked": True,
    }


def _alone(suite: Gather, squares: Sequence[PartialLatinSquare], network: Network) -> Run:
    started = time.perf_counter()
    results = [
        nnsearch.cp.solve(*square.build(), network.scorer, SearchOptions(restarts=None, limits=suite.limits))
        for square in squares
    ]
    seconds = time.perf_counter() - started
    calls = sum(result.inference.calls for result in results)
    states = sum(result.inference.states for result in results)
    return Run(seconds, states, calls, sum(result.inference.seconds for result in results), None, results)


def _many(suite: Gather, squares: Sequence[PartialLatinSquare], network: Network, **how: Any) -> Run:
    started = time.perf_counter()
    solves = nnsearch.solve_many(
        squares, network.scorer, SearchOptions(restarts=None, limits=suite.limits), concurrency=suite.concurrency, **how
    )
    found = {solved.index: solved for solved in solves}
    seconds = time.perf_counter() - started
    count = solves.progress.count
    results = []
    for index in range(len(squares)):
        result = found[index].result
        if result is None:
            raise AnswerError(f"{squares[index].name}: {found[index].error}")
        results.append(result)
    return Run(seconds, count.states, count.batches, count.inference_seconds, count.gathering_seconds, results)


def _threads(suite: Gather, squares: Sequence[PartialLatinSquare], network: Network) -> Run:
    batched = BatchedScorer(network.scorer)
    searches = ThreadedSearches(network.scorer, batched)
    started = time.perf_counter()
    results = [
        result
        for start in range(0, len(squares), suite.concurrency)
        for result in searches.solve(
            squares[start : start + suite.concurrency], SearchOptions(restarts=None, limits=suite.limits)
        )
    ]
    seconds = time.perf_counter() - started
    return Run(seconds, batched.states, batched.batches, batched.seconds, None, results)


def _check_decisions(arm: str, alone: Sequence[SolveResult], results: Sequence[SolveResult]) -> None:
    for one, other in zip(alone, results, strict=True):
        seen = [
            (r.status, r.solution, r.branches, r.failures, r.inference.states + r.inference.recalled)
            for r in (one, other)
        ]
        if seen[0] != seen[1]:
            raise AnswerError(f"{arm}: expected the decisions of a solve alone, {seen[0]}, got {seen[1]}")


def _stream(suite: Gather, network: Network) -> dict[str, Any]:
    """Solve many squares through one call, and watch the memory."""
    squares = suite.squares()

    def endless() -> Iterator[PartialLatinSquare]:
        for index in range(suite.stream):
            yield squares[index % len(squares)]

    resident = []
    done = 0
    started = time.perf_counter()
    every = max(1, suite.stream // _STREAM_STEPS)
    for solved in nnsearch.solve_many(
        endless(), network.scorer, SearchOptions(restarts=None, limits=suite.limits), concurrency=suite.concurrency
    ):
        if solved.result is None:
            raise AnswerError(f"{solved.index}: {solved.error}")
        done += 1
        if done % every == 0:
            resident.append(round(_resident_megabytes(), 1))
    return {
        "solves": done,
        "seconds": round(time.perf_counter() - started, 2),
        "resident_mb": resident,
        "checked": True,
    }


def _resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
