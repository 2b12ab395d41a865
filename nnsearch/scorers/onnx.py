"""Networks in ONNX Runtime, behind the protocols of :mod:`nnsearch.scorers.scorer`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard, cast

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from nnsearch.encoding.candidate_graph import CANDIDATE_FEATURES, GraphState, padded
from nnsearch.errors import ConfigError, ModelFileError, ScoreError
from nnsearch.inference.bound import Bound, BoundGraph, BoundOneHot
from nnsearch.inference.device import open_on_device
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.inference.opening import open_session, reason
from nnsearch.inference.pretrained import find_model
from nnsearch.inference.providers import CPU, Provider, choose_providers
from nnsearch.model.graph import KINDS, CandidateGraph
from nnsearch.scorers.scorer import AnyScorer, FloatArray, GraphScorer

_log = logging.getLogger("nnsearch")


class _Network:
    """An ``.onnx`` file of ours in ONNX Runtime.

    Attributes:
        path: the file.
        metadata: what the file says of itself.
        session: that of ONNX Runtime, for measurements; on a GPU its buffers belong to the scorer.
    """

    encoder: str

    def __init__(self, spec: str | Path, provider: Provider, threads: int, *, cuda_graphs: bool) -> None:
        path = find_model(spec)
        wanted = choose_providers(provider)
        self._adopt(path, _open(path, threads))
        self._move(provider, wanted, threads, cuda_graphs=cuda_graphs)

    def _adopt(self, path: Path, session: ort.InferenceSession) -> None:
        self.path, self.session = path, session
        self._bound: Bound | None = None
        props = session.get_modelmeta().custom_metadata_map
        self.metadata = ModelMetadata.from_props(props, str(self.path))
        if self.metadata.encoder != self.encoder:
            raise ModelFileError(
                f"{self.path}: expected a network of encoder {self.encoder}, got {self.metadata.encoder}; "
                "nnsearch.load_scorer opens either"
            )
        _check_signature(self.session, self.metadata, self.path)

    def _move(self, provider: Provider, wanted: Sequence[str], threads: int, *, cuda_graphs: bool = True) -> None:
        """Go from the CPU, where the file was checked, to the GPU if one is wanted; ``auto`` may stay."""
        if wanted[0] == CPU:
            return
        try:
            self._bound = open_on_device(self.path, self.metadata, wanted, threads, cuda_graphs=cuda_graphs)
        except ModelFileError as error:
            if provider != "auto":
                raise
            _log.warning("%s; running on the CPU", error)
        else:
            self.session = self._bound.session

    def _on_device(self, score: Callable[[], FloatArray]) -> FloatArray:
        """Turn what can go wrong on a device, such as the end of its memory, into one line."""
        try:
            return score()
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise ScoreError(f"{self.path}: expected scores, {self.provider} failed: {reason(error)}") from error

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def provider(self) -> str:
        """The execution provider that is active, for example ``CPUExecutionProvider``."""
        active: str = self.session.get_providers()[0]
        return active


class OnnxScorer(_Network):
    """A network of one size, exported by ``python -m training export``.

    Args:
        spec: the name of a pretrained network, or the path of an ``.onnx`` file.
        provider: ``auto``, ``cpu``, ``cuda`` or ``tensorrt``.
        threads: CPU threads of one inference. One is fastest for single states of small networks.
        cuda_graphs: with CUDA, launch the network as one CUDA graph for each batch size, if it can be captured.

    Raises:
        ModelFileError: there is no such model, or the file is truncated, foreign, of the other encoder, or breaks the
            contract; the message names the file.
    """

    encoder = "one_hot"

    def __init__(
        self, spec: str | Path, provider: Provider = "auto", threads: int = 1, *, cuda_graphs: bool = True
    ) -> None:
        super().__init__(spec, provider, threads, cuda_graphs=cuda_graphs)

    @property
    def num_variables(self) -> int:
        """V."""
        return cast(int, self.metadata.num_variables)

    @property
    def num_values(self) -> int:
        """D."""
        return cast(int, self.metadata.num_values)

    def score(self, assignment: FloatArray) -> FloatArray:
        """Score every candidate of every state; see :meth:`nnsearch.scorers.scorer.Scorer.score`.

        Raises:
            ScoreError: a score is not finite.
        """
        scores: FloatArray
        if isinstance(bound := self._bound, BoundOneHot):
            scores = self._on_device(lambda: bound.score(assignment))
        else:
            scores = self.session.run(["scores"], {"assignment": assignment})[0]
        if not np.isfinite(scores).all():
            raise ScoreError(f"{self.path}: expected finite scores, got NaN or infinity; the network is damaged")
        return scores


class OnnxGraphScorer(_Network):
    """A network of any size on the candidate graph, behind :class:`nnsearch.scorers.scorer.GraphScorer`.

    Args:
        spec: the name of a pretrained network, or the path of an ``.onnx`` file.
        provider: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads of one inference. With one, equal states have bitwise equal scores on the CPU, alone and in
            any union.

    Raises:
        ModelFileError: as :class:`OnnxScorer`.
        ConfigError: several threads, and the network adds vectors: ONNX Runtime would lose some of them.
    """

    encoder = "candidate_graph"
    pads_graphs = True

    def __init__(self, spec: str | Path, provider: Provider = "auto", threads: int = 1) -> None:
        super().__init__(spec, provider, threads, cuda_graphs=False)  # a CUDA graph is for one size

    def prepare(self, graph: CandidateGraph) -> CandidateGraph:
        """Return the graph with the kinds of groups that the network was trained on, and with its identities.

        Raises:
            ModelFileError: the network was trained for one model, and this one shares no variable with it.
        """
        prepared = graph.only(self.metadata.kinds)
        table = self.metadata.identities
        if table is None:
            return prepared
        if not set(table) & set(graph.names):
            raise ModelFileError(
                f"{self.path}: expected a model with the variables {', '.join(list(table)[:3])}, ... of its training, "
                f"got {', '.join(graph.names[:3])}, ...; use a network for any model, for example bp"
            )
        return prepared.identified(table)

    def score_graph(self, state: GraphState) -> FloatArray:
        """Score every candidate; see :meth:`nnsearch.scorers.scorer.GraphScorer.score_graph`."""
        feed = self.feed(padded(state))
        scores: FloatArray
        if isinstance(bound := self._bound, BoundGraph):
            scores = self._on_device(lambda: bound.score(feed))
        else:
            scores = self.session.run(["scores"], feed)[0]
        return scores[: state.num_candidates]

    def feed(self, state: GraphState) -> dict[str, npt.NDArray[Any]]:
        """Return the inputs of the network by name."""
        feed: dict[str, npt.NDArray[Any]] = {
            "edge_candidate": state.edge_candidate,
            "edge_group": state.edge_group,
            "group_features": state.group_features,
            "candidate_features": state.candidate_features,
        }
        if self.metadata.identities is not None:
            feed["candidate_identity"] = state.identity
        return feed


def open_network(spec: str | Path, provider: Provider = "auto", threads: int = 1) -> OnnxScorer | OnnxGraphScorer:
    """Open a network by name or path, whatever its encoder.

    Raises:
        ModelFileError: as :class:`OnnxScorer`.
    """
    path = find_model(spec)
    wanted = choose_providers(provider)
    session = _open(path, threads)
    encoder = session.get_modelmeta().custom_metadata_map.get("nnsearch.encoder")
    family: type[OnnxScorer | OnnxGraphScorer] = OnnxGraphScorer if encoder == OnnxGraphScorer.encoder else OnnxScorer
    network = family.__new__(family)
    network._adopt(path, session)
    network._move(provider, wanted, threads)
    return network


def load_scorer(scorer: str | Path | AnyScorer, provider: Provider = "auto") -> AnyScorer:
    """Return a scorer: load a network by name or path, or pass a scorer through.

    Raises:
        ModelFileError: as :class:`OnnxScorer`.
        ConfigError: what is given is neither.
    """
    if isinstance(scorer, (str, Path)):
        return open_network(scorer, provider)
    dense = all(hasattr(scorer, name) for name in ("name", "num_variables", "num_values", "score"))
    if not dense and not is_graph_scorer(scorer):
        raise ConfigError(f"scorer: expected the name or path of a network, or a Scorer, got {type(scorer).__name__}")
    return scorer


def is_graph_scorer(scorer: AnyScorer) -> TypeGuard[GraphScorer]:
    """Tell which of the two protocols a scorer follows."""
    return all(hasattr(scorer, name) for name in ("name", "prepare", "score_graph"))


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
        output: list[int | None] = [None, size]
    else:
        inputs = {
            "edge_candidate": ("int64", [None]),
            "edge_group": ("int64", [None]),
            "group_features": ("float", [None, len(KINDS)]),
            "candidate_features": ("float", [None, CANDIDATE_FEATURES]),
        }
        if metadata.identities is not None:
            inputs["candidate_identity"] = ("int64", [None])
        output = [None]
    for kind, nodes, expected in (
        ("input", session.get_inputs(), inputs),
        ("output", session.get_outputs(), {"scores": ("float", output)}),
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
