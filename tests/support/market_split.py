"""Models that nobody solves, or proves, in seconds."""

from __future__ import annotations

import itertools
import random

from ortools.sat.python import cp_model


def market_split(objective: bool, columns: int = 40, maximise: bool = False) -> cp_model.CpModel:
    """Nobody solves it in seconds; with an objective there are solutions everywhere (Cornuejols and Dawande 1998)."""
    rng = random.Random(0)
    model = cp_model.CpModel()
    x = [model.new_bool_var(f"x{i}") for i in range(columns)]
    slacks = []
    for _ in range(5):
        weights = [rng.randrange(100) for _ in x]
        slack = 0
        if objective:
            over, under = model.new_int_var(0, 5000, "over"), model.new_int_var(0, 5000, "under")
            slacks += [over, under]
            slack = over - under
        model.add(sum(w * v for w, v in zip(weights, x, strict=True)) + slack == sum(weights) // 2)
    for one, other in itertools.pairwise(x[:6]):
        model.add_at_most_one(one, other)  # something that a graph can show
    if objective and maximise:
        model.maximize(1000 - sum(slacks))
    elif objective:
        model.minimize(sum(slacks))
    return model


def nothing_taken(model: cp_model.CpModel) -> list[int]:
    """A solution of a market split whose slacks are about as large as they can be."""
    totals = [row.linear.domain[0] for row in model.proto.constraints if row.has_linear()]
    values = [0] * (len(model.proto.variables) - 2 * len(totals))
    return values + [slack for total in totals for slack in (5000, 5000 - total)]
