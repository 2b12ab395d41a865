"""The metadata of an exported network, format 1: string keys and values in the ONNX ``metadata_props``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nnsearch.errors import ModelFileError

FORMAT = "1"
ENCODERS = ("one_hot",)


@dataclass(frozen=True)
class ModelMetadata:
    """What a model file says about itself.

    Attributes:
        encoder: ``one_hot``: input ``assignment`` float32[B, V * D], output ``scores`` float32[B, V * D].
        problem: the problem family it was trained on, for example ``latin-square``.
        num_variables: V.
        num_values: D.
        training: how it was made: loss, pool, examples, seed, versions, measured feasibility.
    """

    encoder: str
    problem: str
    num_variables: int
    num_values: int
    training: Mapping[str, Any] = field(default_factory=dict)

    def to_props(self) -> dict[str, str]:
        """Return the ``metadata_props``."""
        return {
            "nnsearch.format": FORMAT,
            "nnsearch.encoder": self.encoder,
            "nnsearch.problem": self.problem,
            "nnsearch.num_variables": str(self.num_variables),
            "nnsearch.num_values": str(self.num_values),
            "nnsearch.training": json.dumps(self.training, sort_keys=True),
        }

    @classmethod
    def from_props(cls, props: Mapping[str, str], source: str) -> ModelMetadata:
        """Read and check ``metadata_props``.

        Args:
            props: the strings in the file.
            source: the file, for messages.

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
        try:
            training = json.loads(_require(props, "nnsearch.training", source))
        except (json.JSONDecodeError, RecursionError):
            training = None
        if not isinstance(training, dict):
            raise ModelFileError(f"{source}: expected JSON in nnsearch.training, an object")
        return cls(
            encoder=encoder,
            problem=_require(props, "nnsearch.problem", source),
            num_variables=_positive(props, "nnsearch.num_variables", source),
            num_values=_positive(props, "nnsearch.num_values", source),
            training=training,
        )


def _require(props: Mapping[str, str], key: str, source: str) -> str:
    if key not in props:
        raise ModelFileError(f"{source}: expected metadata {key}, found none; export again")
    return props[key]


def _positive(props: Mapping[str, str], key: str, source: str) -> int:
    text = _require(props, key, source)
    if not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise ModelFileError(f"{source}: expected a positive integer in {key}, got {text[:20]!r}")
    return int(text)
