from __future__ import annotations

import math
import signal
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from silent_runs import LostHint
from stand_ins import (
    FixedGraphScorer,
    RandomGraphScorer,
    brute_force,
    graph_of,
    latin_square,
    models,
    with_holes,
)

from nnsearch.cpsat import Dives, solve_by_dives
from nnsearch.cpsat import dives as dives_module
from nnsearch.cpsat.dives import Dived
from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.errors import ConfigError, GraphError, NNSearchError
from nnsearch.limits import Limits
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.result import Status
from nnsearch.scorers.scorer import FloatArray


class Against(FixedGraphScorer):
    """Prefers every value but those of one solution: whatever it decides first is wrong."""

    def __init__(self, model: cp_model.CpModel, solution: list[int]) -> None:
        graph = graph_of(model)
        right = [solution[v] == value for v, value in zip(graph.variable.tolist(), graph.values.tolist(), strict=True)]
        super().__init__(np.where(right, -5.0, 5.0))


class Failing(RandomGraphScorer):
    """Fails when it is asked."""

    def scores(self, state: GraphState) -> FloatArray:
        raise ArithmeticError("out of order")


def square(holes: int, seed: int = 1, order: int = 8) -> tuple[cp_model.CpModel, list[int], np.ndarray]:
    whole = latin_square(order, seed)
    grid = with_holes(whole, holes, seed)
    return LatinSquare(order).build(grid)[0], whole.ravel().tolist(), grid


@settings(max_examples=60)
@given(models(), st.integers(0, 99), st.sampled_from([0.3, 0.9, 1.0]), st.sampled_from([0.0, 1.0]), st.booleans())
def test_sound_and_complete(model: cp_model.CpModel, seed: int, prefix: float, weight: float, objective: bool) -> None:
    try:
        graph_of(model)
        scorers = [RandomGraphScorer(seed)]
        variables = range(len(model.proto.variables))
        coefficients = np.random.default_rng(seed).integers(-2, 3, len(variables)).tolist()
        solutions = brute_force(model)
        if objective:
            terms = [c * model.get_int_var_from_proto_index(i) for c, i in zip(coefficients, variables, strict=True)]
            model.maximize(sum(terms))
        steps: list[Dived] = []
        result = solve_by_dives(model, scorers, dives=Dives(prefix=prefix, seconds=math.inf), on_dive=steps.append)
    except GraphError:
        return  # nothing that a network could read
    assert result.status is (Status.OPTIMAL if solutions else Status.INFEASIBLE)
    if solutions:
        assert result.solution is not None
        assert tuple(result.solution) in solutions
        if objective:
            values = [sum(c * v for c, v in zip(coefficients, one, strict=True)) for one in solutions]
            assert result.objective_value == max(values)


def test_a_refuted_prefix_is_no_proof() -> None:
    model = cp_model.CpModel()
    variables = [model.new_int_var(0, 5, f"v{i}") for i in range(6)]
    model.add_all_different(variables)
    planted = [3, 0, 5, 2, 1, 4]
    weights = [101, 79, 110, 66, 69, 128]  # no other permutation has this sum, and bounds see it late
    model.add(sum(w * v for w, v in zip(weights, variables, strict=True)) == int(np.dot(weights, planted)))
    assert brute_force(model) == [tuple(planted)]
    steps: list[Dived] = []
    result = solve_by_dives(
        model, [Against(model, planted)], dives=Dives(prefix=1.0, seconds=math.inf), on_dive=steps.append
    )
    assert (result.status, result.solution) == (Status.OPTIMAL, planted)
    refuted = [step for step in steps if step.status is Status.INFEASIBLE]
    assert len(refuted) > 1, "the scorer must mislead, or the test shows nothing"
    assert all(step.prefix > 0 for step in refuted)
    lengths = [step.prefix for step in steps if step.dive == 0]
    assert lengths == sorted(lengths, reverse=True)


def test_infeasible_is_proved_without_a_prefix() -> None:
    model = cp_model.CpModel()
    pigeons = [model.new_int_var(0, 4, f"p{i}") for i in range(6)]
    for i, one in enumerate(pigeons):
        for other in pigeons[:i]:
            model.add(one != other)
    steps: list[Dived] = []
    result = solve_by_dives(model, ["bp"], on_dive=steps.append)
    assert (result.status, result.solution) == (Status.INFEASIBLE, None)
    assert steps[-1].prefix == 0


def test_networks_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dives_module, "CpSatRun", LostHint)  # no answer of the rest: every dive is followed by the next
    model, solution, _ = square(holes=40)
    scorers = [Against(model, solution), RandomGraphScorer(3)]
    seen: list[list[int]] = []

    def turns(step: Dived) -> None:
        seen.append([len(scorer.shown) for scorer in scorers])

    solve_by_dives(model, scorers, stop=lambda: len(seen) == 4, on_dive=turns)
    assert seen[0][0] > seen[0][1] == 0
    assert seen[1][0] == seen[0][0]
    assert seen[1][1] > 0
    assert seen[2] > seen[1], "the first again"
    assert seen[3][1] > seen[2][1]


