"""Orders of tasks: by priority rules, which need no training, or by targets; and the schedules that they lead to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from nnsearch.schedules.generation import Generated, Generator
from nnsearch.schedules.reading import Schedule

_JUSTIFICATIONS = 4  # of a schedule, as long as each makes it better
_PLACES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of tasks without a target, as shares of the times that they have


def rules(schedule: Schedule) -> Iterator[list[float]]:
    """Yield T times of each rule, by which the tasks are ordered: the ones that are best most often first.

    The head of a task is when it can begin at the earliest, its tail what has to follow until the end. First comes what
    has to end first (latest finish time, least tail after it), what is at the middle of its time, what has to begin
    first (latest start time, most work remaining), and what can begin first.
    """
    heads, tails = schedule.heads(), schedule.tails()
    starts = [task.start for task in schedule.tasks]
    least = [min(mode.duration for mode in task.modes) for task in schedule.tasks]
    yield [duration - tails[start] for start, duration in zip(starts, least, strict=True)]
    yield [heads[start] - tails[start] for start in starts]
    yield [-tails[start] for start in starts]
    yield [float(heads[start]) for start in starts]


def targeted_orders(schedule: Schedule, targets: Sequence[float]) -> Iterator[list[float]]:
    """Yield T times that are the targets, where there are some; the other tasks come at several places.

    These are between a task's head and the latest time that leaves its tail before the end that the targets tell of.

    Args:
        schedule: of T tasks.
        targets: T of them, NaN where there is none.
    """
    unknown = [place for place, target in enumerate(targets) if not math.isfinite(target)]
    if not unknown:
        yield list(targets)
        return
    heads, tails = schedule.heads(), schedule.tails()
    starts = [task.start for task in schedule.tasks]
    after = [max(tails[start], 0.0) for start in starts]
    end = max((t + tail for t, tail in zip(targets, after, strict=True) if math.isfinite(t)), default=0.0)
    for share in _PLACES:
        times = list(targets)
        for place in unknown:
            head = heads[starts[place]]
            times[place] = head + share * max(end - after[place] - head, 0.0)
        yield times


def better_schedules(
    generator: Generator,
    orders: Iterable[Sequence[float]],
    enough: Callable[[], bool],
    *,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Generated]:
    """Yield schedules of some orders, each better than those before.

    First each order has its own, then each of these is justified as long as that makes it better, the best first.

    Args:
        generator: of the model.
        orders: T times each.
        enough: asked between two schedules; true ends it, with one schedule at least.
        stop: asked from time to time; true ends it at once.

    Raises:
        ReadingStoppedError: ``stop`` said so.
    """
    least = math.inf
    made: list[Generated] = []
    for times in orders:
        if made and enough():
            return
        made.append(generator.forward(generator.ordered(times), stop=stop))
        if made[-1].cost < least:
            least = made[-1].cost
            yield made[-1]
    for found in sorted(made, key=lambda schedule: schedule.cost):
        cost = math.inf
        for _ in range(_JUSTIFICATIONS):
            if found.cost >= cost or enough():
                break
            cost = found.cost
            found = generator.forward(generator.ordered(generator.backward(found, stop=stop)), stop=stop)
            if found.cost < least:
                least = found.cost
                yield found
