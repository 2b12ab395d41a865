from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ortools.sat.python import cp_model
from stand_ins import FixedScorer, RandomGraphScorer

from nnsearch import cp
from nnsearch.cli.main import main
from nnsearch.cp.search_options import SearchOptions
from nnsearch.cp.trace import page as trace_page
from nnsearch.cp.trace.events import RecordedTrace, TraceError, TraceEvent, read_trace
from nnsearch.cp.trace.page import page, payload, save_page
from nnsearch.cp.trace.recorder import Trace, layout_of
from nnsearch.cp.trace.states import MOST_VALUES, probabilities
from nnsearch.errors import ConfigError
from nnsearch.limits import Limits
from nnsearch.problems import read_problem

DEMO = """N = 4; start = [| 1, 0, 0, 0 | 0, 0, 0, 2 | 0, 0, 3, 0 | 0, 0, 0, 0 |];"""


def variables_of(model: cp_model.CpModel) -> list[cp_model.IntVar]:
    return [model.get_int_var_from_proto_index(i) for i in range(len(model.proto.variables))]


def small_model() -> cp_model.CpModel:
    model = cp_model.CpModel()
    x, y = model.new_int_var(1, 3, "x"), model.new_int_var(1, 3, "y")
    model.add(x + y <= 4)
    model.add(x - y != 2)
    return model


def traced(path: Path, model: cp_model.CpModel, scorer: Any, megabytes: float = 1.0, **how: Any) -> RecordedTrace:
    cp.solve(model, variables_of(model), scorer, SearchOptions(**how), trace=Trace(path, states=megabytes))
    return read_trace(path)


def whole_states(events: list[TraceEvent]) -> list[tuple[TraceEvent, dict[str, Any]]]:
    state: dict[str, Any] = {}
    found = []
    for event in events:
        if event.state is not None:
            state = {**state, **event.state}
            found.append((event, state))
    return found


def test_what_is_written_of_a_node(tmp_path: Path) -> None:
    scorer = FixedScorer([[np.log(4), np.log(3), np.log(5)], [0.0, 0.0, -20.0]])
    events = traced(tmp_path / "trace", small_model(), scorer).events
    first, *_, last = whole_states(events)
    assert first[1] == {"x": [3, 417, 1, 333, 2, 250], "y": [1, 500, 2, 500, 3, 0]}
    assert (last[0].outcome, last[1]) == ("solution", {"x": 1, "y": 1})


@pytest.mark.parametrize("seed", range(8))
def test_states_are_those_of_their_nodes(tmp_path: Path, seed: int) -> None:
    """What is open was never removed on the path, and the decision is among it."""
    model = cp_model.CpModel()
    cells = [model.new_int_var(1, 6, f"c{i}") for i in range(6)]
    model.add_all_different(cells)
    model.add(cells[0] + cells[1] > cells[2] + 5)
    events = traced(
        tmp_path / "trace", model, RandomGraphScorer(seed), restarts=cp.Restarts(2), policy=cp.InferencePolicy(2)
    ).events
    opened = {event.node: event for event in events if event.outcome == "open"}
    for event, state in whole_states(events):
        assert set(state) == {f"c{i}" for i in range(6)}
        for entry in state.values():
            if isinstance(entry, list):
                assert len(entry) % 2 == 0
                assert sum(entry[1::2]) == pytest.approx(1000, abs=10)
        node, branch = event.node, event.branch
        if event.outcome == "open":
            entry = state[event.variable or ""]
            assert event.value in entry[::2]
            node = event.parent or 0
        while node:
            decision = opened[node]
            entry = state[decision.variable or ""]
            values = entry[::2] if isinstance(entry, list) else [entry]
            assert (values == [decision.value]) if branch == "left" else (decision.value not in values)
            node, branch = decision.parent or 0, decision.branch
    assert sum(event.state is not None for event in events) == len(opened) + 1


