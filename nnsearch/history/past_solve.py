"""A solve that was finished, and what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nnsearch.errors import HistoryError
from nnsearch.result import Status


@dataclass(frozen=True, eq=False)
class PastSolution:
    """A solution that was found.

    Attributes:
        values: int64[V], the variables' values in model order.
        objective: as in the model, None without one.
    """

    values: npt.NDArray[np.int64]
    objective: float | None


@dataclass(frozen=True, eq=False)
class PastSolve:
    """A finished solve.

    Attributes:
        family: what such models are called.
        created: when the solve ended, in seconds since 1970.
        status: what it ended with.
        objective: of the best solution, None without one.
        bound: no solution is better than this, as was proved; None if nothing was.
        seconds: wall time of the solve.
        found_by: who found the best solution.
        parameters: CP-SAT's, as text, only those that differ from the defaults.
        names: V names of variables, ``""`` where there is none.
        solutions: best first.
        improvements: how many better solutions each of CP-SAT's subsolvers brought, as far as was watched.
        number: its key in the store, None if it is in none.

    Raises:
        HistoryError: a solution has more values than there are names, or fewer.
    """

    family: str
    created: float
    status: Status
    objective: float | None
    bound: float | None
    seconds: float
    found_by: str
    parameters: str
    names: tuple[str, ...]
    solutions: tuple[PastSolution, ...]
    improvements: Mapping[str, int] = field(default_factory=dict)
    number: int | None = None

    def __post_init__(self) -> None:
        for solution in self.solutions:
            if solution.values.shape != (len(self.names),):
                raise HistoryError(
                    f"expected a value for each of {len(self.names)} variables, got an array of shape "
                    f"{solution.values.shape}; record solutions of the same model"
                )
