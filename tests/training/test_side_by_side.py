from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from nnsearch.errors import ConfigError
from training.side_by_side import SideBySideError, side_by_side


def square(number: int) -> tuple[int, int]:
    return number**2, os.getpid()


def fail(number: int) -> int:
    raise ConfigError(f"no {number}")


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def wait_for_ctrl_c(folder: Path, number: int) -> int:
    if number == 0:
        while not (folder / "1").exists():
            time.sleep(0.01)
        return number
    try:
        (folder / str(number)).touch()
        time.sleep(60)
    except KeyboardInterrupt:
        (folder / f"{number} was interrupted").touch()
        raise
    return number


def test_tasks_are_done_in_processes_of_their_own() -> None:
    results = dict(side_by_side(square, range(5), 2))
    assert {task: result for task, (result, _) in results.items()} == {task: task**2 for task in range(5)}
    assert len({process for _, process in results.values()} | {os.getpid()}) == 6


def test_without_tasks_nothing_happens() -> None:
    assert list(side_by_side(square, [], 2)) == []


def test_an_error_is_raised_here() -> None:
    with pytest.raises(ConfigError, match=r"^no 3$"):
        list(side_by_side(fail, [3], 2))


def test_a_process_that_is_killed_is_an_error() -> None:
    with pytest.raises(SideBySideError, match="was killed by signal 9 in the middle of its task"):
        list(side_by_side(die, [0], 2))


def test_closing_interrupts_what_is_under_way(tmp_path: Path) -> None:
    with closing(side_by_side(partial(wait_for_ctrl_c, tmp_path), range(3), 2)) as results:
        assert next(results) == (0, 0)
    assert (tmp_path / "1 was interrupted").exists()
