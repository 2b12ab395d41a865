from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model
from stand_ins import brute_force, domains, enumerated, models, one_hot_of

from nnsearch.cp.assignment import AssignmentTracker
from nnsearch.cp.translate import translate
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.scorers.scorer import FloatArray


class Compare(pywrapcp.PyDecisionBuilder):  # type: ignore[misc]
    """Assigns random variables random values; compares the tracker with the truth at some of the nodes."""

    def __init__(
        self,
        tracker: AssignmentTracker,
        variables: list[pywrapcp.IntVar],
        truth: Callable[[], FloatArray],
        seed: int,
        share_of_nodes: float,
    ) -> None:
        super().__init__()
        self.tracker, self.variables, self.truth = tracker, variables, truth
        self.random, self.share_of_nodes = random.Random(seed), share_of_nodes
        self.last = tracker.assignment[0].copy()
        self.refreshes = 0

    def Next(self, solver: pywrapcp.Solver) -> pywrapcp.Decision | None:
        if self.random.random() < self.share_of_nodes:
            self.check(solver)
        unbound = [variable for variable in self.variables if not variable.Bound()]
        if not unbound:
            return None
        variable = self.random.choice(unbound)
        value = self.random.choice(list(variable.DomainIterator()))
        if self.random.random() < 0.2:
            return solver.SplitVariableDomain(variable, value - (value == variable.Max()), False)
        return solver.AssignVariableValue(variable, value)

    def check(self, solver: pywrapcp.Solver) -> None:
        self.refreshes += 1
        changed = self.tracker.refresh(solver)
        true_state = self.truth()
        np.testing.assert_array_equal(self.tracker.assignment, true_state[None])
        # It may say "changed" in vain, when an equal state was reached on another path; it must never miss a change.
        assert changed or (true_state == self.last).all()
        assert not self.tracker.refresh(solver)  # twice at one node
        bound = [i for i, variable in enumerate(self.variables) if variable.Bound()]
        assert sorted(self.tracker.bound_variables()) == bound
        self.last = true_state


def comparison(model: cp_model.CpModel, seed: int, share_of_nodes: float) -> tuple[pywrapcp.Solver, Compare]:
    translation = translate(model)
    variables = translation.variables
    values = [value for domain in domains(model) for value in domain]
    first, count = min(values), max(values) - min(values) + 1
    tracker = AssignmentTracker(variables, count, first)
    return translation.solver, Compare(
        tracker, variables, lambda: one_hot_of(variables, count, first), seed, share_of_nodes
    )


@given(models(), st.integers(0, 2**32), st.sampled_from([1.0, 0.5, 0.1]))
def test_equals_the_bound_variables_at_every_node(model: cp_model.CpModel, seed: int, share_of_nodes: float) -> None:
    solver, phase = comparison(model, seed, share_of_nodes)
    for _ in range(2):
        assert sorted(enumerated(solver, phase.variables, phase)) == brute_force(model)


@pytest.mark.parametrize("share_of_nodes", [1, 0.3, 0.02])
@pytest.mark.parametrize(("order", "filled", "solutions"), [(4, [], 576), (5, [1, 2, 3, 4, 5], 1344)])
def test_every_square_of_an_order(order: int, filled: list[int], solutions: int, share_of_nodes: float) -> None:
    grid = np.zeros((order, order), dtype=np.int64)
    grid[0, : len(filled)] = filled
    solver, phase = comparison(LatinSquare(order).build(grid)[0], order, share_of_nodes)
    assert len(set(enumerated(solver, phase.variables, phase))) == solutions
    assert phase.refreshes > solutions * share_of_nodes


def test_several_searches_each_cut_short() -> None:
    solver, phase = comparison(LatinSquare(5).build()[0], seed=0, share_of_nodes=0.3)
    for solutions in (1, 60, 7):
        solver.NewSearch(phase)
        assert all(solver.NextSolution() for _ in range(solutions))
        solver.EndSearch()
    assert phase.refreshes > 25
