"""Networks in ONNX Runtime, behind the protocol of :mod:`nnsearch.scorers.scorer`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import onnxruntime as ort

from nnsearch.encoding.candidate_graph import CANDIDATE_FEATURES, CandidateGraphEncoder
from nnsearch.encoding.encoder import Feed, FloatArray, InputEncoder
from nnsearch.encoding.model_graph.encoder import ModelGraphEncoder
from nnsearch.encoding.model_graph.nodes import NODE_KINDS
from nnsearch.encoding.model_graph.state import EDGE_FEATURES, ITEM_FEATURES, NODE_FEATURES
from nnsearch.encoding.one_hot import OneHot
from nnsearch.errors import ConfigError, ModelFileError, ScoreError
from nnsearch.inference.bound import BoundGraph, BoundOneHot, outputs_of
from nnsearch.inference.device import open_on_device
from nnsearch.inference.metadata import PURPOSES, ModelMetadata
from nnsearch.inference.opening import open_session, reason
from nnsearch.inference.pretrained import LP, find_model, pretrained_models
from nnsearch.inference.providers import CPU, Provider, choose_providers
from nnsearch.model.graph import KINDS
from nnsearch.scorers.network import Direct, Network
from nnsearch.scorers.scorer import Scorer

_log = logging.getLogger("nnsearch")


class OnnxScorer(Network):
    """A network in an ``.onnx`` file, exported by ``python -m training export``.

    Args:
        spec: the name of a pretrained network, or the path of an ``.onnx`` file.
        provider: ``auto``, ``cpu``, ``cuda`` or ``tensorrt``.
        threads: CPU threads of one inference. One is fastest for single states of small networks, and with one, equal
            states have bitwise equal scores on the CPU, alone and together with any others.
        first_value: the value with index 0, of a network of one size; None is the smallest value of all domains.

    Attributes:
        path: the file.
        metadata: what the file says of itself.
        session: that of ONNX Runtime, for measurements; on a GPU its buffers belong to the scorer.

    Raises:
        ModelFileError: there is no such model, or the file is truncated, foreign, or breaks the contract; the message
            names the file.
        ConfigError: several threads, and the network adds vectors: ONNX Runtime would lose some of them; or a first
            value for a network of any size.
    """

    encoder: InputEncoder

    def __init__(
        self,
        spec: str | Path,
        provider: Provider = "auto",
        threads: int = 1,
        *,
        first_value: int | None = None,
    ) -> None:
        self.path = find_model(spec)
        self.name = self.path.stem
        wanted = choose_providers(provider)
        self.session = _open(self.path, threads)
        self.metadata = ModelMetadata.from_props(self.session.get_modelmeta().custom_metadata_map, str(self.path))
        self.purpose = self.metadata.purpose
        _check_signature(self.session, self.metadata, self.path)
        if self.metadata.encoder == "one_hot":
            self.encoder = OneHot(
                cast(int, self.metadata.num_variables), cast(int, self.metadata.num_values), first_value
            )
        elif first_value is not None:
            raise ConfigError(f"first_value: {self.path} reads models of any size; leave it out")
        elif self.metadata.encoder == "model_graph":
            self.encoder = ModelGraphEncoder(self.metadata.relaxation)
        else:
            self.encoder = CandidateGraphEncoder(self.metadata.kinds, self.metadata.identities)
        self._bound: BoundGraph | BoundOneHot | None = None
        if wanted[0] != CPU:
            self._move(provider, wanted, threads)

    def _move(self, provider: Provider, wanted: Sequence[str], threads: int) -> None:
        """Go from the CPU, where the file was checked, to the GPU; ``auto`` may stay."""
        try:
            self._bound = open_on_device(self.path, self.metadata, wanted, threads)
        except ModelFileError as error:
            if provider != "auto":
                raise
            _log.warning("%s; running on the CPU", error)
        else:
            self.session = self._bound.session

    @property
    def provider(self) -> str:
        """The execution provider that is active, for example ``CPUExecutionProvider``."""
        active: str = self.session.get_providers()[0]
        return active

    def score(self, states: Sequence[Any]) -> list[FloatArray]:
        """Score states in one inference; see :meth:`nnsearch.scorers.network.Network.score` and :meth:`run`."""
        return self.encoder.split(self.run(self.encoder.unite(states)), states)

    def run(self, feed: Feed) -> FloatArray:
        """Return what the network makes of its inputs: its output, or float32[2, N'] of scores and targets.

        Raises:
            ScoreError: the device failed, for example for lack of memory.
        """
        if self._bound is None:
            return outputs_of(self.session.run(list(self.metadata.outputs), feed))
        try:
            return self._bound.run(feed)
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise ScoreError(f"{self.path}: expected scores, {self.provider} failed: {reason(error)}") from error


def load_scorer(scorer: str | Path | Scorer, provider: Provider = "auto") -> Network:
    """Return a scorer as searches ask it: a network by name or path, ``lp``, or any object that follows the protocol.

    Args:
        scorer: the name of a pretrained network, the path of an ``.onnx`` file, ``lp``, or a scorer.
        provider: where a network runs; see :class:`OnnxScorer`.

    Raises:
        ModelFileError: as :class:`OnnxScorer`.
        ConfigError: what is given is neither, or its ``purpose`` is unknown.

    Examples:
        >>> nnsearch.load_scorer("bp").name
        'bp'
        >>> nnsearch.load_scorer("no-such-network")
        Traceback (most recent call last):
        nnsearch.errors.ModelFileError: unknown model 'no-such-network': expected one of ...
    """
    if isinstance(scorer, str) and scorer == LP:
        if LP in pretrained_models():
            raise ModelFileError(f"{LP}: expected one scorer of this name, a network has it, too; rename its file")
        from nnsearch.scorers.lp import LpScorer  # which imports a solver of linear programs

        return Direct(LpScorer())
    if isinstance(scorer, str | Path):
        return OnnxScorer(scorer, provider)
    if not (hasattr(scorer, "name") and hasattr(scorer, "prepare")):
        raise ConfigError(
            f"scorer: expected the name or path of a network, or a Scorer (name, prepare), got {type(scorer).__name__}"
        )
    if (purpose := getattr(scorer, "purpose", PURPOSES[0])) not in PURPOSES:
        raise ConfigError(f"{scorer.name}: expected purpose {', '.join(PURPOSES)}, got {purpose!r}")
    return scorer if isinstance(scorer, Network) else Direct(scorer)


def _open(path: Path, threads: int) -> ort.InferenceSession:
    """Open a file on the CPU, where every good file can be opened."""
    # The threads of ScatterND(add) write to the same sums without a lock (microsoft/onnxruntime#23396): up to a third
    # of the range of the scores was wrong. The operator's name stands in the file as it is.
    if threads > 1 and path.is_file() and b"ScatterND" in path.read_bytes():
        raise ConfigError(
            f"{path}: expected 1 thread, got {threads}: the network adds by ScatterND, which loses additions on "
            "several threads of a CPU"
        )
    try:
        return open_session(path, {CPU: {}}, threads)
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise ModelFileError(
            f"{path}: expected a complete ONNX model of standard operators ({reason(error)})"
        ) from None


def _check_signature(session: ort.InferenceSession, metadata: ModelMetadata, path: Path) -> None:
    """Compare inputs and outputs with what the metadata promises; None in a shape is an axis of any length."""
    inputs: dict[str, tuple[str, list[int | None]]]
    if metadata.encoder == "one_hot":
        size = cast(int, metadata.num_variables) * cast(int, metadata.num_values)
        inputs = {"assignment": ("float", [None, size])}
        outputs: dict[str, tuple[str, list[int | None]]] = {"scores": ("float", [None, size])}
    elif metadata.encoder == "model_graph":
        inputs = {
            "edge_item": ("int64", [None]),
            "edge_node": ("int64", [None]),
            "edge_features": ("float", [None, len(EDGE_FEATURES)]),
            "item_features": ("float", [None, len(ITEM_FEATURES)]),
            "node_features": ("float", [None, len(NODE_KINDS) + len(NODE_FEATURES)]),
        }
        outputs = {"scores": ("float", [None]), "targets": ("float", [None])}
    else:
        inputs = {
            "edge_candidate": ("int64", [None]),
            "edge_group": ("int64", [None]),
            "group_features": ("float", [None, len(KINDS)]),
            "candidate_features": ("float", [None, CANDIDATE_FEATURES]),
        }
        if metadata.identities is not None:
            inputs["candidate_identity"] = ("int64", [None])
        outputs = {"scores": ("float", [None])}
    for kind, nodes, expected in (
        ("input", session.get_inputs(), inputs),
        ("output", session.get_outputs(), outputs),
    ):
        got = {node.name: (node.type.removeprefix("tensor(").removesuffix(")"), node.shape) for node in nodes}
        fits = got.keys() == expected.keys() and all(
            got[name][0] == dtype and _shape_fits(got[name][1], shape) for name, (dtype, shape) in expected.items()
        )
        if not fits:
            raise ModelFileError(f"{path}: expected {kind} {_signature(expected)}, got {_signature(got)}")


def _shape_fits(got: list[object], expected: list[int | None]) -> bool:
    return len(got) == len(expected) and all(
        not isinstance(axis, int) if size is None else axis == size for axis, size in zip(got, expected, strict=True)
    )


def _signature(nodes: Mapping[str, tuple[str, Sequence[object]]]) -> str:
    texts = []
    for name, (dtype, shape) in nodes.items():
        axes = ", ".join("*" if axis is None else str(axis) for axis in shape)
        texts.append(f"{name} {dtype}[{axes}]")
    return ", ".join(texts) or "none"
