from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from latin_squares import solutions

from training.data.deconstruction import Examples, deconstruct
from training.data.pools.jacobson_matthews import JacobsonMatthews

Pair = tuple[int, int]
Identity = tuple[frozenset[Pair], Pair]


def identities(examples: Examples) -> list[Identity]:
    """Each example as (the assigned pairs, the pair that was removed)."""
    rows = zip(examples.solution, examples.assigned, examples.target, strict=True)
    result = []
    for solution, packed, target in rows:
        values = examples.solutions[solution].tolist()
        assigned = [v for v in range(len(values)) if packed[v // 8] >> (v % 8) & 1]
        result.append((frozenset((v, values[v]) for v in assigned), (int(target), values[int(target)])))
    return result


def random_solutions(order: int, count: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return JacobsonMatthews(order, seed).sample(count).reshape(count, -1) - np.uint8(1)


@given(order=st.integers(2, 6), seed=st.integers(0, 10**6))
def test_one_pass_unsets_every_variable_of_a_solution_once(order: int, seed: int) -> None:
    solution = random_solutions(order, 1, seed)
    examples = deconstruct(solution, 1, np.random.default_rng(seed))
    num_variables = order**2
    assert examples.num_variables == len(examples) == num_variables
    full = frozenset(enumerate(solution[0].tolist()))
    before = full
    for level, (partial, target) in zip(reversed(range(num_variables)), identities(examples), strict=True):
        assert len(partial) == level
        assert target not in partial
        assert partial | {target} == before  # the pair was the next to go
        before = partial
    assert before == frozenset()


@given(count=st.integers(1, 40), passes=st.integers(1, 3), seed=st.integers(0, 10**6))
def test_exactly_the_duplicates_are_removed(count: int, passes: int, seed: int) -> None:
    pool = np.tile(solutions(3), (4, 1))[:count]
    examples = deconstruct(pool, passes, np.random.default_rng(seed))
    # A single pass over a single solution has no duplicates, so this is every example in order of pass and solution.
    rng = np.random.default_rng(seed)
    every = [i for _ in range(passes) for s in range(count) for i in identities(deconstruct(pool[s : s + 1], 1, rng))]
    assert len(every) == passes * count * 9
    assert identities(examples) == list(dict.fromkeys(every))


def test_many_passes_find_every_example() -> None:
    pool = solutions(2)
    expected = set()
    for square in pool.tolist():
        for subset in range(2**4 - 1):
            partial = frozenset((v, square[v]) for v in range(4) if subset >> v & 1)
            expected |= {(partial, (v, square[v])) for v in range(4) if not subset >> v & 1}
    found = identities(deconstruct(pool, 200, np.random.default_rng(0)))
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_the_chunk_bounds_the_memory_and_nothing_else() -> None:
    pool = random_solutions(4, 50)
    whole = deconstruct(pool, 2, np.random.default_rng(3))
    for chunk in (1, 7, 50):
        parts = deconstruct(pool, 2, np.random.default_rng(3), chunk=chunk)
        for name in ("solutions", "solution", "assigned", "target"):
            np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_the_order_of_removal_is_uniform() -> None:
    examples = deconstruct(random_solutions(6, 3600), 1, np.random.default_rng(1))
    level = examples.assigned_mask().sum(axis=1)
    for filled in (35, 18):
        counts = np.bincount(examples.target[level == filled], minlength=36)
        assert counts.sum() == 3600
        assert ((counts - 100) ** 2 / 100).sum() < 90  # the 1e-6 quantile of chi-square with 35 degrees of freedom


@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_packing(order: int) -> None:
    pool = random_solutions(order, 20)
    examples = deconstruct(pool, 2, np.random.default_rng(0))
    num_variables, size = order**2, len(examples)
    arrays = (examples.solution, examples.target, examples.assigned)
    assert [array.dtype.name for array in arrays] == ["int32", "int16", "uint8"]
    assert [array.shape for array in arrays] == [(size,), (size,), (size, -(-num_variables // 8))]
    np.testing.assert_array_equal(examples.solutions, pool)
    padding = np.unpackbits(examples.assigned, axis=1, bitorder="little")[:, num_variables:]
    assert not padding.any()
    mask = examples.assigned_mask()
    assert (mask.dtype.name, mask.shape) == ("bool", (size, num_variables))
    for row, (partial, _) in zip(mask, identities(examples), strict=True):
        assert set(np.flatnonzero(row).tolist()) == {variable for variable, _ in partial}


def test_a_million_examples_of_order_10_fit_in_20_bytes_each() -> None:
    examples = deconstruct(random_solutions(10, 200), 1, np.random.default_rng(0))
    assert len(examples) > 19_000
    per_example = sum(array.nbytes for array in (examples.solution, examples.assigned, examples.target))
    assert per_example <= 20 * len(examples)


def test_take() -> None:
    examples = deconstruct(solutions(3), 2, np.random.default_rng(0))
    index = np.array([5, 0, 5, len(examples) - 1])
    every = identities(examples)
    assert identities(examples.take(index)) == [every[i] for i in index]


def test_the_generator_decides() -> None:
    first, again, other = (deconstruct(solutions(3), 1, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert identities(first) == identities(again)
    assert identities(first) != identities(other)
