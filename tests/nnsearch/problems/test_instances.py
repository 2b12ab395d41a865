from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnsearch.errors import InstanceError
from nnsearch.problems import PartialLatinSquare, read_latin_square, read_latin_squares

Grid = npt.NDArray[np.int64]

no_deadline = settings(deadline=None)  # a busy machine is not a failure

SHARED = Path(__file__).parents[4] / "shared" / "instances"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no public instances in {SHARED}")


@st.composite
def partial_squares(draw: st.DrawFn) -> Grid:
    """int64[n, n], 0 = hole: the cyclic square with rows, columns and values shuffled and holes made."""
    n = draw(st.integers(1, 12))
    rows, columns, values = (np.array(draw(st.permutations(range(n)))) for _ in range(3))
    square = values[(rows[:, None] + columns) % n] + 1
    keep = np.array(draw(st.lists(st.booleans(), min_size=n * n, max_size=n * n))).reshape(n, n)
    grid: Grid = square * keep
    return grid


def dzn_text(grid: Grid, hole: str = "0", row_end: str = "|\n", last: str = "|];\n") -> str:
    rows = row_end.join(", ".join(str(v) if v else hole for v in row) for row in grid.tolist())
    return f"N={len(grid)};\nstart=[|\n{rows}{last}"


def pls_text(grid: Grid) -> str:
    return f"order {len(grid)}\n" + "".join("".join(f"{v - 1:4d}" for v in row) + "\n" for row in grid.tolist())


def json_line(name: str, grid: Grid, box: int | None = None) -> str:
    return json.dumps({"name": name, "order": len(grid), "box": box, "grid": grid.tolist()}) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("instances")


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def assert_reads(instance: PartialLatinSquare, name: str, grid: Grid) -> None:
    np.testing.assert_array_equal(instance.grid, grid)
    assert instance.grid.dtype == np.int64
    assert (instance.name, instance.order, instance.num_holes) == (name, len(grid), int((grid == 0).sum()))


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("dzn", dzn_text),
        ("dzn", lambda grid: dzn_text(grid, hole="_", row_end=",\n  |", last=" |\n|] % the end")),
        ("dzn", lambda grid: "\ufeff" + dzn_text(grid).replace("\n", "\r\n").replace("N=", "n = ")),
        ("pls", pls_text),
        ("pls", lambda grid: "a comment\n\n" + pls_text(grid).replace("\n", "\n\n")),
    ],
    ids=["dzn", "dzn-minizinc-style", "dzn-windows", "pls", "pls-blank-lines"],
)
@no_deadline
@given(grid=partial_squares())
def test_round_trip(folder: Path, ending: str, text: Callable[[Grid], str], grid: Grid) -> None:
    assert_reads(read_latin_square(written(folder, f"round-trip.{ending}", text(grid))), "round-trip", grid)


@no_deadline
@given(grids=st.lists(partial_squares(), min_size=1, max_size=4))
def test_json_lines_round_trip(folder: Path, grids: list[Grid]) -> None:
    sudoku = json_line("sudoku", np.zeros((4, 4), np.int64), box=2)
    path = written(folder, "round-trip.jsonl", sudoku + "\n".join(json_line(f"#{i}", g) for i, g in enumerate(grids)))
    for i, (instance, grid) in enumerate(zip(read_latin_squares([path]), grids, strict=True)):
        assert_reads(instance, f"#{i}", grid)
        assert_reads(read_latin_square(f"{path}##{i}"), f"#{i}", grid)
    if len(grids) == 1:
        assert_reads(read_latin_square(path), "#0", grids[0])


def test_several_specs_keep_their_order(folder: Path) -> None:
    one, two = np.array([[1]]), np.array([[0, 2], [2, 1]])
    dzn = written(folder, "two.dzn", dzn_text(two))
    jsonl = written(folder, "both.jsonl", json_line("a", one) + json_line("b", two))
    names = [instance.name for instance in read_latin_squares([f"{jsonl}#b", str(dzn), jsonl])]
    assert names == ["b", "two", "a", "b"]
    assert read_latin_squares([]) == []


def test_dzn_ignores_comments_and_other_assignments(folder: Path) -> None:
    text = (
        'note = "50% of; it";\n/* N = 7;\n */ extra = [1, 2 | 3];; N = 2; % N = 3;\nstart = [| 0, 2\n| % row\n 2, 1 |]'
    )
    assert_reads(read_latin_square(written(folder, "busy.dzn", text)), "busy", np.array([[0, 2], [2, 1]]))


