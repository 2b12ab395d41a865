"""What numba compiles is loaded once, beside what goes on, and searches go on without where it cannot be had."""

from __future__ import annotations

import functools
import importlib
import logging
import os
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


def test_python_waits_for_it_whoever_asked_first(load_with: Callable[[Callable[[str], object]], None]) -> None:
    """A search is a daemon, as threads are that it makes, unless they are told. LLVM at work at the exit is a crash."""
    module = compiled()
    load_with(lambda name: module)
    asks = threading.Thread(target=compiled, daemon=True)
    asks.start()
    asks.join()
    assert not loading._loading().daemon


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_process_that_was_forked_meanwhile_loads_by_itself() -> None:
    program = """
import os, sys, threading, importlib
from nnsearch.schedules import loading
released, load = threading.Event(), importlib.import_module
importlib.import_module = lambda name: (released.wait(), load(name))[1]
loading._loading()
child = os.fork()
released.set()
importlib.import_module = load
assert loading.compiled().improve
sys.exit(os.waitpid(child, 0)[1] if child else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


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
    program = """
import threading
from nnsearch.schedules.loading import _loading
asks = threading.Thread(target=_loading, daemon=True)  # as a search is
asks.start()
asks.join()
assert _loading().is_alive()
"""
    environment = {**ENVIRONMENT, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.rglob("moves.improve*.nbc")), "the next program has it"
