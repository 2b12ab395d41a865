from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnsearch.errors import PoolError
from training.data.pools.pool import Pool, read_pool

SQUARES = [[1, 2, 2, 1], [2, 1, 1, 2]]


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    save: Any = np.savez_compressed
    save(file, **{name: np.array(array) for name, array in arrays.items()})
    return file.getvalue()


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(array))
    return file.getvalue()


def read(path: Path, content: bytes | str) -> list[list[int]]:
    """As solutions of four variables with the values 1 and 2."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    solutions: list[list[int]] = read_pool(path, 4, 1, 2).solutions.tolist()
    return solutions


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    num_variables, num_values = draw(st.integers(1, 5)), draw(st.integers(1, 256))
    first = draw(st.integers(-300, 300))
    row = st.lists(st.integers(first, first + num_values - 1), min_size=num_variables, max_size=num_variables)
    rows = draw(st.lists(row, min_size=1, max_size=8))
    return Pool(np.array(rows + draw(st.lists(st.sampled_from(rows), max_size=4))), first, num_values)


@given(pools())
def test_distinct_keeps_each_solution_once_in_order_of_appearance(pool: Pool) -> None:
    index = pool.distinct()
    assert index.dtype == np.uint8
    rows = [tuple(row) for row in (index.astype(int) + pool.first_value).tolist()]
    assert rows == list(dict.fromkeys(map(tuple, pool.solutions.tolist())))


@given(pool=pools())
def test_files_give_the_pool_back(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("pool")
    pool.save(folder / "pool.npz")
    lines = [",".join(map(str, row)) for row in pool.solutions]
    (folder / "plain.csv").write_text("\n".join(lines))
    names = ",".join(f"x{i}" for i in range(pool.solutions.shape[1]))
    (folder / "named.csv").write_text("\r\n".join([names, *lines, ""]))
    for name in ("pool.npz", "plain.csv", "named.csv"):
        again = read_pool(folder / name, pool.solutions.shape[1], pool.first_value, pool.num_values)
        np.testing.assert_array_equal(again.solutions, pool.solutions)
        assert (again.first_value, again.num_values) == (pool.first_value, pool.num_values)
    assert sorted(path.name for path in folder.iterdir()) == ["named.csv", "plain.csv", "pool.npz"]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64])
def test_any_integer_dtype(dtype: type, tmp_path: Path) -> None:
    pool = Pool(np.array(SQUARES, dtype), 1, 2)
    pool.save(tmp_path / "pool.npz")
    assert read_pool(tmp_path / "pool.npz", 4, 1, 2).solutions.tolist() == SQUARES
    assert pool.distinct().tolist() == [[0, 1, 1, 0], [1, 0, 0, 1]]


def test_distinct_of_unsigned_solutions_with_a_negative_first_value() -> None:
    assert Pool(np.array([[0, 1]], np.uint8), -1, 3).distinct().tolist() == [[1, 2]]


def test_saving_replaces_a_file_only_when_the_new_one_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pool.npz"
    Pool(np.array(SQUARES), 1, 2).save(path)

    def dies(file: io.BufferedWriter, **arrays: object) -> None:
        file.write(b"PK")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", dies)
    with pytest.raises(KeyboardInterrupt):
        Pool(np.array(SQUARES[:1]), 1, 2).save(path)
    assert read_pool(path, 4, 1, 2).solutions.tolist() == SQUARES


@pytest.mark.parametrize(
    ("solutions", "num_values", "message"),
    [
        (np.zeros((0, 4), int), 2, r"not empty, got \(0, 4\)"),
        (np.zeros((4, 0), int), 2, r"not empty, got \(4, 0\)"),
        (np.ones(4, int), 2, r"as an array \[S, V\] .* got \(4,\)"),
        (np.ones((1, 2, 2), int), 2, r"got \(1, 2, 2\)"),
        (np.ones((2, 4)), 2, "expected integer values, got float64"),
        (np.ones((2, 4), bool), 2, "expected integer values, got bool"),
        (np.ones((2, 4), int), 0, "expected 1 to 256 values in a domain, got 0"),
        (np.ones((2, 4), int), 257, "expected 1 to 256 values in a domain, got 257"),
        (np.array([[1, 2], [2, 0]]), 2, r"^solution 2, variable 2: expected a value 1\.\.2, got 0$"),
        (np.array([[1, 2], [3, 1]]), 2, r"^solution 2, variable 1: expected a value 1\.\.2, got 3$"),
    ],
)
def test_a_malformed_pool_is_refused(solutions: npt.NDArray[Any], num_values: int, message: str) -> None:
    with pytest.raises(PoolError, match=message):
        Pool(solutions, 1, num_values)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npz", npz(solutions=SQUARES)),
        ("b.npz", npz(solutions=np.reshape(SQUARES, (2, 2, 2)))),
        ("c.npz", npz(other=1, solutions=np.array(SQUARES, np.uint16))),
        ("d.csv", "1,2,2,1\n2,1,1,2\n"),
        ("e.csv", "a,b,c,d\n1,2,2,1\n\n2, 1, 1, 2\n"),
        ("f.csv", '"x[0,0]","x[0,1]","x[1,0]","x[1,1]"\r\n"1",2,2,1\r\n2,1,1,2'),
        ("bom.csv", "\ufeff1,2,2,1\n2,1,1,2\n"),
    ],
)
def test_readable_files(name: str, content: bytes | str, tmp_path: Path) -> None:
    assert read(tmp_path / name, content) == SQUARES


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pool.txt", "1,2,2,1", ": expected a file ending in .npz or .csv"),
        ("pool.csv", "", ": expected at least one solution, found none"),
        ("pool.csv", "a,b,c,d\n", ": expected at least one solution, found none"),
        ("pool.csv", "1,2,2,1\n2,1,1\n", ":2: expected 4 values, got 3"),
        ("pool.csv", "a,b,c,d\n\n1,2,2,1\n2,1,1,2,1\n", ":4: expected 4 values, got 5"),
        ("pool.csv", "1,2,2,1\n2,1,one,2\n", ":2: expected integers separated by commas"),
        ("pool.csv", "1,2,2,1\n2,1,1.5,2\n", ":2: expected integers separated by commas"),
        ("pool.csv", "1,2,2,1\n2,1,,2\n", ":2: expected integers separated by commas"),
        ("pool.csv", "1;2;2;1\n2;1;1;2\n", ":2: expected integers separated by commas"),
        ("pool.csv", b"\xff\xfe1,2", ": expected a text file of comma-separated integers"),
        ("pool.csv", "a,b,c,d\n1,2,2,1\n2,1,3,2\n", ":3: "),
        ("pool.csv", "1,2,2,x\n1,2,2,1\n", ":1: "),
        ("pool.csv", f"1,2,2,{10**30}\n", ":1: "),
        ("pool.csv", f"1,2,2,{'1' * 200_000}\n", ""),
        ("pool.npz", b"", ": expected an .npz archive"),
        ("pool.npz", b"not a zip", ": expected an .npz archive of numpy arrays"),
        ("pool.npz", npz(solutions=SQUARES)[:-30], ": expected an .npz archive of numpy arrays"),
        ("pool.npz", npy(SQUARES), ": expected an .npz archive"),
        ("pool.npz", npz(squares=SQUARES, n=2), ": expected an array named 'solutions', found squares, n"),
        ("pool.npz", npz(solutions=np.array([None])), ": expected an .npz archive of numpy arrays"),
        ("pool.npz", npz(solutions=np.array(SQUARES) / 2), ": expected integer values, got float64"),
        ("pool.npz", npz(solutions=[[1, 2, 2]]), ": expected 4 values per solution, got 3"),
        ("pool.npz", npz(solutions=[1, 2, 2, 1]), ": expected "),
        ("pool.npz", npz(solutions=1), ": expected"),
        ("pool.npz", npz(solutions=np.zeros((0, 4), int)), ": expected"),
        ("pool.npz", npz(solutions=[[1, 2, 2, 1], [0, 1, 1, 2]]), ": solution 2, variable 1: expected a value 1..2"),
    ],
)
def test_a_malformed_file_is_one_line_with_its_name(
    name: str, content: bytes | str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(PoolError, match=re.escape(f"{tmp_path / name}{message}")) as error:
        read(tmp_path / name, content)
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 500


def test_a_damaged_archive_is_refused_or_read_wherever_the_damage_is(tmp_path: Path) -> None:
    whole = npz(solutions=SQUARES * 10)
    for position in range(len(whole)):
        with contextlib.suppress(PoolError):
            read(tmp_path / "pool.npz", whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])


@pytest.mark.parametrize("name", ["missing.csv", "missing.npz", "folder.csv"])
def test_a_file_that_is_not_there(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(PoolError, match=rf"{name}: expected a file of solutions \(\.npz or \.csv\), found none"):
        read_pool(tmp_path / name, 4, 1, 2)
