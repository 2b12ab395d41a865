"""Many solves at once: the same decisions as alone, and nobody's trouble is another's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from stand_ins import (
    ENVIRONMENT,
    SUPPORT,
    AnyGraphEncoder,
    DirectScorer,
    LinearScorer,
    RandomGraphScorer,
    completes,
    latin_square,
    models,
    with_holes,
)

import nnsearch
from nnsearch import Limits, SearchOptions, SearchProcesses, SearchTask, SolveResult, Status, solve_many
from nnsearch.cp import InferencePolicy, Restarts, Sampling
from nnsearch.encoding.candidate_graph import GraphEncoding, GraphState
from nnsearch.errors import ConfigError, NNSearchError, ScoreError
from nnsearch.many.process_group import ProcessGroup, WorkerError
from nnsearch.many.search_process import SearchProcess
from nnsearch.many.search_task import AnyModel, model_and_variables
from nnsearch.many.solve_many import ManySolves
from nnsearch.model.graph import CandidateGraph
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


@pytest.mark.parametrize("processes", [1, 2])
def test_options_of_a_model_s_own(processes: int) -> None:
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


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(("trouble", "kind"), [("raises", (ZeroDivisionError, NNSearchError)), ("nan", (ScoreError,))])
def test_trouble_with_the_states_of_one_is_told_for_it_alone(
    trouble: str, kind: tuple[type[Exception], ...], processes: int
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


@pytest.mark.parametrize("processes", [1, 2])
def test_a_search_is_stopped_while_it_waits(processes: int) -> None:
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


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_of_stop_is_told_for_its_search(processes: int) -> None:
    def stop(index: int) -> bool:
        return index == 1 and bool(1 / 0)

    found = {one.index: one for one in solve_many(squares(10, 100, 4), Slow(100, 10), stop=stop, processes=processes)}
    assert isinstance(found[1].error, ZeroDivisionError)
    assert all(found[index].error is None for index in (0, 2, 3))


def pigeons(count: int) -> cp_model.CpModel:
    """One pigeon more than holes: long to refute for an engine that looks at pairs only."""
    model = cp_model.CpModel()
    places = [model.new_int_var(1, count - 1, f"p{i}") for i in range(count)]
    for i in range(count):
        for j in range(i):
            model.add(places[i] != places[j])
    return model


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


def test_limits_count_the_seconds_of_the_search_itself() -> None:
    limit = 0.5
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


def test_a_slow_iterable_does_not_hold_up_the_searches() -> None:
    first: list[float] = []

    def slow() -> Iterator[AnyModel]:
        for square in squares(5, 9, 4):
            first.append(time.perf_counter())
            yield square
            time.sleep(0.2)

    next(solve_many(slow(), "bp"))
    assert len(first) <= 2


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


def test_progress_is_told() -> None:
    told: list[nnsearch.ManyProgress] = []
    begun = time.perf_counter()
    list(
        solve_many(
            [pigeons(12)],
            "bp",
            SearchOptions(policy=InferencePolicy(0)),
            stop=lambda index: time.perf_counter() > begun + 2.5,
            on_progress=told.append,
        )
    )
    assert len(told) >= 2
    assert (told[-1].started, told[-1].ended) == (1, 0)
    assert told[0].seconds < told[-1].seconds
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


def test_ctrl_c_between_two_results_is_the_caller_s() -> None:
    solves = solve_many(squares(6, 12, 4), "bp")
    next(solves)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert len(list(solves)) == 3


@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_ends_all(processes: int) -> None:
    script = f"""
        import nnsearch, sys, time
        from nnsearch.cp import InferencePolicy
        sys.path[:0] = {[str(Path(__file__).parent), str(SUPPORT)]!r}
        from test_many import pigeons, squares

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


