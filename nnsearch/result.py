"""What a solve ends with, the same for every engine."""

from __future__ import annotations

import operator
from dataclasses import asdict, astuple, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class Status(StrEnum):
    """CP-SAT's words. A model without objective is OPTIMAL once one solution is found.

    Of a model with one, a solution is OPTIMAL if the search proved that none is better, else FEASIBLE.
    """

    OPTIMAL = "OPTIMAL"
    FEASIBLE = "FEASIBLE"
    INFEASIBLE = "INFEASIBLE"
    UNKNOWN = "UNKNOWN"  # a limit was reached: raise the limit, or try another model or seed

    @property
    def solved(self) -> bool:
        """A solution is there."""
        return self in (Status.OPTIMAL, Status.FEASIBLE)


def all_digits(value: float) -> str:
    """Return a number with all digits before its point, and after it those that a floating-point number holds."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e18 else f"{value:.15g}"


@dataclass
class InferenceCount:
    """The cost of inference in one solve.

    Attributes:
        calls: how often the scorer was asked.
        states: states scored; one call may score a batch.
        recalled: states whose scores a cache still had; they are in neither ``calls`` nor ``states``.
        seconds: wall time inside the scorer. Of an inference that several searches share, each has an equal part.
    """

    calls: int = 0
    states: int = 0
    recalled: int = 0
    seconds: float = 0.0

    def __add__(self, other: InferenceCount) -> InferenceCount:
        return InferenceCount(*map(operator.add, astuple(self), astuple(other)))


class Improvement(NamedTuple):
    """One point of the anytime curve: a solution that was better than all before.

    Attributes:
        seconds: wall time since the solve began.
        failures: of the engine until then.
        objective: of the solution, as :attr:`SolveResult.objective_value`.
    """

    seconds: float
    failures: int
    objective: float


@dataclass(frozen=True)
class SolveResult:
    """The outcome of one solve.

    Attributes:
        status: see :class:`Status`.
        solution: the values of the variables in model order; None without a solution.
        branches: decisions taken, as the engine counts them (CP-SAT's branches are not search nodes).
        failures: dead ends of the CP engine, which counts one twice where the objective's bound closes a right branch;
            conflicts of CP-SAT.
        inference: what the scorer cost.
        wall_seconds: wall time of the solve, model building and inference included, loading the network excluded. Of a
            search that took turns with others (:func:`nnsearch.solve_many`): while it ran itself, and its part of the
            inferences.
        engine: ``cp``, ``cp-sat``, ``dives`` or ``race``.
        model: name of the scorer, or ``none``.
        objective_value: of the solution, as in the model: ``scaling_factor * (value + offset)``; None without solution
            or objective.
        best_objective_bound: no solution is better than this: proved. None if nothing was.
        improvements: the solutions on the way to the best one; empty without an objective.
        answered_by: of a race: the side that answered, and why; else None.
    """

    status: Status
    solution: list[int] | None
    branches: int
    failures: int
    inference: InferenceCount
    wall_seconds: float
    engine: str
    model: str
    objective_value: float | None = None
    best_objective_bound: float | None = None
    improvements: list[Improvement] = field(default_factory=list)
    answered_by: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON holds, the cost of inference in fields beside the others."""
        fields: dict[str, Any] = {}
        for name, value in asdict(self).items():
            if name == "inference":
                fields["inference_calls"] = self.inference.calls
                fields["states_scored"] = self.inference.states
                fields["inference_seconds"] = self.inference.seconds
            else:
                fields[name] = value
        return {**fields, "states_recalled": self.inference.recalled}

    def statistics(self) -> str:
        """Return what was found and what it cost, on one line."""
        failures = {"cp": "failures", "cp-sat": "conflicts"}.get(self.engine, "failures and conflicts")
        objective = ""
        if self.objective_value is not None:
            objective = f"  objective {all_digits(self.objective_value)}"
            if self.best_objective_bound is not None and self.best_objective_bound != self.objective_value:
                objective += f", bound {all_digits(self.best_objective_bound)}"
        answered = "" if self.answered_by is None else f"; {self.answered_by}"
        return (
            f"{self.status}{objective}  {self.branches} branches, {self.failures} {failures}, "
            f"{self.inference.calls} inferences in {self.inference.seconds * 1000:.1f} ms, "
            f"{self.wall_seconds * 1000:.1f} ms in total  ({self.engine}, {self.model}{answered})"
        )
