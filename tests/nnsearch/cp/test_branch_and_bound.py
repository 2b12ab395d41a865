from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from clocks import ticking
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from stand_ins import (
    PATIENCE,
    LinearScorer,
    RandomGraphScorer,
    Solution,
    brute_force,
    domains,
    graph_of,
    models,
)
from stopping import bounded

from nnsearch import cp
from nnsearch.cp import Discrepancies, InferencePolicy, Restarts, Sampling
from nnsearch.cp.search_options import VARIABLE_ORDERS, SearchOptions, VariableOrder
from nnsearch.cp.trace.events import read_trace
from nnsearch.cp.trace.recorder import Trace
from nnsearch.limits import Limits
from nnsearch.result import SolveResult, Status
from nnsearch.scorers.scorer import FloatArray


@dataclass(frozen=True)
class Objective:
    """What a test minimises: an integer expression of the variables."""

    weights: tuple[int, ...]
    constant: int
    maximise: bool

    def value(self, solution: Solution) -> int:
        """As the model has it."""
        total = sum(w * v for w, v in zip(self.weights, solution, strict=True))
        return total + self.constant

    def inner(self, value: float) -> int:
        """As the engine minimises it."""
        total = round(value) - self.constant
        return -total if self.maximise else total


@st.composite
def optimisation_models(draw: st.DrawFn) -> tuple[cp_model.CpModel, Objective]:
    model = draw(models())
    count = len(model.proto.variables)
    weights = draw(st.lists(st.integers(-3, 3), min_size=count, max_size=count).filter(any))
    objective = Objective(tuple(weights), draw(st.integers(-5, 5)), draw(st.booleans()))
    total = sum(w * v for w, v in zip(weights, variables_of(model), strict=True)) + objective.constant
    (model.maximize if objective.maximise else model.minimize)(total)
    if draw(st.booleans()):
        for variable in variables_of(model):
            model.add_hint(variable, draw(st.integers(-2, 3)))
    return model, objective


OPTIONS: list[dict[str, Any]] = [
    {},
    {"policy": InferencePolicy(0, after_failure=True)},
    {"policy": InferencePolicy(3, below=0.6)},
    {"sampling": Sampling(1)},
    {"restarts": Restarts(1)},
    {"restarts": Restarts(1, schedule="luby")},
    {"restarts": Restarts(2, schedule="luby"), "sampling": Sampling(2), "policy": InferencePolicy(4, below=0.4)},
    {"discrepancies": Discrepancies()},
    {"discrepancies": Discrepancies(2, most=2)},
    {"discrepancies": Discrepancies(), "sampling": Sampling(3), "policy": InferencePolicy(2, True, 0.5)},
]
options = st.sampled_from(OPTIONS)
orders = st.sampled_from(VARIABLE_ORDERS)
every_option = pytest.mark.parametrize("how", OPTIONS, ids=str)


def variables_of(model: cp_model.CpModel) -> list[cp_model.IntVar]:
    return [model.get_int_var_from_proto_index(i) for i in range(len(model.proto.variables))]


def scorers(model: cp_model.CpModel, seed: int) -> list[LinearScorer | RandomGraphScorer]:
    """One that knows the model's size, and one for graphs if the model has something to read."""
    values = [value for domain in domains(model) for value in domain]
    linear = LinearScorer(len(model.proto.variables), max(values) - min(values) + 1, seed)
    return [linear, RandomGraphScorer(seed)] if graph_of(model).report.num_constraints else [linear]


def best_of(solutions: list[Solution], objective: Objective) -> int | None:
    values = [objective.value(solution) for solution in solutions]
    return None if not values else max(values) if objective.maximise else min(values)


