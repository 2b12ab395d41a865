"""The one-hot encoding of Silvestri, Lombardi and Milano: candidate j is 1 iff its variable is assigned its value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnsearch.encoding.encoder import Feed, FloatArray
from nnsearch.errors import ModelFileError, ScoreError
from nnsearch.model.graph import BoolArray, CandidateGraph, IntArray


def one_hot(values: npt.ArrayLike, num_values: int, first_value: int) -> FloatArray:
    """Encode partial assignments.

    Args:
        values: int[B, V]; a value below ``first_value`` marks an unassigned variable.
        num_values: D.
        first_value: the value with index 0.

    Returns:
        float32[B, V * D].

    Raises:
        ValueError: the array is not two-dimensional, or a value is above the last one.
    """
    index = np.asarray(values) - first_value
    if index.ndim != 2:
        raise ValueError(f"expected values as [B, V], got shape {index.shape}; a single state is values[None]")
    if index.size and index.max() >= num_values:
        raise ValueError(f"expected values up to {first_value + num_values - 1}, got {index.max() + first_value}")
    encoded = index[:, :, None] == np.arange(num_values)
    return encoded.reshape(len(index), index.shape[1] * num_values).astype(np.float32)


@dataclass(frozen=True, eq=False)
class OneHotState:
    """A partial assignment: float32[V * D], 1 iff the variable is assigned the value."""

    assignment: FloatArray

    @property
    def num_scores(self) -> int:
        """V * D."""
        return len(self.assignment)

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """The assignment."""
        return (self.assignment,)


@dataclass(frozen=True)
class OneHot:
    """The encoder of networks of one size: V variables, each with the same D values.

    Attributes:
        num_variables: V.
        num_values: D.
        first_value: the value with index 0; None is the smallest value of all domains.
    """

    num_variables: int
    num_values: int
    first_value: int | None = None

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None, name: str) -> OneHotEncoding:
        """Check that a model fits.

        Raises:
            ModelFileError: the network was made for another number of variables or values.
        """
        own = np.arange(graph.num_variables) if variables is None else np.asarray(variables, dtype=np.int64)
        if len(own) != self.num_variables or not len(own):
            raise ModelFileError(
                f"{name}: expected {self.num_variables} variables, the problem has {len(own)}; "
                "use none (--model none, scorer=None), or train one for this size: "
                "python -m training fit training/configs/pls.toml --order N"
            )
        sizes = np.diff(graph.offset)[own]
        if not sizes.all():
            raise ModelFileError(
                f"{name}: expected domains of {self.num_values} values, variable {graph.names[own[sizes.argmin()]]} "
                "has too many"
            )
        low = int(graph.values[graph.offset[own]].min())
        high = int(graph.values[graph.offset[own + 1] - 1].max())
        first = low if self.first_value is None else self.first_value
        if low < first or high > first + self.num_values - 1:
            raise ModelFileError(
                f"{name}: expected values {first}..{first + self.num_values - 1} ({self.num_values} of them), "
                f"the domains span {low}..{high}"
            )
        place = np.full(graph.num_variables, -1)
        place[own] = np.arange(len(own))
        place = place[graph.variable]
        return OneHotEncoding(
            graph, np.where(place < 0, -1, place * self.num_values + graph.values - first), len(own) * self.num_values
        )

    def unite(self, states: Sequence[OneHotState]) -> Feed:
        """Return float32[B, V * D] as ``assignment``."""
        return {"assignment": np.stack([state.assignment for state in states])}

    def split(self, scores: FloatArray, states: Sequence[OneHotState]) -> list[FloatArray]:
        """Return the rows."""
        shape = (len(states), self.num_variables * self.num_values)
        if np.shape(scores) != shape:
            raise ScoreError(f"expected scores of shape {shape}, got {np.shape(scores)}")
        return list(scores)


class OneHotEncoding:
    """A model for a network of its size.

    Args:
        graph: the model.
        index: int64[N], where each candidate is among the V * D of the network; -1 of the other variables.
        size: V * D.
    """

    def __init__(self, graph: CandidateGraph, index: IntArray, size: int) -> None:
        self._graph, self._index, self._own, self._size = graph, index, index >= 0, size

    def observed(self, alive: BoolArray) -> BoolArray:
        """Return the candidates of the variables that are bound: domains beside those are not read."""
        bound: BoolArray = alive & self._own & (self._graph.count(alive) == 1)[self._graph.variable]
        return bound

    def encode(self, alive: BoolArray) -> OneHotState:
        """Return the assignment."""
        assignment = np.zeros(self._size, dtype=np.float32)
        assignment[self._index[self.observed(alive)]] = 1
        return OneHotState(assignment)

    def decode(self, state: OneHotState, scores: FloatArray) -> FloatArray:
        """Return a score for every candidate of the network's variables, open or not."""
        result = np.full(len(self._index), -np.inf, dtype=np.float32)
        result[self._own] = scores[self._index[self._own]]
        return result
