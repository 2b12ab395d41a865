from __future__ import annotations

import gc
import json
import signal
import time
import traceback
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from clocks import ticking
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from stand_ins import (
    DirectScorer,
    FixedGraphScorer,
    LinearScorer,
    RandomGraphScorer,
    brute_force,
    completes,
    domains,
    graph_of,
    latin_square,
    models,
    network,
    run_python,
    saved,
    with_holes,
)

from nnsearch import cp
from nnsearch.cp import Discrepancies, InferencePolicy, Progress, Restarts, Sampling, read_trace, search
from nnsearch.cp.search_options import VARIABLE_ORDERS, SearchOptions, VariableOrder
from nnsearch.cp.trace.recorder import Trace
from nnsearch.cp.translate import translate
from nnsearch.errors import ConfigError, ModelFileError, NothingToReadError, TranslationError
from nnsearch.limits import Limits
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.result import SolveResult, Status
from nnsearch.scorers.scorer import Advice, FloatArray

Model = tuple[cp_model.CpModel, list[cp_model.IntVar]]


def pigeons(count: int, holes: int) -> Model:
    """Different holes for all pigeons, by constraints so weak that the search has to find out."""
    model = cp_model.CpModel()
    variables = [model.new_int_var(1, holes, f"v{i}") for i in range(count)]
    for i, variable in enumerate(variables):
        for other in variables[:i]:
            model.add(variable != other)
    return model, variables


def variables_of(model: cp_model.CpModel) -> list[cp_model.IntVar]:
    return [model.get_int_var_from_proto_index(i) for i in range(len(model.proto.variables))]


def scorer_for(model: cp_model.CpModel, seed: int) -> LinearScorer:
    values = [value for domain in domains(model) for value in domain]
    return LinearScorer(len(model.proto.variables), max(values) - min(values) + 1, seed)


def without_times(result: SolveResult) -> dict[str, object]:
    fields: dict[str, object] = json.loads(json.dumps(result.to_dict()))
    del fields["inference_seconds"], fields["wall_seconds"]
    return fields


@settings(max_examples=60)
@given(models(), st.sampled_from(VARIABLE_ORDERS), st.booleans(), st.integers(0, 99))
def test_solves_or_proves(model: cp_model.CpModel, order: VariableOrder, sample: bool, seed: int) -> None:
    solutions = brute_force(model)
    before = str(model.proto)
    guided = cp.solve(
        model,
        variables_of(model),
        scorer_for(model, seed),
        SearchOptions(variable_order=order, sampling=Sampling(seed) if sample else None),
    )
    unguided = cp.solve(model, variables_of(model), None)
    for result in (guided, unguided):
        assert result.status == (Status.OPTIMAL if solutions else Status.INFEASIBLE)
        assert (tuple(result.solution) in solutions) if result.solution is not None else not solutions
    assert str(model.proto) == before


@pytest.mark.parametrize("policy", [InferencePolicy(), InferencePolicy(every=4), InferencePolicy(every=0)], ids=str)
def test_the_fields_of_a_result(policy: InferencePolicy) -> None:
    grid = with_holes(latin_square(6, 1), 30, 1)
    scorer = LinearScorer(36, 6)
    result = cp.solve(*LatinSquare(6).build(grid), scorer, SearchOptions(policy=policy))
    assert (result.status, result.engine, result.model) == (Status.OPTIMAL, "cp", "linear")
    assert result.solution is not None
    assert completes(result.solution, grid)
    assert result.inference.calls == result.inference.states == len(scorer.shown)
    assert 1 <= result.inference.calls <= 1 + result.branches
    assert result.branches > 4
    assert 0 < result.inference.seconds < result.wall_seconds


def test_without_a_network_nothing_is_scored() -> None:
    result = cp.solve(*pigeons(6, 5), None)
    assert result.status is Status.INFEASIBLE
    assert (result.model, result.inference.calls, result.inference.states, result.inference.seconds) == (
        "none",
        0,
        0,
        0,
    )
    assert result.solution is None
    assert result.failures > 50


