from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnsearch.errors import ModelFileError
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.model.graph import KINDS

PROPS = ModelMetadata("one_hot", "latin-square", 100, 10, {"loss": {"target": "single"}}).to_props()

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@settings(max_examples=50)
@given(st.text(), st.integers(1, 10**9 - 1), st.integers(1, 10**9 - 1), st.dictionaries(st.text(), json_values))
def test_round_trip(problem: str, num_variables: int, num_values: int, training: dict[str, object]) -> None:
    metadata = ModelMetadata("one_hot", problem, num_variables, num_values, training)
    props = metadata.to_props()
    assert all(isinstance(value, str) for value in props.values())
    assert ModelMetadata.from_props(props, "x.onnx") == metadata
    assert ModelMetadata.from_props({**props, "author": "me", "nnsearch.later": "1"}, "x.onnx") == metadata


@pytest.mark.parametrize("encoder", ["one_hot", "candidate_graph"])
def test_half_precision_comes_with_its_tolerance(encoder: str) -> None:
    full = ModelMetadata(encoder, "any", 4, 2) if encoder == "one_hot" else ModelMetadata(encoder, "any", kinds=KINDS)
    half = replace(full, precision="fp16", tolerance=0.02)
    props = half.to_props()
    assert (props["nnsearch.precision"], props["nnsearch.tolerance"]) == ("fp16", "0.02")
    assert ModelMetadata.from_props(props, "x.onnx") == half
    for key in ("precision", "tolerance"):
        assert f"nnsearch.{key}" not in replace(half, precision="fp32", tolerance=None).to_props()
    del props["nnsearch.tolerance"]
    assert "expected metadata nnsearch.tolerance" in refusal(props)


def test_the_format_is_pinned() -> None:
    assert PROPS == {
        "nnsearch.format": "1",
        "nnsearch.encoder": "one_hot",
        "nnsearch.problem": "latin-square",
        "nnsearch.num_variables": "100",
        "nnsearch.num_values": "10",
        "nnsearch.training": '{"loss": {"target": "single"}}',
    }


GRAPH_PROPS = ModelMetadata(
    "candidate_graph", "any", training={"seed": 1}, kinds=("exactly_one", "linear"), identities={"x": [-1, 2], "y": []}
).to_props()

tables = st.dictionaries(st.text(), st.lists(st.integers(-(2**63), 2**63 - 1)))


@settings(max_examples=50)
@given(
    st.text(),
    st.sets(st.sampled_from(KINDS)).map(lambda kinds: ("exactly_one", *sorted(kinds - {"exactly_one"}))),
    st.none() | tables,
    st.dictionaries(st.text(), json_values),
)
def test_round_trip_of_graph_networks(
    problem: str, kinds: tuple[str, ...], identities: dict[str, list[int]] | None, training: dict[str, object]
) -> None:
    metadata = ModelMetadata("candidate_graph", problem, training=training, kinds=kinds, identities=identities)
    props = metadata.to_props()
    assert all(isinstance(value, str) for value in props.values())
    read = ModelMetadata.from_props({**props, "nnsearch.later": "1"}, "x.onnx")
    assert read == metadata
    assert (read.num_variables, read.num_values) == (None, None)
    if identities is not None:
        assert read.identities is not None
        assert list(read.identities) == list(identities)  # the order numbers the candidates


def test_the_format_of_graph_networks_is_pinned() -> None:
    assert GRAPH_PROPS == {
        "nnsearch.format": "1",
        "nnsearch.encoder": "candidate_graph",
        "nnsearch.problem": "any",
        "nnsearch.training": '{"seed": 1}',
        "nnsearch.kinds": "exactly_one,linear",
        "nnsearch.identities": '{"x": [-1, 2], "y": []}',
    }


@pytest.mark.parametrize("props", [PROPS, GRAPH_PROPS], ids=["one-hot", "graph"])
def test_a_file_says_what_it_is_for_where_that_is_not_usual(props: dict[str, str]) -> None:
    usual = ModelMetadata.from_props(props, "x")
    assert usual.purpose == ("preferences" if "nnsearch.identities" in props else "feasibility")
    other = replace(usual, purpose="objective")
    assert ModelMetadata.from_props(other.to_props(), "x") == other
    assert "expected purpose feasibility, objective, preferences, got 'fun'" in refusal(
        {**props, "nnsearch.purpose": "fun"}
    )


def refusal(props: dict[str, str]) -> str:
    with pytest.raises(ModelFileError) as caught:
        ModelMetadata.from_props(props, "folder/x.onnx")
    message = str(caught.value)
    assert message.startswith("folder/x.onnx: ")
    assert message.isprintable()
    assert len(message) < 300
    return message


@pytest.mark.parametrize("key", [key for key in PROPS if key not in ("nnsearch.format", "nnsearch.training")])
def test_a_missing_key_is_named(key: str) -> None:
    assert key in refusal({k: v for k, v in PROPS.items() if k != key})


def test_a_missing_training_record_is_named() -> None:
    assert "nnsearch.training" in refusal({k: v for k, v in PROPS.items() if k != "nnsearch.training"})


def test_a_foreign_model_is_called_one() -> None:
    assert "foreign" in refusal({})
    assert "foreign" in refusal({"producer": "somebody"})