LATIN = '{"name": "a", "order": 1, "grid": [[0]]}\n'
SUDOKU = '{"name": "s", "order": 4, "box": 2, "grid": []}\n'

# (file, content, line, what the message says)
MALFORMED: list[tuple[str, str | bytes, int | None, str]] = [
    # the file as a whole
    ("x.txt", "", None, 'expected a file that ends in .dzn, .pls, .jsonl or .jsonl#NAME, got ".txt"'),
    ("x", "", None, "got no ending"),
    ("x.dzn", b"N=1;\n\xff\xfe", 2, "expected UTF-8 text, got the byte 0xff"),
    ("x.pls", b"\x00\x01\n", 1, "expected a line 'order N', got none"),
    # .dzn: assignments
    ("x.dzn", "", None, "expected an assignment 'N = INTEGER;', got none"),
    ("x.dzn", "start=[|1|];", None, "expected an assignment 'N = INTEGER;', got none"),
    ("x.dzn", "N=1;", None, "expected an assignment 'start = [| ROW | ... | ROW |];', got none"),
    ("x.dzn", "N=1;\n\nn=1;", 3, "expected N to be assigned once"),
    ("x.dzn", "\nN;", 2, "expected 'NAME = VALUE;', got \"N\""),
    ("x.dzn", "\n\x00\x01", 2, "expected 'NAME = VALUE;'"),
    ("x.dzn", "\nN=0; start=[|1|];", 2, "expected the order to be an integer, 1 or more, got 0"),
    ("x.dzn", "N=-3; start=[|1|];", 1, "got -3"),
    ("x.dzn", "N=two; start=[|1|];", 1, 'got "two"'),
    ("x.dzn", "N=1_0; start=[|1|];", 1, 'got "1_0"'),
    ("x.dzn", "N=2\nstart=[|0,0|0,0|];", 1, "expected 'NAME = VALUE;', got \"N = 2 start = ["),
    # .dzn: the array
    ("x.dzn", "N=1;\nstart=[1];", 2, "expected 'start = [| ROW | ... | ROW |];', got \"[ 1 ]\""),
    ("x.dzn", "N=1;\nstart=[|\n1];", 3, "expected '|];' after the last row, got \"| 1 ]\""),
    ("x.dzn", "N=1;\nstart=[|1|", 2, "expected '|];' after the last row"),
    ("x.dzn", "N=2;\nstart=[|\n0,0|\n1 2|];", 4, 'expected values separated by single commas in row 2, got "1 2"'),
    ("x.dzn", "N=2;\nstart=[|\n0,0|];", 3, "expected 2 rows, got 1"),
    ("x.dzn", "N=1;\nstart=[||];", 2, "expected 1 rows, got 0"),
    ("x.dzn", "N=2;\nstart=[|0,0\n|0,0\n|0,0\n|];", 4, "expected 2 rows, got 3"),
    ("x.dzn", "N=2;\nstart=[|\n0,0|\n0|];", 4, "expected 2 values in row 2, got 1"),
    ("x.dzn", "N=2;\nstart=[|\n0,0|\n0,0,0|];", 4, "expected 2 values in row 2, got 3"),
    ("x.dzn", "N=2;\nstart=[|\n0,0|\n0,1.5|];", 4, 'expected integers in row 2, got "1.5" in column 2'),
    (
        "x.dzn",
        "N=2;\nstart=[|\n0,0|\n3,0|];",
        4,
        "expected values 1..2, or 0 or _ for a hole, got 3 in row 2, column 1",
    ),
    ("x.dzn", "N=2;\nstart=[|\n-1,0|\n0,0|];", 3, "got -1 in row 1, column 1"),
    ("x.dzn", "N=3;\nstart=[|\n0,0,0|\n2,0,2|0,0,0|];", 4, "in row 2, got the value 2 in columns 1 and 3"),
    ("x.dzn", "N=3;\nstart=[|\n0,3,0|\n0,0,0|\n0,3,0|];", 5, "in column 2, got the value 3 in rows 1 and 3"),
    # .pls
    ("x.pls", "", 1, "expected a line 'order N', got none"),
    ("x.pls", "ordre 1\n0\n", 1, 'the file begins with "ordre 1'),
    ("x.pls", "\norder 0\n", 2, "expected the order to be an integer, 1 or more, got 0"),
    ("x.pls", "order\n0\n", 1, 'got ""'),
    ("x.pls", "order 1 1\n0\n", 1, 'got "1 1"'),
    ("x.pls", "order 9999999999999999999\n0\n", 1, "expected the order to be an integer"),
    ("x.pls", "\norder 999999999\n", 2, "expected 999999999 rows, got 0"),
    ("x.pls", "order 2\n0 1\n", 2, "expected 2 rows, got 1"),
    ("x.pls", "order 2\n0 1\n1 0\n\n0 1\n", 5, "expected 2 rows, got 3"),
    ("x.pls", "order 2\n0 1\n1\n", 3, "expected 2 values in row 2, got 1"),
    ("x.pls", "order 2\n0 1\n1 _\n", 3, 'expected integers in row 2, got "_" in column 2'),
    ("x.pls", "order 2\n1 2\n2 1\n", 2, "expected values 0..1, or -1 for a hole, got 2 in row 1, column 2"),
    ("x.pls", "order 2\n-1 -1\n0 0\n", 3, "expected distinct values in row 2, got the value 0 in columns 1 and 2"),
    ("x.pls", "order 2\n-1 1\n-1 1\n", 3, "expected distinct values in column 2, got the value 1 in rows 1 and 2"),
    # .jsonl
    ("x.jsonl", "\n", None, "expected one JSON object per line, got an empty file"),
    ("x.jsonl", LATIN + "{1}", 2, "got invalid JSON: Expecting property name enclosed in double quotes at column 2"),
    ("x.jsonl", "[" * 100_000, 1, "got invalid JSON"),
    ("x.jsonl", "[]", 1, 'expected a JSON object with a string "name", got a list'),
    ("x.jsonl", LATIN + '{"name": 1}', 2, 'expected a JSON object with a string "name"'),
    ("x.jsonl", LATIN + "\n" + LATIN, 3, 'expected distinct names, got "a", the name of line 1'),
    ("x.jsonl", SUDOKU, 1, "expected a Latin square, got a sudoku: its box is 2, not null"),
    ("x.jsonl#s", LATIN + SUDOKU, 2, "expected a Latin square, got a sudoku: its box is 2, not null"),
    ("x.jsonl#b", SUDOKU + LATIN, None, 'expected #NAME, one of "a", got "b"'),
    ("x.jsonl#", LATIN, None, 'expected #NAME, one of "a", got ""'),
    ("x.jsonl#b\n", LATIN, None, r'got "b\n"'),
    ("x.jsonl", '{"name": "a", "grid": [[0]]}', 1, 'expected the key "order" in "a", got none'),
    ("x.jsonl", '{"name": "a", "order": 1}', 1, 'expected the key "grid" in "a", got none'),
    ("x.jsonl", '{"name": "a", "order": true, "grid": [[0]]}', 1, "1 or more, got true"),
    ("x.jsonl", '{"name": "a", "order": 0, "grid": []}', 1, "1 or more, got 0"),
    ("x.jsonl", '{"name": "a", "order": 1, "grid": [0]}', 1, 'expected "grid" to be a list of rows, each a list'),
    ("x.jsonl", '\n{"name": "a", "order": 1, "grid": []}', 2, "expected 1 rows, got 0"),
    ("x.jsonl", '{"name": "a", "order": 1, "grid": [[0, 0]]}', 1, "expected 1 values in row 1, got 2"),
    ("x.jsonl", '{"name": "a", "order": 1, "grid": [[1.0]]}', 1, "expected integers in row 1, got 1.0 in column 1"),
    ("x.jsonl", '{"name": "a", "order": 1, "grid": [["1"]]}', 1, 'expected integers in row 1, got "1" in column 1'),
    ("x.jsonl", '{"name": "a", "order": 1, "grid": [[null]]}', 1, "expected integers in row 1, got null in column 1"),
    ("x.jsonl", '{"name": "a", "order": 1, "grid": [[true]]}', 1, "expected integers in row 1, got true in column 1"),
    ("x.jsonl", '{"name": "a", "order": 1, "grid": [[2]]}', 1, "expected values 1..1, or 0 for a hole, got 2 in row 1"),
    (
        "x.jsonl",
        '{"name": "a", "order": 1, "grid": [[{}]]}',
        1,
        "expected integers in row 1, got an object in column 1",
    ),
    ("x.jsonl", '{"name": "a", "order": 2, "grid": [[1, 1], [0, 0]]}', 1, "got the value 1 in columns 1 and 2"),
    ("x.jsonl", '{"name": "a", "order": 2, "grid": [[0, 1], [0, 1]]}', 1, "got the value 1 in rows 1 and 2"),
]