@pytest.mark.parametrize("scorer", [None, LinearScorer(5, 4)], ids=["none", "linear"])
def test_a_failure_limit_is_not_a_proof(scorer: LinearScorer | None) -> None:
    needed = cp.solve(*pigeons(5, 4), scorer).failures
    results = [cp.solve(*pigeons(5, 4), scorer, SearchOptions(limits=Limits(failures=n))) for n in range(needed + 2)]
    statuses = [result.status for result in results]
    first_proof = statuses.index(Status.INFEASIBLE)
    assert first_proof >= needed
    assert set(statuses[:first_proof]) == {Status.UNKNOWN}
    assert set(statuses[first_proof:]) == {Status.INFEASIBLE}
    assert all(result.failures <= n for n, result in enumerate(results))


@settings(max_examples=60)
@given(models(), st.integers(0, 5), st.integers(0, 99))
def test_a_limit_never_lies(model: cp_model.CpModel, failures: int, seed: int) -> None:
    result = cp.solve(
        model, variables_of(model), scorer_for(model, seed), SearchOptions(limits=Limits(failures=failures))
    )
    possible = {Status.OPTIMAL, Status.UNKNOWN} if brute_force(model) else {Status.INFEASIBLE, Status.UNKNOWN}
    assert result.status in possible


@pytest.mark.parametrize("scorer", [None, LinearScorer(14, 13)], ids=["none", "linear"])
@pytest.mark.parametrize("seconds", [0, 0.2])
def test_a_time_limit_is_kept(scorer: LinearScorer | None, seconds: float) -> None:
    with ticking():
        result = cp.solve(*pigeons(14, 13), scorer, SearchOptions(limits=Limits(seconds=seconds)))
    assert (result.status, result.solution) == (Status.UNKNOWN, None)
    assert seconds <= result.wall_seconds < 2 * seconds + 0.01
    assert (result.branches == 0) == (seconds == 0)


def test_limits_are_checked() -> None:
    for limits in ({"seconds": -1.0}, {"seconds": float("nan")}, {"failures": -1}):
        with pytest.raises(ConfigError, match="limit: expected 0 or more"):
            Limits(**limits)


def test_variables_that_the_network_does_not_know() -> None:
    model, variables = LatinSquare(4).build()
    total = model.new_int_var(0, 1000, "total")
    spare = model.new_bool_var("spare")
    model.add(total == sum((i + 1) * v for i, v in enumerate(variables)) + spare)
    model.add(total >= 300)
    scorer = LinearScorer(16, 4)
    result = cp.solve(model, variables, scorer)
    assert result.solution is not None
    square, (total_value, spare_value) = result.solution[:16], result.solution[16:]
    assert completes(square, np.zeros((4, 4), dtype=np.int64))
    assert total_value == sum((i + 1) * v for i, v in enumerate(square)) + spare_value >= 300
    assert scorer.shown


def test_the_network_s_order_of_variables() -> None:
    model, variables = pigeons(3, 3)
    best = np.array([[0, 0, 9], [0, 9, 0], [9, 0, 0]], dtype=np.float32)

    class Best(LinearScorer):
        def scores(self, assignment: FloatArray) -> FloatArray:
            return best.reshape(1, 9)

    assert cp.solve(model, variables, Best(3, 3)).solution == [3, 2, 1]
    assert cp.solve(model, [variables[i] for i in (1, 2, 0)], Best(3, 3)).solution == [1, 3, 2]


def test_the_seed_decides() -> None:
    grid = with_holes(latin_square(6, 1), 30, 1)

    def run(seed: int) -> dict[str, object]:
        return without_times(
            cp.solve(
                *LatinSquare(6).build(grid), LinearScorer(36, 6), SearchOptions(sampling=Sampling(seed, temperature=5))
            )
        )

    runs = [run(seed) for seed in range(4)]
    assert runs == [run(seed) for seed in range(4)]
    assert len({str(fields["solution"]) for fields in runs}) > 1


@pytest.mark.parametrize("as_given", [str, Path])
def test_a_network_by_its_path(tmp_path: Path, as_given: type) -> None:
    path = saved(network(9, 3), tmp_path / "three.onnx")
    result = cp.solve(*LatinSquare(3).build(), as_given(path))
    assert (result.status, result.model) == (Status.OPTIMAL, "three")


