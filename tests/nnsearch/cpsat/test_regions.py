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
    regions = Regions(PreparedModel(model), np.random.default_rng(seed))
    counted = np.ones(len(solution), dtype=np.bool_)
    return np.flatnonzero(regions.grow(np.array(solution), counted, size)).tolist()


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
    regions = Regions(model, np.random.default_rng(seed))
    counted = np.array([chance.random() < 0.7 for _ in model.names])
    solution = np.array([chance.choice([low, high]) for low, *_, high in model.domains])
    size = chance.randint(0, int(counted.sum()))
    assert (regions.grow(solution, counted, size) & counted).sum() == size


def test_without_costs_a_region_is_anywhere() -> None:
    model = islands(6, 3)
    found = {tuple(region(model, [0] * 18, 3, seed)) for seed in range(20)}
    assert found == {tuple(range(first, first + 3)) for first in range(0, 18, 3)}
