"""Gathered inference: many searches alone, side by side in greenlets, and in processes, new and kept ones.

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
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

import nnsearch
from benchmarks.answers import AnswerError
from benchmarks.instances.squares import fresh_quasigroups
from benchmarks.networks import LoadedNetwork
from benchmarks.options import Options
from benchmarks.records import Job, Record
from benchmarks.rendering.parts import Axis, Block, Cell, Chart, Group, Place, Series, Table, TableRow
from benchmarks.rendering.places import QUASIGROUP
from nnsearch.cp.search_options import SearchOptions
from nnsearch.errors import ConfigError
from nnsearch.limits import Limits
from nnsearch.problems import PartialLatinSquare
from nnsearch.result import SolveResult
from training.config import at_least

_STREAM_STEPS = 20


@dataclass(frozen=True)
class Gather(Options):
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
    """

    order: int = 10
    holes: float = 0.9
    count: Annotated[int, at_least(1)] = 64
    rounds: Annotated[int, at_least(1)] = 1
    concurrency: Annotated[int, at_least(1)] = 64
    processes: Annotated[int, at_least(2)] = 2
    repeats: Annotated[int, at_least(1)] = 7
    stream: Annotated[int, at_least(0)] = 0
    failures: Annotated[int, Parameter(name="--failure-limit")] = 200
    seed: int = 1

    def squares(self) -> list[PartialLatinSquare]:
        """Return the instances."""
        return fresh_quasigroups(self.order, self.holes, self.count, self.seed) * self.rounds

    @property
    def limits(self) -> Limits:
        """Return the limits of each search, the same whatever the machine's speed."""
        return Limits(failures=self.failures)


@dataclass(frozen=True)
class Run:
    """One run of an arm; ``gathering_seconds`` as the gathering counts them, None where there is none."""

    seconds: float
    states: int
    batches: int
    inference_seconds: float
    gathering_seconds: float | None
    results: list[SolveResult]


def jobs(suite: Gather, networks: Sequence[LoadedNetwork]) -> list[Job]:
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


def summary(records: Sequence[Record]) -> Group:
    """Return a table for each network, and the memory over the solves of a stream as a table and a chart."""
    blocks: list[Block] = []
    for record in records:
        blocks += [_table(record), *_memory(record)]
    return Group("", blocks)


def _table(record: Record) -> Table:
    config, result = record["config"], record["result"]
    if "arms" not in result:
        cells = [f"{megabytes:.0f}" for megabytes in result["resident_mb"]]
        title = f"{config['arm']}: {result['solves']:,} solves in {result['seconds']:.0f} s"
        return Table(
            title, ["resident MB, in equal steps"], [TableRow([" ".join(cells)], config["arm"], _place(config))]
        )
    alone = result["arms"]["alone"]
    rows = []
    for name, runs in result["arms"].items():
        seconds, inference, states = (np.array(runs[k]) for k in ("seconds", "inference_seconds", "states"))
        alone_seconds, alone_inference = np.array(alone["seconds"]), np.array(alone["inference_seconds"])
        speed = config["count"] * config["rounds"] / seconds
        over = alone_seconds / seconds
        per_state = 1e6 * inference / states
        around = 1e6 * ((seconds - inference) - (alone_seconds - alone_inference)) / states
        told = [1e6 * s / n for s, n in zip(runs["gathering_seconds"], runs["states"], strict=True) if s is not None]
        cells_: list[Cell] = [
            name,
            f"{np.median(speed):.1f} [{speed.min():.0f}, {speed.max():.0f}]",
            f"{np.median(over):.2f} [{over.min():.2f}, {over.max():.2f}]",
            f"{np.median(states / runs['batches']):.1f}",
            f"{np.median(per_state):.1f}",
            f"{np.median(1e6 * alone_inference / alone['states'] / per_state):.2f}",
            f"{np.median(around):.1f}",
            f"{np.median(told):.1f}" if told else None,
        ]
        rows.append(TableRow(cells_, name, _place(config)))
    return Table(
        f"{config['arm']}: {config['count']} squares of order {config['order']}, {config['holes']:.0%} holes, "
        f"solved {config['rounds']} times, concurrency {config['concurrency']}; "
        f"median [range] of {config['repeats']} runs",
        ["arm", "searches/s", "over alone", "batch", "us/state", "less", "around", "gathering"],
        rows,
        "us/state: microseconds of inference. over alone, less: how many times more searches per second, and less\n"
        "inference per state, than the solves one at a time of the same turn. around: microseconds per state\n"
        "outside the inferences beyond those of the solves alone (negative where processes share the work).\n"
        "gathering: the part of it in the gathering itself. All arms took the same decisions (checked).",
    )


def _memory(record: Record) -> list[Chart]:
    config, result = record["config"], record["result"]
    if "arms" in result:
        return []
    every = max(1, result["solves"] // max(1, len(result["resident_mb"])))
    points = [(float(every * (i + 1)), megabytes) for i, megabytes in enumerate(result["resident_mb"])]
    title = f"{config['arm']}: memory over {result['solves']:,} solves in {result['seconds']:.0f} s"
    return [Chart(title, Axis("solves"), Axis("resident megabytes"), [Series(config["arm"], points)])]


def _place(config: dict[str, Any]) -> Place:
    return Place(QUASIGROUP, f"order {config['order']}")


def _measure(suite: Gather, network: LoadedNetwork) -> dict[str, Any]:
    squares = suite.squares()
    many = partial(_many, suite, squares, network, cache_megabytes=None)
    arms: dict[str, Callable[[], Run]] = {
        "alone": partial(_alone, suite, squares, network),
        "greenlets": many,
        "greenlets, cache": partial(many, cache_megabytes=64.0),
        f"{suite.processes} processes": partial(many, processes=suite.processes),
    }
    kept_arm = f"{suite.processes} processes, kept"
    runs: dict[str, list[Run]] = {name: [] for name in (*arms, kept_arm)}
    with nnsearch.SearchProcesses(suite.processes) as kept:
        arms[kept_arm] = partial(many, processes=kept)
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


def _alone(suite: Gather, squares: Sequence[PartialLatinSquare], network: LoadedNetwork) -> Run:
    started = time.perf_counter()
    results = [
        nnsearch.cp.solve(*square.build(), network.scorer, SearchOptions(restarts=None, limits=suite.limits))
        for square in squares
    ]
    seconds = time.perf_counter() - started
    calls = sum(result.inference.calls for result in results)
    states = sum(result.inference.states for result in results)
    return Run(seconds, states, calls, sum(result.inference.seconds for result in results), None, results)


def _many(suite: Gather, squares: Sequence[PartialLatinSquare], network: LoadedNetwork, **how: Any) -> Run:
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


def _check_decisions(arm: str, alone: Sequence[SolveResult], results: Sequence[SolveResult]) -> None:
    for one, other in zip(alone, results, strict=True):
        seen = [
            (r.status, r.solution, r.branches, r.failures, r.inference.states + r.inference.recalled)
            for r in (one, other)
        ]
        if seen[0] != seen[1]:
            raise AnswerError(f"{arm}: expected the decisions of a solve alone, {seen[0]}, got {seen[1]}")


def _stream(suite: Gather, network: LoadedNetwork) -> dict[str, Any]:
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
