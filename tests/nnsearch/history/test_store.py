"""What a store promises, whatever database it is in."""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess as Process
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from past_solves import past_solve, same, sketch_of, some_model
from stand_ins import PATIENCE

from nnsearch.errors import HistoryError
from nnsearch.history.compression import digest_of_names
from nnsearch.history.past_solve import PastSolution, PastSolve
from nnsearch.history.store import Store
from nnsearch.result import Status


def test_what_was_recorded_is_read_after_opening_it_again(store_location: str) -> None:
    solves = [past_solve(number, solutions=number % 3) for number in range(5)]
    with Store(store_location) as store:
        numbers = [store.record(solve, some_model(i), sketch_of(i)) for i, solve in enumerate(solves)]
    assert sorted(set(numbers)) == numbers
    with Store(store_location) as store:
        for i, (number, solve) in enumerate(zip(numbers, solves, strict=True)):
            loaded = store.load(number)
            assert same(loaded, solve)
            assert loaded.number == number
            assert store.model(number) == some_model(i)


TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)
NUMBER = st.none() | st.floats(allow_nan=False, allow_infinity=False)
WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)


@st.composite
def solves(draw: st.DrawFn) -> PastSolve:
    names = tuple(draw(st.lists(st.text(st.characters(), max_size=4), max_size=4)))
    values = st.lists(WHOLE, min_size=len(names), max_size=len(names))
    solutions = [
        PastSolution(np.array(draw(values), dtype=np.int64), draw(NUMBER)) for _ in range(draw(st.integers(0, 3)))
    ]
    return PastSolve(
        family=draw(TEXT),
        created=draw(st.floats(0, 1e10)),
        status=draw(st.sampled_from(Status)),
        objective=draw(NUMBER),
        bound=draw(NUMBER),
        seconds=draw(st.floats(0, 1e6)),
        found_by=draw(TEXT),
        parameters=draw(TEXT),
        names=names,
        solutions=tuple(solutions),
    )


@pytest.fixture(scope="module")
def open_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("history") / "plans.db")


@given(solve=solves(), model=st.binary(max_size=50), sketch=st.lists(st.integers(0, 2**64 - 1), max_size=3))
def test_any_solve_is_read_as_it_was_recorded(
    open_store: Store, solve: PastSolve, model: bytes, sketch: list[int]
) -> None:
    number = open_store.record(solve, model, np.array(sketch, dtype=np.uint64))
    assert same(open_store.load(number), solve)
    assert open_store.model(number) == model
    if solve.solutions:
        (found,) = [one for one in open_store.sketches(solve.family, 10_000) if one.number == number]
        assert (found.sketch.tolist(), found.created) == (sketch, solve.created)
        assert found.shape == digest_of_names(solve.names)


def test_sketches_are_those_of_solves_with_a_solution_the_latest_first(store_location: str) -> None:
    with Store(store_location) as store:
        kinds = [("jobs", 1), ("rosters", 1), ("jobs", 0), ("jobs", 2)]
        numbers = [
            store.record(past_solve(9 - i, family, solutions), some_model(), sketch_of(i))
            for i, (family, solutions) in enumerate(kinds)
        ]
        assert [sketch.number for sketch in store.sketches(None)] == [numbers[0], numbers[1], numbers[3]]
        assert [sketch.number for sketch in store.sketches("jobs")] == [numbers[0], numbers[3]]
        assert [sketch.number for sketch in store.sketches("jobs", limit=1)] == [numbers[0]]
        assert store.sketches("loads") == []
        (last,) = store.sketches("rosters")
        assert last.sketch.tolist() == sketch_of(1).tolist()


def test_lists_say_what_there_is(store_location: str) -> None:
    with Store(store_location) as store:
        assert (store.families(), store.solves()) == ([], [])
        for number, family in enumerate(["jobs", "jobs", "rosters"]):
            store.record(past_solve(number, family, solutions=number), some_model(), sketch_of(0))
        assert [tuple(one) for one in store.families()] == [
            ("jobs", 2, 1, 1e9, 1e9 + 1),
            ("rosters", 1, 1, 1e9 + 2, 1e9 + 2),
        ]
        assert [one.family for one in store.solves()] == ["rosters", "jobs", "jobs"]
        (latest,) = store.solves("jobs", limit=1)
        assert (latest.variables, latest.solutions, latest.objective, latest.found_by) == (20, 1, 1.0, "core")


def test_a_number_that_is_none_is_refused(store_location: str) -> None:
    with Store(store_location) as store:
        for number in (0, 1, -1, 2**31, 10**30):
            for call in (store.load, store.model):
                with pytest.raises(HistoryError, match=f"expected the number of a solve, got {number}, which is none"):
                    call(number)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_is_no_number_is_refused_or_nothing(store_location: str, number: float) -> None:
    solve = past_solve(3)
    with Store(store_location) as store:
        for wrong in (replace(solve, created=number), replace(solve, seconds=number)):
            with pytest.raises(HistoryError, match="expected a time and a duration"):
                store.record(wrong, b"", sketch_of(0))
        kept = store.load(store.record(replace(solve, bound=number), b"", sketch_of(0)))
        assert same(kept, solve)