def assert_one_line(message: str, path: Path, line: int | None, phrase: str) -> None:
    start = f"{path}: expected " if line is None else f"{path}:{line}: expected "
    assert message.startswith(start)
    assert phrase in message
    assert message.splitlines() == [message]
    assert len(message) < len(str(path)) + 200


@pytest.mark.parametrize(("file", "content", "line", "phrase"), MALFORMED)
@pytest.mark.parametrize("read", [read_latin_square, lambda spec: read_latin_squares([spec])], ids=["one", "several"])
def test_malformed_input_is_one_line(
    tmp_path: Path,
    read: Callable[[str], object],
    file: str,
    content: str | bytes,
    line: int | None,
    phrase: str,
) -> None:
    path = written(tmp_path, file.partition("#")[0], content)
    with pytest.raises(InstanceError) as caught:
        read(str(tmp_path / file))
    assert_one_line(str(caught.value), path, line, phrase)


def test_missing_file_and_directory(tmp_path: Path) -> None:
    missing, directory = tmp_path / "missing.dzn", tmp_path / "folder.dzn"
    directory.mkdir()
    with pytest.raises(InstanceError) as caught:
        read_latin_squares([missing])
    assert_one_line(str(caught.value), missing, None, "expected a file, got nothing at this path")
    with pytest.raises(InstanceError) as caught:
        read_latin_squares([directory])
    assert_one_line(str(caught.value), directory, None, f"got a directory; give its files, such as {directory}/*.dzn")