class TestProcesses:
    """Searches in other processes."""

    @pytest.mark.parametrize(
        ("scorer", "order"), [(LinearScorer(36, 6), 6), (GroupScorer(), 7), ("pls-10-full", 10), ("universal", 9)]
    )
    def test_the_same_decisions_as_alone(self, scorer: str | Scorer, order: int) -> None:
        loaded = nnsearch.load_scorer(scorer, "cpu")
        solves = assert_the_same_as_alone(
            squares(order, order * order // 2, 12),
            loaded,
            {"processes": 2, "concurrency": 8},
            restarts=Restarts(10),
            limits=Limits(failures=40),
        )
        count = solves.progress.count
        assert count.states > 0
        assert count.batches > 0
        assert count.inference_seconds > 0

    def test_models_of_every_form(self) -> None:
        model = cp_model.CpModel()
        x = [model.new_int_var(0, 3, f"x{i}") for i in range(4)]
        model.add_all_different(x)
        model.add(x[0] + x[1] == 5)
        wrong: Any = 7
        problems: list[Any] = [model, (model, x[2:]), squares(4, 8, 1)[0], wrong]
        found = {one.index: one for one in solve_many(problems, "bp", processes=2)}
        for index in (0, 1):
            result = found[index].result
            assert result is not None
            assert result.solution is not None
            assert result.solution[0] + result.solution[1] == 5
        assert found[2].error is None
        assert isinstance(found[3].error, ConfigError)

    def test_a_process_that_dies_takes_its_own_searches_with_it(self) -> None:
        problems: list[AnyModel] = [pigeons(13), *squares(7, 20, 30)]
        killed = False
        found = {}
        solves = solve_many(
            problems,
            "bp",
            SearchOptions(policy=InferencePolicy(0)),
            processes=2,
            concurrency=2,
            on_progress=lambda progress: None,
        )
        group = solves._running.group
        assert isinstance(group, ProcessGroup)
        for solved in solves:
            found[solved.index] = solved
            if not killed and len(found) >= 3:
                killed = True
                busy = next(process for process in group._processes if 0 in process.searches)
                busy.process.kill()
        assert len(found) == len(problems)
        lost = [index for index, solved in found.items() if solved.error is not None]
        assert 0 in lost
        assert len(lost) <= 2
        assert all(isinstance(found[index].error, WorkerError) for index in lost)
        assert "signal 9" in str(found[0].error)

    def test_options_that_cannot_be_sent_are_refused(self) -> None:
        class Local(InferencePolicy):
            pass

        with pytest.raises(ConfigError, match="processes: expected options that can be sent to another process"):
            solve_many(squares(5, 9, 1), "bp", SearchOptions(policy=Local(3)), processes=2)

    def test_processes_that_cannot_start_are_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("nnsearch.many.search_process._START", "import sys; sys.exit(3)")
        with pytest.raises(WorkerError, match=r"ended at once \(exit code 3"):
            list(solve_many(squares(5, 9, 1), "bp", processes=2))

    def test_each_process_has_its_share(self) -> None:
        most: dict[int, int] = {}
        solves = solve_many([pigeons(9)] * 6, "bp", SearchOptions(policy=InferencePolicy(0)), processes=3)
        group = solves._running.group
        assert isinstance(group, ProcessGroup)
        for _ in solves:
            for place, process in enumerate(group._processes):
                most[place] = max(most.get(place, 0), len(process.searches))
        assert max(most.values()) <= 2

    @pytest.mark.parametrize("leave", ["break", "unused", "no iterable"])
    def test_what_is_dropped_leaves_nothing(self, leave: str) -> None:
        list(solve_many(squares(5, 9, 2), "bp", processes=2))
        before = descriptors()
        for _ in range(3):
            if leave == "break":
                for _ in solve_many(
                    [*squares(5, 9, 3), pigeons(13)], "bp", SearchOptions(policy=InferencePolicy(0)), processes=2
                ):
                    break
            elif leave == "unused":
                solve_many(squares(5, 9, 3), "bp", processes=2)
            else:
                wrong: Any = 5
                with pytest.raises(ConfigError, match="models: expected an iterable of models, got int"):
                    solve_many(wrong, "bp", processes=2)
        assert descriptors() == before

    def test_nothing_is_left_behind(self) -> None:
        def children() -> set[str]:
            found = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "pid="], capture_output=True, text=True)
            return set(found.stdout.split())

        list(solve_many(squares(5, 9, 2), "bp", processes=2))
        before = descriptors()
        solves = solve_many(
            [pigeons(13), *squares(5, 9, 3)], "bp", SearchOptions(policy=InferencePolicy(0)), processes=3
        )
        next(solves)
        group = solves._running.group
        assert isinstance(group, ProcessGroup)
        workers = [process.process for process in group._processes]
        solves.close()
        assert all(worker.poll() is not None for worker in workers)
        assert descriptors() == before

    @pytest.mark.parametrize(("processes", "max_batch"), [(2, 8), (3, 8), (3, 2), (2, 1)])
    def test_a_batch_of_all_processes_together_is_bounded(self, processes: int, max_batch: int) -> None:
        scorer = Sizes(36, 6)
        solves = solve_many(squares(6, 36, 24), scorer, processes=processes, max_batch=max_batch, cache_megabytes=None)
        assert all(solved.error is None for solved in solves)
        assert 1 <= max(scorer.sizes) <= max_batch
        assert sum(scorer.sizes) == solves.progress.count.states


