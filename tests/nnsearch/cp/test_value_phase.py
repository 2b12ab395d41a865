from __future__ import annotations

import re
import subprocess
import textwrap
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model
from stand_ins import (
    FixedGraphScorer,
    FixedScorer,
    LinearScorer,
    RandomGraphScorer,
    Solution,
    brute_force,
    completes,
    domains,
    enumerated,
    graph_of,
    models,
    network,
    one_hot_of,
    run_python,
    saved,
)

from nnsearch.cp import InferencePolicy, Restarts, Sampling, ValuePhase
from nnsearch.cp.search_options import VARIABLE_ORDERS, SearchOptions, VariableOrder
from nnsearch.cp.translate import translate
from nnsearch.cp.value_phase import sort_key
from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.errors import ConfigError, GraphError, ModelFileError, ScoreError
from nnsearch.model.graph import CandidateGraph
from nnsearch.scorers.network import PreparedNetwork
from nnsearch.scorers.onnx import OnnxScorer
from nnsearch.scorers.scorer import FloatArray

POLICIES = [
    InferencePolicy(),
    InferencePolicy(every=3),
    InferencePolicy(every=0),
    InferencePolicy(every=0, after_failure=True),
    InferencePolicy(every=2, after_failure=True),
]

orders = st.sampled_from(VARIABLE_ORDERS)
policies = st.sampled_from([*POLICIES, InferencePolicy(every=0, below=0.6)])
seeds = st.integers(0, 2**32)
every_order = pytest.mark.parametrize("order", VARIABLE_ORDERS)
every_policy = pytest.mark.parametrize("policy", POLICIES, ids=str)


def span(model: cp_model.CpModel) -> tuple[int, int]:
    """The smallest value of all domains, and the number of values from there to the largest."""
    values = [value for domain in domains(model) for value in domain]
    return min(values), max(values) - min(values) + 1


def pigeons(count: int, holes: int) -> tuple[pywrapcp.Solver, list[pywrapcp.IntVar]]:
    """Different holes for all pigeons, by constraints so weak that the search has to find out."""
    solver = pywrapcp.Solver("pigeons")
    variables = [solver.IntVar(1, holes, f"v{i}") for i in range(count)]
    for i, variable in enumerate(variables):
        for other in variables[:i]:
            solver.Add(variable != other)
    return solver, variables


@given(models(), orders, policies, st.none() | st.builds(Sampling, seeds, st.sampled_from([0.1, 1.0, 10.0])), seeds)
def test_the_solutions_are_those_of_the_model(
    model: cp_model.CpModel, order: VariableOrder, policy: InferencePolicy, sampling: Sampling | None, seed: int
) -> None:
    translation = translate(model)
    scorer = LinearScorer(len(translation.variables), span(model)[1], seed)
    phase = ValuePhase(
        translation.solver,
        translation.variables,
        scorer,
        SearchOptions(variable_order=order, policy=policy, sampling=sampling),
    )
    assert sorted(enumerated(translation.solver, translation.variables, phase)) == brute_force(model)
    assert phase.inference.calls == phase.inference.states == len(scorer.shown)


@every_order
@every_policy
@pytest.mark.parametrize("sampling", [None, Sampling(0)], ids=["greedy", "sampled"])
def test_infeasibility_is_proved(order: VariableOrder, policy: InferencePolicy, sampling: Sampling | None) -> None:
    solver, variables = pigeons(6, 5)
    phase = ValuePhase(
        solver, variables, LinearScorer(6, 5), SearchOptions(variable_order=order, policy=policy, sampling=sampling)
    )
    assert enumerated(solver, variables, phase) == []
    assert solver.Failures() > 50