GOLDEN = """
{"outcome":"open","node":1,"branch":"left","depth":0,"run":0,"ms":0,"inferences":1,"parent":0,"variable":"x","value":3,\
"score":5.0,"rank":1,"state":{"x":[3,665,1,245,2,90],"y":[2,506,3,307,1,186]}}
{"outcome":"failed","node":1,"branch":"left","depth":1,"run":0,"ms":0,"inferences":1}
{"outcome":"refuted","node":1,"branch":"right","depth":1,"run":0,"ms":0,"inferences":1}
{"outcome":"open","node":2,"branch":"right","depth":1,"run":0,"ms":0,"inferences":1,"parent":1,"variable":"x",\
"value":1,"score":4.0,"rank":1,"state":{"x":[1,731,2,269]}}
{"outcome":"open","node":3,"branch":"left","depth":2,"run":0,"ms":0,"inferences":2,"parent":2,"variable":"y",\
"value":2,"score":1.0,"rank":1,"state":{"x":1}}
{"outcome":"solution","node":3,"branch":"left","depth":3,"run":0,"ms":0,"inferences":3,"objective":null,"state":{"y":2}}
"""


def test_the_format(tmp_path: Path) -> None:
    """x = 3 is a dead end, as propagation finds out."""
    traced(tmp_path / "trace", small_model(), FixedScorer([[4.0, 3.0, 5.0], [0.0, 1.0, 0.5]]))
    header, *lines = (tmp_path / "trace").read_text(encoding="utf-8").splitlines()
    assert json.loads(header)["version"] == 2
    assert [re.sub(r'"ms":[\d.]+', '"ms":0', line) for line in lines] == GOLDEN.strip().splitlines()


def test_states_change_nothing_and_are_asked_for(tmp_path: Path) -> None:
    with_states = traced(tmp_path / "a", small_model(), FixedScorer(np.eye(2, 3)))
    model = small_model()
    cp.solve(model, variables_of(model), FixedScorer(np.eye(2, 3)), trace=Trace(tmp_path / "b"))
    without = read_trace(tmp_path / "b")
    assert [(e.outcome, e.node) for e in with_states.events] == [(e.outcome, e.node) for e in without.events]
    assert with_states.header["states"] == 1.0
    assert "states" not in without.header
    assert '"state"' not in (tmp_path / "b").read_text(encoding="utf-8")


def test_large_domains_are_cut_and_counted(tmp_path: Path) -> None:
    model = cp_model.CpModel()
    x, y = model.new_int_var(1, 40, "x"), model.new_int_var(1, 40, "y")
    model.add(x != y)
    entry = (traced(tmp_path / "trace", model, RandomGraphScorer(1)).events[0].state or {})["x"]
    assert isinstance(entry, list)
    assert (len(entry), entry[-1]) == (2 * MOST_VALUES + 1, 40 - MOST_VALUES)


def test_the_file_holds_no_more_states_than_allowed(tmp_path: Path) -> None:
    model = cp_model.CpModel()
    cells = [model.new_int_var(1, 8, f"c{i}") for i in range(9)]
    for i, cell in enumerate(cells):
        for other in cells[:i]:
            model.add(cell != other)
    trace = traced(tmp_path / "trace", model, RandomGraphScorer(1), 0.002, limits=Limits(failures=50))
    states = [event.state for event in trace.events if event.outcome == "open"]
    assert states[0] is not None
    assert states[-1] is None
    assert sum(len(json.dumps(state, separators=(",", ":"))) for state in states if state is not None) < 2000


