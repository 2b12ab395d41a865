"""A network in ONNX Runtime, behind the :class:`nnsearch.scorer.Scorer` protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort

from nnsearch.errors import ConfigError, ModelFileError, ScoreError
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.inference.pretrained import find_model
from nnsearch.inference.providers import Provider, choose_providers, warn_if_fallen_back
from nnsearch.scorer import FloatArray, Scorer

_FATAL = 4  # ONNX Runtime's log severities; its errors reach the user as exceptions, in one line
_WARNING = 2


class OnnxScorer:
    """A network exported by ``python -m training export``.

    Args:
        spec: the name of a pretrained network, or the path of an ``.onnx`` file.
        provider: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads of one inference. One is fastest for single states of small networks.

    Raises:
        ModelFileError: there is no such model, or the file is truncated, foreign, or breaks the contract; the message
            names the file.
    """

    def __init__(self, spec: str | Path, provider: Provider = "auto", threads: int = 1) -> None:
        self.path = find_model(spec)
        self._session = _open(self.path, provider, threads)
        props = self._session.get_modelmeta().custom_metadata_map
        self.metadata = ModelMetadata.from_props(props, str(self.path))
        _check_signature(self._session, self.metadata, self.path)

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def num_variables(self) -> int:
        """V."""
        return self.metadata.num_variables

    @property
    def num_values(self) -> int:
        """D."""
        return self.metadata.num_values

    @property
    def provider(self) -> str:
        """The execution provider that is active, for example ``CPUExecutionProvider``."""
        active: str = self._session.get_providers()[0]
        return active

    def score(self, assignment: FloatArray) -> FloatArray:
        """Score every candidate of every state; see :meth:`nnsearch.scorer.Scorer.score`.

        Raises:
            ScoreError: a score is not finite.
        """
        scores: FloatArray = self._session.run(["scores"], {"assignment": assignment})[0]
        if not np.isfinite(scores).all():
            raise ScoreError(f"{self.path}: expected finite scores, got NaN or infinity; the network is damaged")
        return scores


def load_scorer(scorer: str | Path | Scorer, provider: Provider = "auto") -> Scorer:
    """Return a scorer: load a network by name or path, or pass a scorer through.

    Raises:
        ModelFileError: as :class:`OnnxScorer`.
        ConfigError: what is given is neither.
    """
    if isinstance(scorer, (str, Path)):
        return OnnxScorer(scorer, provider)
    if not all(hasattr(scorer, name) for name in ("name", "num_variables", "num_values", "score")):
        raise ConfigError(f"scorer: expected the name or path of a network, or a Scorer, got {type(scorer).__name__}")
    return scorer


def _open(path: Path, provider: Provider, threads: int) -> ort.InferenceSession:
    wanted = choose_providers(provider)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    ort.set_default_logger_severity(_FATAL)
    try:
        # Opened by path, not from bytes: ONNX Runtime then refuses external data outside the file's own folder.
        session = ort.InferenceSession(str(path), sess_options=options, providers=wanted)
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        reason = str(error).splitlines()[0].split(" : ", 2)[-1]
        raise ModelFileError(f"{path}: expected a complete ONNX model of standard operators ({reason})") from None
    finally:
        ort.set_default_logger_severity(_WARNING)
    warn_if_fallen_back(wanted, session.get_providers())
    return session


def _check_signature(session: ort.InferenceSession, metadata: ModelMetadata, path: Path) -> None:
    """Compare inputs and outputs with what the metadata promises."""
    size = metadata.num_variables * metadata.num_values
    for kind, nodes, name in (
        ("input", session.get_inputs(), "assignment"),
        ("output", session.get_outputs(), "scores"),
    ):
        expected = f"expected one {kind} '{name}' float32[B, {size}]"
        if [node.name for node in nodes] != [name]:
            raise ModelFileError(f"{path}: {expected}, got {', '.join(node.name for node in nodes) or 'none'}")
        shape = nodes[0].shape
        if nodes[0].type != "tensor(float)" or len(shape) != 2 or shape[1] != size or isinstance(shape[0], int):
            raise ModelFileError(f"{path}: {expected}, got {nodes[0].type} {shape}")
