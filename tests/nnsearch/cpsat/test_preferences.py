from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from stand_ins import FixedGraphScorer, all_solutions, brute_force, models

from nnsearch.cpsat import Preferences, prefer
from nnsearch.errors import ConfigError, NNSearchError, NothingToReadError
from nnsearch.model.graph import CandidateGraph
from nnsearch.model.variables import all_variables
from nnsearch.scorers.history import CountingScorer
from nnsearch.scorers.scorer import Advice

Scores = npt.NDArray[np.float32]


class Says:
    """A scorer that says the same in all states; ``-inf`` is nothing."""

    name = "says"

    def __init__(self, scores: Scores) -> None:
        self.scores = scores

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> Says:
        return self

    def advise(self, alive: npt.NDArray[np.bool_]) -> Advice:
        return Advice(np.tile(self.scores, (len(alive), 1)))


def set_objective(kind: str, model: cp_model.CpModel, total: cp_model.LinearExpr) -> None:
    if kind == "minimise":
        model.minimize(total)
    elif kind == "maximise":
        model.maximize(3 * total + 7)
    elif kind == "minimise floats":
        model.minimize(0.1 * total + 0.3)
    elif kind == "maximise floats":
        model.maximize(-1.25 * total)


KINDS = ["none", "minimise", "maximise", "minimise floats", "maximise floats"]


def solved(model: cp_model.CpModel) -> cp_model.CpSolver | None:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    return solver if solver.solve(model) == cp_model.OPTIMAL else None


def own_objective(kind: str, solution: Sequence[int]) -> float:
    total = sum((i + 1) * value for i, value in enumerate(solution))
    return {
        "none": 0.0,
        "minimise": total,
        "maximise": 3 * total + 7,
        "minimise floats": 0.1 * total + 0.3,
        "maximise floats": -1.25 * total,
    }[kind]


@settings(max_examples=60)
@given(models(), st.sampled_from(KINDS), st.sampled_from([0.01, 1, 2.5, 300]), st.integers(0, 99))
def test_the_optimum_is_that_of_all_solutions(model: cp_model.CpModel, kind: str, weight: float, seed: int) -> None:
    variables, solutions = all_variables(model), brute_force(model)
    factors = range(1, len(variables) + 1)
    set_objective(kind, model, cp_model.LinearExpr.weighted_sum(variables, factors))
    scores = np.random.default_rng(seed).normal(0, 3, CandidateGraph.from_model(model).num_candidates)
    preferences = prefer(model, variables, FixedGraphScorer(scores), weight)

    sign = 1 if kind.startswith("max") else -1
    worth = [own_objective(kind, one) - sign * weight * preferences.lost(one) for one in solutions]
    solver = solved(model)
    assert (solver is None) == (not solutions)
    if solver is not None and model.has_objective():
        best = max(worth) if sign > 0 else min(worth)
        assert solver.objective_value == pytest.approx(best, rel=1e-9, abs=1e-9)
        found = tuple(solver.response_proto.solution)[: len(variables)]
        assert worth[solutions.index(found)] == pytest.approx(best, rel=1e-9, abs=1e-9)

    model.clear_objective()
    assert sorted(one[: len(variables)] for one in all_solutions(model)) == solutions, "each of them once"


@settings(max_examples=30)
@given(models(), st.sampled_from([0.01, 1, 300]), st.integers(0, 99))
def test_rounding_is_bounded(model: cp_model.CpModel, weight: float, seed: int) -> None:
    variables, graph = all_variables(model), CandidateGraph.from_model(model)
    scores = np.random.default_rng(seed).normal(0, 3, graph.num_candidates)
    possible = graph.propagate(np.ones(graph.num_candidates, dtype=bool))
    model.maximize(sum(variables))
    preferences = prefer(model, variables, FixedGraphScorer(scores), weight)
    assert preferences.step <= 1 / 128
    assert preferences.inference.states == preferences.inference.calls <= 1
    best = [scores[(graph.variable == v) & possible].max(initial=-np.inf) for v in range(len(variables))]
    for solution in brute_force(model):
        exact = sum(best[v] - scores[c] for v, c in enumerate(graph.candidates_of(solution)))
        assert abs(preferences.lost(solution) - exact) <= len(variables) * (preferences.step / 2 + 1e-5)


def test_other_variables_are_not_asked_about() -> None:
    model = cp_model.CpModel()
    x, y = model.new_int_var(1, 3, "x"), model.new_bool_var("y")
    preferences = prefer(model, [y], FixedGraphScorer([9, 0, 0, 0, 1]))
    assert (preferences.variables.tolist(), preferences.values.tolist()) == ([y.index], [0])
    assert len(model.proto.variables) == 2, "a Boolean is its own literal"
    model.minimize(x)
    prefer(model, [x], FixedGraphScorer([0, 0, 9, 0, 0]), 0.5)
    solver = solved(model)
    assert solver is not None
    assert (solver.value(x), solver.objective_value) == (3, 3)


