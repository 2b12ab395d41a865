"""The metadata of an exported network, format 1: string keys and values in the ONNX ``metadata_props``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nnsearch.errors import ModelFileError
from nnsearch.model.graph import KINDS

FORMAT = "1"
ENCODERS = ("one_hot", "candidate_graph")
PRECISIONS = ("fp32", "fp16")
PURPOSES = ("feasibility", "objective", "preferences")


@dataclass(frozen=True)
class ModelMetadata:
    """What a model file says about itself.

    Attributes:
        encoder: ``one_hot``: input ``assignment`` float32[B, V * D], output ``scores`` float32[B, V * D].
            ``candidate_graph``: inputs ``edge_candidate`` int64[E], ``edge_group`` int64[E], ``group_features``
            float32[G, F], ``candidate_features`` float32[N, F'], with ``identities`` also ``candidate_identity``
            int64[N]; output ``scores`` float32[N]. A batch is the disjoint union of its graphs.
        problem: the problem family it was trained on, for example ``latin-square``; ``any`` for no one family.
        num_variables: V; None for ``candidate_graph``.
        num_values: D; None for ``candidate_graph``.
        training: how it was made: loss, pool, examples, seed, versions, measured feasibility.
        kinds: the kinds of groups that the network reads (``candidate_graph`` only).
        identities: for a network of one model: the values of each variable, by name; the candidates are numbered from 1
            in this order. None for a network that knows no names.
        precision: ``fp16``: computes in half precision where that is safe; inputs and output are float32 all the same.
        tolerance: how far the scores may be from those of the float32 network, as a share of the range of a state's
            scores (of 1, where the range is smaller); checked at export. None for ``fp32``.
        purpose: what its order of values is for: ``feasibility``, a good ``objective``, or ``preferences`` that the
            model does not hold. Not said, it is preferences for a network with identities, else feasibility.
    """

    encoder: str
    problem: str
    num_variables: int | None = None
    num_values: int | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    identities: Mapping[str, Sequence[int]] | None = None
    precision: str = "fp32"
    tolerance: float | None = None
    purpose: str = ""

    def __post_init__(self) -> None:
        if not self.purpose:
            object.__setattr__(self, "purpose", _usual_purpose(self.identities))

    @property
    def how_made(self) -> str:
        """How it was made, in a few words."""
        training = self.training
        if "algorithm" in training:
            return f"{training['algorithm']}, nothing trained"
        config = training.get("config", {})
        if "network" in config and "blocks" in config["network"]:
            blocks = training.get("exported_blocks", config["network"]["blocks"])
            return f"{blocks} blocks, {training.get('steps', '?')} steps"
        loss = config.get("loss", {})
        return f"target {loss.get('target', '?')}, SBR {loss.get('propagator', '?')}"

    def to_props(self) -> dict[str, str]:
        """Return the ``metadata_props``."""
        props = {
            "nnsearch.format": FORMAT,
            "nnsearch.encoder": self.encoder,
            "nnsearch.problem": self.problem,
            "nnsearch.training": json.dumps(self.training, sort_keys=True),
        }
        if self.encoder == "one_hot":
            props["nnsearch.num_variables"] = str(self.num_variables)
            props["nnsearch.num_values"] = str(self.num_values)
        else:
            props["nnsearch.kinds"] = ",".join(self.kinds)
            if self.identities is not None:
                props["nnsearch.identities"] = json.dumps(self.identities)
        if self.purpose != _usual_purpose(self.identities):
            props["nnsearch.purpose"] = self.purpose
        if self.precision != "fp32":
            props["nnsearch.precision"] = self.precision
            props["nnsearch.tolerance"] = repr(self.tolerance)
        return props

    @classmethod
    def from_props(cls, props: Mapping[str, str], source: str) -> ModelMetadata:
        """Read and check the ``metadata_props`` of a file (``source``, for messages).

        Raises:
            ModelFileError: a key is missing or malformed, or the format is another one.
        """
        if "nnsearch.format" not in props:
            raise ModelFileError(
                f"{source}: expected an ONNX file exported by nnsearch (metadata nnsearch.format), "
                "found a foreign model; export with: python -m training export"
            )
        if props["nnsearch.format"] != FORMAT:
            raise ModelFileError(
                f"{source}: expected nnsearch.format {FORMAT}, got {props['nnsearch.format']!r}; "
                "use a matching nnsearch version or export again"
            )
        encoder = _require(props, "nnsearch.encoder", source)
        if encoder not in ENCODERS:
            raise ModelFileError(f"{source}: expected encoder {' or '.join(ENCODERS)}, got {encoder!r}")
        training = _parsed(_require(props, "nnsearch.training", source))
        if not isinstance(training, dict):
            raise ModelFileError(f"{source}: expected JSON in nnsearch.training, an object")
        problem = _require(props, "nnsearch.problem", source)
        precision, tolerance = _precision(props, source)
        one_hot = encoder == "one_hot"
        num_variables = _positive(props, "nnsearch.num_variables", source) if one_hot else None
        num_values = _positive(props, "nnsearch.num_values", source) if one_hot else None
        kinds = () if one_hot else _kinds(props, source)
        identities = None if one_hot else _identities(props, source)
        purpose = props.get("nnsearch.purpose", _usual_purpose(identities))
        if purpose not in PURPOSES:
            raise ModelFileError(f"{source}: expected purpose {', '.join(PURPOSES)}, got {purpose[:20]!r}")
        return cls(
            encoder, problem, num_variables, num_values, training, kinds, identities, precision, tolerance, purpose
        )


def _usual_purpose(identities: Mapping[str, Sequence[int]] | None) -> str:
    return "feasibility" if identities is None else "preferences"


def _kinds(props: Mapping[str, str], source: str) -> tuple[str, ...]:
    kinds = tuple(_require(props, "nnsearch.kinds", source).split(","))
    if not {"exactly_one"} <= set(kinds) <= set(KINDS):
        raise ModelFileError(
            f"{source}: expected kinds of groups in nnsearch.kinds, exactly_one and others of {', '.join(KINDS)}, "
            f"got {','.join(kinds)[:60]!r}"
        )
    return kinds


def _precision(props: Mapping[str, str], source: str) -> tuple[str, float | None]:
    precision = props.get("nnsearch.precision", "fp32")
    if precision not in PRECISIONS:
        raise ModelFileError(f"{source}: expected precision {' or '.join(PRECISIONS)}, got {precision[:20]!r}")
    if precision == "fp32":
        return precision, None
    text = _require(props, "nnsearch.tolerance", source)
    try:
        tolerance = float(text)
    except ValueError:
        tolerance = math.nan
    if not 0 < tolerance < math.inf:
        raise ModelFileError(f"{source}: expected a positive number in nnsearch.tolerance, got {text[:20]!r}")
    return precision, tolerance


def _identities(props: Mapping[str, str], source: str) -> Mapping[str, Sequence[int]] | None:
    if "nnsearch.identities" not in props:
        return None
    table = _parsed(props["nnsearch.identities"])
    if not isinstance(table, dict) or not all(
        isinstance(values, list) and all(type(value) is int for value in values) for values in table.values()
    ):
        raise ModelFileError(f"{source}: expected JSON in nnsearch.identities, the list of values of each variable")
    return table


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return None


def _require(props: Mapping[str, str], key: str, source: str) -> str:
    if key not in props:
        raise ModelFileError(f"{source}: expected metadata {key}, found none; export again")
    return props[key]


def _positive(props: Mapping[str, str], key: str, source: str) -> int:
    text = _require(props, key, source)
    if not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise ModelFileError(f"{source}: expected a positive integer in {key}, got {text[:20]!r}")
    return int(text)
