from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
from ortools.sat.python import cp_model

from nnsearch.history.nearness import SIZE, nearness, sketch
from nnsearch.model.prepared import PreparedModel


def knapsack(weights: list[int], *, names: bool = True, order: list[int] | None = None) -> PreparedModel:
    model = cp_model.CpModel()
    x = {i: model.new_bool_var(f"x{i}" if names else "") for i in order or range(len(weights))}
    model.add(sum(w * x[i] for i, w in enumerate(weights)) <= 100)
    for i in range(0, len(weights) - 1, 2):
        model.add_at_most_one(x[i], x[i + 1])
        model.add(x[i] + x[i + 1] >= 0).only_enforce_if(~x[0])
    model.maximize(sum(w * x[i] for i, w in enumerate(weights)))
    return PreparedModel(model)


WEIGHTS = random.Random(1).choices(range(1, 100), k=120)


def test_a_model_is_as_near_to_itself_as_can_be_whatever_the_order_of_its_variables() -> None:
    one = sketch(knapsack(WEIGHTS))
    assert len(one) == SIZE
    assert (np.diff(one.astype(object)) > 0).all()
    assert nearness(one, one) == 1
    assert nearness(one, sketch(knapsack(WEIGHTS, order=random.Random(2).sample(range(120), 120)))) == 1


@pytest.mark.parametrize("changed", [0, 12, 60, 120])
def test_nearness_falls_with_what_has_changed(changed: int) -> None:
    """An objective's term changes for each weight, and the one row that has them all."""
    new = [w + 1000 if i < changed else w for i, w in enumerate(WEIGHTS)]
    parts = 120 * 3 + 1 + 60 * 2
    same = parts - changed - (changed > 0)
    estimate = nearness(sketch(knapsack(WEIGHTS)), sketch(knapsack(new)))
    assert abs(estimate - same / (2 * parts - same)) < 3 / SIZE**0.5


def test_models_without_a_common_part() -> None:
    other = cp_model.CpModel()
    other.add_all_different(other.new_int_var(0, 9, f"y{i}") for i in range(9))
    assert nearness(sketch(knapsack(WEIGHTS)), sketch(PreparedModel(other))) == 0


def test_small_and_empty_models() -> None:
    empty = sketch(PreparedModel(cp_model.CpModel()))
    assert len(empty) == 0
    assert nearness(empty, empty) == 0
    one = cp_model.CpModel()
    one.new_bool_var("x")
    assert nearness(sketch(PreparedModel(one)), empty) == 0
    assert nearness(sketch(PreparedModel(one)), sketch(PreparedModel(one))) == 1


def test_a_sketch_is_the_same_in_every_process() -> None:
    code = (
        "from ortools.sat.python import cp_model\n"
        "from nnsearch.history.nearness import sketch\n"
        "from nnsearch.model.prepared import PreparedModel\n"
        "model = cp_model.CpModel()\n"
        "model.add_all_different(model.new_int_var(0, 9, f'y{i}') for i in range(3))\n"
        "print(sketch(PreparedModel(model)).tolist())\n"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, text=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
