from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked import kill_when
from hypothesis import given
from hypothesis import strategies as st

from nnsearch.errors import ConfigError
from nnsearch.problems.latin_square.problem import is_solution
from training.__main__ import main
from training.data.pools.jacobson_matthews import JacobsonMatthews
from training.data.pools.latin_squares import Chunk, chunks_of
from training.data.search_labels import LabelInstance, LabelledSearch, read_labels
from training.running.parts import Parts
from training.running.ray_cluster import connected

pytestmark = pytest.mark.slow

Capture = pytest.CaptureFixture[str]

POOL = ["pool", "--order", "10", "--solutions", "1501", "--seed", "3", "--chunks", "8"]
LABEL = ["label", "--model", "bp", "--instances", "latin-square:14:0.45:6", "sudoku:3:0.65:3"]
LABEL += ["--failures", "20", "--states", "6", "--seed", "5"]


def written(command: list[str], out: Path, *more: str) -> dict[str, Any]:
    assert main([*command, "--out", str(out), *more]) == 0
    assert not out.with_name(out.name + ".parts").exists()
    with np.load(out) as arrays:
        return dict(arrays)


@given(solutions=st.integers(1, 60), share=st.floats(0, 1), seed=st.integers(0, 9))
def test_chunks_divide_a_pool(solutions: int, share: float, seed: int) -> None:
    count = max(1, round(share * solutions))
    chunks = chunks_of(7, solutions, seed, count)
    assert [chunk.index for chunk in chunks] == list(range(count))
    sizes = [chunk.solutions for chunk in chunks]
    assert sum(sizes) == solutions
    assert max(sizes) - min(sizes) <= 1
    assert len({chunk.seed for chunk in chunks}) == count
    assert (chunks[0].seed == seed) == (count == 1)


def test_a_chunk_is_the_chain_of_its_seed() -> None:
    squares = Chunk(0, 5, 50, 9).sample()
    np.testing.assert_array_equal(squares.reshape(-1, 5, 5), JacobsonMatthews(5, 9).sample(50))


def test_a_pool_in_chunks_holds_squares_and_one_chunk_is_what_it_always_was(tmp_path: Path) -> None:
    command = ["pool", "--order", "6", "--solutions", "40", "--seed", "3"]
    (whole, again, divided) = (
        written(command, tmp_path / f"{number}.npz", *more)["solutions"]
        for number, more in enumerate([[], ["--chunks", "1"], ["--chunks", "3"]])
    )
    np.testing.assert_array_equal(whole, again)
    np.testing.assert_array_equal(whole.reshape(40, 6, 6), JacobsonMatthews(6, 3).sample(40))
    assert divided.shape == whole.shape
    assert len(np.unique(divided, axis=0)) == 40
    assert all(is_solution(square) for square in divided.reshape(40, 6, 6))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[str]], Path]:
    """Gives the file that a command makes which nothing stops."""
    folder = tmp_path_factory.mktemp("whole")

    def made(command: list[str]) -> Path:
        path = folder / f"{command[0]}.npz"
        if not path.exists():
            written(command, path)
        return path

    return made


@pytest.fixture(scope="module")
def ray(cluster: str) -> Iterator[str]:
    """The cluster, with one connection for all tests of this file: another one would start its workers anew."""
    with connected(cluster):
        yield cluster


@pytest.mark.parametrize("command", [POOL, LABEL], ids=["pool", "label"])
def test_a_cluster_makes_the_same_file(
    command: list[str], whole: Callable[[list[str]], Path], ray: str, tmp_path: Path
) -> None:
    written(command, tmp_path / "there.npz", "--ray", ray)
    assert whole(command).read_bytes() == (tmp_path / "there.npz").read_bytes()


