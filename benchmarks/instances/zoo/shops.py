"""Machines that jobs visit one after the other: intervals, optional intervals, no_overlap, element, circuit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from ortools.sat.python import cp_model

from benchmarks.instances.zoo.rules import Span, disjoint, require, walk
from benchmarks.instances.zoo.zoo_model import Size, Value, ZooModel

_ONE_AT_A_TIME = "a machine does one thing at a time"
_BEGIN = "nothing begins before time 0"
_ORDER = "a job's operations come in their order"


@dataclass(frozen=True)
class JobShop:
    """The data of a job shop.

    Attributes:
        machines: how many there are.
        jobs: by its number, the operations of each: machine and time.
        closed: machines that are out of order, from when until when.
    """

    machines: int
    jobs: Mapping[int, Sequence[tuple[int, int]]]
    closed: Sequence[tuple[int, Span]] = ()


def job_shop(size: Size, rng: Random) -> ZooModel:
    """Jobs visit all machines, each in an order of its own; the last end is minimised."""
    jobs, machines = size.choose((7, 5), (10, 8), (20, 10))
    route = [rng.sample(range(machines), machines) for _ in range(jobs)]
    work = [[rng.randint(5, 60) for _ in range(machines)] for _ in range(jobs)]
    return job_shop_model(JobShop(machines, {j: list(zip(route[j], work[j], strict=True)) for j in range(jobs)}))


def job_shop_model(shop: JobShop) -> ZooModel:
    """Return the model of a job shop."""
    horizon = sum(w for job in shop.jobs.values() for _, w in job) + max(
        (end for _, (_, end) in shop.closed), default=0
    )
    model = cp_model.CpModel()
    start = {
        j: [model.new_int_var(0, horizon - w, f"start[{j},{k}]") for k, (_, w) in enumerate(job)]
        for j, job in shop.jobs.items()
    }
    on: list[list[cp_model.IntervalVar]] = [[] for _ in range(shop.machines)]
    for j, job in shop.jobs.items():
        for k, (machine, w) in enumerate(job):
            on[machine].append(model.new_fixed_size_interval_var(start[j][k], w, f"operation[{j},{k}]"))
            if k:
                model.add(start[j][k] >= start[j][k - 1] + job[k - 1][1])
    for machine, (begin, end) in shop.closed:
        on[machine].append(model.new_fixed_size_interval_var(begin, end - begin, f"closed[{machine}]"))
    for intervals in on:
        model.add_no_overlap(intervals)
    makespan = model.new_int_var(0, horizon, "makespan")
    model.add_max_equality(makespan, [start[j][-1] + job[-1][1] for j, job in shop.jobs.items()])
    model.minimize(makespan)

    def check(value: Value) -> int:
        spans = {
            j: [(value(s), value(s) + w) for s, (_, w) in zip(start[j], job, strict=True)]
            for j, job in shop.jobs.items()
        }
        require(min(job[0][0] for job in spans.values()) >= 0, _BEGIN)
        require(all(a[1] <= b[0] for job in spans.values() for a, b in pairwise(job)), _ORDER)
        busy: list[list[Span]] = [[] for _ in range(shop.machines)]
        for machine, span in shop.closed:
            busy[machine].append(span)
        for j, job in shop.jobs.items():
            for (machine, _), span in zip(job, spans[j], strict=True):
                busy[machine].append(span)
        require(all(map(disjoint, busy)), _ONE_AT_A_TIME)
        return max(job[-1][1] for job in spans.values())

    return ZooModel(model, check)


FlexibleJobs = Sequence[Sequence[Mapping[int, int]]]
"""Of each job the operations in their order, and of each of them the machines that it may be done on, with its time."""


def random_flexible_jobs(jobs: int, steps: int, machines: int, rng: Random, *, choices: int = 2) -> FlexibleJobs:
    """Return jobs, each operation of which may be done on so many machines."""
    return [
        [{m: rng.randint(5, 40) for m in sorted(rng.sample(range(machines), choices))} for _ in range(steps)]
        for _ in range(jobs)
    ]


def flexible_job_shop(size: Size, rng: Random) -> ZooModel:
    """Each operation is done on one of some machines, and takes another time on each; the last end is minimised."""
    return flexible_job_shop_model(random_flexible_jobs(*size.choose((5, 4, 4), (8, 5, 5), (10, 6, 6)), rng))


def flexible_job_shop_model(work: FlexibleJobs) -> ZooModel:
    """Return the model of a flexible job shop."""
    jobs, machines = len(work), 1 + max(m for job in work for choices in job for m in choices)
    horizon = sum(max(choices.values()) for job in work for choices in job)
    model = cp_model.CpModel()
    makespan = model.new_int_var(0, horizon, "makespan")
    on: list[list[cp_model.IntervalVar]] = [[] for _ in range(machines)]
    start, chosen = {}, {}
    for j in range(jobs):
        last: cp_model.LinearExprT = 0
        for k, choices in enumerate(work[j]):
            begin = start[j, k] = model.new_int_var(0, horizon, f"start[{j},{k}]")
            end = model.new_int_var(0, horizon, f"end[{j},{k}]")
            for m, length in choices.items():
                is_on = chosen[j, k, m] = model.new_bool_var(f"on[{j},{k},{m}]")
                on[m].append(model.new_optional_interval_var(begin, length, end, is_on, f"operation[{j},{k},{m}]"))
            model.add_exactly_one(chosen[j, k, m] for m in choices)
            model.add(begin >= last)
            last = end
        model.add(makespan >= last)
    for intervals in on:
        model.add_no_overlap(intervals)
    model.minimize(makespan)

    def check(value: Value) -> int:
        last_end = 0
        used: list[list[tuple[int, int]]] = [[] for _ in range(machines)]
        for j in range(jobs):
            ready = 0
            for k, choices in enumerate(work[j]):
                machine = [m for m in choices if value(chosen[j, k, m])]
                require(len(machine) == 1, "an operation is done on one machine")
                begin = value(start[j, k])
                require(begin >= ready, _ORDER)
                ready = begin + choices[machine[0]]
                used[machine[0]].append((begin, ready))
            last_end = max(last_end, ready)
        require(all(map(disjoint, used)), _ONE_AT_A_TIME)
        return last_end

    return ZooModel(model, check)


def open_shop(size: Size, rng: Random) -> ZooModel:
    """Jobs visit all machines in whatever order; the last end is minimised."""
    n = size.choose(5, 30, 45)
    work = [[rng.randint(1, 30) for _ in range(n)] for _ in range(n)]
    horizon = sum(map(sum, work))
    model = cp_model.CpModel()
    start = [[model.new_int_var(0, horizon - work[j][m], f"start[{j},{m}]") for m in range(n)] for j in range(n)]
    task = [[model.new_fixed_size_interval_var(start[j][m], work[j][m], "") for m in range(n)] for j in range(n)]
    makespan = model.new_int_var(0, horizon, "makespan")
    for i in range(n):
        model.add_no_overlap(task[i])
        model.add_no_overlap(row[i] for row in task)
        for m in range(n):
            model.add(makespan >= start[i][m] + work[i][m])
    model.minimize(makespan)

    def check(value: Value) -> int:
        spans = [[(value(start[j][m]), value(start[j][m]) + work[j][m]) for m in range(n)] for j in range(n)]
        require(min(begin for row in spans for begin, _ in row) >= 0, _BEGIN)
        for i in range(n):
            require(disjoint(spans[i]), "a job is on one machine at a time")
            require(disjoint(row[i] for row in spans), _ONE_AT_A_TIME)
        return max(end for row in spans for _, end in row)

    return ZooModel(model, check)


def permutation_flow_shop(size: Size, rng: Random) -> ZooModel:
    """All machines see the jobs in one order; element says who is at a place of it, and the last end is minimised."""
    jobs, machines = size.choose((5, 3), (9, 4), (11, 5))
    work = [[rng.randint(1, 40) for _ in range(jobs)] for _ in range(machines)]
    horizon = sum(map(sum, work))
    model = cp_model.CpModel()
    job_at = [model.new_int_var(0, jobs - 1, f"job_at[{p}]") for p in range(jobs)]
    model.add_all_different(job_at)
    end = {}
    for m in range(machines):
        for p in range(jobs):
            length = model.new_int_var(min(work[m]), max(work[m]), f"length[{m},{p}]")
            model.add_element(job_at[p], work[m], length)
            end[m, p] = model.new_int_var(0, horizon, f"end[{m},{p}]")
            before = [end[at] for at in ((m - 1, p), (m, p - 1)) if at in end]
            model.add_max_equality(end[m, p], [other + length for other in before] or [length])
    model.minimize(end[machines - 1, jobs - 1])

    def check(value: Value) -> int:
        order = [value(job) for job in job_at]
        require(sorted(order) == list(range(jobs)), "each job comes once")
        free = [0] * machines
        for job in order:
            for m in range(machines):
                free[m] = max(free[m], free[m - 1] if m else 0) + work[m][job]
        return free[-1]

    return ZooModel(model, check)


def setup_times(size: Size, rng: Random) -> ZooModel:
    """One machine, release dates, and setups by who comes after whom, as a circuit; the last end is minimised."""
    jobs = size.choose(7, 9, 12)
    work = [rng.randint(5, 25) for _ in range(jobs)]
    release = [rng.randint(0, 12 * jobs) for _ in range(jobs)]
    setup = [[rng.randint(1, 20) for _ in range(jobs)] for _ in range(jobs)]
    horizon = max(release) + sum(work) + 20 * jobs
    model = cp_model.CpModel()
    start = [model.new_int_var(release[j], horizon, f"start[{j}]") for j in range(jobs)]
    makespan = model.new_int_var(0, horizon, "makespan")
    follows = {}
    depot = jobs
    for i in range(jobs):
        follows[depot, i] = model.new_bool_var(f"first[{i}]")
        follows[i, depot] = model.new_bool_var(f"last[{i}]")
        model.add(makespan >= start[i] + work[i])
        for j in range(jobs):
            if i != j:
                follows[i, j] = model.new_bool_var(f"follows[{i},{j}]")
                model.add(start[j] >= start[i] + work[i] + setup[i][j]).only_enforce_if(follows[i, j])
    model.add_circuit([(i, j, literal) for (i, j), literal in follows.items()])
    model.add_no_overlap(model.new_fixed_size_interval_var(start[j], work[j], f"job[{j}]") for j in range(jobs))
    model.minimize(makespan)

    def check(value: Value) -> int:
        order = walk([arc for arc, literal in follows.items() if value(literal)], depot)[1:]
        require(len(order) == jobs, "each job is done")
        begin = [value(s) for s in start]
        require(all(begin[j] >= release[j] for j in range(jobs)), "no job starts before its release")
        for i, j in pairwise(order):
            require(begin[j] >= begin[i] + work[i] + setup[i][j], "there is time for the setup")
        return max(begin[j] + work[j] for j in range(jobs))

    return ZooModel(model, check)


def weighted_tardiness(size: Size, rng: Random) -> ZooModel:
    """One machine; what is late costs its weight for each unit of time. The order of due dates is a hint."""
    jobs = size.choose(9, 15, 20)
    work = [rng.randint(3, 30) for _ in range(jobs)]
    due = [rng.randint(work[j], sum(work) * 3 // 4 + work[j]) for j in range(jobs)]
    weight = [rng.randint(1, 9) for _ in range(jobs)]
    horizon = sum(work)
    model = cp_model.CpModel()
    start = [model.new_int_var(0, horizon - work[j], f"start[{j}]") for j in range(jobs)]
    late = [model.new_int_var(0, horizon, f"late[{j}]") for j in range(jobs)]
    for j in range(jobs):
        model.add_max_equality(late[j], [0, start[j] + work[j] - due[j]])
    model.add_no_overlap(model.new_fixed_size_interval_var(start[j], work[j], f"job[{j}]") for j in range(jobs))
    model.minimize(cp_model.LinearExpr.weighted_sum(late, weight))
    at = 0
    for j in sorted(range(jobs), key=due.__getitem__):
        model.add_hint(start[j], at)
        at += work[j]

    def check(value: Value) -> int:
        end = [value(start[j]) + work[j] for j in range(jobs)]
        require(all(end[j] >= work[j] for j in range(jobs)), _BEGIN)
        require(disjoint((end[j] - work[j], end[j]) for j in range(jobs)), _ONE_AT_A_TIME)
        return sum(weight[j] * max(0, end[j] - due[j]) for j in range(jobs))

    return ZooModel(model, check)
