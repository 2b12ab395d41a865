from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model
from stand_ins import (
    FixedGraphScorer,
    FixedScorer,
    LinearScorer,
    RandomGraphScorer,
    WatchingScorer,
    enumerated,
    graph_of,
    latin_square,
    models,
    with_holes,
)

from nnsearch.cp import InferencePolicy, ValuePhase, solve
from nnsearch.cp.discrepancies import Discrepancies
from nnsearch.cp.restarts import Restarts
from nnsearch.cp.search_options import VARIABLE_ORDERS, SearchOptions, VariableOrder
from nnsearch.cp.state import StateReader
from nnsearch.cp.translate import translate
from nnsearch.errors import GraphError
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.result import InferenceCount

orders = st.sampled_from(VARIABLE_ORDERS)
policies = st.sampled_from([InferencePolicy(), InferencePolicy(every=2), InferencePolicy(every=0, after_failure=True)])


@settings(max_examples=150)
@given(models(), orders, policies, st.none() | st.builds(Restarts, st.just(1)), st.integers(0, 2**32))
def test_states_are_the_domains(
    model: cp_model.CpModel, order: VariableOrder, policy: InferencePolicy, restarts: Restarts | None, seed: int
) -> None:
    translation = translate(model)
    scorer = WatchingScorer(translation.variables, seed)
    phase = ValuePhase(
        translation.solver,
        translation.variables,
        scorer,
        SearchOptions(variable_order=order, policy=policy, restarts=restarts),
        graph=graph_of(model),
    )
    translation.solver.NewSearch(phase)
    while translation.solver.NextSolution() and restarts is None:
        pass
    translation.solver.EndSearch()
    assert scorer.mistakes == []
    assert phase.inference.calls == phase.inference.states == len(scorer.shown)


@pytest.mark.parametrize("order", VARIABLE_ORDERS)
def test_states_of_a_search_that_fails_a_lot(order: VariableOrder) -> None:
    solver = pywrapcp.Solver("pigeons")
    variables = [solver.IntVar(1, 5, f"v{i}") for i in range(6)]
    pairs = [(i, j) for i in range(6) for j in range(i)]
    for i, j in pairs:
        solver.Add(variables[i] != variables[j])
    scorer = WatchingScorer(variables)
    graph = CandidateGraph.from_all_different([range(1, 6)] * 6, pairs)
    phase = ValuePhase(solver, variables, scorer, SearchOptions(variable_order=order), graph=graph)
    for _ in range(2):
        assert enumerated(solver, variables, phase) == []
    assert scorer.mistakes == []
    assert solver.Failures() > 50
    assert len(scorer.shown) > 100


def test_one_reader_in_several_searches_of_one_solver() -> None:
    grid = with_holes(latin_square(5, 0), 20, 0)
    translation = translate(LatinSquare(5).build(grid)[0])
    solver, variables = translation.solver, translation.variables
    scorer = WatchingScorer(variables)
    graph = CandidateGraph.from_model(LatinSquare(5).build()[0])  # more values than the search starts with
    phase = ValuePhase(solver, variables, scorer, graph=graph)
    first = enumerated(solver, variables, phase)
    open_cell = next(variable for variable in variables if not variable.Bound())
    solver.Add(open_cell != open_cell.Min())
    second = enumerated(solver, variables, phase)
    assert set(second) < set(first)
    assert scorer.mistakes == []


def test_inside_other_decision_builders() -> None:
    translation = translate(LatinSquare(4).build()[0])
    solver, variables = translation.solver, translation.variables
    graph = CandidateGraph.from_model(LatinSquare(4).build()[0])
    scorers = [WatchingScorer(variables, seed) for seed in range(2)]
    parts = [
        ValuePhase(solver, variables, scorer, graph=graph, branch=branch)
        for scorer, branch in zip(scorers, (range(8), range(8, 16)), strict=True)
    ]
    assert len(set(enumerated(solver, variables, solver.Compose(parts)))) == 576
    nested = solver.Compose([parts[0], solver.SolveOnce(parts[1], [])])
    assert enumerated(solver, variables, nested)
    assert [scorer.mistakes for scorer in scorers] == [[], []]
    assert all(scorer.shown for scorer in scorers)


