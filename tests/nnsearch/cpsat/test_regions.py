from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model

from benchmarks.instances.families import FAMILIES, Part, Scale
from nnsearch.cpsat.regions import Regions
from nnsearch.model.prepared import PreparedModel


def islands(count: int, size: int) -> cp_model.CpModel:
    """Return a model of ``count`` parts with ``size`` Boolean variables each, which only one long row ties together."""
    model = cp_model.CpModel()
    parts = [[model.new_bool_var(f"{part}.{place}") for place in range(size)] for part in range(count)]
    for part in parts:
        for one, other in itertools.pairwise(part):
            model.add_implication(one, other)
    everything = [variable for part in parts for variable in part]
    model.add(sum(everything) >= 1)
    model.minimize(sum(everything))
    return model


def region(model: cp_model.CpModel, solution: list[int], size: int, seed: int = 0) -> list[int]:
    regions = Regions(PreparedModel(model), np.arange(len(solution)), seed)
    return np.flatnonzero(regions.grow(np.array(solution), size, lambda: False)).tolist()


@pytest.mark.parametrize("maximise", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_region_begins_where_something_is_to_be_gained(maximise: bool, seed: int) -> None:
    model = islands(4, 5)
    variables = [model.get_bool_var_from_proto_index(index) for index in range(20)]
    if maximise:
        model.maximize(sum(variables))
    solution = [int(maximise)] * 20
    solution[12] = 1 - solution[12]
    assert region(model, solution, 1, seed) == [12]
    assert region(model, solution, 5, seed) == [10, 11, 12, 13, 14], "the long row says nothing"
    assert set(region(model, solution, 6, seed)) > {10, 11, 12, 13, 14}, "it has no more to grow along"


@given(st.sampled_from(["rosters", "set-cover", "automaton-rosters", "knapsack"]), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_a_region_has_as_many_variables_that_count_as_were_asked_for(family: str, seed: int) -> None:
    chance = random.Random(seed)
    model = PreparedModel(FAMILIES[family].build(Scale.TINY, Part.TEST, 0, 0).model)
    counted = np.array([chance.random() < 0.7 for _ in model.names])
    regions = Regions(model, np.flatnonzero(counted), seed)
    solution = np.array([chance.choice([low, high]) for low, *_, high in model.domains])
    size = chance.randint(0, int(counted.sum()))
    assert (regions.grow(solution, size, lambda: False) & counted).sum() == size


def test_without_costs_a_region_is_anywhere() -> None:
    model = islands(6, 3)
    found = {tuple(region(model, [0] * 18, 3, seed)) for seed in range(99)}
    assert found == {tuple(range(first, first + 3)) for first in range(0, 18, 3)}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("most", [40, 10**6])
def test_where_the_objective_is_a_variable_what_it_is_made_of_costs(sign: int, most: int) -> None:
    """The value of a variable with many values is no candidate, and a row that has all variables ties none together."""
    model = islands(4, 5)
    cost = model.new_int_var(-most, most, "cost")
    model.add(cost == sign * sum(model.get_bool_var_from_proto_index(index) for index in range(20)))
    model.clear_objective()
    (model.minimize if sign == 1 else model.maximize)(cost)
    solution = [0] * 20 + [sign]
    solution[7] = 1
    assert all(region(model, solution, 5, seed) == [5, 6, 7, 8, 9] for seed in range(5))


def test_a_region_without_constraints_has_those_that_cost() -> None:
    model = islands(20, 1)
    solution = [0] * 20
    for variable in (3, 8, 11):
        solution[variable] = 1
    assert region(model, solution, 3) == [3, 8, 11]


def test_it_ends_when_told() -> None:
    regions = Regions(PreparedModel(islands(4, 5)), np.arange(20), 0)
    assert not regions.grow(np.zeros(20, dtype=np.int64), 9, lambda: True).any()