def test_megabytes_are_above_zero(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected above 0 megabytes for states, got 0$"):
        Trace(tmp_path / "trace", states=0)


def test_probabilities() -> None:
    scores = np.array([0, np.log(3), -np.inf, -np.inf, 1e30, -1e30, -np.inf], dtype=np.float32)
    assert probabilities(scores, np.array([0, 2, 4])) == pytest.approx([0.25, 0.75, 0, 0, 1, 0, 0])
    nothing = np.zeros(0, dtype=np.int64)
    assert probabilities(nothing.astype(np.float32), nothing).tolist() == []


class Loaded(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href")]


def test_the_page_loads_nothing_and_holds_the_trace(tmp_path: Path) -> None:
    trace = traced(tmp_path / "trace", small_model(), FixedScorer(np.eye(2, 3)))
    text = page(trace)
    assert Loaded(text).found == []
    assert "default-src 'none'" in text
    assert "{{" not in text
    held = json.loads(text.partition('id="payload">')[2].partition("</script>")[0])
    assert held == json.loads(json.dumps(payload(trace)))
    assert held["names"] == ["x", "y"]
    assert held["events"]["node"][0] == 1
    assert held["states"][0][0] == 0
    assert held["totals"] == {"events": len(trace.events), "states": len(held["states"])}


def test_names_cannot_end_the_script_that_holds_them() -> None:
    event = TraceEvent("open", 1, "left", 0, 0, 0.0, 0, 0, "</script><b>", 1)
    assert "</script><b>" not in page(RecordedTrace({"instance": "<b>"}, [event]))


def test_a_long_trace_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_page, "MOST_EVENTS", 3)
    monkeypatch.setattr(trace_page, "MOST_STATE_BYTES", 40)
    event = TraceEvent("open", 1, "left", 0, 0, 0.0, 0, 0, "x", 1, state={"x": [1, 500, 2, 500]})
    held = payload(RecordedTrace({}, [event] * 5))
    assert len(held["events"]["node"]) == 3
    assert len(held["states"]) == 1
    assert held["totals"] == {"events": 5, "states": 5}


def test_a_trace_without_states_opens(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text(
        '{"format": "nnsearch.trace", "version": 2}\n'
        '{"outcome": "failed", "node": 0, "branch": "left", "depth": 0, "run": 0, "ms": 0.1, "inferences": 0}\n',
        encoding="utf-8",
    )
    save_page(read_trace(path), tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size > 1000
    save_page(RecordedTrace({}, []), tmp_path / "empty.html")
    with pytest.raises(TraceError, match=r"the page cannot be written: No such file or directory$"):
        save_page(read_trace(path), tmp_path / "no-such" / "page.html")


def test_a_state_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text(
        '{"format": "nnsearch.trace", "version": 2}\n{"outcome": "failed", "node": 0, "branch": "left", "depth": 0, '
        '"run": 0, "ms": 0.1, "inferences": 0, "state": 1}\n',
        encoding="utf-8",
    )
    with pytest.raises(TraceError, match=r"line 2: state: expected an object or null, got 1$"):
        read_trace(path)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    square, trace, out = tmp_path / "square.dzn", tmp_path / "trace", tmp_path / "page.html"
    square.write_text(DEMO, encoding="utf-8")
    assert main(["solve", str(square), "--trace", str(trace), "--trace-scores"]) == 0
    assert main(["trace", str(trace), "--html", str(out)]) == 0
    header = read_trace(trace).header
    assert header["grid"] == {
        "order": 4,
        "box": None,
        "given": [[1, 0, 0, 0], [0, 0, 0, 2], [0, 0, 3, 0], [0, 0, 0, 0]],
        "cell": "x[{row},{column}]",
    }
    assert "square, replayed" in out.read_text(encoding="utf-8")
    capsys.readouterr()
    for wrong, message in (
        (["--trace-scores"], "--trace-scores is for --trace; add it or leave the scores out"),
        (
            ["--trace", str(trace), "--trace-scores", "--model", "none"],
            "--trace-scores has no meaning for --model none",
        ),
        (["--trace-scores", "--engine", "race"], "--trace-scores has no meaning for --engine race"),
    ):
        assert main(["solve", str(square), *wrong]) == 2
        assert message in capsys.readouterr().err


def test_how_instances_lie_on_paper(tmp_path: Path) -> None:
    sudoku = tmp_path / "s.sdk"
    sudoku.write_text("1...\n..2.\n.3..\n...4\n", encoding="utf-8")
    assert layout_of(read_problem(str(sudoku)))["grid"]["box"] == 2
    graph = tmp_path / "g.col"
    graph.write_text("p edge 2 1\ne 1 2\n", encoding="utf-8")
    assert layout_of(read_problem(str(graph), None, 2)) == {"instance": "g"}
