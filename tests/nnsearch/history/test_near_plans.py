from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from ortools.sat.python import cp_model

from nnsearch.history.near_plans import near_plans
from nnsearch.history.nearness import sketch
from nnsearch.history.past_solve import PastSolution, PastSolve
from nnsearch.history.recording import bytes_of, names_of
from nnsearch.history.store import Store
from nnsearch.model.prepared import PreparedModel
from nnsearch.result import Status


def model_of(weights: list[int], name: str = "x") -> PreparedModel:
    model = cp_model.CpModel()
    x = [model.new_int_var(0, 9, f"{name}{i}") for i in range(len(weights))]
    for variable, weight in zip(x, weights, strict=True):
        model.add(variable <= weight)
    return PreparedModel(model)


def keep(store: Store, model: PreparedModel, values: list[int]) -> None:
    solution = PastSolution(np.array(values, dtype=np.int64), None)
    solve = PastSolve(
        family="",
        created=time.time(),
        status=Status.OPTIMAL,
        objective=None,
        bound=None,
        seconds=1.0,
        found_by="cp-sat",
        parameters="",
        names=names_of(model),
        solutions=(solution,),
    )
    store.record(solve, bytes_of(model), sketch(model))


def test_nearest_first_each_once_and_only_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    present = model_of([7] * 20)
    with Store(tmp_path / "plans.db") as store:
        keep(store, model_of([8] * 20), [5] * 20)  # 1: other rows
        keep(store, present, [3] * 20)  # 2
        keep(store, present, [4] * 20)  # 3
        keep(store, present, [3] * 20)  # 4: the solution of 2 once more
        keep(store, model_of([7] * 20, "y"), [6] * 20)  # 5: shares no name
        load, loaded = store.load, []

        def noted(number: int) -> PastSolve:
            loaded.append(number)
            return load(number)

        monkeypatch.setattr(store, "load", noted)
        plans = near_plans(store, None, names_of(present), sketch(present), 3)
        assert loaded == []
        first = next(plans)
        assert (first.number, first.plan.values.tolist(), loaded) == (4, [3] * 20, [4])
        assert [near.number for near in plans] == [3, 1]
        assert len(list(near_plans(store, None, names_of(present), sketch(present), 2))) == 2
