from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from ortools.sat.python import cp_model
from stand_ins import GRAPH_INPUTS, graph_network, network, saved, with_metadata

from nnsearch import load_scorer
from nnsearch.encoding.candidate_graph import CandidateGraphEncoder, GraphEncoding
from nnsearch.encoding.one_hot import OneHot
from nnsearch.errors import ConfigError, ModelFileError, NothingToReadError, ScoreError
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.scorers.network import Network
from nnsearch.scorers.onnx import OnnxScorer
from nnsearch.scorers.scorer import FloatArray, PreparedScorer

V, D = 4, 2
N = V * D
PROPS = ModelMetadata("one_hot", "latin-square", V, D, {}).to_props()
COMPLETE = network(V, D).SerializeToString()

states = st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=N, max_size=N), min_size=1, max_size=70)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> OnnxScorer:
    return OnnxScorer(saved(network(V, D), tmp_path_factory.mktemp("models") / "small.onnx"), "cpu")


def test_what_a_scorer_says_of_itself(scorer: OnnxScorer) -> None:
    assert (scorer.name, scorer.metadata.num_variables, scorer.metadata.num_values) == ("small", V, D)
    assert scorer.provider == "CPUExecutionProvider"
    assert scorer.metadata == ModelMetadata("one_hot", "latin-square", V, D, {"loss": "none"})
    assert load_scorer(scorer) is scorer


@given(states)
def test_a_batch_equals_its_states_one_by_one(scorer: OnnxScorer, batch: list[list[float]]) -> None:
    assignment = np.array(batch, dtype=np.float32)
    before = assignment.copy()
    scores = scorer.run({"assignment": assignment})
    assert scores.dtype == np.float32
    assert scores.shape == assignment.shape
    np.testing.assert_array_equal(assignment, before)
    singles = np.concatenate([scorer.run({"assignment": state[None]}) for state in assignment])
    np.testing.assert_allclose(scores, singles, rtol=1e-6, atol=1e-6)