def test_after_another_search_from_a_narrower_root() -> None:
    translation = translate(LatinSquare(4).build()[0])
    solver, variables = translation.solver, translation.variables
    graph = CandidateGraph.from_model(LatinSquare(4).build()[0])
    scorer = WatchingScorer(variables)
    before = solver.Phase(variables[:8], solver.CHOOSE_FIRST_UNBOUND, solver.ASSIGN_MIN_VALUE)
    phase = ValuePhase(solver, variables, scorer, graph=graph)
    enumerated(solver, variables, solver.Compose([before, solver.SolveOnce(phase, [])]))
    assert len(enumerated(solver, variables, solver.Compose([before, phase]))) == 576
    assert scorer.mistakes == []


@pytest.mark.parametrize("order", VARIABLE_ORDERS)
def test_a_domain_outside_the_graph_is_refused_below_the_root(order: VariableOrder) -> None:
    solver = pywrapcp.Solver("outside")
    front, back = solver.IntVar(0, 1, "front"), solver.IntVar(1, 2, "back")
    graph = CandidateGraph.from_all_different([[1, 3]], [], ["back"])
    phase = ValuePhase(solver, [back], RandomGraphScorer(), SearchOptions(variable_order=order), graph=graph)
    before = solver.Phase([front], solver.CHOOSE_FIRST_UNBOUND, solver.ASSIGN_MIN_VALUE)
    solver.NewSearch(solver.Compose([before, phase]))
    try:
        with pytest.raises(GraphError, match="variable back: expected a domain within the graph"):
            solver.NextSolution()
    except KeyError as error:
        pytest.fail(repr(error))
    finally:
        solver.EndSearch()


class Looking(pywrapcp.PyDecisionBuilder):  # type: ignore[misc]
    """Calls a function at the root, and ends the search."""

    def __init__(self, reader: StateReader) -> None:
        super().__init__()
        self.reader = reader
        self.scores = np.zeros(0, dtype=np.float32)
        self.best: tuple[int, int] | None = None
        self.count = InferenceCount()
        self.error: Exception | None = None

    def Next(self, solver: pywrapcp.Solver) -> pywrapcp.Decision | None:
        try:
            self.reader.refresh(solver)
            self.scores = self.reader.score(self.count)
            self.reader.rank(self.scores)
            self.best = self.reader.best(solver)
        except GraphError as error:
            self.error = error
        return None


def look(solver: pywrapcp.Solver, reader: StateReader) -> Looking:
    looking = Looking(reader)
    assert solver.Solve(looking)
    return looking


def three_variables() -> tuple[pywrapcp.Solver, list[pywrapcp.IntVar]]:
    """v0 in 1..3, v1 = 2, v2 in {1, 3}."""
    solver = pywrapcp.Solver("three")
    return solver, [solver.IntVar([1, 2, 3], "v0"), solver.IntVar([2], "v1"), solver.IntVar([1, 3], "v2")]


def readers(variables: Sequence[pywrapcp.IntVar]) -> list[StateReader]:
    graph = CandidateGraph.from_all_different([range(1, 4)] * 3, [])
    scores = np.array([[1, 4, 2], [9, 9, 9], [4, 5, 3]])
    scorers = FixedScorer(scores), FixedGraphScorer(scores.ravel())
    return [StateReader(variables, graph, scorer.prepare(graph)) for scorer in scorers]


@pytest.mark.parametrize("index", [0, 1], ids=["one-hot", "graph"])
def test_both_readers_number_the_pairs_in_the_same_way(index: int) -> None:
    solver, variables = three_variables()
    reader = readers(variables)[index]
    pairs = [(variable, value) for variable in range(3) for value in (1, 2, 3)]
    assert [reader.pair(position) for position in range(9)] == pairs
    assert [reader.position(*pair) for pair in pairs] == list(range(9))
    looking = look(solver, reader)
    assert looking.best == (0, 2)  # not v1, which is bound, and not v2 = 2, which is gone; the first of equals
    assert looking.scores[[0, 1, 2, 6, 8]].tolist() == [1, 4, 2, 4, 3]
    assert looking.count.calls == looking.count.states == 1


def test_pairs_that_are_gone_have_no_score() -> None:
    solver, variables = three_variables()
    looking = look(solver, readers(variables)[1])
    assert (looking.scores == -np.inf).tolist() == [False, False, False, True, True, True, False, True, False]


