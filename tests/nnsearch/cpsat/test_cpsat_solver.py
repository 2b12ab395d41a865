from __future__ import annotations

import contextlib
import gc
import io
import itertools
import logging
import math
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from market_split import market_split, nothing_taken
from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh
from silent_runs import Awaited, LostHint, SilentRun, silence
from stand_ins import PATIENCE, RandomGraphScorer, models_read
from stopping import bounded

from nnsearch.cp import search as cp_search
from nnsearch.cp.restarts import Restarts
from nnsearch.cp.search_options import SearchOptions
from nnsearch.cpsat import CpSolver, Dives, RaceOptions, solve_by_dives
from nnsearch.cpsat.hinted import hinted
from nnsearch.cpsat.racing import share, track
from nnsearch.cpsat.racing.race import Race
from nnsearch.cpsat.racing.sides import learned_side
from nnsearch.cpsat.run import CpSatRun
from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.errors import ConfigError, ModelFileError
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.stopping import ReadingStoppedError
from nnsearch.scorers.cache import cached
from nnsearch.scorers.scorer import FloatArray, Scorer

AT_ONCE = RaceOptions(head_start=0)
_OVERRIDDEN = {"OnSolutionCallback", "StopSearch", "BestObjectiveBound", "WallTime", "Response"}


class FailingScorer(RandomGraphScorer):
    """Raises at its second state."""

    def scores(self, state: GraphState) -> FloatArray:
        if len(self.shown) == 2:
            raise ZeroDivisionError("no scores today")
        return super().scores(state)