@pytest.mark.parametrize(
    ("key", "value", "phrase"),
    [
        ("nnsearch.format", "3", "expected nnsearch.format 1 or 2, got '3'"),
        ("nnsearch.format", "", "expected nnsearch.format 1 or 2, got ''"),
        ("nnsearch.format", "2", "expected encoder model_graph, got 'one_hot'"),
        ("nnsearch.encoder", "model_graph", "expected encoder one_hot or candidate_graph, got 'model_graph'"),
        ("nnsearch.encoder", "two_hot", "expected encoder one_hot or candidate_graph, got 'two_hot'"),
        ("nnsearch.encoder", "candidate_graph", "expected metadata nnsearch.kinds, found none"),
        ("nnsearch.encoder", "one\nhot", r"got 'one\nhot'"),
        ("nnsearch.num_variables", "0", "expected a positive integer in nnsearch.num_variables, got '0'"),
        ("nnsearch.num_variables", "-4", "got '-4'"),
        ("nnsearch.num_variables", "ten", "got 'ten'"),
        ("nnsearch.num_values", "2.0", "expected a positive integer in nnsearch.num_values, got '2.0'"),
        ("nnsearch.num_values", "", "got ''"),
        ("nnsearch.num_values", " 4", "got ' 4'"),
        ("nnsearch.training", "{", "expected JSON in nnsearch.training"),
        ("nnsearch.training", "[1]", "nnsearch.training"),  # inspect needs an object
        ("nnsearch.training", "[" * 100_000, "nnsearch.training"),
        ("nnsearch.num_values", "9" * 5000, "nnsearch.num_values"),
        ("nnsearch.precision", "bf16", "expected precision fp32 or fp16, got 'bf16'"),
        *(
            ("nnsearch.tolerance", text, f"expected a positive number in nnsearch.tolerance, got {text!r}")
            for text in ("", "much", "0", "-0.1", "nan", "inf")
        ),
    ],
    ids=lambda value: value[:20],
)
def test_a_malformed_value_is_quoted(key: str, value: str, phrase: str) -> None:
    half = {"nnsearch.precision": "fp16"} if key == "nnsearch.tolerance" else {}
    assert phrase in refusal({**PROPS, **half, key: value})


@pytest.mark.parametrize("key", ["nnsearch.encoder", "nnsearch.problem", "nnsearch.training", "nnsearch.kinds"])
def test_a_missing_key_of_a_graph_network_is_named(key: str) -> None:
    assert key in refusal({k: v for k, v in GRAPH_PROPS.items() if k != key})


@pytest.mark.parametrize(
    ("key", "value", "phrase"),
    [
        ("nnsearch.kinds", "", "got ''"),
        ("nnsearch.kinds", "at_most_one", "exactly_one and others of exactly_one, at_most_one"),
        ("nnsearch.kinds", "exactly_one,magic", "got 'exactly_one,magic'"),
        ("nnsearch.kinds", "exactly_one, linear", "expected kinds of groups in nnsearch.kinds"),
        ("nnsearch.kinds", "exactly_one,\n" * 999, "expected kinds of groups in nnsearch.kinds"),
        *(
            ("nnsearch.identities", text, "expected JSON in nnsearch.identities, the list of values of each variable")
            for text in ("", "{", "[1]", "3", '{"x": 1}', '{"x": [1.5]}', '{"x": [true]}', '{"x": ["1"]}', "[" * 99_999)
        ),
    ],
    ids=lambda value: value[:20],
)
def test_a_malformed_value_of_a_graph_network_is_quoted(key: str, value: str, phrase: str) -> None:
    assert phrase in refusal({**GRAPH_PROPS, key: value})


MODEL_GRAPH_PROPS = ModelMetadata("model_graph", "cover", training={"models": 60}, relaxation=True).to_props()


def test_the_format_of_networks_on_the_model_graph_is_pinned() -> None:
    assert MODEL_GRAPH_PROPS == {
        "nnsearch.format": "2",
        "nnsearch.encoder": "model_graph",
        "nnsearch.problem": "cover",
        "nnsearch.training": '{"models": 60}',
        "nnsearch.relaxation": "yes",
    }
    read = ModelMetadata.from_props(MODEL_GRAPH_PROPS, "x")
    assert read == ModelMetadata("model_graph", "cover", training={"models": 60}, relaxation=True)
    assert read.purpose == "objective"


@pytest.mark.parametrize("key", ["nnsearch.encoder", "nnsearch.problem", "nnsearch.training", "nnsearch.relaxation"])
def test_a_missing_key_of_a_network_on_the_model_graph_is_named(key: str) -> None:
    assert key in refusal({k: v for k, v in MODEL_GRAPH_PROPS.items() if k != key})


@pytest.mark.parametrize(
    ("key", "value", "phrase"),
    [
        ("nnsearch.format", "1", "expected encoder one_hot or candidate_graph, got 'model_graph'"),
        ("nnsearch.relaxation", "maybe", "expected yes or no in nnsearch.relaxation, got 'maybe'"),
        ("nnsearch.relaxation", "\n" * 999, "expected yes or no in nnsearch.relaxation"),
        ("nnsearch.purpose", "fun", "expected purpose feasibility, objective, preferences, got 'fun'"),
    ],
    ids=lambda value: value[:20],
)
def test_a_malformed_value_of_a_network_on_the_model_graph_is_quoted(key: str, value: str, phrase: str) -> None:
    assert phrase in refusal({**MODEL_GRAPH_PROPS, key: value})
