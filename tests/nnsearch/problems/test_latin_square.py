from __future__ import annotations

from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model

from nnsearch.errors import InstanceError
from nnsearch.problems.latin_square.generating import balanced_holes
from nnsearch.problems.latin_square.problem import LatinSquare, is_solution

Grid = npt.NDArray[np.int64]
Square = tuple[tuple[int, ...], ...]

no_deadline = settings(deadline=None)  # a busy machine is not a failure


def all_latin_squares(n: int) -> set[Square]:
    """Every Latin square of order n, by appending any row that clashes with no row above."""
    squares: set[Square] = {()}
    for _ in range(n):
        squares = {
            (*square, row)
            for square in squares
            for row in permutations(range(1, n + 1))
            if all(a != b for above in square for a, b in zip(above, row, strict=True))
        }
    return squares


def enumerated(n: int, grid: npt.ArrayLike | None = None) -> list[Square]:
    """Every solution of the model, by CP-SAT."""
    model, _ = LatinSquare(n).build(grid)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    # Together these two return every solution in the response, as long as the pool can hold them.
    solver.parameters.enumerate_all_solutions = True
    solver.parameters.fill_additional_solutions_in_response = True
    solver.parameters.solution_pool_size = 1000
    assert solver.solve(model) in (cp_model.OPTIMAL, cp_model.INFEASIBLE)
    solutions = [list(solution.values) for solution in solver.response_proto.additional_solutions]
    return [tuple(tuple(values[i * n : (i + 1) * n]) for i in range(n)) for values in solutions]


@pytest.mark.parametrize(("n", "count"), [(1, 1), (2, 2), (3, 12), (4, 576)])
def test_the_model_has_every_latin_square_once(n: int, count: int) -> None:
    squares = enumerated(n)
    assert len(squares) == count
    assert set(squares) == all_latin_squares(n)
    assert all(is_solution(square) for square in squares)


