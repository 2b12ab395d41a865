from __future__ import annotations

from functools import cache
from itertools import permutations, product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnsearch.problems.latin_square.problem import LatinSquare
from training.losses.propagation import ForwardChecking, SinglesPropagation

BoolArray = npt.NDArray[np.bool_]

no_deadline = settings(deadline=None)  # a busy machine is not a failure

ORDER = 4
NUM_CANDIDATES = ORDER**3
GROUPS = LatinSquare(ORDER).groups()
FORWARD_CHECKING = ForwardChecking(GROUPS, NUM_CANDIDATES)
SINGLES = SinglesPropagation(GROUPS, NUM_CANDIDATES)


def slow_forward_checking(groups: list[set[int]], assigned: set[int], num_candidates: int) -> set[int]:
    satisfied = [group for group in groups if group & assigned]
    return set(range(num_candidates)) - set().union(*satisfied)


def slow_singles(groups: list[set[int]], assigned: set[int], num_candidates: int) -> tuple[set[int], set[int]]:
    while True:
        possible = slow_forward_checking(groups, assigned, num_candidates)
        forced = set().union(*(group & possible for group in groups if len(group & possible) == 1))
        if not forced:
            return assigned, possible
        assigned = assigned | forced


@cache
def latin_squares() -> BoolArray:
    """bool[576, N]: every Latin square of order 4, one-hot."""
    rows = list(permutations(range(ORDER)))
    squares = [s for s in product(rows, repeat=2) if all(a != b for a, b in zip(*s, strict=True))]
    squares = [
        (*upper, *lower)
        for upper, lower in product(squares, repeat=2)
        if all(len({row[c] for row in (*upper, *lower)}) == ORDER for c in range(ORDER))
    ]
    states: BoolArray = np.array(squares)[..., None] == np.arange(ORDER)
    return states.reshape(-1, NUM_CANDIDATES)


@st.composite
def group_families(draw: st.DrawFn) -> tuple[int, list[list[int]], list[list[int]]]:
    """N, groups of one size that cover 0..N-1 unevenly, and a batch of states as lists of assigned candidates."""
    n = draw(st.integers(1, 12))
    size = draw(st.integers(1, n))
    order = draw(st.permutations(range(n)))
    cover = [[order[(i + k) % n] for k in range(size)] for i in range(0, n, size)]
    group = st.lists(st.integers(0, n - 1), min_size=size, max_size=size, unique=True)
    state = st.lists(st.integers(0, n - 1), unique=True)
    return n, cover + draw(st.lists(group, max_size=6)), draw(st.lists(state, min_size=1, max_size=4))


@st.composite
def any_states(draw: st.DrawFn) -> BoolArray:
    """bool[B, N]: mostly states that break constraints."""
    states = draw(st.lists(st.sets(st.integers(0, NUM_CANDIDATES - 1), max_size=8), min_size=1, max_size=4))
    return one_hot([sorted(state) for state in states], NUM_CANDIDATES)


@st.composite
def extendable_states(draw: st.DrawFn) -> BoolArray:
    """bool[B, N]: Latin squares with holes."""
    chosen = draw(st.lists(st.integers(0, 575), min_size=1, max_size=4))
    kept = [draw(st.integers(0, 2 ** (ORDER**2) - 1)) for _ in chosen]
    mask = np.array([[bits >> cell & 1 for cell in range(ORDER**2)] for bits in kept], dtype=np.bool_)
    states: BoolArray = latin_squares()[chosen] & mask.repeat(ORDER, axis=1)
    return states


def one_hot(states: list[list[int]], n: int) -> BoolArray:
    assignment = np.zeros((len(states), n), dtype=np.bool_)
    for b, state in enumerate(states):
        assignment[b, state] = True
    return assignment


def indices(row: BoolArray) -> set[int]:
    return set(np.flatnonzero(row).tolist())


@no_deadline
@given(group_families())
def test_both_equal_brute_force_on_any_groups(family: tuple[int, list[list[int]], list[list[int]]]) -> None:
    n, groups, states = family
    slow_groups = [set(group) for group in groups]
    assignment = one_hot(states, n)
    possible = ForwardChecking(np.array(groups), n)(assignment)
    assigned_after, possible_after = SinglesPropagation(np.array(groups), n)(assignment)
    assert possible.shape == assigned_after.shape == possible_after.shape == (len(states), n)
    for b, state in enumerate(states):
        assert indices(possible[b]) == slow_forward_checking(slow_groups, set(state), n)
        expected = slow_singles(slow_groups, set(state), n)
        assert (indices(assigned_after[b]), indices(possible_after[b])) == expected


@pytest.mark.parametrize("kinds", [("cell",), ("cell", "row"), ("cell", "row", "column")])
@no_deadline
@given(assignment=extendable_states())
def test_forward_checking_reads_the_square(kinds: tuple[Any, ...], assignment: BoolArray) -> None:
    possible = ForwardChecking(LatinSquare(ORDER).groups(*kinds), NUM_CANDIDATES)(assignment)
    for square, allowed in zip(assignment.reshape(-1, 4, 4, 4), possible.reshape(-1, 4, 4, 4), strict=True):
        for r, c, v in product(range(4), repeat=3):
            in_row = "row" in kinds and square[r, :, v].any()
            in_column = "column" in kinds and square[:, c, v].any()
            assert allowed[r, c, v] == (not square[r, c].any() and not in_row and not in_column)