class Prediction(pywrapcp.SearchMonitor):  # type: ignore[misc]
    """Predicts from the definitions alone which states are scored and which pair each decision tries."""

    def __init__(
        self,
        solver: pywrapcp.Solver,
        variables: list[pywrapcp.IntVar],
        scorer: LinearScorer,
        first_value: int,
        order: VariableOrder,
        policy: InferencePolicy,
    ) -> None:
        super().__init__(solver)
        self.failures_so_far = solver.Failures
        self.variables, self.scorer, self.first_value = variables, scorer, first_value
        self.order, self.policy = order, policy
        self.states: list[FloatArray] = []
        self.nodes = self.decisions = self.failures = 0
        # Not asserted in the callback: a traceback that shows the engine's arguments crashes when it is printed.
        self.mistakes: list[tuple[str, tuple[int, int]]] = []

    def BeginNextDecision(self, builder: pywrapcp.DecisionBuilder) -> None:
        self.nodes += 1
        failures = self.failures_so_far()
        after_decisions = bool(self.policy.every) and self.decisions >= self.policy.every
        after_failure = self.policy.after_failure and failures != self.failures
        if not self.states or after_decisions or after_failure:
            self.decisions, self.failures = 0, failures
            state = one_hot_of(self.variables, self.scorer.encoder.num_values, self.first_value)
            if not self.states or (state != self.states[-1]).any():
                self.states.append(state)
                self.scores = self.scorer.scores(state[None]).reshape(len(self.variables), -1)
        self.decisions += 1

    def ApplyDecision(self, decision: pywrapcp.Decision) -> None:
        unbound = [i for i, variable in enumerate(self.variables) if not variable.Bound()]
        match self.order:
            case "min-domain":
                eligible = [min(unbound, key=lambda i: self.variables[i].Size())]
            case "first":
                eligible = unbound[:1]
            case "most-confident":
                eligible = unbound
        pairs = [(i, value) for i in eligible for value in self.variables[i].DomainIterator()]
        best = max(pairs, key=lambda pair: self.scores[pair[0], pair[1] - self.first_value])  # the first of the best
        text = decision.DebugString()
        tried = re.search(r"v(\d+).*? == (-?\d+)\]", text)
        if not tried or (int(tried[1]), int(tried[2])) != best:
            self.mistakes.append((text, best))


@given(models(), orders, st.sampled_from(POLICIES), seeds)
def test_best_scored_value_first_scored_when_the_policy_says(
    model: cp_model.CpModel, order: VariableOrder, policy: InferencePolicy, seed: int
) -> None:
    translation = translate(model)
    first_value, num_values = span(model)
    scorer = LinearScorer(len(translation.variables), num_values, seed)
    phase = ValuePhase(
        translation.solver, translation.variables, scorer, SearchOptions(variable_order=order, policy=policy)
    )
    prediction = Prediction(translation.solver, translation.variables, scorer, first_value, order, policy)
    enumerated(translation.solver, translation.variables, phase, [prediction])
    assert prediction.mistakes == []
    repeated = [False, *((a == b).all() for a, b in pairwise(scorer.shown))]
    shown = [state for state, again in zip(scorer.shown, repeated, strict=False) if not again]
    np.testing.assert_array_equal(shown, prediction.states)
    assert len(scorer.shown) <= prediction.nodes
    assert not any(repeated)


@pytest.mark.parametrize(
    ("order", "policy"),
    [(order, policy) for order in VARIABLE_ORDERS for policy in POLICIES],
    ids=str,
)
def test_many_failures_as_predicted(order: VariableOrder, policy: InferencePolicy) -> None:
    solver, variables = pigeons(6, 5)
    scorer = LinearScorer(6, 5)
    phase = ValuePhase(solver, variables, scorer, SearchOptions(variable_order=order, policy=policy))
    prediction = Prediction(solver, variables, scorer, 1, order, policy)
    assert enumerated(solver, variables, phase, [prediction]) == []
    assert prediction.mistakes == []
    np.testing.assert_array_equal(scorer.shown, prediction.states)


@pytest.mark.parametrize(
    "order",
    [
        "min-domain",
        "first",
        "most-confident",
    ],
)
def test_equal_scores_go_to_the_lowest_value(order: VariableOrder) -> None:
    solver, (variable,) = pigeons(1, 4)
    phase = ValuePhase(solver, [variable], FixedScorer([[0, 1, 0, 1]]), SearchOptions(variable_order=order))
    assert enumerated(solver, [variable], phase) == [(2,), (4,), (1,), (3,)]


def test_one_phase_in_several_searches() -> None:
    solver, variables = pigeons(3, 3)
    scorer = LinearScorer(3, 3)
    phase = ValuePhase(solver, variables, scorer)
    first = enumerated(solver, variables, phase)
    shown = len(scorer.shown)
    assert sorted(first) == sorted(permutations([1, 2, 3]))
    assert enumerated(solver, variables, phase) == first
    np.testing.assert_array_equal(scorer.shown[shown:], scorer.shown[:shown])