class Sizes(LinearScorer):
    """Remembers how many states it was asked for at once."""

    def __init__(self, num_variables: int, num_values: int) -> None:
        super().__init__(num_variables, num_values)
        self.sizes: list[int] = []

    def scores(self, assignment: FloatArray) -> FloatArray:
        self.sizes.append(len(assignment))
        return super().scores(assignment)


def process_ids(solves: ManySolves) -> set[int]:
    group = solves._running.group
    assert isinstance(group, ProcessGroup)
    return {process.process.pid for process in group._processes}


def are_running(process_ids: Iterable[int]) -> bool:
    return any(Path(f"/proc/{number}").exists() for number in process_ids)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class TestKeptProcesses:
    """Processes that serve one call after another."""

    def test_any_scorer_and_any_options(self) -> None:
        used = []
        with SearchProcesses(2) as processes:
            for scorer, order, failures in (
                (LinearScorer(36, 6), 6, 40),
                (GroupScorer(), 7, 30),
                (GroupScorer(), 5, 9),
                (DirectScorer(), 6, 20),
            ):
                solves = assert_the_same_as_alone(
                    squares(order, order * order // 2, 10),
                    scorer,
                    {"processes": processes, "concurrency": 2 * order},
                    limits=Limits(failures=failures),
                )
                assert solves.progress.count.states > 0
                used.append({process.process.pid for process in processes._free})
            assert len(used[0]) == 2
            assert used[0] == used[1] == used[2]
            assert are_running(used[0])
        assert not are_running(used[0])

    def test_what_a_call_leaves_behind_is_for_its_own(self) -> None:
        """Leaving early ends the processes that are busy; the next call has as many as ever."""
        with SearchProcesses(2) as processes:
            first = solve_many(
                [pigeons(13), *squares(5, 9, 8)], "bp", SearchOptions(policy=InferencePolicy(0)), processes=processes
            )
            for _ in range(8):
                next(first)
            started = process_ids(first)
            first.close()
            kept = {process.process.pid for process in processes._free}
            assert kept < started
            assert not are_running(started - kept)
            second = solve_many(squares(6, 18, 12), "bp", processes=processes)
            assert [solved.error for solved in second] == [None] * 12
            assert len(processes._free) == 2
            assert first.progress.count.gathering_seconds > 0  # of processes that are gone or elsewhere by now

    def test_one_that_died_between_two_calls_is_replaced(self) -> None:
        with SearchProcesses(2) as processes:
            list(solve_many(squares(5, 9, 8), "bp", processes=processes))
            for process in processes._free:
                process.process.kill()
                process.process.wait()
            assert [solved.error for solved in solve_many(squares(5, 9, 8), "bp", processes=processes)] == [None] * 8

    def test_one_that_died_before_it_ever_spoke_is_replaced(self) -> None:
        with SearchProcesses(1) as processes:
            processes.take_back(SearchProcess.start())
            processes._free[0].process.kill()
            processes._free[0].process.wait()
            assert [solved.error for solved in solve_many(squares(5, 9, 2), "bp", processes=processes)] == [None] * 2

    def test_two_calls_at_a_time(self) -> None:
        with SearchProcesses(2) as processes:
            pair = [solve_many(squares(5, 9, 8), "bp", processes=processes) for _ in range(2)]
            next(pair[0])
            next(pair[1])
            assert process_ids(pair[0]).isdisjoint(process_ids(pair[1]))
            assert [len(list(solves)) for solves in pair] == [7, 7]
            assert len(processes._free) == 2

    def test_closed_ones_are_refused_and_end_with_their_call(self) -> None:
        before = descriptors()
        processes = SearchProcesses(2)
        solves = solve_many(squares(6, 18, 12), "bp", processes=processes)
        next(solves)
        started = process_ids(solves)
        processes.close()
        processes.close()
        assert len(list(solves)) == 11
        assert not are_running(started)
        with pytest.raises(ConfigError, match="processes: expected SearchProcesses that are open, got closed ones"):
            solve_many(squares(5, 9, 1), "bp", processes=processes)
        assert descriptors() == before

    @pytest.mark.parametrize("number", [0, "2", 1.5])
    def test_a_wrong_number_is_refused(self, number: Any) -> None:
        with pytest.raises(ConfigError, match="processes: expected an integer of 1 or more, got"):
            SearchProcesses(number)

    def test_dropped_ones_end(self) -> None:
        before = descriptors()
        processes = SearchProcesses(2)
        list(solve_many(squares(5, 9, 8), "bp", processes=processes))
        started = {process.process.pid for process in processes._free}
        assert are_running(started)
        del processes
        assert not are_running(started)
        assert descriptors() == before

    @pytest.mark.parametrize("end", ["pass", "raise SystemExit", "import os; os.kill(os.getpid(), 9)", "1 / 0"])
    def test_the_end_of_the_program_ends_them(self, end: str) -> None:
        script = f"""
            import nnsearch, sys
            sys.path[:0] = {[str(Path(__file__).parent), str(SUPPORT)]!r}
            from test_many import squares

            processes = nnsearch.SearchProcesses(2)
            assert len(list(nnsearch.solve_many(squares(5, 9, 8), "bp", processes=processes))) == 8
            print(*[process.process.pid for process in processes._free], flush=True)
            {end}
        """
        found = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)], env=ENVIRONMENT, capture_output=True, text=True
        )
        started = [int(number) for number in found.stdout.split()]
        assert len(started) == 2
        deadline = time.monotonic() + 20
        while are_running(started) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not are_running(started)

    def test_ctrl_c_leaves_them_fit_for_the_next_call(self) -> None:
        script = f"""
            import nnsearch, sys
            from nnsearch.cp import InferencePolicy
            sys.path[:0] = {[str(Path(__file__).parent), str(SUPPORT)]!r}
            from test_many import pigeons, squares

            with nnsearch.SearchProcesses(2) as processes:
                try:
                    models = [*squares(6, 12, 2), pigeons(13), pigeons(13)]
                    how = nnsearch.SearchOptions(policy=InferencePolicy(0))
                    for solved in nnsearch.solve_many(models, "bp", how, processes=processes):
                        print(solved.index, flush=True)
                except KeyboardInterrupt:
                    print("interrupted", flush=True)
                print(sum(one.error is None for one in nnsearch.solve_many(models[:2], "bp", processes=processes)))
        """
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert {process.stdout.readline(), process.stdout.readline()} == {"0\n", "1\n"}
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "interrupted\n2\n"
        assert process.wait(timeout=60) == 0
