from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nnsearch.errors import ConfigError, PoolError
from training.running.fan_out import FanOutError, Needs, fan_out
from training.running.ray_cluster import connected

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ray(cluster: str) -> Iterator[str]:
    """The cluster, with one connection for all tests of this file."""
    with connected(cluster):
        yield cluster


def twice(number: int) -> int:
    return 2 * number


def counted(numbers: Iterator[int], taken: list[int]) -> Iterator[int]:
    for number in numbers:
        taken.append(number)
        yield number


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_without_ray_tasks_are_done_in_turn() -> None:
    taken: list[int] = []
    done = fan_out(twice, counted(itertools.count(), taken))
    assert list(itertools.islice(done, 3)) == [(0, 0), (1, 2), (2, 4)]
    assert taken == [0, 1, 2]


def test_no_task_starts_nothing() -> None:
    assert list(fan_out(twice, [], ray="nowhere:1")) == []


def test_every_task_of_a_cluster_is_done_once(ray: str, tmp_path: Path) -> None:
    def work(number: int) -> int:
        (tmp_path / f"{number}-{os.getpid()}-{time.monotonic_ns()}").touch()
        return number * offset

    offset = 3
    done = list(fan_out(work, range(40), ray=ray))
    assert sorted(done) == [(number, 3 * number) for number in range(40)]
    assert sorted(int(path.name.split("-")[0]) for path in tmp_path.iterdir()) == list(range(40))


def test_few_tasks_of_an_endless_stream_are_under_way(ray: str) -> None:
    def work(number: int) -> int:
        return number

    taken: list[int] = []
    with contextlib.closing(fan_out(work, counted(itertools.count(), taken), ray=ray)) as done:
        for _ in range(12):
            next(done)
        assert len(taken) <= 12 + 2 * 2


def test_an_error_of_a_task_is_raised_here_and_the_task_not_done_again(ray: str, tmp_path: Path) -> None:
    def work(number: int) -> int:
        if number == 3:
            with (tmp_path / "tried").open("a") as file:
                file.write("x")
            raise PoolError("no. 3: expected anything else")
        return number

    with pytest.raises(PoolError, match=r"^no\. 3: expected anything else$"):
        list(fan_out(work, range(8), ray=ray))
    assert (tmp_path / "tried").read_text() == "x"


def test_a_mistake_in_a_task_keeps_its_name(ray: str) -> None:
    def work(number: int) -> float:
        return 1 / number

    with pytest.raises(ZeroDivisionError):
        list(fan_out(work, [0], ray=ray))


def test_the_tasks_of_a_killed_worker_are_done_again(ray: str, tmp_path: Path) -> None:
    def work(number: int) -> int:
        killed = tmp_path / "killed"
        if number == 5 and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    assert sorted(fan_out(work, range(12), ray=ray)) == [(number, number) for number in range(12)]
    assert (tmp_path / "killed").exists()


def test_a_task_that_kills_every_worker_is_one_line(ray: str, tmp_path: Path) -> None:
    def work(number: int) -> None:
        with (tmp_path / "tried").open("a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(FanOutError, match=r"Ray gave up a task, after up to 3 retries: WorkerCrashedError") as error:
        list(fan_out(work, [1], ray=ray))
    assert "\n" not in str(error.value)
    assert (tmp_path / "tried").read_text() == "xxxx"


def test_what_no_machine_can_do_is_refused(ray: str) -> None:
    with pytest.raises(ConfigError, match="expected a machine with 3 CPUs in the Ray cluster, the largest has 1"):
        list(fan_out(twice, [1], ray=ray, needs=lambda _: Needs(cpus=3)))
    with pytest.raises(ConfigError, match="expected a machine with 1 GPU in the Ray cluster, the largest has 0"):
        list(fan_out(twice, [1], ray=ray, needs=lambda _: Needs(gpus=1)))


def test_ctrl_c_ends_what_runs(ray: str, tmp_path: Path) -> None:
    def work(number: int) -> None:
        (tmp_path / str(os.getpid())).touch()
        time.sleep(60)

    def press() -> None:
        while not list(tmp_path.iterdir()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        list(fan_out(work, [1, 2], ray=ray))
    thread.join()
    limit = time.monotonic() + 20
    while not all(gone(int(path.name)) for path in tmp_path.iterdir()):
        assert time.monotonic() < limit
        time.sleep(0.05)