@pytest.mark.parametrize("index", [0, 1], ids=["one-hot", "graph"])
def test_alive_pairs_are_the_domains(index: int) -> None:
    solver, variables = three_variables()
    reader = readers(variables)[index]
    look(solver, reader)
    assert reader.graph.variable[reader.alive_positions()].tolist() == [0, 0, 0, 1, 2, 2]
    assert reader.graph.values[reader.alive_positions()].tolist() == [1, 2, 3, 2, 1, 3]


class Comparing:
    """An observer that compares what a phase reads with the domains of the engine, at every decision."""

    def __init__(self, phase: ValuePhase, variables: Sequence[pywrapcp.IntVar]) -> None:
        self.phase, self.variables = phase, variables
        self.nodes, self.mistakes = 0, list[str]()
        phase.observer = self.chosen

    def chosen(self, variable: str, value: int, score: float, rank: int) -> None:
        self.nodes += 1
        pairs = self.phase.alive_pairs()
        graph = self.phase.graph
        got = list(zip(graph.variable[pairs].tolist(), graph.values[pairs].tolist(), strict=True))
        alive = [(i, v) for i, x in enumerate(self.variables) for v in range(1, 7) if x.Contains(v)]
        if got != alive:
            self.mistakes.append(f"node {self.nodes}: {got} instead of {alive}")


@pytest.mark.parametrize("order", VARIABLE_ORDERS)
@pytest.mark.parametrize("every", [0, 1, 4])
@pytest.mark.parametrize("how", [{}, {"restarts": Restarts(3)}, {"discrepancies": Discrepancies()}], ids=str)
@pytest.mark.parametrize("reads_graphs", [False, True])
def test_alive_pairs_of_a_search_that_fails_a_lot(
    order: VariableOrder, every: int, how: dict[str, Any], reads_graphs: bool
) -> None:
    solver = pywrapcp.Solver("pigeons")
    variables = [solver.IntVar(1, 5, f"v{i}") for i in range(6)] + [solver.IntVar(1, 6, "free")]
    pairs = [(i, j) for i in range(6) for j in range(i)]
    for i, j in pairs:
        solver.Add(variables[i] != variables[j])
    domains = [range(1, 6)] * 6 + [range(1, 7)]
    graph = CandidateGraph.from_all_different(domains, pairs) if reads_graphs else None
    scorer = RandomGraphScorer(1) if reads_graphs else LinearScorer(7, 6)
    policy = InferencePolicy(every, after_failure=every == 4)
    phase = ValuePhase(
        solver,
        variables,
        scorer,
        SearchOptions(variable_order=order, policy=policy, **how),
        graph=graph,
        branch=range(6),
    )
    comparing = Comparing(phase, variables[:6])
    rest = solver.Phase(variables[6:], solver.CHOOSE_FIRST_UNBOUND, solver.ASSIGN_MIN_VALUE)
    assert enumerated(solver, variables, solver.Compose([phase, rest])) == []
    assert comparing.mistakes == []
    assert comparing.nodes > 50


def test_a_graph_with_other_variables_is_refused() -> None:
    _, variables = three_variables()
    graph = CandidateGraph.from_all_different([[1], [2]], [])
    with pytest.raises(GraphError, match=r"^expected the 2 variables of the graph, got 3$"):
        StateReader(variables, graph, RandomGraphScorer().prepare(graph))


def test_a_domain_outside_the_graph_is_refused() -> None:
    solver, variables = three_variables()
    graph = CandidateGraph.from_all_different([[1, 3], [2], [1, 3]], [], ["left", "middle", "right"])
    error = look(solver, StateReader(variables, graph, RandomGraphScorer().prepare(graph))).error
    assert str(error) == (
        "variable left: expected a domain within the graph's 2 values 1..3, got 3 values of which 2 are there"
    )


def test_a_wide_domain_with_holes() -> None:
    model = cp_model.CpModel()
    values = cp_model.Domain.from_values([0, 10**7])
    pair = [model.new_int_var_from_domain(values, name) for name in "xy"]
    model.add_all_different(pair)
    result = solve(model, pair, RandomGraphScorer())
    assert sorted(result.solution or []) == [0, 10**7]
