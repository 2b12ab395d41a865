"""Searches side by side, in the tests of one process and of several."""

from __future__ import annotations

from typing import Any

import numpy as np
from ortools.sat.python import cp_model
from stand_ins import (
    RandomGraphScorer,
    latin_square,
    with_holes,
)

import nnsearch
from nnsearch import SearchOptions, SolveResult, solve_many
from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.many.solve_many import ManySolves
from nnsearch.problems import PartialLatinSquare
from nnsearch.scorers.scorer import FloatArray, Scorer


class GroupScorer(RandomGraphScorer):
    """Scores that the groups of a candidate decide, and nothing else in the union."""

    def __init__(self) -> None:
        super().__init__(name="groups")

    def scores(self, state: GraphState) -> FloatArray:
        size = np.bincount(state.edge_group, minlength=len(state.group_features))
        total = np.bincount(state.edge_candidate, size[state.edge_group] ** 2, minlength=state.num_candidates)
        place = (state.candidate_features[:, 0] * 4096).astype(np.int64)
        return ((total.astype(np.int64) * 7919 + place * 104_729) % 1009).astype(np.float32)


def squares(order: int, holes: int, count: int) -> list[PartialLatinSquare]:
    grids = [with_holes(latin_square(order, seed), holes, seed) for seed in range(count)]
    return [PartialLatinSquare(f"square-{seed}", grid) for seed, grid in enumerate(grids)]


def what_happened(result: SolveResult | None) -> tuple[Any, ...]:
    """All of a result that does not depend on the clock or on who scored a state."""
    assert result is not None
    asked = result.inference.states + result.inference.recalled
    return result.status, result.solution, result.branches, result.failures, asked, result.objective_value


def assert_the_same_as_alone(problems: list[Any], scorer: Scorer, many: dict[str, Any], **options: Any) -> ManySolves:
    """Solve side by side and alone, and compare node for node."""
    solves = solve_many(problems, scorer, SearchOptions(**options), **many)
    found = {solved.index: solved for solved in solves}
    assert sorted(found) == list(range(len(problems)))
    for index, problem in enumerate(problems):
        model, variables = problem if isinstance(problem, tuple) else problem.build()
        alone = nnsearch.cp.solve(model, variables, scorer, SearchOptions(**options))
        assert found[index].error is None
        assert what_happened(found[index].result) == what_happened(alone)
    return solves


def pigeons(count: int) -> cp_model.CpModel:
    """One pigeon more than holes: long to refute for an engine that looks at pairs only."""
    model = cp_model.CpModel()
    places = [model.new_int_var(1, count - 1, f"p{i}") for i in range(count)]
    for i in range(count):
        for j in range(i):
            model.add(places[i] != places[j])
    return model