@pytest.mark.parametrize(
    "grid",
    [
        [[1, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[0, 0, 3], [0, 1, 0], [0, 0, 0]],
        [[1, 2, 0], [0, 0, 0], [0, 0, 2]],  # consistent, and no value is left for the cell of row 1, column 3
        [[1, 1, 0], [0, 0, 0], [0, 0, 0]],
        [[1, 2, 3], [2, 3, 1], [3, 1, 2]],
    ],
)
def test_the_model_of_a_grid_has_its_completions(grid: list[list[int]]) -> None:
    given_cells = [(r, c, v) for r, row in enumerate(grid) for c, v in enumerate(row) if v]
    kept = {square for square in all_latin_squares(3) if all(square[r][c] == v for r, c, v in given_cells)}
    squares = enumerated(3, grid)
    assert len(squares) == len(kept)
    assert set(squares) == kept
    assert kept == {s for s in all_latin_squares(3) if is_solution(s, grid)}


def test_the_variables_are_the_first_of_the_model_row_by_row() -> None:
    model, variables = LatinSquare(3).build([[0, 2, 0], [0, 0, 0], [3, 0, 0]])
    assert [x.index for x in variables] == list(range(9))
    assert [x.name for x in variables[:4]] == ["x[0,0]", "x[0,1]", "x[0,2]", "x[1,0]"]
    domains = [list(x.domain) for x in model.proto.variables]
    assert domains == [[2, 2] if i == 1 else [3, 3] if i == 6 else [1, 3] for i in range(9)]


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_sizes_and_groups(n: int) -> None:
    problem = LatinSquare(n)
    assert (problem.num_variables, problem.num_values, problem.num_candidates) == (n**2, n, n**3)
    groups = problem.groups()
    assert groups.dtype == np.int64
    assert groups.shape == (3 * n**2, n)
    assert (np.bincount(groups.ravel(), minlength=n**3) == 3).all()
    np.testing.assert_array_equal(groups, np.concatenate([problem.groups(k) for k in ("cell", "row", "column")]))
    np.testing.assert_array_equal(
        problem.groups("row", "cell"), np.concatenate([groups[n**2 : -(n**2)], groups[: n**2]])
    )


@pytest.mark.parametrize(
    ("kind", "fixed"), [("cell", ("row", "column")), ("row", ("row", "value")), ("column", ("column", "value"))]
)
def test_a_group_fixes_two_coordinates(kind: str, fixed: tuple[str, str]) -> None:
    n = 4
    groups = LatinSquare(n).groups(kind)  # type: ignore[arg-type]
    coordinates = {"row": groups // n**2, "column": groups // n % n, "value": groups % n}
    for name, values in coordinates.items():
        expected = np.broadcast_to(values[:, :1] if name in fixed else np.arange(n), values.shape)
        np.testing.assert_array_equal(np.sort(values, axis=1), expected)
    assert len({tuple(coordinates[name][g, 0] for name in fixed) for g in range(n**2)}) == n**2


LATIN_3 = sorted(all_latin_squares(3))


@no_deadline
@given(square=st.sampled_from(LATIN_3), changes=st.dictionaries(st.integers(0, 8), st.integers(-1, 4), max_size=3))
def test_a_square_is_latin_iff_every_group_has_exactly_one(square: Square, changes: dict[int, int]) -> None:
    cells = np.array(square).ravel()
    for cell, value in changes.items():
        cells[cell] = value
    one_hot = cells[:, None] == np.arange(1, 4)
    exactly_one = bool((one_hot.ravel()[LatinSquare(3).groups()].sum(axis=1) == 1).all())
    assert is_solution(cells.reshape(3, 3)) == exactly_one == (tuple(map(tuple, cells.reshape(3, 3))) in LATIN_3)


@pytest.mark.parametrize(
    ("square", "grid"),
    [
        ([1, 2], None),
        ([[1, 2]], None),
        ([[[1]]], None),
        (1, None),
        ([[0]], None),
        ([[1, 2], [1, 2]], None),
        ([[1, 1], [2, 2]], None),
        ([[0, 1], [1, 0]], None),
        ([[1, 2], [2, 1]], [[2, 0], [0, 0]]),
        ([[1, 2], [2, 1]], [[0, 0]]),
        ([[1, 2], [2, 1]], [[1]]),
        ([[1, 2], [2, 1]], np.zeros((3, 3))),
    ],
)
def test_is_solution_rejects(square: npt.ArrayLike, grid: npt.ArrayLike | None) -> None:
    assert is_solution(square, grid) is False


@pytest.mark.parametrize("grid", [None, [[0, 0], [0, 0]], [[0, 2], [0, 0]], [[1, 2], [2, 1]]])
def test_is_solution_accepts(grid: npt.ArrayLike | None) -> None:
    assert is_solution([[1, 2], [2, 1]], grid) is True


@pytest.mark.parametrize("order", [0, -2])
def test_order_must_be_positive(order: int) -> None:
    with pytest.raises(InstanceError, match=f"order of 1 or more, not {order}"):
        LatinSquare(order)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (np.zeros((2, 3), np.int64), r"expected a grid of 3 x 3 cells, got shape \(2, 3\)"),
        (np.zeros(9, np.int64), r"got shape \(9,\)"),
        ([[0, 0, 0], [0, 4, 0], [0, 0, 0]], r"expected values 1\.\.3, or 0 for a hole; got 0\.\.4"),
        ([[0, 0, 0], [0, -1, 0], [0, 0, 0]], r"got -1\.\.0"),
    ],
)
def test_build_refuses_a_malformed_grid(grid: npt.ArrayLike, message: str) -> None:
    with pytest.raises(InstanceError, match=message):
        LatinSquare(3).build(grid)


@no_deadline
@given(order=st.integers(1, 9), share=st.floats(0, 1), data=st.data())
def test_balanced_holes(order: int, share: float, data: st.DataObject) -> None:
    square = (np.arange(order)[:, None] + np.array(data.draw(st.permutations(range(order))))) % order + 1
    keys = data.draw(st.permutations(range(order)))
    number = round(share * order**2)
    holes = balanced_holes(square, number, keys)
    assert holes.dtype == np.bool_
    assert holes.shape == (order, order)
    assert holes.sum() == number
    for lines in (holes.sum(0), holes.sum(1)):
        assert lines.max() - lines.min() <= 1
    fuller = holes.sum(1) > number // order  # the rows with the smallest keys
    assert sorted(np.array(keys)[fuller].tolist()) == list(range(number % order))