def sampled_order(scores: list[float], sampling: Sampling) -> Solution:
    """The order in which the values of a single variable are tried."""
    solver = pywrapcp.Solver("one variable")
    variable = solver.IntVar(0, len(scores) - 1, "v0")
    phase = ValuePhase(solver, [variable], FixedScorer([scores]), SearchOptions(sampling=sampling))
    return tuple(value for (value,) in enumerated(solver, [variable], phase))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_sampled_in_proportion_to_the_softmax(temperature: float) -> None:
    scores = [0.3, -0.4, 1.0]
    weight = np.exp(np.array(scores) / temperature)
    draws = 1000
    count = Counter(sampled_order(scores, Sampling(seed, temperature)) for seed in range(draws))
    # After a refutation the next value is drawn from the softmax over the values that are left.
    expected = {
        (a, b, c): draws * weight[a] / weight.sum() * weight[b] / (weight[b] + weight[c])
        for a, b, c in permutations(range(3))
    }
    chi_square = sum((count[order] - mean) ** 2 / mean for order, mean in expected.items())
    assert chi_square < 25  # five degrees of freedom: exceeded once in 7,000 tries


def test_sampling_draws_anew_at_every_inference() -> None:
    solver = pywrapcp.Solver("independent variables")
    variables = [solver.IntVar(0, 1, f"v{i}") for i in range(400)]
    phase = ValuePhase(solver, variables, FixedScorer(np.zeros((400, 2))), SearchOptions(sampling=Sampling(1)))
    solver.NewSearch(phase)
    assert solver.NextSolution()
    ones = sum(variable.Value() for variable in variables)
    solver.EndSearch()
    assert 140 < ones < 260  # six standard deviations


def test_a_low_temperature_is_greedy() -> None:
    scores = [0.3, -0.4, 1.0, 0.9]
    assert {sampled_order(scores, Sampling(seed, 1e-4)) for seed in range(20)} == {(2, 3, 0, 1)}


@pytest.mark.filterwarnings("error")
@every_order
@pytest.mark.parametrize("temperature", [1e-39, 1e-300])
def test_no_temperature_is_too_low(order: VariableOrder, temperature: float) -> None:
    solver, variables = pigeons(4, 4)
    phase = ValuePhase(
        solver,
        variables,
        FixedScorer(-np.ones((4, 4))),
        SearchOptions(variable_order=order, sampling=Sampling(0, temperature)),
    )
    solver.NewSearch(phase)
    try:
        assert solver.NextSolution()
        assert all(variable.Bound() for variable in variables)
    finally:
        solver.EndSearch()


@every_order
def test_the_seed_decides(order: VariableOrder) -> None:
    def run(seed: int) -> list[Solution]:
        solver, variables = pigeons(4, 4)
        phase = ValuePhase(
            solver, variables, LinearScorer(4, 4), SearchOptions(variable_order=order, sampling=Sampling(seed))
        )
        return enumerated(solver, variables, phase)

    runs = [tuple(run(seed)) for seed in range(5)]
    assert runs == [tuple(run(seed)) for seed in range(5)]
    assert len(set(runs)) > 1


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1))
def test_keys_sort_as_scores(scores: list[float]) -> None:
    a, b = np.array(scores)[:, None], np.array(scores)
    keys = np.array([sort_key(bits) for bits in np.array(scores, dtype=np.float32).view(np.int32).tolist()])
    np.testing.assert_array_equal(keys[:, None] < keys, a > b)
    np.testing.assert_array_equal(keys[:, None] == keys, a == b)


def test_first_value_aligns_the_network() -> None:
    solver = pywrapcp.Solver("first value")
    variables = [solver.IntVar([2, 3], "v0"), solver.IntVar(3, 3, "v1")]
    scorer = FixedScorer([[9, 1, 2, 9], [0, 0, 0, 0]], first_value=1)
    phase = ValuePhase(solver, variables, scorer)
    assert enumerated(solver, variables, phase) == [(3, 3), (2, 3)]
    np.testing.assert_array_equal(scorer.shown[0], [0, 0, 0, 0, 0, 0, 1, 0])


