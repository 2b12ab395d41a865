from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from nnsearch.errors import ConfigError
from training.running.side_by_side import SideBySideError, side_by_side

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]


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


SLOW_TO_IMPORT = """
import sys, time
from pathlib import Path
from training.running.side_by_side import side_by_side

Path(sys.argv[1], f"{__name__} {time.monotonic_ns()}").touch()
if __name__ != "__main__":
    time.sleep(2)  # as a process that imports torch


def wait(number):
    time.sleep(60)


if __name__ == "__main__":
    try:
        list(side_by_side(wait, [1, 2], 2))
    except KeyboardInterrupt:
        sys.exit(130)
"""


INTERRUPTED_START = """
import multiprocessing.util, os, signal, sys, threading, time
from training.running.side_by_side import side_by_side

spawn = multiprocessing.util.spawnv_passfds


def spawn_and_press(path, arguments, descriptors):
    process = spawn(path, arguments, descriptors)
    if any("spawn_main" in os.fsdecode(argument) for argument in arguments):  # not the resource tracker
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)  # for the other thread to take it
    return process


def wait(number):
    time.sleep(60)


if __name__ == "__main__":
    multiprocessing.util.spawnv_passfds = spawn_and_press
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    try:
        list(side_by_side(wait, [1, 2], 2))
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_ctrl_c_in_the_middle_of_a_start_is_not_lost_and_tears_nothing(tmp_path: Path) -> None:
    script = tmp_path / "start.py"
    script.write_text(INTERRUPTED_START)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_ctrl_c_while_processes_import_is_told_by_one_alone(tmp_path: Path) -> None:
    script, seen = tmp_path / "slow.py", tmp_path / "seen"
    script.write_text(SLOW_TO_IMPORT)
    seen.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(script), str(seen)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for _ in range(600):
        if len(list(seen.iterdir())) == 3 or process.poll() is not None:  # itself and both are at their imports
            break
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
