"""Orders of tasks that need no training: priority rules, and the best schedule that any of them leads to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from nnsearch.schedules.generation import Generated, Generator
from nnsearch.schedules.reading import Schedule

_JUSTIFICATIONS = 4  # of the schedule of a rule, as long as each makes it better


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


def best_schedule(
    generator: Generator,
    orders: Iterable[Sequence[float]],
    over: Callable[[], bool],
    *,
    stop: Callable[[], bool] | None = None,
) -> Generated | None:
    """Return the best schedule of some orders, each justified as long as that makes it better; None of no order.

    Args:
        generator: of the model.
        orders: T times each.
        over: asked between two schedules; true ends it, with one schedule at least.
        stop: asked from time to time; true ends it with none.

    Raises:
        ReadingStoppedError: ``stop`` said so.
    """
    best: Generated | None = None
    for times in orders:
        if best is not None and over():
            break
        found = generator.forward(generator.ordered(times), stop=stop)
        for _ in range(_JUSTIFICATIONS):
            if over():
                break
            again = generator.forward(generator.ordered(generator.backward(found, stop=stop)), stop=stop)
            if again.cost >= found.cost:
                break
            found = again
        if best is None or found.cost < best.cost:
            best = found
    return best
