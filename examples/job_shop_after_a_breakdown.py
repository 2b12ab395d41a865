"""A job shop in which a machine breaks down: the rest is planned again, from the plan that everybody works by.

What has begun stays as it was, the broken machine waits for its repair, and the second solve starts from the plan that
there is.
"""

import random
from itertools import pairwise
from pathlib import Path

from ortools.sat.python import cp_model

import nnsearch.cpsat

NIGHT = 4.0  # seconds for the first plan
PATIENCE = 1.0  # seconds for the second one, for which people wait
JOBS = 20
MACHINES = 15
BROKEN = 3  # this machine stands still
NOW = 200  # from this minute
REPAIRED = 300  # to this one

Task = tuple[int, int]  # a job, and the machine that it needs next
Plan = dict[Task, int]  # when each task starts

rng = random.Random(1)
# Each job visits the machines in an order of its own.
DURATIONS = {(j, m): rng.randint(10, 99) for j in range(JOBS) for m in rng.sample(range(MACHINES), MACHINES)}


def shop_model(begun: Plan) -> tuple[cp_model.CpModel, dict[Task, cp_model.IntVar]]:
    """Return a model that minimises the end of the last task; tasks that have begun belong to the breakdown."""
    model = cp_model.CpModel()
    horizon = sum(DURATIONS.values())
    # The history knows variables again by their names.
    start = {task: model.new_int_var(0, horizon, f"job {task[0]} on {task[1]}") for task in DURATIONS}
    busy: list[list[cp_model.IntervalVar]] = [[] for _ in range(MACHINES)]
    end = model.new_int_var(0, horizon, "end")
    for (job, machine), duration in DURATIONS.items():
        busy[machine].append(model.new_fixed_size_interval_var(start[job, machine], duration, ""))
        model.add(start[job, machine] + duration <= end)
    tasks = list(DURATIONS)
    for (job, machine), (same, following) in pairwise(tasks):
        if job == same:
            model.add(start[job, machine] + DURATIONS[job, machine] <= start[job, following])
    if begun:
        busy[BROKEN].append(model.new_fixed_size_interval_var(NOW, REPAIRED - NOW, "repair"))
        for task in tasks:
            model.add(start[task] == begun[task]) if task in begun else model.add(start[task] >= NOW)
    for intervals in busy:
        model.add_no_overlap(intervals)
    model.minimize(end)
    return model, start


def plan_of(solver: cp_model.CpSolver, begun: Plan, seconds: float) -> Plan:
    """Solve the shop, and return when each task starts."""
    model, start = shop_model(begun)
    solver.parameters.max_time_in_seconds = seconds
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        raise SystemExit(f"no plan within {seconds} s")
    return {task: solver.value(var) for task, var in start.items()}


def main() -> None:
    """Plan the shop, let the machine break down, and plan again with the first plan and without."""
    store = Path("shop.db")
    store.unlink(missing_ok=True)  # this example always begins without a past; a program of yours keeps it
    first = plan_of(nnsearch.cpsat.CpSolver(None, history=store, family="shop"), {}, NIGHT)
    print(f"the plan of the night ends at minute {max(first[t] + DURATIONS[t] for t in first)}")

    # What the broken machine has in work begins anew after the repair.
    begun = {t: s for t, s in first.items() if s < NOW and (t[1] != BROKEN or s + DURATIONS[t] <= NOW)}
    solver = nnsearch.cpsat.CpSolver(None, history=store, family="shop")
    scratch = plan_of(cp_model.CpSolver(), begun, PATIENCE)
    second = plan_of(solver, begun, PATIENCE)
    for title, plan in (("from scratch", scratch), ("from the first plan", second)):
        moved = sum(plan[task] != first[task] for task in plan)
        print(
            f"{title}: ends at minute {max(plan[t] + DURATIONS[t] for t in plan)}, {moved} of {len(plan)} tasks moved"
        )
    print(solver.race)
    for change in solver.changes[:5]:
        print(f"  {change.name}: {change.before} -> {change.now}")


if __name__ == "__main__":
    main()