def test_limits_and_stop() -> None:
    model, solution, _ = square(holes=45)
    scorer = Against(model, solution)
    assert solve_by_dives(model, [scorer], limits=Limits(seconds=0)).status is Status.UNKNOWN
    assert solve_by_dives(model, [scorer], limits=Limits(failures=0)).status is Status.UNKNOWN
    assert solve_by_dives(model, [scorer], stop=lambda: True).status is Status.UNKNOWN
    before = threading.active_count()
    stopped = threading.Event()
    result = solve_by_dives(model, [scorer], stop=stopped.is_set, on_dive=lambda step: stopped.set())
    assert result.status in (Status.UNKNOWN, Status.OPTIMAL)
    assert threading.active_count() == before


def test_improving_solutions_come_in_order() -> None:
    model, _, _ = square(holes=64, order=8)
    cells = [model.get_int_var_from_proto_index(i) for i in range(64)]
    model.minimize(sum(int(w) * x for w, x in zip(np.random.default_rng(0).integers(0, 9, 64), cells, strict=True)))
    found: list[float | None] = []
    result = solve_by_dives(
        model, ["bp"], stop=lambda: len(found) == 3, on_solution=lambda values, objective: found.append(objective)
    )
    assert result.status.solved
    numbers = [number for number in found if number is not None]
    assert len(numbers) == 3
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == len(found)
    assert result.objective_value == numbers[-1]


@pytest.mark.parametrize("offset", [0, 2.5, -7])
@pytest.mark.parametrize("maximise", [False, True])
@pytest.mark.parametrize("unit", [1, 1.0], ids=["integer", "floating"])
def test_objectives_of_both_signs_and_types(unit: float, maximise: bool, offset: float) -> None:
    model = LatinSquare(3).build()[0]
    weights = np.random.default_rng(1).integers(-5, 6, 9).tolist()
    cells = [model.get_int_var_from_proto_index(i) for i in range(9)]
    values = [sum(w * v for w, v in zip(weights, one, strict=True)) + offset for one in brute_force(model)]
    total = sum(unit * w * x for w, x in zip(weights, cells, strict=True)) + offset
    (model.maximize if maximise else model.minimize)(total)
    assert model.proto.has_floating_point_objective() == isinstance(unit + offset, float)
    before = str(model.proto)
    found: list[float | None] = []
    # A short prefix is often refuted or improved, so the bound is used.
    result = solve_by_dives(
        model,
        [RandomGraphScorer(4)],
        dives=Dives(prefix=0.5),
        on_solution=lambda values, objective: found.append(objective),
    )
    assert result.status is Status.OPTIMAL
    assert result.objective_value == (max if maximise else min)(values)
    assert None not in found
    assert found == sorted({number for number in found if number is not None}, reverse=not maximise)
    assert result.best_objective_bound == result.objective_value
    assert (str(model.proto), model.validate()) == (before, "")


def test_what_cp_sat_refuses_is_told_in_one_line() -> None:
    model, _, _ = square(holes=10)
    with pytest.raises(NNSearchError, match=r"\ACP-SAT refuses the model: a hint or a parameter is invalid\Z"):
        solve_by_dives(model, [RandomGraphScorer(1)], workers=10**6)
    for value in (1, 2):
        model.add_hint(model.get_int_var_from_proto_index(0), value)
    with pytest.raises(NNSearchError, match=r"\ACP-SAT refuses the model: The solution hint contains duplicate.*\Z"):
        solve_by_dives(model, [RandomGraphScorer(1)])


def test_a_stop_is_heard_while_the_model_is_read() -> None:
    model, _, _ = square(holes=45)
    scorer = RandomGraphScorer(1)
    asked: list[bool] = []

    def stop() -> bool:
        asked.append(len(asked) == 3)
        return asked[-1]

    result = solve_by_dives(model, [scorer, scorer], stop=stop)
    assert (result.status, result.branches, result.inference.calls) == (Status.UNKNOWN, 0, 0)
    assert len(asked) == 4

    def press() -> bool:
        signal.raise_signal(signal.SIGINT)
        return False

    with pytest.raises(KeyboardInterrupt):
        solve_by_dives(model, [scorer], stop=press)
    assert not scorer.shown


def test_an_error_of_a_scorer_reaches_the_caller() -> None:
    model, _, _ = square(holes=45)
    with pytest.raises(ArithmeticError, match="out of order"):
        solve_by_dives(model, [Failing(1)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prefix": 0}, "Dives.prefix: expected a share between 0 and 1, got 0"),
        ({"shorten": 1}, "Dives.shorten: expected a share between 0 and 1, got 1"),
        ({"seconds": 0}, "Dives.seconds: expected above 0, got 0"),
        ({"growth": 1}, "Dives.growth: expected above 1"),
        ({"temperature": 0}, "expected above 0, got 0"),
        ({"seed": 2**31}, "Dives.seed: expected 0 to 2147483647, got 2147483648"),
    ],
)
def test_options_out_of_range(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Dives(**options)  # type: ignore[arg-type]


def test_no_networks_and_no_workers() -> None:
    model, _, _ = square(holes=10)
    single: Any = "bp"
    with pytest.raises(ConfigError, match="scorers: expected a list of networks or scorers, got str; put a single one"):
        solve_by_dives(model, single)
    with pytest.raises(ConfigError, match="scorers: expected one or more networks, got none"):
        solve_by_dives(model, [])
    with pytest.raises(ConfigError, match="num_workers: expected 1 or more workers, got 0"):
        solve_by_dives(model, ["bp"], workers=0)
