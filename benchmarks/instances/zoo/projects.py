"""Tasks that share resources: cumulative, modes, a reservoir, optional tasks with windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from ortools.sat.python import cp_model

from benchmarks.instances.zoo.rules import disjoint, peak, require
from benchmarks.instances.zoo.zoo_model import Size, Value, ZooModel


def _precedences(tasks: int, rng: Random) -> list[tuple[int, int]]:
    """Return who comes before whom: up to two later ones, nearby, for each."""
    pairs = {(a, b) for a in range(tasks) for b in rng.sample(range(a + 1, a + 9), 2) if b < tasks}
    return sorted(pairs)


@dataclass(frozen=True)
class Rcpsp:
    """The data of tasks that share resources.

    Attributes:
        work: time of each task.
        need: of each task and resource.
        capacity: of each resource.
        before: pairs of tasks, the second of which waits for the first.
    """

    work: Sequence[int]
    need: Sequence[Sequence[int]]
    capacity: Sequence[int]
    before: Sequence[tuple[int, int]]


def random_rcpsp(tasks: int, rng: Random) -> Rcpsp:
    """Return tasks with three resources."""
    work = [rng.randint(1, 10) for _ in range(tasks)]
    need = [[rng.choice((0, rng.randint(1, 9))) for _ in range(3)] for _ in range(tasks)]
    return Rcpsp(work, need, [12, 11, 10], _precedences(tasks, rng))


def rcpsp(size: Size, rng: Random) -> ZooModel:
    """Tasks with precedences share three resources; the last end is minimised."""
    return rcpsp_model(random_rcpsp(size.choose(20, 120, 220), rng))


def rcpsp_model(project: Rcpsp) -> ZooModel:
    """Return the model of tasks that share resources."""
    work, need, capacity, before = project.work, project.need, project.capacity, project.before
    tasks, resources, horizon = len(work), range(len(capacity)), sum(work)
    model = cp_model.CpModel()
    start = [model.new_int_var(0, horizon - work[t], f"start[{t}]") for t in range(tasks)]
    interval = [model.new_fixed_size_interval_var(start[t], work[t], f"task[{t}]") for t in range(tasks)]
    makespan = model.new_int_var(0, horizon, "makespan")
    for a, b in before:
        model.add(start[b] >= start[a] + work[a])
    for r in resources:
        model.add_cumulative(interval, [need[t][r] for t in range(tasks)], capacity[r])
    for t in range(tasks):
        model.add(makespan >= start[t] + work[t])
    model.minimize(makespan)

    def check(value: Value) -> int:
        span = [(value(start[t]), value(start[t]) + work[t]) for t in range(tasks)]
        require(min(begin for begin, _ in span) >= 0, "nothing begins before time 0")
        require(all(span[a][1] <= span[b][0] for a, b in before), "a task waits for those before it")
        for r in resources:
            uses = [(span[t], need[t][r]) for t in range(tasks)]
            require(peak(uses) <= capacity[r], "no resource is used beyond its capacity")
        return max(end for _, end in span)

    return ZooModel(model, check)


def multi_mode_rcpsp(size: Size, rng: Random) -> ZooModel:
    """Each task is done slowly with few hands, or fast with many, and fast is dear; the budget is limited."""
    tasks = size.choose(12, 30, 60)
    slow = [rng.randint(4, 12) for _ in range(tasks)]
    modes = [[(w, rng.randint(1, 3), 0), (max(1, w // 2), rng.randint(3, 6), rng.randint(1, 9))] for w in slow]
    before, hands, budget = _precedences(tasks, rng), 9, 2 * tasks
    horizon = sum(slow)
    model = cp_model.CpModel()
    makespan = model.new_int_var(0, horizon, "makespan")
    start = [model.new_int_var(0, horizon, f"start[{t}]") for t in range(tasks)]
    end = [model.new_int_var(0, horizon, f"end[{t}]") for t in range(tasks)]
    fast = [model.new_bool_var(f"fast[{t}]") for t in range(tasks)]
    intervals, demands = [], []
    for t in range(tasks):
        for literal, (length, demand, _) in zip((~fast[t], fast[t]), modes[t], strict=True):
            intervals.append(model.new_optional_interval_var(start[t], length, end[t], literal, f"task[{t}]"))
            demands.append(demand)
        model.add(makespan >= end[t])
    model.add_cumulative(intervals, demands, hands)
    for a, b in before:
        model.add(start[b] >= end[a])
    model.add(sum(modes[t][1][2] * fast[t] for t in range(tasks)) <= budget)
    model.minimize(makespan)

    def check(value: Value) -> int:
        mode = [modes[t][value(fast[t])] for t in range(tasks)]
        span = [(value(start[t]), value(start[t]) + mode[t][0]) for t in range(tasks)]
        require(min(begin for begin, _ in span) >= 0, "nothing begins before time 0")
        require(all(span[a][1] <= span[b][0] for a, b in before), "a task waits for those before it")
        require(peak([(span[t], mode[t][1]) for t in range(tasks)]) <= hands, "there are hands for all tasks")
        require(sum(cost for _, _, cost in mode) <= budget, "the budget is kept")
        return max(finish for _, finish in span)

    return ZooModel(model, check)


def reservoir(size: Size, rng: Random) -> ZooModel:
    """A tank is filled at known times and emptied by orders that may be refused; what is served is maximised."""
    orders = size.choose(10, 18, 24)
    horizon, capacity = 6 * orders, 40
    fills = [(at, rng.randint(8, 16)) for at in range(0, horizon, 9)]
    order = []  # first and last time, amount, profit
    for _ in range(orders):
        first = rng.randrange(horizon - 8)
        order.append((first, min(horizon, first + rng.randint(4, 20)), rng.randint(5, 25), rng.randint(5, 60)))
    model = cp_model.CpModel()
    at = [model.new_int_var(first, last, f"at[{o}]") for o, (first, last, _, _) in enumerate(order)]
    served = [model.new_bool_var(f"served[{o}]") for o in range(orders)]
    kept = [model.new_bool_var(f"kept[{f}]") for f in range(len(fills))]  # a fill that does not fit is turned away
    model.add_reservoir_constraint_with_active(
        [*(time for time, _ in fills), *at],
        [*(amount for _, amount in fills), *(-amount for _, _, amount, _ in order)],
        [*kept, *served],
        0,
        capacity,
    )
    model.maximize(sum(order[o][3] * served[o] for o in range(orders)) - 3 * sum(kept))

    def check(value: Value) -> int:
        changes: dict[int, int] = {}
        for f, (time, amount) in enumerate(fills):
            changes[time] = changes.get(time, 0) + amount * value(kept[f])
        for o, (first, last, amount, _) in enumerate(order):
            time = value(at[o])
            require(first <= time <= last or not value(served[o]), "an order is served within its times")
            changes[time] = changes.get(time, 0) - amount * value(served[o])
        level = 0
        for time in sorted(changes):
            level += changes[time]
            require(0 <= level <= capacity, "the tank is never below empty or above full")
        profit = sum(order[o][3] * value(served[o]) for o in range(orders))
        return profit - 3 * sum(value(literal) for literal in kept)

    return ZooModel(model, check)


def order_acceptance(size: Size, rng: Random) -> ZooModel:
    """Orders with release and due dates are done on one of two machines or refused; the profit is maximised."""
    orders = size.choose(12, 23, 30)
    horizon = 6 * orders
    order = []  # release, due, and for both machines the time that it takes; profit
    for _ in range(orders):
        length = rng.randint(6, 24)
        release = rng.randrange(horizon - length)
        due = min(horizon, release + length + rng.randint(4, 30))
        order.append((release, due, (length, min(due - release, length + rng.randint(0, 6))), rng.randint(3, 50)))
    model = cp_model.CpModel()
    start, done = {}, {}
    on: list[list[cp_model.IntervalVar]] = [[], []]
    for o, (release, due, lengths, _) in enumerate(order):
        for m, length in enumerate(lengths):
            begin = start[o, m] = model.new_int_var(release, due - length, f"start[{o},{m}]")
            literal = done[o, m] = model.new_bool_var(f"done[{o},{m}]")
            on[m].append(model.new_optional_fixed_size_interval_var(begin, length, literal, f"order[{o},{m}]"))
        model.add_at_most_one(done[o, 0], done[o, 1])
    for intervals in on:
        model.add_no_overlap(intervals)
    model.maximize(sum(order[o][3] * literal for (o, _), literal in done.items()))

    def check(value: Value) -> int:
        used: list[list[tuple[int, int]]] = [[], []]
        accepted = [key for key, literal in done.items() if value(literal)]
        require(len({o for o, _ in accepted}) == len(accepted), "an order is done once")
        for o, m in accepted:
            release, due, lengths, _ = order[o]
            begin = value(start[o, m])
            require(release <= begin <= due - lengths[m], "an order is done between its release and its due date")
            used[m].append((begin, begin + lengths[m]))
        require(all(map(disjoint, used)), "a machine does one order at a time")
        return sum(order[o][3] for o, _ in accepted)

    return ZooModel(model, check)