def test_what_cannot_be_solved_is_refused() -> None:
    model, variables = pigeons(3, 3)
    with pytest.raises(ConfigError, match="most-confident needs a network"):
        cp.solve(model, variables, None, SearchOptions(variable_order="most-confident"))
    with pytest.raises(ModelFileError, match="expected 4 variables, the problem has 3"):
        cp.solve(model, variables, LinearScorer(4, 3))
    with pytest.raises(ModelFileError, match="unknown model 'no-such'"):
        cp.solve(model, variables, "no-such")
    model.add_assumption(model.new_bool_var("assumed"))
    with pytest.raises(TranslationError, match="assumptions"):
        cp.solve(model, variables, None)


def test_an_unknown_variable_order_is_refused() -> None:
    with pytest.raises(ConfigError, match="variable_order"):
        cp.solve(*pigeons(3, 3), None, SearchOptions(variable_order="random"))  # type: ignore[arg-type]


def test_an_error_of_the_scorer_reaches_the_caller() -> None:
    error = ValueError("told so")

    class Broken(LinearScorer):
        def scores(self, assignment: FloatArray) -> FloatArray:
            if len(self.shown) == 2:
                raise error
            return super().scores(assignment)

    with pytest.raises(ValueError, match="told so") as caught:
        cp.solve(*pigeons(6, 5), Broken(6, 5))
    assert caught.value is error
    assert traceback.extract_tb(caught.value.__traceback__)[-1].line == "raise error"
    assert cp.solve(*pigeons(6, 5), LinearScorer(6, 5)).status is Status.INFEASIBLE


class Interrupting(LinearScorer):
    """Ctrl-C at the third inference."""

    def scores(self, assignment: FloatArray) -> FloatArray:
        if len(self.shown) == 2:
            signal.raise_signal(signal.SIGINT)
        return super().scores(assignment)


def test_ctrl_c_reaches_the_caller_and_leaves_the_handler_as_it_was() -> None:
    scorer = Interrupting(14, 13)
    with pytest.raises(KeyboardInterrupt):
        cp.solve(*pigeons(14, 13), scorer, SearchOptions(limits=Limits(seconds=20)))
    assert len(scorer.shown) <= 4
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Countdown:
    """A stop that is asked for after so many questions."""

    def __init__(self, questions: int) -> None:
        self.left = questions

    def __call__(self) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.mark.parametrize("by_graph", [False, True])
def test_a_stop_is_heard_while_the_model_is_read(by_graph: bool, tmp_path: Path) -> None:
    scorer = RandomGraphScorer(1) if by_graph else LinearScorer(6, 5)
    stop = Countdown(5)  # there are more constraints
    result = cp.solve(*pigeons(6, 5), scorer, stop=stop, trace=Trace(tmp_path / "trace"))
    assert (result.status, result.branches, result.failures, result.inference.calls) == (Status.UNKNOWN, 0, 0, 0)
    assert result.model == scorer.name
    assert stop.left == 0
    trace = read_trace(tmp_path / "trace")
    assert (trace.header["model"], trace.events) == (scorer.name, [])


def test_ctrl_c_is_heard_while_the_model_is_read() -> None:
    scorer = LinearScorer(6, 5)

    def press() -> bool:
        signal.raise_signal(signal.SIGINT)
        return False

    with pytest.raises(KeyboardInterrupt):
        cp.solve(*pigeons(6, 5), scorer, stop=press)
    assert not scorer.shown
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_limit_of_time_counts_the_reading_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*arguments: Any, **options: Any) -> Any:
        translation = translate(*arguments, **options)
        time.sleep(0.3)
        return translation

    limits = Limits(seconds=0.25)
    with ticking():
        assert cp.solve(*pigeons(5, 5), None, SearchOptions(limits=limits)).status is Status.OPTIMAL
    monkeypatch.setattr(search, "translate", slow)
    result = cp.solve(*pigeons(5, 5), None, SearchOptions(limits=limits))
    assert (result.status, result.branches) == (Status.UNKNOWN, 0)
    result = search.solve_by_phase(
        *pigeons(5, 5),
        lambda solver, variables: solver.Phase(variables, solver.CHOOSE_FIRST_UNBOUND, solver.ASSIGN_MIN_VALUE),
        limits=limits,
    )
    assert (result.status, result.branches) == (Status.UNKNOWN, 0)


