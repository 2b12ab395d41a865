"""A timetable, and the line that brings in a learned search.

At a job fair each candidate talks to each company once, and nobody is in two talks at a time. Most talks have been
promised for a certain period already; the others have to fit in around them. At small fairs that is easy. At large ones
it is easy to begin in a way that cannot be completed, and hard to see it.
"""

# %%
import random

from ortools.sat.python import cp_model

import nnsearch.cpsat

SIZES = (10, 30, 40)  # as many candidates as companies, and as many periods
SECONDS = 5.0  # for each solve
PROMISED = 0.58  # share of the talks

Talk = tuple[int, int]  # a candidate and a company


def promised_talks(size: int) -> dict[Talk, int]:
    """Return the periods that were promised: a part of a timetable that exists, but that nobody has kept."""
    rng = random.Random(2)
    first, shift, company = (rng.sample(range(size), size) for _ in range(3))
    whole = {(c, company[(first[c] + shift[p]) % size]): p for c in range(size) for p in range(size)}
    return {talk: period for talk, period in whole.items() if rng.random() < PROMISED}


# %% [markdown]
# The model is one that you would write anyway.


# %%
def fair_model(size: int, promised: dict[Talk, int]) -> tuple[cp_model.CpModel, dict[Talk, cp_model.IntVar]]:
    """Return a model whose variables are the periods of the talks."""
    model = cp_model.CpModel()
    period = {(a, b): model.new_int_var(0, size - 1, f"{a} at {b}") for a in range(size) for b in range(size)}
    for one in range(size):
        model.add_all_different([period[one, company] for company in range(size)])
        model.add_all_different([period[candidate, one] for candidate in range(size)])
    for talk, fixed in promised.items():
        model.add(period[talk] == fixed)
    return model, period


# %% [markdown]
# Only the solver differs. `CpSolver("bp")` is CP-SAT with belief propagation beside it, in which nothing is trained.
# The first answer counts, and `solver.race` says whose that was, and why. How long it takes depends on the machine and
# on luck, too, and this is one run of each.

# %%
timetables: dict[int, dict[Talk, int]] = {}
for size in SIZES:
    promised = promised_talks(size)
    print(f"{size} candidates and {size} companies, {len(promised)} of {size * size} talks are promised")
    for name, solver in (("CP-SAT", cp_model.CpSolver()), ("with a learned search", nnsearch.cpsat.CpSolver("bp"))):
        solver.parameters.max_time_in_seconds = SECONDS
        solver.parameters.num_workers = 2
        model, period = fair_model(size, promised)
        status = solver.solve(model)
        found = "a timetable" if status in (cp_model.OPTIMAL, cp_model.FEASIBLE) else "nothing"
        print(f"  {name}: {found} in {solver.wall_time:.2f} s")
        if found == "a timetable":
            timetables[size] = {talk: solver.value(var) for talk, var in period.items()}
    print(f"  {solver.race}")

# %% [markdown]
# The first candidate's way through the smallest fair.

# %%
size = min(timetables)
visits = sorted((when, company) for (candidate, company), when in timetables[size].items() if candidate == 0)
print(f"at the fair of {size} the first candidate visits companies", *(company for _, company in visits))
