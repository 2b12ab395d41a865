"""The metadata of an exported network, formats 1 and 2: string keys and values in the ONNX ``metadata_props``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nnsearch.errors import ModelFileError
from nnsearch.model.graph import KINDS

FORMATS = {"one_hot": "1", "candidate_graph": "1", "model_graph": "2"}
"""Encoder -> the format in which it was new, which its files say they are."""

PRECISIONS = ("fp32", "fp16")
PURPOSES = ("feasibility", "objective", "preferences")


@dataclass(frozen=True)
class ModelMetadata:
    """What a model file says about itself.

    Attributes:
        encoder: ``one_hot``: input ``assignment`` float32[B, V * D], output ``scores`` float32[B, V * D].
            ``candidate_graph``: inputs ``edge_candidate`` int64[E], ``edge_group`` int64[E], ``group_features``
            float32[G, F], ``candidate_features`` float32[N, F'], with ``identities`` also ``candidate_identity``
            int64[N]; output ``scores`` float32[N].
            ``model_graph``: inputs ``edge_item`` int64[E], ``edge_node`` int64[E], ``edge_features`` float32[E, Fe],
            ``item_features`` float32[N', Fi], ``node_features`` float32[M, Fn], see
            :mod:`nnsearch.encoding.model_graph.state`; outputs ``scores`` float32[N'], the log-odds of an item or of a
            target's being near, and ``targets`` float32[N'], places in the current domain from 0 to 1.
            Of graphs, a batch is the disjoint union.
        problem: the problem family it was trained on, for example ``latin-square``; ``any`` for no one family.
        num_variables: V; None for graphs.
        num_values: D; None for graphs.
        training: how it was made: loss, pool, examples, seed, versions, measured feasibility.
        kinds: the kinds of groups that the network reads (``candidate_graph`` only).
        identities: for a network of one model: the values of each variable, by name; the candidates are numbered from 1
            in this order. None for a network that knows no names.
        precision: ``fp16``: computes in half precision where that is safe; inputs and output are float32 all the same.
        tolerance: how far the scores may be from those of the float32 network, as a share of the range of a state's
            scores (of 1, where the range is smaller); checked at export. None for ``fp32``.
        purpose: what its order of values is for: ``feasibility``, a good ``objective``, or ``preferences`` that the
            model does not hold. Not said, it is preferences for a network with identities, objective for one on the
            model graph, else feasibility.
        relaxation: whether the network reads the linear relaxation of a model (``model_graph`` only).
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
    relaxation: bool = False

    def __post_init__(self) -> None:
        if not self.purpose:
            object.__setattr__(self, "purpose", _usual_purpose(self.encoder, self.identities))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs by name."""
        return ("scores", "targets") if self.encoder == "model_graph" else ("scores",)

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
        if self.encoder == "model_graph":
            return f"{training.get('models', '?')} solved models, {training.get('steps', '?')} steps"
        loss = config.get("loss", {})
        return f"target {loss.get('target', '?')}, SBR {loss.get('propagator', '?')}"

    def to_props(self) -> dict[str, str]:
        """Return the ``metadata_props``."""
        props = {
            "nnsearch.format": FORMATS[self.encoder],
            "nnsearch.encoder": self.encoder,
            "nnsearch.problem": self.problem,
            "nnsearch.training": json.dumps(self.training, sort_keys=True),
        }
        if self.encoder == "one_hot":
            props["nnsearch.num_variables"] = str(self.num_variables)
            props["nnsearch.num_values"] = str(self.num_values)
        elif self.encoder == "model_graph":
            props["nnsearch.relaxation"] = "yes" if self.relaxation else "no"
        else:
            props["nnsearch.kinds"] = ",".join(self.kinds)
            if self.identities is not None:
                props["nnsearch.identities"] = json.dumps(self.identities)
        if self.purpose != _usual_purpose(self.encoder, self.identities):
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
        if props["nnsearch.format"] not in FORMATS.values():
            known = " or ".join(sorted(set(FORMATS.values())))
            raise ModelFileError(
                f"{source}: expected nnsearch.format {known}, got {props['nnsearch.format']!r}; "
                "use a matching nnsearch version or export again"
            )
        encoder = _require(props, "nnsearch.encoder", source)
        encoders = [one for one, number in FORMATS.items() if number == props["nnsearch.format"]]
        if encoder not in encoders:
            raise ModelFileError(f"{source}: expected encoder {' or '.join(encoders)}, got {encoder[:20]!r}")
        training = _parsed(_require(props, "nnsearch.training", source))
        if not isinstance(training, dict):
            raise ModelFileError(f"{source}: expected JSON in nnsearch.training, an object")
        problem = _require(props, "nnsearch.problem", source)
        precision, tolerance = _precision(props, source)
        one_hot = encoder == "one_hot"
        num_variables = _positive(props, "nnsearch.num_variables", source) if one_hot else None
        num_values = _positive(props, "nnsearch.num_values", source) if one_hot else None
        on_candidates = encoder == "candidate_graph"
        kinds = _kinds(props, source) if on_candidates else ()
        identities = _identities(props, source) if on_candidates else None
        relaxation = encoder == "model_graph" and _relaxation(props, source)
        purpose = props.get("nnsearch.purpose", _usual_purpose(encoder, identities))
        if purpose not in PURPOSES:
            raise ModelFileError(f"{source}: expected purpose {', '.join(PURPOSES)}, got {purpose[:20]!r}")
        return cls(
            encoder,
            problem,
            num_variables,
            num_values,
            training,
            kinds,
            identities,
            precision,
            tolerance,
            purpose,
            relaxation,
        )


def _usual_purpose(encoder: str, identities: Mapping[str, Sequence[int]] | None) -> str:
    if encoder == "model_graph":
        return "objective"
    return "feasibility" if identities is None else "preferences"


def _relaxation(props: Mapping[str, str], source: str) -> bool:
    said = _require(props, "nnsearch.relaxation", source)
    if said not in ("yes", "no"):
        raise ModelFileError(f"{source}: expected yes or no in nnsearch.relaxation, got {said[:20]!r}")
    return said == "yes"


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
