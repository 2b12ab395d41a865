from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise, product
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from latin_squares import latin_squares, solutions

from nnsearch.problems.latin_square.problem import LatinSquare
from training.data.deconstruction import deconstruct
from training.data.feasibility import (
    PROPAGATORS,
    FeasibilityStates,
    fixed_cell,
    free_choice,
    make_states,
    possible_candidates,
    random_fixed_cell,
    random_free_choice,
    score_states,
    singles,
    smallest_domain,
    states_of_examples,
)

N = 4
Pair = tuple[int, int]
Scores = npt.NDArray[np.float32]
every_propagator = pytest.mark.parametrize("propagator", PROPAGATORS)


@cache
def states() -> FeasibilityStates:
    """320 partial squares of order 4, twenty of each fill level."""
    return make_states(LatinSquare(N), solutions(N), 320, np.random.default_rng(0))


def random_scores(seed: int) -> Scores:
    """With ties: a quarter of the scores is one of three values."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=states().labels.shape)
    return np.where(rng.random(scores.shape) < 0.25, rng.integers(-1, 2, scores.shape), scores).astype(np.float32)


def pairs(row: npt.NDArray[np.bool_]) -> list[Pair]:
    """The candidates of a row as (cell, value index)."""
    return [(int(j) // N, int(j) % N) for j in np.flatnonzero(row)]


def neighbours(cell: int) -> list[tuple[str, int]]:
    return [(kind, other) for kind, other in product(("row", "column"), range(N**2)) if touches(kind, cell, other)]


def touches(kind: str, cell: int, other: int) -> bool:
    return cell != other and (cell // N == other // N if kind == "row" else cell % N == other % N)


def slow_possible(assigned: dict[int, int], propagator: str) -> set[Pair]:
    kinds = {"none": (), "rows": ("row",), "full": ("row", "column")}[propagator]
    possible = set()
    for cell, value in product(range(N**2), range(N)):
        ruled_out = any(kind in kinds and assigned.get(other) == value for kind, other in neighbours(cell))
        if propagator == "none" or (cell not in assigned and not ruled_out):
            possible.add((cell, value))
    return possible


@cache
def rows(propagator: str) -> list[tuple[dict[int, int], set[Pair], set[Pair]]]:
    """Per state: the assigned cells, what may be suggested, and what is feasible."""
    return [
        (dict(pairs(a)), slow_possible(dict(pairs(a)), propagator), set(pairs(label)))
        for a, label in zip(states().assignment, states().labels, strict=True)
    ]


def share(feasible: set[Pair], suggestions: set[Pair]) -> float:
    return len(feasible & suggestions) / len(suggestions)


def values_of(cell: int, possible: set[Pair]) -> set[Pair]:
    return {pair for pair in possible if pair[0] == cell}


def best(scores: Scores, possible: set[Pair]) -> Pair:
    """The first one where several are equal."""
    return max(sorted(possible), key=lambda pair: scores[pair[0] * N + pair[1]])


def test_states_are_partial_solutions_with_exact_labels() -> None:
    every = latin_squares(N).reshape(-1, N**2) - 1
    grids = []
    for assigned, _, feasible in rows("none"):
        known = np.array([assigned.get(cell, -1) for cell in range(N**2)])
        completions = every[((known < 0) | (known == every)).all(axis=1)]
        assert len(completions) > 0
        assert feasible == {(c, int(s[c])) for s in completions for c in range(N**2) if c not in assigned}
        grids.append(known.tobytes())
    assert len(set(grids)) > 250
    np.testing.assert_array_equal(states().filled, states().assignment.sum(axis=1))
    np.testing.assert_array_equal(np.bincount(states().filled), [20] * N**2)
    for unassigned, (assigned, _, _) in zip(states().unassigned(), rows("none"), strict=True):
        assert set(np.flatnonzero(unassigned)) == set(range(N**2)) - set(assigned)


def test_states_use_the_solutions_in_turn() -> None:
    drawn = make_states(LatinSquare(N), solutions(N)[:5], 16 * 50, np.random.default_rng(1))
    almost = drawn.filled == 15
    complete = (drawn.assignment | drawn.labels)[almost].reshape(-1, N**2, N).argmax(axis=2)
    assert {tuple(row) for row in complete} == {tuple(row) for row in solutions(N)[:5].astype(int)}
    again = make_states(LatinSquare(N), solutions(N)[:5], 16 * 50, np.random.default_rng(1))
    np.testing.assert_array_equal(drawn.assignment, again.assignment)


@every_propagator
def test_possible_candidates(propagator: str) -> None:
    possible = possible_candidates(states(), propagator)
    assert possible.dtype == np.bool_
    for row, (_, expected, feasible) in zip(possible, rows(propagator), strict=True):
        assert set(pairs(row)) == expected
        assert feasible <= expected


@every_propagator
@pytest.mark.parametrize("seed", [1, 2])
def test_suggestions(propagator: str, seed: int) -> None:
    scores = random_scores(seed)
    possible = possible_candidates(states(), propagator)
    free, fixed = [], []
    for score, (assigned, allowed, feasible) in zip(scores, rows(propagator), strict=True):
        free.append(best(score, allowed) in feasible)
        holes = set(range(N**2)) - set(assigned)
        fixed.append(fmean(best(score, values_of(cell, allowed)) in feasible for cell in holes))
    np.testing.assert_array_equal(free_choice(states(), scores, possible), free)
    np.testing.assert_allclose(fixed_cell(states(), scores, possible), fixed)


@every_propagator
def test_expectations(propagator: str) -> None:
    possible = possible_candidates(states(), propagator)
    free, fixed, smallest = [], [], []
    for assigned, allowed, feasible in rows(propagator):
        domains = {cell: values_of(cell, allowed) for cell in range(N**2) if cell not in assigned}
        fewest = min(map(len, domains.values()))
        free.append(share(feasible, allowed))
        fixed.append(fmean(share(feasible, domain) for domain in domains.values()))
        smallest.append(fmean(share(feasible, d) for d in domains.values() if len(d) == fewest))
    np.testing.assert_allclose(random_free_choice(states(), possible), free)
    np.testing.assert_allclose(random_fixed_cell(states(), possible), fixed)
    np.testing.assert_allclose(smallest_domain(states(), possible), smallest)


def test_singles() -> None:
    lines = [[(r * N + x, v) for x in range(N)] for r, v in product(range(N), repeat=2)]
    lines += [[(x * N + c, v) for x in range(N)] for c, v in product(range(N), repeat=2)]
    groups = [*lines, *([(cell, v) for v in range(N)] for cell in range(N**2))]
    expected, completed = [], 0
    for given_cells, _, feasible in rows("full"):
        assigned = dict(given_cells)
        while True:
            allowed = slow_possible(assigned, "full")
            left = [[pair for pair in group if pair in allowed] for group in groups]
            forced = dict(group[0] for group in left if len(group) == 1)
            if not forced:
                break
            assigned |= forced
        completed += not allowed
        expected.append(share(feasible, allowed) if allowed else 1.0)
    np.testing.assert_allclose(singles(states()), expected)
    assert 50 < completed < 250  # both branches are there


@every_propagator
def test_random_scores_average_to_the_expectations(propagator: str) -> None:
    """2,000 draws for each of 64 states; 5 standard errors of a mean of 0/1 outcomes are at most .056."""
    draws, chosen = 2000, np.arange(0, 320, 5)
    possible = possible_candidates(states(), propagator)[chosen]
    rng = np.random.default_rng(0)
    free, fixed = np.zeros(len(chosen)), np.zeros(len(chosen))
    some = replace(states(), **{k: getattr(states(), k)[chosen] for k in ("assignment", "labels", "filled")})
    for _ in range(draws):
        scores = rng.random(possible.shape, dtype=np.float32)
        free += free_choice(some, scores, possible)
        fixed += fixed_cell(some, scores, possible)
    np.testing.assert_allclose(free / draws, random_free_choice(some, possible), atol=0.056)
    np.testing.assert_allclose(fixed / draws, random_fixed_cell(some, possible), atol=0.056)


@every_propagator
def test_perfect_scores_are_always_feasible(propagator: str) -> None:
    possible = possible_candidates(states(), propagator)
    labels = states().labels.astype(np.float32)
    for ask in (free_choice, fixed_cell):
        assert (ask(states(), labels, possible) == 1).all()
    for expectation in (random_free_choice, random_fixed_cell, smallest_domain):
        assert (expectation(states(), states().labels) == 1).all()
    worst = free_choice(states(), -labels, possible)
    np.testing.assert_array_equal(worst, (possible <= states().labels).all(axis=1))


@given(seed=st.integers(0, 10**6))
def test_sound_propagation_never_lowers_a_feasibility(seed: int) -> None:
    """It removes infeasible suggestions only: a feasible best one stays the best."""
    scores = random_scores(seed)
    masks = [possible_candidates(states(), propagator) for propagator in PROPAGATORS]
    for looser, tighter in pairwise(masks):
        assert (free_choice(states(), scores, looser) <= free_choice(states(), scores, tighter)).all()
        assert (fixed_cell(states(), scores, looser) <= fixed_cell(states(), scores, tighter) + 1e-12).all()
        assert (random_free_choice(states(), looser) <= random_free_choice(states(), tighter)).all()
        assert (random_fixed_cell(states(), looser) <= random_fixed_cell(states(), tighter) + 1e-12).all()


def test_by_level() -> None:
    some = replace(states(), filled=np.array([0, 3, 3, 15]))
    level = some.by_level(np.array([1.0, 0.0, 0.5, 0.25]))
    expected = np.full(16, np.nan)
    expected[[0, 3, 15]] = 1, 0.25, 0.25
    np.testing.assert_array_equal(level, expected)


@pytest.mark.parametrize("batch", [1, 7, 320, 1024])
def test_scores_are_computed_in_batches(batch: int) -> None:
    sizes = []

    def score(assignment: Any) -> Any:
        assert assignment.dtype == np.float32
        sizes.append(len(assignment))
        return assignment * 3 + 1

    np.testing.assert_array_equal(score_states(score, states(), batch), states().assignment * 3 + 1)
    assert sizes == [batch] * (320 // batch) + [320 % batch] * (320 % batch > 0)


@pytest.mark.parametrize("count", [160, 100_000])
def test_states_of_examples_are_spread_over_the_fill_levels_and_labelled_like_others(count: int) -> None:
    examples = deconstruct(solutions(N)[:30], 1, np.random.default_rng(1))
    drawn = states_of_examples(LatinSquare(N), examples, count, np.random.default_rng(2))
    levels = np.bincount(examples.assigned_mask().sum(axis=1), minlength=N**2)
    np.testing.assert_array_equal(np.bincount(drawn.filled, minlength=N**2), np.minimum(levels, count // N**2))
    np.testing.assert_array_equal(drawn.assignment.sum(axis=1), drawn.filled)
    # Every label is exact: a pair is feasible iff it and the state are in one of all squares.
    squares = np.eye(N, dtype=bool)[solutions(N)].reshape(-1, N**3)
    for assignment, label in zip(drawn.assignment[::17], drawn.labels[::17], strict=True):
        completions = squares[(squares >= assignment).all(axis=1)]
        unassigned = np.repeat(~assignment.reshape(N**2, N).any(axis=1), N)
        np.testing.assert_array_equal(label, completions.any(axis=0) & unassigned)