@pytest.mark.parametrize("family", ["rosters", "day {}"])
def test_models_that_resemble_each_other_take_little_room(family: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(100_000)
    with Store(tmp_path / "plans.db") as store:
        for i in range(10):
            store.record(past_solve(i, family.format(i)), noise + bytes([i]), sketch_of(i))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 3 * len(noise)


def test_a_model_whose_number_comes_again_is_no_base(store_location: str) -> None:
    noise = np.random.default_rng(0).bytes(20_000)
    with Store(store_location) as store, Store(store_location) as other:
        store.record(past_solve(0), noise[:10_000], sketch_of(0))
        store.record(past_solve(1), noise[:10_000] + b"1", sketch_of(1))  # it knows its base by now
        other.prune(keep=0, days=None)
        other.record(past_solve(2), noise[10_000:], sketch_of(2))
        model = noise[:10_000] + b"3"
        number = store.record(past_solve(3), model, sketch_of(3))
        assert store.model(number) == model
        assert other.model(number) == model


def test_pruning_leaves_the_latest_of_each_family_and_what_they_need(store_location: str) -> None:
    with Store(store_location) as store:
        numbers = [
            store.record(past_solve(i, "jobs" if i % 2 else "rosters"), some_model(i), sketch_of(i)) for i in range(10)
        ]
        assert store.prune(keep=None, days=None) == 0
        assert store.prune(keep=3, days=None, family="jobs") == 2
        assert store.prune(keep=2, days=None) == 4
        assert [one.number for one in store.solves()] == numbers[:5:-1]
        for i in range(6, 10):
            assert store.model(numbers[i]) == some_model(i)
            assert same(store.load(numbers[i]), past_solve(i, "jobs" if i % 2 else "rosters"))
        assert store.prune(keep=0, days=None) == 4
        assert store.record(past_solve(), some_model(), sketch_of(0)) > numbers[-1]


def test_pruning_by_age(store_location: str) -> None:
    with Store(store_location) as store:
        for days in (1, 3, 5):
            store.record(past_solve(days, created=time.time() - 86400 * days), some_model(), sketch_of(0))
        assert store.prune(keep=None, days=4) == 1
        assert store.prune(keep=2, days=2) == 1
        assert len(store.solves()) == 1


FORK = multiprocessing.get_context("fork")


def recorder(location: str, numbers: Iterable[int]) -> tuple[Process, Connection]:
    """Start a process that records, and sends the number in the store and that of the solve once it is done."""

    def record() -> None:
        with Store(location) as store:
            for i in numbers:
                sender.send((store.record(past_solve(i), some_model(i), sketch_of(i)), i))
        sender.close()

    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=record)
    process.start()
    sender.close()
    return process, receiver


def received(receiver: Connection) -> Iterator[tuple[int, int]]:
    with suppress(EOFError):
        while True:
            yield receiver.recv()


def assert_recorded(store: Store, number: int, i: int) -> None:
    assert same(store.load(number), past_solve(i))
    assert store.model(number) == some_model(i)


@pytest.mark.slow
def test_four_processes_record_at_once(store_location: str) -> None:
    recorders = [recorder(store_location, range(100 * i, 100 * i + 25)) for i in range(4)]
    pairs = [pair for _, receiver in recorders for pair in received(receiver)]
    for process, _ in recorders:
        process.join(PATIENCE)
        assert process.exitcode == 0
    assert len({number for number, _ in pairs}) == 100
    with Store(store_location) as store:
        for number, i in pairs:
            assert_recorded(store, number, i)


@pytest.mark.slow
def test_processes_make_a_store_at_once(tmp_path: Path) -> None:
    for attempt in range(10):
        path = str(tmp_path / f"{attempt}.db")
        recorders = [recorder(path, [i]) for i in range(4)]
        assert len([pair for _, receiver in recorders for pair in received(receiver)]) == 4
        for process, _ in recorders:
            process.join(PATIENCE)


def test_threads_share_a_store(store_location: str) -> None:
    with Store(store_location) as store, ThreadPoolExecutor(4) as threads:
        record = lambda i: store.record(past_solve(i), some_model(i), sketch_of(i))  # noqa: E731
        for i, number in enumerate(list(threads.map(record, range(20)))):
            assert_recorded(store, number, i)


def test_a_killed_process_loses_nothing_that_it_has_recorded(store_location: str) -> None:
    process, receiver = recorder(store_location, itertools.count())
    pairs = [receiver.recv() for _ in range(20)]
    process.kill()
    pairs += received(receiver)
    process.join(PATIENCE)
    with Store(store_location) as store:
        for number, i in pairs:
            assert_recorded(store, number, i)
        assert_recorded(store, store.record(past_solve(), some_model(), sketch_of(0)), 0)
