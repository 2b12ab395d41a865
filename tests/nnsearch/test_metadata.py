from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnsearch.errors import ModelFileError
from nnsearch.inference.metadata import ModelMetadata

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


def test_the_format_is_pinned() -> None:
    assert PROPS == {
        "nnsearch.format": "1",
        "nnsearch.encoder": "one_hot",
        "nnsearch.problem": "latin-square",
        "nnsearch.num_variables": "100",
        "nnsearch.num_values": "10",
        "nnsearch.training": '{"loss": {"target": "single"}}',
    }


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
        ("nnsearch.format", "2", "expected nnsearch.format 1, got '2'"),
        ("nnsearch.format", "", "expected nnsearch.format 1, got ''"),
        ("nnsearch.encoder", "candidate_graph", "expected encoder one_hot, got 'candidate_graph'"),
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
    ],
    ids=lambda value: value[:20],
)
def test_a_malformed_value_is_quoted(key: str, value: str, phrase: str) -> None:
    assert phrase in refusal({**PROPS, key: value})
