"""What an encoder is: it turns search states into what a network reads, and scores back into those of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from nnsearch.model.graph import BoolArray, CandidateGraph

FloatArray = npt.NDArray[np.float32]
Feed = dict[str, npt.NDArray[Any]]
"""The inputs of a network by name."""


class State(Protocol):
    """One search state as a network reads it. It can be pickled."""

    @property
    def num_scores(self) -> int:
        """How many scores the network gives to it; of a state with none it is not asked."""
        ...

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """All that the network sees."""
        ...


class Encoding(Protocol):
    """A model as an encoder sees it; N candidates."""

    def observed(self, alive: BoolArray) -> BoolArray:
        """Return bool[N], what the network sees of a state (bool[N]) at all: where it is equal, the scores are."""
        ...

    def encode(self, alive: BoolArray) -> Any:
        """Return the :class:`State`; arguments as for :meth:`observed`."""
        ...

    def decode(self, state: Any, scores: FloatArray) -> FloatArray:
        """Return float32[N], the scores of all candidates from those of a state; ``-inf`` where there is none."""
        ...


@runtime_checkable
class TargetEncoding(Encoding, Protocol):
    """A model as an encoder sees it whose network has targets for variables, V in number, beside scores."""

    def targets(self, state: Any, scores: FloatArray) -> tuple[npt.NDArray[np.float64], FloatArray]:
        """Return float64[V] and float32[V], ``target`` and ``confidence`` of :class:`nnsearch.scorers.scorer.Advice`.

        The arguments are as for :meth:`decode`.
        """
        ...


class Encoder(Protocol):
    """How a network reads states. It can be pickled, and knows nothing of a model until it prepares one."""

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None, name: str) -> Encoding:
        """Read a model.

        Args:
            graph: the model.
            variables: see :meth:`nnsearch.scorers.scorer.Scorer.prepare`.
            name: the network's, for messages.

        Raises:
            NNSearchError: the network is not for this model.
        """
        ...


class InputEncoder(Encoder, Protocol):
    """An encoder whose states become the named inputs of an ONNX file."""

    def unite(self, states: Sequence[Any]) -> Feed:
        """Return the inputs of a network for one or several states."""
        ...

    def split(self, scores: FloatArray, states: Sequence[Any]) -> list[FloatArray]:
        """Return the scores of each state from those of the united ones.

        Raises:
            ScoreError: the shape is another one.
        """
        ...