def check_optimum(model: cp_model.CpModel, objective: Objective, result: SolveResult) -> None:
    solutions = brute_force(model)
    best = best_of(solutions, objective)
    if best is None:
        assert (result.status, result.solution, result.objective_value) == (Status.INFEASIBLE, None, None)
        assert result.improvements == []
        return
    assert result.status is Status.OPTIMAL
    assert result.solution is not None
    assert tuple(result.solution) in solutions
    assert result.objective_value == result.best_objective_bound == best == objective.value(tuple(result.solution))
    assert result.improvements[-1].objective == best
    for before, after in pairwise(result.improvements):
        assert objective.inner(after.objective) < objective.inner(before.objective)
        assert (before.seconds, before.failures) <= (after.seconds, after.failures)
    assert json.loads(json.dumps(result.to_dict()))["improvements"][-1][2] == best


@settings(max_examples=60)
@given(optimisation_models(), orders, options, st.integers(0, 99), st.integers(1, 4))
def test_the_optimum(
    drawn: tuple[cp_model.CpModel, Objective], order: VariableOrder, how: dict[str, Any], seed: int, learned: int
) -> None:
    model, objective = drawn
    for scorer in scorers(model, seed):
        result = cp.solve(model, variables_of(model), scorer, SearchOptions(variable_order=order, **how))
        check_optimum(model, objective, result)
    check_optimum(model, objective, cp.solve(model, variables_of(model), None))
    some = variables_of(model)[:learned]
    for scorer in scorers(model, seed)[1:]:
        check_optimum(model, objective, cp.solve(model, some, scorer, SearchOptions(variable_order=order, **how)))


@settings(max_examples=60)
@given(models(), orders, options, st.integers(0, 99), st.booleans())
def test_satisfaction_with_every_option(
    model: cp_model.CpModel, order: VariableOrder, how: dict[str, Any], seed: int, hinted: bool
) -> None:
    solutions = brute_force(model)
    if hinted:
        for variable in variables_of(model):
            model.add_hint(variable, 1)
    for scorer in scorers(model, seed):
        seen: list[tuple[list[int], int | None]] = []
        result = cp.solve(
            model,
            variables_of(model),
            scorer,
            SearchOptions(variable_order=order, **how),
            on_solution=lambda *found: seen.append(found),  # noqa: B023 - called before the loop goes on
        )
        assert result.status is (Status.OPTIMAL if solutions else Status.INFEASIBLE)
        assert seen == ([(result.solution, None)] if solutions else [])
        assert result.solution is None or tuple(result.solution) in solutions
        assert (result.objective_value, result.best_objective_bound, result.improvements) == (None, None, [])


@settings(max_examples=60)
@given(optimisation_models(), orders, options, st.integers(0, 99), st.integers(0, 6))
def test_a_limit_never_lies(
    drawn: tuple[cp_model.CpModel, Objective], order: VariableOrder, how: dict[str, Any], seed: int, failures: int
) -> None:
    model, objective = drawn
    solutions = brute_force(model)
    best = best_of(solutions, objective)
    for scorer in scorers(model, seed):
        limits = Limits(failures=failures)
        result = cp.solve(model, variables_of(model), scorer, SearchOptions(variable_order=order, limits=limits, **how))
        # The engine counts twice where the bound closes a right branch.
        assert result.failures <= failures + 1 or result.status in (Status.OPTIMAL, Status.INFEASIBLE)
        if result.solution is None:
            assert result.status is Status.UNKNOWN or not solutions
        else:
            assert tuple(result.solution) in solutions
            assert result.objective_value == objective.value(tuple(result.solution))
            assert result.status is Status.FEASIBLE or result.objective_value == best
            assert (result.best_objective_bound is None) == (result.status is Status.FEASIBLE)


def hard() -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
    """Infeasible, and far too large to prove it; one pigeon more than holes, and an objective."""
    model = cp_model.CpModel()
    variables = [model.new_int_var(1, 13, f"v{i}") for i in range(14)]
    for i, variable in enumerate(variables):
        for other in variables[:i]:
            model.add(variable != other)
    return model, variables


def knapsack() -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
    """Solutions everywhere, many improving ones, and a proof that takes long."""
    model = cp_model.CpModel()
    variables = [model.new_int_var(0, 9, f"v{i}") for i in range(20)]
    model.add(sum((i % 7 + 3) * v for i, v in enumerate(variables)) <= 300)
    model.maximize(sum((i % 5 + 4) * v for i, v in enumerate(variables)))
    return model, variables