@given(states)
def test_scores_are_those_of_the_network(scorer: OnnxScorer, batch: list[list[float]]) -> None:
    weight, bias = (numpy_helper.to_array(t).astype(np.float64) for t in network(V, D).graph.initializer)
    expected = np.array(batch) @ weight + bias
    np.testing.assert_allclose(
        scorer.run({"assignment": np.array(batch, dtype=np.float32)}), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(tmp_path: Path, bad: float) -> None:
    path = saved(network(V, D, bias=np.array([0] * (N - 1) + [bad], dtype=np.float32)), tmp_path / "bad.onnx")
    prepared = OnnxScorer(path).prepare(CandidateGraph.from_all_different([range(D)] * V, []))
    with pytest.raises(ScoreError, match=r"^bad: expected finite scores"):
        prepared.advise(np.ones((1, N), dtype=bool))


def refusal(path: Path) -> str:
    """The error of loading, which is one line that names the file."""
    with pytest.raises(ModelFileError) as caught:
        OnnxScorer(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: expected ")
    assert message.splitlines() == [message]
    return message


@pytest.mark.parametrize("cut", [*range(0, len(COMPLETE) - 40, 31), len(COMPLETE) - 2, len(COMPLETE) - 1])
def test_a_truncated_file_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(COMPLETE[:cut])
    refusal(path)


@pytest.mark.parametrize("content", [b"", b"not a network\n", b"\x00" * 1000, b"\x89PNG\r\n\x1a\n" * 9], ids=repr)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(content)
    assert "expected a complete ONNX model" in refusal(path)


def test_a_directory_or_nothing_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder.onnx"
    folder.mkdir()
    assert "found none" in refusal(folder)
    assert "found none" in refusal(tmp_path / "missing.onnx")


@pytest.mark.parametrize(
    ("metadata", "phrase"),
    [
        ({}, "found a foreign model"),
        ({**PROPS, "nnsearch.format": "7"}, "expected nnsearch.format 1 or 2, got '7'"),
        (
            {**PROPS, "nnsearch.num_variables": "5"},
            "expected input assignment float[*, 10], got assignment float[batch, 8]",
        ),
        ({k: v for k, v in PROPS.items() if k != "nnsearch.encoder"}, "expected metadata nnsearch.encoder"),
    ],
)
def test_metadata_is_checked(tmp_path: Path, metadata: Mapping[str, str], phrase: str) -> None:
    assert phrase in refusal(saved(network(V, D, metadata=metadata), tmp_path / "x.onnx"))


def tensor(name: str, shape: list[Any] | None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def copying(
    shape: list[Any] | None, names: tuple[str, str] = ("assignment", "scores"), kind: int = TensorProto.FLOAT
) -> onnx.ModelProto:
    node = helper.make_node("Identity", names[:1], names[1:])
    ends = [tensor(name, shape, kind) for name in names]
    return with_metadata(helper.make_graph([node], "copy", ends[:1], ends[1:]), PROPS)


ASSIGNMENT, SCORES = tensor("assignment", ["batch", N]), tensor("scores", ["batch", N])


@pytest.mark.parametrize(
    ("model", "phrase"),
    [
        (copying(["batch", N], ("x", "scores")), "expected input assignment float[*, 8], got x float[batch, 8]"),
        (copying(["batch", N], ("assignment", "y")), "expected output scores float[*, 8], got y float[batch, 8]"),
        (
            copying(["batch", N], kind=TensorProto.DOUBLE),
            "expected input assignment float[*, 8], got assignment double[batch, 8]",
        ),
        (copying(["batch", N, 1]), "got assignment float[batch, 8, 1]"),
        (copying(["batch", 9]), "got assignment float[batch, 9]"),
        (copying([1, N]), "got assignment float[1, 8]"),
        (copying(None), "got assignment float[]"),
        (
            with_metadata(
                helper.make_graph(
                    [helper.make_node("Add", ["assignment", "more"], ["scores"])],
                    "two inputs",
                    [ASSIGNMENT, tensor("more", ["batch", N])],
                    [SCORES],
                ),
                PROPS,
            ),
            "expected input assignment float[*, 8], got assignment float[batch, 8], more float[batch, 8]",
        ),
        (
            with_metadata(
                helper.make_graph(
                    [helper.make_node("ReduceMax", ["assignment"], ["scores"], keepdims=1)],
                    "one score for all",
                    [ASSIGNMENT],
                    [tensor("scores", ["one", N])],
                ),
                PROPS,
            ),
            "expected output scores float[*, 8], got scores float[1, *]",
        ),
    ],
    ids=["input-name", "output-name", "dtype", "rank", "size", "fixed-batch", "no-shape", "two-inputs", "one-score"],
)
def test_inputs_and_outputs_are_checked(tmp_path: Path, model: onnx.ModelProto, phrase: str) -> None:
    assert phrase in refusal(saved(model, tmp_path / "x.onnx"))


@pytest.mark.parametrize("domain", ["", "acme"])
def test_an_operator_that_is_not_standard_is_refused(tmp_path: Path, domain: str) -> None:
    node = helper.make_node("Magic", ["assignment"], ["scores"], domain=domain)
    model = with_metadata(helper.make_graph([node], "magic", [ASSIGNMENT], [SCORES]), PROPS)
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    message = refusal(saved(model, tmp_path / "x.onnx"))
    assert "standard operators" in message
    assert "Magic" in message


def external(folder: Path, location: str) -> Path:
    """A network whose weights are in a second file, at a location relative to its folder."""
    model = network(V, D)
    weight = model.graph.initializer[0]
    content = weight.raw_data
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, text in (("location", location), ("offset", "0"), ("length", str(len(content)))):
        weight.external_data.add(key=key, value=text)
    if "sym" not in location:
        (folder / location).write_bytes(content)
    return saved(model, folder / "external.onnx")


def test_weights_in_a_second_file(tmp_path: Path, scorer: OnnxScorer) -> None:
    path = external(tmp_path, "weights.bin")
    state = np.eye(1, N, dtype=np.float32)
    np.testing.assert_array_equal(OnnxScorer(path).run({"assignment": state}), scorer.run({"assignment": state}))
    (tmp_path / "weights.bin").unlink()
    refusal(path)


@pytest.mark.parametrize("kind", ["parent", "absolute", "symbolic-link"])
def test_weights_outside_the_folder_are_refused(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    external(tmp_path, "secret.bin")  # the file outside exists, and has the right size
    location = {"parent": "../secret.bin", "absolute": f"{tmp_path}/secret.bin", "symbolic-link": "sym.bin"}[kind]
    if kind == "symbolic-link":
        (folder / location).symlink_to(tmp_path / "secret.bin")
    refusal(external(folder, location))


def test_a_copied_file_still_loads(tmp_path: Path, scorer: OnnxScorer) -> None:
    copied = Path(shutil.copy(scorer.path, tmp_path / "größer than ever.onnx"))
    assert OnnxScorer(str(copied)).name == "größer than ever"


# -- networks on the candidate graph

SQUARE = CandidateGraph.from_model(LatinSquare(3).build()[0])
WHOLE = np.ones(SQUARE.num_candidates, dtype=bool)


def test_what_a_graph_scorer_says_of_itself(tmp_path: Path) -> None:
    path = saved(graph_network(), tmp_path / "places.onnx")
    scorer = load_scorer(path, "cpu")
    assert isinstance(scorer, OnnxScorer)
    assert (scorer.name, scorer.path, scorer.provider) == ("places", path, "CPUExecutionProvider")
    assert scorer.metadata == ModelMetadata("candidate_graph", "any", kinds=scorer.metadata.kinds)
    assert isinstance(scorer.encoder, CandidateGraphEncoder)
    assert load_scorer(scorer) is scorer
    assert OnnxScorer(saved(network(V, D), tmp_path / "small.onnx")).encoder == OneHot(V, D)
    with pytest.raises(ConfigError, match=r"^scorer: expected the name or path of a network, or a Scorer .*, got dict"):
        load_scorer({})  # type: ignore[arg-type]


@pytest.mark.parametrize("purpose", ["preference", "", None, ["objective"]])
def test_a_purpose_that_nobody_knows_is_refused(purpose: object) -> None:
    class Own:
        name = "mine"

        def __init__(self) -> None:
            self.purpose = purpose

        def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> PreparedScorer:
            raise AssertionError("a scorer that is refused is asked for nothing")

    class OwnNetwork(Network):
        name = "mine"

        def score(self, states: Sequence[object]) -> list[FloatArray]:
            raise AssertionError("a scorer that is refused is asked for nothing")

    network = OwnNetwork()
    network.purpose = purpose  # type: ignore[assignment]
    for scorer in (Own(), network):
        with pytest.raises(ConfigError) as refused:
            load_scorer(scorer)
        assert str(refused.value) == f"mine: expected purpose feasibility, objective, preferences, got {purpose!r}"


def test_scores_of_a_graph_network(tmp_path: Path) -> None:
    scorer = OnnxScorer(saved(graph_network(), tmp_path / "places.onnx"))
    state = scorer.prepare(SQUARE).encoding.encode(WHOLE)
    scores = scorer.score([state])[0]
    assert scores.dtype == np.float32
    assert scores.shape == (27,)
    np.testing.assert_array_equal(scores, np.tile([0, 0.5, 1], 9))


def test_the_encoders_are_told_apart(tmp_path: Path) -> None:
    dense, graph = saved(network(V, D), tmp_path / "dense.onnx"), saved(graph_network(), tmp_path / "graph.onnx")
    assert isinstance(OnnxScorer(dense).encoder, OneHot)
    assert isinstance(OnnxScorer(graph).encoder, CandidateGraphEncoder)
    assert OnnxScorer(dense, first_value=3).encoder == OneHot(V, D, 3)
    with pytest.raises(ConfigError, match=r"^first_value: .*graph\.onnx reads models of any size; leave it out$"):
        OnnxScorer(graph, first_value=3)


WITHOUT_FEATURES = {name: value for name, value in GRAPH_INPUTS.items() if name != "group_features"}
PROMISED = (
    "expected input edge_candidate int64[*], edge_group int64[*], group_features float[*, 7], "
    "candidate_features float[*, 1], got "
)


@pytest.mark.parametrize(
    ("model", "phrase"),
    [
        (graph_network(inputs=WITHOUT_FEATURES), f"{PROMISED}edge_candidate int64[E], edge_group int64[E], candidate_"),
        (graph_network(inputs={**WITHOUT_FEATURES, "groups": GRAPH_INPUTS["group_features"]}), "groups float[G, 7]"),
        (graph_network(inputs={**GRAPH_INPUTS, "more": (TensorProto.FLOAT, ["N"])}), "more float[N]"),
        (
            graph_network(inputs={**GRAPH_INPUTS, "edge_group": (TensorProto.INT32, ["E"])}),
            f"{PROMISED}edge_candidate int64[E], edge_group int32[E]",
        ),
        (
            graph_network(inputs={**GRAPH_INPUTS, "group_features": (TensorProto.FLOAT, ["G", 6])}),
            "group_features float[G, 6]",
        ),
        (
            graph_network(inputs={**GRAPH_INPUTS, "candidate_features": (TensorProto.DOUBLE, ["N", 1])}),
            "candidate_features double[N, 1]",
        ),
        (
            graph_network(inputs={**GRAPH_INPUTS, "edge_candidate": (TensorProto.INT64, [81])}),
            "got edge_candidate int64[81]",
        ),
        (graph_network(output=("y", TensorProto.FLOAT, ["N"])), "expected output scores float[*], got y float[N]"),
        (
            graph_network(output=("scores", TensorProto.DOUBLE, ["N"])),
            "expected output scores float[*], got scores double[N]",
        ),
        (
            graph_network(identities={"x": [1]}, inputs=dict(GRAPH_INPUTS)),
            f"{PROMISED.removesuffix(', got ')}, candidate_identity int64[*], got edge_candidate",
        ),
        (
            graph_network(metadata=ModelMetadata("one_hot", "any", 3, 3).to_props()),
            "expected input assignment float[*, 9], got edge_candidate int64[E]",
        ),
        (
            network(V, D, metadata=ModelMetadata("candidate_graph", "any", kinds=("exactly_one",)).to_props()),
            f"{PROMISED}assignment float[batch, 8]",
        ),
    ],
    ids=[
        *("missing", "name", "more", "index-dtype", "kinds", "feature-dtype", "fixed-size", "output-name"),
        *("output-dtype", "identity", "called-one-hot", "called-graph"),
    ],
)
def test_inputs_and_outputs_of_graph_networks_are_checked(tmp_path: Path, model: onnx.ModelProto, phrase: str) -> None:
    path = saved(model, tmp_path / "x.onnx")
    with pytest.raises(ModelFileError) as caught:
        OnnxScorer(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: expected ")
    assert message.splitlines() == [message]
    assert phrase in message


def test_a_graph_network_sees_the_kinds_it_was_trained_on(tmp_path: Path) -> None:
    model = LatinSquare(3).build()[0]
    cells = [model.get_int_var_from_proto_index(i) for i in range(9)]
    model.add(sum(cells[::4]) <= 5)
    graph = CandidateGraph.from_model(model)
    path = tmp_path / "x.onnx"
    read = graph_of_network(OnnxScorer(saved(graph_network(kinds=("exactly_one",)), path)), graph)
    assert read.num_groups == graph.num_groups - 1 == 27
    assert read.identity is None
    assert graph_of_network(OnnxScorer(saved(graph_network(), path)), graph).num_groups == graph.num_groups


def graph_of_network(scorer: OnnxScorer, graph: CandidateGraph) -> CandidateGraph:
    encoding = scorer.prepare(graph).encoding
    assert isinstance(encoding, GraphEncoding)
    return encoding.graph


@pytest.mark.parametrize("kind", ["knapsack", "set cover", "job shop", "lot sizing"])
@pytest.mark.parametrize("name", ["bp", "universal"])
def test_a_model_that_a_network_cannot_read_is_refused(name: str, kind: str) -> None:
    model = cp_model.CpModel()
    if kind == "job shop":
        starts = [model.new_int_var(0, 20, f"s{i}") for i in range(4)]
        tasks = [model.new_fixed_size_interval_var(start, 5, f"t{i}") for i, start in enumerate(starts)]
        model.add_no_overlap(tasks)
        model.add(starts[0] + 5 <= starts[1])
    else:
        items = [model.new_bool_var(f"b{i}") for i in range(6)]
        amounts = [model.new_int_var(0, 9, f"a{i}") for i in range(6)]
        if kind == "knapsack":
            model.add(sum(3 * item for item in items) <= 10)
        elif kind == "set cover":
            for first in range(4):
                model.add_bool_or(items[first : first + 3])
        else:
            for item, amount in zip(items, amounts, strict=True):
                model.add(amount <= 9 * item)
            model.add(sum(amounts) >= 20)
    reads = OnnxScorer(name).metadata.kinds
    kinds = {"knapsack": "linear", "set cover": "at_least_one", "job shop": "linear", "lot sizing": "linear"}
    graph = CandidateGraph.from_model(model)
    if kinds[kind] in reads:
        assert OnnxScorer(name).prepare(graph).advise(np.ones((1, graph.num_candidates), dtype=bool))
        return
    with pytest.raises(NothingToReadError, match=f"^{name}: expected a model with at least one constraint .* use no"):
        OnnxScorer(name).prepare(graph)


def test_a_network_of_one_model_knows_its_candidates(tmp_path: Path) -> None:
    table = {"x[0,1]": [3, 1], "x[2,2]": [2], "elsewhere": [1, 2, 3]}
    scorer = OnnxScorer(saved(graph_network(identities=table), tmp_path / "named.onnx"))
    assert scorer.metadata.identities == table
    state = scorer.prepare(SQUARE).encoding.encode(WHOLE)
    scores = scorer.score([state])[0].reshape(9, 3)
    expected = np.tile([0, 0.5, 1], (9, 1))
    expected[1, [2, 0]] += [1, 2]
    expected[8, 1] += 3
    np.testing.assert_array_equal(scores, expected)


def test_a_network_of_another_model_is_refused(tmp_path: Path) -> None:
    table = {f"task{i}": [0, 1] for i in range(9)}
    path = saved(graph_network(identities=table), tmp_path / "tasks.onnx")
    with pytest.raises(ModelFileError) as caught:
        OnnxScorer(path).prepare(SQUARE)
    assert str(caught.value) == (
        "tasks: expected a model with the variables task0, task1, task2, ... of its training, "
        "got x[0,0], x[0,1], x[0,2], ...; use a network for any model, for example bp"
    )


def test_several_threads_are_refused_where_additions_would_be_lost() -> None:
    with pytest.raises(ConfigError, match=r"universal\.onnx: expected 1 thread, got 2: .*ScatterND"):
        OnnxScorer("universal", "cpu", threads=2)
    assert OnnxScorer("bp", "cpu", threads=2).name == "bp"
    assert OnnxScorer("pls-10-full", "cpu", threads=2).name == "pls-10-full"
