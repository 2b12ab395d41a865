"""The disjunctive graph of a schedule: in which order tasks take the resources that each of them takes whole.

See B. Roy, B. Sussmann, Les problèmes d'ordonnancement avec contraintes disjonctives, 1964. The head of a task is when
it begins at the earliest in such an order, its tail what has to pass from its begin to the end of the schedule. A fixed
interval is a task that may begin at one time alone: in an order that brings it too late the schedule is not feasible.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from nnsearch.compiled.loading import compiled
from nnsearch.errors import NothingToReadError
from nnsearch.schedules.arrays import NEVER, NOTHING, Graph
from nnsearch.schedules.generation import Generated
from nnsearch.schedules.reading import NOBODY, Mode, Schedule

_MOST_ARCS = 4  # for each task and arc: what all tasks of a phase wait for makes a pair of each two


class DisjunctiveGraph:
    """T tasks, each done in one way, that take resources whole, and one end that they all lead to.

    Args:
        schedule: the schedule.
        modes: how each task is done, the place among its modes.
        begins: when it begins; this says in which order resources are taken.
        stop: asked while machine code is loaded; true gives up.

    Attributes:
        end: the variable that is to be the least.
        arrays: the graph, for the functions of ``compiled``.
        compiled: the functions of :mod:`nnsearch.schedules.moves`.

    Raises:
        NothingToReadError: a task takes a part of a resource, the objective is another one than the end, or the begins
            break the arcs; or no task leads to the end, too many pairs of tasks wait for each other, or times are too
            far away.
        CompilerError: see :func:`nnsearch.compiled.loading.compiled`.
        ReadingStoppedError: ``stop`` said so.
    """

    def __init__(
        self,
        schedule: Schedule,
        modes: Sequence[int],
        begins: Sequence[int],
        stop: Callable[[], bool] | None = None,
    ) -> None:
        ways = [task.modes[mode] for task, mode in zip(schedule.tasks, modes, strict=True)]
        if any(schedule.resources[resource].capacity != 1 for way in ways for resource, _ in way.uses):
            raise NothingToReadError("expected resources that a task takes whole, got one that tasks share")
        self._modes = list(modes)
        self.end = _end(schedule)
        self._price = float(schedule.cost[self.end])
        arcs, least_tails = _task_arcs(schedule, ways, self.end)
        ending = [task for task, tail in enumerate(least_tails) if tail > NEVER // 2]
        if not ending:
            raise NothingToReadError("expected a task before the end, got none")
        tails = schedule.tails()
        latest = _latest(schedule, ways, tails, self.end)
        low = schedule.low.tolist()
        least = [low[task.start] + way.start_shift for task, way in zip(schedule.tasks, ways, strict=True)]
        durations = [way.duration for way in ways]
        taken = [[resource for resource, _ in way.uses] for way in ways]
        begins = list(begins)
        for begin, end, resource in _fixed(
            schedule, ways, tails, max(begins[task] + least_tails[task] for task in ending)
        ):
            latest[len(durations)] = begin
            durations.append(end - begin)
            taken.append([resource])
            for times in (least, begins):
                times.append(begin)
            least_tails.append(NEVER)
            arcs.append([])
        uses = [len(resources) for resources in taken]
        self.arrays = Graph.of_lists(durations, least, least_tails, uses, arcs, sorted({*ending, *latest}))
        self._ending, self._limited = np.array(ending), np.array(list(latest), dtype=np.int64)
        self._latest = np.array(list(latest.values()), dtype=np.int64)
        self._least_tails = self.arrays.tasks["least_tail"].copy()
        self._take(taken, begins)
        self.compiled = compiled(stop)  # last, as it takes long, and other schedules do without
        if not self.compiled.settle(self.arrays):
            raise NothingToReadError("expected times in the order of the tasks, got others")

    def _take(self, taken: Sequence[Sequence[int]], begins: Sequence[int]) -> None:
        """Let tasks take resources in the order of their begins."""
        tasks, uses = self.arrays.tasks, self.arrays.uses
        first, durations = tasks["first_use"].tolist(), tasks["duration"].tolist()
        last, following = [NOTHING] * len(uses), [NOTHING] * len(uses)
        previous: dict[int, int] = {}
        # Of those that begin together, the ones that take no time come first.
        order = sorted(range(len(taken)), key=lambda task: (begins[task], durations[task]))
        for task in order:
            for use, resource in enumerate(taken[task], first[task]):
                last[use] = previous.get(resource, NOTHING)
                if last[use] != NOTHING:
                    following[last[use]] = use
                previous[resource] = use
        uses["last"], uses["following"] = last, following
        self.arrays.places["task"] = order
        tasks["place"][order] = np.arange(len(order))

    @property
    def length(self) -> int:
        """The end's value in the order that there is, whatever comes too late."""
        return int((self.arrays.tasks["head"] + self._least_tails)[self._ending].max())

    def aim(self, best: int) -> None:
        """Let the longest path be shorter than ``best`` where the end is, and nothing comes too late.

        What comes too late by some time makes a path that is by as much too long.
        """
        if len(self._limited):
            tails = self.arrays.tasks["least_tail"]
            tails[self._limited] = np.maximum(self._least_tails[self._limited], best - 1 - self._latest)
            self.compiled.settle(self.arrays)

    def generated(self) -> Generated:
        """Return the schedule in which each task begins at its head."""
        tasks = self.arrays.tasks[: len(self._modes)]
        ends = (tasks["head"] + tasks["duration"]).tolist()
        return Generated(tasks["head"].tolist(), ends, self._modes, self._price * self.length)