@pytest.mark.parametrize(
    ("num_variables", "num_values", "first_value", "message"),
    [
        (2, 3, None, r"^fixed: expected 2 variables, the problem has 3"),
        (3, 2, None, r"^fixed: expected values 1\.\.2 \(2 of them\), the domains span 1\.\.3$"),
        (3, 3, 2, r"^fixed: expected values 2\.\.4 \(3 of them\), the domains span 1\.\.3$"),
        (3, 3, 0, r"^fixed: expected values 0\.\.2 \(3 of them\), the domains span 1\.\.3$"),
    ],
)
def test_a_wrong_size_is_refused(num_variables: int, num_values: int, first_value: int | None, message: str) -> None:
    solver, variables = pigeons(3, 3)
    with pytest.raises(ModelFileError, match=message) as caught:
        ValuePhase(solver, variables, FixedScorer(np.zeros((num_variables, num_values)), first_value))
    assert "\n" not in str(caught.value)


def test_wrong_options_are_refused() -> None:
    solver, variables = pigeons(3, 3)
    with pytest.raises(ConfigError, match="expected one of min-domain, first, most-confident, got 'random'"):
        ValuePhase(solver, variables, LinearScorer(3, 3), SearchOptions(variable_order="random"))  # type: ignore[arg-type]
    for temperature in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="expected above 0"):
            Sampling(temperature=temperature)
    with pytest.raises(ConfigError, match="expected 0 or more decisions, got -1"):
        InferencePolicy(every=-1)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ConfigError, match="seed"):
        Sampling(seed=-1)


class Broken(LinearScorer):
    """Works, and at the third call does what it is told."""

    def __init__(self, outcome: BaseException | FloatArray) -> None:
        super().__init__(6, 5)
        self.outcome = outcome

    def scores(self, assignment: FloatArray) -> FloatArray:
        if len(self.shown) < 2:
            return super().scores(assignment)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


class Failing(LinearScorer):
    def scores(self, assignment: FloatArray) -> FloatArray:
        raise ValueError("told so")


@every_order
@pytest.mark.parametrize("error", [ValueError("told so"), KeyboardInterrupt()], ids=repr)
def test_an_error_of_the_scorer_reaches_the_caller(order: VariableOrder, error: BaseException) -> None:
    solver, variables = pigeons(6, 5)
    phase = ValuePhase(solver, variables, Broken(error), SearchOptions(variable_order=order))
    solver.NewSearch(phase)
    with pytest.raises(type(error)) as caught:
        solver.NextSolution()
    solver.EndSearch()
    assert caught.value is error
    assert traceback.extract_tb(caught.value.__traceback__)[-1].line == "raise self.outcome"


@pytest.mark.parametrize("proxy", ["same", "another"])
def test_an_error_is_never_mistaken_for_a_proof(proxy: str) -> None:
    solver, variables = pigeons(6, 6)
    with pytest.raises(ValueError, match="told so"):
        # Solve is looked up before the phase is made; a variable gives another proxy of the same solver.
        (solver if proxy == "same" else variables[0].solver()).Solve(ValuePhase(solver, variables, Failing(6, 6)))


@pytest.mark.parametrize("shape", [(1, 29), (2, 30), (30,)])
def test_scores_of_a_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    solver, variables = pigeons(6, 5)
    phase = ValuePhase(solver, variables, Broken(np.zeros(shape, dtype=np.float32)))
    solver.NewSearch(phase)
    got = (
        "the scores of 1 state, got 2"
        if shape[0] == 2
        else "the scores of 1 state, got 30"
        if len(shape) == 1
        else ("scores of shape (30,), got (29,)")
    )
    with pytest.raises(ScoreError, match=re.escape(f"linear: expected {got}")):
        solver.NextSolution()
    solver.EndSearch()


@every_order
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(order: VariableOrder, bad: float) -> None:
    solver, variables = pigeons(6, 5)
    phase = ValuePhase(
        solver, variables, Broken(np.full((1, 30), bad, dtype=np.float32)), SearchOptions(variable_order=order)
    )
    solver.NewSearch(phase)
    try:
        with pytest.raises(ScoreError, match="linear"):
            solver.NextSolution()
    finally:
        solver.EndSearch()


