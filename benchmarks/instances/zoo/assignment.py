"""Who gets what: capacities, products of choices, tables of what goes together, stable pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from operator import le
from random import Random

from ortools.sat.python import cp_model

from benchmarks.instances.zoo.rules import require
from benchmarks.instances.zoo.zoo_model import Size, Value, ZooModel

UNDONE = 200
"""What a task costs that no agent does."""


@dataclass(frozen=True)
class GeneralisedAssignment:
    """Of each agent the time and the cost of each task, and how much time there is."""

    time: Sequence[Sequence[int]]
    cost: Sequence[Sequence[int]]
    limit: Sequence[int]


def random_generalised_assignment(
    agents: int,
    tasks: int,
    rng: Random,
    *,
    times: tuple[int, int] = (5, 25),
    dearest: int = 50,
    noise: tuple[int, int] = (0, 10),
) -> GeneralisedAssignment:
    """Return tasks of which each agent has time for a fair share and no more; what is done fast is dear.

    Args:
        agents: who does them.
        tasks: what is to be done.
        rng: random numbers.
        times: the shortest and the longest.
        dearest: the cost of a task is this, less its time, and with noise.
        noise: the least and the largest.
    """
    time = [[rng.randint(*times) for _ in range(tasks)] for _ in range(agents)]
    cost = [[dearest - time[a][t] + rng.randint(*noise) for t in range(tasks)] for a in range(agents)]
    return GeneralisedAssignment(time, cost, [sum(row) * 8 // (10 * agents) for row in time])


def generalised_assignment(size: Size, rng: Random) -> ZooModel:
    """Tasks go to agents with limited time, at the least cost; a task that is left undone costs much."""
    return generalised_assignment_model(random_generalised_assignment(*size.choose((3, 10), (6, 32), (8, 60)), rng))


def generalised_assignment_model(data: GeneralisedAssignment) -> ZooModel:
    """Return the model of tasks and agents."""
    time, cost, limit = data.time, data.cost, data.limit
    agents, tasks = len(time), len(time[0])
    model = cp_model.CpModel()
    does = [[model.new_bool_var(f"does[{a},{t}]") for t in range(tasks)] for a in range(agents)]
    undone = [model.new_bool_var(f"undone[{t}]") for t in range(tasks)]
    for t in range(tasks):
        model.add_exactly_one(undone[t], *(row[t] for row in does))
    for row, times, most in zip(does, time, limit, strict=True):
        model.add(cp_model.LinearExpr.weighted_sum(row, times) <= most)
    model.minimize(sum(cost[a][t] * does[a][t] for a in range(agents) for t in range(tasks)) + UNDONE * sum(undone))

    def check(value: Value) -> int:
        pairs = [(a, t) for a in range(agents) for t in range(tasks) if value(does[a][t])]
        left = [t for t in range(tasks) if value(undone[t])]
        require(sorted([*left, *(t for _, t in pairs)]) == list(range(tasks)), "a task is done once or left undone")
        busy = [0] * agents
        for a, t in pairs:
            busy[a] += time[a][t]
        require(all(map(le, busy, limit)), "no agent works beyond the limit")
        return sum(cost[a][t] for a, t in pairs) + UNDONE * len(left)

    return ZooModel(model, check)


def quadratic_assignment(size: Size, rng: Random) -> ZooModel:
    """Departments go to places; flows between them cost their amount times the distance, which is an element."""
    n = size.choose(5, 8, 9)
    flow = [[rng.choice((0, rng.randint(1, 9))) if i < j else 0 for j in range(n)] for i in range(n)]
    point = [(rng.randrange(10), rng.randrange(10)) for _ in range(n)]
    far = [[abs(a[0] - b[0]) + abs(a[1] - b[1]) for b in point] for a in point]
    model = cp_model.CpModel()
    place = [model.new_int_var(0, n - 1, f"place[{i}]") for i in range(n)]
    model.add_all_different(place)
    costs = []
    for i, j in product(range(n), repeat=2):
        if flow[i][j]:
            distance = model.new_int_var(0, 18, f"distance[{i},{j}]")
            pair = model.new_int_var(0, n * n - 1, f"pair[{i},{j}]")
            model.add(pair == n * place[i] + place[j])
            model.add_element(pair, [d for row in far for d in row], distance)
            costs.append(flow[i][j] * distance)
    model.minimize(sum(costs))

    def check(value: Value) -> int:
        at = [value(p) for p in place]
        require(sorted(at) == list(range(n)), "each place is given once")
        return sum(flow[i][j] * far[at[i]][at[j]] for i in range(n) for j in range(n))

    return ZooModel(model, check)


def configuration(size: Size, rng: Random) -> ZooModel:
    """Parts of a product whose kinds go together or not, by tables; the price within a budget of power is maximised."""
    parts, kinds = size.choose((12, 5), (28, 8), (40, 9))
    price = [[rng.randint(10, 99) for _ in range(kinds)] for _ in range(parts)]
    power = [[rng.randint(1, 20) for _ in range(kinds)] for _ in range(parts)]
    known = [rng.randrange(kinds) for _ in range(parts)]  # one that can be made
    budget = max(sum(power[p][known[p]] for p in range(parts)), 9 * parts)
    tables = []
    for _ in range(3 * parts // 2):
        some = sorted(rng.sample(range(parts), 3))
        rows = {tuple(rng.randrange(kinds) for _ in some) for _ in range(kinds**3 // 3)}
        tables.append((some, sorted(rows | {tuple(known[p] for p in some)})))
    clashes = []
    for _ in range(parts):
        pair = sorted(rng.sample(range(parts), 2))
        never = sorted({(rng.randrange(kinds), rng.randrange(kinds)) for _ in range(kinds)})
        clashes.append((pair, [row for row in never if row != tuple(known[p] for p in pair)]))
    model = cp_model.CpModel()
    kind = [model.new_int_var(0, kinds - 1, f"kind[{p}]") for p in range(parts)]
    prices, powers = [], []
    for p in range(parts):
        prices.append(model.new_int_var(0, 99, f"price[{p}]"))
        powers.append(model.new_int_var(0, 20, f"power[{p}]"))
        triples = [(k, price[p][k], power[p][k]) for k in range(kinds)]
        model.add_allowed_assignments([kind[p], prices[p], powers[p]], triples)
    for some, fitting in tables:
        model.add_allowed_assignments([kind[p] for p in some], fitting)
    for pair, never in clashes:
        model.add_forbidden_assignments([kind[p] for p in pair], never)
    model.add(sum(powers) <= budget)
    model.maximize(sum(prices))

    def check(value: Value) -> int:
        made = [value(k) for k in kind]
        require(all(0 <= k < kinds for k in made), "parts are of kinds that there are")
        require(sum(power[p][k] for p, k in enumerate(made)) <= budget, "the power is within the budget")
        for pair, never in clashes:
            require(tuple(made[p] for p in pair) not in never, "some kinds of parts never go together")
        for some, fitting in tables:
            require(tuple(made[p] for p in some) in fitting, "kinds of parts go together")
        return sum(price[p][k] for p, k in enumerate(made))

    return ZooModel(model, check)


def stable_residents(size: Size, rng: Random) -> ZooModel:
    """Residents and hospitals with ties and short lists: as many as possible are placed, and nobody would swap."""
    people, hospitals, places = size.choose((20, 6, 4), (200, 50, 4), (600, 150, 4))
    likes = [rng.sample(range(hospitals), 4) for _ in range(people)]
    rank = [{h: place // 2 for place, h in enumerate(row)} for row in likes]  # two each are liked equally well
    grade = [{p: rng.randrange(5) for p in range(people)} for _ in range(hospitals)]
    model = cp_model.CpModel()
    goes = {(p, h): model.new_bool_var(f"goes[{p},{h}]") for p in range(people) for h in likes[p]}
    for p in range(people):
        model.add_at_most_one(goes[p, h] for h in likes[p])
    for h in range(hospitals):
        model.add(sum(literal for (_, k), literal in goes.items() if k == h) <= places)
    for p, h in goes:
        content = sum(goes[p, k] for k in likes[p] if rank[p][k] <= rank[p][h])
        full = sum(literal for (q, k), literal in goes.items() if k == h and grade[h][q] <= grade[h][p])
        model.add(places * content + full >= places)
    model.maximize(sum(goes.values()))

    def check(value: Value) -> int:
        pairs = [pair for pair, literal in goes.items() if value(literal)]
        at = dict(pairs)
        staff = {h: [p for p, k in pairs if k == h] for h in range(hospitals)}
        require(len(at) == len(pairs), "nobody goes to two hospitals")
        require(all(len(some) <= places for some in staff.values()), "no hospital takes more than its places")
        for p, h in goes:
            would = p not in at or rank[p][h] < rank[p][at[p]]
            taken = len(staff[h]) < places or any(grade[h][q] > grade[h][p] for q in staff[h])
            require(not (would and taken), "no resident and hospital would rather have each other")
        return len(pairs)

    return ZooModel(model, check)