def _end(schedule: Schedule) -> int:
    priced = [variable for variable, cost in enumerate(schedule.cost.tolist()) if cost]
    if len(priced) != 1:
        raise NothingToReadError(f"expected an objective that is the end, got one of {len(priced)} variables")
    return priced[0]


def _latest(schedule: Schedule, ways: Sequence[Mode], tails: Sequence[float], end: int) -> dict[int, int]:
    """Return when tasks may begin at the latest, of those which the end's largest value does not leave so much time."""
    most, latest = schedule.latest(), {}
    for number, (task, way) in enumerate(zip(schedule.tasks, ways, strict=True)):
        begin = most[task.start] + way.start_shift
        if way.end != NOBODY:  # an arc says what is true of all ways
            begin = min(begin, most[way.end] + way.end_shift - way.duration)
        if begin < most[end] - tails[task.start] + way.start_shift:
            latest[number] = begin
    return latest


def _fixed(schedule: Schedule, ways: Sequence[Mode], tails: Sequence[float], until: int) -> list[tuple[int, int, int]]:
    """Return fixed intervals of resources that tasks take: (begin, end, resource).

    Those that begin after ``until``, the end of all, are left out if all tasks are before it.
    """
    are_before = all(
        tails[task.start] >= way.start_shift + way.duration for task, way in zip(schedule.tasks, ways, strict=True)
    )
    return [
        (begin, end, resource)
        for resource in sorted({resource for way in ways for resource, _ in way.uses})
        for begin, end, _ in schedule.resources[resource].taken
        if begin < until or not are_before
    ]


def _task_arcs(schedule: Schedule, ways: Sequence[Mode], end: int) -> tuple[list[list[tuple[int, int]]], list[int]]:
    """Return the arcs between begins of tasks, (other, weight) for each, and how long after its begin the end is.

    Variables between them, such as ends of intervals, are passed through.
    """
    task_of = {task.start: number for number, task in enumerate(schedule.tasks)}
    out: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for u, v, weight in schedule.arcs:
        out[u].append((v, weight))
    through: dict[int, dict[int, int]] = {}  # of other variables: the tasks and the end that they lead to
    for u, _, _ in reversed(schedule.arcs):
        if u not in task_of and u not in through:
            through[u] = _led_to(u, out, task_of, end, through)
    arcs: list[list[tuple[int, int]]] = []
    tails: list[int] = []
    count, most = 0, _MOST_ARCS * (len(schedule.tasks) + len(schedule.arcs))
    for number, task in enumerate(schedule.tasks):
        way = ways[number]
        if way.end != NOBODY:  # an arc says what is true of all ways
            out[task.start].append((way.end, way.start_shift + way.duration - way.end_shift))
        reached = _led_to(task.start, out, task_of, end, through)
        tails.append((0 if task.start == end else reached.get(end, NEVER)) - way.start_shift)
        if end not in task_of:
            reached.pop(end, None)
        count += len(reached)
        if count > most:
            raise NothingToReadError(f"expected few tasks that wait for each other, got more than {most} pairs")
        arcs.append(
            [
                (other, weight + ways[other].start_shift - way.start_shift)
                for variable, weight in reached.items()
                if (other := task_of[variable]) != number
            ]
        )
    return arcs, tails


def _led_to(
    variable: int,
    out: dict[int, list[tuple[int, int]]],
    task_of: dict[int, int],
    end: int,
    through: dict[int, dict[int, int]],
) -> dict[int, int]:
    """Return how much the tasks and the end that a variable leads to are above it at least."""
    reached: dict[int, int] = {}
    for other, weight in out[variable]:
        known = {other: 0} if other in task_of or other == end else through.get(other, {})
        for place, more in known.items():
            reached[place] = max(reached.get(place, weight + more), weight + more)
    return reached