def test_unreadable_path(tmp_path: Path) -> None:
    with pytest.raises(InstanceError, match=r"^x\\x00\.dzn: expected a file that can be read"):
        read_latin_square("x\0.dzn")
    with pytest.raises(InstanceError, match="expected a file that can be read, got the error: File name too long"):
        read_latin_square("x" * 5000 + ".dzn")
    below_a_file = written(tmp_path, "file", "") / "x.dzn"
    with pytest.raises(InstanceError, match="expected a file that can be read, got the error: Not a directory"):
        read_latin_square(below_a_file)


def test_one_instance_of_several_needs_a_name(tmp_path: Path) -> None:
    path = written(tmp_path, "x.jsonl", "".join(json_line(f"i{i}", np.array([[1]])) for i in range(5)))
    with pytest.raises(InstanceError) as caught:
        read_latin_square(path)
    names = '"i0", "i1", "i2" and 2 more'
    assert_one_line(str(caught.value), path, None, f"expected one instance, got 5; add #NAME, one of {names}")


@no_deadline
@given(content=st.binary(max_size=60), ending=st.sampled_from(["dzn", "pls", "jsonl"]))
def test_any_bytes_are_read_or_refused_in_one_line(folder: Path, content: bytes, ending: str) -> None:
    path = written(folder, f"any.{ending}", content)
    try:
        read_latin_squares([path])
    except InstanceError as error:
        message = str(error)
    else:
        return
    assert message.startswith(str(path))
    assert message.splitlines() == [message]


@needs_shared
def test_csplib_067() -> None:
    instances = read_latin_squares(sorted((SHARED / "csplib067").glob("*.dzn")))
    assert [(i.order, i.num_holes) for i in instances] == [(30, 374)] * 20
    assert instances[0].name == "qwh-o30-h374-01"
    assert instances[0].grid[0, :4].tolist() == [0, 19, 0, 29]


@needs_shared
def test_qcp() -> None:
    path = SHARED / "qcp.jsonl"
    facts = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(facts) == 60
    for instance, fact in zip(read_latin_squares([path]), facts, strict=True):
        assert_reads(instance, fact["name"], np.array(fact["grid"]))
        assert instance.num_holes == fact["empty"]


@needs_shared
def test_sudokus_are_refused() -> None:
    with pytest.raises(InstanceError, match=r"sudoku\.jsonl:1: expected a Latin square, got a sudoku"):
        read_latin_squares([SHARED / "sudoku.jsonl"])