@pytest.mark.parametrize("order", VARIABLE_ORDERS)
def test_failures_among_the_other_variables_end_runs(order: VariableOrder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network knows one variable, and all failures are below it."""
    monkeypatch.setattr(search, "_PROGRESS_SECONDS", 0)
    model, others = pigeons(7, 6)
    known = model.new_int_var(0, 1, "known")
    failures: dict[int, int] = {}  # by the number of restarts until then

    def note(progress: Progress) -> None:
        failures.setdefault(progress.restarts, progress.failures)

    result = cp.solve(
        model,
        [known],
        LinearScorer(1, 2),
        SearchOptions(variable_order=order, restarts=Restarts(5, growth=2)),
        on_progress=note,
    )
    assert result.status is Status.INFEASIBLE
    assert failures[1] < 5 + 7, "5, and some to leave the tree"
    assert failures[2] - failures[1] < 10 + 7
    model, others = pigeons(6, 6)
    first = cp.solve(model, others, None).solution
    assert first is not None
    weights = [101, 79, 110, 66, 69, 128]  # bounds see a wrong permutation late
    planted = int(np.dot(weights, first[::-1]))
    model.add(sum(w * x for w, x in zip(weights, others, strict=True)) == planted)
    result = cp.solve(
        model,
        [model.new_int_var(0, 3, "known")],
        LinearScorer(1, 4),
        SearchOptions(variable_order=order, restarts=Restarts(1)),
    )
    assert result.status is Status.OPTIMAL


def test_a_handler_of_the_program_is_left_alone() -> None:
    caught: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: caught.append(number))
    try:
        assert cp.solve(*pigeons(5, 4), Interrupting(5, 4)).status is Status.INFEASIBLE
        assert caught == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread() -> None:
    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(lambda seed: cp.solve(*pigeons(5, 4), LinearScorer(5, 4, seed)), range(4)))
    assert {result.status for result in results} == {Status.INFEASIBLE}


@pytest.mark.parametrize("runs", [{}, {"restarts": Restarts(2)}, {"discrepancies": Discrepancies()}], ids=str)
@pytest.mark.parametrize("optimise", [False, True])
def test_nothing_is_kept_of_a_solve(runs: dict[str, Any], optimise: bool, tmp_path: Path) -> None:
    scorer = LinearScorer(5, 4)
    still_there = weakref.ref(scorer)
    model, variables = pigeons(5, 4)
    model.add_hint(variables[0], 2)
    model.add_hint(model.new_bool_var("another"), 1)
    if optimise:
        model.minimize(sum(variables))
    for _ in range(3):
        trace = Trace(tmp_path / "trace", states=1.0)
        cp.solve(model, variables, scorer, SearchOptions(**runs), trace=trace, stop=lambda: False)
    del scorer
    for _ in range(3):  # the engine's objects go first, then what they held
        gc.collect()
    assert still_there() is None


def test_who_has_nothing_to_read_waits_for_no_translation(monkeypatch: pytest.MonkeyPatch) -> None:
    def translated(*_: object, **__: object) -> None:
        raise AssertionError("translated")

    monkeypatch.setattr(search, "translate", translated)
    model = cp_model.CpModel()
    x = [model.new_int_var(0, 3, f"x{i}") for i in range(2)]
    model.add_allowed_assignments(x, [(0, 1), (2, 3)])
    with pytest.raises(NothingToReadError, match=r"^bp: "):
        cp.solve(model, x, "bp")


@settings(max_examples=60)
@given(models(), st.sampled_from(VARIABLE_ORDERS), st.sampled_from([None, Restarts(1)]), st.integers(0, 99))
def test_solves_or_proves_by_graph(
    model: cp_model.CpModel, order: VariableOrder, restarts: Restarts | None, seed: int
) -> None:
    solutions = brute_force(model)
    variables = variables_of(model)
    scorer = RandomGraphScorer(seed)
    graph = graph_of(model)
    if graph.num_groups == graph.num_variables:
        with pytest.raises(NothingToReadError, match=r"^universal: .* use none: --model none, scorer=None$"):
            cp.solve(model, variables, "universal")
    for given_variables in (variables, variables[::-1], variables[:1]):
        result = cp.solve(model, given_variables, scorer, SearchOptions(variable_order=order, restarts=restarts))
        assert result.status == (Status.OPTIMAL if solutions else Status.INFEASIBLE)
        assert (tuple(result.solution) in solutions) if result.solution is not None else not solutions
        assert result.model == "random"


@pytest.mark.parametrize("restarts", [None, Restarts(2)], ids=["", "restarts"])
@pytest.mark.parametrize("order", VARIABLE_ORDERS)
@pytest.mark.parametrize("limit", [0, 1, 2, 5, 20, 60])
def test_failures_never_exceed_the_limit(order: VariableOrder, restarts: Restarts | None, limit: int) -> None:
    result = cp.solve(
        *pigeons(8, 7),
        RandomGraphScorer(),
        SearchOptions(variable_order=order, restarts=restarts, limits=Limits(failures=limit)),
    )
    assert result.status is Status.UNKNOWN
    assert result.failures <= limit


def test_the_network_s_values_by_graph() -> None:
    model, variables = pigeons(3, 3)
    scores = np.array([[0, 0, 9], [0, 9, 0], [9, 0, 0]])
    scorer = FixedGraphScorer(scores.ravel())
    for order in ([0, 1, 2], [1, 2, 0]):  # the graph knows which is which
        assert cp.solve(model, [variables[i] for i in order], scorer).solution == [3, 2, 1]
    assert cp.solve(model, [variables[0]], FixedGraphScorer(scores[::-1].ravel())).solution == [1, 2, 3]


class HalfSilent(DirectScorer):
    """Says nothing of every other variable."""

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> Any:
        prepared = super().prepare(graph, variables)
        silent = graph.variable % 2 == 1
        return SimpleNamespace(
            advise=lambda alive: Advice(np.where(silent, np.float32(-np.inf), prepared.advise(alive).scores))
        )


@pytest.mark.parametrize("order", VARIABLE_ORDERS)
@pytest.mark.parametrize("every", [0, 1])
def test_variables_of_which_the_scorer_says_nothing_are_assigned(order: VariableOrder, every: int) -> None:
    model = cp_model.CpModel()
    x = [model.new_int_var(0, 3, f"x{i}") for i in range(4)]
    model.add(x[0] + x[1] + x[3] >= 5)
    options = SearchOptions(order, InferencePolicy(every))
    first = cp.solve(model, x, HalfSilent(), options)
    assert first.solution is not None
    assert first.solution[0] + first.solution[1] + first.solution[3] >= 5
    model.minimize(3 * x[0] + 2 * x[1] + x[2] + 4 * x[3])
    best = cp.solve(model, x, HalfSilent(), options)
    assert (best.status, best.objective_value) == (Status.OPTIMAL, 12)
    model.add(x[0] + x[3] >= 7)
    assert cp.solve(model, x, HalfSilent(), options).status is Status.INFEASIBLE


def test_restarts_need_a_network() -> None:
    with pytest.raises(ConfigError, match="restarts and discrepancies are for a scorer"):
        cp.solve(*pigeons(3, 3), None, SearchOptions(restarts=Restarts()))


def test_a_variable_without_candidates_among_those_to_assign() -> None:
    done = run_python("""
        from ortools.sat.python import cp_model
        from nnsearch import cp
        from stand_ins import RandomGraphScorer

        model = cp_model.CpModel()
        x, y, far = (model.new_int_var(0, high, name) for high, name in ((3, "x"), (3, "y"), (10_000, "far")))
        model.add(x != y)
        model.add(far >= 2 * x + y)
        print(cp.solve(model, [x, y, far], RandomGraphScorer()).status)
    """)
    assert (done.returncode, done.stdout) == (0, "OPTIMAL\n")