@no_deadline
@given(assignment=extendable_states())
def test_sound(assignment: BoolArray) -> None:
    possible = FORWARD_CHECKING(assignment)
    assigned_after, possible_after = SINGLES(assignment)
    for b, state in enumerate(assignment):
        completions = latin_squares()[(latin_squares() >= state).all(axis=1)]
        used = completions.any(axis=0)
        assert (state | possible[b])[used].all()
        assert (assigned_after[b] | possible_after[b])[used].all()
        assert completions[:, assigned_after[b]].all()


def test_naked_and_hidden_singles() -> None:
    cells = np.arange(NUM_CANDIDATES).reshape(ORDER, ORDER, ORDER)
    naked = one_hot([[cells[0, 0, 0], cells[0, 1, 1], cells[1, 3, 2]]], NUM_CANDIDATES)  # row 0 has 1 2, column 3 has 3
    hidden = one_hot([[cells[1, 0, 0], cells[2, 1, 0], cells[0, 3, 1]]], NUM_CANDIDATES)  # row 0: 1 fits in column 2
    assert SINGLES(naked)[0][0, cells[0, 3, 3]]
    assert SINGLES(hidden)[0][0, cells[0, 2, 0]]


@no_deadline
@given(assignment=any_states(), more=any_states())
def test_forward_checking_is_monotone(assignment: BoolArray, more: BoolArray) -> None:
    larger = assignment[:1] | more
    assert not (FORWARD_CHECKING(larger) & ~FORWARD_CHECKING(assignment[:1])).any()


@no_deadline
@given(assignment=extendable_states(), data=st.data())
def test_singles_are_monotone(assignment: BoolArray, data: st.DataObject) -> None:
    dropped = data.draw(st.lists(st.integers(0, ORDER**2 - 1)))
    smaller = assignment.copy().reshape(-1, ORDER**2, ORDER)
    smaller[:, dropped] = False
    assigned, possible = SINGLES(assignment)
    assigned_smaller, possible_smaller = SINGLES(smaller.reshape(assignment.shape))
    assert not (assigned_smaller & ~assigned).any()
    assert not (possible & ~possible_smaller).any()


@no_deadline
@given(assignment=any_states() | extendable_states())
def test_singles_are_idempotent_and_agree_with_forward_checking(assignment: BoolArray) -> None:
    assigned, possible = SINGLES(assignment)
    again_assigned, again_possible = SINGLES(assigned)
    np.testing.assert_array_equal(again_assigned, assigned)
    np.testing.assert_array_equal(again_possible, possible)
    np.testing.assert_array_equal(possible, FORWARD_CHECKING(assigned))
    assert not (assignment & ~assigned).any()
    assert not (possible & ~FORWARD_CHECKING(assignment)).any()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32"])
@no_deadline
@given(assignment=any_states() | extendable_states())
def test_numpy_equals_torch(dtype: str, assignment: BoolArray) -> None:
    torch = pytest.importorskip("torch")
    array = assignment.astype(dtype)
    tensor = torch.from_numpy(array.copy())
    for numpy_result, torch_result in zip(
        (FORWARD_CHECKING(array), *SINGLES(array)), (FORWARD_CHECKING(tensor), *SINGLES(tensor)), strict=True
    ):
        assert numpy_result.dtype == np.bool_
        assert torch_result.dtype == torch.bool
        np.testing.assert_array_equal(torch_result.numpy(), numpy_result)
    np.testing.assert_array_equal(array, assignment.astype(dtype))  # the caller's state is left alone
    np.testing.assert_array_equal(tensor.numpy(), array)


@no_deadline
@given(assignment=any_states() | extendable_states())
def test_a_batch_equals_its_states_one_by_one(assignment: BoolArray) -> None:
    singles = [SINGLES(state[None]) for state in assignment]
    assigned, possible = SINGLES(assignment)
    np.testing.assert_array_equal(assigned, np.concatenate([a for a, _ in singles]))
    np.testing.assert_array_equal(possible, np.concatenate([p for _, p in singles]))
    one_by_one = np.concatenate([FORWARD_CHECKING(state[None]) for state in assignment])
    np.testing.assert_array_equal(FORWARD_CHECKING(assignment), one_by_one)


def test_an_empty_batch() -> None:
    empty = np.zeros((0, NUM_CANDIDATES), dtype=np.bool_)
    assert FORWARD_CHECKING(empty).shape == empty.shape
    assert [result.shape for result in SINGLES(empty)] == [empty.shape] * 2


@pytest.mark.parametrize("num_candidates", [3, 5])
@pytest.mark.parametrize("propagator", [ForwardChecking, SinglesPropagation])
def test_groups_must_cover_exactly_the_candidates(propagator: type, num_candidates: int) -> None:
    groups = np.array([[0, 1], [2, 3]])
    with pytest.raises(ValueError, match=f"every one of the {num_candidates} candidates must be in a group"):
        propagator(groups, num_candidates)
