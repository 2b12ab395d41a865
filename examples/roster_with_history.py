"""A roster that is solved again with other requests.

Two weeks of a hospital ward. Everybody knows Monday's plan when some nurses ask for other days off on Tuesday. With
`history` the solver remembers Monday's plan and begins from it. With `keep` every change costs something.
"""

# %%
import random
from pathlib import Path

from ortools.sat.python import cp_model

import nnsearch.cpsat

SECONDS = 3.0  # for each of the three solves
NURSES = ["Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gia", "Hal", "Ida", "Jon", "Kim", "Leo", "Mia", "Ned"]
DAYS = 14
DEMAND = {"early": 4, "late": 3, "night": 2}

Requests = dict[tuple[str, int], int]
Works = dict[tuple[str, int, str], cp_model.IntVar]
Plan = dict[str, str]  # a letter for each day: e, l, n, or a dot for a day off

rng = random.Random(1)
# Who would like which day off, and how much it costs to refuse that.
monday: Requests = {(nurse, rng.randrange(DAYS)): rng.randint(1, 9) for nurse in NURSES for _ in range(5)}
tuesday = dict(rng.sample(sorted(monday.items()), len(monday) - 5))  # five wishes are gone, and five are new
tuesday |= {(rng.choice(NURSES), rng.randrange(DAYS)): 9 for _ in range(5)}

# %% [markdown]
# The model is plain CP-SAT. One thing to take care of: the history knows variables again by their names, so a name says
# what its variable means, and not where it stands in a list.


# %%
def roster_model(requests: Requests) -> tuple[cp_model.CpModel, Works]:
    """Return a model that minimises refused requests and single days off."""
    model = cp_model.CpModel()
    works = {(n, d, s): model.new_bool_var(f"{n} {d} {s}") for n in NURSES for d in range(DAYS) for s in DEMAND}
    for day in range(DAYS):
        for shift, demand in DEMAND.items():
            model.add(sum(works[nurse, day, shift] for nurse in NURSES) == demand)
    costs = []
    for nurse in NURSES:
        busy = [sum(works[nurse, day, shift] for shift in DEMAND) for day in range(DAYS)]
        model.add(sum(busy) <= 10)
        for day in range(DAYS):
            model.add(busy[day] <= 1)
            model.add(sum(busy[day : day + 6]) <= 5)
            if day + 1 < DAYS:  # eleven hours of rest between two shifts
                for late, early in (("night", "early"), ("night", "late"), ("late", "early")):
                    model.add(works[nurse, day, late] + works[nurse, day + 1, early] <= 1)
            if 0 < day < DAYS - 1:  # one day off by itself is no rest
                single = model.new_bool_var(f"{nurse} {day} single day off")
                model.add(busy[day - 1] + busy[day + 1] - busy[day] <= 1 + single)
                costs.append(2 * single)
            costs.append(requests.get((nurse, day), 0) * busy[day])
    model.minimize(sum(costs))
    return model, works


def solve(solver: cp_model.CpSolver, requests: Requests) -> Plan:
    """Solve the roster for some requests."""
    model, works = roster_model(requests)
    solver.parameters.max_time_in_seconds = SECONDS
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        raise SystemExit(f"no roster within {SECONDS} s")
    letters = {key[:2]: key[2][0] for key, var in works.items() if solver.boolean_value(var)}
    return {nurse: "".join(letters.get((nurse, day), ".") for day in range(DAYS)) for nurse in NURSES}


def roster_cost(plan: Plan, requests: Requests) -> int:
    """Return what the model minimises, counted in a plan: with keep, the objective has the price of changes in it."""
    refused = sum(price for (nurse, day), price in requests.items() if plan[nurse][day] != ".")
    windows = [days[day : day + 3] for days in plan.values() for day in range(DAYS - 2)]
    return refused + 2 * sum(w[1] == "." and w[0] != "." and w[2] != "." for w in windows)


# %% [markdown]
# Monday. The store is a file, which is made when it is first used; a program of yours keeps it from day to day.

# %%
store = Path("rosters.db")
store.unlink(missing_ok=True)  # for this example always begins without a past
first = solve(nnsearch.cpsat.CpSolver(None, history=store, family="ward"), monday)
print(f"Monday: cost {roster_cost(first, monday)}")

# %% [markdown]
# Tuesday, twice: from scratch, and from Monday's plan. It is one run of each, so take it as an example and not as a
# measurement: `nnsearch history replay rosters.db` solves what is in a store again, with the past and without.

# %%
scratch = solve(cp_model.CpSolver(), tuesday)
solver = nnsearch.cpsat.CpSolver(None, history=store, family="ward", keep=1)
second = solve(solver, tuesday)
for title, plan in (("from scratch", scratch), ("from Monday's plan", second)):
    changed = sum(plan[nurse][day] != first[nurse][day] for nurse in NURSES for day in range(DAYS))
    print(f"Tuesday {title}: cost {roster_cost(plan, tuesday)}, {changed} of {len(NURSES) * DAYS} days are changed")
print(f"{solver.race}; with keep=1 each change costs 1 more")

# %% [markdown]
# `solver.changes` lists each variable that has another value than in the past plan.

# %%
for change in solver.changes[:6]:
    print(f"  {change.name}: {change.before} -> {change.now}")
for nurse, days in second.items():
    print(f"{nurse:5}{days}")
