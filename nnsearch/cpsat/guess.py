"""What a scorer thinks that a good solution looks like, and how sure it is of each variable."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnsearch.errors import NothingToReadError
from nnsearch.model.domains import bounds_of
from nnsearch.model.graph import CandidateGraph
from nnsearch.model.prepared import PreparedModel
from nnsearch.scorers.scorer import Advice

_FEW = 64  # values; more are an amount or a time, and to fix one forbids what is next to it


@dataclass(frozen=True, eq=False)
class Guess:
    """One value for each variable that a scorer has an opinion of; K variables of which it has one.

    Attributes:
        variables: int64[K], their indices, the surest first.
        values: int64[K], what each should be.
        targets: float64[V], where each of all variables should be; NaN is anywhere.
        is_blind: whether nobody has an opinion.
        bound: what the scorer takes for a bound of the objective, in the model's units; NaN is none.
    """

    variables: npt.NDArray[np.int64]
    values: npt.NDArray[np.int64]
    targets: npt.NDArray[np.float64]
    is_blind: bool = False
    bound: float = math.nan

    def complete(self, low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]) -> list[int]:
        """Return a value for each variable: the guess, else what is next to its target, or next to 0.

        Args:
            low: int64[V], the least values.
            high: int64[V], the largest.
        """
        values = np.where(np.isnan(self.targets), 0.0, self.targets)
        values[self.variables] = self.values
        return [int(value) for value in np.clip(np.rint(values), low, high)]

    @classmethod
    def blind(cls, model: PreparedModel) -> Guess:
        """Return the least value of each variable that has few, where there is no opinion."""
        low, high = bounds_of(model.domains)
        few = np.flatnonzero((low < high) & (high - low < _FEW))
        return cls(few, low[few], np.full(len(low), np.nan), is_blind=True)

    @classmethod
    def of(cls, advice: Advice, graph: CandidateGraph) -> Guess:
        """Read the advice on the root of a model.

        The guess of a variable is its best-scored candidate. Of the surest ones first: by the advice's confidence, or
        by how much the best score is above the second where the advice has none. Left out are variables with one
        value or with many, those without scores, and those whose scores are all the same.

        Args:
            advice: on one state, in which everything is possible.
            graph: what was asked about.

        Raises:
            NothingToReadError: the advice says nothing of any variable.
        """
        sizes = np.diff(graph.offset)
        open_ones = np.flatnonzero((sizes > 1) & (sizes <= _FEW))
        if len(open_ones):
            rows = np.where(np.isnan(advice.scores[0]), -np.inf, advice.scores[0]).astype(np.float64)
            place = np.lexsort((-rows, graph.variable))  # by variable, the best candidate first
            first, second = place[graph.offset[open_ones]], place[graph.offset[open_ones] + 1]
            gap = np.where(rows[first] > -np.inf, rows[first] - np.where(rows[second] > -np.inf, rows[second], 0), 0)
            told = rows[first] > rows[second]
            sure = gap if advice.confidence is None else advice.confidence[0][open_ones].astype(np.float64)
            order = np.argsort(-sure[told], kind="stable")
            if told.any():
                targets = np.full(len(sizes), np.nan) if advice.target is None else advice.target[0].astype(np.float64)
                bound = math.nan if advice.bound is None else float(advice.bound[0])
                return cls(open_ones[told][order], graph.values[first[told]][order], targets, bound=bound)
        raise NothingToReadError("expected an opinion on the value of at least one variable, got none")
