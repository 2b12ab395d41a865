"""A past solution replayed by CP-SAT's fixed search: in the past order, each variable at the value next to its old one.

Every constraint propagates, and what a refutation needs is taken back by clause learning. This is value ordering by a
solution, as in J. C. Beck, Solution-guided multi-point constructive search for job shop scheduling, 2007.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.parameters import bare_parameters
from nnsearch.history.matching import Plan
from nnsearch.model.domains import bounds_of
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.stopping import StopCheck

IntArray = npt.NDArray[np.int64]

_NO_LIMIT = 2**62
_WIDEST = 2**60  # of a domain; distances have to be numbers that CP-SAT can hold


class Way(NamedTuple):
    """How a plan is replayed, for nobody knows of a variable whether its past value was a decision.

    Attributes:
        leftmost: Every variable but Booleans takes its smallest value, in the order of the past values, and not the one
            next to its past value. Schedules need this: where durations have changed, the order of the tasks is worth
            more than their times.
        objective_at_best: The variables of the objective take their best values, since they may follow from the others.
            What was chosen is chosen again; where that does not go the objective has the choice, because the past knows
            only what was not chosen.
    """

    leftmost: bool
    objective_at_best: bool

    @property
    def bold(self) -> bool:
        """Whether the objective decides more than the past."""
        return self.objective_at_best and not self.leftmost


@dataclass(frozen=True, eq=False)
class Roles:
    """The decisions that a plan knows, as indices of variables.

    Attributes:
        booleans: those that are known, the true ones first: to choose says more than not to.
        free: other variables, in the order of their past values, which in a schedule is that of time.
        paid: those of the objective, in the same order.
        cost: float64[V], what is to be minimised for each unit of a variable.
        values: int64[V], the past values, cut to the bounds of the domains.
        low: int64[V], the least values.
        high: int64[V], the largest ones.
    """

    booleans: IntArray
    free: IntArray
    paid: IntArray
    cost: npt.NDArray[np.float64]
    values: IntArray
    low: IntArray
    high: IntArray

    @classmethod
    def of(cls, model: PreparedModel, plan: Plan) -> Roles:
        """Read the roles of a model's variables in a plan."""
        low, high = bounds_of(model.domains)
        boolean = (low >= 0) & (high <= 1)
        values = np.clip(plan.values, low, high)
        cost = model.costs
        booleans = [np.flatnonzero(plan.known & boolean & (values == value)) for value in (1, 0)]
        others = np.flatnonzero(plan.known & ~boolean)
        others = others[np.argsort(plan.values[others], kind="stable")]
        is_paid = cost[others] != 0
        return cls(np.concatenate(booleans), others[~is_paid], others[is_paid], cost, values, low, high)

    def ways(self, schedule: bool) -> list[Way]:
        """Return the ways to try one after the other: of a schedule those that differ, else its values as they were."""
        ways = [Way(leftmost=False, objective_at_best=False)]
        if schedule and self.cost.any():
            ways.insert(0, Way(leftmost=False, objective_at_best=True))
        if schedule and len(self.free):
            ways.insert(0, Way(leftmost=True, objective_at_best=True))
        return ways

    def decisions(self, way: Way, proto: Any, check: StopCheck) -> list[int]:
        """Return the references whose least values are decided, one after the other; ``~v`` is the opposite of ``v``.

        Booleans come first. What is left of the objective comes last, at its best, the dearest first.

        Args:
            way: of replaying.
            proto: gets the distances to past values that are decided.
            check: asks whether to go on.
        """
        was = self.values[self.booleans]
        at_best = (was == 0) == (self.cost[self.booleans] > 0)
        kept = (self.cost[self.booleans] == 0) | at_best | (not way.objective_at_best)
        chosen, others = ~self.booleans[kept & (was == 1)], self.booleans[kept & (was == 0)]
        free = self.free.tolist() if way.leftmost else self._nearest(self.free, proto, check)
        paid = [] if way.objective_at_best else self._nearest(self.paid, proto, check)
        rest = np.flatnonzero(self.cost)
        rest = rest[np.argsort(-np.abs(self.cost[rest]), kind="stable")]
        best = np.where(self.cost[rest] > 0, rest, ~rest)
        return [*chosen.tolist(), *others.tolist(), *free, *paid, *best.tolist()]

    def _nearest(self, variables: IntArray, proto: Any, check: StopCheck) -> list[int]:
        """Return references that take variables to the open values next to their past ones."""
        decided: list[int] = []
        columns = (column[variables].tolist() for column in (self.values, self.low, self.high))
        for variable, value, least, most in zip(variables.tolist(), *columns, strict=True):
            check.step()
            if most - least > _WIDEST:
                continue
            if value == most > least:
                decided.append(~variable)
                continue
            if least < value:
                distance = len(proto.variables)
                proto.variables.add().domain.extend([0, max(value - least, most - value)])
                for sign in (1, -1):  # distance >= value - variable, distance >= variable - value
                    row = proto.constraints.add().linear
                    row.vars.extend([distance, variable])
                    row.coeffs.extend([1, sign])
                    row.domain.extend([sign * value, _NO_LIMIT])
                decided.append(distance)
            decided.append(variable)
        return decided


class Order(NamedTuple):
    """The decisions of a search."""

    roles: Roles
    way: Way


def set_order(model: cp_model.CpModel, order: Order, check: StopCheck) -> None:
    """Let a model be searched in an order; it gets variables and rows of its own for that.

    Raises:
        ReadingStoppedError: the check said so.
    """
    check.now()
    model.clear_hints()  # CP-SAT follows even an empty hint before the order of the search
    proto = model.proto
    proto.search_strategy.clear()
    strategy = proto.search_strategy.add()
    strategy.variable_selection_strategy = cp_model.CHOOSE_FIRST
    strategy.domain_reduction_strategy = cp_model.SELECT_MIN_VALUE
    strategy.variables.extend(order.roles.decisions(order.way, proto, check))


def fixed_search(asked: cmh.SatParameters | None) -> cmh.SatParameters:
    """Return the parameters of a search in an order.

    Whatever is done before its first decision costs more than it gives: CP-SAT's inprocessing alone takes ten times as
    long as a replay.

    Args:
        asked: the user's, of which the seed and the limit of memory count.
    """
    parameters = bare_parameters(asked)
    parameters.search_branching = cp_model.FIXED_SEARCH
    parameters.linearization_level = 0
    parameters.inprocessing_dtime_ratio = 0
    parameters.inprocessing_probing_dtime = 0
    parameters.inprocessing_minimization_dtime = 0
    return parameters
