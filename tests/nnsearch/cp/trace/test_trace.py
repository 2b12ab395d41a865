from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from stand_ins import (
    FixedGraphScorer,
    FixedScorer,
    LinearScorer,
    RandomGraphScorer,
    brute_force,
    domains,
    graph_of,
    models,
)

from nnsearch import cp
from nnsearch.cp import Discrepancies, InferencePolicy, Restarts
from nnsearch.cp.search_options import VARIABLE_ORDERS, SearchOptions, VariableOrder
from nnsearch.cp.trace.events import RecordedTrace, TraceError, TraceEvent, read_trace
from nnsearch.cp.trace.recorder import Trace
from nnsearch.cp.trace.report import report, right_tries
from nnsearch.errors import ConfigError
from nnsearch.limits import Limits
from nnsearch.result import SolveResult, Status


def variables_of(model: cp_model.CpModel) -> list[cp_model.IntVar]:
    return [model.get_int_var_from_proto_index(i) for i in range(len(model.proto.variables))]


def pigeons(count: int, holes: int) -> cp_model.CpModel:
    model = cp_model.CpModel()
    variables = [model.new_int_var(1, holes, f"v{i}") for i in range(count)]
    for i, variable in enumerate(variables):
        for other in variables[:i]:
            model.add(variable != other)
    return model


def recorded(path: Path, model: cp_model.CpModel, scorer: Any, **how: Any) -> tuple[SolveResult, RecordedTrace]:
    result = cp.solve(model, variables_of(model), scorer, SearchOptions(**how), trace=Trace(path))
    return result, read_trace(path)


GOLDEN = """
{"outcome": "open", "node": 1, "branch": "left", "depth": 0, "run": 0, "ms": 0, "inferences": 1, "parent": 0, \
"variable": "x", "value": 3, "score": 5.0, "rank": 1}
{"outcome": "failed", "node": 1, "branch": "left", "depth": 1, "run": 0, "ms": 0, "inferences": 1}
{"outcome": "refuted", "node": 1, "branch": "right", "depth": 1, "run": 0, "ms": 0, "inferences": 1}
{"outcome": "open", "node": 2, "branch": "right", "depth": 1, "run": 0, "ms": 0, "inferences": 1, "parent": 1, \
"variable": "x", "value": 1, "score": 4.0, "rank": 1}
{"outcome": "open", "node": 3, "branch": "left", "depth": 2, "run": 0, "ms": 0, "inferences": 2, "parent": 2, \
"variable": "y", "value": 2, "score": 1.0, "rank": 1}
{"outcome": "solution", "node": 3, "branch": "left", "depth": 3, "run": 0, "ms": 0, "inferences": 2, "objective": null}
"""


def golden_model() -> cp_model.CpModel:
    """x, which has no solution at 3 as propagation finds out, and y, which it leaves open."""
    model = cp_model.CpModel()
    model.name = "golden"
    x, y = model.new_int_var(1, 3, "x"), model.new_int_var(1, 3, "y")
    model.add(x + y <= 4)
    model.add(x - y != 2)
    return model


def without_times(path: Path) -> str:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines[1:]:
        assert line["ms"] >= 0
        line["ms"] = 0
    return "\n".join(map(json.dumps, lines[1:]))


@pytest.mark.parametrize("order", VARIABLE_ORDERS)
def test_the_format(tmp_path: Path, order: VariableOrder) -> None:
    scorer = FixedScorer([[4.0, 3.0, 5.0], [0.0, 1.0, 0.5]])
    path = tmp_path / "trace.jsonl"
    result, trace = recorded(path, golden_model(), scorer, variable_order=order, policy=InferencePolicy(2))
    assert result.solution == [1, 2]
    assert without_times(path) == GOLDEN.strip()
    assert trace.header == {
        "format": "nnsearch.trace",
        "version": 2,
        "ortools": trace.header["ortools"],
        "engine": "cp",
        "model": "fixed",
        "problem": "golden",
        "variables": 2,
        "constraints": 2,
        "objective": False,
    }
    assert trace.events[-1] == TraceEvent(
        outcome="solution", node=3, branch="left", depth=3, run=0, ms=trace.events[-1].ms, inferences=2
    )


