"""What every problem family keeps to, and what is particular to one."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from stand_ins import ENVIRONMENT, latin_square, with_holes

from nnsearch.errors import ConfigError, InstanceError
from nnsearch.problems import PartialLatinSquare, Problem, graph_colouring, n_queens, sudoku
from nnsearch.problems.cp_model.problem import CpModelFile
from nnsearch.problems.graph_colouring.problem import GraphColouring
from nnsearch.problems.n_queens.problem import QueensCompletion
from nnsearch.problems.sudoku.problem import Sudoku

Planted = tuple[Problem, list[int]]
Generate = Callable[..., Sequence[Planted]]


def planted_latin_square(seed: int) -> Planted:
    square = latin_square(5, seed)
    return PartialLatinSquare("five", with_holes(square, 15, seed)), [int(value) for value in square.ravel()]


def planted_cp_model(seed: int) -> Planted:
    """A model with an objective, Booleans, a domain with a gap, and a constraint that no family has."""
    rng = np.random.default_rng(seed)
    x, y = (int(value) for value in rng.integers(1, 9, size=2))
    model = cp_model.CpModel()
    variables = [
        model.new_int_var_from_domain(cp_model.Domain.from_values([0, x, 20]), "x"),
        model.new_int_var(0, 9, ""),
    ]
    large = model.new_bool_var("large")
    model.add(variables[0] >= 2).only_enforce_if(large)
    model.add_multiplication_equality(model.new_constant(x * y), variables)
    model.maximize(large)
    return CpModelFile("product", model), [x, y, 0, x * y]


FAMILIES: dict[str, Callable[[int], Planted]] = {
    "latin-square": planted_latin_square,
    "sudoku": lambda seed: sudoku.generate(2, 0.7, 1, seed)[0],
    "sudoku-9": lambda seed: sudoku.generate(3, 0.5, 1, seed)[0],
    "n-queens": lambda seed: n_queens.generate(8, 2, 1, seed)[0],
    "n-queens-empty": lambda seed: n_queens.generate(6, 0, 1, seed)[0],
    "graph-colouring": lambda seed: graph_colouring.generate(12, 3, 4.0, 1, seed)[0],
    "graph-colouring-given": lambda seed: graph_colouring.generate(12, 4, 3.0, 1, seed, coloured=0.25)[0],
    "cp-model": planted_cp_model,
}

every_family = pytest.mark.parametrize("make", FAMILIES.values(), ids=FAMILIES)
seeds = st.integers(0, 2**32)


def solved(problem: Problem) -> list[int] | None:
    model, variables = problem.build()
    assert model.validate() == ""
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    if solver.solve(model) == cp_model.INFEASIBLE:
        return None
    return [solver.value(variable) for variable in variables]


@every_family
@settings(max_examples=10)
@given(seed=seeds)
def test_planted_and_found_solutions_are_solutions(make: Callable[[int], Planted], seed: int) -> None:
    problem, planted = make(seed)
    assert problem.is_solution(planted)
    found = solved(problem)
    assert found is not None
    assert problem.is_solution(found)
    assert all(type(value) is int for value in planted)


@every_family
@settings(max_examples=20)
@given(data=st.data(), seed=st.integers(0, 20))
def test_is_solution_is_the_model(make: Callable[[int], Planted], data: st.DataObject, seed: int) -> None:
    problem, planted = make(seed)
    values = list(planted)
    for index in data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=3)):
        other = data.draw(st.integers(0, len(values) - 1))
        if data.draw(st.booleans()):
            values[index], values[other] = values[other], values[index]
        else:
            values[index] = data.draw(st.integers(-1, max(planted) + 1))
    model, _ = problem.build()
    assert problem.is_solution(values) == CpModelFile("evaluated by CP-SAT", model).is_solution(values)


@every_family
def test_every_single_change_of_a_given_value_is_rejected(make: Callable[[int], Planted]) -> None:
    problem, planted = make(0)
    model, variables = problem.build()
    for variable in variables:
        domain = list(model.proto.variables[variable.index].domain)
        if domain[0] == domain[-1]:
            changed = list(planted)
            changed[variable.index] += 1
            assert not problem.is_solution(changed)


@every_family
def test_values_of_a_wrong_number_are_rejected(make: Callable[[int], Planted]) -> None:
    problem, planted = make(0)
    for values in ([], planted[:-1], [*planted, planted[-1]], planted * 2):
        assert problem.is_solution(values) is False


@every_family
def test_the_variables_are_those_of_the_model_in_its_order(make: Callable[[int], Planted]) -> None:
    problem, planted = make(0)
    model, variables = problem.build()
    assert [variable.index for variable in variables] == list(range(len(model.proto.variables)))
    assert len(variables) == len(planted)


@every_family
def test_colour_adds_only_colour(make: Callable[[int], Planted]) -> None:
    problem, planted = make(0)
    plain = problem.render(planted, colour=False)
    coloured = problem.render(planted, colour=True)
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain != coloured
    given = problem.render(None, colour=True)
    assert "\x1b" not in given
    assert given == problem.render(None, colour=False) != plain
    assert "\n" not in problem.describe()


SMALL = [
    Sudoku("four", np.array([[1, 2, 3, 4], [3, 4, 1, 2], [0, 0, 0, 0], [0, 0, 0, 0]])),
    Sudoku("none", np.array([[1, 2, 0, 0], [3, 4, 1, 2], [2, 0, 4, 0], [0, 0, 3, 0]])),
    QueensCompletion("five", 5),
    QueensCompletion("six", 6, ((1, 3),)),
    QueensCompletion("three", 3),
    QueensCompletion("one", 1),
    GraphColouring("triangle and a leaf", 4, ((0, 1), (2, 1), (0, 2), (2, 3), (3, 2)), 3, ((3, 1),)),
    GraphColouring("triangle", 3, ((0, 1), (1, 2), (0, 2)), 2),
    GraphColouring("no edges", 3, (), 2),
]


@pytest.mark.parametrize("problem", SMALL, ids=lambda problem: f"{problem.problem}-{problem.name}")
def test_the_model_has_every_solution_once(problem: Problem) -> None:
    class Collect(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.solutions: list[tuple[int, ...]] = []

        def on_solution_callback(self) -> None:
            self.solutions.append(tuple(self.value(variable) for variable in variables))

    model, variables = problem.build()
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.enumerate_all_solutions = True
    collect = Collect()
    assert solver.solve(model, collect) in (cp_model.OPTIMAL, cp_model.INFEASIBLE)
    bounds = [list(variable.domain) for variable in model.proto.variables]
    domains = [range(low, high + 1) for low, high in bounds]
    expected = [values for values in product(*domains) if problem.is_solution(values)]
    assert sorted(collect.solutions) == expected


@pytest.mark.parametrize(("size", "count"), [(1, 1), (2, 0), (3, 0), (4, 2), (5, 10), (6, 4)])
def test_the_number_of_ways_to_place_n_queens(size: int, count: int) -> None:
    problem = QueensCompletion("all", size)  # counts: The On-Line Encyclopedia of Integer Sequences, A000170
    assert sum(problem.is_solution(values) for values in product(range(size), repeat=size)) == count


GENERATORS: dict[str, tuple[Generate, tuple[Any, ...]]] = {
    "sudoku": (sudoku.generate, (2, 0.5)),
    "n-queens": (n_queens.generate, (10, 3)),
    "graph-colouring": (graph_colouring.generate, (10, 3, 3.0)),
}


@pytest.mark.parametrize(("generate", "size"), GENERATORS.values(), ids=GENERATORS)
def test_the_seed_decides_and_a_larger_count_begins_alike(generate: Generate, size: tuple[Any, ...]) -> None:
    first = generate(*size, 5, 1)
    again = generate(*size, 3, 1)
    other = generate(*size, 5, 2)
    assert [solution for _, solution in first[:3]] == [solution for _, solution in again]
    assert [problem.render(None, False) for problem, _ in first[:3]] == [p.render(None, False) for p, _ in again]
    assert [solution for _, solution in first] != [solution for _, solution in other]
    assert len({tuple(solution) for _, solution in first}) > 1
    assert len({problem.name for problem, _ in [*first, *other]}) == 10


BAD_ARGUMENTS: list[tuple[Generate, tuple[Any, ...], str]] = [
    *((generate, (*size, 0, 1), "count: expected 1 or more") for generate, size in GENERATORS.values()),
    *((generate, (*size, 1, -1), "seed: expected 0 or more") for generate, size in GENERATORS.values()),
    (sudoku.generate, (1, 0.5, 1, 0), "box: expected a box size of 2 or more, got 1"),
    (sudoku.generate, (2, 0.0, 1, 0), "holes: expected a share above 0 and at most 1"),
    (sudoku.generate, (2, 1.1, 1, 0), "got 1.1"),
    (n_queens.generate, (3, 0, 1, 0), "size: expected 1, or 4 or more"),
    (n_queens.generate, (0, 0, 1, 0), "got 0"),
    (n_queens.generate, (5, 6, 1, 0), r"placed: expected 0\.\.5"),
    (graph_colouring.generate, (5, 1, 0.0, 1, 0), "num_colours: expected 2 or more"),
    (graph_colouring.generate, (2, 3, 0.0, 1, 0), "num_vertices: expected one or more per colour, got 2 for 3"),
    (graph_colouring.generate, (4, 2, 2.1, 1, 0), r"mean_degree: expected 0\.\.2 for these numbers, got 2\.1"),
    (graph_colouring.generate, (4, 2, -1.0, 1, 0), "mean_degree"),
    (graph_colouring.generate, (4, 2, 1.0, 1, 0, 1.5), r"coloured: expected a share of 0\.\.1"),
]


def name(part: object) -> str:
    return part.__module__ if callable(part) else str(part)


@pytest.mark.parametrize(("generate", "arguments", "message"), BAD_ARGUMENTS, ids=name)
def test_generators_refuse(generate: Generate, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        generate(*arguments)


FOUR = np.array([[1, 2, 3, 4], [3, 4, 1, 2], [2, 1, 4, 3], [4, 3, 2, 1]])


def changed(*changes: tuple[int, int, int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    grid = np.zeros_like(FOUR)
    for row, column, value in changes:
        grid[row, column] = value
    return grid


BAD_INSTANCES: list[tuple[Callable[[], object], str]] = [
    (lambda: Sudoku("", np.zeros((0, 0), np.int64)), r"expected b\*b rows of b\*b cells for a box size b, got shape"),
    (lambda: Sudoku("", np.zeros((6, 6), np.int64)), r"got shape \(6, 6\)"),
    (lambda: Sudoku("", np.zeros(16, np.int64)), r"got shape \(16,\)"),
    (lambda: Sudoku("", FOUR[:3]), r"got shape \(3, 4\)"),
    (lambda: Sudoku("", FOUR * 1.0), "expected integer cells, got float64"),  # type: ignore[arg-type]
    (lambda: Sudoku("", FOUR + 1), r"expected values 1\.\.4, or 0 for a hole; got 2\.\.5"),
    (lambda: Sudoku("", FOUR - 2), r"got -1\.\.2"),
    (lambda: Sudoku("", changed((1, 0, 2), (1, 3, 2))), "expected distinct values in row 2, got the value 2 2 times"),
    (lambda: Sudoku("", changed((0, 2, 4), (3, 2, 4))), "expected distinct values in column 3"),
    (lambda: Sudoku("", changed((2, 0, 1), (3, 1, 1))), "expected distinct values in box 3, got the value 1"),
    (lambda: QueensCompletion("", 0), "expected a board of size 1 or more, got 0"),
    (lambda: QueensCompletion("", 4, ((0, 4),)), r"expected rows and columns 0\.\.3, got a queen in row 0, column 4"),
    (lambda: QueensCompletion("", 4, ((-1, 0),)), "row -1"),
    (lambda: QueensCompletion("", 4, ((0, 1), (0, 3))), "row 0, column 1 and row 0, column 3"),
    (lambda: QueensCompletion("", 4, ((0, 1), (3, 1))), "that do not attack each other"),
    (lambda: QueensCompletion("", 4, ((0, 1), (2, 3))), "that do not attack each other"),
    (lambda: QueensCompletion("", 4, ((3, 0), (0, 3))), "that do not attack each other"),
    (lambda: GraphColouring("", 0, (), 1), "expected 1 or more vertices, got 0"),
    (lambda: GraphColouring("", 1, (), 0), "expected 1 or more colours, got 0"),
    (lambda: GraphColouring("", 2, ((0, 2),), 2), r"expected edges of two vertices of 0\.\.1, got 0 and 2"),
    (lambda: GraphColouring("", 2, ((-1, 0),), 2), "got -1 and 0"),
    (lambda: GraphColouring("", 2, ((1, 1),), 2), "got 1 and 1"),
    (
        lambda: GraphColouring("", 2, (), 2, ((2, 1),)),
        r"a vertex 0\.\.1 and a colour 1\.\.2, got vertex 2 and colour 1",
    ),
    (lambda: GraphColouring("", 2, (), 2, ((0, 3),)), "got vertex 0 and colour 3"),
    (lambda: GraphColouring("", 2, (), 2, ((0, 1), (0, 2))), "expected one colour for vertex 0, got the colours 1 and"),
    (lambda: GraphColouring("", 2, ((1, 0),), 2, ((0, 2), (1, 2))), "got colour 2 for both 1 and 0"),
]


@pytest.mark.parametrize(("make", "message"), BAD_INSTANCES, ids=lambda value: value if isinstance(value, str) else "")
def test_instances_refuse(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InstanceError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_sudoku_keeps_its_boxes() -> None:
    latin = np.array([[1, 2, 3, 4], [2, 3, 4, 1], [3, 4, 1, 2], [4, 1, 2, 3]])
    empty = Sudoku("empty", np.zeros_like(FOUR))
    assert not empty.is_solution(latin.ravel().tolist())
    assert empty.is_solution(FOUR.ravel().tolist())
    assert (empty.order, empty.box, empty.num_holes) == (4, 2, 16)


def test_sudokus_are_shown_in_boxes() -> None:
    problem = Sudoku("four", np.where(FOUR > 3, 0, FOUR))
    assert problem.render(None, colour=False) == "1 2 | 3 .\n3 . | 1 2\n----+----\n2 1 | . 3\n. 3 | 2 1"
    assert problem.render(FOUR.ravel().tolist(), colour=True).count("\x1b[36m4\x1b[0m") == 4
    assert problem.describe() == "order 4, 4 holes"
    rows = Sudoku("sixteen", np.zeros((16, 16), np.int64)).render(None, colour=False).splitlines()
    assert len({len(row) for row in rows}) == 1


@pytest.mark.parametrize(("box", "share"), [(2, 0.3), (3, 0.6), (3, 1.0), (4, 0.5)])
def test_the_share_of_holes(box: int, share: float) -> None:
    ((problem, solution),) = sudoku.generate(box, share, 1, 0)
    assert (problem.box, problem.num_holes) == (box, round(share * box**4))
    assert Sudoku("full", np.array(solution).reshape(box**2, -1)).num_holes == 0


def test_random_sudokus_are_more_than_a_permuted_pattern() -> None:
    def torn(solution: list[int]) -> int:
        """Rows of boxes (three values) that are neither together nor wholly apart in a row of the next box."""
        boxes = np.array(solution).reshape(3, 3, 3, 3).transpose(0, 2, 1, 3)  # [band, stack, row in box, column in box]
        return sum(
            any(0 < len(set(row) & set(other)) < 3 for other in boxes[band, (stack + 1) % 3].tolist())
            for band in range(3)
            for stack in range(3)
            for row in boxes[band, stack].tolist()
        )

    # Permutations of rows, columns, bands, stacks and values keep such rows whole.
    assert torn([(3 * (row % 3) + row // 3 + column) % 9 + 1 for row in range(9) for column in range(9)]) == 0
    assert all(torn(sudoku.random_solution(3, np.random.default_rng(seed))) > 5 for seed in range(5))


@settings(max_examples=30)
@given(size=st.integers(4, 40), seed=seeds)
def test_random_queens(size: int, seed: int) -> None:
    solution = n_queens.random_solution(size, np.random.default_rng(seed))
    assert QueensCompletion("", size).is_solution(solution)
    assert solution == n_queens.random_solution(size, np.random.default_rng(seed))


def test_random_queens_reach_every_solution() -> None:
    rng = np.random.default_rng(0)
    assert len({tuple(n_queens.random_solution(6, rng)) for _ in range(100)}) == 4


def test_queens_are_shown_on_a_board() -> None:
    problem = QueensCompletion("four", 4, ((0, 1),))
    assert problem.render(None, colour=False) == ". Q . .\n. . . .\n. . . .\n. . . ."
    assert problem.render([1, 3, 0, 2], colour=False) == ". Q . .\n. . . Q\nQ . . .\n. . Q ."
    assert problem.render([1, 3, 0, 2], colour=True).count("\x1b[36mQ\x1b[0m") == 3
    assert problem.describe() == "4 queens, 1 placed"


@settings(max_examples=30)
@given(data=st.data(), colours=st.integers(2, 5), degree=st.floats(0, 4), share=st.floats(0, 1), seed=seeds)
def test_random_graphs(data: st.DataObject, colours: int, degree: float, share: float, seed: int) -> None:
    vertices = data.draw(st.integers(10, 40))
    ((problem, planted),) = graph_colouring.generate(vertices, colours, degree, 1, seed, share)
    assert len(set(problem.edges)) == len(problem.edges) == round(degree * vertices / 2)
    assert all(u < v for u, v in problem.edges)
    assert len(problem.coloured) == round(share * vertices)
    sizes = np.bincount(planted, minlength=colours + 1)[1:]
    assert sizes.max() - sizes.min() <= 1
    assert problem.is_solution(planted)


def test_graphs_are_shown_by_colour() -> None:
    problem = GraphColouring("path", 3, ((0, 1), (1, 2)), 2, ((1, 2),))
    assert problem.render(None, colour=False) == "colour 1:\ncolour 2: 2"
    assert problem.render([1, 2, 1], colour=False) == "colour 1: 1 3\ncolour 2: 2"
    assert problem.render([1, 2, 1], colour=True) == "colour 1: \x1b[36m1\x1b[0m \x1b[36m3\x1b[0m\ncolour 2: 2"
    assert problem.describe() == "3 vertices, 2 edges, 2 colours, 1 vertices coloured"
    assert GraphColouring("edge", 2, ((0, 1),), 2).describe() == "2 vertices, 1 edges, 2 colours"


def test_cp_models_are_shown_by_name() -> None:
    problem, planted = planted_cp_model(0)
    x, y, _, _ = planted
    assert problem.render(planted, colour=False) == f"x = {x}\nv1 = {y}\nlarge = 0\nv3 = {x * y}"
    assert problem.render(None, colour=False) == f"x in 0..0, {x}..{x}, 20..20\nv1 in 0..9\nlarge in 0..1\nv3 = {x * y}"
    assert problem.describe() == "4 variables, 2 constraints, an objective"


def test_a_cp_model_is_never_changed() -> None:
    problem, planted = planted_cp_model(0)
    assert isinstance(problem, CpModelFile)
    before = str(problem.model.proto)
    model, variables = problem.build()
    model.add(variables[0] == 1)
    assert problem.is_solution(planted)
    assert str(problem.model.proto) == before


def test_an_invalid_cp_model_is_refused() -> None:
    model = cp_model.CpModel()
    model.new_int_var(0, 1, "x")
    model.proto.variables[0].domain[0] = 5
    with pytest.raises(InstanceError, match="expected a valid CP-SAT model, got: var #0 has and invalid domain"):
        CpModelFile("", model)


def test_checking_a_solution_leaves_ctrl_c_to_python() -> None:
    script = """
        import signal, time
        from ortools.sat.python import cp_model
        from nnsearch.problems.cp_model.problem import CpModelFile
        from nnsearch.problems.sudoku.generating import generate

        model = cp_model.CpModel()
        model.new_int_var(1, 3, "x")
        assert CpModelFile("one", model).is_solution([2])
        generate(2, 0.5, 1, 0)
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            print("caught")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("caught\n", 0)
