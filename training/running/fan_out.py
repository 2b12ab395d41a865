"""One function over many tasks: in this process, or on the machines of a Ray cluster."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from nnsearch.errors import ConfigError, NNSearchError
from training.running.ray_cluster import connected

Task = TypeVar("Task")
Result = TypeVar("Result")

_ROOT = Path(__file__).resolve().parents[2]

_RETRIES = 3
"""How often a task is tried again after the worker that had it was killed."""


class FanOutError(NNSearchError):
    """The machines of a cluster could not do a task, through no fault of the task that is known."""


@dataclass(frozen=True)
class Needs:
    """What a task needs of the machine that runs it: processors that it keeps busy, and GPUs that it has to itself."""

    cpus: int = 1
    gpus: int = 0


ONE_CPU = Needs()


def _one_cpu(task: object) -> Needs:
    return ONE_CPU


def fan_out(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    ray: str | None = None,
    needs: Callable[[Task], Needs] = _one_cpu,
) -> Generator[tuple[Task, Result], None, None]:
    """Yield each task with what the function makes of it.

    Without Ray: one after the other, in their order. With it: as they finish, in any order; a few more tasks than there
    are processors are under way at a time, so the tasks may be an endless stream. When a worker or a machine is killed,
    its tasks are done again on others. An error that the function raises is raised here, and is not tried again. Close
    the generator to give up what is under way; an error and Ctrl-C do that too.

    Args:
        function: what to do; it, the tasks and the results are pickled (by cloudpickle: closures are fine).
        tasks: what to do it with; an empty iterable starts nothing.
        ray: see :func:`training.running.ray_cluster.connected`; None is this process.
        needs: what a task needs of a machine of the cluster.

    Raises:
        ConfigError: Ray is missing or cannot be reached, or no machine of the cluster is large enough for a task.
        FanOutError: a task killed its worker again and again, or a machine cannot run tasks.
        Exception: whatever the function raises.
    """
    waiting = iter(tasks)
    if ray is None:
        for task in waiting:
            yield task, function(task)
        return
    for first in waiting:
        with connected(ray) as cluster:
            yield from _on_cluster(cluster, function, itertools.chain([first], waiting), needs)


def _on_cluster(
    ray: Any,
    function: Callable[[Task], Result],
    waiting: Iterable[Task],
    needs: Callable[[Task], Needs],
) -> Generator[tuple[Task, Result], None, None]:
    def run(task: Task) -> Result:
        return function(task)

    remote = ray.remote(run)
    waiting = iter(waiting)
    running: dict[Any, Task] = {}
    try:
        while True:
            # Asked anew each time: machines come and go.
            most = max(2, 2 * int(ray.cluster_resources().get("CPU", 0)))
            for task in itertools.islice(waiting, max(0, most - len(running))):
                wanted = needs(task)
                _check_room(ray, wanted)
                options = {"num_cpus": wanted.cpus, "num_gpus": wanted.gpus, "max_retries": _RETRIES}
                running[remote.options(**options, retry_exceptions=False).remote(task)] = task
            if not running:
                return
            (finished,), _ = ray.wait(list(running), num_returns=1)
            task = running.pop(finished)
            yield task, _result(ray, finished)
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def _check_room(ray: Any, wanted: Needs) -> None:
    """Refuse what no machine can run: Ray would wait for a larger machine without a word."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for name, number in (("CPU", wanted.cpus), ("GPU", wanted.gpus)):
        largest = max((machine.get(name, 0) for machine in machines), default=0)
        if number > largest:
            raise ConfigError(
                f"expected a machine with {number} {name}{'s' * (number > 1)} in the Ray cluster, "
                f"the largest has {largest:g}"
            )


def _result(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, NNSearchError | OSError):
            raise error.cause from None
        if "ModuleNotFoundError" in str(error):
            raise FanOutError(
                f"expected the checkout {_ROOT} on every machine of the Ray cluster, and this command to run in it, "
                f"got: {str(error).strip().splitlines()[-1]}"
            ) from None
        raise
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())[:300]
        raise FanOutError(
            f"Ray gave up a task, after up to {_RETRIES} retries: {type(error).__name__}, {reason}"
        ) from None
