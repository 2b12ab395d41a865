"""Many solves at once: the same decisions as alone, and nobody's trouble is another's."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ortools.sat.python import cp_model
from side_by_side_searches import GroupScorer, assert_the_same_as_alone, pigeons, squares
from stand_ins import (
    ENVIRONMENT,
    SUPPORT,
    DirectScorer,
    LinearScorer,
    RandomGraphScorer,
)

import nnsearch
from nnsearch import Limits, SearchOptions, SearchProcesses, solve_many
from nnsearch.cp import InferencePolicy, Restarts
from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.errors import ConfigError
from nnsearch.many.process_group import ProcessGroup, WorkerError
from nnsearch.many.search_process import SearchProcess
from nnsearch.many.search_task import AnyModel
from nnsearch.many.solve_many import ManySolves
from nnsearch.scorers.scorer import FloatArray, Scorer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared() -> Iterator[SearchProcesses]:
    """For tests of what processes find, who starts and ends them being another matter."""
    with SearchProcesses(3) as processes:
        yield processes


class TestProcesses:
    """Searches in other processes."""

    @pytest.mark.parametrize(
        ("scorer", "order"), [(LinearScorer(36, 6), 6), (GroupScorer(), 7), ("pls-10-full", 10), ("universal", 9)]
    )
    def test_the_same_decisions_as_alone(self, scorer: str | Scorer, order: int, shared: SearchProcesses) -> None:
        loaded = nnsearch.load_scorer(scorer, "cpu")
        solves = assert_the_same_as_alone(
            squares(order, order * order // 2, 12),
            loaded,
            {"processes": shared, "concurrency": 8},
            restarts=Restarts(10),
            limits=Limits(failures=40),
        )
        count = solves.progress.count
        assert count.states > 0
        assert count.batches > 0
        assert count.inference_seconds > 0

    def test_models_of_every_form(self, shared: SearchProcesses) -> None:
        model = cp_model.CpModel()
        x = [model.new_int_var(0, 3, f"x{i}") for i in range(4)]
        model.add_all_different(x)
        model.add(x[0] + x[1] == 5)
        wrong: Any = 7
        problems: list[Any] = [model, (model, x[2:]), squares(4, 8, 1)[0], wrong]
        found = {one.index: one for one in solve_many(problems, "bp", processes=shared)}
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

    def test_each_process_has_its_share(self, shared: SearchProcesses) -> None:
        most: dict[int, int] = {}
        solves = solve_many([pigeons(6)] * 6, "bp", SearchOptions(policy=InferencePolicy(0)), processes=shared)
        group = solves._running.group
        assert isinstance(group, ProcessGroup)
        for _ in solves:
            for place, process in enumerate(group._processes):
                most[place] = max(most.get(place, 0), len(process.searches))
        assert max(most.values()) <= 2

    @pytest.mark.parametrize("leave", ["break", "unused", "no iterable"])
    def test_what_is_dropped_leaves_nothing(self, leave: str) -> None:
        before = descriptors()
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

    @pytest.mark.parametrize("max_batch", [8, 2])
    def test_a_batch_of_all_processes_together_is_bounded(self, max_batch: int, shared: SearchProcesses) -> None:
        scorer = Sizes(36, 6)
        solves = solve_many(squares(6, 36, 24), scorer, processes=shared, max_batch=max_batch, cache_megabytes=None)
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
    gc.collect()  # what earlier tests left in circles may hold some
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

    @pytest.mark.parametrize("end", ["pass", "import os; os.kill(os.getpid(), 9)", "1 / 0"])
    def test_the_end_of_the_program_ends_them(self, end: str) -> None:
        script = f"""
            import nnsearch, sys
            sys.path[:0] = {[str(Path(__file__).parent), str(SUPPORT)]!r}
            from side_by_side_searches import squares

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
            from side_by_side_searches import pigeons, squares

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


class Abstaining(RandomGraphScorer):
    """Says nothing of every other candidate."""

    abstains = True

    def scores(self, state: GraphState) -> FloatArray:
        return np.where(state.candidate % 2 == 0, super().scores(state), -np.inf).astype(np.float32)


def test_a_network_may_abstain_in_another_process_too(shared: SearchProcesses) -> None:
    assert_the_same_as_alone(squares(5, 15, 4), Abstaining(), {"processes": shared}, limits=Limits(failures=40))
