"""A solution callback that reads a copy of a solution, so that several solves can be heard through it at once.

CP-SAT lets a callback read the solve that runs with it, and nothing else: two solves at a time would overwrite each
other's solutions. Here the object is given a copy of each answer instead, and no solve is run to show one.
"""

from __future__ import annotations

from typing import Any

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

_COUNTS = {
    "NumBooleans": "num_booleans",
    "NumConflicts": "num_conflicts",
    "NumBranches": "num_branches",
    "NumIntegerPropagations": "num_integer_propagations",
    "NumBinaryPropagations": "num_binary_propagations",
    "DeterministicTime": "deterministic_time",
    "UserTime": "user_time",
    "WallTime": "wall_time",
    "ObjectiveValue": "objective_value",
    "BestObjectiveBound": "best_objective_bound",
}


class ReadCopy:
    """What a callback reads while :meth:`readers` are its attributes, and until CP-SAT has another solution for it.

    Attributes:
        response: the copy; None before the first one.
    """

    def __init__(self) -> None:
        self.response: cmh.CpSolverResponse | None = None
        self._callback: Any = None
        self._own: dict[str, Any] = {}

    def readers(self) -> dict[str, Any]:
        """Return the engine's methods by name, each reading the copy."""

        def copy() -> cmh.CpSolverResponse:
            assert self.response is not None  # HasResponse is asked first
            return self.response

        def solution_value(index: int) -> int:
            values = copy().solution
            return int(values[index] if index >= 0 else -values[~index])

        def solution_literal(index: int) -> bool:
            values = copy().solution
            return bool(values[index] if index >= 0 else not values[~index])

        def field(name: str) -> Any:
            return lambda: getattr(copy(), name)

        return {
            **{method: field(name) for method, name in _COUNTS.items()},
            "HasResponse": lambda: self.response is not None,
            "Response": copy,
            "Value": lambda expression: cmh.ResponseHelper.value(copy(), expression),
            "FloatValue": lambda expression: cmh.ResponseHelper.float_value(copy(), expression),
            "BooleanValue": lambda literal: cmh.ResponseHelper.boolean_value(copy(), literal),
            "SolutionIntegerValue": solution_value,
            "SolutionBooleanValue": solution_literal,
        }

    def stay(self, callback: cp_model.CpSolverSolutionCallback, own: dict[str, Any]) -> None:
        """Let a callback read the copy after the solve, too, as far as there is one: until CP-SAT calls it again.

        Args:
            callback: has none of the readers any more.
            own: attributes of these names that the callback had before.
        """
        if self.response is None:
            vars(callback).update(own)
            return
        self._callback, self._own = callback, own
        vars(callback).update({**self.readers(), "OnSolutionCallback": self})

    def __call__(self) -> None:
        """Be called by another solve that has a solution: from now on that one is read."""
        callback = self._callback
        self.leave()
        callback.OnSolutionCallback()

    def leave(self) -> None:
        """Give the callback its own attributes back."""
        for name in (*self.readers(), "OnSolutionCallback"):
            vars(self._callback).pop(name, None)
        vars(self._callback).update(self._own)
