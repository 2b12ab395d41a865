"""What numba compiles is loaded once, beside what goes on, and searches go on without where it cannot be had."""

from __future__ import annotations

import functools
import importlib
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from stand_ins import ENVIRONMENT

from nnsearch.errors import CompilerError
from nnsearch.model.stopping import ReadingStoppedError
from nnsearch.schedules import loading
from nnsearch.schedules.loading import compiled, is_compiled


@pytest.fixture
def load_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], object]], None]:
    """Let the module be loaded anew, by a function that is given its name."""

    def use(load: Callable[[str], object]) -> None:
        monkeypatch.setattr(loading, "_loading", functools.cache(loading._loading.__wrapped__))
        monkeypatch.setattr(importlib, "import_module", load)

    return use


def test_it_is_loaded_once() -> None:
    modules = [compiled()]
    others = [threading.Thread(target=lambda: modules.append(compiled())) for _ in range(4)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert set(modules) == {sys.modules["nnsearch.schedules.moves"]}
    assert len(modules) == 5


def test_who_is_told_to_stop_does_not_wait_for_it(load_with: Callable[[Callable[[str], object]], None]) -> None:
    module, released, asked = compiled(), threading.Event(), list[str]()

    def load(name: str) -> object:
        asked.append(name)
        released.wait()
        return module

    load_with(load)
    assert not is_compiled()
    assert asked == [], "to ask begins nothing"
    with pytest.raises(ReadingStoppedError):
        compiled(lambda: True)
    assert not is_compiled()
    released.set()
    assert compiled() is module
    assert is_compiled()
    assert asked == ["nnsearch.schedules.moves"], "what had begun goes on"


def test_where_it_cannot_be_compiled_one_line_says_so(
    load_with: Callable[[Callable[[str], object]], None], caplog: pytest.LogCaptureFixture
) -> None:
    def load(name: str) -> object:
        raise RuntimeError("cannot cache function 'settle': no locator available")

    load_with(load)
    with caplog.at_level(logging.WARNING, "nnsearch"):
        for _ in range(2):
            with pytest.raises(CompilerError, match=r"expected numba .*, got RuntimeError: .*set NUMBA_CACHE_DIR"):
                compiled()
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("tabu search on schedules is left out: ")


@pytest.mark.slow
def test_a_program_that_ends_while_it_is_compiled_ends_well(tmp_path: Path) -> None:
    program = "from nnsearch.schedules.loading import _loading; assert _loading().is_alive()"
    environment = {**ENVIRONMENT, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.rglob("moves.improve*.nbc")), "the next program has it"