SCRIPT_START = """
import gc
from ortools.constraint_solver import pywrapcp
from nnsearch.cp import ValuePhase
from stand_ins import LinearScorer

solver = pywrapcp.Solver("script")
variables = [solver.IntVar(1, 4, f"v{i}") for i in range(4)]
solver.Add(solver.AllDifferent(variables, True))
"""


def run_script(code: str) -> subprocess.CompletedProcess[str]:
    return run_python(SCRIPT_START + textwrap.dedent(code))


def test_a_phase_that_nobody_keeps_survives() -> None:
    done = run_script("""
        solver.NewSearch(ValuePhase(solver, variables, LinearScorer(4, 4)))
        garbage = [LinearScorer(4, 4) for _ in range(100)]
        del garbage
        gc.collect()
        solutions = 0
        while solver.NextSolution():
            solutions += 1
        solver.EndSearch()
        print(solutions, solver.Solve(solver.Compose([ValuePhase(solver, variables, LinearScorer(4, 4))])))
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "24 True\n", "")


def test_the_solver_is_usable_after_an_error() -> None:
    done = run_script("""
        class Broken(LinearScorer):
            def scores(self, assignment):
                raise ZeroDivisionError

        solver.NewSearch(ValuePhase(solver, variables, Broken(4, 4)))
        try:
            solver.NextSolution()
        except ZeroDivisionError:
            solver.EndSearch()
        print(solver.Solve(ValuePhase(solver, variables, LinearScorer(4, 4))))
    """)
    assert (done.returncode, done.stdout) == (0, "True\n")


@every_order
@every_policy
def test_restarts_keep_the_search_complete(order: VariableOrder, policy: InferencePolicy) -> None:
    for count, holes, feasible in ((6, 5, False), (6, 6, True)):
        solver, variables = pigeons(count, holes)
        phase = ValuePhase(
            solver,
            variables,
            LinearScorer(count, holes),
            SearchOptions(variable_order=order, policy=policy, sampling=Sampling(3)),
        )
        solver.NewSearch(phase, [solver.LubyRestart(5)])
        assert solver.NextSolution() == feasible
        if feasible:
            assert len({variable.Value() for variable in variables}) == count
        solver.EndSearch()


def test_inside_other_decision_builders() -> None:
    solver, variables = pigeons(4, 4)
    front, back = variables[:2], variables[2:]
    parts = [ValuePhase(solver, part, LinearScorer(2, 4)) for part in (front, back)]
    assert sorted(enumerated(solver, variables, solver.Compose(parts))) == sorted(permutations([1, 2, 3, 4]))
    phase = ValuePhase(solver, variables, LinearScorer(4, 4))
    first = enumerated(solver, variables, phase)[0]
    assert enumerated(solver, variables, solver.SolveOnce(phase, [])) == [first]


@pytest.fixture(scope="module")
def four_by_four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(network(16, 4), tmp_path_factory.mktemp("models") / "four.onnx")


@pytest.mark.parametrize("as_given", [str, Path, OnnxScorer])
def test_two_lines_plug_it_into_a_model(four_by_four: Path, as_given: type) -> None:
    solver = pywrapcp.Solver("hand-written")
    variables = [solver.IntVar(1, 4, f"x{i}") for i in range(16)]
    for i in range(4):
        solver.Add(solver.AllDifferent(variables[4 * i : 4 * i + 4], True))
        solver.Add(solver.AllDifferent(variables[i::4], True))
    collector = solver.FirstSolutionCollector()
    collector.Add(variables)

    phase = ValuePhase(solver, variables, as_given(four_by_four))
    begun = time.perf_counter()
    assert solver.Solve(phase, [collector])

    solution = [collector.Value(0, variable) for variable in variables]
    assert completes(solution, np.zeros((4, 4), dtype=np.int64))
    assert phase.inference.calls > 1
    assert 0 < phase.inference.seconds < time.perf_counter() - begun


def test_the_first_of_several_errors_is_raised_and_the_scorer_left_alone() -> None:
    solver, variables = pigeons(6, 6)
    asked: list[int] = []

    class Worse(LinearScorer):
        def scores(self, assignment: FloatArray) -> FloatArray:
            asked.append(len(asked))
            if len(asked) > 2:
                raise ValueError(f"error {len(asked)}")
            return super().scores(assignment)

    solver.NewSearch(ValuePhase(solver, variables, Worse(6, 6)))
    with pytest.raises(ValueError, match="error 3"):
        solver.NextSolution()
    solver.EndSearch()
    assert len(asked) == 3


def test_asked_at_the_root_of_every_search() -> None:
    solver, variables = pigeons(4, 4)
    scorer = LinearScorer(4, 4)
    phase = ValuePhase(solver, variables, scorer, SearchOptions(policy=InferencePolicy(every=0)))
    for searches in (1, 2, 3):
        assert solver.Solve(phase)
        assert len(scorer.shown) == searches


@pytest.mark.parametrize("scorer", [None, 5])
def test_something_else_for_a_scorer_is_refused(scorer: object) -> None:
    solver, variables = pigeons(4, 4)
    with pytest.raises(ConfigError, match="scorer: expected"):
        ValuePhase(solver, variables, scorer)  # type: ignore[arg-type]


# -- scorers that read graphs, branch and restarts


def pigeon_graph(count: int, holes: int) -> CandidateGraph:
    """What :func:`pigeons` builds."""
    pairs = [(i, j) for i in range(count) for j in range(i)]
    return CandidateGraph.from_all_different([range(1, holes + 1)] * count, pairs)


@given(models(), orders, policies, st.none() | st.builds(Sampling, seeds, st.sampled_from([0.1, 1.0, 10.0])), seeds)
def test_the_solutions_are_those_of_the_model_by_graph(
    model: cp_model.CpModel, order: VariableOrder, policy: InferencePolicy, sampling: Sampling | None, seed: int
) -> None:
    translation = translate(model)
    scorer = RandomGraphScorer(seed)
    phase = ValuePhase(
        translation.solver,
        translation.variables,
        scorer,
        SearchOptions(variable_order=order, policy=policy, sampling=sampling),
        graph=graph_of(model),
    )
    assert sorted(enumerated(translation.solver, translation.variables, phase)) == brute_force(model)
    assert phase.inference.calls == phase.inference.states == len(scorer.shown)


@given(models(), orders, policies, seeds, st.booleans(), st.data())
def test_some_of_the_variables(
    model: cp_model.CpModel, order: VariableOrder, policy: InferencePolicy, seed: int, graph: bool, data: st.DataObject
) -> None:
    translation = translate(model)
    solver, variables = translation.solver, translation.variables
    indices = range(len(variables))
    branch = data.draw(st.lists(st.sampled_from(indices), unique=True))
    phase = ValuePhase(
        solver,
        variables,
        RandomGraphScorer(seed) if graph else LinearScorer(len(variables), span(model)[1], seed),
        SearchOptions(variable_order=order, policy=policy),
        graph=graph_of(model) if graph else None,
        branch=branch,
    )
    assigned = enumerated(solver, [variables[i] for i in branch], solver.SolveOnce(phase, []))
    assert len(assigned) <= 1
    rest = solver.Phase(
        [variables[i] for i in indices if i not in branch], solver.CHOOSE_FIRST_UNBOUND, solver.ASSIGN_MIN_VALUE
    )
    assert sorted(enumerated(solver, variables, solver.Compose([phase, rest]))) == brute_force(model)


@every_order
@pytest.mark.parametrize("graph", [False, True], ids=["one-hot", "graph"])
def test_the_branch_is_assigned_first_and_alone(order: VariableOrder, graph: bool) -> None:
    solver = pywrapcp.Solver("independent")
    variables = [solver.IntVar(0, 2, f"v{i}") for i in range(3)]
    scores = np.array([[9, 8, 7], [1, 3, 2], [4, 6, 5]])  # the best scores are outside the branch
    phase = ValuePhase(
        solver,
        variables,
        FixedGraphScorer(scores.ravel()) if graph else FixedScorer(scores),
        SearchOptions(variable_order=order),
        graph=CandidateGraph.from_all_different([range(3)] * 3, []) if graph else None,
        branch=[2, 1],
    )
    solver.NewSearch(phase)
    found = []
    while solver.NextSolution():
        assert (variables[0].Min(), variables[0].Max()) == (0, 2)
        found.append((variables[2].Value(), variables[1].Value()))
    solver.EndSearch()
    assert found == [(a, b) for a in (1, 2, 0) for b in (1, 2, 0)]


@every_order
@pytest.mark.parametrize("graph", [False, True], ids=["one-hot", "graph"])
@pytest.mark.parametrize("policy", POLICIES[::2], ids=str)
@pytest.mark.parametrize("restarts", [Restarts(1, 1.5), Restarts(20, 2.0, 5.0), Restarts(3, schedule="luby")], ids=str)
def test_restarts_of_its_own_keep_the_search_complete(
    order: VariableOrder, graph: bool, policy: InferencePolicy, restarts: Restarts
) -> None:
    for count, holes, feasible in ((6, 5, False), (6, 6, True)):
        solver, variables = pigeons(count, holes)
        phase = ValuePhase(
            solver,
            variables,
            RandomGraphScorer() if graph else LinearScorer(count, holes),
            SearchOptions(variable_order=order, policy=policy, restarts=restarts),
            graph=pigeon_graph(count, holes) if graph else None,
        )
        solver.NewSearch(phase)
        assert solver.NextSolution() == feasible
        if feasible:
            assert len({variable.Value() for variable in variables}) == count
        else:
            assert phase.num_restarts > 0
        solver.EndSearch()


class CountingRestarts(pywrapcp.SearchMonitor):  # type: ignore[misc]
    """Notes the failures at every restart."""

    def __init__(self, solver: pywrapcp.Solver) -> None:
        super().__init__(solver)
        self.failures_so_far = solver.Failures
        self.failures: list[int] = []

    def RestartSearch(self) -> None:
        self.failures.append(self.failures_so_far())


def test_runs_grow_and_are_counted() -> None:
    solver, variables = pigeons(7, 6)
    restarts = Restarts(10, growth=1.5)
    phase = ValuePhase(
        solver, variables, RandomGraphScorer(), SearchOptions(restarts=restarts), graph=pigeon_graph(7, 6)
    )
    for _ in range(2):
        monitor = CountingRestarts(solver)
        before, failures = phase.num_restarts, solver.Failures()
        assert enumerated(solver, variables, phase, [monitor]) == []
        assert phase.num_restarts - before == len(monitor.failures) > 3
        lengths = np.diff(monitor.failures, prepend=failures)
        wanted = 10 * 1.5 ** np.arange(len(lengths))
        # A run ends when the search goes forward again: a chain of refutations runs to its end.
        assert ((wanted <= lengths) & (lengths <= wanted + 8)).all()


def test_another_search_is_not_a_restart() -> None:
    def run(restarts: Restarts | None) -> tuple[int, int]:
        solver, variables = pigeons(5, 4)
        phase = ValuePhase(
            solver, variables, RandomGraphScorer(), SearchOptions(restarts=restarts), graph=pigeon_graph(5, 4)
        )
        assert enumerated(solver, variables, phase) == []
        failures = solver.Failures()
        assert not solver.Solve(phase)
        return failures, phase.num_restarts

    failures, _ = run(None)
    assert run(Restarts(failures)) == (failures, 0)


def test_the_first_run_has_no_noise() -> None:
    def decisions(restarts: Restarts | None) -> tuple[list[Solution], int]:
        solver, variables = pigeons(5, 5)
        phase = ValuePhase(
            solver, variables, RandomGraphScorer(), SearchOptions(restarts=restarts), graph=pigeon_graph(5, 5)
        )
        return enumerated(solver, variables, phase), phase.num_restarts

    assert decisions(None) == decisions(Restarts(10**6))


@every_order
def test_the_seed_decides_after_a_restart(order: VariableOrder) -> None:
    def run(seed: int) -> tuple[tuple[int, ...], int, int]:
        solver, variables = pigeons(7, 7)
        solver.Add(solver.Sum(variables[:4]) == 22)
        phase = ValuePhase(
            solver,
            variables,
            FixedGraphScorer(np.zeros(49)),
            SearchOptions(variable_order=order, restarts=Restarts(1, seed=seed)),
            graph=pigeon_graph(7, 7),
        )
        solver.NewSearch(phase)
        assert solver.NextSolution()
        solution = tuple(variable.Value() for variable in variables)
        solver.EndSearch()
        return solution, solver.Failures(), phase.num_restarts

    runs = [run(seed) for seed in range(6)]
    assert runs == [run(seed) for seed in range(6)]
    assert len(set(runs)) > 1


def test_wrong_restarts_are_refused() -> None:
    for options, message in (
        ({"failures": 0}, r"^Restarts\.failures: expected 1 or more, got 0$"),
        ({"growth": 1.0}, r"^Restarts\.growth: expected above 1, or the search may never end, got 1\.0$"),
        ({"growth": float("nan")}, "growth"),
        ({"temperature": 0.0}, "temperature: expected above 0"),
        ({"seed": -1}, "seed: expected 0 or more"),
    ):
        with pytest.raises(ConfigError, match=message):
            Restarts(**options)


def test_a_graph_that_does_not_fit_is_refused() -> None:
    solver, variables = pigeons(3, 3)
    with pytest.raises(ConfigError, match=r"^graph: bp reads a candidate graph; give one, .*from_all_different$"):
        ValuePhase(solver, variables, "bp")
    with pytest.raises(GraphError, match=r"^expected the 4 variables of the graph, got 3$"):
        ValuePhase(solver, variables, RandomGraphScorer(), graph=pigeon_graph(4, 3))

    class Choosy(RandomGraphScorer):
        def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> PreparedNetwork:
            raise ModelFileError("not for this model")

    with pytest.raises(ModelFileError, match="not for this model"):
        ValuePhase(solver, variables, Choosy(), graph=pigeon_graph(3, 3))


@every_order
def test_a_domain_outside_the_graph_reaches_the_caller(order: VariableOrder) -> None:
    solver, variables = pigeons(3, 3)
    phase = ValuePhase(
        solver, variables, RandomGraphScorer(), SearchOptions(variable_order=order), graph=pigeon_graph(3, 2)
    )
    solver.NewSearch(phase)
    message = r"^variable v0: expected a domain within the graph's 2 values 1\.\.2, got 3 values of which 2 are there$"
    with pytest.raises(GraphError, match=message):
        solver.NextSolution()
    solver.EndSearch()


class BrokenGraphScorer(RandomGraphScorer):
    """Works, and at the third call raises or returns what it is told."""

    def __init__(self, outcome: BaseException | float | int) -> None:
        super().__init__()
        self.outcome = outcome

    def scores(self, state: GraphState) -> FloatArray:
        scores = super().scores(state)
        if len(self.shown) < 3:
            return scores
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        if isinstance(self.outcome, float):
            scores[-1] = self.outcome
            return scores
        return np.resize(scores, len(scores) + self.outcome)


@every_order
@pytest.mark.parametrize("restarts", [None, Restarts(1)], ids=["", "restarts"])
@pytest.mark.parametrize(
    ("outcome", "kind", "message"),
    [
        (ValueError("told so"), ValueError, "told so"),
        (KeyboardInterrupt("told so"), KeyboardInterrupt, "told so"),
        (np.nan, ScoreError, "random: expected finite scores, got NaN or infinity"),
        (np.inf, ScoreError, "random: expected finite scores"),
        (-np.inf, ScoreError, "random: expected finite scores"),
        (1, ScoreError, r"random: expected scores of shape \((\d+),\), got \(\d+,\)"),
        (-1, ScoreError, "random: expected scores of shape"),
    ],
    ids=str,
)
def test_an_error_of_a_graph_scorer_reaches_the_caller(
    order: VariableOrder,
    restarts: Restarts | None,
    outcome: BaseException | float | int,
    kind: type[BaseException],
    message: str,
) -> None:
    solver, variables = pigeons(6, 5)
    scorer = BrokenGraphScorer(outcome)
    graph = pigeon_graph(6, 5)
    phase = ValuePhase(solver, variables, scorer, SearchOptions(variable_order=order, restarts=restarts), graph=graph)
    solver.NewSearch(phase)
    with pytest.raises(kind, match=message):
        solver.NextSolution()
    solver.EndSearch()
    assert len(scorer.shown) == 3
    working = ValuePhase(
        solver, variables, RandomGraphScorer(), SearchOptions(variable_order=order, restarts=restarts), graph=graph
    )
    assert enumerated(solver, variables, working) == []
