from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from stand_ins import INSTANCES, dzn

from nnsearch.errors import ConfigError, InstanceError
from nnsearch.problems import PartialLatinSquare, graph_colouring, n_queens, read_problem, read_problems, sudoku
from nnsearch.problems.cp_model.problem import CpModelFile
from nnsearch.problems.graph_colouring.problem import GraphColouring
from nnsearch.problems.n_queens.problem import QueensCompletion
from nnsearch.problems.reading import problem_of
from nnsearch.problems.sudoku.problem import Sudoku

VALUES = ".123456789ABCDEFGHIJKLMNOP"
seeds = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reading")


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def characters(problem: Sudoku, hole: str = ".") -> str:
    return "".join(VALUES[value] for value in problem.grid.ravel()).replace(".", hole)


def json_line(problem: Sudoku | QueensCompletion | PartialLatinSquare) -> str:
    match problem:
        case QueensCompletion():
            fields = {"name": problem.name, "size": problem.size, "placed": problem.placed}
        case Sudoku():
            fields = {
                "name": problem.name,
                "order": problem.order,
                "box": problem.box,
                "grid": problem.grid.tolist(),
            }
        case PartialLatinSquare():
            fields = {"name": problem.name, "order": problem.order, "grid": problem.grid.tolist()}
    return json.dumps(fields) + "\n"


def assert_same_grid(read: object, expected: Sudoku) -> None:
    assert isinstance(read, Sudoku)
    np.testing.assert_array_equal(read.grid, expected.grid)


@settings(max_examples=20)
@given(box=st.sampled_from([2, 3]), share=st.floats(0.2, 1), hole=st.sampled_from(".0"), seed=seeds)
def test_sudoku_round_trip(folder: Path, box: int, share: float, hole: str, seed: int) -> None:
    first, second = (problem for problem, _ in sudoku.generate(box, share, 2, seed))
    lines = characters(first, hole), characters(second, hole)
    for ending in ("sdm", "sudoku", "TXT"):
        path = written(folder, f"two.{ending}", "# two sudokus\n\r\n" + "\r\n".join(lines))
        assert_same_grid(read_problem(f"{path}#3", "sudoku"), first)
        assert_same_grid(read_problem(f"{path}#4", "sudoku"), second)
        assert [problem.name for problem in read_problems(path, "sudoku").values()] == ["two-3", "two-4"]
        assert list(read_problems(path, "sudoku")) == ["3", "4"]
    order = box**2
    rows = "\n".join(lines[0][start : start + order] for start in range(0, order**2, order))
    path = written(folder, "one.sdk", f"#Asomeone\n{rows}\n")
    assert_same_grid(read_problem(path), first)
    assert read_problem(path).name == "one"
    assert_same_grid(read_problem(written(folder, "one.sdm", lines[0])), first)
    path = written(folder, "two.jsonl", json_line(first) + json_line(second))
    assert_same_grid(read_problem(f"{path}#{second.name}"), second)
    assert len(read_problems(path)) == 2


