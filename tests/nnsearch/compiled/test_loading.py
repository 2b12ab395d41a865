"""Machine code is made once on a machine and loaded once in a process, and searches go on where it cannot be had."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from stand_ins import ENVIRONMENT, PATIENCE, run_python
from stopping import bounded

from nnsearch.compiled import loading
from nnsearch.compiled.loading import compiled
from nnsearch.compiled.machine_code import code_in, file_name, with_digest
from nnsearch.compiling import making
from nnsearch.errors import CompilerError
from nnsearch.model.stopping import ReadingStoppedError
from nnsearch.schedules.arrays import Graph

COPY = """
import json, sys, time
from pathlib import Path
folder = Path(json.loads(sys.argv[1])[1][0])
while not (folder / "go").exists():
    time.sleep(0.01)
Path(folder, {name!r}).write_bytes((folder / "code").read_bytes())
"""


def code() -> bytes:
    """Return the machine code of this machine."""
    compiled()
    found = [content for folder in loading._folders() if (content := code_in(folder / file_name())) is not None]
    return found[0]


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Let machine code be looked for in an empty folder, and be made by a program."""

    def use(program: str) -> None:
        (tmp_path / "code").write_bytes(with_digest(code()))
        monkeypatch.setenv("NNSEARCH_CACHE_DIR", str(tmp_path))
        monkeypatch.setattr(loading, "_loader", loading._Loader())
        monkeypatch.setattr(loading, "_MAKE", program)

    return use


def test_it_is_loaded_once() -> None:
    loaded = [compiled()]
    others = [threading.Thread(target=lambda: loaded.append(compiled())) for _ in range(4)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert len(loaded) == 5
    assert len(set(loaded)) == 1


def test_a_process_that_loads_it_does_without_numba() -> None:
    compiled()
    done = run_python("""
        import sys
        from nnsearch.schedules.arrays import Graph
        from nnsearch.compiled.loading import compiled
        assert compiled().settle(Graph.of_lists([3], [5], [3], [0], [[]], [0]))
        assert "numba" not in sys.modules
        """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_who_is_told_to_stop_does_not_wait_for_it(anew: Callable[[str], None], tmp_path: Path) -> None:
    anew(COPY.format(name=file_name()))
    with pytest.raises(ReadingStoppedError):
        compiled(lambda: True)
    asked = list[None]()
    with pytest.raises(ReadingStoppedError):
        compiled(lambda: asked.append(None) or len(asked) == 3)  # type: ignore[func-returns-value]
    assert len(asked) == 3
    (tmp_path / "go").touch()
    assert compiled().settle(Graph.of_lists([], [], [], [], [], [])), "what had begun goes on"


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-1], lambda content: b"", lambda content: b"x" + content[1:]]
)
def test_what_is_damaged_is_made_again(
    damage: Callable[[bytes], bytes], anew: Callable[[str], None], tmp_path: Path
) -> None:
    anew(COPY.format(name=file_name()))
    (tmp_path / file_name()).write_bytes(damage((tmp_path / "code").read_bytes()))
    (tmp_path / "go").touch()
    assert compiled().settle(Graph.of_lists([], [], [], [], [], []))
    assert code_in(tmp_path / file_name()) is not None


def test_where_it_cannot_be_made_one_line_says_so(
    anew: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    anew("raise RuntimeError('no such processor')")
    with caplog.at_level(logging.WARNING, "nnsearch"):
        for _ in range(2):
            with pytest.raises(
                CompilerError, match=r"expected numba .*, got RuntimeError: no such processor; .*_CACHE_DIR"
            ):
                compiled()
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("tabu search on schedules and annealing are left out: ")


def test_where_there_is_no_python_to_make_it_one_line_says_so(
    anew: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    anew("")
    monkeypatch.setattr("multiprocessing.spawn.get_executable", lambda: "/nowhere/python")
    with pytest.raises(CompilerError, match=r"got FileNotFoundError"):
        compiled()


def test_a_text_of_errors_that_repeat_does_not_grow(anew: Callable[[str], None]) -> None:
    anew("raise RuntimeError('no such processor')")
    depths = []
    for _ in range(3):
        with pytest.raises(CompilerError) as caught:
            compiled()
        depths.append(len(caught.traceback))
    assert depths[0] == depths[1] == depths[2]


def test_an_end_without_a_word_is_told_by_its_code(anew: Callable[[str], None]) -> None:
    anew("import os; os._exit(9)")
    with pytest.raises(CompilerError, match="got exit code 9; "):
        compiled()


def test_what_makes_it_imports_nothing_from_the_folder_that_it_begins_in(
    anew: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    anew("import json" + COPY.format(name=file_name()))
    (tmp_path / "json.py").write_text("raise RuntimeError('not mine')")
    (tmp_path / "go").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path])  # a path that is no text is for nobody
    assert compiled().settle(Graph.of_lists([], [], [], [], [], []))


def test_a_program_that_is_asked_to_make_it_asks_nobody_else(
    anew: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    anew("")
    monkeypatch.setenv("NNSEARCH_MAKES_CODE", "1")
    with pytest.raises(CompilerError, match="no Python"):
        compiled()


def test_without_a_home_it_is_looked_for_beside_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("NNSEARCH_CACHE_DIR", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert [folder.name for folder in loading._folders()] == ["__pycache__"]


def test_it_is_written_to_the_first_folder_that_can_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = code()
    monkeypatch.setattr(making, "machine_code", lambda: made)
    (tmp_path / "file").touch()
    folders = [str(tmp_path / "file"), str(tmp_path / "new" / "folder"), str(tmp_path / "other")]
    making.main(folders)
    assert [file.name for file in (tmp_path / "new" / "folder").iterdir()] == [file_name()]
    assert code_in(tmp_path / "new" / "folder" / file_name()) == made
    assert not (tmp_path / "other").exists()
    with pytest.raises(OSError, match="file"):
        making.main(folders[:1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_process_that_was_forked_meanwhile_loads_by_itself() -> None:
    compiled()
    done = run_python("""
        import os, sys
        from nnsearch.compiled import loading
        with loading._loader.lock:
            child = os.fork()
            if not child:
                assert loading.compiled().improve
                os._exit(0)
        sys.exit(os.waitpid(child, 0)[1])
        """)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_program_that_ends_while_it_is_made_ends_at_once(tmp_path: Path) -> None:
    program = """
from nnsearch.model.stopping import ReadingStoppedError
from nnsearch.compiled.loading import compiled
try:
    compiled(lambda: True)
    raise AssertionError
except ReadingStoppedError:
    pass
try:
    compiled(iter([False, True]).__next__)
except ReadingStoppedError:
    print("ends")
"""
    environment = {**ENVIRONMENT, "NNSEARCH_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ends\n", "")
    assert not list(tmp_path.iterdir())
    with bounded(5 * PATIENCE):
        while not (tmp_path / file_name()).exists():  # the next program has it
            time.sleep(0.1)
    assert code_in(tmp_path / file_name()) is not None
