"""Ways to sum over the groups of a candidate graph in ONNX Runtime, and to bring the sums back to the candidates.

A network on the candidate graph does both in every round, with C channels for each incidence of a candidate and a
group. The sizes are those of the root of a large quasigroup with holes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from benchmarks.records import Job, Record
from benchmarks.suites.latency import Latency, root_state
from benchmarks.suites.search import AnswerError
from nnsearch.encoding.candidate_graph import encode
from nnsearch.inference.latency import milliseconds

CHANNELS = (1, 8, 16, 32)
THREADS = (1, 2)

Feed = dict[str, npt.NDArray[Any]]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SegmentSum(Latency):
    """What to sum; see :class:`benchmarks.suites.latency.Latency`."""


@dataclass(frozen=True)
class _Problem:
    """Messages float32[E, C], the group of each int64[E], the number of groups."""

    messages: FloatArray
    group: IntArray
    num_groups: int

    @property
    def sums(self) -> FloatArray:
        """float32[G, C], by numpy in double precision."""
        total = np.zeros((self.num_groups, self.messages.shape[1]))
        np.add.at(total, self.group, self.messages.astype(np.float64))
        return total.astype(np.float32)


def _scatter_elements(problem: _Problem) -> tuple[list[Any], Feed]:
    index = np.repeat(problem.group[:, None], problem.messages.shape[1], axis=1)
    node = helper.make_node("ScatterElements", ["zeros", "index", "messages"], ["y"], axis=0, reduction="add")
    return [node], {"zeros": np.zeros_like(problem.sums), "index": index, "messages": problem.messages}


def _scatter_nd(problem: _Problem) -> tuple[list[Any], Feed]:
    node = helper.make_node("ScatterND", ["zeros", "index", "messages"], ["y"], reduction="add")
    return [node], {
        "zeros": np.zeros_like(problem.sums),
        "index": problem.group[:, None],
        "messages": problem.messages,
    }


def _padded_gather(problem: _Problem) -> tuple[list[Any], Feed]:
    """Gather the members of each group, as many as the largest has; the padding points at a row of zeros."""
    size = np.bincount(problem.group, minlength=problem.num_groups)
    order = np.argsort(problem.group, kind="stable")
    place = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    member = np.full((problem.num_groups, size.max()), len(order))
    member[problem.group[order], place] = order
    padded = np.concatenate([problem.messages, np.zeros_like(problem.messages[:1])])
    nodes = [
        helper.make_node("Gather", ["messages", "member"], ["members"], axis=0),
        helper.make_node("ReduceSum", ["members", "axis"], ["y"], keepdims=0),
    ]
    return nodes, {"messages": padded, "member": member, "axis": np.array([1])}


def _gather(problem: _Problem) -> tuple[list[Any], Feed]:
    node = helper.make_node("Gather", ["sums", "index"], ["y"], axis=0)
    return [node], {"sums": problem.sums, "index": problem.group}


def _gather_elements(problem: _Problem) -> tuple[list[Any], Feed]:
    index = np.repeat(problem.group[:, None], problem.messages.shape[1], axis=1)
    node = helper.make_node("GatherElements", ["sums", "index"], ["y"], axis=0)
    return [node], {"sums": problem.sums, "index": index}


SUMS: dict[str, Callable[[_Problem], tuple[list[Any], Feed]]] = {
    "ScatterElements(add)": _scatter_elements,
    "ScatterND(add)": _scatter_nd,
    "padded Gather + ReduceSum": _padded_gather,
}
"""Name -> (nodes, inputs) that sum the messages of each group."""

WAYS_BACK: dict[str, Callable[[_Problem], tuple[list[Any], Feed]]] = {
    "Gather": _gather,
    "GatherElements": _gather_elements,
}
"""Name -> (nodes, inputs) that bring the sum of its group to each incidence."""


def jobs(suite: SegmentSum) -> list[Job]:
    """Return one job for each operator, number of channels and number of threads."""

    @cache
    def incidences() -> tuple[IntArray, int]:
        state = encode(*root_state(suite.order, suite.holes, suite.seed))
        return state.edge_group, len(state.group_features)

    def measure(operator: str, channels: int, threads: int) -> dict[str, Any]:
        group, num_groups = incidences()
        messages = np.random.default_rng(suite.seed).random((len(group), channels), dtype=np.float32)
        problem = _Problem(messages, group, num_groups)
        expected = problem.sums if operator in SUMS else problem.sums[group]
        nodes, feed = (SUMS | WAYS_BACK)[operator](problem)
        session = _session(nodes, feed, threads)
        got = session.run(["y"], feed)[0]
        if got.shape != expected.shape or not np.allclose(got, expected, rtol=1e-4, atol=1e-5):
            raise AnswerError(f"{operator}: expected the sums that numpy has, got others")
        times = milliseconds(lambda: session.run(["y"], feed), suite.repeats)
        return {
            "groups": num_groups,
            "incidences": len(group),
            "largest_group": int(np.bincount(group).max()),
            "ms": round(float(np.median(times)), 4),
            "ms_fastest": min(times),
            "checked": True,
        }

    return [
        Job(
            {
                "suite": "segment-sum",
                **asdict(suite),
                "operator": operator,
                "direction": "sum" if operator in SUMS else "back",
                "channels": channels,
                "threads": threads,
            },
            partial(measure, operator, channels, threads),
        )
        for channels in CHANNELS
        for threads in THREADS
        for operator in (*SUMS, *WAYS_BACK)
    ]


def table(records: Sequence[Record]) -> str:
    """Return the summary of a run."""
    config, result = records[0]["config"], records[0]["result"]
    columns = dict.fromkeys((record["config"]["channels"], record["config"]["threads"]) for record in records)
    lines = [
        f"order {config['order']}, {config['holes']:.0%} holes: {result['incidences']:,} incidences, "
        f"{result['groups']:,} groups of up to {result['largest_group']}",
        f"milliseconds, median of {config['repeats']} runs; answers compared with numpy's",
        "",
        f"{'channels':28}" + "".join(f"{channels:>9}" for channels, _ in columns),
        f"{'threads':28}" + "".join(f"{threads:>9}" for _, threads in columns),
    ]
    for operator in dict.fromkeys(record["config"]["operator"] for record in records):
        times = {
            (record["config"]["channels"], record["config"]["threads"]): record["result"]["ms"]
            for record in records
            if record["config"]["operator"] == operator
        }
        lines.append(f"{operator:28}" + "".join(f"{times[column]:9.3f}" for column in columns))
    return "\n".join(lines)


def _session(nodes: list[Any], feed: Feed, threads: int) -> ort.InferenceSession:
    types = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}
    constants = [numpy_helper.from_array(feed.pop("axis"), "axis")] if "axis" in feed else []
    graph = helper.make_graph(
        nodes,
        "segment-sum",
        [helper.make_tensor_value_info(name, types[array.dtype], array.shape) for name, array in feed.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
