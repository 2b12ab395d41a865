"""How long one state of a large partial Latin square takes a network on the candidate graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import Annotated, Any

import numpy as np

from benchmarks.instances.squares import fresh_quasigroups
from benchmarks.networks import LoadedNetwork
from benchmarks.options import Options
from benchmarks.records import Job, Record
from benchmarks.rendering.parts import Cell, Group, Table
from benchmarks.rendering.places import place_of
from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.errors import ConfigError
from nnsearch.model.graph import CandidateGraph
from nnsearch.scorers.latency import milliseconds
from training.config import at_least


@dataclass(frozen=True)
class LatencySuite(Options):
    """What to score.

    Args:
        order: order of the square.
        holes: share of the cells that are holes.
        repeats: timed runs.
        seed: seed of the square.
    """

    order: int = 50
    holes: float = 0.42
    repeats: Annotated[int, at_least(1)] = 30
    seed: int = 1


def root_state(order: int, holes: float, seed: int) -> tuple[CandidateGraph, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Return the graph of a quasigroup with holes, and bool[N], what the singles of its groups leave.

    Raises:
        ConfigError: a number is out of range, or nothing is left open.
    """
    graph = CandidateGraph.from_model(fresh_quasigroups(order, holes, 1, seed)[0].build()[0])
    alive = graph.propagate(np.ones(graph.num_candidates, dtype=bool))
    if (graph.count(alive) < 2).all():
        raise ConfigError("propagation alone completes this square, so there is nothing to score; use more holes")
    return graph, alive


def jobs(suite: LatencySuite, networks: Sequence[Sequence[LoadedNetwork]]) -> list[Job]:
    """Return one job for each network and number of threads, from the same networks opened with several.

    Raises:
        ConfigError: a network is a one-hot network, or there is none.
    """
    if not any(networks):
        raise ConfigError("expected a network on the candidate graph, got none; give --models")
    for network in networks[0]:
        if network.order is not None:
            raise ConfigError(f"{network.name}: expected a network on the candidate graph, got a one-hot network")

    @cache
    def root() -> tuple[CandidateGraph, np.ndarray[Any, np.dtype[np.bool_]]]:
        return root_state(suite.order, suite.holes, suite.seed)

    def measure(network: LoadedNetwork) -> dict[str, Any]:
        graph, alive = root()
        scorer = network.scorer
        prepared = scorer.prepare(graph)
        prepared.advise(alive[None])  # checks the shape, and that all scores are finite
        state: GraphState = prepared.encoding.encode(alive)
        feed = scorer.encoder.unite([state])
        times = milliseconds(lambda: scorer.run(feed), suite.repeats)
        encoding = milliseconds(lambda: prepared.encoding.encode(alive), suite.repeats)
        return {
            "candidates": state.num_candidates,
            "groups": len(state.group_features),
            "incidences": len(state.edge_group),
            "ms": round(float(np.median(times)), 4),
            "ms_fastest": min(times),
            "ms_runs": times,
            "encode_ms": round(float(np.median(encoding)), 4),
        }

    return [
        Job({"suite": "latency", **asdict(suite), "arm": network.name, **network.config}, partial(measure, network))
        for same in zip(*networks, strict=True)
        for network in same
    ]


def summary(records: Sequence[Record]) -> Group:
    """Return a row for each network and number of threads."""
    rows = []
    for record in records:
        config, result = record["config"], record["result"]
        low, high = np.quantile(result["ms_runs"], [0.25, 0.75])
        cells: dict[str, Cell] = {
            "state": f"order {config['order']}, {config['holes']:.0%} holes",
            "candidates": result["candidates"],
            "groups": result["groups"],
            "incidences": result["incidences"],
            "network": config["arm"],
            "runs on": config["provider"].removesuffix("ExecutionProvider"),
            "threads": config["threads"],
            "median": f"{result['ms']:.2f}",
            "quartiles": f"{low:.2f} to {high:.2f}",
            "fastest": f"{result['ms_fastest']:.2f}",
            "encoding": f"{result['encode_ms']:.2f}",
        }
        rows.append((cells, config["arm"], place_of(record)))
    title = f"Milliseconds of the root of a quasigroup after propagation, {records[0]['config']['repeats']} runs"
    return Group("", [Table.of(title, rows, "Encoding the state comes on top in a search, and is timed apart.")])