def test_solutions_are_told_at_once_and_may_end_the_search() -> None:
    model, variables = knapsack()
    told: list[int] = []

    def on_solution(values: list[int], objective: int | None) -> bool:
        assert objective is not None
        told.append(objective)
        values.clear()  # it is the caller's copy
        return len(told) == 3

    result = cp.solve(model, variables, None, on_solution=on_solution)
    assert len(told) == 3
    assert result.status is Status.FEASIBLE
    assert [-told[i] for i in range(3)] == [improvement.objective for improvement in result.improvements]
    assert result.objective_value == -told[-1]
    assert result.best_objective_bound is None
    assert result.solution is not None
    assert len(result.solution) == 20


@pytest.mark.parametrize("scorer", [None, RandomGraphScorer()], ids=["none", "graph"])
def test_a_limit_keeps_the_best_solution(scorer: RandomGraphScorer | None) -> None:
    with ticking():
        result = cp.solve(*knapsack(), scorer, SearchOptions(limits=Limits(seconds=0.3)))
    assert result.status is Status.FEASIBLE
    assert result.objective_value == result.improvements[-1].objective
    assert 0.3 <= result.wall_seconds < 0.6


@every_option
@pytest.mark.parametrize("order", VARIABLE_ORDERS)
def test_stop_ends_the_search_at_the_next_node(order: VariableOrder, how: dict[str, Any]) -> None:
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) >= 50

    with bounded():
        result = cp.solve(*hard(), RandomGraphScorer(), SearchOptions(variable_order=order, **how), stop=stop)
    assert result.status is Status.UNKNOWN
    assert len(asked) == 50
    assert result.failures <= 50


def test_stop_from_another_thread() -> None:
    event = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(cp.solve, *hard(), RandomGraphScorer(), stop=event.is_set)
        time.sleep(0.3)
        assert not answer.done()
        event.set()
        assert answer.result(timeout=PATIENCE).status is Status.UNKNOWN


class Broken(LinearScorer):
    """Works, and raises at the third call."""

    def scores(self, assignment: FloatArray) -> FloatArray:
        if len(self.shown) == 2:
            raise ValueError("told so")
        return super().scores(assignment)


class BrokenGraphScorer(RandomGraphScorer):
    def scores(self, state: Any) -> FloatArray:
        if len(self.shown) == 2:
            raise ValueError("told so")
        return super().scores(state)


@every_option
@pytest.mark.parametrize("order", VARIABLE_ORDERS)
@pytest.mark.parametrize("graph", [False, True], ids=["one-hot", "graph"])
@pytest.mark.parametrize("problem", [hard, knapsack])
def test_an_error_of_the_scorer_ends_the_search(
    problem: Callable[[], tuple[cp_model.CpModel, list[cp_model.IntVar]]],
    order: VariableOrder,
    graph: bool,
    how: dict[str, Any],
    tmp_path: Path,
) -> None:
    model, variables = problem()
    scorer = BrokenGraphScorer() if graph else Broken(len(variables), 13 if problem is hard else 10)
    with pytest.raises(ValueError, match="told so"):
        cp.solve(
            model,
            variables,
            scorer,
            SearchOptions(variable_order=order, limits=Limits(seconds=20), **how),
            trace=Trace(tmp_path / "trace"),
        )
    read_trace(tmp_path / "trace")


@every_option
@pytest.mark.parametrize("where", ["stop", "on_failure", "on_solution"])
def test_an_error_of_a_callback_reaches_the_caller(where: str, how: dict[str, Any]) -> None:
    calls: list[None] = []

    def broken(*_: object) -> None:
        calls.append(None)
        if len(calls) == (10 if where == "stop" else 2):
            raise ZeroDivisionError("told so")

    model, variables = knapsack()
    callback: dict[str, Any] = {where: broken}
    with pytest.raises(ZeroDivisionError, match="told so"):
        cp.solve(model, variables, RandomGraphScorer(), SearchOptions(limits=Limits(seconds=20), **how), **callback)