@pytest.mark.parametrize(("box", "last"), [(4, "G"), (5, "P")])
@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_large_sudokus_use_letters(folder: Path, box: int, last: str, case: Callable[[str], str]) -> None:
    n = box**2
    row = np.arange(n)[:, None]
    solution = (box * (row % box) + row // box + np.arange(n)) % n + 1
    problem = Sudoku("large", np.where(np.eye(n, dtype=bool), 0, solution))
    text = characters(problem)
    assert max(text) == last
    assert_same_grid(read_problem(written(folder, "large.sdm", case(text))), problem)


def test_a_golden_sudoku(folder: Path) -> None:
    rows = ["53..7....", "6..195...", ".98....6.", "8...6...3", "4..8.3..1", "7...2...6", ".6....28.", "...419..5"]
    problem = read_problem(written(folder, "golden.sdk", "\n".join([*rows, "....8..79"])))
    assert isinstance(problem, Sudoku)
    assert problem.grid[0].tolist() == [5, 3, 0, 0, 7, 0, 0, 0, 0]
    assert problem.grid[8].tolist() == [0, 0, 0, 0, 8, 0, 0, 7, 9]
    assert problem.describe() == "order 9, 51 holes"


@given(size=st.sampled_from([1, 4, 5, 8, 12]), share=st.floats(0, 1), seed=seeds)
def test_queens_round_trip(folder: Path, size: int, share: float, seed: int) -> None:
    first, second = (problem for problem, _ in n_queens.generate(size, int(share * size), 2, seed))
    path = written(folder, "queens.jsonl", json_line(first) + json_line(second))
    assert read_problem(f"{path}#{second.name}") == second
    board = read_problem(written(folder, "board.txt", first.render(None, colour=False)), "n-queens")
    assert board == QueensCompletion("board", size, first.placed)
    close = written(folder, "board.txt", first.render(None, colour=False).replace(" ", "") + "\n\n")
    assert read_problem(close, "n-queens") == board


@given(seed=seeds, colours=st.integers(2, 4), both=st.booleans())
def test_graph_round_trip(folder: Path, seed: int, colours: int, both: bool) -> None:
    problem, _ = graph_colouring.generate(12, colours, 3.0, 1, seed)[0]
    lines = [f"e {u + 1} {v + 1}" for u, v in problem.edges]
    if both:
        lines += [f"e  {v + 1}\t{u + 1} " for u, v in problem.edges]
    text = "c a graph\nc\n\np edge 12 18\n" + "\n".join(lines)
    read = read_problem(written(folder, "graph.col", text), num_colours=colours)
    assert read == GraphColouring("graph", 12, problem.edges, colours)


def test_a_golden_graph(folder: Path) -> None:
    text = "c FILE: path.col\np col 3 4\nn 1 7\ne 1 2\ne 2 1\ne 3 2\ne 1 2\n"
    read = read_problem(written(folder, "path.col", text), num_colours=2)
    assert read == GraphColouring("path", 3, ((0, 1), (1, 2)), 2)


def some_model() -> cp_model.CpModel:
    model = cp_model.CpModel()
    model.name = "some"
    x = [model.new_int_var_from_domain(cp_model.Domain.from_values([-3, 0, 5]), f"x{i}") for i in range(3)]
    flag = model.new_bool_var('a "flag"\n')
    model.add_all_different(x)
    model.add(x[0] != x[1]).only_enforce_if(~flag)
    model.add_allowed_assignments(x[:2], [(-3, 0), (5, -3)])
    model.minimize(sum(x) + 2 * flag)
    model.add_hint(x[0], 5)
    return model


@pytest.mark.parametrize("ending", ["pb", "binpb", "pbtxt", "textproto", "PB"])
def test_cp_model_round_trip(folder: Path, ending: str) -> None:
    model = some_model()
    path = folder / f"some.{ending}"
    assert model.export_to_file(str(path))
    read = read_problem(path)
    assert isinstance(read, CpModelFile)
    assert read.name == "some"
    assert str(read.model.proto) == str(model.proto)


def test_the_file_tells_the_family(folder: Path) -> None:
    latin = PartialLatinSquare("latin", np.array([[0]]))
    four = Sudoku("four", np.zeros((4, 4), np.int64))
    queens = QueensCompletion("queens", 4, ((0, 1),))
    for suffix in ("sdk", "sdm", "sudoku"):
        assert problem_of(written(folder, f"x.{suffix}", characters(four))) == "sudoku"
    assert problem_of(written(folder, "x.dzn", dzn(latin.grid))) == "latin-square"
    assert problem_of(folder / "x.col") == "graph-colouring"  # not opened for that
    mixed = written(folder, "mixed.jsonl", json_line(queens) + json_line(four) + json_line(latin))
    assert [problem_of(f"{mixed}#{name}") for name in ("queens", "four", "latin")] == [
        "n-queens",
        "sudoku",
        "latin-square",
    ]
    assert problem_of(mixed) == "latin-square"
    assert list(read_problems(mixed)) == ["latin"]
    assert list(read_problems(mixed, "sudoku")) == ["four"]
    assert list(read_problems(mixed, "n-queens")) == ["queens"]
    assert problem_of(written(folder, "two.jsonl", json_line(queens) + json_line(four))) == "n-queens"


EMPTY_4 = "." * 16


# (file, problem, content, line, what the message says)
MALFORMED: list[tuple[str, str | None, str | bytes, int | None, str]] = [
    # the ending
    ("x.txt", None, EMPTY_4, None, "expected a file whose ending tells the problem, got .txt; add --problem"),
    ("x.csv", None, "", None, "expected a file that ends in .dzn, .pls, .jsonl, .sdk, .sdm, .sudoku, .txt, .col, .pb,"),
    ("x.dzn", "sudoku", "", None, "expected a file that ends in .sdk, .sdm, .sudoku, .txt, .jsonl or .jsonl#NAME, got"),
    ("x.sdk", "graph-colouring", "", None, 'expected a file that ends in .col, got ".sdk"'),
    # sudokus as characters
    ("x.sdk", None, "", None, "expected a sudoku, one character a cell, got an empty file"),
    ("x.sdm", None, "# nothing\n\n", None, "got an empty file"),
    ("x.sdm", None, f"{EMPTY_4}\n{EMPTY_4}", None, 'expected one instance, got 2; add #LINE, one of "1", "2"'),
    ("x.sdm#3", None, f"{EMPTY_4}\n{EMPTY_4}", None, 'expected #LINE, one of "1", "2", got "3"'),
    ("x.sdm#", None, EMPTY_4, None, 'one of "1", got ""'),
    ("x.sdm", None, "#\n" + "." * 17, 2, "expected 16, 81, 256 or 625 characters in a line, got 17"),
    ("x.sdk", None, "#\n" + "...\n" * 4, 2, "expected 16, 81, 256 or 625 characters in all lines together, got 12"),
    ("x.sdk", None, "....\n....\n.5..\n....", 3, 'values 1..4, or . or 0 for a hole, got "5" in row 3, column 2'),
    ("x.txt", "sudoku", "." * 80 + "a", 1, 'expected values 1..9, or . or 0 for a hole, got "a" in row 9, column 9'),
    ("x.txt", "sudoku", "." * 255 + "H", 1, 'expected values 1..G, or . or 0 for a hole, got "H"'),
    ("x.txt", "sudoku", "." * 624 + "²", 1, 'expected values 1..P, or . or 0 for a hole, got "²"'),
    ("x.sdm", None, "0" + "." * 255, 1, "expected one character for holes, got . and 0"),
    ("x.sdm", None, f"\n11{'.' * 14}", 2, "expected distinct values in row 1, got the value 1 2 times"),
    ("x.sdk", None, "1...\n....\n1...\n....", 1, "expected distinct values in column 1"),
    ("x.sdm", None, f"1....1{'.' * 10}", 1, "expected distinct values in box 1"),
    ("x.sdm", None, b"\n\xff", 2, "expected UTF-8 text"),
    # sudokus as JSON
    (
        "x.jsonl",
        None,
        '{"name": "s", "order": 4, "box": 3, "grid": []}',
        1,
        "box size whose square is the order 4, got 3",
    ),
    ("x.jsonl", None, '{"name": "s", "order": 1, "box": true, "grid": [[0]]}', 1, "the order 1, got true"),
    ("x.jsonl", None, '{"name": "s", "order": 4, "box": 2, "grid": []}', 1, "expected 4 rows, got 0"),
    ("x.jsonl", None, '{"name": "s", "box": 2}', 1, 'expected the key "order" in "s", got none'),
    (
        "x.jsonl",
        None,
        '{"name": "s", "order": 4, "box": 2, "grid": [[1,0,0,0],[0,1,0,0],[0,0,0,0],[0,0,0,0]]}',
        1,
        "expected distinct values in box 1, got the value 1 2 times",
    ),
    ("x.jsonl", "sudoku", '{"name": "a", "order": 1, "grid": [[0]]}', 1, "expected a sudoku, got a Latin square: its"),
    ("x.jsonl", "sudoku", '{"name": "a", "size": 1, "placed": []}', 1, 'got n-queens completion: it has "placed"'),
    ("x.jsonl#b", "sudoku", '{"name": "a", "box": 1}', None, 'expected #NAME, one of "a", got "b"'),
    # queens
    ("x.txt", "n-queens", "\n", None, "expected a board, Q for a queen and . for an empty square, got an empty file"),
    ("x.txt", "n-queens", "..\n\n.", 3, "expected 2 squares, as many as rows, got 1"),
    ("x.txt", "n-queens", "..\n.X", 2, 'expected Q for a queen or . for an empty square, got "X"'),
    ("x.txt", "n-queens", "Q.\n.Q", None, "expected placed queens that do not attack each other, got row 0, column 0"),
    ("x.txt", "n-queens", "Q.\nQQ", None, "that do not attack each other"),
    ("x.txt#1", "n-queens", ".", None, "expected one board in the file, got #1; leave that out"),
    ("x.jsonl", None, '{"name": "q", "placed": []}', 1, 'expected the key "size" in "q", got none'),
    ("x.jsonl", "n-queens", '{"name": "q", "size": 4}', 1, "expected n-queens completion, got a Latin square"),
    ("x.jsonl", None, '\n{"name": "q", "size": "4", "placed": []}', 2, "expected the size to be an integer, 1 or more"),
    ("x.jsonl", None, '{"name": "q", "size": true, "placed": []}', 1, "got true"),
    ("x.jsonl", None, '{"name": "q", "size": 0, "placed": []}', 1, "expected a board of size 1 or more, got 0"),
    (
        "x.jsonl",
        None,
        '{"name": "q", "size": 4, "placed": 7}',
        1,
        'expected "placed" to be a list of [row, column], got 7',
    ),
    ("x.jsonl", None, '{"name": "q", "size": 4, "placed": [[0, 1, 2]]}', 1, "to be a list of [row, column]"),
    ("x.jsonl", None, '{"name": "q", "size": 4, "placed": [[0, 1.0]]}', 1, "to be a list of [row, column]"),
    ("x.jsonl", None, '{"name": "q", "size": 4, "placed": [[0, 4]]}', 1, "expected rows and columns 0..3"),
    # graphs
    ("x.col", "graph-colouring", "c\n", None, "expected a line 'p edge VERTICES EDGES', got none"),
    (
        "x.col",
        "graph-colouring",
        "e 1 2\np edge 2 1",
        1,
        "expected a line 'p edge VERTICES EDGES' before the first edge, got none",
    ),
    ("x.col", "graph-colouring", "p edge 2 1\np edge 2 1", 2, "expected one problem line, got a second"),
    ("x.col", "graph-colouring", "p edge 2", 1, "expected 'p edge VERTICES EDGES', got \"p edge 2\""),
    ("x.col", "graph-colouring", "p cnf 2 1", 1, 'got "p cnf 2 1"'),
    ("x.col", "graph-colouring", "p edge 0 0", 1, 'expected the number of vertices to be 1 or more, got "0"'),
    ("x.col", "graph-colouring", "p edge two 0", 1, 'got "two"'),
    ("x.col", "graph-colouring", "p edge 2 1\ne 1 3", 2, "expected vertices 1..2, got 3"),
    ("x.col", "graph-colouring", "p edge 2 1\n\ne 0 1", 3, "expected vertices 1..2, got 0"),
    ("x.col", "graph-colouring", "p edge 2 1\ne 1", 2, "expected 'e U V', got \"e 1\""),
    ("x.col", "graph-colouring", "p edge 2 1\ne 1 2 3", 2, 'got "e 1 2 3"'),
    ("x.col", "graph-colouring", "p edge 2 1\ne 1 b", 2, 'got "e 1 b"'),
    ("x.col", "graph-colouring", "p edge 2 1\ne 2 2", 2, "got an edge from 2 to itself"),
    ("x.col", "graph-colouring", "p edge 2 1\n1 2", 2, "expected a line 'e U V' or a comment 'c ...', got \"1 2\""),
    # models
    ("x.pb", None, "", None, "expected a CpModelProto, MPS or LP, got an empty file"),
    ("x.pb", None, "no model at all", 1, 'expected a CpModelProto, MPS or LP, got "no model at all"'),
    ("x.pb", None, b"\x78\x01", None, "expected a binary CpModelProto, got a message with an unknown field 15"),
    ("x.pb", None, b"\x12\x04\x12\x02\x05\x01", None, "expected a valid CP-SAT model, got: var #0"),
    ("x.pbtxt", None, "\n", None, "expected a CpModelProto, MPS or LP, got an empty file"),
    (
        "x.pbtxt",
        None,
        "variables {\n  foo: 3\n}",
        2,
        'expected a CpModelProto in text format, got "foo: 3" (Message type',
    ),
    ("x.pbtxt", None, "\nvariables { domain: [0, 1]\n", 2, "expected a CpModelProto in text format"),
    ("x.pbtxt", None, "\x00\x01", None, "expected a CpModelProto, MPS or LP, got a foreign or cut file"),
    ("x.pbtxt", None, "variables { domain: [0, 1, 2] }", None, "expected a valid CP-SAT model, got: var #0"),
    (
        "x.pbtxt",
        None,
        "variables { domain: [0, 1] } constraints { linear { vars: 7 coeffs: 1 domain: [0, 0] } }",
        None,
        "7",
    ),
]


def assert_one_line(message: str, path: Path, line: int | None, phrase: str) -> None:
    assert message.startswith(f"{path}: expected " if line is None else f"{path}:{line}: expected ")
    assert phrase in message
    assert message.splitlines() == [message]
    assert len(message) < len(str(path)) + 300


@pytest.mark.parametrize(("file", "problem", "content", "line", "phrase"), MALFORMED)
def test_malformed_input_is_one_line(
    tmp_path: Path, file: str, problem: str | None, content: str | bytes, line: int | None, phrase: str
) -> None:
    path = written(tmp_path, file.partition("#")[0], content)
    with pytest.raises(InstanceError) as caught:
        read_problem(str(tmp_path / file), problem, 3 if problem == "graph-colouring" else None)
    assert_one_line(str(caught.value), path, line, phrase)


def test_every_cut_binary_model_is_refused_or_a_smaller_model(tmp_path: Path) -> None:
    path = tmp_path / "cut.pb"
    some_model().export_to_file(str(path))
    whole = path.read_bytes()
    refused = 0
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            problem = read_problem(path)
        except InstanceError as error:
            refused += 1
            assert_one_line(str(error), path, None, "")
        else:
            assert isinstance(problem, CpModelFile)
            assert str(problem.model.proto) != str(some_model().proto)
    assert refused > 0.8 * len(whole)


@given(content=st.binary(max_size=60), ending=st.sampled_from(["sdk", "sdm", "jsonl", "col", "pb", "pbtxt"]))
def test_any_bytes_are_read_or_refused_in_one_line(folder: Path, content: bytes, ending: str) -> None:
    path = written(folder, f"any.{ending}", content)
    try:
        read_problems(path, num_colours=3 if ending == "col" else None)
    except InstanceError as error:
        message = str(error)
    else:
        return
    assert message.startswith(str(path))
    assert message.splitlines() == [message]


def test_colours_are_for_graphs(tmp_path: Path) -> None:
    graph = written(tmp_path, "x.col", "p edge 2 1\ne 1 2")
    with pytest.raises(ConfigError, match=r"x\.col: expected a number of colours, got none; add --colours K"):
        read_problem(graph)
    with pytest.raises(InstanceError, match=r"x\.col: expected 1 or more colours, got 0"):
        read_problem(graph, num_colours=0)
    latin = written(tmp_path, "x.dzn", dzn(np.array([[0]])))
    with pytest.raises(ConfigError, match=r"--colours is for graph-colouring, and .* is a latin-square; leave it out"):
        read_problem(latin, num_colours=3)
    with pytest.raises(ConfigError, match=r"problem: expected one of latin-square, sudoku, .*, got 'knights'"):
        read_problem(latin, "knights")


@pytest.mark.skipif(not INSTANCES.is_dir(), reason=f"no public instances in {INSTANCES}")
def test_public_sudokus() -> None:
    path = INSTANCES / "sudoku.jsonl"
    facts = [json.loads(line) for line in path.read_text().splitlines()]
    problems = read_problems(path)
    assert list(problems) == [fact["name"] for fact in facts]
    for problem, fact in zip(problems.values(), facts, strict=True):
        assert isinstance(problem, Sudoku)
        assert (problem.order, problem.box, problem.num_holes) == (fact["order"], fact["box"], fact["empty"])
        np.testing.assert_array_equal(problem.grid, fact["grid"])