def test_what_the_scorer_says_nothing_of() -> None:
    model = cp_model.CpModel()
    x, y = (model.new_int_var(0, 2, name) for name in "xy")
    nothing = -math.inf
    preferences = prefer(model, [x, y], Says(np.array([1, nothing, 0, nothing, nothing, nothing], dtype=np.float32)))
    assert [preferences.lost([a, b]) for a, b in ((0, 2), (1, 1), (2, 0))] == [0, 1, 1]
    solver = solved(model)
    assert solver is not None
    assert (solver.value(x), solver.objective_value) == (0, 0)
    silent = cp_model.CpModel()
    silent.new_bool_var("z")
    prefer(silent, all_variables(silent), Says(np.zeros(2, dtype=np.float32)))
    assert not silent.has_objective(), "of equal scores none is better"


def test_the_range_of_an_objective_stays() -> None:
    model = cp_model.CpModel()
    x = model.new_int_var(0, 5, "x")
    model.minimize(x)
    model.proto.objective.domain.extend([2, 3])
    prefer(model, [x], Says(np.arange(6, dtype=np.float32)), 10)
    solver = solved(model)
    assert solver is not None
    assert (solver.value(x), solver.objective_value) == (3, 23)


@pytest.mark.parametrize("form", ["given", "file"])
def test_counts_are_maximised(form: str, tmp_path: Path) -> None:
    """Three nurses and shifts: the roster whose pairs occurred most often."""
    model = cp_model.CpModel()
    shifts = [model.new_int_var(0, 2, f"shift{n}") for n in range(3)]
    model.add_all_different(shifts)
    past = [(0, 1, 2), (0, 2, 1), (0, 1, 2), (2, 1, 0)]
    scorer = CountingScorer([s.name for s in shifts], past)
    if form == "file":
        table = tmp_path / "history.csv"
        table.write_text("shift2,shift0,shift1\n" + "".join(f"{c},{a},{b}\n" for a, b, c in past), encoding="utf-8")
        scorer = CountingScorer.read(table)
    preferences = prefer(model, shifts, scorer)
    solver = solved(model)
    assert solver is not None
    solution = solver.response_proto.solution
    assert tuple(solution)[:3] == (0, 1, 2)
    assert solver.objective_value == pytest.approx(preferences.lost(solution)) == 0
    assert preferences.lost((0, 2, 1)) > 0


def refused(model: cp_model.CpModel, weight: float = 1.0) -> str:
    """The line in which a scorer of differing values is refused; the model has to stay as it was."""
    before = str(model.proto)
    scores = np.arange(CandidateGraph.from_model(model).num_candidates)
    with pytest.raises(ConfigError) as caught:
        prefer(model, all_variables(model), FixedGraphScorer(scores), weight)
    assert str(model.proto) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("weight", [0, -1, math.nan, math.inf, True, "1", None])
def test_weights_are_numbers_above_0(weight: float) -> None:
    model = cp_model.CpModel()
    model.new_bool_var("x")
    assert refused(model, weight) == f"weight: expected a number above 0, got {weight!r}"


def test_what_cannot_be_exact_is_refused() -> None:
    model = cp_model.CpModel()
    x, y = model.new_bool_var("x"), model.new_int_var(0, 2**40, "y")
    model.minimize(math.pi * x)
    assert re.match(r"objective: expected coefficients that are fractions .* got 3\.14159", refused(model))
    model.minimize(2**10 * y + x)
    assert refused(model).startswith("weight: expected an objective that stays below 2**53 in steps of 1/128 of a nat")
    model.minimize(x)
    for weight in (5e-324, 1e-300, 1e300):
        assert refused(model, weight).startswith("weight: expected an objective that stays below")
    model.clear_objective()
    for weight in (1e-300, 1e300):  # only the unit of what is reported
        assert isinstance(prefer(model.clone(), [x], FixedGraphScorer([1, 0]), weight), Preferences)


def test_other_refusals() -> None:
    model = cp_model.CpModel()
    x = model.new_bool_var("x")
    with pytest.raises(NothingToReadError, match="counting: expected past solutions that share names"):
        prefer(model, [x], CountingScorer(["z"], [[1]]))
    with pytest.raises(NNSearchError, match="negation of a Boolean"):
        prefer(model, [~x], CountingScorer(["x"], [[1]]))
    with pytest.raises(ConfigError, match=r"solutions: expected 1 or more of 1 values, got an array of \(1, 2\)"):
        CountingScorer(["x"], [[1, 2]])
