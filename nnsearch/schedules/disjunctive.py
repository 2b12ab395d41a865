"""The disjunctive graph of a schedule: in which order tasks take the resources that each of them takes whole.

See B. Roy, B. Sussmann, Les problèmes d'ordonnancement avec contraintes disjonctives, 1964. The head of a task is when
it begins at the earliest in such an order, its tail what has to pass from its begin to the end of the schedule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from random import Random
from typing import NamedTuple

from nnsearch.errors import NothingToReadError
from nnsearch.schedules.generation import Generated
from nnsearch.schedules.reading import NOBODY, Mode, Schedule

_NOTHING = -1  # no task
_NEVER = -(2**62)
_REACH = 30  # tasks of a stretch, lest one move of thousands takes seconds
_MOST_ARCS = 4  # for each task and arc: what all tasks of a phase wait for makes a pair of each two
_ONWARD = 0.5  # share of paths that go on before a fixed interval


class Move(NamedTuple):
    """A stretch of tasks, one after the other on a resource, in another order.

    Attributes:
        resource: which.
        tasks: in the order that they have.
        moved: in the other one: the first comes last, or the last comes first.
        length: of the longest path through one of them then, an estimate: what lies behind them keeps its tails.
    """

    resource: int
    tasks: list[int]
    moved: list[int]
    length: int


class DisjunctiveGraph:
    """T tasks, each done in one way, that take resources whole, and one end that they all lead to.

    Args:
        schedule: the schedule.
        modes: how each task is done, the place among its modes.
        begins: when it begins; this says in which order resources are taken.

    Attributes:
        end: the variable that is to be the least.
        length: of the longest path, its value.

    Raises:
        NothingToReadError: a task takes a part of a resource, the objective is another one than the end, or the begins
            break the arcs; or no task leads to the end, or too many pairs of tasks wait for each other.
    """

    def __init__(self, schedule: Schedule, modes: Sequence[int], begins: Sequence[int]) -> None:
        ways = [task.modes[mode] for task, mode in zip(schedule.tasks, modes, strict=True)]
        if any(schedule.resources[resource].capacity != 1 for way in ways for resource, _ in way.uses):
            raise NothingToReadError("expected resources that a task takes whole, got one that tasks share")
        self._durations = [way.duration for way in ways]
        self._uses = [tuple(resource for resource, _ in way.uses) for way in ways]
        taken = [[(begin, end) for begin, end, _ in resource.taken] for resource in schedule.resources]
        self._closed = [sorted(times for resource in uses for times in taken[resource]) for uses in self._uses]
        self._modes = list(modes)
        low = schedule.low.tolist()
        self._least = [low[task.start] + way.start_shift for task, way in zip(schedule.tasks, ways, strict=True)]
        self.end = _end(schedule)
        self._price = float(schedule.cost[self.end])
        self._after, self._least_tails = _task_arcs(schedule, ways, self.end)
        self._ending = [task for task, tail in enumerate(self._least_tails) if tail > _NEVER // 2]
        if not self._ending:
            raise NothingToReadError("expected a task before the end, got none")
        self._before: list[list[tuple[int, int]]] = [[] for _ in ways]
        for task, arcs in enumerate(self._after):
            for other, weight in arcs:
                self._before[other].append((task, weight))
        self._last: list[dict[int, int]] = [{} for _ in schedule.resources]  # of a task, who has the resource before it
        self._next: list[dict[int, int]] = [{} for _ in schedule.resources]
        # Of those that begin together, the ones that take no time come first.
        by_begin = sorted(range(len(ways)), key=lambda task: (begins[task], self._durations[task]))
        previous = [_NOTHING] * len(schedule.resources)
        for task in by_begin:
            for resource in self._uses[task]:
                self._last[resource][task] = self._next[resource][task] = _NOTHING
                self._link(resource, previous[resource], task)
                previous[resource] = task
        self._order = self._sorted(by_begin)
        if len(self._order) < len(ways):
            raise NothingToReadError("expected times in the order of the tasks, got others")
        self._places = [0] * len(ways)
        for place, task in enumerate(self._order):
            self._places[task] = place
        self._heads = [0] * len(ways)
        self._tails = [0] * len(ways)
        self._pass_forward(0)
        self._pass_backward(len(ways) - 1)
        self.length = self._longest()

    def generated(self) -> Generated:
        """Return the schedule in which each task begins at its head."""
        ends = list(map(int.__add__, self._heads, self._durations))
        return Generated(list(self._heads), ends, self._modes, self._price * self.length)

    def critical_path(self, random: Random) -> list[int]:
        """Return the tasks of a longest path, any of them.

        Where one waits for a fixed interval, the path begins with the task that has the resource before that, or else
        goes on with what the task came too late for.
        """
        heads, length = self._heads, self.length
        last = [task for task in self._ending if heads[task] + self._least_tails[task] == length]
        path = [random.choice(last)]
        while True:
            task = path[-1]
            reached, holders = self._held_up(task)
            if heads[task] > reached and random.random() >= _ONWARD:
                before = [self._last[resource][task] for resource in self._uses[task]]
                return [*[other for other in before if other != _NOTHING][:1], *path[::-1]]
            if not holders:
                return path[::-1]
            path.append(holders[0] if len(holders) == 1 else random.choice(holders))

    def moves(self, path: Sequence[int]) -> Iterator[Move]:
        """Yield the moves that may make a path shorter.

        A task is moved behind the last one or before the first one of its block, the stretch of the path on one
        resource (E. Balas, A. Vazacopoulos, Guided local search with shifting bottleneck for job shop scheduling,
        1998), and the first two and the last two are exchanged (E. Nowicki, C. Smutnicki, A fast taboo search algorithm
        for the job shop problem, 1996).
        """
        held = max((place for place, task in enumerate(path) if self._waits_for_fixed(task)), default=0)
        for resource, first_place, block in self._blocks(path):
            size = len(block)
            stretches = {(0, 2, True), (size - 2, size, True)}
            stretches.update((first, size, True) for first in range(max(size - _REACH, 0), size - 1))
            stretches.update((0, last, False) for last in range(3, min(size, _REACH) + 1))
            for first, last, later in sorted(stretches):
                tasks = block[first:last]
                moved = [*tasks[1:], tasks[0]] if later else [tasks[-1], *tasks[:-1]]
                if self._leads_back(tasks, later):
                    continue
                length = self._estimated(resource, tasks, moved)
                if first_place + last <= held:  # the path behind a fixed interval stays
                    length = max(length, self.length)
                yield Move(resource, tasks, moved, length)

    def make(self, move: Move) -> bool:
        """Make a move; return false, with nothing changed, where tasks would wait for each other then."""
        self._relink(move.resource, move.tasks, move.moved)
        first, last = self._places[move.tasks[0]], self._places[move.tasks[-1]]
        part = self._order[first : last + 1]
        ordered = self._sorted(part)
        if len(ordered) < len(part):
            self._relink(move.resource, move.moved, move.tasks)
            return False
        self._order[first : last + 1] = ordered
        for place, task in enumerate(ordered, first):
            self._places[task] = place
        self._pass_forward(first)
        self._pass_backward(last)
        self.length = self._longest()
        return True

    def _link(self, resource: int, one: int, other: int) -> None:
        if one != _NOTHING:
            self._next[resource][one] = other
        if other != _NOTHING:
            self._last[resource][other] = one

    def _relink(self, resource: int, tasks: Sequence[int], moved: Sequence[int]) -> None:
        row = [self._last[resource][tasks[0]], *moved, self._next[resource][tasks[-1]]]
        for one, other in pairwise(row):
            self._link(resource, one, other)

    def _sorted(self, part: Sequence[int]) -> list[int]:
        """Return tasks, which are next to each other in a topological order, in one of the links that there are now."""
        inside = set(part)
        waits = dict.fromkeys(part, 0)
        followers: dict[int, list[int]] = {}
        for task in part:
            behind = [other for other, _ in self._after[task] if other in inside]
            for resource in self._uses[task]:
                other = self._next[resource][task]
                if other in inside:
                    behind.append(other)
            followers[task] = behind
            for other in behind:
                waits[other] += 1
        ready = [task for task in part if not waits[task]]
        for task in ready:
            for other in followers[task]:
                waits[other] -= 1
                if not waits[other]:
                    ready.append(other)
        return ready

    def _pass_forward(self, first: int) -> None:
        """Bring the heads up to date from a place in the order on."""
        heads, least, before, uses = self._heads, self._least, self._before, self._uses
        last, durations, closed = self._last, self._durations, self._closed
        for task in self._order[first:]:
            head = least[task]
            for other, weight in before[task]:
                time = heads[other] + weight
                if time > head:
                    head = time
            for resource in uses[task]:
                other = last[resource][task]
                if other != _NOTHING:
                    time = heads[other] + durations[other]
                    if time > head:
                        head = time
            if closed[task]:
                head = _opened(closed[task], head, durations[task])
            heads[task] = head

    def _pass_backward(self, last: int) -> None:
        """Bring the tails up to date from a place in the order back.

        This is :meth:`_pass_forward` the other way round, written out because these two loops are most of a move.
        """
        tails, least, after, uses, following = self._tails, self._least_tails, self._after, self._uses, self._next
        durations = self._durations
        for task in reversed(self._order[: last + 1]):
            tail = least[task]
            for other, weight in after[task]:
                time = tails[other] + weight
                if time > tail:
                    tail = time
            for resource in uses[task]:
                other = following[resource][task]
                if other != _NOTHING:
                    time = tails[other] + durations[task]
                    if time > tail:
                        tail = time
            tails[task] = tail

    def _longest(self) -> int:
        return max(self._heads[task] + self._least_tails[task] for task in self._ending)

    def _held_up(self, task: int) -> tuple[int, list[int]]:
        """Return when a task could begin if there were no fixed intervals, and the tasks that keep it from earlier."""
        reached = self._least[task]
        holders: list[int] = []
        for other, weight in self._before[task]:
            reached = _hold(holders, reached, self._heads[other] + weight, other)
        for resource in self._uses[task]:
            other = self._last[resource][task]
            if other != _NOTHING:
                reached = _hold(holders, reached, self._heads[other] + self._durations[other], other)
        return reached, holders

    def _waits_for_fixed(self, task: int) -> bool:
        """Tell whether a task would begin earlier but for a fixed interval."""
        return bool(self._closed[task]) and self._heads[task] > self._held_up(task)[0]

    def _blocks(self, path: Sequence[int]) -> Iterator[tuple[int, int, list[int]]]:
        """Yield the stretches in which a path follows a resource: the resource, the first place, the tasks."""
        first, along = 0, _NOTHING
        for place in range(1, len(path) + 1):
            follows = _NOTHING
            if place < len(path):
                one, other = path[place - 1], path[place]
                follows = next((r for r in self._uses[one] if self._next[r][one] == other), _NOTHING)
            if follows != along:
                if along != _NOTHING:
                    yield along, first, list(path[first:place])
                first, along = place - 1, follows

    def _leads_back(self, tasks: Sequence[int], later: bool) -> bool:
        """Tell whether the task that is moved may wait for those that it is moved across, by its arcs."""
        first, last = tasks[0], tasks[-1]
        if later:
            end, tail = self._heads[last] + self._durations[last], self._tails[last]
            return any(self._heads[other] < end and self._tails[other] > tail for other, _ in self._after[first])
        end = self._heads[first] + self._durations[first]
        return any(self._heads[other] + weight > end for other, weight in self._before[last])

    def _estimated(self, resource: int, tasks: Sequence[int], moved: Sequence[int]) -> int:
        """Return the length of the longest path through one of the tasks of a stretch in another order."""
        heads, tails, durations, uses = self._heads, self._tails, self._durations, self._uses
        one, other = self._last[resource][tasks[0]], self._next[resource][tasks[-1]]
        ready = _NEVER if one == _NOTHING else heads[one] + durations[one]
        begins: dict[int, int] = {}
        for task in moved:
            head = self._least[task]
            if ready > head:
                head = ready
            for before, weight in self._before[task]:
                time = begins.get(before, heads[before]) + weight
                if time > head:
                    head = time
            if len(uses[task]) > 1:
                for also in uses[task]:
                    if also != resource and (before := self._last[also][task]) != _NOTHING:
                        head = max(head, begins.get(before, heads[before]) + durations[before])
            if self._closed[task]:
                head = _opened(self._closed[task], head, durations[task])
            begins[task] = head
            ready = head + durations[task]
        follows = _NEVER if other == _NOTHING else tails[other]
        length = _NEVER
        for task in reversed(moved):
            tail = self._least_tails[task]
            if follows + durations[task] > tail:
                tail = follows + durations[task]
            for after, weight in self._after[task]:
                time = tails[after] + weight
                if time > tail:
                    tail = time
            if len(uses[task]) > 1:
                for also in uses[task]:
                    if also != resource and (after := self._next[also][task]) != _NOTHING:
                        tail = max(tail, tails[after] + durations[task])
            follows = tail
            if begins[task] + tail > length:
                length = begins[task] + tail
        return length


def _opened(closed: Sequence[tuple[int, int]], time: int, duration: int) -> int:
    """Return the first time from one on at which a task fits between times at which its resources are taken."""
    for begin, end in closed:
        if time < end and time + duration > begin:
            time = end
    return time


def _hold(holders: list[int], reached: int, time: int, task: int) -> int:
    """Note who holds a task up for longest; return how long."""
    if time > reached:
        holders[:] = [task]
        return time
    if time == reached:
        holders.append(task)
    return reached


def _end(schedule: Schedule) -> int:
    priced = [variable for variable, cost in enumerate(schedule.cost.tolist()) if cost]
    if len(priced) != 1:
        raise NothingToReadError(f"expected an objective that is the end, got one of {len(priced)} variables")
    return priced[0]


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
        tails.append((0 if task.start == end else reached.get(end, _NEVER)) - way.start_shift)
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
