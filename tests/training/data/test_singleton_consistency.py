from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_ins import wiped_out

from nnsearch.model.graph import CandidateGraph
from nnsearch.problems import n_queens
from nnsearch.problems.latin_square.problem import LatinSquare
from training.data.families import LatinSquares, latin_square_pool
from training.data.graph_states import BoolArray
from training.data.singleton_consistency import singleton_consistent

GRAPHS = {
    "latin-square-4": CandidateGraph.from_model(LatinSquare(4).build()[0]),
    "latin-square-5": CandidateGraph.from_model(LatinSquare(5).build()[0]),
    "queens-6": CandidateGraph.from_model(n_queens.QueensCompletion("empty", 6).build()[0]),
}
few = settings(max_examples=25, deadline=None)


@st.composite
def states(draw: st.DrawFn) -> tuple[CandidateGraph, BoolArray]:
    """A graph and a state at the fixpoint of its propagation, often without a solution."""
    graph = GRAPHS[draw(st.sampled_from(sorted(GRAPHS)))]
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    alive = np.ones(graph.num_candidates, dtype=bool)
    for _ in range(draw(st.integers(0, graph.num_variables // 2))):
        open_variables = np.flatnonzero(graph.count(alive) > 1)
        if not len(open_variables):
            break
        variable = rng.choice(open_variables)
        chosen = rng.choice(np.flatnonzero(alive & (graph.variable == variable)))
        alive = graph.propagate(alive & ((graph.variable != variable) | (np.arange(len(alive)) == chosen)))
        if wiped_out(graph, alive):
            break
    return graph, alive


def one_by_one(graph: CandidateGraph, alive: BoolArray) -> BoolArray:
    """Probe every open candidate with the graph's own propagation."""
    result = alive.copy()
    for candidate in np.flatnonzero(alive & (graph.count(alive) > 1)[graph.variable]):
        probe = alive & (graph.variable != graph.variable[candidate])
        probe[candidate] = True
        result[candidate] = not wiped_out(graph, graph.propagate(probe))
    return result


def in_a_solution(graph: CandidateGraph, alive: BoolArray) -> BoolArray:
    """bool[N], by depth-first search without any propagation but the groups themselves."""
    groups = [set(graph.edge_group[graph.edge_candidate == c].tolist()) for c in range(graph.num_candidates)]
    by_variable = [np.flatnonzero(alive & (graph.variable == v)).tolist() for v in range(graph.num_variables)]
    found = np.zeros(graph.num_candidates, dtype=bool)

    def completes(chosen: list[int], used: set[int], left: list[int]) -> bool:
        if not left:
            found[chosen] = True
            return True
        variable = min(left, key=lambda v: sum(not groups[c] & used for c in by_variable[v]))
        rest = [v for v in left if v != variable]
        fitting = [c for c in by_variable[variable] if not groups[c] & used]
        return any(completes([*chosen, c], used | groups[c], rest) for c in fitting)

    for candidate in np.flatnonzero(alive).tolist():
        if not found[candidate]:
            others = [v for v in range(graph.num_variables) if v != graph.variable[candidate]]
            completes([candidate], set(groups[candidate]), others)
    return found


@few
@given(states())
def test_equal_to_probing_one_by_one(state: tuple[CandidateGraph, BoolArray]) -> None:
    graph, alive = state
    if wiped_out(graph, alive):
        return  # then every probe fails by hand; the function need not see it
    expected = one_by_one(graph, alive)
    for chunk in (1, 3, 64):
        assert np.array_equal(singleton_consistent(graph, alive, chunk), expected)


@pytest.mark.parametrize("seed", range(6))
def test_tight_squares_lose_candidates_and_equal_probing(seed: int) -> None:
    family = LatinSquares(latin_square_pool((8,), 4, seed))
    rng = np.random.default_rng(seed)
    removed = 0
    for _ in range(6):
        planted = family.draw(rng, tight=True)
        kept = singleton_consistent(planted.graph, planted.alive)
        assert np.array_equal(kept, one_by_one(planted.graph, planted.alive))
        assert not (planted.holds & ~kept).any()
        removed += int((planted.alive & ~kept).sum())
    assert removed > 0


@few
@given(states())
def test_sound(state: tuple[CandidateGraph, BoolArray]) -> None:
    graph, alive = state
    kept = singleton_consistent(graph, alive)
    assert not (kept & ~alive).any()
    assert not (in_a_solution(graph, alive) & ~kept).any()


@few
@given(states(), st.integers(0, 10**6))
def test_removes_at_least_what_propagation_removes_and_is_monotone(
    state: tuple[CandidateGraph, BoolArray], seed: int
) -> None:
    graph, alive = state
    if wiped_out(graph, alive):
        return
    kept = singleton_consistent(graph, alive)
    assert not (kept & ~graph.propagate(alive)).any()
    # Fewer candidates in, no more out: remove one at random and come to the fixpoint again.
    candidates = np.flatnonzero(alive)
    fewer = alive.copy()
    fewer[np.random.default_rng(seed).choice(candidates)] = False
    fewer = graph.propagate(fewer)
    if not wiped_out(graph, fewer):
        assert not (singleton_consistent(graph, fewer) & ~kept).any()


def test_the_state_is_left_alone_and_a_bound_one_stays() -> None:
    graph = GRAPHS["latin-square-4"]
    alive = np.ones(graph.num_candidates, dtype=bool)
    before = alive.copy()
    singleton_consistent(graph, alive)
    assert np.array_equal(alive, before)
    square = (np.arange(4)[:, None] + np.arange(4)) % 4 + 1
    bound = np.zeros(graph.num_candidates, dtype=bool)
    bound[graph.candidates_of(square.ravel())] = True
    assert np.array_equal(singleton_consistent(graph, bound), bound)
