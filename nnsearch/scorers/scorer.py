"""The seam between learning and solving: one protocol for all who know something, learned or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from nnsearch.model.graph import BoolArray, CandidateGraph

FloatArray = npt.NDArray[np.float32]


class Advice(NamedTuple):
    """What a scorer says of B states of a model with N candidates and V variables.

    Attributes:
        scores: float32[B, N]; the higher, the earlier a search tries the candidate. ``-inf`` where the scorer says
            nothing, finite elsewhere. What it says of candidates that are gone, or of bound variables, is ignored.
        target: float64[B, V], the value that a variable should be near, for variables with too many values to score
            each; NaN where there is none. None is no target at all.
        confidence: float32[B, V], how sure the scorer is of a variable, the higher the surer. None says that the scores
            alone tell.
        bound: float64[B], an objective in the model's units that no solution of the state surpasses by much, as far as
            the scorer knows; NaN where it does not. None is no bound at all. Where CP-SAT's own bound is much better,
            a scorer that leads a search gives way.
    """

    scores: FloatArray
    target: npt.NDArray[np.float64] | None = None
    confidence: FloatArray | None = None
    bound: npt.NDArray[np.float64] | None = None


class PreparedScorer(Protocol):
    """A scorer that has read a model."""

    def advise(self, alive: BoolArray) -> Advice:
        """Say what is known of some states.

        Called at search nodes, so it should be fast; it may be called with any number of states.

        Args:
            alive: bool[B, N], the candidates that are still possible; a bound variable has one.
        """
        ...


class Scorer(Protocol):
    """Anything that orders the values of a model's variables: a network, a heuristic, or a user's own object.

    It may have one more attribute, ``purpose``, which says to :class:`nnsearch.cpsat.CpSolver` what the order is for:
    ``feasibility`` (it leads to some solution; the default), ``objective`` (it leads to good ones, so it may lead the
    search), or ``preferences`` (it knows what the model does not hold, so its solution is waited for).
    """

    @property
    def name(self) -> str:
        """A short name for results and messages."""
        ...

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> PreparedScorer:
        """Read a model; called once for each solve.

        Args:
            graph: the model's candidates and groups; ``graph.model`` holds its rows and its objective, where there are
                any to read.
            variables: indices of the variables that the caller wants to be ordered, in the caller's order; None is all.
                A network of one size takes these as its own.

        Raises:
            NothingToReadError: what this scorer says could not differ between the values of any variable.
            NNSearchError: the scorer is not for this model.
        """
        ...
