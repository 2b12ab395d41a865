from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
from ortools.sat.python import cp_model

from nnsearch.history.near_plan import near_plan
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


def test_models_that_share_names_and_little_else_are_not_alike(tmp_path: Path) -> None:
    present = model_of([7] * 20)
    with Store(tmp_path / "plans.db") as store:
        keep(store, model_of([7] * 5 + [9] * 15), [5] * 20)
        near = near_plan(store, None, names_of(present), sketch(present), alike=True)
        assert near is not None
        assert near.number == 1
        other = cp_model.CpModel()
        x = [other.new_bool_var(f"x{i}") for i in range(20)]
        for one, two in itertools.pairwise(x):
            other.add_implication(one, two)
        asked = PreparedModel(other)
        assert near_plan(store, None, names_of(asked), sketch(asked)) is not None
        assert near_plan(store, None, names_of(asked), sketch(asked), alike=True) is None


def test_the_nearest_of_equals_the_latest_and_none_that_shares_no_name(tmp_path: Path) -> None:
    present = model_of([7] * 20)

    def nearest() -> tuple[int, list[int]] | None:
        near = near_plan(store, None, names_of(present), sketch(present))
        return None if near is None else (near.number, near.plan.values.tolist())

    with Store(tmp_path / "plans.db") as store:
        keep(store, model_of([7] * 20, "y"), [6] * 20)  # 1: shares no name
        assert nearest() is None
        keep(store, model_of([8] * 20), [5] * 20)  # 2: other rows
        assert nearest() == (2, [5] * 20)
        keep(store, present, [3] * 20)
        keep(store, present, [4] * 20)
        keep(store, model_of([8] * 20), [5] * 20)
        assert nearest() == (4, [4] * 20)