@settings(max_examples=75)
@given(
    models(),
    st.sampled_from(VARIABLE_ORDERS),
    st.sampled_from([{}, {"restarts": Restarts(1)}, {"discrepancies": Discrepancies()}]),
    st.sampled_from([InferencePolicy(), InferencePolicy(3, below=0.5)]),
    st.booleans(),
    st.integers(0, 99),
)
def test_a_trace_is_the_tree_of_the_search(
    tmp_path_factory: pytest.TempPathFactory,
    model: cp_model.CpModel,
    order: VariableOrder,
    how: dict[str, Any],
    policy: InferencePolicy,
    optimise: bool,
    seed: int,
) -> None:
    solutions = brute_force(model)
    if optimise:
        model.minimize(sum(variables_of(model)))
    values = [value for domain in domains(model) for value in domain]
    size = len(model.proto.variables), max(values) - min(values) + 1
    path = tmp_path_factory.mktemp("traces") / "trace"
    how = {"variable_order": order, "policy": policy, **how}
    reads_graph = seed % 2 == 0 and graph_of(model).report.num_constraints > 0

    def scorer() -> LinearScorer | RandomGraphScorer:
        return RandomGraphScorer(seed) if reads_graph else LinearScorer(*size, seed)

    result, trace = recorded(path, model, scorer(), **how)
    untraced = cp.solve(model, variables_of(model), scorer(), SearchOptions(**how))
    assert (untraced.solution, untraced.failures, untraced.branches) == (
        result.solution,
        result.failures,
        result.branches,
    )
    opened: dict[int, TraceEvent] = {}
    refuted: set[int] = set()
    count = Counter(event.outcome for event in trace.events)
    for event in trace.events:
        if event.outcome == "open":
            assert event.node == len(opened) + 1
            assert event.parent == 0 or event.parent in opened
            assert (event.branch == "right") == (event.parent in refuted)
            above = opened.get(event.parent or 0)
            assert event.depth == (0 if above is None else above.depth + 1)
            assert event.rank == 1 or reads_graph
            opened[event.node] = event
        elif event.outcome == "refuted":
            assert event.node not in refuted
            refuted.add(event.node)
        elif event.node:
            assert event.depth == opened[event.node].depth + 1
            assert (event.branch == "right") == (event.node in refuted)
    assert count["solution"] == (len(result.improvements) if optimise else bool(solutions))
    if result.status is Status.INFEASIBLE:
        last_run = [node for node, event in opened.items() if event.run == trace.events[-1].run]
        assert refuted >= set(last_run)
    if result.solution is not None:
        value_of = dict(zip((v.name for v in model.proto.variables), result.solution, strict=True))
        node = next(event for event in reversed(trace.events) if event.outcome == "solution")
        while node.node:
            decision = opened[node.node]
            assert (value_of[decision.variable or ""] == decision.value) == (node.branch == "left")
            node = replace(decision, node=decision.parent or 0)
    ranks = right_tries(trace.events)
    assert ranks.total() <= len(model.proto.variables)
    assert report(trace)


@pytest.mark.parametrize("seed", range(6))
def test_the_decisions_on_the_path_make_the_solution(tmp_path: Path, seed: int) -> None:
    """With scores of other nodes, the value chosen need not be the best of those that its variable ever got."""
    model = pigeons(6, 6)
    model.maximize(sum((i * seed + i) % 5 * v for i, v in enumerate(variables_of(model))))
    solutions: list[list[int]] = []
    path = tmp_path / "trace"
    cp.solve(
        model,
        variables_of(model),
        RandomGraphScorer(seed),
        SearchOptions(policy=InferencePolicy(3)),
        on_solution=lambda values, _: solutions.append(values),
        trace=Trace(path),
    )
    events = read_trace(path).events
    opened = {event.node: event for event in events if event.outcome == "open"}
    found = [event for event in events if event.outcome == "solution"]
    assert len(found) == len(solutions) > 0
    for node, solution in zip(found, solutions, strict=True):
        while node.node:
            decision = opened[node.node]
            value = solution[int((decision.variable or "")[1:])]
            assert (value == decision.value) == (node.branch == "left")
            node = replace(decision, node=decision.parent or 0)
    assert seed != 0 or any(event.rank != 1 for event in opened.values())


def test_nothing_after_the_limit(tmp_path: Path) -> None:
    result, trace = recorded(tmp_path / "trace", pigeons(8, 7), None, limits=Limits(failures=20))
    assert result.status is Status.UNKNOWN
    count = Counter(event.outcome for event in trace.events)
    assert count["failed"] == 20
    assert all(event.score is None and event.rank is None for event in trace.events)


def test_runs_and_what_they_leave_out(tmp_path: Path) -> None:
    scorer = LinearScorer(6, 5)
    for how in ({"restarts": Restarts(2)}, {"discrepancies": Discrepancies()}):
        result, trace = recorded(tmp_path / "trace", pigeons(6, 5), scorer, **how)
        assert result.status is Status.INFEASIBLE
        assert trace.events[-1].run > 1
        assert [event.run for event in trace.events] == sorted(event.run for event in trace.events)
        cut = Counter(event.run for event in trace.events if event.outcome == "cut")
        assert set(cut) == set(range(trace.events[-1].run))
        if "restarts" in how:
            assert set(cut.values()) == {1}


