"""What networks and search nodes cost: latency, throughput, gathered inference, nodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.records import Record
from benchmarks.report.parts import Axis, Block, Chart, Place, Row, Section, Series, Table
from benchmarks.report.places import QUASIGROUP, place_of


def latency_section(records: Sequence[Record]) -> Section:
    """Return the part of the page of the suite ``latency``."""
    rows = []
    for record in records:
        config, result = record["config"], record["result"]
        low, high = np.quantile(result["ms_runs"], [0.25, 0.75])
        rows.append(
            Row(
                [
                    f"order {config['order']}, {config['holes']:.0%} holes",
                    result["candidates"],
                    config["arm"],
                    config["provider"].removesuffix("ExecutionProvider"),
                    config["threads"],
                    round(result["ms"], 2),
                    f"{low:.2f} to {high:.2f}",
                    round(result["ms_fastest"], 2),
                    round(result["encode_ms"], 2),
                ],
                config["arm"],
                place_of(record),
            )
        )
    return Section(
        "latency",
        "How long one answer of a network takes",
        "Milliseconds to score one state, the root of a large quasigroup with holes after propagation, in one call.",
        [
            Table(
                "Milliseconds",
                [
                    "state",
                    "candidates",
                    "network",
                    "runs on",
                    "threads",
                    "median",
                    "quartiles",
                    "fastest",
                    "encoding the state",
                ],
                rows,
                "Encoding the state comes on top in a search, and is timed apart.",
            )
        ],
    )


def throughput_section(records: Sequence[Record]) -> Section:
    """Return the part of the page of the suite ``throughput``."""
    rows, series = [], []
    arms: dict[str, list[Record]] = {}
    for record in records:
        config, result = record["config"], record["result"]
        arm = f"{config['arm']}, {config['provider'].removesuffix('ExecutionProvider')}, {config['threads']} threads"
        arms.setdefault(arm, []).append(record)
        rows.append(
            Row(
                [
                    config["arm"],
                    config["provider"].removesuffix("ExecutionProvider"),
                    config["threads"],
                    config["states"],
                    result["ms"],
                    result["states_per_second"],
                    result["session_states_per_second"],
                    f"{result['share_of_session']:.0%}",
                    f"{result['difference']:.1e}",
                ],
                arm,
            )
        )
    for arm, runs in arms.items():
        points = sorted((run["config"]["states"], run["result"]["states_per_second"]) for run in runs)
        series.append(Series(arm, points))
    return Section(
        "throughput",
        "States per second by batch size",
        "One call of a network for many states at once, copies to and from a GPU included, against its session alone.",
        [
            Table(
                "Each batch",
                [
                    "network",
                    "runs on",
                    "threads",
                    "states",
                    "ms",
                    "states/s",
                    "session alone",
                    "share",
                    "largest difference from the CPU",
                ],
                rows,
                "The difference is a share of the range of a state's scores.",
            ),
            Chart(
                "States per second",
                Axis("states in a call", "log"),
                Axis("states per second", "log"),
                series,
                "Higher is better.",
            ),
        ],
    )


def gather_section(records: Sequence[Record]) -> Section:
    """Return the part of the page of the suite ``gather``."""
    blocks: list[Block] = []
    for record in records:
        config, result = record["config"], record["result"]
        place = Place(QUASIGROUP, f"order {config['order']}")
        if "arms" not in result:
            every = max(1, result["solves"] // max(1, len(result["resident_mb"])))
            points = [(float(every * (i + 1)), megabytes) for i, megabytes in enumerate(result["resident_mb"])]
            blocks.append(
                Chart(
                    f"{config['arm']}: memory over {result['solves']:,} solves in {result['seconds']:.0f} s",
                    Axis("solves"),
                    Axis("resident megabytes"),
                    [Series(config["arm"], points)],
                )
            )
            continue
        rows = []
        alone = result["arms"]["alone"]["seconds"]
        for name, runs in result["arms"].items():
            speed = [config["count"] * config["rounds"] / seconds for seconds in runs["seconds"]]
            over = [one / other for one, other in zip(alone, runs["seconds"], strict=True)]
            batch = np.median([n / b for n, b in zip(runs["states"], runs["batches"], strict=True)])
            rows.append(
                Row(
                    [
                        name,
                        float(f"{np.median(speed):.3g}"),
                        f"{min(speed):.3g} to {max(speed):.3g}",
                        float(f"{np.median(over):.3g}"),
                        float(f"{batch:.3g}"),
                    ],
                    name,
                    place,
                )
            )
        blocks.append(
            Table(
                f"{config['arm']}: {config['count']} squares of order {config['order']}, {config['holes']:.0%} holes, "
                f"solved {config['rounds']} times, {config['concurrency']} at the same time",
                ["how", "searches per second (median)", "range", "times alone", "states in an inference"],
                rows,
                f"{config['repeats']} runs of each, in turns; every decision equals that of a solve alone.",
            )
        )
    return Section(
        "gather",
        "Many searches whose inferences are gathered",
        "The same squares solved one after the other, and at the same time with one inference for many searches.",
        blocks,
    )


def nodes_section(records: Sequence[Record]) -> Section:
    """Return the part of the page of the suite ``nodes``."""
    rows = []
    for record in records:
        for arm, walk in record["result"].items():
            low, high = min(walk["us_per_branch_walks"]), max(walk["us_per_branch_walks"])
            rows.append(
                Row(
                    [
                        f"order {record['config']['order']}, {record['config']['holes']:.0%} holes",
                        arm,
                        float(f"{walk['us_per_branch']:.3g}"),
                        f"{low:.3g} to {high:.3g}",
                        walk["branches"],
                        walk["failures"],
                        walk["calls"],
                    ],
                    arm,
                    place_of(record),
                )
            )
    return Section(
        "nodes",
        "What a search node costs outside inference",
        "The engine's own phase (native) against the phase that asks a network, with one that answers at no cost.",
        [
            Table(
                "Microseconds per branch",
                ["square", "arm", "median", "range", "branches", "failures", "calls"],
                rows,
            )
        ],
    )
