"""What CP-SAT's best solution and the best bound say of other solutions of a race."""

from __future__ import annotations

import math
from typing import Any

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.racing.callbacks import Callbacks
from nnsearch.model.objective import Objective

SOLVED = (cp_model.OPTIMAL, cp_model.FEASIBLE)

_HARDLY = 0.02  # of an objective
_MUCH = 0.1  # of an objective, and of a gap: where a scorer helps, CP-SAT closes a fiftieth or nothing meanwhile


class Standing:
    """How things stand in a race: who is ahead, and what is proved.

    Args:
        proto: The model's.
        objective: None where the model has none that says anything; then any solution is as good as another.
        callbacks: Of the race; they hold CP-SAT's best objective and the best bound.
        parameters: The user's, with the limits on the gap.
    """

    def __init__(
        self, proto: Any, objective: Objective | None, callbacks: Callbacks, parameters: cmh.SatParameters
    ) -> None:
        self._proto, self._objective, self._callbacks, self._parameters = proto, objective, callbacks, parameters

    def has_solution(self) -> bool:
        """Tell whether CP-SAT has a solution to improve."""
        return self._callbacks.incumbent is not None

    def is_ahead(self, reached: float | None) -> bool:
        """Tell whether an objective is better than CP-SAT's best one; None is no solution."""
        known = self._callbacks.incumbent
        if self._objective is None:
            return True
        return reached is not None and (known is None or self._objective.better(reached, known))

    def is_surpassed(self, reached: float) -> bool:
        """Tell whether CP-SAT's best objective is better."""
        known = self._callbacks.incumbent
        return self._objective is not None and known is not None and self._objective.better(known, reached)

    def is_near(self, reached: float) -> bool:
        """Tell whether CP-SAT has a solution that is hardly worse, or hardly better."""
        known = self._callbacks.incumbent
        return known is not None and abs(known - reached) <= _HARDLY * abs(known)

    def knows_more(self, bound: float, reached: float | None) -> bool:
        """Tell whether CP-SAT's bound has closed a good part of a wide gap between another one and the best objective.

        That takes a solution of CP-SAT's, too: who has none is no better a guide.

        Args:
            bound: the other, in the units of the model; NaN is none.
            reached: an objective beside CP-SAT's best one; None is no solution.
        """
        known = self._callbacks.incumbent
        if self._objective is None or known is None:
            return False
        best = reached if reached is not None and self._objective.better(reached, known) else known
        gap = best - bound
        is_wide = self._objective.better(bound, best) and abs(gap) > _MUCH * abs(best)
        return is_wide and (self._callbacks.bound - bound) / gap >= _MUCH

    def improves(self, one: cmh.CpSolverResponse, other: cmh.CpSolverResponse) -> bool:
        """Tell whether the solution of one answer is better than what the other has."""
        if other.status not in SOLVED or self._objective is None:
            return True
        return self._objective.better(one.objective_value, other.objective_value)

    def proves(self, response: cmh.CpSolverResponse) -> bool:
        """Tell whether the best bound proves that no solution is better; with floating point only CP-SAT knows."""
        return (
            self._objective is not None
            and not self._objective.floating
            and response.status in SOLVED
            and not self._objective.better(self._callbacks.bound, response.objective_value)
            and not self.contradicts(response)
        )

    def contradicts(self, response: cmh.CpSolverResponse) -> bool:
        """Tell whether a solution is better than the best bound, which is wrong then."""
        return (
            self._objective is not None
            and not self._objective.floating
            and self._objective.better(response.objective_value, self._callbacks.bound)
        )

    def is_as_good(self, claimed: cmh.CpSolverResponse, best: cmh.CpSolverResponse) -> bool:
        """Tell whether the limits on the gap let CP-SAT call an objective the best, where a better one is known."""
        floating = self._objective is not None and self._objective.floating  # CP-SAT rounds such coefficients
        relative = max(self._parameters.relative_gap_limit, 1e-6 if floating else 0.0)
        limit = max(self._parameters.absolute_gap_limit, relative * max(1.0, abs(claimed.objective_value)))
        return abs(claimed.objective_value - best.objective_value) <= limit

    def note_bound(self, response: cmh.CpSolverResponse) -> None:
        """Take note of the bound of a response; without a solution it may be a zero that says nothing."""
        if self._objective is not None and response.status in SOLVED:
            self._callbacks.pass_bound(response.best_objective_bound)

    def know_a_bound(self) -> None:
        """Take what the domains say where there is no bound: a solve of a part would tell the callback its own."""
        if self._objective is not None and self._callbacks.bound == self._objective.no_bound:
            self._callbacks.pass_bound(self._objective.bound_of_domains(self._proto))

    def forget_bounds(self) -> None:
        """Go back to what the domains say, since a solution contradicts the best bound."""
        if self._objective is not None:
            self._callbacks.bound = self._objective.bound_of_domains(self._proto)

    def set_bound(self, response: cmh.CpSolverResponse) -> None:
        """Let a response of the model with an objective say the best bound."""
        bound = response.best_objective_bound = self._callbacks.bound
        if self._objective is not None and not self._objective.floating and math.isfinite(bound):
            response.inner_objective_lower_bound = self._objective.in_engine_units(bound)