def test_the_rank_of_a_hinted_value(tmp_path: Path) -> None:
    model = golden_model()
    model.add_hint(variables_of(model)[0], 1)
    for scorer in (FixedScorer([[4.0, 6.0, 5.0], [0.0, 1.0, 0.5]]), FixedGraphScorer([4, 6, 5, 0, 1, 0.5])):
        _, trace = recorded(tmp_path / "trace", model, scorer, variable_order="first")
        assert (trace.events[0].value, trace.events[0].score, trace.events[0].rank) == (1, 4.0, 3)


def test_a_trace_is_for_one_search(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "trace")
    model = pigeons(3, 3)
    cp.solve(model, variables_of(model), None, trace=trace)
    with pytest.raises(ConfigError, match="holds another search already; make a new Trace"):
        cp.solve(model, variables_of(model), None, trace=trace)


def test_a_trace_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"no-such.*: the trace cannot be written: No such file or directory$"):
        recorded(tmp_path / "no-such" / "trace", pigeons(3, 3), None)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_ends_the_search() -> None:
    model = pigeons(14, 13)
    with pytest.raises(TraceError, match=r"^/dev/full: the trace cannot be written: No space left on device$"):
        cp.solve(model, variables_of(model), None, SearchOptions(limits=Limits(seconds=20)), trace=Trace("/dev/full"))


HEADER = '{"format": "nnsearch.trace", "version": 2}'
EVENT = '{"outcome": "failed", "node": 0, "branch": "left", "depth": 0, "run": 0, "ms": 0.1, "inferences": 0}'
NEGATIVE = EVENT.replace('"depth": 0', '"depth": -1')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r": expected a trace, No such file or directory$"),
        (b"\xff\xfe", r": expected a trace, not a text file$"),
        ("", r": expected a trace \(format nnsearch.trace in the first line\), this is something else$"),
        ("[1]\n", r", line 1: expected a JSON object, got '\[1\]'$"),
        ('{"format": "other"}\n', r": expected a trace \(format"),
        ('{"format": "nnsearch.trace", "version": 3}\n', r": expected a trace of version 2, got 3$"),
        (f"{HEADER}\n{EVENT}\n{EVENT[:30]}", r", line 3: expected a JSON object, got '.*'$"),
        (f"{HEADER}\n{{}}\n", r", line 2: expected an event, missing 7 required positional arguments"),
        (f'{HEADER}\n{EVENT[:-1]}, "colour": 1}}\n', r", line 2: expected an event, .*unexpected .* 'colour'$"),
        (f"{HEADER}\n{EVENT.replace('failed', 'lost')}", r", line 2: outcome: expected one of open, .*, got 'lost'$"),
        (f"{HEADER}\n{EVENT.replace('left', 'up')}", r", line 2: branch: expected left or right, got 'up'$"),
        (f"{HEADER}\n{EVENT.replace('0.1', 'null')}", r", line 2: ms: expected a number, got None$"),
        (f"{HEADER}\n{NEGATIVE}", r", line 2: depth: expected 0 or more, got -1$"),
        (f"{HEADER}\n{EVENT.replace('failed', 'open')}", r", line 2: variable: expected a name, got None$"),
    ],
)
def test_what_is_not_a_trace_is_refused(tmp_path: Path, text: str | bytes | None, message: str) -> None:
    path = tmp_path / "trace"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TraceError, match=message) as caught:
        read_trace(path)
    assert "\n" not in str(caught.value)


def test_the_report(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text("\n".join([HEADER, *GOLDEN.strip().splitlines()]), encoding="utf-8")
    text = report(read_trace(path))
    assert "3 decisions, 1 dead ends, 1 refuted, 0 cut, 1 solutions, 1 runs, 2 inferences" in text
    assert "as two branches" in text
    # x had its second value at the solution, y its first.
    assert right_tries(read_trace(path).events) == Counter({1: 1, 2: 1})
    assert "\n        1.         1   50.0%\n        2.         1   50.0%\n" in text
    assert "\n         1         1  ########################################\n" in text


def test_the_report_of_an_empty_trace(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text(HEADER, encoding="utf-8")
    assert "0 decisions" in report(read_trace(path))


def test_the_report_of_a_long_search(tmp_path: Path) -> None:
    _, trace = recorded(tmp_path / "trace", pigeons(9, 8), None, limits=Limits(failures=3000))
    lines = report(trace).splitlines()
    assert len(lines) < 60
    assert max(map(len, lines)) < 120


def test_scores_that_are_missing_are_null(tmp_path: Path) -> None:
    """Values that reopened since the last inference of a graph network have no score if they never had one."""
    path = tmp_path / "trace"
    recorded(path, golden_model(), FixedGraphScorer(np.arange(6.0)), policy=InferencePolicy(0))
    assert "Infinity" not in path.read_text(encoding="utf-8")
