"""The seam between learning and solving."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


class Scorer(Protocol):
    """Anything that orders the candidates of a dense problem: V variables, each with the same D values.

    Candidate ``(variable, value index)`` has the index ``variable * D + value index``.
    """

    @property
    def name(self) -> str:
        """A short name for results and messages."""
        ...

    @property
    def num_variables(self) -> int:
        """V."""
        ...

    @property
    def num_values(self) -> int:
        """D."""
        ...

    def score(self, assignment: FloatArray) -> FloatArray:
        """Score every candidate of every state.

        Called at search nodes, so it should be fast; it may be called with any batch size.

        Args:
            assignment: float32[B, V * D], 1 iff the variable is assigned that value in the state. It is reused by the
                caller: copy it to keep it.

        Returns:
            float32[B, V * D], finite; higher = try earlier. What assigned variables get is ignored.
        """
        ...
