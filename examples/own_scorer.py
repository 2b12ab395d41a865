"""A scorer of your own: any object that says which values to try first takes the place of a network.

Some people have joined new meetings, so the plan of last term no longer works. The model holds what must be: nobody is
in two meetings at a time. The scorer holds what is wished for: a meeting stays at its usual hour, or near it.
"""

import random
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

import nnsearch
import nnsearch.cp
import nnsearch.cpsat

MEETINGS = 40
HOURS = 16
PEOPLE = 35  # in five meetings each
SECONDS = 5.0  # at most, for the solve with an objective

rng = random.Random(1)
USUAL = {f"meeting {i}": rng.randrange(HOURS) for i in range(MEETINGS)}
MEETINGS_OF = [rng.sample(sorted(USUAL), 5) for _ in range(PEOPLE)]


class NearUsual:
    """The nearer a value is to the usual hour, the earlier a search tries it."""

    name = "near-usual"
    purpose = "preferences"  # which the model does not hold: so a race waits for the solution that this order leads to

    def prepare(self, graph: nnsearch.CandidateGraph, variables: Sequence[int] | None = None) -> "Prepared":
        """Read a model: its candidates are (variable, value) pairs, side by side in these arrays."""
        usual = np.array([USUAL[name] for name in graph.names])[graph.variable]
        return Prepared(-np.abs(graph.values - usual).astype(np.float32))


class Prepared:
    """What the scorer says of one model."""

    def __init__(self, scores: npt.NDArray[np.float32]) -> None:
        self.scores = scores

    def advise(self, alive: npt.NDArray[np.bool_]) -> nnsearch.Advice:
        """Score some states of the search; here what is possible in them does not matter."""
        return nnsearch.Advice(np.tile(self.scores, (len(alive), 1)))


def meetings_model() -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
    """Return the model, without an objective, and the hour of each meeting."""
    model = cp_model.CpModel()
    hours = {name: model.new_int_var(0, HOURS - 1, name) for name in USUAL}
    clashes = {pair for attended in MEETINGS_OF for pair in combinations(sorted(attended), 2)}
    for one, other in sorted(clashes):
        model.add(hours[one] != hours[other])
    return model, list(hours.values())


def hours_moved(plan: Sequence[int]) -> int:
    """Return by how much a plan misses what is wished for."""
    return sum(abs(hour - usual) for hour, usual in zip(plan, USUAL.values(), strict=True))


def main() -> None:
    """Solve the model without the scorer, with it in both engines, and with an objective in its place."""
    model, hours = meetings_model()
    alone = cp_model.CpSolver()
    alone.solve(model)
    print(f"CP-SAT, which knows nothing of the wish: {hours_moved(alone.values(hours))} hours moved")

    # Depth-first search in the CP engine, which asks the scorer at its nodes.
    result = nnsearch.cp.solve(model, hours, NearUsual())
    assert result.solution is not None
    print(f"cp.solve with the scorer: {hours_moved(result.solution)} hours moved, {result.failures} failures")

    # CP-SAT with that search beside it, in the place of cp_model.CpSolver().
    solver = nnsearch.cpsat.CpSolver(NearUsual())
    solver.solve(model)
    plan = {hour.name: solver.value(hour) for hour in hours}
    print(f"CpSolver with the scorer: {hours_moved(list(plan.values()))} hours moved; {solver.race}")
    for name, hour in plan.items():
        if hour != USUAL[name]:
            print(f"  {name}: {USUAL[name]} -> {hour}")

    # This wish can be said as an objective, too, and then CP-SAT needs no advice: what is the best there is?
    moved = [model.new_int_var(0, HOURS, "") for _ in hours]
    for var, hour in zip(moved, hours, strict=True):
        model.add_abs_equality(var, hour - USUAL[hour.name])
    model.minimize(sum(moved))
    alone.parameters.max_time_in_seconds = SECONDS
    status = alone.status_name(alone.solve(model)).lower()
    print(f"CP-SAT with the wish as an objective: {hours_moved(alone.values(hours))} hours moved, {status}")


if __name__ == "__main__":
    main()