@pytest.mark.parametrize(
    ("command", "worker", "method", "total"),
    [(POOL, Chunk, "sample", 8), (LABEL, LabelInstance, "__call__", 9)],
    ids=["pool", "label"],
)
def test_a_killed_run_goes_on_without_doing_anything_twice(
    command: list[str],
    worker: type,
    method: str,
    total: int,
    whole: Callable[[list[str]], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "killed.npz"
    folder = tmp_path / "killed.npz.parts"
    kill_when(lambda: len(list(folder.glob("*.npz"))) >= 2, "training", [*command, "--out", out])
    kept = {path.name: path.read_bytes() for path in folder.glob("*.npz")}
    assert 2 <= len(kept) < total
    assert not out.exists()

    done = []
    real: Callable[..., Any] = getattr(worker, method)

    def counted(*arguments: Any) -> Any:
        done.append(arguments)
        assert {name: (folder / name).read_bytes() for name in kept} == kept
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(worker, method, counted)
        written(command, out)
    assert len(done) == total - len(kept)
    assert out.read_bytes() == whole(command).read_bytes()


def test_ctrl_c_keeps_the_labels_of_finished_searches(
    whole: Callable[[list[str]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    out, real = tmp_path / "labels.npz", LabelInstance.__call__

    def interrupted(self: LabelInstance, task: Any) -> LabelledSearch:
        if task[0] == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, task)

    with monkeypatch.context() as patch:
        patch.setattr(LabelInstance, "__call__", interrupted)
        assert main([*LABEL, "--out", str(out)]) == 130
    shown = capsys.readouterr()
    assert "of 4 searches" in shown.out
    assert shown.err.splitlines()[-1] == "interrupted; the same command goes on with the other 5 searches"
    some = len(read_labels(out))
    written(LABEL, out)
    assert some < len(read_labels(out))
    assert out.read_bytes() == whole(LABEL).read_bytes()


@pytest.mark.parametrize(
    ("command", "changed"),
    [(POOL, [*POOL[:-1], "4"]), (LABEL, [*LABEL[:-1], "6"])],
    ids=["pool", "label"],
)
def test_parts_of_another_run_are_refused(
    command: list[str], changed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    out = tmp_path / "x.npz"

    def dies(self: Parts, index: int, arrays: dict[str, Any]) -> None:
        real(self, index, arrays)
        raise KeyboardInterrupt

    real = Parts.write
    with monkeypatch.context() as patch:
        patch.setattr(Parts, "write", dies)
        assert main([*command, "--out", str(out)]) == 130
    capsys.readouterr()
    assert main([*changed, "--out", str(out)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"error: {out}.parts holds parts of a run with other options; ")
    assert not out.exists()
    assert len(list((tmp_path / "x.npz.parts").glob("*.npz"))) == 1


def test_a_folder_that_holds_no_parts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.npz.parts").mkdir()
    (tmp_path / "x.npz.parts" / "precious").touch()
    with pytest.raises(ConfigError, match="remove the folder"):
        Parts(tmp_path / "x.npz", {})


def test_parts_are_written_whole(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "deep" / "x.npz", {"a": [1, None]})
    assert parts.missing(3) == [0, 1, 2]
    assert not parts.folder.exists()
    parts.write(1, {"numbers": np.arange(4)})
    parts = Parts(tmp_path / "deep" / "x.npz", {"a": [1, None]})
    assert parts.missing(3) == [0, 2]
    assert parts.read(1)["numbers"].tolist() == [0, 1, 2, 3]
    parts.remove()
    assert not parts.folder.exists()


@pytest.mark.parametrize("chunks", ["0", "-1", "11"])
def test_chunks_out_of_range_are_one_line(chunks: str, tmp_path: Path, capsys: Capture) -> None:
    out = str(tmp_path / "x.npz")
    assert main(["pool", "--order", "4", "--solutions", "10", "--chunks", chunks, "--out", out]) == 2
    assert capsys.readouterr().err == (
        f"error: --chunks: expected 1 to 10, one solution in each or more, got {chunks}\n"
    )
