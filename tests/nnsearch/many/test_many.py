"""Many solves at once: the same decisions as alone, and nobody's trouble is another's."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clocks import Ticks
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from side_by_side_searches import GroupScorer, assert_the_same_as_alone, pigeons, squares, what_happened
from stand_ins import (
    ENVIRONMENT,
    SUPPORT,
    AnyGraphEncoder,
    LinearScorer,
    completes,
    models,
)

import nnsearch
from nnsearch import Limits, SearchOptions, SearchProcesses, SearchTask, Status, solve_many
from nnsearch.cp import InferencePolicy, Restarts, Sampling
from nnsearch.encoding.candidate_graph import GraphEncoding, GraphState
from nnsearch.errors import ConfigError, NNSearchError, ScoreError
from nnsearch.many import gathering
from nnsearch.many.search_task import AnyModel, model_and_variables
from nnsearch.many.solve_many import ManySolves
from nnsearch.model.graph import BoolArray, CandidateGraph
from nnsearch.scorers.scorer import FloatArray


@pytest.fixture(scope="module", params=[1, 2])
def processes(request: pytest.FixtureRequest) -> Iterator[int | SearchProcesses]:
    """For what is the same in one process and in two, who starts and ends these being another matter."""
    if request.param == 1:
        yield 1
        return
    with SearchProcesses(request.param) as kept:
        yield kept


@pytest.mark.parametrize("many", [{"concurrency": 1}, {"concurrency": 7, "max_batch": 3}, {"max_wait": 0.0}, {}])
@pytest.mark.parametrize("cache_megabytes", [None, 0.01, 64.0])
def test_the_same_decisions_as_alone(many: dict[str, Any], cache_megabytes: float | None) -> None:
    assert_the_same_as_alone(
        squares(6, 30, 20),
        LinearScorer(36, 6),
        {**many, "cache_megabytes": cache_megabytes},
        restarts=Restarts(4, growth=1.5),
        limits=Limits(failures=60),
    )


@given(
    problems=st.lists(models(), min_size=1, max_size=6),
    concurrency=st.integers(1, 6),
    sample=st.booleans(),
    every=st.integers(0, 3),
)
@settings(max_examples=40)
def test_the_same_decisions_as_alone_by_graph(
    problems: list[cp_model.CpModel], concurrency: int, sample: bool, every: int
) -> None:
    pairs = [(m, [m.get_int_var_from_proto_index(i) for i in range(len(m.proto.variables))]) for m in problems]
    readable = [pair for pair in pairs if can_be_read(pair[0])]
    assert_the_same_as_alone(
        readable,
        GroupScorer(),
        {"concurrency": concurrency},
        policy=InferencePolicy(every, after_failure=True),
        sampling=Sampling(3) if sample else None,
        limits=Limits(failures=50),
    )


def can_be_read(model: cp_model.CpModel) -> bool:
    try:
        CandidateGraph.from_model(model)
    except NNSearchError:
        return False
    return True


@pytest.mark.parametrize("network", ["pls-10-full", "bp", "universal"])
def test_networks_decide_as_they_do_alone(network: str) -> None:
    scorer = nnsearch.load_scorer(network, "cpu")
    solves = assert_the_same_as_alone(squares(10, 60, 24), scorer, {}, limits=Limits(failures=30))
    assert solves.progress.count.mean_batch > 4


def test_a_batch_holds_the_states_of_all_searches() -> None:
    solves = solve_many(squares(10, 100, 64), "pls-10-full", cache_megabytes=None)
    assert all(solved.result is not None and solved.result.status is Status.OPTIMAL for solved in solves)
    assert solves.progress.count.mean_batch >= 32


def test_equal_states_of_a_batch_are_scored_once() -> None:
    scorer = LinearScorer(36, 6)
    same = squares(6, 36, 1) * 16
    solves = solve_many(same, scorer)
    results = [solved.result for solved in solves]
    assert len({what_happened(result)[1:4] and tuple(result.solution or ()) for result in results if result}) == 1
    count = solves.progress.count
    assert len(scorer.shown) == count.states
    assert count.recalled == 15 * count.states
    assert count.hit_rate == pytest.approx(15 / 16)


def test_models_of_every_form() -> None:
    n = 5
    model = cp_model.CpModel()
    queens = [model.new_int_var(0, n - 1, f"q{i}") for i in range(n)]
    for shift in (-1, 0, 1):
        model.add_all_different([queen + shift * i for i, queen in enumerate(queens)])
    instance = squares(4, 8, 1)[0]
    results = {one.index: one.result for one in solve_many([model, (model, queens[:2]), instance], "bp")}
    for index in (0, 1):
        result = results[index]
        assert result is not None
        assert result.solution is not None
        assert len({q + i for i, q in enumerate(result.solution)}) == n
    last = results[2]
    assert last is not None
    assert completes(last.solution or [], instance.grid)


def test_options_of_a_model_s_own(processes: int | SearchProcesses) -> None:
    """A portfolio: one model, several seeds; and another limit for one of them."""
    model = pigeons(6)
    options = [
        SearchOptions(sampling=Sampling(seed), restarts=Restarts(5, seed=seed), limits=Limits(failures=20 + seed))
        for seed in range(4)
    ]
    tasks = [SearchTask(model, one) for one in options]
    found = {one.index: one.result for one in solve_many(tasks, "bp", processes=processes)}
    _, variables = model_and_variables(model)
    for index, one in enumerate(options):
        alone = nnsearch.cp.solve(
            model, variables, "bp", SearchOptions(sampling=one.sampling, restarts=one.restarts, limits=one.limits)
        )
        assert what_happened(found[index]) == what_happened(alone)
    assert len({result.failures for result in found.values() if result}) > 1


def test_what_is_no_model_is_told_for_itself() -> None:
    wrong: Any = "file.dzn"
    found = {one.index: one for one in solve_many([squares(5, 9, 1)[0], wrong], "bp")}
    assert found[0].error is None
    assert isinstance(found[1].error, ConfigError)
    assert "got str" in str(found[1].error)


def test_models_are_taken_as_places_get_free() -> None:
    taken = 0

    def endless() -> Iterator[AnyModel]:
        nonlocal taken
        while True:
            yield squares(5, 10, 1)[0]
            taken += 1

    done = 0
    with solve_many(endless(), "bp", concurrency=5) as solves:
        for _ in solves:
            done += 1
            assert taken <= done + 5
            if done == 40:
                break
    with pytest.raises(StopIteration):
        next(solves)


class Fussy(LinearScorer):
    """Raises, or returns NaN, wherever the first variable has its last value."""

    def __init__(self, num_variables: int, num_values: int, trouble: str = "raises") -> None:
        super().__init__(num_variables, num_values)
        self.last, self.trouble = num_values - 1, trouble

    def scores(self, assignment: FloatArray) -> FloatArray:
        bad = assignment[:, self.last] > 0
        if self.trouble == "raises" and bad.any():
            raise ZeroDivisionError("out of paper")
        scores = assignment @ self.weight + self.bias
        scores[bad] = np.nan
        return scores


@pytest.mark.parametrize(("trouble", "kind"), [("raises", (ZeroDivisionError, NNSearchError)), ("nan", (ScoreError,))])
def test_trouble_with_the_states_of_one_is_told_for_it_alone(
    trouble: str, kind: tuple[type[Exception], ...], processes: int | SearchProcesses
) -> None:
    problems = squares(5, 15, 12)
    for grid in (problems[3].grid, problems[8].grid):
        grid[0, 0] = 5
    problems = [one for one in problems if one.grid[0, 0] in (0, 5)]
    healthy, sick = LinearScorer(25, 5), Fussy(25, 5, trouble=trouble)
    limits = Limits(failures=40)
    found = {one.index: one for one in solve_many(problems, sick, SearchOptions(limits=limits), processes=processes)}
    assert len(found) == len(problems)
    told = 0
    for index, problem in enumerate(problems):
        model, variables = problem.build()
        try:
            alone = nnsearch.cp.solve(model, variables, sick, SearchOptions(limits=limits))
        except (ZeroDivisionError, ScoreError):
            told += 1
            assert isinstance(found[index].error, kind)
            assert found[index].result is None
        else:
            assert found[index].error is None
            assert what_happened(found[index].result) == what_happened(alone)
    assert told >= 1
    assert healthy.shown == []


def test_a_search_is_stopped_while_it_waits(processes: int | SearchProcesses) -> None:
    problems = squares(10, 100, 12)
    begun = time.perf_counter()
    found = {
        one.index: one
        for one in solve_many(
            problems,
            Slow(100, 10),
            processes=processes,
            stop=lambda index: index == 4 and time.perf_counter() > begun,
        )
    }
    stopped = found.pop(4).result
    assert stopped is not None
    assert stopped.status is Status.UNKNOWN
    for index, solved in found.items():
        assert solved.result is not None
        assert completes(solved.result.solution or [], problems[index].grid)


class Slow(LinearScorer):
    def scores(self, assignment: FloatArray) -> FloatArray:
        time.sleep(0.002)
        return super().scores(assignment)


def test_an_error_of_stop_is_told_for_its_search(processes: int | SearchProcesses) -> None:
    def stop(index: int) -> bool:
        return index == 1 and bool(1 / 0)

    found = {one.index: one for one in solve_many(squares(10, 100, 4), Slow(100, 10), stop=stop, processes=processes)}
    assert isinstance(found[1].error, ZeroDivisionError)
    assert all(found[index].error is None for index in (0, 2, 3))


def test_a_search_that_asks_for_nothing_does_not_hold_up_the_others() -> None:
    problems: list[AnyModel] = [pigeons(12), *squares(8, 30, 6)]
    begun = time.perf_counter()
    stop = False
    order = []
    solves = solve_many(
        problems,
        "bp",
        SearchOptions(policy=InferencePolicy(0)),
        stop=lambda index: stop or time.perf_counter() > begun + 60,
    )
    for solved in solves:
        order.append(solved.index)
        stop = len(order) == len(problems) - 1
    assert order[-1] == 0
    assert len(order) == len(problems)


def test_limits_count_the_seconds_of_the_search_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 0.3
    monkeypatch.setattr(gathering, "time", Ticks())
    results = [
        solved.result
        for solved in solve_many(
            [pigeons(13)] * 6,
            "bp",
            SearchOptions(policy=InferencePolicy(0), limits=Limits(seconds=limit)),
            cache_megabytes=None,
        )
    ]
    for result in results:
        assert result is not None
        assert result.status is Status.UNKNOWN
        assert result.wall_seconds >= limit
    # Together they took six limits: with the wall's seconds, each would have had a sixth of its limit.
    assert sum(result.failures > 0 for result in results if result) == 6


def test_an_error_in_the_iterable_ends_all() -> None:
    def broken() -> Iterator[AnyModel]:
        yield pigeons(12)
        raise LookupError("no more files")

    with pytest.raises(LookupError, match="no more files"):
        list(solve_many(broken(), "bp", SearchOptions(policy=InferencePolicy(0))))


def test_leaving_early_ends_the_searches() -> None:
    for leave in ("close", "drop"):
        solves = solve_many(
            [pigeons(12), *squares(6, 12, 2)], "bp", SearchOptions(policy=InferencePolicy(0)), concurrency=3
        )
        assert next(solves).index in (1, 2)
        if leave == "close":
            solves.close()
            assert list(solves) == []
        del solves


def test_closed_by_a_callback() -> None:
    def stop(index: int) -> bool:
        solves.close()
        return False

    solves: ManySolves = solve_many(squares(6, 30, 8), "bp", stop=stop)
    assert list(solves) == []


def test_results_are_taken_in_one_thread() -> None:
    solves = solve_many(squares(6, 30, 8), "bp", concurrency=2)
    next(solves)
    with ThreadPoolExecutor(1) as pool, pytest.raises(ConfigError, match="got another thread"):
        pool.submit(next, solves).result()


def test_a_slow_iterable_does_not_hold_up_the_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        waited = 0.0

        def perf_counter(self) -> float:
            return time.perf_counter() + self.waited

    clock, taken = Clock(), []
    monkeypatch.setattr(sys.modules[ManySolves.__module__], "time", clock)

    def slow() -> Iterator[AnyModel]:
        for square in squares(5, 9, 4):
            taken.append(square)
            yield square
            clock.waited += 1000

    next(solve_many(slow(), "bp"))
    assert len(taken) <= 2


def test_context_variables_reach_the_searches() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="lost")
    seen = []

    class Reading(AnyGraphEncoder):
        def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None, name: str) -> GraphEncoding:
            seen.append(variable.get())
            return super().prepare(graph, variables, name)

    scorer = GroupScorer()
    scorer.encoder = Reading()
    variable.set("found")
    list(solve_many(squares(5, 9, 2), scorer))
    assert seen == ["found", "found"]


def test_a_cached_scorer_remembers_single_states() -> None:
    scorer = nnsearch.cached(GroupScorer())
    same = squares(6, 30, 1) * 4
    solves = solve_many(same, scorer, cache_megabytes=None)
    results = [solved.result for solved in solves]
    assert all(result is not None and result.status is Status.OPTIMAL for result in results)
    assert solves.progress.count.recalled == 3 * solves.progress.count.states


def test_scores_that_are_no_array_are_refused() -> None:
    class Listing(GroupScorer):
        def scores(self, state: GraphState) -> Any:
            return super().scores(state).tolist()

    for solved in solve_many(squares(5, 25, 2), Listing()):
        assert isinstance(solved.error, ScoreError)
        assert "got ['list']" in str(solved.error)


def test_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[ManySolves.__module__], "_PROGRESS_SECONDS", 0)
    told: list[nnsearch.ManyProgress] = []
    list(
        solve_many(
            [pigeons(12)],
            "bp",
            SearchOptions(policy=InferencePolicy(0)),
            stop=lambda index: len(told) >= 2,
            on_progress=told.append,
        )
    )
    assert len(told) >= 2
    assert [(one.started, one.ended) for one in told[:2]] == [(1, 0)] * 2
    assert told[0].seconds < told[1].seconds
    assert min(astuple(told[-1].count)) >= 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": 0}, "concurrency: expected an integer of 1 or more, got 0"),
        ({"concurrency": "3"}, "concurrency: expected an integer of 1 or more, got '3'"),
        ({"cache_megabytes": float("inf"), "processes": 2}, "cache: expected a number of megabytes above 0, got inf"),
        ({"processes": 0}, "processes: expected an integer of 1 or more, got 0"),
        ({"max_batch": 0}, "max_batch: expected an integer of 1 or more, got 0"),
        ({"max_wait": -1}, "max_wait: expected 0 or more seconds, got -1"),
        ({"cache_megabytes": 0}, "cache: expected a number of megabytes above 0, got 0"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        solve_many([], "bp", **options)


def test_no_scorer_is_refused() -> None:
    nobody: Any = None
    with pytest.raises(ConfigError, match=r"got None, .* one by one: nnsearch\.cp\.solve\(model, variables, None\)"):
        solve_many([], nobody)


def test_advice_that_is_none_is_refused() -> None:
    class Bare:
        name = "bare"

        def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> Bare:
            return self

        def advise(self, alive: BoolArray) -> Any:
            return np.zeros(alive.shape)

    for solved in solve_many(squares(5, 25, 2), Bare()):
        assert isinstance(solved.error, ScoreError)
        assert "expected advise to return nnsearch.Advice(scores), got ndarray" in str(solved.error)


def test_ctrl_c_between_two_results_is_the_caller_s() -> None:
    solves = solve_many(squares(6, 12, 4), "bp")
    next(solves)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert len(list(solves)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_ends_all(processes: int) -> None:
    script = f"""
        import nnsearch, sys, time
        from nnsearch.cp import InferencePolicy
        sys.path[:0] = {[str(Path(__file__).parent), str(SUPPORT)]!r}
        from side_by_side_searches import pigeons, squares

        try:
            for solved in nnsearch.solve_many(
                [*squares(6, 12, 2), pigeons(13), pigeons(13)],
                "bp",
                nnsearch.SearchOptions(policy=InferencePolicy(0)),
                processes={processes},
            ):
                print(solved.index, flush=True)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert {process.stdout.readline(), process.stdout.readline()} == {"0\n", "1\n"}
    process.send_signal(signal.SIGINT)
    assert process.stdout.read() == "interrupted\n"
    assert process.wait(timeout=60) == 0