class Record(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
    """Remembers what every call could read."""

    def __init__(self, model: cp_model.CpModel, then: Callable[[Record], None] | None = None) -> None:
        super().__init__()
        self.objectives: list[float] = []
        self.bounds: list[float] = []
        self.times: list[float] = []
        self.solutions: list[list[int]] = []
        self._variables, self._then = variables_of(model), then

    def on_solution_callback(self) -> None:
        self.objectives.append(self.objective_value)
        self.bounds.append(self.best_objective_bound)
        self.times.append(self.wall_time)
        self.solutions.append([self.value(variable) for variable in self._variables])
        whole = list(self.response_proto.solution)
        assert [whole[variable.index] for variable in self._variables] == self.solutions[-1]
        assert self.response_proto.wall_time >= 0
        if self._then is not None:
            self._then(self)


class OldRecord(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
    """Written before names had underscores."""

    def __init__(self) -> None:
        super().__init__()
        self.objectives: list[float] = []

    def OnSolutionCallback(self) -> None:
        self.objectives.append(self.ObjectiveValue())


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """CP-SAT beside the learned search says nothing."""
    silence(monkeypatch)


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """CP-SAT begins when the learned search has ended, and begins again at once."""
    ended = threading.Event()
    search = learned_side.LearnedSide.search

    def search_to_the_end(*arguments: Any) -> Any:
        try:
            return search(*arguments)
        finally:
            ended.set()

    class LateRun(CpSatRun):
        def __init__(self, model: cp_model.CpModel, *arguments: Any, **options: Any) -> None:
            if not len(model.proto.solution_hint.vars):
                ended.clear()
            super().__init__(model, *arguments, **options)

        def _solve(self, *arguments: Any) -> None:
            ended.wait(PATIENCE)
            super()._solve(*arguments)

    monkeypatch.setattr(learned_side.LearnedSide, "search", search_to_the_end)
    monkeypatch.setattr(track, "CpSatRun", LateRun)


def variables_of(model: cp_model.CpModel) -> list[cp_model.IntVar]:
    return [model.get_int_var_from_proto_index(i) for i in range(len(model.proto.variables))]


def queens(n: int = 6) -> cp_model.CpModel:
    model = cp_model.CpModel()
    queen = [model.new_int_var(0, n - 1, f"q{i}") for i in range(n)]
    model.add_all_different(queen)
    model.add_all_different(queen[i] + i for i in range(n))
    model.add_all_different(queen[i] - i for i in range(n))
    return model


def ordering(n: int = 6, maximise: bool = True, floating: bool = False) -> cp_model.CpModel:
    """All different with a weighted sum: an optimum that both sides prove at once."""
    model = cp_model.CpModel()
    x = [model.new_int_var(0, n - 1, f"x{i}") for i in range(n)]
    model.add_all_different(x)
    total = sum((0.5 if floating else 1) * (i + 1) * v for i, v in enumerate(x)) + 7
    if maximise:
        model.maximize(total)
    else:
        model.minimize(total)
    return model


def infeasible() -> cp_model.CpModel:
    return queens(3)


def drop_in(workers: int, options: RaceOptions = AT_ONCE, scorer: Scorer | str | None = None, **more: Any) -> CpSolver:
    solver = CpSolver(scorer or RandomGraphScorer(), options=options, **more)
    solver.parameters.num_workers = workers
    return solver


def holds(model: cp_model.CpModel, values: list[int]) -> bool:
    fixed = model.clone()
    for variable, value in zip(variables_of(fixed), values, strict=True):
        fixed.add(variable == value)
    return bool(cp_model.CpSolver().solve(fixed) in (cp_model.OPTIMAL, cp_model.FEASIBLE))


def strictly_improves(objectives: list[float], maximise: bool) -> bool:
    pairs = itertools.pairwise(objectives)
    return all(b > a if maximise else b < a for a, b in pairs)


# ---- the learned side wins


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_a_learned_solution_is_reported_in_cp_sats_words(workers: int) -> None:
    model = queens()
    before = str(model.proto)
    solver, record = drop_in(workers), Record(model)
    started = time.perf_counter()
    assert solver.solve(model, record) == cp_model.OPTIMAL
    assert solver.race is not None
    assert solver.race.winner == "learned"
    assert solver.race.learned is not None
    assert record.solutions == [[solver.value(v) for v in variables_of(model)]]
    assert holds(model, record.solutions[0])
    assert solver.status_name(cp_model.OPTIMAL) == "OPTIMAL"
    assert "status: OPTIMAL" in solver.response_stats()
    assert "learned" in solver.solution_info()
    assert solver.objective_value == 0
    assert 0 < solver.wall_time <= time.perf_counter() - started
    assert solver.num_branches == solver.race.learned.branches
    assert str(model.proto) == before
    assert not _OVERRIDDEN & set(vars(record))
    assert record.value(variables_of(model)[0]) == record.solutions[0][0]  # it can be asked after the solve


@pytest.mark.usefixtures("silent")
def test_a_learned_proof_of_infeasibility() -> None:
    solver, record = drop_in(2), Record(infeasible())
    assert solver.solve(infeasible(), record) == cp_model.INFEASIBLE
    assert solver.race is not None
    assert solver.race.winner == "learned"
    assert solver.race.learned is not None
    assert solver.num_branches == solver.race.learned.branches
    assert solver.num_conflicts == solver.race.learned.failures > 0
    assert str(solver.race) == f"learned after {solver.race.seconds:.1f} s: {solver.race.why}"
    assert not record.solutions
    assert "status: INFEASIBLE" in solver.response_stats()


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize(("maximise", "floating"), list(itertools.product([False, True], repeat=2)))
def test_the_first_solution_is_learned_and_cp_sat_goes_on_from_it(maximise: bool, floating: bool) -> None:
    model = ordering(4, maximise, floating)
    plain = cp_model.CpSolver()
    plain.solve(model)
    before = str(model.proto)
    bounds: list[float] = []
    solver, record = drop_in(2), Record(model)
    solver.best_bound_callback = bounds.append
    assert solver.solve(model, record) == cp_model.OPTIMAL
    assert SilentRun.begun == 2
    assert solver.race is not None
    assert solver.race.learned is not None
    assert solver.race.learned.solution == record.solutions[0], "the first, as it was found"
    assert solver.objective_value == pytest.approx(plain.objective_value)
    assert solver.best_objective_bound == pytest.approx(plain.objective_value)
    assert strictly_improves(record.objectives, maximise)
    assert record.objectives[-1] == pytest.approx(solver.objective_value)
    assert bounds[-1] == solver.best_objective_bound
    assert str(model.proto) == before
    assert solver.race.contribution == "first solution"
    assert re.search(
        rf"found the first solution, objective {record.objectives[0]:g} after \d+\.\d\d s$", solver.race.why
    )


@pytest.mark.parametrize("maximise", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_learned_solution_is_returned_although_cp_sat_has_lost_the_hint(
    workers: int, maximise: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track, "CpSatRun", LostHint)
    model = market_split(True, maximise=maximise)
    solver, record = drop_in(workers), Record(model)
    assert solver.solve(model, record) == cp_model.FEASIBLE
    assert solver.race is not None
    assert solver.race.winner == "learned"
    assert solver.race.contribution == "solution"
    assert record.objectives == [solver.objective_value]
    low, high = sorted((solver.objective_value, solver.best_objective_bound))
    assert (low == solver.objective_value) == maximise, "the bound is on the other side"
    assert low < high
    assert record.bounds == [solver.best_objective_bound], "no fake bound for callbacks that watch the gap"
    objective = model.proto.objective
    inner = solver.response_proto.inner_objective_lower_bound
    assert objective.scaling_factor * (inner + objective.offset) == solver.best_objective_bound


@pytest.mark.parametrize("maximise", [False, True])
@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("handed_over", [False, True])
def test_solutions_improve_strictly_across_the_hand_over(
    handed_over: bool, workers: int, maximise: bool, request: pytest.FixtureRequest
) -> None:
    if handed_over:
        request.getfixturevalue("silent")
    model = market_split(True, maximise=maximise)
    bounds: list[float] = []
    record = Record(model, lambda callback: callback.stop_search() if len(callback.objectives) == 5 else None)
    solver = drop_in(workers, RaceOptions(head_start=0 if handed_over else 0.1))
    solver.best_bound_callback = bounds.append
    solver.parameters.max_time_in_seconds = 120
    assert solver.solve(model, record) == cp_model.FEASIBLE
    assert len(record.objectives) == 5
    assert record.objectives[-1] == solver.objective_value
    assert strictly_improves(record.objectives, maximise)
    assert strictly_improves(bounds, not maximise)
    assert record.times == sorted(record.times)
    assert record.solutions[-1] == [solver.value(v) for v in variables_of(model)]
    assert all(
        (bound >= value) if maximise else (bound <= value)
        for bound, value in zip(record.bounds, record.objectives, strict=True)
    )
    assert solver.best_objective_bound in (bounds[-1], solver.response_proto.best_objective_bound)
    assert record.objective_value == solver.objective_value
    assert not _OVERRIDDEN & set(vars(record))


@pytest.mark.usefixtures("late")
def test_a_wrong_learned_solution_is_refused(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    search = cp_search.solve

    def wrong(*arguments: Any, **options: Any) -> Any:
        result = search(*arguments, **options)
        return replace(result, solution=[0] * 6)

    monkeypatch.setattr(learned_side, "solve", wrong)
    solver, record = drop_in(2), Record(queens())
    assert solver.solve(queens(), record) == cp_model.OPTIMAL
    assert solver.race is not None
    assert solver.race.winner == "cp-sat"
    assert len(record.solutions) == 1
    assert "refuses a solution" in caplog.text


class ClaimingRun:
    """A run that calls a bad solution the best, or claims that there is none."""

    stopped = False

    def __init__(self, model: cp_model.CpModel, *arguments: object, status: Any, **options: object) -> None:
        plain = cp_model.CpSolver()
        plain.parameters.fix_variables_to_their_hinted_value = True
        assert plain.solve(hinted(model, nothing_taken(model))) == cp_model.OPTIMAL
        self.done = threading.Event()
        self.done.set()
        self._response: cmh.CpSolverResponse = plain.response_proto
        self._response.status = status
        self._response.best_objective_bound = 10000.0 if model.proto.objective.scaling_factor < 0 else -1000.0

    def stop(self) -> None:
        pass

    def response(self) -> cmh.CpSolverResponse:
        return self._response


def solve_with_claim(
    monkeypatch: pytest.MonkeyPatch, maximise: bool, claim: Any, gap: float
) -> tuple[CpSolver, Record]:
    claiming = partial(ClaimingRun, status=claim)
    silence(monkeypatch, lambda *a, **o: (claiming if SilentRun.begun else SilentRun)(*a, **o))
    model = market_split(True, maximise=maximise)
    solver, record = drop_in(1), Record(model)
    solver.parameters.absolute_gap_limit = gap
    status = solver.solve(model, record)
    assert solver.race is not None
    assert solver.race.winner == "learned"
    assert solver.race.learned is not None
    assert solver.race.learned.solution == record.solutions[-1] == [solver.value(v) for v in variables_of(model)]
    assert solver.objective_value == record.objectives[-1]
    assert solver.best_objective_bound == (1000 if maximise else 0), "the domains say more than the run"
    assert solver.response_proto.status == status
    return solver, record


@pytest.mark.parametrize("maximise", [False, True])
def test_a_gap_that_is_small_enough_for_a_worse_solution(
    maximise: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    solver, _ = solve_with_claim(monkeypatch, maximise, cp_model.OPTIMAL, gap=1e9)
    assert solver.response_proto.status == cp_model.OPTIMAL
    assert not caplog.records


@pytest.mark.parametrize("maximise", [False, True])
@pytest.mark.parametrize(
    ("claim", "words"),
    [(cp_model.OPTIMAL, "no objective is better than"), (cp_model.INFEASIBLE, "there is no solution")],
)
def test_a_wrong_claim_of_cp_sat_is_said_and_the_checked_solution_returned(
    claim: Any, words: str, maximise: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    solver, record = solve_with_claim(monkeypatch, maximise, claim, gap=0)
    assert solver.response_proto.status == cp_model.FEASIBLE
    (warning,) = caplog.messages
    assert warning.startswith(f"CP-SAT claims that {words}")
    assert f"has objective {record.objectives[-1]:.12g}" in warning


def wrongly_presolved() -> cp_model.CpModel:
    """Its minimum is -17, and CP-SAT 9.15 proves 4: rows under a literal whose coefficients sum to more than 2**31."""
    rows = [
        (True, [884372609, -944110658, -1174501893, 614533207, -2061826342, 958738461], -1228296286, 2**62),
        (False, [1480947773, -1732880569, -2036502314, -1615724375, -469687734, -378237440], -(2**62), -401057199),
        (True, [-1891694993, -1150389082, 1984779605, -865601919, -417696087, -271414253], -144273503, 2**62),
    ]
    model = cp_model.CpModel()
    *x, literal = [model.new_bool_var(f"x{i}") for i in range(7)]
    for when, coefficients, low, high in rows:
        row = model.add_linear_constraint(sum(c * v for c, v in zip(coefficients, x, strict=True)), low, high)
        row.only_enforce_if(literal if when else ~literal)
    model.add_at_most_one(model.new_bool_var("a"), model.new_bool_var("b"))  # something that a graph can show
    model.minimize(-3 * x[0] - 3 * x[1] + 4 * x[2] - 3 * x[3] - 5 * x[4] - 3 * x[5] + 6 * literal)
    return model


class LargeFirst(RandomGraphScorer):
    """Prefers 1 to 0."""

    def scores(self, state: GraphState) -> FloatArray:
        return np.resize(np.array([0, 1], np.float32), len(state.candidate))


@pytest.mark.usefixtures("silent")
def test_the_certificate_of_a_wrong_optimum_is_not_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    """OR-Tools issue 5293; once it is mended, this test has done its work."""
    plain = cp_model.CpSolver()
    plain.parameters.num_workers = 2
    assert (plain.solve(wrongly_presolved()), plain.objective_value) == (cp_model.OPTIMAL, 4)
    solver, record = drop_in(2, scorer=LargeFirst()), Record(wrongly_presolved())
    assert solver.solve(wrongly_presolved(), record) == cp_model.FEASIBLE
    assert solver.objective_value == record.objectives[-1] < 4
    assert solver.best_objective_bound <= -17
    assert holds(wrongly_presolved(), record.solutions[-1])
    assert any("CP-SAT claims that no objective is better than 4, but a solution" in line for line in caplog.messages)


@pytest.mark.parametrize("seed", [-(2**31), -1, 2**31 - 1])
def test_every_seed_of_cp_sat_is_one_of_the_learned_search(seed: int) -> None:
    options = RaceOptions(
        head_start=0, search_failures=0, search=SearchOptions(restarts=Restarts(seed=7)), dives=Dives(seed=7)
    )
    for workers in (1, 2):
        solver = drop_in(workers, options, on_error="raise")
        solver.parameters.random_seed = seed
        assert solver.solve(queens()) == cp_model.OPTIMAL
        assert solver.race is not None
        assert solver.race.contribution in ("nothing", "solution", "first solution")


@pytest.mark.usefixtures("late")
def test_cp_sat_goes_on_if_it_has_a_solution_soon_after() -> None:
    model = ordering(9)
    solver, record = drop_in(2, RaceOptions(head_start=0, trial_seconds=PATIENCE)), Record(model)
    assert solver.solve(model, record) == cp_model.OPTIMAL
    assert solver.race is not None
    assert solver.race.contribution == "nothing"
    assert solver.race.why == "the learned search gave nothing: CP-SAT had a solution soon after"
    assert solver.race.learned is not None
    assert solver.race.learned.solution is not None
    assert strictly_improves(record.objectives, maximise=True)
    assert record.objectives[-1] == solver.objective_value == 7 + sum(i * (i + 1) for i in range(9))


# ---- what the learned side looks for


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_solution_is_looked_for_by_dives_whatever_the_objective(workers: int) -> None:
    solver = drop_in(workers, RaceOptions(head_start=0, search_failures=0), on_error="raise")
    assert solver.solve(ordering(9)) == cp_model.OPTIMAL
    assert solver.race is not None
    assert solver.race.learned is not None
    assert solver.race.learned.engine == "dives"
    assert solver.race.contribution == "first solution"
    assert solver.objective_value == 7 + sum(i * (i + 1) for i in range(9))


class ContentRun(SilentRun):
    """A run that has a solution at once, and goes on until the race does nothing but wait for it."""

    def __new__(cls, *arguments: object, **options: object) -> Any:
        return object.__new__(cls)

    def __init__(self, model: cp_model.CpModel, *arguments: object, **options: Any) -> None:
        super().__init__()
        self.done = Awaited()
        self._plain = cp_model.CpSolver()
        self._plain.parameters.stop_after_first_solution = True
        self._plain.solve(model, options["solution_callback"])

    def response(self) -> cmh.CpSolverResponse:
        response: cmh.CpSolverResponse = self._plain.response_proto
        return response


class LateRun(ContentRun):
    """A run that has a solution only when it is waited for longer than an easy model takes, and ends after that."""

    head_start = 0.01

    def __init__(self, model: cp_model.CpModel, *arguments: object, **options: Any) -> None:
        SilentRun.__init__(self)
        ends = time.perf_counter() + self.head_start
        begin = partial(super().__init__, model, *arguments, **options)

        class Late(Awaited):
            def wait(self, timeout: float | None = None) -> bool:
                if time.perf_counter() > ends:
                    begin()
                return threading.Event.wait(self, timeout)

        self.done = Late()


def test_failures_are_heard_of() -> None:
    heard: list[int] = []
    result = cp_search.solve(infeasible(), variables_of(infeasible()), None, on_failure=heard.append)
    assert heard
    assert heard == sorted(set(heard))
    assert heard[-1] <= result.failures


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize(("run", "head_start"), [(ContentRun, 0.0), (LateRun, LateRun.head_start)])
def test_nothing_is_looked_for_where_cp_sat_has_a_solution(
    run: type[SilentRun], head_start: float, watched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track, "CpSatRun", run)
    solver, model = drop_in(2, RaceOptions(head_start=head_start)), ordering(6)
    assert solver.solve(model, Record(model) if watched else None) in (cp_model.FEASIBLE, cp_model.OPTIMAL)
    assert solver.race is not None
    assert solver.race.learned is None
    assert solver.race.why == "the learned search gave nothing: CP-SAT had a solution before it began"


def _fixed(model: cp_model.CpModel) -> None:
    model.minimize(3 * model.new_constant(4) - 2)


def _read_by_a_harness(model: cp_model.CpModel) -> None:
    assert not model.proto.objective.vars  # to look creates the message


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize(
    ("add", "value"),
    [
        (lambda model: model.minimize(0), 0),
        (lambda model: model.maximize(5), 5),
        (lambda model: model.maximize(0.5 + 0 * model.new_bool_var("")), 0.5),
        (_fixed, 10),
        (_read_by_a_harness, 0),
    ],
    ids=["0", "5", "0.5", "fixed", "read"],
)
def test_a_constant_objective_is_none(add: Callable[[cp_model.CpModel], None], value: float) -> None:
    model = queens()
    add(model)
    solver, record = drop_in(2), Record(model)
    assert solver.solve(model, record) == cp_model.OPTIMAL
    assert SilentRun.begun == 1
    assert solver.race is not None
    assert solver.race.contribution == "solution"
    assert solver.objective_value == solver.best_objective_bound == value
    assert len(record.solutions) == 1


@pytest.mark.usefixtures("silent")
def test_the_range_of_an_objective_stays_where_the_objective_is_left_aside() -> None:
    model = ordering(5)
    model.proto.objective.domain.extend([-40, -40])  # of the negated sum without its offset: one solution is left
    solver = drop_in(2, on_error="raise")
    assert solver.solve(model) == cp_model.OPTIMAL
    assert solver.race is not None
    assert solver.race.contribution == "first solution"


class Clocks:
    """The clocks of one thread, which is at work or asleep: nothing passes but what is said."""

    def __init__(self) -> None:
        self.wall = self.thread = 0.0

    def perf_counter(self) -> float:
        return self.wall

    def thread_time(self) -> float:
        return self.thread

    def work(self, seconds: float) -> None:
        self.wall += seconds
        self.thread += seconds

    def sleep(self, seconds: float) -> None:
        self.wall += seconds


@pytest.mark.parametrize("run", [SilentRun, LostHint])
def test_a_solution_that_cp_sat_only_repeats_is_the_learned_one(
    run: type[SilentRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether CP-SAT comes as far as to repeat it is chance, and who had it first is not."""
    silence(monkeypatch, run)
    model = ordering(5)
    model.proto.objective.domain.extend([-40, -40])  # one solution is left
    solver = drop_in(2, on_error="raise")
    assert solver.solve(model) in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    assert solver.race is not None
    assert solver.race.winner == "learned"
    assert solver.race.contribution in ("first solution", "solution")


def test_a_solution_that_cp_sat_has_handed_to_itself_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The learned one came late and is worse; then the hint is lost, and what is returned is CP-SAT's."""
    solver = drop_in(2)
    better, worse = (cmh.CpSolverResponse() for _ in range(2))
    better.status, better.objective_value = cp_model.FEASIBLE, 7.0
    worse.status = cp_model.UNKNOWN
    one = Race(ordering(5), solver.parameters, None, AT_ONCE, "log")
    monkeypatch.setattr(track.Track, "start", lambda *_: LostHint())
    monkeypatch.setattr(LostHint, "response", lambda _: worse)
    one._answers.hand_over(better, "cp-sat")
    assert one.report is not None
    assert (one.report.winner, one.report.contribution) == ("cp-sat", "nothing")


def test_the_learned_search_is_bounded_where_no_processor_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks()
    monkeypatch.setattr(share, "time", clocks)
    monkeypatch.setattr(share, "usable_cpus", lambda: 2)
    stopped = [False]
    alone = share.Share.beside(1, 0, 0, lambda: stopped[0])
    clocks.work(0.02)
    alone.pause()  # a third thread of two would be; a second is free
    assert clocks.wall == 0.02
    bounded = share.Share.beside(2, 0.01, 0.1, lambda: stopped[0])
    began = clocks.wall
    clocks.work(0.03)
    bounded.pause()
    assert clocks.wall - began == pytest.approx((0.03 - 0.02) / 0.2, abs=0.006)
    bounded.pause(elsewhere=0.01)
    assert clocks.wall - began == pytest.approx((0.04 - 0.02) / 0.2, abs=0.006)
    bounded.pause(ahead=0.02)  # before a step that cannot be interrupted
    assert clocks.wall - began == pytest.approx((0.06 - 0.02) / 0.2, abs=0.006)
    calm = share.Share.beside(2, 0.0, 0.1, lambda: stopped[0])
    calm.raise_until(3, 1e9)
    calm.note_failures(2)
    calm.pause(elsewhere=1e6)
    calm.note_failures(4)
    stopped[0] = True
    calm.pause(elsewhere=0.0)  # for ever but for the stop


@pytest.mark.usefixtures("silent")
def test_a_dive_begins_only_when_its_seconds_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    pause = share.Share.pause

    def noted(self: share.Share, elsewhere: float = 0.0, ahead: float = 0.0) -> None:
        asked.append(ahead)
        pause(self, elsewhere)

    monkeypatch.setattr(share.Share, "pause", noted)
    solver = drop_in(2, RaceOptions(head_start=0, grant=10, search_failures=0, dives=Dives(seconds=7.5)))
    assert solver.solve(ordering(6)) == cp_model.OPTIMAL
    assert 7.5 in asked


@pytest.mark.usefixtures("silent")
def test_a_larger_model_may_fail_more_often_before_it_counts_as_another(monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[float] = []
    monkeypatch.setattr(share.Share, "raise_until", lambda _, until, grant: failures.append(until))
    for size in (4, 12):
        solver = drop_in(2, RaceOptions(head_start=0, full_failures=0.5))
        solver.solve(ordering(size))
    assert failures == [0.5 * 4 * 4, 0.5 * 12 * 12]


class Preferring(RandomGraphScorer):
    """Knows preferences that no model holds: the larger value."""

    purpose = "preferences"

    def scores(self, state: GraphState) -> FloatArray:
        super().scores(state)
        return np.resize(np.array([0, 1], np.float32), len(state.candidate))


def pairs(count: int = 30) -> cp_model.CpModel:
    """At most one of two, again and again: CP-SAT takes neither, a network that prefers 1 takes one of each."""
    model = cp_model.CpModel()
    for number in range(count):
        model.add_at_most_one(model.new_bool_var(f"a{number}"), model.new_bool_var(f"b{number}"))
    return model


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("scorer", [Preferring(), cached(Preferring())], ids=["plain", "cached"])
def test_a_network_of_preferences_decides(scorer: Scorer, workers: int) -> None:
    options = RaceOptions(patience=math.inf)
    solver, record = drop_in(workers, options, scorer, on_error="raise"), Record(pairs())
    assert solver.solve(pairs(), record) == cp_model.OPTIMAL
    assert solver.race is not None
    assert solver.race.winner == "learned"
    assert sum(solver.response_proto.solution) == 30
    assert record.solutions == [list(solver.response_proto.solution)], "the callback sees the answer, once"


def test_a_network_of_preferences_is_waited_for_with_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    class AnsweredRun(CpSatRun):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.done.wait()

    class Thinking(Preferring):
        def scores(self, state: GraphState) -> FloatArray:
            time.sleep(0.1)
            return super().scores(state)

    monkeypatch.setattr(track, "CpSatRun", AnsweredRun)
    options = RaceOptions(patience=0.05)
    solver, record = drop_in(2, options, Thinking()), Record(pairs())
    assert solver.solve(pairs(), record) == cp_model.OPTIMAL
    assert solver.race is not None
    assert solver.race.winner == "cp-sat"
    assert solver.race.why.endswith("it found no solution in its order within 0.05 s of CP-SAT's")
    assert record.solutions == [list(solver.response_proto.solution)]


def test_with_an_objective_a_network_of_preferences_cannot_decide_and_says_so() -> None:
    solver = drop_in(2, scorer=Preferring())
    assert solver.solve(ordering()) == cp_model.OPTIMAL
    assert solver.objective_value == 77
    assert solver.race is not None
    assert solver.race.why.endswith("its network knows preferences, and the objective decides")
    assert solver.solve(infeasible()) == cp_model.INFEASIBLE


# ---- the parameters that end a solve


@pytest.mark.parametrize("objective", [False, True])
@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("head_start", [0, 0.03])
@pytest.mark.parametrize("seconds", [0.001, 0.02, 0.2])
def test_the_time_limit_holds_in_every_phase(seconds: float, head_start: float, workers: int, objective: bool) -> None:
    model = market_split(objective)
    solver = drop_in(workers, RaceOptions(head_start=head_start))
    solver.parameters.max_time_in_seconds = seconds
    with bounded():
        status = solver.solve(model)
    assert status in (cp_model.UNKNOWN, *([cp_model.FEASIBLE] if objective else []))
    assert solver.race is not None
    assert (solver.race.winner == "nobody") == (status == cp_model.UNKNOWN)
    assert (solver.race.why.startswith("the end came first")) == (status == cp_model.UNKNOWN)


@pytest.mark.parametrize("objective", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("delay", [0, 0.02, 0.15, 0.5])
def test_stop_search_from_another_thread(delay: float, workers: int, objective: bool) -> None:
    solver = drop_in(workers, RaceOptions(head_start=0.05))
    solver.parameters.max_time_in_seconds = 120

    def stop() -> None:
        while solver._race is None:  # a stop that comes before the solve means nothing, as in CP-SAT
            time.sleep(0.001)
        time.sleep(delay)
        solver.stop_search()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with bounded():
        status = solver.solve(market_split(objective))
        stopper.join()
    assert status == cp_model.UNKNOWN or objective


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("head_start", [0, 0.03])
@pytest.mark.parametrize("calls", [1, 3])
def test_stop_search_from_a_callback(calls: int, head_start: float, workers: int) -> None:
    model = market_split(True)
    record = Record(model, lambda callback: callback.stop_search() if len(callback.objectives) == calls else None)
    solver = drop_in(workers, RaceOptions(head_start=head_start))
    solver.parameters.max_time_in_seconds = 120
    with bounded():
        assert solver.solve(model, record) == cp_model.FEASIBLE
    assert record.objectives[-1] == solver.objective_value


@pytest.mark.usefixtures("silent")
def test_a_callback_that_stops_at_the_learned_solution_prevents_the_hand_over() -> None:
    model = market_split(True)
    record = Record(model, lambda callback: callback.stop_search())
    solver = drop_in(1, AT_ONCE)
    assert solver.solve(model, record) == cp_model.FEASIBLE
    assert SilentRun.begun == 1
    assert record.objectives == [solver.objective_value]


def test_the_solver_may_be_stopped_in_a_callback() -> None:
    model = market_split(True)
    solver = drop_in(2, RaceOptions(head_start=0.1))
    record = Record(model, lambda callback: solver.stop_search())
    assert solver.solve(model, record) == cp_model.FEASIBLE


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("delay", [0, 0.1, 0.4])
@pytest.mark.parametrize("catch", [False, True])
def test_ctrl_c(catch: bool, delay: float, workers: int) -> None:
    model = market_split(True)
    solver = drop_in(workers, RaceOptions(head_start=0.05))
    solver.parameters.catch_sigint_signal = catch
    solver.parameters.max_time_in_seconds = 120

    def press() -> None:
        while signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # before, it would end the tests
            time.sleep(0.001)
        time.sleep(delay)
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    try:
        with bounded():
            if catch:
                assert solver.solve(model) in (cp_model.FEASIBLE, cp_model.UNKNOWN)
            else:
                with pytest.raises(KeyboardInterrupt):
                    solver.solve(model)
    finally:
        presser.join()
    assert solver.race is not None
    assert solver.solve(queens()) == cp_model.OPTIMAL


def test_a_handler_of_signals_may_stop_the_solve() -> None:
    solver = drop_in(2, RaceOptions(head_start=0.05))
    solver.parameters.max_time_in_seconds = 120
    model = market_split(True)
    rung = Record(model, lambda callback: os.kill(os.getpid(), signal.SIGUSR1))
    before = signal.signal(signal.SIGUSR1, lambda number, frame: solver.stop_search())
    try:
        with bounded():
            assert solver.solve(model, rung) == cp_model.FEASIBLE
    finally:
        signal.signal(signal.SIGUSR1, before)


# ---- errors


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("workers", [1, 2])
def test_cp_sat_answers_where_the_scorer_fails(workers: int, caplog: pytest.LogCaptureFixture) -> None:
    solver = drop_in(workers, scorer=FailingScorer())
    with caplog.at_level(logging.WARNING, "nnsearch"):
        assert solver.solve(queens(12)) == cp_model.OPTIMAL
    assert "the learned search failed" in caplog.text
    assert solver.race is not None
    assert isinstance(solver.race.error, ZeroDivisionError)
    assert solver.race.winner == "cp-sat"
    assert "gave nothing: it failed: ZeroDivisionError" in solver.race.why


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_scorers_exception_reaches_the_caller_who_asks_for_it(workers: int) -> None:
    solver = drop_in(workers, scorer=FailingScorer(), on_error="raise")
    with pytest.raises(ZeroDivisionError, match="today"):
        solver.solve(market_split(False))
    assert solver.race is not None
    assert isinstance(solver.race.error, ZeroDivisionError)
    assert solver.race.winner == "nobody"
    with pytest.raises(RuntimeError, match="has not been called"):
        _ = solver.objective_value


@pytest.mark.parametrize("alone", [False, True])
def test_after_a_failed_solve_there_is_no_answer(alone: bool) -> None:
    """Neither of it nor of the solve before, whoever solved."""

    def fail(_: object) -> None:
        raise LookupError("in the callback")

    model = market_split(True)
    solver = drop_in(1)
    for first_alone in (False, True):
        solver.parameters.interleave_search = first_alone
        assert solver.solve(ordering()) == cp_model.OPTIMAL
        assert solver.objective_value == 77
        solver.parameters.interleave_search = alone
        with pytest.raises(LookupError):
            solver.solve(model, Record(model, fail))
        for read in (lambda: solver.objective_value, lambda: solver.response_proto, solver.response_stats):
            with pytest.raises(RuntimeError, match="has not been called"):
                read()


@pytest.mark.parametrize("phase", ["cp-sat", "learned", "handed over"])
def test_an_exception_in_a_solution_callback_reaches_the_caller(phase: str, request: pytest.FixtureRequest) -> None:
    if phase == "learned":
        request.getfixturevalue("silent")

    def fail(callback: Record) -> None:
        raise LookupError("in the callback")

    model = queens() if phase == "learned" else market_split(True)
    record = Record(model, fail)
    solver = drop_in(1 if phase == "handed over" else 2, RaceOptions(head_start=0.05 * (phase == "cp-sat")))
    with pytest.raises(LookupError, match="in the callback"):
        solver.solve(model, record)
    assert len(record.objectives) == 1
    assert not _OVERRIDDEN & set(vars(record))
    assert solver.solve(queens()) == cp_model.OPTIMAL


def test_exceptions_in_other_callbacks_reach_the_caller() -> None:
    def fail(_: object) -> None:
        raise LookupError("in the callback")

    solver = drop_in(2)
    solver.best_bound_callback = fail
    with pytest.raises(LookupError):
        solver.solve(market_split(True))
    solver = drop_in(2)
    solver.log_callback, solver.parameters.log_search_progress = fail, True
    solver.parameters.log_to_stdout = False
    with pytest.raises(LookupError):
        solver.solve(market_split(True))
    assert solver.race is not None
    assert solver.race.error is None, "that is for the scorer"


def test_what_is_no_callback_is_refused_as_by_cp_sat() -> None:
    with pytest.raises(TypeError):
        drop_in(2).solve(queens(), lambda: None)


def test_bad_arguments() -> None:
    with pytest.raises(ConfigError, match="on_error"):
        CpSolver(RandomGraphScorer(), on_error="ignore")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="head_start"):
        RaceOptions(head_start=-1)
    with pytest.raises(ModelFileError):
        CpSolver("no such network")


# ---- CP-SAT has the solve for itself


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"enumerate_all_solutions": True, "num_workers": 1}, "all solutions"),
        ({"max_deterministic_time": 1.0}, "repeated"),
        ({"max_number_of_conflicts": 10}, "repeated"),
        ({"stop_after_presolve": True}, "stop_after_presolve"),
        ({"fill_tightened_domains_in_response": True}, "tightened"),
        ({"search_branching": cp_model.FIXED_SEARCH, "num_workers": 1}, "fixed"),
        ({"num_workers": -1}, "negative"),
        ({"num_workers": 2, "num_search_workers": 2}, "both set"),
        ({"max_time_in_seconds": 0.0}, "no time"),
        ({"max_time_in_seconds": float("nan")}, "no time"),
    ],
)
def test_stands_aside(setting: dict[str, Any], reason: str) -> None:
    solver, plain = CpSolver(RandomGraphScorer(), options=AT_ONCE), cp_model.CpSolver()
    for name, value in setting.items():
        setattr(solver.parameters, name, value)
        setattr(plain.parameters, name, value)
    assert solver.solve(queens()) == plain.solve(queens())
    assert solver.race is not None
    assert reason in solver.race.why
    assert solver.response_proto.status == plain.response_proto.status


def test_stands_aside_without_a_scorer() -> None:
    plain = CpSolver(None)
    assert plain.solve(queens()) == cp_model.OPTIMAL
    assert plain.race is not None
    assert plain.race.why == "there is no scorer"


@pytest.mark.parametrize("model", [cp_model.CpModel(), ordering()], ids=["empty", "wide"])
def test_models_that_the_learned_side_cannot_use(model: cp_model.CpModel) -> None:
    if len(model.proto.variables):
        model.add(model.new_int_var(0, 2**40, "wide") >= 7)
    for workers in (1, 2):
        assert drop_in(workers).solve(model) == cp_model.OPTIMAL


class UnfitScorer(RandomGraphScorer):
    """Fits no model."""

    def scores(self, state: GraphState) -> FloatArray:
        raise ModelFileError("unfit: expected another model")


def wide() -> cp_model.CpModel:
    model = queens()
    model.new_int_var(0, 2**40, "huge")
    return model


def no_groups() -> cp_model.CpModel:
    model = cp_model.CpModel()
    x, y = model.new_int_var(0, 10**6, "x"), model.new_int_var(0, 10**6, "y")
    model.add(3 * x + 7 * y == 100_001)
    return model


def only_a_row() -> cp_model.CpModel:
    model = cp_model.CpModel()
    model.add(sum((i + 3) * model.new_bool_var(f"x{i}") for i in range(9)) == 20)
    return model


def modulo() -> cp_model.CpModel:
    model = queens()
    x = variables_of(model)
    model.add_modulo_equality(1, x[0], x[1])
    return model


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (wide, "huge is wider"),
        (only_a_row, "bp has nothing to say about this model"),
        (no_groups, "bp has nothing to say about this model"),
        (modulo, "divisor"),
    ],
    ids=["wide", "row", "graph", "divisor"],
)
def test_the_report_says_why_the_learned_side_stood_aside(
    build: Callable[[], cp_model.CpModel], reason: str, workers: int
) -> None:
    solver = drop_in(workers, on_error="raise", scorer="bp")
    assert solver.solve(build()) == cp_model.CpSolver().solve(build())
    assert solver.race is not None
    assert solver.race.winner == "cp-sat"
    assert solver.race.contribution == "nothing"
    assert solver.race.why.startswith("the learned search gave nothing: ")
    assert reason in solver.race.why


@pytest.mark.usefixtures("late")
def test_a_network_that_does_not_fit_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    solver = drop_in(2, scorer=UnfitScorer())
    for _ in range(3):
        assert solver.solve(queens()) == cp_model.OPTIMAL
        assert solver.race is not None
        assert solver.race.why == "the learned search gave nothing: unfit: expected another model"
        assert solver.race.error is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "unfit" in caplog.text


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_reading_ends_with_the_limit_of_time(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[bool] = []

    def read_for_ever(model: cp_model.CpModel, *, stop: Callable[[], bool]) -> Any:
        while not stop():
            time.sleep(0.001)
        stopped.append(True)
        raise ReadingStoppedError

    monkeypatch.setattr(PreparedModel, "of", read_for_ever)
    monkeypatch.setattr(track, "CpSatRun", LostHint)  # an answer would end the reading, too
    solver = drop_in(workers, RaceOptions(head_start=0), on_error="raise")
    solver.parameters.max_time_in_seconds = 0.3
    assert solver.solve(market_split(False)) == cp_model.UNKNOWN
    assert stopped == [True]
    assert solver.race is not None
    assert solver.race.learned is None
    assert solver.race.contribution in ("nothing", "solution", "first solution")


def test_the_reading_ends_when_cp_sat_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = threading.Event()

    def read_for_ever(model: cp_model.CpModel, *, stop: Callable[[], bool]) -> Any:
        reading.set()
        while not stop():
            time.sleep(0.001)
        raise ReadingStoppedError

    class LaterRun(CpSatRun):
        def _solve(self, *arguments: Any) -> None:
            assert reading.wait(PATIENCE)
            super()._solve(*arguments)

    monkeypatch.setattr(PreparedModel, "of", read_for_ever)
    monkeypatch.setattr(track, "CpSatRun", LaterRun)
    solver = drop_in(2, on_error="raise")
    assert solver.solve(queens(40)) == cp_model.OPTIMAL
    assert solver.race is not None
    assert solver.race.winner == "cp-sat"


@pytest.mark.usefixtures("silent")
def test_a_race_that_reaches_its_dives_reads_the_model_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read = models_read(monkeypatch)
    model = queens(20)
    solver = drop_in(2, RaceOptions(head_start=0, search_failures=0), on_error="raise")
    assert solver.solve(model) == cp_model.OPTIMAL
    assert solver.race is not None
    assert solver.race.learned is not None
    assert solver.race.learned.engine == "dives"
    assert len(read) == 1


def test_an_invalid_model_is_invalid() -> None:
    model = ordering()
    model.new_int_var(5, 4, "empty")
    for workers in (1, 2):
        solver = drop_in(workers)
        assert solver.solve(model) == cp_model.CpSolver().solve(model) == cp_model.MODEL_INVALID


def test_the_cp_engine_leaves_a_floating_point_objective_alone() -> None:
    model = ordering(3, floating=True)
    model.clear_objective()
    model.minimize(sum(1.0 * v for v in variables_of(model)) + 0.5)
    before = str(model.proto)
    cp_search.solve(model, variables_of(model), None)
    assert str(model.proto) == before


# ---- logs


@pytest.mark.usefixtures("late")
def test_the_log_reaches_callback_response_and_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cp_search, "_PROGRESS_SECONDS", 0)  # at every node
    lines: list[str] = []
    solver = drop_in(2, scorer=FailingScorer(), options=RaceOptions(head_start=0, search_failures=10**9))
    solver.log_callback = lines.append
    solver.parameters.log_search_progress = solver.parameters.log_to_response = True
    with contextlib.redirect_stdout(io.StringIO()) as output:
        assert solver.solve(queens(12)) == cp_model.OPTIMAL
    own = [line for line in lines if line.startswith("#nnsearch")]
    assert any("begins: random" in line for line in own)
    assert any("learned search: " in line and "branches" in line for line in own)
    assert all(line in output.getvalue() for line in own)
    assert solver.solve_log == "".join(line + "\n" for line in lines)
    assert any("Starting CP-SAT" in line for line in lines)


def test_without_a_log_nothing_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    solver = drop_in(2)
    solver.log_callback = lambda line: pytest.fail(line)
    solver.solve(queens())
    assert solver.solve_log == ""
    assert capfd.readouterr() == ("", "")


# ---- threads and many solves


def test_one_solver_many_solves() -> None:
    solver = drop_in(2)
    for size in range(4, 12):
        assert solver.solve(queens(size)) == cp_model.OPTIMAL
        assert solver.solve(infeasible()) == cp_model.INFEASIBLE
        solver.parameters.enumerate_all_solutions = not solver.parameters.enumerate_all_solutions
        assert solver.solve(ordering(size)) == cp_model.OPTIMAL
        solver.parameters.enumerate_all_solutions = False
        assert solver.objective_value == 7 + sum(i * (i + 1) for i in range(size))


def test_two_solvers_in_two_threads_outside_the_main_thread() -> None:
    answers: list[tuple[Any, float]] = []

    def work(seed: int) -> None:
        solver = drop_in(2, scorer=RandomGraphScorer(seed))
        for _ in range(5):
            answers.append((solver.solve(ordering(6)), solver.objective_value))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(cp_model.OPTIMAL, 77.0)] * 10


def engines() -> int:
    gc.collect()
    return sum(type(thing) is pywrapcp.Solver and thing.thisown for thing in gc.get_objects())


@pytest.mark.parametrize("on_error", ["log", "raise"])
@pytest.mark.parametrize("scorer", [RandomGraphScorer(), FailingScorer()], ids=["well", "failing"])
def test_engines_are_freed(scorer: RandomGraphScorer, on_error: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference back to an engine from what it keeps would hold it for ever: no garbage collector sees through it."""
    monkeypatch.setattr(logging.getLogger("nnsearch"), "disabled", True)  # pytest's records keep errors
    before = engines()
    for workers in (1, 2):
        solver = drop_in(workers, RaceOptions(head_start=0, dives=None), scorer, on_error=on_error)
        for _ in range(3):
            scorer.shown.clear()
            with contextlib.suppress(ZeroDivisionError):
                solver.parameters.max_time_in_seconds = 0.1
                solver.solve(market_split(False))
            solver.parameters.max_time_in_seconds = 10
            scorer.shown = [None] * 100  # type: ignore[list-item]
            solver.solve(queens())
    del solver
    assert engines() == before


def test_engines_of_dives_are_freed() -> None:
    before = engines()
    for _ in range(3):
        solve_by_dives(queens(), [RandomGraphScorer()])
    assert engines() == before


def test_own_attributes_of_a_callback_come_back() -> None:
    calls: list[float] = []
    model = ordering()
    record = Record(model)
    record.OnSolutionCallback = lambda: calls.append(record.objective_value)
    own = record.OnSolutionCallback
    drop_in(2).solve(model, record)
    assert calls[-1] == 77
    assert record.OnSolutionCallback is own
    assert not record.objectives
