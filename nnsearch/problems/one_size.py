"""A problem of one size, as the networks of one size see it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from nnsearch.problems.problem import Problem


@dataclass(frozen=True)
class OneSize(ABC):
    """V variables of D values each, and groups of candidates of which at most one holds.

    Candidate ``(variable, value)`` has the index ``variable * D + value - first_value``. Where a problem says nothing
    else, the variables are the cells of a square, row by row, and the values are 1..order.

    Args:
        order: D, the number of values; the number of rows and of columns.
    """

    order: int

    name: ClassVar[str]
    first_value: ClassVar[int] = 1

    @property
    def num_variables(self) -> int:
        """V, the number of variables."""
        return self.order**2

    @property
    def num_values(self) -> int:
        """D, the number of values of every variable."""
        return self.order

    @property
    def num_candidates(self) -> int:
        """N = V * D."""
        return self.num_variables * self.order

    @abstractmethod
    def groups(self) -> npt.NDArray[np.int64]:
        """Return int64[G, order], the candidates of each group; a smaller group repeats some."""

    def exactly_one(self) -> npt.NDArray[np.bool_]:
        """Return bool[G]: of which groups one has to hold."""
        return np.ones(len(self.groups()), dtype=np.bool_)

    @abstractmethod
    def instance(self, name: str, values: npt.NDArray[np.int64], given: npt.NDArray[np.bool_]) -> Problem:
        """Return the instance that gives some values of a solution.

        Args:
            name: The name of the instance.
            values: int64[V], the solution.
            given: bool[V], which of its values are given.
        """
