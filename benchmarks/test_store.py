"""What a store of 10,000 past solves costs, in time and room: ``pytest benchmarks/test_store.py``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

import numpy as np
import pytest
from ortools.sat.python import cp_model
from pytest_benchmark.fixture import BenchmarkFixture

from nnsearch.history.near_plan import NearPlan, near_plan
from nnsearch.history.nearness import sketch
from nnsearch.history.past_solve import PastSolution, PastSolve
from nnsearch.history.recording import bytes_of, names_of
from nnsearch.history.store import Store
from nnsearch.model.prepared import PreparedModel
from nnsearch.result import Status

SOLVES, FEW = 10_000, 100  # where nothing is timed, few do
SETS, THINGS, HOLDERS, CHANGED = 500, 200, 10, 25


class Filled(NamedTuple):
    """A store of so many covers, each of which has other costs than the one before, and what it took to fill it."""

    store: Store
    path: Path
    last: PreparedModel
    record_ms: list[float]


@pytest.fixture(scope="module")
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    solves = FEW if request.config.getoption("benchmark_disable") else SOLVES
    rng, model = Random(0), cp_model.CpModel()
    taken = [model.new_bool_var(f"set {number}") for number in range(SETS)]
    for _ in range(THINGS):
        model.add_bool_or(rng.sample(taken, HOLDERS))
    costs, record_ms = [rng.randint(1, 100) for _ in taken], []
    path = tmp_path_factory.mktemp("history") / "plans.db"
    with Store(path) as store:
        for _ in range(solves):
            for number in rng.sample(range(SETS), CHANGED):
                costs[number] = rng.randint(1, 100)
            model.minimize(cp_model.LinearExpr.weighted_sum(taken, costs))
            prepared = PreparedModel(model)
            values = np.array([rng.randrange(2) for _ in taken], dtype=np.int64)
            cost = float(np.dot(values, costs))
            solve = PastSolve(
                family="covers",
                created=time.time(),
                status=Status.FEASIBLE,
                objective=cost,
                bound=0.0,
                seconds=1.0,
                found_by="cp-sat",
                parameters="",
                names=names_of(prepared),
                solutions=(PastSolution(values, cost),),
            )
            what = solve, bytes_of(prepared), sketch(prepared)
            begun = time.perf_counter()
            store.record(*what)
            record_ms.append(1000 * (time.perf_counter() - begun))
        yield Filled(store, path, prepared, record_ms)


def test_a_lookup(benchmark: BenchmarkFixture, filled: Filled) -> None:
    names, asked = names_of(filled.last), sketch(filled.last)

    def look() -> NearPlan | None:
        return near_plan(filled.store, "covers", names, asked)

    near = benchmark.pedantic(look, rounds=50, warmup_rounds=1)  # type: ignore[no-untyped-call]

    solves = len(filled.record_ms)
    late = sorted(filled.record_ms)[int(0.99 * solves)]
    benchmark.extra_info.update(
        kilobytes_per_solve=filled.path.stat().st_size / solves / 1000,
        record_ms=median(filled.record_ms),
        record_ms_99_percent=late,
    )
    assert near is not None
    assert near.number == solves
