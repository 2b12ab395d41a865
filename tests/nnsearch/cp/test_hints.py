from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model
from stand_ins import FixedGraphScorer, FixedScorer, LinearScorer, brute_force, enumerated, models

from nnsearch import cp
from nnsearch.cp import Restarts, ValuePhase
from nnsearch.cp.hints import HintedPhase
from nnsearch.cp.search_options import VARIABLE_ORDERS, SearchOptions, VariableOrder
from nnsearch.cp.translate import translate
from nnsearch.model.graph import CandidateGraph

SCORES = np.tile([0.0, 1.0, 2.0], (3, 1))  # 2, then 1, then 0


def permutation(hint: dict[int, int]) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
    model = cp_model.CpModel()
    variables = [model.new_int_var(0, 2, f"v{i}") for i in range(3)]
    model.add_all_different(variables)
    for index, value in hint.items():
        model.add_hint(variables[index], value)
    return model, variables


@pytest.mark.parametrize("scorer", [None, FixedScorer(SCORES), FixedGraphScorer(SCORES.ravel())], ids=repr)
@pytest.mark.parametrize("order", VARIABLE_ORDERS)
def test_a_hinted_solution_is_found_without_a_failure(scorer: Any, order: VariableOrder) -> None:
    if scorer is None and order == "most-confident":
        pytest.skip("needs a network")
    result = cp.solve(*permutation({0: 1, 1: 2, 2: 0}), scorer, SearchOptions(variable_order=order))
    assert (result.solution, result.failures) == ([1, 2, 0], 0)


@pytest.mark.parametrize("hint", [{1: 1}, {0: 0, 1: 2}, {0: 1, 2: 2}])
def test_hints_of_the_variables_that_are_assigned_last(hint: dict[int, int]) -> None:
    model, variables = permutation(hint)
    solution = cp.solve(model, variables[:1], FixedGraphScorer(SCORES.ravel())).solution
    assert solution is not None
    # The network's favourite and the smallest values where nothing is hinted.
    assert solution == {1: [2, 1, 0], 2: [0, 2, 1], 0: [1, 0, 2]}[hint.get(1, 0)]


@pytest.mark.parametrize("order", ["first", "most-confident"])
@pytest.mark.parametrize("graph", [False, True], ids=["one-hot", "graph"])
def test_the_scores_decide_after_the_first_failure(order: VariableOrder, graph: bool) -> None:
    solver = pywrapcp.Solver("a wrong hint")
    switch, free = solver.IntVar(0, 2, "switch"), solver.IntVar(0, 2, "free")
    pigeons = [solver.IntVar(0, 1, f"v{i}") for i in range(3)]
    for i, pigeon in enumerate(pigeons):
        for other in pigeons[:i]:
            solver.Add(pigeon != other + 5 * switch)  # too few holes if the switch is 0
    variables = [switch, *pigeons, free]
    scores = np.tile([0.0, 1.0, 2.0], (5, 1))
    scores[0] += 9  # the most confident pair
    domains = [range(3), *[range(2)] * 3, range(3)]
    inside = np.array([value in domain for domain in domains for value in range(3)])
    phase = ValuePhase(
        solver,
        variables,
        FixedGraphScorer(scores.ravel()[inside]) if graph else FixedScorer(scores),
        SearchOptions(variable_order=order),
        hint={0: 0, 4: 0},
        graph=CandidateGraph.from_all_different(domains, []) if graph else None,
    )
    for _ in range(2):  # the same in another search
        before = solver.Failures()
        solver.NewSearch(phase)
        assert solver.NextSolution()
        assert solver.Failures() > before
        assert (switch.Value(), free.Value()) == (2, 2)
        solver.EndSearch()


def pigeons() -> tuple[pywrapcp.Solver, list[pywrapcp.IntVar]]:
    solver = pywrapcp.Solver("pigeons")
    variables = [solver.IntVar(1, 5, f"v{i}") for i in range(6)]
    for i, variable in enumerate(variables):
        for other in variables[:i]:
            solver.Add(variable != other)
    return solver, variables


class Decisions(pywrapcp.SearchMonitor):  # type: ignore[misc]
    """Notes the decisions, variable and value, and the values of those that are the first of a run."""

    def __init__(self, solver: pywrapcp.Solver) -> None:
        super().__init__(solver)
        self.depth = solver.SearchDepth
        self.first: list[str] = []
        self.decisions: list[tuple[str, str]] = []

    def ApplyDecision(self, decision: pywrapcp.Decision) -> None:
        text = decision.DebugString().partition("]")[0]
        self.decisions.append((text[1:].partition("(")[0], text.rpartition(" ")[2]))
        if self.depth() == 0:
            self.first.append(self.decisions[-1][1])


def test_runs_after_a_restart_do_not_return_to_the_hint() -> None:
    solver, variables = pigeons()
    scores = np.tile([0.0, 0.0, 0.0, 0.0, 50.0], (6, 1))
    phase = ValuePhase(
        solver, variables, FixedScorer(scores), SearchOptions(variable_order="first", restarts=Restarts(3)), hint={0: 2}
    )
    watch = Decisions(solver)
    assert enumerated(solver, variables, phase, [watch]) == []
    assert phase.num_restarts > 2
    assert watch.first == ["2"] + ["5"] * phase.num_restarts


def test_without_scores() -> None:
    solver = pywrapcp.Solver("a hint")
    variables = [solver.IntVar(-1, 1, f"v{i}") for i in range(2)]
    phase = HintedPhase(solver, variables, solver.CHOOSE_FIRST_UNBOUND, {0: 1, 1: 7})
    assert enumerated(solver, variables, phase)[:4] == [(1, -1), (1, 0), (1, 1), (-1, -1)]


def test_without_scores_after_a_failure() -> None:
    solver, variables = pigeons()
    free = solver.IntVar(0, 2, "free")
    phase = HintedPhase(solver, [free, *variables], solver.CHOOSE_FIRST_UNBOUND, {0: 2, 1: 5})
    watch = Decisions(solver)
    assert enumerated(solver, variables, phase, [watch]) == []
    assert watch.first == ["2"]
    # The hinted value comes first once; in the order of the values it is the last, which propagation assigns.
    tried = [value for name, value in watch.decisions if name == "v0"]
    assert tried == ["5", "1", "2", "3"] + ["1", "2", "3", "4"] * 2


@settings(max_examples=60)
@given(models(), st.data(), st.sampled_from(VARIABLE_ORDERS), st.integers(0, 99))
def test_a_hint_never_changes_the_set_of_solutions(
    model: cp_model.CpModel, data: st.DataObject, order: VariableOrder, seed: int
) -> None:
    solutions = brute_force(model)
    count = len(model.proto.variables)
    hint = data.draw(st.dictionaries(st.integers(0, count - 1), st.integers(-3, 4)))
    if solutions and seed % 2:
        hint = dict(enumerate(data.draw(st.sampled_from(solutions))))
    translation = translate(model)
    solver, variables = translation.solver, translation.variables
    span = max(v.Max() for v in variables) - min(v.Min() for v in variables) + 1
    phase = ValuePhase(
        solver, variables, LinearScorer(count, span, seed), SearchOptions(variable_order=order), hint=hint
    )
    found = enumerated(solver, variables, phase)
    assert sorted(found) == solutions
    if len(hint) == count and tuple(hint[i] for i in range(count)) in solutions:
        assert found[0] == tuple(hint[i] for i in range(count))
    plain = HintedPhase(solver, variables, solver.CHOOSE_MIN_SIZE, hint)
    assert sorted(enumerated(solver, variables, plain)) == solutions
